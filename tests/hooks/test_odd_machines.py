"""Machines on which little is certain: no HOME, no account, no locks, nothing to write to, a project of another user."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from homes import DAY, aged, wait_for
from preloaded import UNLOCKED, library
from registrations import ROOT, lines_for

SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
NOBODY = 54321  # a user id that no account has


class Elsewhere:
    """Registered lines on a machine of its own: `env` and nothing else, as another user where `uid` is one."""

    def __init__(self, folder: Path, plugin: Path, payload: Callable[..., Any]) -> None:
        self.folder, self.payload, self.uid = folder, payload, os.getuid()
        self.home, self.project = folder / "home", folder / "project"
        for place in (self.home, self.project):
            place.mkdir()
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "CLAUDE_PROJECT_DIR": str(self.project),
            "CLAUDE_PLUGIN_ROOT": str(plugin),
            "CLAUDE_CODE_SESSION_ID": SESSION,
        }

    @property
    def runtime(self) -> Path:
        return self.home / ".local" / "state" / "claude-circuit-breaker"

    def become(self, uid: int) -> None:
        """From here on the lines run as this user, to whom home and project belong."""
        self.uid = uid
        for place in (self.home, self.project):
            os.chown(place, uid, uid)

    def send(self, name: str, **changes: Any) -> tuple[Any, str]:
        """What the line registered for a payload answers, and what it says on stderr."""
        body = self.payload(name, session_id=SESSION, prompt_id="p", **changes)
        done = subprocess.run(
            ["/bin/sh", "-c", lines_for(body)[-1]],
            input=json.dumps(body).encode(),
            capture_output=True,
            env=self.env,
            cwd=self.project,
            preexec_fn=self._leave,
            check=False,
        )
        assert done.returncode == 0
        return json.loads(done.stdout or b"null"), done.stderr.decode()

    def _leave(self) -> None:
        if self.uid != os.getuid():
            os.setgroups([])
            os.setgid(self.uid)
            os.setuid(self.uid)

    def loop(self) -> Any:
        """A session start, a call that fails three times, and the answer to the fourth."""
        for name in ("SessionStart.startup.headless", "UserPromptSubmit"):
            self.send(name)
        call = self.payload("PostToolBatch.bash-exit-1")["tool_calls"][0]
        for number in range(3):
            self.send("PostToolUseFailure.bash-exit-1", tool_use_id=f"t{number}")
            self.send("PostToolBatch.bash-exit-1", tool_calls=[{**call, "tool_use_id": f"t{number}"}])
        return self.send("PreToolUse.bash", tool_use_id="t3")[0]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def plugin() -> Iterator[Path]:
    """The plugin where every user may read it, byte code included."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        pytest.skip("no python3 that every user may run")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    for part in ("hooks", "lib/circuit_breaker"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([python, "-m", "compileall", "-q", str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def elsewhere(open_folder: Path, plugin: Path, payload: Callable[..., Any]) -> Elsewhere:
    return Elsewhere(open_folder, plugin, payload)


as_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become others"
)


def is_denied(answer: Any) -> bool:
    return bool(answer) and answer["hookSpecificOutput"]["permissionDecision"] == "deny"


@as_root
def test_user_without_an_account_is_protected(elsewhere: Elsewhere) -> None:
    elsewhere.become(NOBODY)
    assert is_denied(elsewhere.loop())
    assert {path.stat().st_uid for path in elsewhere.runtime.rglob("*")} == {NOBODY}


def test_without_a_home_the_session_start_says_that_nothing_protects_you(elsewhere: Elsewhere) -> None:
    del elsewhere.env["HOME"]
    said, errors = elsewhere.send("SessionStart.startup.headless")
    assert "NOT PROTECTED" in said["systemMessage"]
    assert "CIRCUIT_BREAKER_HOME" in said["systemMessage"]
    assert errors.count("\n") == 1
    assert elsewhere.loop() is None
    elsewhere.env["CIRCUIT_BREAKER_HOME"] = str(elsewhere.folder / "breaker")
    assert is_denied(elsewhere.loop())


@as_root
@pytest.mark.parametrize("fault", ["read-only home", "folder of another user", "read-only later"])
def test_where_nothing_can_be_kept_each_session_start_says_so(elsewhere: Elsewhere, fault: str) -> None:
    elsewhere.become(NOBODY)
    if fault == "read-only home":
        os.chown(elsewhere.home, 0, 0)
    elif fault == "folder of another user":
        elsewhere.runtime.mkdir(parents=True)
    else:
        assert is_denied(elsewhere.loop())
        for _ in range(2):
            assert elsewhere.send("SessionStart.startup.headless")[0] is None
        os.chown(elsewhere.runtime, 0, 0)
        elsewhere.runtime.chmod(0o755)
    for _ in range(2):
        said, errors = elsewhere.send("SessionStart.startup.headless")
        assert "NOT PROTECTED" in said["systemMessage"], errors
        assert str(elsewhere.runtime) in said["systemMessage"]
        assert errors.count("\n") == 1


# What is mounted over a folder, which is "$1": disks that keep nothing.
DISKS = {
    "read-only": 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"',
    "full": 'mount -t tmpfs -o size=4k tmpfs "$1" && head -c 4096 /dev/zero >"$1/filler"',
    "without names left": 'mount -t tmpfs -o nr_inodes=1 tmpfs "$1"',
}


