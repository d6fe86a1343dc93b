"""The registered lines and `hooks/run` under every shell, with every kind of broken interpreter, and where nothing can be started."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from registrations import ROOT, lines_for, registered

SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
SHELLS = {
    "sh": ["/bin/sh"],
    "dash": ["dash"],
    "bash --posix": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
    "zsh": ["zsh"],
    "mksh": ["mksh"],
    "ksh93": ["ksh93"],
    "yash": ["yash"],
}
PRESENT = {name: command for name, command in SHELLS.items() if shutil.which(command[0])}
PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
# What R/python may name that does not run Python: what the file holds, and its mode.
BROKEN = {
    "gone": (None, 0),
    "a folder": (b"/", 0o755),
    "not executable": (b"#!/bin/sh\nexit 0\n", 0o644),
    "empty": (b"", 0o755),
    "a text": (b"this is no interpreter\n", 0o755),
    "of another machine": (b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0\xff\xff" + b"\0" * 200, 0o755),
    "without its own interpreter": (b"#!/nowhere/at/all\n", 0o755),
    "without its libraries": (b"#!/bin/sh\necho 'libpython3.so: cannot open shared object file' >&2\nexit 127\n", 0o755),
    "not allowed to run": (b"#!/bin/sh\nexit 126\n", 0o755),
    "without its modules": (b"#!/bin/sh\nexit 1\n", 0o755),
    "one that does nothing": (b"#!/bin/sh\nexit 0\n", 0o755),
}  # fmt: skip


class Line:
    """Runs what hooks.json registers for a payload in a session whose one circuit is open."""

    def __init__(self, machine: Any, payload: Callable[..., Any], tmp_path: Path) -> None:
        self.machine, self.payload, self.path = machine, payload, tmp_path
        self.pin = machine.runtime / "python"

    def __call__(
        self, name: str, shell: list[str] | None = None, **env: str
    ) -> subprocess.CompletedProcess[bytes]:
        """The last line registered for the payload `name`, by `shell`, which is also the `sh` that the line starts."""
        shell = shell or ["/bin/sh"]
        folder = self.path / "bin" / "-".join(shell).replace("/", "")
        if not folder.exists():
            folder.mkdir(parents=True)
            program(folder / "sh", f'#!/bin/sh\nexec {shutil.which(shell[0])} {" ".join(shell[1:])} "$@"\n')
        body = self.payload(name, session_id=SESSION, prompt_id="p")
        (line,) = lines_for(body)[-1:]
        return subprocess.run(
            [*shell, "-c", line],
            input=json.dumps(body).encode(),
            capture_output=True,
            env={
                **self.machine.env,
                "CLAUDE_CODE_SESSION_ID": SESSION,
                "PATH": f"{folder}:{Path(PYTHON).parent}:{os.environ['PATH']}",
                **env,
            },
            cwd=self.machine.project,
            check=False,
            timeout=60,
        )

    def denies(self, shell: list[str] | None = None, **env: str) -> bool:
        """Whether the gate's line denies, silently otherwise: it has read the whole payload then."""
        done = self("PreToolUse.bash", shell, **env)
        assert done.returncode == 0
        answer = json.loads(done.stdout or b"{}")
        return answer.get("hookSpecificOutput", {}).get("permissionDecision") == "deny"


@pytest.fixture
def line(machine: Any, payload: Callable[..., Any], told: Callable[..., Any], tmp_path: Path) -> Line:
    call = payload("PostToolBatch.bash-exit-1")["tool_calls"][0]
    for number in range(3):
        changes = {"session_id": SESSION, "prompt_id": "p"}
        told("monitor", payload("PostToolUseFailure.bash-exit-1", tool_use_id=f"t{number}", **changes))
        calls = [{**call, "tool_use_id": f"t{number}"}]
        told("monitor", payload("PostToolBatch.bash-exit-1", tool_calls=calls, **changes))
    return Line(machine, payload, tmp_path)


