"""What you see in a terminal: a trip, a stopped turn, a bypass, and what /circuit-status shows. `docs/screens.md` holds the screens.

`RECORD_SCREENS=1` writes that page anew from what the real Claude Code showed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from client.driver import Client
from client.standin import Say, Standin, Use, bash
from client.terminal import Terminal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "screens.md"
LONG = {"circuit_breakers": {"tool_failure": {"cooldown_base_seconds": 600}}}


def settled(text: str) -> str:
    """A screen without what differs from run to run: spinners, times, ids, the rules and boxes of the terminal."""
    boxed = r"^(.{50,}?) *[│╭╰].*$"  # the mod's box covers the right end of some lines
    lines = [re.sub(boxed, r"\1", line).rstrip() for line in text.split("\n")]
    kept = [line for line in lines if line.strip() and not re.match(r"^[\s─-╿▀-▟]*$", line)]
    text = re.sub(r"/tmp/\S+/a( machine/project)?(?=\s)", "~/project", "\n".join(kept))
    text = re.sub(r"[✻✽✶·] \w+(-\w+)? for .*|.*(running Stop hook|◐ medium|manual mode on).*\n?", "", text)
    text = re.sub(r" in [0-9a-f]{8}\)", " in f9229b3d)", text)
    text = re.sub(r"session [0-9a-f]{8}", "session b7e1c0de", text)
    text = re.sub(r"\b(\d+) s\b", "N s", text)
    text = re.sub(r"\b\d+s\b", "Ns", text)
    return re.sub(r"\d+ (min|h)\b", r"N \1", text)


def shown(title: str, terminal: Terminal, *lines: str) -> None:
    """Wait until the screen shows these lines, and check that the page does too; with RECORD_SCREENS put it there."""

    def missing() -> list[str]:
        flat = " ".join(settled(terminal.screen).replace("│", " ").split())
        return [line for line in lines if " ".join(line.split()) not in flat]

    terminal.wait(lambda: not missing())
    screen = terminal.screen
    if os.environ.get("RECORD_SCREENS"):
        _record(title, settled(screen))
    page = " ".join(
        PAGE.read_text(encoding="utf-8")
        .partition(f"## {title}\n")[2]
        .partition("\n## ")[0]
        .replace("│", " ")
        .split()
    )
    for line in lines:
        assert " ".join(line.split()) in page, f"docs/screens.md, {title}: {line}"


def _record(title: str, screen: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = f"## {title}\n\n```text\n{screen}\n```\n"
    before, found, after = page.partition(f"## {title}\n")
    rest = after.partition("\n## ")[2] if found else ""
    PAGE.write_text(before.rstrip() + "\n\n" + section + (f"\n## {rest}" if rest else ""), encoding="utf-8")


def test_a_trip_names_the_breaker_the_call_and_the_way_to_unblock_it(client: Client) -> None:
    client.configure(**LONG)
    command, _ = client.failing_check()
    with Standin({"": [*[bash(command)] * 4, Say("I am stuck.")]}) as api, Terminal(client, api) as terminal:
        terminal.submit("make the check pass")
        terminal.wait(lambda: "I am stuck." in terminal.screen)
        shown(
            "A trip",
            terminal,
            "circuit-breaker blocked `Bash sh check.sh`: it failed 3 times with nothing changed in between.",
            "Blocked by circuit-breaker (not a hook failure; the user can unblock it: /reset-circuit --all",
        )


def test_a_stopped_turn_says_why_once(client: Client) -> None:
    command, _ = client.failing_check()
    with Standin({"": [bash(command)] * 12}) as api, Terminal(client, api) as terminal:
        client.configure(**LONG)
        terminal.submit("make the check pass")
        terminal.wait(lambda: "stopped this turn" in terminal.screen)
        shown(
            "A stopped turn",
            terminal,
            "circuit-breaker stopped this turn: `Bash sh check.sh` is blocked, and Claude asked 5 times in one prompt for blocked calls.",
        )
        assert terminal.screen.count("circuit-breaker stopped this turn") == 1


def test_a_bypass_is_confirmed_and_one_that_is_none_is_explained(client: Client) -> None:
    client.configure(**LONG)
    command, runs = client.failing_check()
    script = [*[bash(command)] * 3, Say("first"), Say("second"), *[bash(command)] * 2, Say("third")]
    with Standin({"": script}) as api, Terminal(client, api) as terminal:
        terminal.submit("check")
        terminal.wait(lambda: "first" in terminal.screen)
        terminal.submit("sudo bypass\ngo on")
        terminal.wait(lambda: "second" in terminal.screen)
        shown(
            "No bypass",
            terminal,
            "no bypass. To get one, type exactly SUDO BYPASS alone on the first line",
        )
        terminal.submit("SUDO BYPASS\ngo on")
        terminal.wait(lambda: "third" in terminal.screen)
        shown("A bypass", terminal, "circuit-breaker: SUDO BYPASS received")
    assert runs() == 5


def test_a_bypass_that_a_machine_wrote_is_refused_before_you_can_believe_it(client: Client) -> None:
    client.configure(**LONG)
    command, runs = client.failing_check()
    later = Use("CronCreate", {"cron": "* * * * *", "recurring": False, "prompt": "SUDO BYPASS\ngo on"})
    script = [*[bash(command)] * 3, later, Say("waiting")]
    with Standin({"": script}) as api, Terminal(client, api, tools="Bash CronCreate") as terminal:
        terminal.submit("check")
        terminal.wait(lambda: "waiting" in terminal.screen)
        shown("A bypass refused", terminal, "a scheduled prompt must not carry SUDO BYPASS")
    assert runs() == 3


def test_status_shows_what_is_open_here_and_in_the_projects_other_sessions(client: Client) -> None:
    client.configure(**LONG)
    command, _ = client.failing_check()
    with Standin({"": [*[bash(command)] * 4, Say("stuck")]}) as api:
        client.session(api, "check")
    with Standin({"": [*[bash(command)] * 4, Say("stuck")]}) as api, Terminal(client, api) as terminal:
        terminal.submit("check")
        terminal.wait(lambda: "stuck" in terminal.screen)
        terminal.submit("/circuit-status")
        terminal.wait(lambda: "CIRCUIT BREAKER STATUS" in terminal.screen)
        terminal.wait(lambda: "/reset-circuit --circuit" in terminal.screen)
        shown("/circuit-status", terminal, "CIRCUIT BREAKER STATUS", "tool_failure:Bash sh check.sh")
        assert "Original prompt" not in terminal.screen