@as_root
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("disk", DISKS)
def test_on_a_disk_that_keeps_nothing_session_start_status_and_doctor_say_so(
    elsewhere: Elsewhere, disk: str, used: bool
) -> None:
    place = elsewhere.home / ".local" / "state"
    place.mkdir(parents=True)
    if used:
        assert is_denied(elsewhere.loop())
    commands = []
    for name in (
        "SessionStart.startup.headless",
        "PostToolBatch.bash-exit-1",
        "SessionStart.startup.headless",
    ):
        body = elsewhere.payload(name, session_id=SESSION)
        sent = elsewhere.folder / name
        sent.write_text(json.dumps(body))
        commands.append(f"({lines_for(body)[-1]}) <{sent}")
    commands += [
        f"CLAUDE_CODE_SESSION_ID= {sys.executable} {ROOT}/plugin {verb}" for verb in ("status", "doctor")
    ]
    out = [elsewhere.folder / f"out{number}" for number in range(5)]
    script = "".join(f"{command} >{path}; echo $?\n" for command, path in zip(commands, out))
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{DISKS[disk]} || exit 77\n{script}", "sh", str(place)],
        capture_output=True,
        text=True,
        env=elsewhere.env,
        cwd=elsewhere.project,
        check=False,
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("nothing can be mounted here: " + done.stderr[:100])
    first, batch, again, status, doctor = (path.read_text() for path in out)
    for said in (first, again):
        assert "NOT PROTECTED: nothing can be kept in" in json.loads(said)["systemMessage"]
    assert batch == ""
    assert status.splitlines()[1].startswith("NOT PROTECTED: nothing can be kept in")
    assert "all systems operational" not in status
    assert "not protected: nothing can be kept in" in doctor.splitlines()[0]
    assert doctor.count("nothing can be kept in") == 1
    assert done.stdout.split() == ["0", "0", "0", "1", "1"]
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("[circuit_breaker] ") for line in lines)


@as_root
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_project_that_another_user_set_up_keeps_each_user_s_state_apart(
    elsewhere: Elsewhere, mode: int
) -> None:
    shared = elsewhere.project / ".claude" / "memory"
    shared.mkdir(parents=True)
    (shared / "circuit_breaker_config.json").write_text(
        '{"circuit_breakers": {"tool_failure": {"threshold": 2}}}'
    )
    shared.chmod(mode)
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
    os.chown(elsewhere.home, NOBODY, NOBODY)
    elsewhere.uid = NOBODY
    assert is_denied(elsewhere.loop())
    (incidents,) = elsewhere.runtime.glob("projects/*/circuit_breaker_incidents.jsonl")
    first = json.loads(incidents.read_text().splitlines()[0])
    assert len(first["calls"]) == (
        2 if mode == 0o755 else 3
    )  # the shared configuration, where it can be read
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before
    assert not (elsewhere.runtime / "errors.log").exists()


def test_a_project_s_home_that_is_a_link_is_read_and_nothing_is_written_behind_it(
    elsewhere: Elsewhere,
) -> None:
    behind = elsewhere.folder / "behind"
    behind.mkdir()
    (behind / "circuit_breaker_config.json").write_text(
        '{"circuit_breakers": {"tool_failure": {"threshold": 2}}}'
    )
    (elsewhere.project / ".claude").mkdir()
    (elsewhere.project / ".claude" / "memory").symlink_to(behind)
    assert is_denied(elsewhere.loop())
    (incidents,) = elsewhere.runtime.glob("projects/*/circuit_breaker_incidents.jsonl")
    assert len(json.loads(incidents.read_text().splitlines()[0])["calls"]) == 2
    assert os.listdir(behind) == ["circuit_breaker_config.json"]
    assert not (elsewhere.runtime / "errors.log").exists()


@pytest.mark.parametrize("refusing", ["-DFLOCK=ENOLCK", "-DFLOCK=ENOSYS", "-DFLOCK=EOPNOTSUPP"])
def test_disk_without_flock_protects_as_well(elsewhere: Elsewhere, refusing: str) -> None:
    elsewhere.env["LD_PRELOAD"] = library(elsewhere.folder, UNLOCKED, refusing)
    assert is_denied(elsewhere.loop())
    assert not (elsewhere.runtime / "errors.log").exists()
    old = elsewhere.runtime / "sessions" / "old"
    shutil.copytree(elsewhere.runtime / "sessions" / SESSION, old)
    for path in (*old.iterdir(), old):
        aged(path, 30 * DAY)
    elsewhere.send("SessionStart.startup.headless")
    assert wait_for(lambda: not old.exists())


def test_disk_without_any_lock_says_that_nothing_is_protected_and_denies_nothing(
    elsewhere: Elsewhere,
) -> None:
    refusing = ("-DFLOCK=ENOLCK", "-DRECORD=ENOLCK")
    elsewhere.env["LD_PRELOAD"] = library(elsewhere.folder, UNLOCKED, *refusing)
    said = elsewhere.send("SessionStart.startup.headless")[0]
    assert "NOT PROTECTED: nothing can be kept in" in said["systemMessage"]
    assert "no locks available" in said["systemMessage"]
    assert not is_denied(elsewhere.loop())


def test_reset_of_a_session_that_stays_locked_says_that_it_was_not_done(elsewhere: Elsewhere) -> None:
    assert is_denied(elsewhere.loop())
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from circuit_breaker.runtime import files\n"
        "with files.Lock(sys.argv[2]): print(flush=True); sys.stdin.readline()"
    )
    lock = elsewhere.runtime / "sessions" / SESSION / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(ROOT / "lib"), str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    asked = {"command_name": "circuit-breaker:reset-circuit", "command_args": "--all"}
    said = elsewhere.send("UserPromptExpansion.plugin-command", **asked)[0]
    assert "Not reset" in said["reason"]
    assert SESSION[:8] in said["reason"]
    holder.communicate("\n")
    said = elsewhere.send("UserPromptExpansion.plugin-command", **asked)[0]
    assert "Reset to CLOSED" in said["reason"]
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
