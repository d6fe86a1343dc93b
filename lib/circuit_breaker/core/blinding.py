"""What in a text changes by itself? Times, ids, ports, temporary paths: blinded, so that what is left can be compared. Pure.

Only words with a digit (or below a temporary folder) are looked at; everything else stands as it is.
"""

from __future__ import annotations

DIGITS = frozenset("0123456789")
HEX = frozenset("0123456789abcdefABCDEF")
_NO_DIGITS = {ord(c): None for c in "0123456789"}
_APART = {ord(c): f" {c} " for c in "\"'`()[]{}<>,;=|"}
_MONTHS = frozenset(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
_UNITS = frozenset(
    [
        "ns",
        "us",
        "µs",
        "μs",
        "ms",
        "s",
        "sec",
        "secs",
        "second",
        "seconds",
        "m",
        "min",
        "mins",
        "minute",
        "minutes",
        "h",
        "hr",
        "hrs",
        "hour",
        "hours",
        "millisecond",
        "milliseconds",
        "microseconds",
        "nanoseconds",
    ]
)
_AGO = frozenset(["day", "days", "week", "weeks"])
_NAMED = frozenset(
    [
        "pid",
        "ppid",
        "tid",
        "pgid",
        "thread",
        "process",
        "port",
        "ports",
        "elapsed",
        "duration",
        "took",
        "time",
        "timestamp",
        "ts",
        "latency",
        "uptime",
        "eta",
        "real",
        "user",
        "sys",
        "age",
        "started",
        "finished",
        "date",
        "expires",
        "job",
    ]
)
_NAME_ENDS = (
    "_ms",
    "_at",
    "_time",
    "_seconds",
    "_secs",
    "_ns",
    "_us",
    "duration",
    "elapsed",
    "timestamp",
    "latency",
    "durationms",
)
_TEMPORARY = ("/tmp/", "/var/folders/", "/var/tmp/", "/private/tmp/", "/dev/shm/")
_BARS = ("█", "━", "▏", "##", "==>", "ETA", "it/s", "eta ")


def without_digits(text: str) -> str:
    """The text with every digit taken out."""
    return text.translate(_NO_DIGITS)


def blind(text: str) -> str:
    """The text with what changes by itself replaced; a changed count, verdict, file or line of code stays a change."""
    if text.startswith("Chunk ID: "):
        text = text.partition("\n")[2]  # codex numbers each piece of output by chance
    if "\x1b" in text:
        text = without_escapes(text)
    temporary = any(place in text for place in _TEMPORARY)
    if DIGITS.isdisjoint(text) and not temporary:
        return text.rstrip()
    lines = []
    for line in text.split("\n"):
        if "\r" in line:
            line = line.rstrip("\r").rpartition("\r")[
                2
            ]  # a progress line that was written over: its last state
        if not DIGITS.isdisjoint(line) or (temporary and any(place in line for place in _TEMPORARY)):
            line = _blind_line(line)
        lines.append(line.rstrip())
    return "\n".join(lines).rstrip()


def without_escapes(text: str) -> str:
    """The text without ANSI control sequences (CSI, OSC and two-character ones)."""
    parts = text.split("\x1b")
    out = [parts[0]]
    for part in parts[1:]:
        if part[:1] == "[":
            i = 1
            while i < len(part) and not "@" <= part[i] <= "~":
                i += 1
            out.append(part[i + 1 :])
        elif part[:1] in ("]", "P", "_", "^", "X"):
            bell = part.find("\x07")
            out.append(part[bell + 1 :] if bell >= 0 else "")
        else:
            out.append(part[1:])
    return "".join(out)


def _blind_line(line: str) -> str:
    words = line.translate(_APART).split(" ")
    progress = any(bar in line for bar in _BARS)
    name = ""  # the last word without a digit: what a number is called
    bracket = False
    for i, word in enumerate(words):
        if not word:
            continue
        if DIGITS.isdisjoint(word) and "/" not in word:
            if word == "[":
                bracket = True
            elif word == "]":
                bracket = False
            elif word not in "\"'`(){}<>,;=|":
                name = word.rstrip(":.").lower()
            continue
        following = _next_word(words, i)
        words[i] = _blind_word(word, name, following, progress, bracket, words, i)
        if ":" in word:
            before = word.rpartition(":")[0]
            if before and DIGITS.isdisjoint(before):
                name = before.lower()
    return " ".join(words)


def _next_word(words: list[str], at: int) -> str:
    for word in words[at + 1 : at + 3]:
        if word:
            return word.strip(".,:").lower()
    return ""


def _blind_word(
    word: str, name: str, following: str, progress: bool, bracket: bool, words: list[str], at: int
) -> str:
    core = word.strip(".:")
    if core and _is_number(core):
        if following in _UNITS or (following in _AGO and "ago" in words) or following.endswith("/s"):
            return "N"
        if name in _NAMED or name.endswith(_NAME_ENDS) or progress:
            return "N"
        if name[:3] in _MONTHS and len(core) <= 2 and len(name) <= 9:
            return "N"
        if _is_epoch(core):
            return "T"
        if (
            bracket
            and word == core
            and at >= 2
            and words[at - 2 : at - 1] == ["["]
            and _names_a_process(words, at)
        ):
            return "N"
        return word
    if core.endswith("%"):
        return "N%" if bracket or progress else word
    if progress and DIGITS.issuperset(core.replace("/", "").replace(".", "")[:1]):
        return "N"
    if _is_duration(core) or core.endswith("/s"):
        return "D"
    if _is_clock(core, words, at):
        return "T"
    if _is_date(core):
        return "T"
    if core[:2] in ("0x", "0X") and len(core) > 4 and HEX.issuperset(core[2:]):
        return "H"
    if _is_uuid(core):
        return "U"
    if _is_hex_id(core) and not _is_checksum(core, words, at):
        return "H"
    if "/" in word or ":" in core:
        return _blind_parts(word)
    if core[:1] == "#" or "-" not in core and "_" not in core:
        return word
    return _blind_suffix(word)


def _is_number(text: str) -> bool:
    whole, point, rest = text.partition(".")
    return whole.isdigit() and (not point or rest.isdigit())


def _is_epoch(text: str) -> bool:
    whole = text.partition(".")[0]
    return (len(whole) == 10 and whole[:2] in ("16", "17", "18")) or (
        len(whole) in (13, 16, 19) and whole[:2] in ("16", "17", "18")
    )


def _names_a_process(words: list[str], at: int) -> bool:
    """`sshd[1234]:`: a name stuck to the bracket, a colon after it."""
    before = words[at - 3 : at - 2]
    after = words[at + 1 : at + 4]
    return (
        bool(before and before[0][:1].isalpha())
        and "]" in after
        and any(word.startswith(":") for word in after)
    )


def _is_duration(text: str) -> bool:
    """1.23s, 45ms, 1m2.5s, 2h3m, 0m1.234s, +3ms, ~2s."""
    i = 1 if text[:1] in "+~≈" else 0
    size, found = len(text), False
    while i < size:
        start = i
        while i < size and (text[i] in DIGITS or text[i] == "."):
            i += 1
        if i == start:
            return False
        start = i
        while i < size and text[i].isalpha():
            i += 1
        if text[start:i] not in _UNITS:
            return False
        found = True
    return found


def _is_clock(text: str, words: list[str], at: int) -> bool:
    """12:33:01, 12:33:01.123, 12:33:01Z; 12:33 only beside a date."""
    parts = text.rstrip("Zz").split(":")
    if len(parts) == 3 and all(part[:2].isdigit() for part in parts) and len(parts[1]) == 2:
        return len(parts[0]) <= 2 and all(c in DIGITS or c in ".+-" for c in parts[2])
    if len(parts) == 2 and all(part.isdigit() and len(part) == 2 for part in parts):
        before = [word for word in words[max(0, at - 4) : at] if word]
        after = _next_word(words, at)
        return after in ("am", "pm") or bool(
            before and (before[-1] == "T" or before[-1] == "N" or _is_date(before[-1]))
        )
    return False


def _is_date(text: str) -> bool:
    """2026-11-23 and what follows it (T12:33:01.5Z), 2026/11/23, 23.11.2026 is left alone."""
    if len(text) < 10 or not text[:4].isdigit() or text[4] not in "-/" or text[7] != text[4]:
        return False
    if not (text[5:7].isdigit() and text[8:10].isdigit() and text[:2] in ("19", "20")):
        return False
    return len(text) == 10 or text[10] in "T_-" and all(c in DIGITS or c in "TZz:.+-_" for c in text[10:])


def _is_uuid(text: str) -> bool:
    parts = text.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and all(HEX.issuperset(part) for part in parts)


def _is_hex_id(text: str) -> bool:
    """7 or more hex digits with letters among them: a commit, a container, a request. Plain numbers are counts."""
    return (
        len(text) >= 7
        and HEX.issuperset(text)
        and not text.isdigit()
        and not DIGITS.isdisjoint(text)
        and (text == text.lower() or text == text.upper())
    )


def _is_checksum(text: str, words: list[str], at: int) -> bool:
    """`HASH  file`, as md5sum and its kind print it: a changed one is news."""
    return len(text) in (32, 40, 64, 128) and not any(words[:at]) and words[at + 1 : at + 2] == [""]


def _blind_parts(word: str) -> str:
    """A path, an address, name:number: only what lies in a temporary folder, ids in a path, and a port are blinded."""
    for place in _TEMPORARY:
        at = word.find(place)
        if at >= 0:
            begin = at + len(place)
            path, colon, rest = word[begin:].partition(":")
            return word[:begin] + "/".join(_temporary_name(part) for part in path.split("/")) + colon + rest
    host, colon, port = word.rpartition(":")
    tail = port.partition("/")
    if colon and tail[0].rstrip(".").isdigit() and _is_host(host):
        return f"{host}:N{tail[1]}{tail[2]}"
    if "/" in word:
        return "/".join(part if DIGITS.isdisjoint(part) else _blind_id(part) for part in word.split("/"))
    if ":" in word:
        return ":".join(
            "D" if _is_duration(part) else "T" if _is_date(part) else part for part in word.split(":")
        )
    return word


def _is_host(text: str) -> bool:
    if "://" in text:
        return "/" not in text.partition("://")[2]
    name = text.rpartition("@")[2].lower()
    return (
        name in ("localhost", "::1", "*", "")
        and text != ""
        or name.count(".") == 3
        and name.replace(".", "").isdigit()
    )


def _temporary_name(part: str) -> str:
    if DIGITS.isdisjoint(part) and not part.startswith("tmp"):
        return part if part == part.lower() or "." in part else "X"
    if part.startswith("tmp") and len(part) > 3:
        return "X"
    return without_digits(part) + "0"


def _blind_id(part: str) -> str:
    if _is_uuid(part) or _is_hex_id(part):
        return "H"
    return "T" if _is_date(part) or _is_epoch(part) else part


def _blind_suffix(word: str) -> str:
    """name-20261123, run-1790000000, id_3f2a9c7b: the id in a compound name."""
    for joint in "-_":
        if joint in word:
            word = joint.join(
                part if DIGITS.isdisjoint(part) else _blind_id(part) for part in word.split(joint)
            )
    return word
