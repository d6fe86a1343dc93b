"""What a command line says, and where it runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.shell.shell_line import (
    assignments,
    normalise,
    program,
    resolve,
    segments,
)


@pytest.mark.parametrize(
    ("command", "normal", "cwd"),
    [
        ("cd sub && ls  -la", "ls -la", "/w/sub"),
        ("cd a && cd ../b && ls", "ls", "/w/b"),
        ("(cd x && y)", "y", "/w/x"),
        ("(cd x && y); z", "(cd x&&y);z", "/w"),
        ("cd x || exit; y", "y", "/w/x"),
        ("cd x || exit 1\ny", "y", "/w/x"),
        ("cd x || echo no; y", "cd x||echo no;y", "/w"),
        ("cd x && y && cd z && w", "y&&cd z&&w", "/w/x"),
        ("cd x", "cd x", "/w"),
        ("cd x;", "cd x", "/w"),
        ("cd - && y", "cd -&&y", "/w"),
        ("cd && y", "cd&&y", "/w"),
        ("cd $X && y", "cd $X&&y", "/w"),
        ("cd x & y", "cd x&y", "/w"),
        ("cd x | y", "cd x|y", "/w"),
        ("cd ~/x && y", "y", "~/x"),
        ("cd .. && y", "y", "/"),
        ("cd /.. && y", "y", "/"),
        ("cd /a/../b/./c; y", "y", "/b/c"),
        ("cd 'a b' && y", "y", "/w/a b"),
        ("cd a\\ b && y", "y", "/w/a b"),
        ('cd "C:\\Users\\x" && dir', "dir", "C:/Users/x"),
        ("cd C:/Users/x/.. && dir", "dir", "C:/Users"),
        ("sleep 2 ; timeout -k 5 30 y a", "y a", "/w"),
        ("sleep 5", "sleep 5", "/w"),
        ("sleep $N; y", "sleep $N;y", "/w"),
        ("timeout --foreground 1.5m y", "y", "/w"),
        ("timeout $T y", "timeout $T y", "/w"),
        ("env FOO=1 y", "y", "/w"),
        ("env", "env", "/w"),
        ("env -i y", "env -i y", "/w"),
        ('FOO="a b" y  x', "y x", "/w"),
        ("a=1 b=2 y", "y", "/w"),
        ("a=1; y", "y", "/w"),
        ("a=$(x) y", "a=$(x) y", "/w"),
        ("a=`x` y", "a=`x` y", "/w"),
        ("a=1; y ${a}", "a=1;y ${a}", "/w"),
        ("FOO=1", "FOO=1", "/w"),
        ("echo 'try 3'; y", "y", "/w"),
        ("cd x && echo === again === && y", "y", "/w/x"),
        ("echo a; echo b; y", "y", "/w"),
        ("echo x", "echo x", "/w"),
        ("echo x | y", "echo x|y", "/w"),
        ("echo x > f; y", "echo x >f;y", "/w"),
        ("echo $X; y", "echo $X;y", "/w"),
        ("echo x || y", "echo x||y", "/w"),
        ("# why\ny # there", "y", "/w"),
        ("y \\\n  z", "y z", "/w"),
        ("y\n\n  z\n", "y\nz", "/w"),
        ("find . -exec ls {} \\;", "find . -exec ls {} \\;", "/w"),
        ("", "", "/w"),
        ("   ", "", "/w"),
    ],
)
def test_a_command_is_freed_of_what_makes_it_no_other_one(command: str, normal: str, cwd: str) -> None:
    assert normalise(command, "/w") == (normal, cwd)


@pytest.mark.parametrize(
    "command",
    [
        "echo 'a  b'",
        'echo "a  # b"',
        "echo a\\ \\ b",
        "git commit -m 'a\n\n  b'",
        "echo $'a  b'",
        "echo '\\' x",
    ],
)
def test_what_is_quoted_stays(command: str) -> None:
    assert normalise(command, "")[0] == command


def test_a_here_document_stays_as_it_is_and_what_comes_before_it_is_folded() -> None:
    body = "<<EOF\n a  b # c\n\nEOF"
    assert normalise(f"cat   > f {body}\n", "")[0] == "cat >f <<EOF \n a  b # c\n\nEOF"
    assert normalise("wc <<<  'a  b'   c", "")[0] == "wc <<<'a  b' c"


@given(
    st.lists(st.sampled_from(["a", "b", "..", ".", "c d"]), max_size=6),
    st.sampled_from(["/", "/x", "/x/y", ""]),
)
def test_a_resolved_path_has_no_steps_left(parts: list[str], cwd: str) -> None:
    path = resolve("/".join(parts), cwd)
    assert "." not in path.split("/")[1:]
    assert not cwd or ".." not in path.split("/")


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("ls a|b 2>&1 >/dev/null", [["ls", "a"], ["b"]]),
        ("a && b || c; d & e\nf", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("diff <(ls a) <(ls b)", [["diff"], ["ls", "a"], ["ls", "b"]]),
        ("a <<< 'b' c", [["a", "c"]]),
        ("cat <<-'E' x\n\trm y\n\tE\nls", [["cat", "x"], ["ls"]]),
        ("cat <<A <<B\n1\nA\n2\nB\nls", [["cat"], ["ls"]]),
        ("echo a#b # c; d", [["echo", "a#b"]]),
        ("echo \"a;b\" 'c|d' e\\;f", [["echo", "a;b", "c|d", "e;f"]]),
        ("a 2> e 3>&1", [["a"]]),
        ("echo 2 > f", [["echo", "2"]]),
        ("rm 'x", [["rm", "x"]]),
        ("", []),
    ],
)
def test_a_line_falls_into_simple_commands(command: str, found: list[list[str]]) -> None:
    assert [segment.words for segment in segments(command) if segment.words] == found


@pytest.mark.parametrize(
    "command", ["a > f", "a >> f", "a 2> f", "a &> f", "a >| f", "a <> f", "> f", "a >& f", "a > $X"]
)
def test_a_redirect_into_a_file_writes(command: str) -> None:
    assert any(segment.targets for segment in segments(command))


@pytest.mark.parametrize(
    "command",
    ["a < f", "a 2>&1", "a >/dev/null", "a 2>/dev/null", "a &>/dev/null", "a >&2", "a >&-", "a << E\nE"],
)
def test_other_redirects_write_nothing(command: str) -> None:
    assert not any(segment.targets for segment in segments(command))


@pytest.mark.parametrize(
    ("command", "inner"),
    [
        ('echo "$(rm x)" `ls`', ["rm x", "ls"]),
        ("echo '$(rm x)'", []),
        ("x=$(git log -1 'a)b')", ["git log -1 'a)b'"]),
        ("echo $((1+2))", []),
        ("echo $(( $(rm x) ))", ["rm x"]),
        ("cat <<E\n$(rm x)\nE", ["rm x"]),
        ("echo $(rm x", ["rm x"]),
    ],
)
def test_what_runs_inside_is_found(command: str, inner: list[str]) -> None:
    found = [text for segment in segments(command) for text in segment.inner]
    assert [text.strip() for text in found] == inner


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ("sudo -u bob timeout -k 5 30 env A=1 /bin/rm x", ["rm", "x"]),
        ("xargs -n 1 -I{} rm {}", ["rm", "{}"]),
        ("nohup nice -n 5 make", ["make"]),
        ("if ! test -f x", ["test", "-f", "x"]),
        ("command -v git", ["command", "-v", "git"]),
        ("A=1 B=2", []),
        ("env", []),
        ("sudo", []),
    ],
)
def test_the_program_behind_wrappers(words: str, runs: list[str]) -> None:
    assert program(words.split()) == runs


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("PYTHONHASHSEED=3 pytest -q", "PYTHONHASHSEED=3"),
        ("env A=1 B=2 make", "A=1 B=2"),
        ("export A=1; make", "A=1"),
        ("cd x && A=1 make", ""),
        ("make CC=clang", ""),
    ],
)
def test_variables_in_front_of_a_line(command, found):
    assert assignments(command) == found
