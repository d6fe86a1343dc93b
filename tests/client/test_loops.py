"""In the real client a session that runs away is stopped, and one that works is left alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from client.driver import Client, Session
from client.standin import Say, Standin, Step, Use, bash, edit, results, sent
from samples import also_in_ci

COOLDOWN = 3  # seconds: a busy machine must still get its next call in before it is over


def quick(**rules: dict[str, Any]) -> dict[str, Any]:
    """A configuration whose circuits cool down in COOLDOWN seconds."""
    names = ("tool_failure", "repeated_call", "call_cycle")
    return {
        "circuit_breakers": {
            name: {"cooldown_base_seconds": COOLDOWN, **rules.get(name, {})} for name in names
        }
    }


def spoken(session: Session) -> list[str]:
    """Everything hooks printed; also what went wrong in them."""
    return [text for hook in session.hooks for text in (hook.stdout, hook.stderr) if text]


def test_failing_command_is_denied_at_the_latest_on_the_fifth_try_and_the_model_reads_why(
    client: Client,
) -> None:
    command, runs = client.failing_check()
    with Standin({"": [bash(command)] * 5}) as api:
        session = client.session(api, "make the check pass")
    assert runs() <= 4
    assert session.denials
    after = sent(api.requests[runs() + 1])
    assert session.denials[0] in after
    assert "the frobnicator is missing" in after
    assert "/reset-circuit" in after
    assert "SUDO BYPASS" in after
    assert session.tellings[0] in sent(api.requests[3])
    assert len(session.results[0]["permission_denials"]) == 5 - runs()


@pytest.mark.repeats
def test_one_failing_run_in_other_words_is_warned_about_and_then_denied_in_any_form(client: Client) -> None:
    command, runs = client.failing_check()
    forms = [
        "{} --once",
        "timeout 20 {} -v 2>&1 | tail -5",
        "echo attempt 3; {}",
        "{} || true",
        'cd . && bash -c "{}"',
        "A=1 {} --tries 4; echo $?",
        "time {} --again",
        "{} -q | head -3",
    ]
    with Standin({"": [bash(form.replace("{}", command)) for form in forms]}) as api:
        session = client.session(api, "make the check pass")
    assert runs() == 6
    assert len(session.denials) == 2
    assert "(any form)" in session.tellings[0]
    assert "(any form)" in session.denials[0]


def test_denial_blocks_that_call_and_no_other(client: Client) -> None:
    command, runs = client.failing_check()
    others = [
        bash("echo still free"),
        Use("Read", {"file_path": str(client.project / "check.sh")}),
        bash("sh -c 'exit 3'"),
    ]
    with Standin({"": [*[bash(command)] * 4, *others]}) as api:
        session = client.session(api, "make the check pass")
    assert runs() == 3
    assert len(session.denials) == 1
    free, read, other = results(api.requests[-1])[-3:]
    assert free == "still free"
    assert "frobnicator" in read
    assert other == "Exit code 3"


@pytest.mark.repeats
def test_succeeding_command_with_the_same_output_is_denied_at_the_latest_on_the_fifth_try(
    client: Client,
) -> None:
    (client.project / "a.txt").touch()
    with Standin({"": [bash("ls")] * 5}) as api:
        session = client.session(api, "look around")
    assert len(session.denials) == 1
    assert len(session.tellings) == 1
    assert session.denials[0] in sent(api.requests[5])


@pytest.mark.repeats
def test_two_calls_in_turn_are_denied_at_the_latest_on_their_fifth_try(client: Client) -> None:
    (client.project / "a.txt").write_text("alpha\n")
    with Standin({"": [bash("ls"), bash("cat a.txt")] * 5}) as api:
        session = client.session(api, "look around")
    assert session.tellings
    went_through = results(api.requests[-1])
    assert went_through.count("a.txt") <= 4
    assert went_through.count("alpha") <= 4


def red_green(client: Client, failure: str) -> list[Step]:
    """Ten rounds of test and edit. The check says `failure`, with the round's own word in it where there is a {}."""
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    value = client.project / "value.txt"
    value.write_text("zero\n")
    command, _ = client.failing_check(failure.replace("{}", "'\"$(cat value.txt)\"'"))
    steps: list[Step] = [Use("Read", {"file_path": str(value)})]
    for before, after in zip(words, words[1:]):
        steps += [bash(command), edit(value, before, after)]
    return steps


def test_ten_rounds_of_test_and_edit_with_changing_failures_are_never_touched(client: Client) -> None:
    with Standin({"": red_green(client, "undefined name {}")}) as api:
        session = client.session(api, "make the check pass")
    assert (client.project / "value.txt").read_text() == "ten\n"
    assert sum("undefined name" in text for text in results(api.requests[-1])) == 10
    assert spoken(session) == []


