"""Code written into a shell line (`python -c`, `node -e`, `perl -ne`): whether it only looks at things. Pure.

It is searched for words, not parsed: what may write counts as writing.
"""

from __future__ import annotations

# The last letters of the options that code follows.
_MARKS = {"python": "c", "node": "ep", "bun": "ep", "ruby": "e", "perl": "eE", "php": "r"}
_LONG = 80  # characters of code that may only wait; longer code does more
_MODULES = ("json.tool", "json")  # of `python -m`: they print what they are given
# Parts of code that may write, run a program or send something; letters in lower case.
_WRITING = (
    "write(|write_text|write_bytes|writefile|appendfile|'w'|\"w\"|'a'|\"a\"|'wb'|\"wb\"|'r+'|\"r+\"|dump(|save(|savefig|to_csv|to_sql"
    "|to_pickle|to_parquet|subprocess|system(|popen|exec(|execsync|execfile|eval(|spawn|child_process|remove(|unlink|rmtree|rmdir|mkdir"
    "|rename|shutil|chmod|kill(|fork(|insert |update |delete |drop |create |create(|commit(|.post(|.put(|.patch(|.delete(|data=|smtplib"
    "|socket|destroy|perform|_all|.save|fetch(|input(|__import__|importlib|runpy"
).split("|")
# What code that reads something may import; of anything else nobody knows what it does.
_HARMLESS = (
    " json sys os os.path glob csv re datetime time collections pathlib math statistics pprint gzip zlib base64 itertools operator"
    " functools string hashlib struct textwrap decimal fractions sqlite3 tomllib yaml toml pandas numpy urllib urllib.request requests"
    " fs path url util "
)


def code_in(name: str, rest: list[str]) -> str:
    """The code that an interpreter is given as an argument; "" for none."""
    if name == "rails" and rest[:1] == ["runner"]:
        return rest[-1]
    marks = _MARKS.get(name.rstrip("0123456789."), "")
    for word, code in zip(rest, rest[1:]) if marks else ():
        if word in ("--eval", "--print") or (word[:1] == "-" and word[1:2] != "-" and word[-1] in marks):
            return code
    return ""


def only_looks(name: str, rest: list[str]) -> bool:
    """Whether an interpreter runs code that only prints what it reads, with the help of well-known modules; or `json.tool`."""
    if name.startswith("python") and rest[:1] == ["-m"] and len(rest) > 1:
        name, *rest = rest[1:]
    if name in _MODULES:
        return all(word[:1] == "-" for word in rest)
    code = code_in(name, rest)
    in_place = name in ("perl", "ruby") and any(word[:1] == "-" and "i" in word[:4] for word in rest[:2])
    if not code or in_place or _writes(code):
        return False
    return all(f" {module} " in _HARMLESS for module in _imported(code))


def only_sleeps(name: str, rest: list[str]) -> bool:
    """Whether it is `python -c "import time; time.sleep(5)"` or the like."""
    code = code_in(name, rest)
    return len(code) <= _LONG and ("sleep" in code or "setTimeout" in code) and not _writes(code)


def _writes(code: str) -> bool:
    low = code.lower().replace("stdout.write(", "")
    return any(sign in low for sign in _WRITING)


def _imported(code: str) -> list[str]:
    """The modules that Python or JavaScript code imports."""
    found = [piece.partition(")")[0].strip("'\"` ") for piece in code.split("require(")[1:]]
    for line in code.replace(";", "\n").split("\n"):
        words = line.replace(",", " ").split()
        if words[:1] == ["from"]:
            found += words[1:2]
        elif words[:1] == ["import"]:
            found += [word for at, word in enumerate(words[1:]) if word != "as" and words[at] != "as"]
    return [name.removeprefix("node:") for name in found if not name.endswith(".json")]
