"""Settings documents for the laws of the installer: generated ones, and the nasty ones that people really have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from install import settings

ROOT = Path(__file__).resolve().parents[2]
HOOKS = json.loads((ROOT / "hooks" / "hooks.json").read_text())
OURS = settings.our_groups(HOOKS, "/home/somebody/.local/share/claude-circuit-breaker")
LINES = sum(len(group["hooks"]) for groups in OURS.values() for group in groups)

# Other people's hooks, on our events and on others, with our matchers and with their own.
_words = st.text(max_size=8)
_handler = st.fixed_dictionaries(
    {
        "type": st.just("command"),
        "command": st.sampled_from(["true", "echo 'ünïcode'", "python3 x.py || true", ""]),
    },
    optional={
        "timeout": st.integers(1, 600),
        "statusMessage": _words,
        "x-their-own": st.none() | st.booleans(),
    },
)
_group = st.fixed_dictionaries(
    {"hooks": st.lists(_handler, max_size=3)},
    optional={"matcher": st.sampled_from(["", "*", "Bash", ".*", "Edit|Write"])},
)
_hooks = st.dictionaries(
    st.sampled_from([*OURS, "PreCompact", "Notification", "AnEventOfTomorrow"]),
    st.lists(_group, max_size=3),
    max_size=5,
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    """A settings document: anything in any order, and perhaps hooks of other people somewhere among it."""
    rest = draw(st.dictionaries(_words.filter(lambda key: key != "hooks"), _json, max_size=4))
    items = list(rest.items())
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), ("hooks", draw(_hooks)))
    return dict(items)


@st.composite
def styles(draw: Any) -> dict[str, Any]:
    """How a text is laid out: for `laid_out`."""
    return {
        "indent": draw(st.sampled_from([None, 2, 4, 3, "\t"])),
        "ensure_ascii": draw(st.booleans()),
        "newline": draw(st.sampled_from(["\n", "\r\n"])),
        "end": draw(st.sampled_from(["", "\n", "\n\n", "  \n"])),
    }


def laid_out(document: dict[str, Any], style: dict[str, Any]) -> str:
    """`document` as text in that style."""
    text = json.dumps(document, indent=style["indent"], ensure_ascii=style["ensure_ascii"])
    return text.replace("\n", style["newline"]) + style["end"]


# name -> the bytes of a settings.json that the client takes, and that an installer has to leave as they are.
NASTY: dict[str, bytes] = {
    "empty object": b"{}",
    "empty object with room": b"{ }\n",
    "empty object on two lines": b"{\n}\n",
    "empty hooks": b'{\n  "hooks": {}\n}\n',
    "empty event": b'{\n  "hooks": {\n    "Stop": []\n  }\n}\n',
    "empty event with room": b'{\n  "hooks": { "Stop": [ ], "PreToolUse": [\n\n] }\n}\n',
    "tabs": b'{\n\t"model": "opus",\n\t"hooks": {\n\t\t"Stop": []\n\t}\n}\n',
    "four spaces": b'{\n    "permissions": {\n        "deny": [\n            "Bash(rm *)"\n        ]\n    }\n}\n',
    "CRLF": b'{\r\n  "model": "opus",\r\n  "env": {\r\n    "A": "1"\r\n  }\r\n}\r\n',
    "BOM": b'\xef\xbb\xbf{\n  "model": "opus"\n}\n',
    "no final newline": b'{\n  "model": "opus"\n}',
    "one line": b'{"model":"opus","hooks":{"Stop":[{"hooks":[{"type":"command","command":"true"}]}]}}',
    "not ASCII": '{\n  "env": {"NAME": "Zoë 日本 🚨", "ESCAPED": "\\u00e9\\ud83d\\udea8"}\n}\n'.encode(),
    "numbers as written": b'{\n  "a": 1.0, "b": 1e5, "c": -0.0, "d": 12345678901234567890123, "e": 0.1000000000000000055\n}\n',
    "blank lines and odd room": b'\n\n  {  "model"  :  "opus"\n\n\n, "x": [1,2,\n3] }  \n\n',
    "others on our events": (
        b'{\n  "hooks": {\n    "PreToolUse": [\n      {"matcher": "*", "hooks": [{"type": "command", "command": "true"}]}\n'
        b'    ],\n    "Stop": [{\n      "hooks": [\n        { "type": "command", "command": "say done", "timeout": 3 }\n      ]\n'
        b'    }]\n  },\n  "disableAllHooks": false\n}\n'
    ),
    "hooks first, much behind": b'{"hooks": {},\n "permissions": {"allow": ["Bash(ls)"], "deny": []},\n "enabledPlugins": {"a@b": true}}\n',
    "only white space": b"  \n",
    "nothing at all": b"",
    "only a BOM": b"\xef\xbb\xbf",
    "slashes and quotes": b'{\n  "statusLine": {"type": "command", "command": "sh -c \\"echo \\\\\\"hi\\\\\\"\\" \\/ \\u0022"}\n}\n',
    "big": b'{\n  "env": {\n'
    + b",\n".join(b'    "KEY_%d": "%s"' % (i, b"x" * 200) for i in range(4000))
    + b"\n  }\n}\n",
}

# name -> (bytes, what the refusal says). None of them may be touched.
REFUSED: dict[str, tuple[bytes, str]] = {
    "comment": (b'{\n  // mine\n  "model": "opus"\n}\n', "line 2 column 3"),
    "trailing comma": (b'{\n  "model": "opus",\n}\n', "line 3 column 1|line 2 column 1[89]"),
    "torn": (b'{\n  "model": "op', "line 2 column 12"),
    "two values": (b"{}\n{}\n", "line 2 column 1"),
    "a list": (b"\n[]\n", "line 2 column 1"),
    "text": (b"model = opus\n", "line 1 column 1"),
    "NaN": (b'{\n  "a": NaN\n}\n', "NaN"),
    "a key twice": (b'{\n  "env": {"A": "1",\n    "A": "2"}\n}\n', "'A' occurs twice in one object: line 3 column 5"),
    "hooks twice": (b'{"hooks": {},\n"hooks": {}}', "'hooks' occurs twice in one object: line 2 column 1"),
    "hooks is a list": (b'{\n  "hooks": []\n}\n', "line 2 column 12"),
    "hooks is null": (b'{"hooks": null}', "line 1 column 11"),
    "event is an object": (b'{"hooks": {\n"Stop": {}}}', "line 2 column 9"),
    "flat list of strings": (b'{"hooks": {"Stop":\n ["mine.py"]}}', "line 2 column 3"),
    "timeout is text": (
        b'{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "x",\n "timeout": "5"}]}]}}', "line 2 column 13",
    ),
    "timeout is zero": (
        b'{"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": "x",\n "timeout": 0}]}]}}', "line 2 column 13",
    ),
    "matcher is null": (b'{"hooks": {"PreToolUse": [{"hooks": [],\n "matcher": null}]}}', "line 2 column 13"),
    "no command": (b'{"hooks": {"PreToolUse": [{"hooks": [\n{"type": "command"}]}]}}', 'no "command": line 2 column 1'),
    "args are text": (
        b'{"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": "x",\n "args": "y"}]}]}}', "line 2 column 10",
    ),
    "hooks switched off by text": (b'{\n  "disableAllHooks": "no"\n}', "line 2 column 22"),
    "permissions are a list": (b'{\n  "permissions": []\n}', "line 2 column 18"),
    "allowed by text": (b'{"permissions": {\n  "allow": "Bash"\n}}', "line 2 column 12"),
    "not UTF-8": (b'{\n  "a": "\xff"\n}\n', "line 2 column 9"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "UTF-16"),
    "too deep": (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "deep"),
}  # fmt: skip
