"""Every notice and every recorded change has its sentence: without one, a denial would be lost."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from streams import Stream, said

from circuit_breaker.breaker import model
from circuit_breaker.breaker.config import RULES
from circuit_breaker.breaker.model import Notice, Transition
from circuit_breaker.words import sentences

BREAKER = Path(model.__file__).parent
KINDS = (model.WARN, model.DENY, model.STOP, model.QUESTION, model.OPENED, model.SUBAGENT)
FLAGS = sorted({word for key in [*sentences.CAUSES, *sentences.ADVICE] for word in key.split()} - {*RULES})
# The argument that is a code of a sentence, of each function that takes one.
CODES = {"tell_you": 0, "close": 1, "stop_turn": 1, "record": 2, "changed": 3}


def given_codes() -> set[tuple[str, str]]:
    """(function, code) of every call in breaker/ that gives one."""
    calls = [
        node
        for path in BREAKER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CODES
    ]
    return {
        (call.func.attr, constant.value)
        for call in calls
        for argument in call.args[CODES[call.func.attr] :][:1]
        for constant in ast.walk(argument)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }


@pytest.mark.parametrize("rule", [*RULES, "protection"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_notice_of_every_rule_is_a_whole_sentence(kind: str, rule: str) -> None:
    for form in ([], *([flag] for flag in FLAGS)):
        text = sentences.sentence_of(Notice(kind=kind, rule=rule, subject="Bash make", form=form), "SUDO")
        assert text and "{" not in text and "None" not in text


@pytest.mark.parametrize("function", CODES)
def test_every_code_that_the_breaker_gives_has_its_text(function: str) -> None:
    given = {code for name, code in given_codes() if name == function}
    assert given and given <= {*(sentences.FOR_YOUR_EYES if function == "tell_you" else sentences.REASONS)}


@pytest.mark.parametrize("reason", sorted(sentences.FOR_YOUR_EYES))
def test_what_only_you_are_shown_is_a_whole_sentence(reason: str) -> None:
    facts = {"at": "12:00", "file": "settings.json"}
    notice = Notice(kind=model.FOR_YOU, rule="budget", subject="db", reason=reason, facts=facts)
    assert "{" not in sentences.sentence_of(notice, "SUDO")


@pytest.mark.parametrize("reason", sorted(sentences.REASONS))
def test_why_a_circuit_changed_is_a_clause(reason: str) -> None:
    change = Transition(rule="tool_failure", reason=reason, facts={"good": 1, "file": "settings.json"})
    assert "{" not in sentences.why(change, "SUDO")


READ = [
    (
        "warn",
        "failing_streak",
        10,
        {},
        "Warning from circuit-breaker: every call of 10 turns in a row failed.",
    ),
    (
        "warn",
        "failing_streak",
        8,
        {"form": ["empty"]},
        "every search of 8 turns in a row found nothing. What you",
    ),
    ("stop", "failing_streak", 20, {}, "stopped this turn: every call of 20 turns in a row failed. Say how"),
    (
        "opened",
        "call_cycle",
        3,
        {"facts": {"period": 2}},
        "`Bash x`: it was repeated 3 times (a cycle of 2 calls) with the",
    ),
    (
        "deny",
        "repeated_call",
        20,
        {"form": ["waits"]},
        "nothing but waiting. Look at what you are waiting for",
    ),
    (
        "deny",
        "repeated_call",
        20,
        {"form": ["poll"]},
        "nothing changed in between. Find out why nothing changes",
    ),
    ("deny", "repeated_call", 4, {"form": ["edit"]}, "with the same input. Read the file as it is now."),
    ("deny", "repeated_call", 4, {}, "nothing changed in between. Use the result you already have"),
    (
        "warn",
        "repeated_call",
        3,
        {"form": ["asks"]},
        "If it goes on, the user is asked before it runs again.",
    ),
    ("warn", "call_cycle", 2, {}, "The next round is blocked."),
    ("warn", "tool_failure", 3, {"form": ["opened", "asks"]}, "The user is asked before this call runs"),
    ("warn", "hook_recursion", 6, {}, "Read again what the stop hook asks for"),
    ("warn", "budget", 50, {"facts": {"of": 100}}, "At 100 % the turn is stopped. Finish"),
    ("warn", "budget", 100, {"facts": {"of": 100}}, "(100 %). The turn is stopped after the next calls."),
    ("warn", "hook_recursion", 6, {}, "Warning from circuit-breaker: a `Bash x` hook made Claude continue 6"),
    ("warn", "budget", 50, {"form": ["asks"], "facts": {"of": 100}}, "At 100 % the user will be asked"),
    (
        "stop",
        "protection",
        5,
        {"reason": "kept_asking"},
        "circuit-breaker stopped this turn: Claude asked 5 times in one prompt for blocked calls, some to get round the breaker. "
        "Say how to go on; /circuit-status says more.",
    ),
    ("opened", "repeated_call", 4, {"form": ["asks"]}, "circuit-breaker asks you before `Bash x` runs again"),
]


@pytest.mark.parametrize(("kind", "rule", "count", "more", "read"), READ)
def test_what_is_said_fits_what_happened(
    kind: str, rule: str, count: int, more: dict[str, object], read: str
) -> None:
    notice = Notice(kind=kind, rule=rule, subject="Bash x", count=count, **more)
    assert read in sentences.sentence_of(notice, "SUDO")


# What pytest prints by default of the failure in the README.
PYTEST = """Exit code 1
============================= test session starts ==============================
collected 1 item

tests/test_total.py F                                                    [100%]

=================================== FAILURES ===================================
    def test_total():
>       assert total([2, 3]) == 5
E       assert 2 == 5
=========================== short test summary info ============================
FAILED tests/test_total.py::test_total - assert 2 == 5
============================== 1 failed in 0.13s ==============================="""


def test_readme_shows_what_claude_reads():
    stream = Stream()
    for _ in range(3):
        stream.bash("pytest tests/test_total.py", PYTEST, fails=True)
    denied = said(stream.ask("Bash", {"command": "pytest tests/test_total.py"})[1])
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    assert denied in " ".join(readme.split())
