"""Kill -9 `install`, `update` or `uninstall` at each of its steps, and look at what is left. Prints one JSON object.

    killing.py VERB SCOPE FOLDER ROOT EACH

EACH says of how many steps one is tried.

A step is anything that changes the disk, seen by an audit hook in a forked child: nothing in the installer knows of it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

VERB, SCOPE, FOLDER, ROOT, EACH = (
    sys.argv[1],
    sys.argv[2],
    Path(sys.argv[3]),
    Path(sys.argv[4]),
    int(sys.argv[5]),
)
# Of the steps in folders with many files, one in so many.
SAMPLED = {"circuit-breaker/lib/": 12, "circuit-breaker/plugin/": 8}
sys.path[:0] = [str(ROOT / "lib"), str(ROOT / "plugin")]

import installer  # noqa: E402
from install import apply, plan  # noqa: E402

MACHINE = FOLDER / "machine"
HOME, PROJECT = MACHINE / "home", MACHINE / "project"
SETTINGS = (PROJECT if SCOPE != "user" else HOME) / ".claude" / "settings.json"
ENV = {"PATH": os.environ["PATH"], "HOME": str(HOME), "CLAUDE_PROJECT_DIR": str(PROJECT)}
CHANGES = {
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.truncate",
    "os.link",
    "os.symlink",
}


def in_child(verb: str, kill_at: int = 0) -> int:
    """Run a verb in a forked child; the signal that ended it. `kill_at`: before which of its changes it is killed."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        os.environ.clear()
        os.environ.update(ENV)
        os.chdir(PROJECT)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if kill_at:
            sys.addaudithook(killer(kill_at))
        code = run(verb)
    finally:
        os._exit(code)


def run(verb: str) -> int:
    if verb != "uninstall":
        plan.SOURCE = older(FOLDER / "older") if verb == "older" else ROOT
        apply.install_again(SCOPE)
        return 0
    return installer.uninstall(
        argparse.Namespace(scope=SCOPE, dry_run=False, purge=False, archives=False, json=True)
    )


def older(folder: Path) -> Path:
    """A version before this one: another number, a file less, a file more, a line that was registered otherwise."""
    if not folder.exists():
        shutil.copytree(ROOT, folder)
        (folder / "plugin.json").write_text(
            (ROOT / "plugin.json").read_text().replace('"version": "', '"version": "0.0.')
        )
        hooks = (ROOT / "hooks" / "hooks.json").read_text()
        (folder / "hooks" / "hooks.json").write_text(hooks.replace("exit 0' 0;", "exit 0' 0; : older;"))
        (folder / "lib" / "circuit_breaker" / "gone.py").write_text("")
        (folder / "plugin" / "demo.py").unlink()
    return folder


def killer(kill_at: int):
    count = dict.fromkeys(["all", *SAMPLED], 0)

    def hook(event: str, arguments: tuple) -> None:
        path = str(arguments[0]) if arguments else ""
        if event == "open":
            if not path.startswith(str(MACHINE)) or not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event not in CHANGES:
            return
        for part, one_in in SAMPLED.items():
            if part in path:
                count[part] += 1
                if count[part] % one_in:
                    return
        count["all"] += 1
        if count["all"] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def tree(folder: Path) -> dict[str, str]:
    """Every file and folder below, by relative path; without what differs from run to run."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if "__pycache__" in path.parts or "/backups" in name or path.name == "receipt.json":
            continue
        found[name] = "" if path.is_dir() else path.read_bytes().hex()
    return found


def harmless() -> str:
    """What a session would meet now: "" when its settings can be read and no registered line denies or fails."""
    try:
        text = SETTINGS.read_bytes()
    except FileNotFoundError:
        return ""
    try:
        hooks = json.loads(text or b"{}").get("hooks", {})
    except ValueError as error:
        return f"the client would skip its settings: {error}"
    body = json.dumps(
        {
            "hook_event_name": "PreToolUse",
            "session_id": "s",
            "tool_name": "Agent",
            "tool_input": {},
            "cwd": "/",
        }
    )
    env = {
        **ENV,
        "CIRCUIT_BREAKER_HOME": str(FOLDER / "breaker"),
        "CLAUDE_CODE_SESSION_ID": "s",
    }
    for group in hooks.get("PreToolUse", []):
        for handler in group["hooks"]:
            done = subprocess.run(
                ["/bin/sh", "-c", handler["command"]],
                input=body,
                text=True,
                env=env,
                capture_output=True,
                check=False,
            )
            if done.returncode or done.stdout.strip():
                return f"{handler['command']}: exit code {done.returncode}, {done.stdout!r}, {done.stderr!r}"
    return ""


def start() -> None:
    """A machine as it is before the verb: with settings of its own, and for uninstall with the installation."""
    shutil.rmtree(MACHINE, ignore_errors=True)
    SETTINGS.parent.mkdir(parents=True)
    PROJECT.mkdir(exist_ok=True)
    for name in (
        "share",
        "state",
    ):  # made before a receipt can list them, or not to be seen in a committed one
        (HOME / ".local" / name).mkdir(parents=True)
    SETTINGS.write_text('{\n\t"model": "opus",\n\t"hooks": { "PreToolUse": [] }\n}')
    if SCOPE != "user":
        (PROJECT / ".claude" / "commands").mkdir()


def prepared() -> tuple[dict[str, str], dict[str, str]]:
    """-> (the tree before an installation, the tree with it); leaves the machine as VERB finds it."""
    start()
    before = tree(MACHINE)
    assert in_child("install") == 0
    installed = tree(MACHINE)
    if VERB != "uninstall":
        start()
    if VERB == "update":
        assert in_child("older") == 0
        assert tree(MACHINE) != installed
    shutil.copytree(MACHINE, FOLDER / "saved", symlinks=True)
    return before, installed


def main() -> None:
    os.makedirs(FOLDER / "breaker" / "armed", mode=0o700)
    os.chmod(FOLDER / "breaker", 0o700)
    (FOLDER / "breaker" / "armed" / "s").touch()
    before, installed = prepared()
    problems, kills, step = [], 0, 0
    while True:
        step += EACH
        shutil.rmtree(MACHINE)
        shutil.copytree(FOLDER / "saved", MACHINE, symlinks=True)
        code = in_child(VERB, step)
        if code != -signal.SIGKILL:
            assert code == 0, f"{VERB} ended with {code}"
            break
        kills += 1
        met = harmless()
        if met:
            problems.append(f"step {step}: {met}")
        if in_child("install") or tree(MACHINE) != installed:
            problems.append(
                f"step {step}: installing again does not repair it: {difference(tree(MACHINE), installed)}"
            )
        if in_child("uninstall") or tree(MACHINE) != before:
            problems.append(
                f"step {step}: uninstalling then leaves a trace: {difference(tree(MACHINE), before)}"
            )
        shutil.rmtree(MACHINE)
        shutil.copytree(FOLDER / "saved", MACHINE, symlinks=True)
        in_child(VERB, step)
        if in_child("uninstall") or tree(MACHINE) != before:
            problems.append(
                f"step {step}: uninstalling at once leaves a trace: {difference(tree(MACHINE), before)}"
            )
    print(json.dumps({"kills": kills, "problems": problems}))


def difference(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))[:6]


if __name__ == "__main__":
    main()
