"""The mod in the real client: it shows a trip in the footer and in a box, and a broken one costs nothing."""

from __future__ import annotations

from pathlib import Path

from client.driver import ROOT, Client, copy_plugin
from client.standin import Say, Standin, bash
from client.terminal import Terminal
from samples import also_in_ci


def test_its_own_tests_pass_and_the_plugin_validates(client: Client) -> None:
    done = client.command("plugin", "test", str(ROOT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 fail" in done.stdout + done.stderr
    done = client.command("plugin", "validate", "--strict", str(ROOT))
    assert done.returncode == 0, done.stdout + done.stderr


def test_trip_is_shown_in_the_footer_and_in_a_box_until_the_reset(client: Client) -> None:
    client.configure(circuit_breakers={"tool_failure": {"cooldown_base_seconds": 600}})
    command, _ = client.failing_check()
    with Standin({"": [*[bash(command)] * 3, Say("over")]}) as api, Terminal(client, api) as terminal:
        terminal.submit("check")
        terminal.wait(lambda: "1 blocked · sh check.sh" in terminal.screen)
        terminal.wait(lambda: "Blocked: Bash sh check.sh failed 3 times" in terminal.screen)
        terminal.wait(lambda: "over" in terminal.screen)
        terminal.submit("/reset-circuit --all")
        terminal.wait(lambda: "1 blocked" not in terminal.screen)
        assert "Reset to CLOSED" in terminal.screen


def test_budget_that_runs_out_is_shown_in_the_footer_until_your_next_prompt(client: Client) -> None:
    client.configure(circuit_breakers={"budget": {"calls_per_prompt": 5}})
    calls = [bash(f"echo part {number}") for number in range(4)]
    with (
        Standin({"": [*calls, Say("over"), bash("echo part 5"), Say("again")]}) as api,
        Terminal(client, api) as terminal,
    ):
        terminal.submit("go")
        terminal.wait(lambda: "80 % of a budget used" in terminal.screen)
        terminal.wait(lambda: "over" in terminal.screen)
        terminal.submit("on")
        terminal.wait(lambda: "again" in terminal.screen)
        terminal.wait(lambda: "of a budget used" not in terminal.screen)


def test_broken_mod_leaves_the_hooks_at_work(client: Client, tmp_path: Path) -> None:
    plugin = copy_plugin(tmp_path / "plugin")
    command, runs = client.failing_check()
    for broken in ("throw new Error('no')\n", *also_in_ci("export const register = (\n", None)):
        path = plugin / "hooks" / "register.js"
        path.unlink() if broken is None else path.write_text(broken)
        before = runs()
        with Standin({"": [*[bash(command)] * 4, Say("over")]}) as api:
            session = client.session(api, "check", plugin=plugin)
        assert (runs() - before, len(session.denials)) == (3, 1)
