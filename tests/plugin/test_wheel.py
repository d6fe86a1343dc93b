"""The wheel: the command line without a clone, and an installation that outlives it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from client.driver import copy_plugin

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The command of a fresh environment that holds the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_plugin(folder / "source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip("no package index within reach: " + done.stderr.strip()[-200:])
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    add = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", wheel]
    subprocess.run(add, check=True)
    return python.with_name("circuit-breaker")


def run(command, person, *arguments):
    return subprocess.run(
        [str(command), *arguments],
        capture_output=True,
        text=True,
        env=person.env,
        cwd=person.project,
        check=False,
    )


def test_the_wheel_runs_verbs_without_a_clone(command, person):
    version = json.loads((ROOT / "plugin.json").read_text())["version"]
    assert run(command, person, "--version").stdout == f"circuit-breaker {version}\n"
    assert run(command, person, "help").stdout.startswith("usage: circuit-breaker ")
    (person.project / "s.jsonl").write_text("")
    done = run(command, person, "replay", str(person.project / "s.jsonl"), "--json")
    assert json.loads(done.stdout)["schema"] == 1, done.stderr


def test_an_installation_from_the_wheel_stands_without_it(command, person):
    before = person.tree()
    done = run(command, person, "install", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    placed = person.home / ".local" / "bin" / "circuit-breaker"
    lost = command.parents[1].rename(command.parents[1].with_name("moved"))
    try:
        done = run(placed, person, "doctor")
        assert "doctor: all is well" in done.stdout, done.stdout + done.stderr
        done = run(placed, person, "uninstall")
        assert done.returncode == 0, done.stderr
    finally:
        lost.rename(command.parents[1])
    assert person.tree() == before
