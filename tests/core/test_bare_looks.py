"""Is a bare look known as well by its words alone as by what reads commands?"""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from circuit_breaker.core import (
    errors,
    identity,
    labels,
    reading,
    reading_rules,
    shell,
    simple_commands,
    waiting,
)

GIT = ["status", "log", "diff", "show"]
# Words in which a closer reading could find more than a look's.
TELLING = [
    *("sleep wait watch until watch.log -w --watch --wait time env timeout sudo curl wget gh api".split()),
    *(flag for flags in reading_rules._WRITES.values() for flag in flags.split()),
    *simple_commands.WRAPPERS,
    *simple_commands.KEYWORDS,
    *("apply_patch -c -C -f -p --oneline --short HEAD - -- . .. -v --version a/b.py SRC 20".split()),
]
ODD = ["a=b", "$X", "'a b'", '"a"', ">", "|", ";", "&&", "#", "\\", "~", "(ls)", "a\tb", "\n", "é", "²", "*"]
OTHERS = [
    "/bin/ls",
    "rg",
    "find",
    "LS",
    "cd",
    "git",
    "env",
    "sleep",
    "watch",
    "apply_patch",
    "X=1",
    "curl",
    "",
]
WORDS = st.sampled_from(TELLING) | st.text("ablstcw019-_./", min_size=1, max_size=6)
BLANKS = st.sampled_from([" ", " ", " ", "  ", "   "])
LOOKS = st.one_of(
    st.tuples(st.sampled_from(sorted(identity.GLANCES)), st.lists(WORDS, max_size=4)),
    st.tuples(st.sampled_from(GIT).map(lambda word: f"git {word}"), st.lists(WORDS, max_size=4)),
).map(lambda look: [look[0], *look[1]])
MISSES = st.lists(st.sampled_from([*identity.GLANCES, *OTHERS, *GIT, *ODD]) | WORDS, max_size=5)


@st.composite
def commands(draw: Any) -> str:
    """Bare looks, and what is nearly one."""
    words = draw(LOOKS | LOOKS | MISSES)
    if draw(st.integers(0, 9)) == 0:
        words.insert(draw(st.integers(0, len(words))), draw(st.sampled_from(ODD)))
    if draw(st.integers(0, 19)) == 0:
        words.append("a" * draw(st.sampled_from([1980, 1990, 2000, 5000, 20_000])))
    line = "".join([word + draw(BLANKS) for word in words])
    return draw(st.sampled_from(["", "", "", "", " ", "\t"])) + line[: draw(st.sampled_from([None, -1]))]


def answers(command: str, **more: Any) -> list[Any]:
    """All that the rules and people are told of a call by its command."""
    call = ("Bash", {"command": command, **more})
    return [
        identity.call_key(*call, cwd="/p"),
        identity.shape_key(*call),
        identity.change_level(*call),
        identity.is_poll(*call),
        identity.service(*call),
        labels.label(*call),
        errors.is_lookup_miss(*call, "No such file"),
    ]


@settings(max_examples=600, deadline=None)
@given(commands())
@example("git log watch")
@example("git diff  --watch")
@example("git log --add")
@example("git show --edit a")
@example("git status --outp a")
@example("ls --watch")
@example("cat watch.log")
@example("grep -w wait until")
@example("grep gh api")
@example("cat curl wget")
@example("ls" + " " * 2000 + "a")
@example("cat a" + "a" * 20_000)
@example("cat " + "a" * 1996)
@example("cat " + "a" * 1997)
@example("git status")
@example("echo")
@example("echo SUDO a.py")
@example("tail -f x ")
@example(" ls")
@example("ls\ta")
@example("")
def test_a_look_is_told_as_one_that_was_read(command: str) -> None:
    quick = answers(command), answers(command, workdir="/q"), answers(command, workdir=5)
    read = mock.Mock(return_value=[])
    with mock.patch.object(identity, "bare_look", read), mock.patch.object(labels, "bare_look", read):
        assert quick == (answers(command), answers(command, workdir="/q"), answers(command, workdir=5))


@settings(max_examples=600, deadline=None)
@given(commands())
def test_what_reads_commands_says_of_a_look_what_its_words_say(command: str) -> None:
    look = identity.bare_look(command)
    assume(look)
    assert shell.normalise(command, "/p") == (" ".join(look), "/p")
    assert simple_commands.first_words(command) == " ".join(look[:2])
    assert [simple_commands.program(segment.words) for segment in simple_commands.segments(command)] == [look]
    assert reading.is_reading(command)
    assert not waiting.waits(command)
    assert reading.has_subcommands(look[0]) == (look[0] == "git")
    assert look[0] == "git" or reading.is_listed(look[0])


@settings(max_examples=300, deadline=None)
@given(commands())
def test_keys_of_a_look_are_made_of_what_was_read(command: str) -> None:
    assume(identity.bare_look(command))
    text, directory = shell.normalise(command, "/p")
    call = ("Bash", {"command": command})
    made = identity.digest(f"Bash\n{directory}\n{identity.canonical({'command': text})}")
    assert identity.call_key(*call, "/p") == made
    program, _, second = simple_commands.first_words(command).partition(" ")
    named = program == "git" and second in reading_rules.SUBCOMMANDS["git"].split()
    assert identity.shape_key(*call) == (
        f"Bash {program} {second if named else identity.digest(second)}",
        None,
    )
    assert identity.change_level(*call) == (0 if reading.is_reading(command) else 1)
    assert identity.is_poll(*call) == (waiting.waits(command) and reading.is_reading(command))
    assert identity.service(*call) == ("api.github.com" if "gh api" in command else "")


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "pwd",
        "git status",
        "git log --oneline -5",
        "git log -p",
        "ls -la src ",
        "ls  -la   src",
        "cat watch.log",
        "tail -f x",
        "echo a",
    ],
)
def test_bare_look_is_its_words(command: str) -> None:
    assert identity.bare_look(command) == command.split()


@pytest.mark.parametrize(
    "command",
    [
        *(
            "",
            " ",
            " ls",
            "\tls",
            "ls\t-l",
            "ls\n",
            "/bin/ls",
            "LS",
            "lsof",
            "ls=1",
            "cat a=b",
            "echo $X",
            "echo 'a'",
        ),
        *(
            "echo a > b",
            "echo a; rm b",
            "git",
            "git  push",
            "git -C a status",
            "git log watch",
            "git log --add",
        ),
        *("git diff --outp a", "ls --watch", "cat é", "cat " + "a" * 2000),
        *(f"git log {flag}" for flag in reading_rules._WRITES["git"].split()),
    ],
)
def test_anything_else_is_read(command: str) -> None:
    assert identity.bare_look(command) == []


def test_look_in_a_list_of_words_is_one_too() -> None:
    for given_as in (["bash", "-lc", "ls  -la"], ["ls", "-la"], "ls -la"):
        assert identity.only_looks("exec_command", {"cmd": given_as})
        assert identity.shape_key("exec_command", {"cmd": given_as})[0].startswith("exec_command ls ")
    assert not identity.only_looks("exec_command", {"cmd": ["bash", "-lc", "ls > a"]})