def program(path: Path, text: str | bytes, mode: int = 0o755) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize("shell", PRESENT)
def test_open_circuit_is_denied_under_every_shell_with_a_pin_and_without(line: Line, shell: str) -> None:
    assert not line.pin.exists()
    assert line.denies(PRESENT[shell])
    line.pin.write_text(PYTHON + "\n")
    assert line.denies(PRESENT[shell], PATH=os.defpath + f":{line.path}/bin/{'-'.join(PRESENT[shell])}")


@pytest.mark.parametrize("shell", PRESENT)
def test_gate_sleeps_under_every_shell_until_its_session_or_any_is_armed(line: Line, shell: str) -> None:
    marker = line.machine.runtime / "armed" / SESSION
    marker.unlink()
    line.pin.write_text(str(program(line.path / "python", f'#!/bin/sh\ntouch "{line.path}/ran"\n')) + "\n")
    assert line("PreToolUse.bash", PRESENT[shell]).returncode == 0
    assert not (line.path / "ran").exists()
    (marker.parent / "_any").touch()
    assert line("PreToolUse.bash", PRESENT[shell]).returncode == 0
    assert (line.path / "ran").exists()


@pytest.mark.parametrize("shell", PRESENT)
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_pin_costs_nothing_of_the_payload_and_the_next_session_start_puts_it_right(
    line: Line, kind: str, shell: str
) -> None:
    content, mode = BROKEN[kind]
    broken = line.path / "broken"
    if content == b"/":
        broken.mkdir()
    elif content is not None:
        program(broken, content, mode)
    line("SessionStart.startup.headless", PRESENT[shell])  # a note says that nothing is due from here on
    line.pin.write_text(f"{broken}\n")
    assert line.denies(PRESENT[shell])
    line("SessionStart.startup.headless", PRESENT[shell])
    assert line.pin.read_text() == PYTHON + "\n"