@pytest.mark.repeats
def test_ten_rounds_of_test_and_edit_with_the_same_failure_open_at_the_sixth(client: Client) -> None:
    with Standin({"": red_green(client, "undefined name frobnicator")}) as api:
        session = client.session(api, "make the check pass")
    failures = [text for text in results(api.requests[-1]) if text.startswith("Exit code 1")]
    assert len(failures) == 7  # the seventh is the one early probe that an edit buys
    assert len(session.denials) == 3
    assert [incident["event"] for incident in client.incidents()] == ["trip", "probe", "probe"]
    assert "6 times" in client.incidents()[0]["cause"]


def test_edit_that_never_finds_its_text_is_told_and_then_ended(client: Client) -> None:
    target = client.project / "a.txt"
    target.write_text("alpha\n")
    steps = [Use("Read", {"file_path": str(target)}), *[edit(target, "not in there", "beta")] * 12]
    with Standin({"": steps}) as api:
        session = client.session(api, "change it")
    assert session.tellings
    assert session.tellings[0] in "\n".join(sent(body) for body in api.requests)
    assert len(session.endings) == 1
    assert session.results[0]["terminal_reason"] == "hook_stopped"
    assert len(api.requests) <= 8
    assert [incident["event"] for incident in client.incidents()][-1] == "ending"


def test_model_that_hammers_on_a_denied_call_has_its_turn_ended(client: Client) -> None:
    command, runs = client.failing_check()
    with Standin({"": [bash(command)] * 20}) as api:
        session = client.session(api, "make the check pass")
    assert runs() == 3
    assert len(session.denials) == 5
    assert len(session.endings) == 1


def test_a_call_is_denied_in_whatever_form_claude_wrote_its_input(client: Client) -> None:
    (client.project / "a.txt").write_text("a\n", encoding="utf-8")
    write, read = {"file_path": "n.txt", "content": "x"}, {"file_path": "./a.txt", "limit": "5"}
    with Standin({"": [*[Use("Write", write)] * 5, *[Use("Read", read)] * 5]}) as api:
        session = client.session(api, "write and read")
    assert ["`Write n.txt`" in reason for reason in session.denials] == [True, False]


def test_commands_that_nobody_can_approve_are_warned_about_before_the_turn_is_stopped(client: Client) -> None:
    commands = ["make", "npm ci", "git push", "pip install x", "cargo build", "docker build .", "go build"]
    with Standin({"": [bash(command) for command in commands]}) as api:
        session = client.session(api, "build it", tools="Read")
    assert len(session.results[0]["permission_denials"]) == 6
    assert len(session.tellings) == 3
    assert "whatever its arguments" in session.endings[0]


def test_probe_after_the_cooldown_closes_the_circuit(client: Client) -> None:
    client.configure(**quick())
    command, runs = client.failing_check()

    def repair_and_wait(body: dict[str, Any]) -> Use:
        (client.project / "check.sh").write_text("echo all is well\n")
        time.sleep(COOLDOWN + 0.3)
        return bash(command)

    with Standin({"": [*[bash(command)] * 4, repair_and_wait, bash("echo after")]}) as api:
        session = client.session(api, "make the check pass")
    assert runs() == 3
    assert len(session.denials) == 1
    assert results(api.requests[-1])[-2:] == ["all is well", "after"]
    assert [incident["event"] for incident in client.incidents()] == ["trip", "probe", "close"]
    assert list((client.runtime / "armed").iterdir()) == []


@pytest.mark.repeats
def test_probe_that_fails_opens_the_circuit_again(client: Client) -> None:
    client.configure(**quick())
    command, runs = client.failing_check()

    def wait(body: dict[str, Any]) -> Use:
        time.sleep(COOLDOWN + 0.3)
        return bash(command)

    with Standin({"": [*[bash(command)] * 3, wait, bash(command)]}) as api:
        session = client.session(api, "make the check pass")
    assert runs() == 4
    assert len(session.denials) == 1
    assert results(api.requests[-1])[-1].endswith(session.denials[0])


def test_loop_of_a_subagent_does_not_block_the_main_thread(client: Client) -> None:
    command, runs = client.failing_check()
    task = {
        "description": "check",
        "prompt": "ERRAND now",
        "subagent_type": "general-purpose",
        "run_in_background": False,
    }
    with Standin({"": [Use("Agent", task), bash(command)], "ERRAND": [bash(command)] * 4}) as api:
        session = client.session(api, "have it checked")
    assert len(session.denials) == 1
    assert session.denials[0] in sent(api.of("ERRAND")[4])
    assert runs() == 4
    assert results(api.of("")[-1])[-1].startswith("Exit code 1")


