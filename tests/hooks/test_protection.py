"""What Claude can do about an open circuit of its own session: through the registered lines, judged by what becomes of the circuit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circuit_breaker.breaker.memory import Lane
from circuit_breaker.breaker.model import OPEN, Circuit
from circuit_breaker.identity.calls import call_key
from circuit_breaker.runtime import claude_folder, home, store

ROOT = Path(__file__).resolve().parents[2]
SESSION = "11111111-2222-3333-4444-555555555555"
FAILURE = "Exit code 2\nmake: *** No rule to make target 'check'.  Stop."


class Stage:
    """A session whose circuit for `make check` is open, and what Claude may try from there."""

    def __init__(self, machine: Any, payload: Callable[..., Any], registered: Callable[..., Any]) -> None:
        self.machine, self._payload, self._registered = machine, payload, registered
        self.calls = 0
        self.prompt_id = "p1"
        self.configure(circuit_breakers={"tool_failure": {"cooldown_base_seconds": 600}})
        self.open()

    def configure(self, **values: Any) -> None:
        """Write the config file by hand."""
        path = self.machine.runtime / "circuit_breaker_config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(values))

    def send(self, name: str, env: dict[str, str] | None = None, **changes: Any) -> list[Any]:
        where = {"session_id": SESSION, "cwd": str(self.machine.project), "prompt_id": self.prompt_id}
        answers = self._registered(self._payload(name, **{**where, **changes}), **(env or {}))
        assert {answer.code for answer in answers} == {0}
        return [answer.out for answer in answers if answer.out]

    def ask(self, tool: str = "Bash", **given: Any) -> str:
        """Why a call is denied, "" if it may run."""
        self.calls += 1
        call = {
            "tool_name": tool,
            "tool_input": given or {"command": "make check"},
            "tool_use_id": f"toolu_{self.calls}",
        }
        said = [answer["hookSpecificOutput"] for answer in self.send("PreToolUse.bash", **call)]
        return next((output["permissionDecisionReason"] for output in said), "")

    def open(self) -> None:
        """A circuit for `make check`, as three failures leave it."""
        now = time.time()
        circuit = Circuit(
            rule="tool_failure",
            subject="Bash make check",
            keys=[call_key("Bash", {"command": "make check"}, str(self.machine.project))],
            state=OPEN,
            trips=1,
            retry_at=now + 600,
            cooldown=600.0,
            count=3,
            opened_at=now,
        )
        lane = Lane(circuits={circuit.name: circuit})
        where = home.places(self.machine.env, str(self.machine.project))
        store.update(where, SESSION, "", lambda session, _: (session, lane, None))

    def fail(self) -> None:
        """`make check` runs and fails, as one turn."""
        self.calls += 1
        call = {
            "tool_name": "Bash",
            "tool_input": {"command": "make check"},
            "tool_use_id": f"toolu_{self.calls}",
        }
        self.send("PostToolUseFailure.bash-exit-1", **call, error=FAILURE)
        self.send("PostToolBatch.bash-exit-1", tool_calls=[{**call, "tool_response": FAILURE}])

    def verb(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`circuit-breaker WORDS` in a terminal of your own."""
        return self.shell(sys.executable, str(ROOT / "plugin"), *words, CLAUDE_CODE_SESSION_ID="")

    def shell(self, *line: str, **env: str) -> subprocess.CompletedProcess[str]:
        """A command in Claude's own shell."""
        own = {
            k: v for k, v in self.machine.env.items() if k not in ("CLAUDE_PROJECT_DIR", "CLAUDE_PLUGIN_ROOT")
        }
        own["CLAUDE_CODE_SESSION_ID"] = SESSION
        return subprocess.run(
            line, env={**own, **env}, cwd=self.machine.project, capture_output=True, text=True, check=False
        )

    def incidents(self) -> list[dict[str, Any]]:
        log = self.machine.runtime / "circuit_breaker_incidents.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def stage(machine: Any, payload: Callable[..., Any], registered: Callable[..., Any]) -> Stage:
    stage = Stage(machine, payload, registered)
    assert stage.ask()
    return stage


@pytest.mark.parametrize(
    "command",
    ["circuit-breaker reset --all", "rm -rf {R}/sessions", "claude --bare -p x", "echo '{{}}' > {R}/armed/x"],
)
def test_call_that_reaches_for_the_breaker_is_denied_and_on_record(stage: Stage, command: str) -> None:
    reason = stage.ask(command=command.format(R=stage.machine.runtime))
    assert "while a circuit is open" in reason
    assert stage.incidents()[-1]["event"] == "bypass_refused"
    assert stage.incidents()[-1]["circuit"].startswith("protection:")
    assert stage.ask()


