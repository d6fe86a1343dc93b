"""Does the guard see what a real shell does? Command lines put together at random, run in a throw-away home."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from circuit_breaker.core.guarding import Guarded
from circuit_breaker.core.tamper import tampering

BASH = shutil.which("bash")
ROUNDS, LINES = 6, 40

PATHS = [  # ways to write the path {d}/{b}
    "{d}/{b}", '"{d}/{b}"', "'{d}'/\"{b}\"", "{d}/./{b}", "{d}//{b}", "{d}/{h}*", "{d}/[{h}]{t}", "{d}/?{t}", "{d}/{{{b},no}}", "{d}/\\{b}",
    "{d}/{h}''{t}", "~/{rel}", "$HOME/{rel}", '"${{HOME}}/{rel}"', "{near}", "./{near}", "$(echo {d})/{b}", "`echo {d}/{b}`", "$'{d}/\\x{hex}{t}'",
    "$(dirname {d}/{b}/x)", "$(realpath {near})", "${{NO:-{d}/{b}}}", "$(printf '%s' {d})/{b}", '"$(cd {d} && pwd)"/{b}',
]  # fmt: skip
DEEDS = [
    "rm -rf {p}", "rm -f {p}", "unlink {p}", "echo x > {p}", "echo x >> {p}", ": > {p}", "truncate -s0 {p}", "mv {p} {tmp}/away", "tee {p} < /dev/null",
    "sed -i s/1/2/ {p}", "cp {tmp}/src {p}", "install -m 600 {tmp}/src {p}", "ln -sf /dev/null {p}", "dd if=/dev/null of={p}", "chmod 000 {p}",
    "find {p} -delete", "find {p} -type f -exec truncate -s 0 {{}} +", "echo {p} | xargs rm -rf", "cat <<X | xargs rm -rf\n{p}\nX", "V={p}; rm -rf $V",
    "for f in {p}; do rm -rf \"$f\"; done", "ls -d {p} | while read -r f; do rm -rf \"$f\"; done", "f() {{ rm -rf \"$@\"; }}; f {p}", "A=({p}); rm -rf \"${{A[@]}}\"",
    "set -- {p}; rm -rf \"$1\"", "ln -s {p} {tmp}/l; echo > {tmp}/l", "ln -s {p} {tmp}/l; rm -rf {tmp}/l/*", "cd {p} && rm -rf *", "(cd {p}; rm -rf ./*)",
    "cat {p}", "ls -la {p}", "cp -r {p} {tmp}/copy", "stat {p}", "test -e {p} && echo yes",
]  # fmt: skip
AROUND = [
    "{c}", "{c}", "({c})", "{{ {c}\n}}", "true && {c}", "false || {c}", "! {c}", "if true; then {c}\nfi", "for i in 1; do {c}\ndone", "while true; do {c}\nbreak; done",
    "case a in a) {c}\n;; esac", "sh -c {q}", "bash -c {q}", "eval {q}", "C={q}; bash -c \"$C\"", "env X=1 timeout 9 bash -c {q}", "printf '%s\\n' {q} | bash",
    "bash <<'QQ'\n{c}\nQQ", "source <(echo {q})", "echo {q} > {tmp}/s; bash {tmp}/s", "g() {{\n{c}\n}}\ng", "x=$({c})", "echo hi # {{\n{c}\n", "cd ..; cd shop; {c}",
]  # fmt: skip


def lay_out(top: Path) -> list[Path]:
    """A home with a project, state, config, settings and a plugin; returns the guarded files."""
    shutil.rmtree(top, ignore_errors=True)
    home = top / "ada"
    state = home / ".local/state/claude-circuit-breaker"
    guarded = [
        state / "sessions/a/session.json",
        state / "armed/a",
        home / ".config/claude-circuit-breaker/config.json",
        home / ".claude/settings.json",
        home / "work/shop/.claude/settings.json",
        top / "opt/breaker/hooks/run",
    ]
    for path in [*guarded, home / "work/shop/src/app.py", home / ".claude/notes.md", top / "tmp/src"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
    return guarded


def state_of(paths: list[Path]) -> list[object]:
    found: list[object] = []
    for path in paths:
        try:
            found.append((path.read_text(), path.stat().st_mode))
        except OSError:
            found.append(None)
    return found


def made_up(dice: random.Random, target: Path, home: Path, project: Path, tmp: Path) -> str:
    folder, base = str(target.parent), target.name
    path = dice.choice(PATHS).format(
        d=folder,
        b=base,
        h=base[:2] if base[0] == "." else base[0],
        t=base[2:] if base[0] == "." else base[1:],
        hex=f"{ord(base[0]):02x}" + (base[1] if base[0] == "." else ""),
        rel=os.path.relpath(target, home),
        near=os.path.relpath(target, project),
    )
    command = dice.choice(DEEDS).format(p=path, tmp=tmp)
    for _ in range(dice.choice([1, 1, 2])):
        command = dice.choice(AROUND).format(c=command, q=shlex.quote(command), tmp=tmp)
    return command


@pytest.mark.slow
@pytest.mark.skipif(BASH is None, reason="no bash on this machine")
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_what_a_real_shell_changes_is_never_taken_for_innocent(seed: int, tmp_path: Path) -> None:
    top = tmp_path / "world"
    home, project = top / "ada", top / "ada/work/shop"
    state = home / ".local/state/claude-circuit-breaker"
    guarded = Guarded(
        state=str(state),
        home=str(state / "projects/p"),
        configs=(str(home / ".config/claude-circuit-breaker/config.json"),),
        settings=(str(home / ".claude/settings.json"), str(project / ".claude/settings.json")),
        plugin=str(top / "opt/breaker"),
        project=str(project),
        user_home=str(home),
        keyword="SUDO BYPASS",
        commands=("reset-circuit",),
    )
    dice = random.Random(seed)
    missed, changed = [], 0
    for _ in range(LINES):
        files = lay_out(top)
        targets = [
            *files,
            *(path.parent for path in files),
            state,
            home / ".local",
            home / ".claude",
            project,
        ]
        command = made_up(dice, dice.choice(targets), home, project, top / "tmp")
        before = state_of(files)
        subprocess.run(
            [str(BASH), "-c", command],
            cwd=project,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
        if state_of(files) != before:
            changed += 1
            if not tampering("Bash", {"command": command}, str(project), guarded):
                missed.append(command)
    assert missed == []
    assert changed >= LINES // 5  # else the lines were no test
