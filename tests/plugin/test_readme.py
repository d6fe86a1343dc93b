"""Every command of the README, run in a fresh clone with a clean HOME."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What other tests run: the suite itself, Claude Code's own installer, a wheel; and what needs a loop to look at.
ELSEWHERE = ("git clone", "git pull", "make ", "claude plugin", "uvx ", "cd ")
STAND_FOR = {
    "FOLDER": ".",
    "KEY VALUE": "deny_limit 6",
    "RULE": "sequential_tools",
    "KEY=VALUE": "mode=observe",
}


def commands() -> list[str]:
    """The commands of fenced blocks and those in backticks, each once, with the words in capitals filled in."""
    fenced = [
        line.split("#")[0].strip()
        for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
        for line in block.splitlines()
    ]
    inline = re.findall(r"`((?:circuit-breaker|python3 plugin|uninstall|install) ?[^`\n]*)`", README)
    listed = [
        f"circuit-breaker {name}"
        for row in re.findall(
            r"^\| ((?:`[a-z]+[^|]*`(?:, )?)+) \|", README.partition("| in a terminal")[2], re.MULTILINE
        )
        for name in re.findall(r"`([^`/]+)`", row)
    ]
    found = []
    for command in [*fenced, *inline, *listed]:
        for words, meant in STAND_FOR.items():
            command = command.replace(words, meant)
        command = re.sub(r"^(un)?install\b", r"circuit-breaker \g<0>", command)
        command = command.replace(" [--fix]", "").replace(" ...", "").strip()
        if command and not command.startswith(ELSEWHERE) and command not in found:
            found.append(command)
    return found


@pytest.mark.slow
def test_every_command_of_the_readme_does_what_it_says(tmp_path: Path) -> None:
    clone, home, project = tmp_path / "circuit-breaker", tmp_path / "home", tmp_path / "project"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    home.mkdir()
    (project / ".git").mkdir(parents=True)
    env = {"PATH": f"{home}/.local/bin:{os.environ['PATH']}", "HOME": str(home), "NO_COLOR": "1"}
    ran = []
    for command in commands():
        words = shlex.split(command)
        if words[:1] == ["circuit-breaker"] and len(words) == 1:
            continue
        if "--scope" in words or words[1:2] in (["uninstall"], ["install"]):
            continue  # the last ones
        words += {"reset": ["--all"], "explain": ["--last"], "report": ["-o", "report.html"]}.get(
            words[1] if len(words) == 2 else "", []
        )
        if words[1:] == ["restore"]:
            words.append("--list")
        if words[1:] == ["export", "otlp"]:
            words.append("--help")
        place = clone if words[0] == "python3" else project
        done = subprocess.run(
            words, cwd=place, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert "Traceback" not in done.stderr, (command, done.stderr)
        answered_no = words[1:2] in (
            ["explain"],
            ["calibrate"],
            ["replay"],
        )  # nothing has happened in this HOME
        assert done.returncode in ((0, 1) if answered_no else (0,)), (command, done.stdout, done.stderr)
        ran.append(command)
    assert {"python3 plugin install", "python3 plugin demo", "circuit-breaker explain --last"} <= set(ran), (
        ran
    )
    assert len(ran) > 15
    for words in (["circuit-breaker", "uninstall", "--purge"],):
        assert subprocess.run(words, cwd=project, env=env, capture_output=True, check=False).returncode == 0
    assert (
        not (home / ".claude" / "settings.json").exists()
        and not (home / ".local" / "bin" / "circuit-breaker").exists()
    )