def test_looking_and_working_stay_free(stage: Stage) -> None:
    assert not stage.ask(command=f"ls {stage.machine.runtime}/armed")
    assert not stage.ask(command="make other")
    assert not stage.ask("Read", file_path=str(stage.machine.runtime / "errors.log"))


def test_everything_is_free_while_all_circuits_are_closed(stage: Stage) -> None:
    assert (
        stage.shell(
            sys.executable, str(ROOT / "plugin"), "reset", "--all", CLAUDE_CODE_SESSION_ID=""
        ).returncode
        == 0
    )
    assert not stage.ask(command=f"rm -rf {stage.machine.runtime}/sessions")


@pytest.mark.parametrize("state", ["asleep", "open"])
def test_scheduled_prompt_with_the_override_is_denied_always(stage: Stage, state: str) -> None:
    if state == "asleep":
        stage.verb("reset", "--all")
    assert "scheduled prompt" in stage.ask("CronCreate", cron="* * * * *", prompt="SUDO BYPASS\ngo on")
    assert "scheduled prompt" in stage.ask("ScheduleWakeup", prompt="python3 '/any where/plugin' reset --all")
    assert not stage.ask("CronCreate", cron="* * * * *", prompt="look at the build")


def test_bypass_lifts_the_name_check_but_not_the_forgery(stage: Stage) -> None:
    stage.prompt_id = "p2"
    stage.send("UserPromptSubmit", prompt="SUDO BYPASS")
    assert not stage.ask(command="circuit-breaker reset --all")
    assert stage.ask("CronCreate", cron="* * * * *", prompt="SUDO BYPASS")