@pytest.mark.parametrize("pin", ["/bin/true", "/bin/sh", "/bin/false"])
def test_pin_of_another_program_is_put_right_by_the_very_python_that_was_pinned(line: Line, pin: str) -> None:
    """Its path is the one that the janitor's note knows."""
    program(line.path / "python3", f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    for _ in range(2):
        line("SessionStart.startup.headless", PATH=f"{line.path}:/usr/bin:/bin")
    assert line.pin.read_text() == PYTHON + "\n"
    line.pin.write_text(pin + "\n")
    assert line.denies(PATH=f"{line.path}:/usr/bin:/bin")
    line("SessionStart.startup.headless", PATH=f"{line.path}:/usr/bin:/bin")
    assert line.pin.read_text() == PYTHON + "\n"


@pytest.mark.parametrize("name", ["SessionStart.startup.headless", "PreToolUse.bash", "UserPromptSubmit"])
def test_pinned_interpreter_ends_with_the_number_for_answered_and_only_then(
    line: Line, run_hook: Callable[..., Any], name: str
) -> None:
    body = line.payload(name, session_id=SESSION, prompt_id="p")
    script = {"S": "memory_janitor.py", "P": "circuit_breaker_gate.py", "U": "prompt.py"}[name[0]]
    for argument, code in (("pinned", 170), ("unpinned", 0), ("", 0)):
        done = subprocess.run(
            [PYTHON, "-I", "-S", "-X", "utf8", str(ROOT / "hooks" / script), argument],
            input=json.dumps(body).encode(),
            capture_output=True,
            env=line.machine.env,
            check=False,
        )
        assert (done.returncode, done.stderr) == (code, b"")


def test_pinned_interpreter_that_ran_is_not_followed_by_another_one(line: Line) -> None:
    ran = line.path / "ran"
    others = line.path / "others"
    others.mkdir()
    program(others / "python3", f'#!/bin/sh\necho other >>"{ran}"\nexec {PYTHON} "$@"\n')
    for end in ("cat; exit 170", "cat; kill -9 $$", "cat; kill -15 $$"):
        pinned = program(line.path / "pinned", f'#!/bin/sh\necho pinned >>"{ran}"\nexec >/dev/null\n{end}\n')
        line.pin.write_text(f"{pinned}\n")
        ran.write_text("")
        assert not line.denies(PATH=f"{others}:{os.environ['PATH']}")
        assert ran.read_text() == "pinned\n", end


def test_interpreter_the_hooks_cannot_run_on_is_passed_over_and_named_when_there_is_no_other(
    line: Line,
) -> None:
    bin = line.path / "only"
    bin.mkdir()
    (bin / "sh").symlink_to("/bin/sh")
    old = program(
        bin / "python3", "#!/bin/sh\nexit 1\n"
    )  # as any Python answers that is asked whether it fits
    for pinned in ("", f"{old}\n"):
        line.pin.write_text(pinned)
        done = line("PreToolUse.bash", PATH=str(bin))
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (0, b"", 1), done
        assert b"CPython 3.9" in done.stderr
    (bin / "python3.11").symlink_to(PYTHON)
    assert line.denies(PATH=str(bin))


def unfit() -> list[str]:
    """The Pythons on this machine that the hooks cannot run on: pyenv's, and PyPy."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [
        str(path) for version in ("3.6", "3.7", "3.8") for path in versions.glob(f"{version}.*/bin/python3")
    ]
    return [*found, *filter(None, [shutil.which("pypy3")])]


@pytest.mark.parametrize(
    "interpreter", unfit() or [pytest.param("", marks=pytest.mark.skip(reason="none is here"))]
)
def test_unfit_interpreter_says_so_in_one_line_and_answers_nothing(
    line: Line, run_hook: Callable[..., Any], interpreter: str
) -> None:
    call = line.payload("PreToolUse.bash", session_id=SESSION, prompt_id="p")
    answer = run_hook("gate", call, interpreter)
    assert (answer.code, answer.stdout, answer.stderr.count("\n")) == (0, "", 1), answer
    line.pin.write_text(f"{interpreter}\n")
    assert line.denies()  # with another one: PATH's


@pytest.mark.parametrize(
    "name", ["a b", 'quo"te', "dollar$HOME", "back`tick`", "ünï", "$(touch pwned)", "it's", "*"]
)
def test_plugin_may_lie_in_a_folder_of_any_name(line: Line, name: str) -> None:
    folder = line.path / name
    folder.symlink_to(ROOT)
    assert line.denies(CLAUDE_PLUGIN_ROOT=f"{folder}/")
    assert not list(line.machine.project.iterdir())


TORN = {
    "missing": None,
    "empty": b"",
    "torn in a word": b'#!/bin/sh\n"$(nope',
    "torn in a function": b"start() {\n",
    "leaving with 2": b"exit 2\n",
    "checked out with CRLF": (ROOT / "hooks" / "run").read_bytes().replace(b"\n", b"\r\n"),
    "no text": Path("/bin/sh").read_bytes()[:4000],
}


@pytest.mark.parametrize("shell", PRESENT)
@pytest.mark.parametrize("kind", TORN)
def test_torn_run_lets_every_call_through(line: Line, shell: str, kind: str) -> None:
    hooks = line.path / "plugin" / "hooks"
    hooks.mkdir(parents=True)
    if TORN[kind] is not None:
        (hooks / "run").write_bytes(TORN[kind])
    for name in ("PreToolUse.bash", "UserPromptSubmit", "SessionStart.startup.headless"):
        done = line(name, PRESENT[shell], CLAUDE_PLUGIN_ROOT=str(hooks.parent))
        assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize("part", ["runtime/loader", "runtime/hook", "breaker/policy", "identity/calls"])
@pytest.mark.parametrize("left", [0, 16, 64, -1])
def test_byte_code_that_a_full_disk_tore_costs_no_denial_and_is_renewed(
    line: Line, part: str, left: int
) -> None:
    plugin = line.path / "plugin"
    for name in ("hooks", "lib/circuit_breaker"):
        shutil.copytree(ROOT / name, plugin / name, ignore=shutil.ignore_patterns("__pycache__"))
    line.pin.write_text(PYTHON + "\n")
    assert line.denies(CLAUDE_PLUGIN_ROOT=str(plugin))
    folder, _, file = part.partition("/")
    (cache,) = (plugin / "lib" / "circuit_breaker" / folder / "__pycache__").glob(f"{file}.*.pyc")
    whole = cache.read_bytes()
    cache.write_bytes(whole[:left])
    for _ in range(2):  # it is denied by the torn one too, and by the one that took its place
        assert line.denies(CLAUDE_PLUGIN_ROOT=str(plugin))
    assert cache.read_bytes() == whole


def test_without_a_pin_byte_code_that_a_full_disk_tore_costs_one_hook(line: Line) -> None:
    plugin = line.path / "plugin"
    for name in ("hooks", "lib/circuit_breaker"):
        shutil.copytree(ROOT / name, plugin / name, ignore=shutil.ignore_patterns("__pycache__"))
    assert not line.pin.exists()
    assert line.denies(CLAUDE_PLUGIN_ROOT=str(plugin))
    (cache,) = (plugin / "lib/circuit_breaker/runtime/__pycache__").glob("loader.*.pyc")
    cache.write_bytes(cache.read_bytes()[:64])
    assert not line.denies(CLAUDE_PLUGIN_ROOT=str(plugin))
    assert line.denies(CLAUDE_PLUGIN_ROOT=str(plugin))


def test_verbs_run_on_byte_code_that_a_full_disk_tore(line: Line) -> None:
    plugin = line.path / "plugin"
    for name in ("hooks", "lib/circuit_breaker", "plugin", "plugin.json"):
        source, target = ROOT / name, plugin / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    verb = [PYTHON, str(plugin / "plugin"), "status", "--json"]
    whole = subprocess.run(verb, env=line.machine.env, capture_output=True, check=False)
    for cache in plugin.rglob("*.pyc"):
        if not cache.name.startswith("__main__"):  # that one Python reads before any line of ours
            cache.write_bytes(cache.read_bytes()[:64])
    torn = subprocess.run(verb, env=line.machine.env, capture_output=True, check=False)
    assert (torn.returncode, torn.stderr) == (whole.returncode, b"")
    assert json.loads(torn.stdout)["schema"] == 1


@pytest.fixture
def unforkable() -> Iterator[Path]:
    """A folder that anybody may read, with a session that is armed there."""
    folder = Path(tempfile.mkdtemp())
    (folder / "armed").mkdir()
    (folder / "armed" / SESSION).touch()
    (folder / "python").write_text("/bin/sh\n")
    for name in ("hooks/run", "hooks/circuit_breaker_gate.py", "lib/circuit_breaker/runtime/loader.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for path in (folder, *filter(Path.is_dir, folder.rglob("*"))):
        path.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def starts_no_process() -> None:
    """In the child: from here on this user may have one process, which is this one."""
    if os.getuid() == 0:
        os.setgid(54321)
        os.setuid(54321)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts processes as Linux does")
@pytest.mark.parametrize("shell", PRESENT)
def test_where_no_process_can_be_started_no_line_answers_or_ends_with_2(unforkable: Path, shell: str) -> None:
    lines = {hook["command"] for _, _, hook in registered() if hook["command"].endswith(" gate")}
    assert len(lines) == 2  # asleep until its session is armed, and always awake
    waits = shell in (
        "bash --posix",
        "mksh",
        "ksh93",
    )  # for a process to end; Claude Code kills them, and the call goes through
    for command in sorted(lines):
        process = subprocess.Popen(
            [str(shutil.which(PRESENT[shell][0])), *PRESENT[shell][1:], "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                "PATH": "/usr/bin:/bin",
                "CIRCUIT_BREAKER_HOME": str(unforkable),
                "CLAUDE_PLUGIN_ROOT": str(unforkable),
                "CLAUDE_CODE_SESSION_ID": SESSION,
            },
            cwd="/",
            preexec_fn=starts_no_process,
        )
        try:
            out, errors = process.communicate(timeout=1 if waits else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            out, errors = process.communicate()
            assert waits, command
        assert out == b"", command
        assert process.returncode in (0, 1 if shell == "zsh" else 0, -9 if waits else 0), (command, errors)
        # zsh and yash go on to the last Python
        said = [b"fork", b"unavailable", b"no CPython 3.9 or newer was found"]
        assert waits or any(words in errors for words in said), (command, errors)
