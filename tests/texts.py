"""Texts of every kind that a payload may hold, at any length: for the bench and for the property that no hook's work outgrows them."""

from __future__ import annotations

UNITS = {
    "prose": "The quick brown fox jumps over the lazy dog, and then it goes home again.\n",
    "JSON": '{"t": 1790000000.1, "event": "call", "id": "0f3a", "tags": ["a", 7], "ok": true}\n',
    "one line": "abcdefghij",
    "ANSI progress": "\x1b[2K\r\x1b[32m 45%|####      | 450/1000 [00:12<00:15, 36.2it/s]\x1b[0m",
    "numbers": "pid 1234 took 3.4 s, 17 of 2048\n",
    "a traceback": '  File "/x/y.py", line 12, in f\n    raise ValueError(1)\nValueError: 1\n',
    "foreign letters": "ünïcödé \u202e 漢字 \u200b",
    "blank lines": "\n",
    "places": "a.c:1 ",
    "places in a word": "a.c:1",
    "open brackets": "(",
    "framed code": "> 12 |  x = 1\n  at f (a.js:12:5)\n",
    "short lines": "",  # each another: see `text`
    "here-documents": "cat <<EOF\nhello\n",
    "here-documents in a line": "cat <<A <<B; ",
    "&& chains": "make a && ",
    "pipes": "cat x | ",
    "arrays": "a=(1 2 3 ",
    "globs": "ls **/*.[ch] *?[a- ",
    "find -o": "-name x -o ",
    "quotes": "'a' \"b\" ",
    "open quotes": "'\"",
    "double quotes": '"',
    "backslashes": "\\\n",
    "braces": "{a,{b,",
    "substitutions": "$(echo ",
    "backticks": "`ls ",
    "expansions": "${a:-",
    "comments": "# x\n",
    "assignments": "A=1 ",
    "redirections": ">a 2>&1 ",
    "wrappers": "sudo env A=1 xargs -0 bash -c ",
    "paths": "/a/b/../c/",
    "secrets": "--password=abc123def token=ghp_abcdefghijklmnopqrstuvwxyz0123456789 ",
    "PowerShell": "Get-Item x | ForEach-Object { $_ } ; ",
    "escapes": "\x1b]0;title",
    "error marks": "<tool_use_error>",
}


def text(kind: str, size: int) -> str:
    """`size` characters of a kind."""
    if kind == "short lines":
        return "\n".join(map(str, range(size // 2 + 1)))[:size]
    unit = UNITS[kind]
    begin = "find . " if kind == "find -o" else ""
    return (begin + unit * (size // len(unit) + 1))[:size]
