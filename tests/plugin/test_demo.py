"""The demo shows what it says, on any terminal, and notices when it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent.parent


def run(plugin: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    return subprocess.run(
        [sys.executable, str(plugin / "plugin"), "demo"],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_demo_shows_the_loop_stopped_let_through_again_and_good_work_untouched(tmp_path: Path) -> None:
    done = run(ROOT, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = [
        done.stdout.index(word)
        for word in (
            "Claude is warned",
            "OPEN",
            " blocked\n",
            "Claude reads",
            "one retry",
            "CLOSED",
            "done well",
        )
    ]
    assert told == sorted(told)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    run(ROOT, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_demo_says_so_when_the_breaker_does_not_answer(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin folder"
    for name in ("plugin", "lib", "hooks"):
        shutil.copytree(ROOT / name, plugin / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(plugin / "lib" / "circuit_breaker" / "breaker")
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        done = run(plugin, Path(folder))
    assert done.returncode == 1
    assert "did not turn out as it should" in done.stderr
    assert "Traceback" not in done.stderr