def test_parent_reads_which_agent_was_ended_and_why(client: Client) -> None:
    command, _ = client.failing_check()
    task = {
        "description": "check",
        "prompt": "ERRAND now",
        "subagent_type": "general-purpose",
        "run_in_background": False,
    }
    with Standin({"": [Use("Agent", task), bash("echo on")], "ERRAND": [bash(command)] * 20}) as api:
        session = client.session(api, "have it checked")
    assert len(session.endings) == 1
    assert any("frobnicator" in sent(body) or "check.sh" in sent(body) for body in api.of("")[1:])


def test_session_that_works_hears_nothing(client: Client) -> None:
    (client.project / "a.txt").write_text("alpha\n")
    target = client.project / "a.txt"
    task = {
        "description": "look",
        "prompt": "ERRAND now",
        "subagent_type": "general-purpose",
        "run_in_background": False,
    }
    steps = [
        [bash("ls"), bash("cat a.txt")],
        Use("Read", {"file_path": str(target)}),
        edit(target, "alpha", "beta"),
        bash("exit 1"),
        bash("mkdir -p deep && cd deep && pwd"),
        bash("pwd"),
        Use("Agent", task),
        Use("Write", {"file_path": str(client.project / "new.txt"), "content": "new\n"}),
        Say("first half"),
        bash("cat new.txt"),
        bash("ls"),
        Say("second half"),
    ]
    with Standin({"": steps, "ERRAND": [bash("ls"), Say("nothing there")]}) as api:
        session = client.session(api, "work", "go on")
    assert [result["result"] for result in session.results] == ["first half", "second half"]
    assert len(session.hooks) > 20
    assert spoken(session) == []
    assert {hook.code for hook in session.hooks} == {0}


@pytest.mark.repeats
def test_mode_observe_records_and_blocks_nothing(client: Client) -> None:
    client.configure(mode="observe")
    command, runs = client.failing_check()
    with Standin({"": [bash(command)] * 6}) as api:
        session = client.session(api, "make the check pass")
    assert runs() == 6
    assert spoken(session) == []


@pytest.mark.parametrize("background", [True, *also_in_ci(False)])
def test_agents_in_the_background_and_in_the_foreground_share_the_session(
    client: Client, background: bool
) -> None:
    task = {
        "description": "look",
        "prompt": "ERRAND now",
        "subagent_type": "general-purpose",
        "run_in_background": background,
    }
    with Standin({"": [Use("Agent", task), bash("sleep 1")], "ERRAND": [bash("pwd")] * 5}) as api:
        session = client.session(api, "have it looked at")
    assert len(session.denials) == 1
    assert session.denials[0] in sent(api.of("ERRAND")[5])


def test_forked_session_starts_afresh_and_is_watched_like_any_other(client: Client) -> None:
    command, runs = client.failing_check()
    with Standin({"": [*[bash(command)] * 3, Say("stuck"), *[bash(command)] * 4]}) as api:
        first = client.session(api, "check")
        second = client.session(api, "check again", more=["--resume", first.id, "--fork-session"])
    assert second.id != first.id
    assert runs() == 6
    assert (len(first.denials), len(second.denials)) == (0, 1)
    assert {incident["session"] for incident in client.incidents()} == {first.id, second.id}


def test_resumed_session_still_knows_what_is_open(client: Client) -> None:
    client.configure(circuit_breakers={"tool_failure": {"cooldown_base_seconds": 600}})
    command, runs = client.failing_check()
    with Standin({"": [*[bash(command)] * 3, Say("stuck"), *[bash(command)] * 2]}) as api:
        first = client.session(api, "check")
        second = client.session(api, "check again", more=["--resume", first.id])
    assert second.id == first.id
    assert runs() == 4  # your new prompt buys one probe
    assert len(second.denials) == 1


def test_call_that_another_plugins_hook_keeps_denying_is_a_loop_too(client: Client, tmp_path: Path) -> None:
    refusal = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": "not here",
    }
    line = f"grep -q forbidden && printf '%s' '{json.dumps({'hookSpecificOutput': refusal})}' || true"
    for name, content in (
        (".claude-plugin/plugin.json", {"name": "guard", "version": "1.0.0"}),
        ("hooks/hooks.json", {"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": line}]}]}}),
    ):
        path = tmp_path / "guard" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    with Standin({"": [bash("echo forbidden")] * 3}) as api:
        session = client.session(api, "go", more=["--plugin-dir", str(tmp_path / "guard")])
    assert len(session.tellings) == 1
    assert [incident["circuit"].partition(":")[0] for incident in client.incidents()] == ["tool_failure"]