@pytest.mark.parametrize("hook", ["command", "prompt", "monitor"])
def test_hook_scripts_refuse_in_claudes_own_shell(stage: Stage, hook: str) -> None:
    prompt = {
        "session_id": SESSION,
        "hook_event_name": "UserPromptExpansion",
        "command_name": "reset-circuit",
    }
    answer = subprocess.run(
        ["sh", str(ROOT / "hooks" / "run"), hook],
        input=json.dumps({**prompt, "command_args": "--all", "prompt": "SUDO BYPASS", "prompt_id": "p1"}),
        env={
            **{k: v for k, v in stage.machine.env.items() if "CLAUDE_P" not in k},
            "CLAUDE_CODE_SESSION_ID": SESSION,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (0, "")
    assert f"`{hook} hook` does not run in Claude's own shell" in answer.stderr
    assert stage.ask()


@pytest.mark.parametrize(
    "edit",
    [
        {"enabled": False},
        {"mode": "observe"},
        {"exclude": ["*"]},
        {"circuit_breakers": {"tool_failure": {"enabled": False}}},
        {"bypass_keyword": "x"},
    ],
    ids=json.dumps,
)
def test_edit_of_the_config_file_waits_until_the_circuit_closes(stage: Stage, edit: dict[str, Any]) -> None:
    stage.configure(**edit)
    assert "The configuration was changed. It applies when this circuit closes" in stage.ask()
    stage.prompt_id = "p2"
    stage.send("UserPromptSubmit", prompt="x", prompt_id="p2", transcript_path=None)
    assert not stage.ask()  # the one probe of a prompt
    assert stage.ask()


def test_edit_applies_once_nothing_is_open(stage: Stage) -> None:
    stage.configure(mode="observe")
    assert stage.ask()
    stage.verb("reset", "--all")
    for _ in range(3):
        stage.fail()
    assert not stage.ask()


def test_mode_from_your_own_terminal_reaches_an_open_circuit_at_once(stage: Stage, machine: Any) -> None:
    (machine.runtime / "circuit_breaker_config.json").unlink()
    assert stage.ask()
    answer = stage.verb("mode", "observe")
    assert answer.returncode == 0, answer.stderr
    assert not stage.ask()
    stage.verb("mode", "enforce")
    assert not stage.ask()  # observing has closed it
    for _ in range(3):
        stage.fail()
    assert stage.ask()


MARKET = {"CLAUDE_PLUGIN_DATA": "/data/circuit-breaker-market"}


def settings_of(stage: Stage, scope: str = "user") -> Path:
    folder = (stage.machine.home if scope == "user" else stage.machine.project) / ".claude"
    folder.mkdir(exist_ok=True)
    return folder / ("settings.local.json" if scope == "local" else "settings.json")


def changed(stage: Stage, path: Path, text: str | None, **env: str) -> list[Any]:
    """What the hooks say to a settings file that now holds `text`; None: it is gone."""
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(text)
    return stage.send("ConfigChange.user-settings", env=env, file_path=str(path))


ENABLED = '{"enabledPlugins": {"circuit-breaker@market": true}}'
HELD = [
    '{"disableAllHooks": true}',
    '{"disableAllHooks": true, "enabledPlugins": {"circuit-breaker@market": true}}',
    '{"enabledPlugins": {"circuit-breaker@market": false}}',
    '{"enabledPlugins": {}}',
    "{}",
    "",
    "{",
    None,
]


@pytest.mark.parametrize("text", HELD)
def test_change_that_switches_the_hooks_off_is_held_back(stage: Stage, text: str | None) -> None:
    said = changed(stage, settings_of(stage), text, **MARKET)
    assert [answer["decision"] for answer in said] == ["block"]
    assert "save the file again or restart" in said[0]["reason"]
    assert (stage.incidents()[-1]["event"], stage.incidents()[-1]["prompt_id"]) == (
        "held_back",
        stage.prompt_id,
    )


@pytest.mark.parametrize(
    ("text", "env"),
    [
        (ENABLED, MARKET),
        ('{"enabledPlugins": {"circuit-breaker@market": true}, "permissions": {"allow": ["Bash"]}}', MARKET),
        ('{"disableAllHooks": false, "enabledPlugins": {"circuit-breaker@market": true}}', MARKET),
        (
            "{}",
            {"CLAUDE_PLUGIN_DATA": "/data/circuit-breaker-inline"},
        ),  # --plugin-dir: no settings file enables it
        (None, {"CLAUDE_PLUGIN_DATA": "/data/circuit-breaker-skills-dir"}),
    ],
)
def test_every_other_change_passes(stage: Stage, text: str | None, env: dict[str, str]) -> None:
    assert changed(stage, settings_of(stage), text, **env) == []


def test_change_of_another_file_passes_while_the_plugin_stays_enabled(stage: Stage) -> None:
    settings_of(stage).write_text(ENABLED)
    assert changed(stage, settings_of(stage, "local"), None, **MARKET) == []
    assert changed(stage, settings_of(stage, "project"), "{}", **MARKET) == []
    assert changed(stage, settings_of(stage, "local"), '{"disableAllHooks": true}', **MARKET)
    assert changed(
        stage,
        settings_of(stage, "project"),
        '{"enabledPlugins": {"circuit-breaker@market": false}}',
        **MARKET,
    )


def test_plugin_that_an_administrator_enables_stays_whatever_your_own_file_says(
    stage: Stage, told: Any, payload: Callable[..., Any], tmp_path: Path, mocker: Any
) -> None:
    theirs, mine = tmp_path / "10-plugins.json", settings_of(stage)
    theirs.write_text("{}")
    mine.write_text("{}")
    mocker.patch.object(claude_folder, "managed_settings", return_value=[str(theirs)])
    stage.machine.env.update(MARKET)
    change = payload("ConfigChange.user-settings", session_id=SESSION, file_path=str(mine))
    assert told("guard", change)["decision"] == "block"
    theirs.write_text(ENABLED)
    assert told("guard", change) is None


def test_nothing_is_held_back_while_all_circuits_are_closed(stage: Stage) -> None:
    stage.verb("reset", "--all")
    assert changed(stage, settings_of(stage), '{"disableAllHooks": true}', **MARKET) == []


def test_what_was_held_back_is_said_when_the_circuit_closes_until_it_is_saved_again(stage: Stage) -> None:
    path = settings_of(stage)
    changed(stage, path, '{"disableAllHooks": true}', **MARKET)
    later = path.stat().st_mtime + 5
    os.utime(path, (later - 10, later - 10))
    said = f"were held back ({path}): save the file again or restart"
    assert said in stage.verb("status").stdout
    reset = {"session_id": SESSION, "command_name": "reset-circuit", "command_args": "--all"}
    answer = stage.send("UserPromptExpansion.bare-plugin-command", **reset)
    assert said in answer[0]["reason"]
    os.utime(path, (later, later))
    assert said not in stage.verb("status").stdout


def test_closing_by_itself_says_what_was_held_back(stage: Stage) -> None:
    path = settings_of(stage)
    changed(stage, path, '{"disableAllHooks": true}', **MARKET)
    os.utime(path, (1, 1))
    stage.prompt_id = "p2"
    stage.send("UserPromptSubmit", prompt="go on")
    assert not stage.ask()
    call = {
        "tool_name": "Bash",
        "tool_input": {"command": "make check"},
        "tool_use_id": f"toolu_{stage.calls}",
    }
    said = stage.send(
        "PostToolBatch.bash-exit-1", tool_calls=[{**call, "tool_response": "all checks passed"}]
    )
    assert f"were held back ({path})" in said[0]["systemMessage"]
