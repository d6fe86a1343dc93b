"""What every test may ask for: recorded payloads, a throw-away machine, hooks as real processes."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from registrations import SCRIPTS, lines_for
from samples import IN_CI, samples

from circuit_breaker.runtime import hook

# How quick the machine is while others use it says nothing about the code.
settings.register_profile(
    "any machine",
    deadline=None,
    max_examples=samples(here=50, in_ci=100),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")

# A shim of pyenv takes several times as long as a hook; the tests of its own have one made for them.
if "shims" in (shutil.which("python3") or ""):
    os.environ["PATH"] = os.pathsep.join([f"{sys.base_prefix}/bin", os.environ["PATH"]])

ROOT = Path(__file__).resolve().parent.parent
PAYLOADS = ROOT / "tests" / "payloads"


class Answer(NamedTuple):
    """What a hook process left behind. `out` is its answer, None when it said nothing."""

    code: int
    stdout: str
    stderr: str

    @property
    def out(self) -> Any:
        return json.loads(self.stdout) if self.stdout.strip() else None


class Machine(NamedTuple):
    """A throw-away machine: a person's home, a project, and the environment a hook of that project sees."""

    home: Path
    project: Path
    env: dict[str, str]

    @property
    def runtime(self) -> Path:
        return Path(self.env["CIRCUIT_BREAKER_HOME"])


@functools.cache  # it starts every one of them, and many tests ask
def pythons() -> list[str]:
    """Every Python from 3.9 up on this machine, one for each minor version: pyenv's, then PATH's."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    places = [*sorted(versions.glob("3.*/bin")), *map(Path, os.environ.get("PATH", "").split(os.pathsep))]
    for place in [Path(sys.executable).parent, *places]:
        for path in [place / "python3", *sorted(place.glob("python3.[0-9]*"))]:
            if not re.fullmatch(r"python3(\.\d+)?", path.name) or "shims" in path.parts or not path.exists():
                continue
            asked = "import sys; print('%d.%d' % sys.version_info[:2])"
            told = subprocess.run(
                [path, "-I", "-S", "-c", asked], capture_output=True, text=True, check=False
            )
            version = told.stdout.strip()
            if told.returncode == 0 and tuple(map(int, version.split("."))) >= (3, 9):
                found.setdefault(version, str(path))
    return [found[version] for version in sorted(found, key=lambda v: tuple(map(int, v.split("."))))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `python` runs once under every Python found, and outside CI under the oldest and the newest.

    Marked `oldest_and_newest` it runs under these two; slow or marked so, it runs outside CI under the newest only.
    """
    if "python" in metafunc.fixturenames:
        paths, marked = pythons(), metafunc.definition.get_closest_marker
        two = list(dict.fromkeys([paths[0], paths[-1]]))
        if marked("slow"):
            paths = paths if IN_CI else paths[-1:]
        elif marked("oldest_and_newest"):
            paths = two if IN_CI else paths[-1:]
        elif not IN_CI:
            paths = two
        metafunc.parametrize("python", paths, ids=[_version(path) for path in paths])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What waits goes first, beside the others' work. What only repeats stays out, unless it is asked for."""
    items.sort(key=lambda item: item.get_closest_marker("patient") is None)
    if IN_CI or "repeats" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("repeats")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("repeats")]


@functools.cache
def _version(path: str) -> str:
    text = subprocess.run([path, "-V"], capture_output=True, text=True, check=True).stdout
    return text.strip().lower().replace(" ", "-")


@pytest.fixture
def root() -> Path:
    """The repository, which is the plugin."""
    return ROOT


@pytest.fixture
def clock() -> Callable[[float], float]:
    """A clock that stands still: `clock(5)` moves it five seconds on and reads it, `clock(0)` reads it."""
    now = [1_790_000_000.0]

    def read(forward: float = 0.0) -> float:
        now[0] += forward
        return now[0]

    return read


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A home, a project and an environment of their own; nothing of the caller's is inherited but PATH."""
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CIRCUIT_BREAKER_HOME": str(home / "breaker"),
        "CLAUDE_PROJECT_DIR": str(project),
        "CLAUDE_PLUGIN_ROOT": str(ROOT),
        "CLAUDECODE": "1",
    }
    return Machine(home, project, env)


@pytest.fixture
def payload() -> Callable[..., dict[str, Any]]:
    """`payload("PreToolUse.bash", session_id="s")`: a recorded payload with some fields changed; None takes one away."""

    def load(name: str, **changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
        found.update(changes)
        return {key: value for key, value in found.items() if key not in changes or value is not None}

    return load


@pytest.fixture
def run_hook(machine: Machine) -> Callable[..., Answer]:
    """`run_hook("gate", payload, python=..., **environment)`: the script itself, started as the hooks start it.

    The payload is an object, or bytes to be sent as they are.
    """

    def run(name: str, body: Any, python: str = sys.executable, **env: str) -> Answer:
        script = ROOT / "hooks" / SCRIPTS[name]
        return _run([python, "-I", "-S", "-X", "utf8", str(script)], body, machine, env)

    return run


@pytest.fixture
def told(machine: Machine) -> Callable[[str, dict[str, Any]], Any]:
    """`told("gate", payload)`: what that hook answers, in this process: for what leads up to a test of real ones."""

    def answer(name: str, body: dict[str, Any]) -> Any:
        env = {**machine.env, "CLAUDE_CODE_SESSION_ID": str(body.get("session_id", ""))}
        return hook.answer_to(name, json.dumps(body).encode(), env, time.time())

    return answer


@pytest.fixture
def registered(machine: Machine) -> Callable[..., list[Answer]]:
    """`registered(payload, **environment)`: what hooks.json registers for this payload, run by /bin/sh as the client would."""

    def run(body: dict[str, Any], **env: str) -> list[Answer]:
        session = {"CLAUDE_CODE_SESSION_ID": str(body.get("session_id", ""))}
        return [_run(["/bin/sh", "-c", line], body, machine, {**session, **env}) for line in lines_for(body)]

    return run


def _run(command: list[str], body: Any, machine: Machine, env: dict[str, str]) -> Answer:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    done = subprocess.run(
        command,
        input=sent,
        capture_output=True,
        env={**machine.env, **env},
        cwd=machine.project,
        check=False,
        timeout=180,
    )
    return Answer(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )
