"""What one word with digits stands for (a time, an id, a port, a number), and which file names are made up. Pure.

results.py reads the words beside it.
"""

from __future__ import annotations

HEX = frozenset("0123456789abcdefABCDEF")
UNITS = frozenset(
    "ns us µs μs ms s sec secs second seconds m min mins minute minutes h hr hrs hour hours"
    " millisecond milliseconds microseconds nanoseconds"
    " Sekunde Sekunden Minute Minuten Stunde Stunden seconde secondes heure heures segundo segundos minuto minutos hora horas"
    " secondo secondi minuti ora ore секунд секунды секунду минут минуты минуту 秒 分 分钟 小时 毫秒 초 분 秒前 分前 초전 분전".split()
)
_DIGITS = frozenset("0123456789")
_FIGURES = _DIGITS | {"."}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_BLANK_FIGURES = dict.fromkeys(map(ord, _FIGURES), " ")
_ID_MIN = 7  # characters: what git shortens a commit to
_OUTPUTS = (".output", ".log", ".tmp", ".pid", ".sock")  # endings of files that are named by an id
# Prefixes of ids that services make up.
_TITLES = frozenset("req msg toolu call chatcmpl resp trace span evt dpl ss run".split())
_POD = frozenset("bcdfghjklmnpqrstvwxz2456789")  # of which Kubernetes makes up names
_TIMED = ("user", "system", "elapsed", "%CPU", "maxresident", "minor", "outputs")  # GNU time: 0.02user
# pools number their workers: pool-1-thread-3; systemctl: └─4711 /usr/sbin/nginx
_THREADS = ("thread-", "Thread-", "exec-", "dispatcher-", "PoolWorker-", "gw", "conn", "└─", "├─")
_PREVIEWS = (".vercel.app", ".netlify.app", ".ngrok.io", ".ngrok-free.app")  # a new host each time
_CLASSES = str.maketrans(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0" * 10 + "a" * 26 + "A" * 26
)
# kinds of words that are replaced or kept by the words beside them
NUMBER, CLOCK, SHARE, SUM, NAMELESS, NODE = NEIGHBOURS = "number clock share sum nameless node".split()


def kind(word: str) -> str:
    """The replacement for a word with digits; "" to keep it; one of NEIGHBOURS if the words beside it decide."""
    core = word.strip(".:")
    if core.isdigit() or (core[0] in "0123456789+-" and is_number(core)):
        return "N" if len(core) >= 10 and is_epoch(core) else NUMBER
    if core[0] in "#x" and core[1:].isdigit():
        return NUMBER  # Ruby's process #4711; Kubernetes: x30 over 12m
    if word[-1] == ":" and core[0].isdigit() and core.replace("#", "", 1).isdigit():
        return "N"  # nginx: process and thread, 29#31: *5
    if core[-2:] in (":C", ":M", ":S", ":X") and core[:-2].isdigit():
        return "N"  # Redis: process and role, 4711:M
    pair = len(core) > 6 and core.replace(":", "", 1).isdigit() and not is_epoch(core.partition(":")[0])
    if pair or (".." in core and _FIGURES.issuperset(core)):
        return NUMBER  # two ids; two times, 0.012..0.345
    if core[-1] == "%" or (core[-1] in "KMGT" and is_number(core[:-1])):
        return SHARE
    if core[0].isdigit() and core.replace("/", "").replace(".", "").isdigit() and "/" in core:
        return "T" if is_date(core) else SHARE
    if is_sum(core):
        return SUM
    if core[:3] == "+0x" or (core[:4] == "text" and "+0x" in core):
        return core.partition("+0x")[0] + "H"  # Go: /p/main.go:14 +0x1d; ld: a.c:(.text+0x2f)
    hexadecimal = core[:2] in ("0x", "0X") and HEX.issuperset(core[2:].rstrip("?"))  # Go doubts some
    if is_id(core) or (hexadecimal and len(core) > 10) or (len(core) > 23 and _is_blob(core)):
        return "H"
    timed = core[0].isdigit() and core.endswith(_TIMED)
    if timed or (core[0] in "0123456789+~≈" and is_duration(core)) or core.endswith(("/s", "/sec")):
        return "D"
    if ":" in core and core[0].isdigit() and is_clock(core):
        return "T" if core.count(":") == 2 or "." in core else CLOCK
    if core[2:3] == ":" and core[-1].isupper() and is_clock(core.rpartition(":")[0]):
        return "T"  # Karma: 10:03:03.049:INFO
    if is_date(core):
        return "T"
    process = core[:2] == "0." and core.count(".") > 1 and _FIGURES.issuperset(core)
    if process or (hexadecimal and len(core) > 7):
        return NAMELESS  # an address in a program, a seed; Erlang's <0.151.0>
    if core[2:3] == "." == core[5:6] and is_clock(core[:8].replace(".", ":")) and core[8:9] in ("", "."):
        return CLOCK  # a screenshot of macOS is named `... at 14.28.37.png`
    if node_of(core):
        return NODE
    if core[-1].isdigit() and core.rstrip("0123456789").endswith(_THREADS):
        return "N"
    is_address = "/" in core or ":" in word
    if not is_address and len(core) < _ID_MIN:
        return ""
    if len(core) > 100 and core.replace("-", "").replace("_", "").isalnum():
        return NAMELESS
    new = _address(word) if is_address else _blind_id(word)
    if new == word and is_request(core.replace("_", "").replace(":", "")):
        return NAMELESS
    return "" if new == word else new


def node_of(text: str) -> str:
    """The 23 of 1_23 or s1e23, a page node's id of browser tools: the snapshot's number before it grows with each look at an unchanged
    page. "" for any other text."""
    snapshot, _, node = text.partition("_") if text[:1].isdigit() else text[1:].partition("e")
    return node if snapshot.isdigit() and node.isdigit() and text[0] in "0123456789s" else ""


def is_number(text: str) -> bool:
    """Whether it is a number: 12, -3, 4.5."""
    whole, point, rest = text.lstrip("+-").partition(".")
    return whole.isdigit() and (not point or rest.isdigit())


def is_epoch(text: str) -> bool:
    """Whether it is a time of 2020 to 2030 as seconds, milli-, micro- or nanoseconds since 1970."""
    whole = text.partition(".")[0]
    return len(whole) in (10, 13, 16, 19) and whole[:2] in ("16", "17", "18") and whole.isdigit()


def is_duration(text: str) -> bool:
    """Whether it is a duration: 1.23s, 45ms, 1m2.5s, 2h3m, +3ms, ~2s."""
    text = text.removeprefix("+").removeprefix("~").removeprefix("≈")
    if len(text) > 24 or text[:1] not in _FIGURES or not text[-1:].isalpha():
        return False
    units = text.translate(_BLANK_FIGURES).split(" ")
    return all(not unit or unit in UNITS or unit == "d" for unit in units)


def is_clock(text: str) -> bool:
    """Whether it is a time: 12:33:01, 12:33:01.123, 12:33:01Z, 00:01.23; 12:33 (only a time beside a date)."""
    parts = text.rstrip("Zz").partition("+")[0].split(":")
    if len(parts) == 3 and parts[0].isdigit() and len(parts[1]) == 2 and parts[1].isdigit():
        return len(parts[0]) <= 2 and parts[2][:2].isdigit() and parts[2].strip("0123456789.+-") == ""
    whole, point, rest = parts[-1].partition(".")  # 12:33; 00:01.234, 0:01.23, a time in any case
    if len(parts) != 2 or not parts[0].isdigit() or len(parts[0]) not in ((1, 2) if point else (2,)):
        return False
    return len(whole) == 2 and whole.isdigit() and (not point or rest.isdigit())


def is_date(text: str) -> bool:
    """Whether it is a date, with or without a time: 2026-11-23T12:33:01.5Z, 2026/11/23, 20261123T123301Z; not 23.11.2026."""
    if text[2:3] == "/" and text[6:7] == "/" and text[11:12] == ":":
        return text[3:6].isalpha() and is_clock(text[12:20])  # 29/Nov/2026:12:33:01
    if len(text) < 10 or text[:2] not in ("19", "20") or not text[:4].isdigit():
        return False
    if text[8] in "T_-" and text[:8].isdigit():
        return len(text) >= 15 and text[9:15].isdigit() and len(text) <= 20
    if text[4] not in "-/" or text[7] != text[4] or not (text[5:7].isdigit() and text[8:10].isdigit()):
        return False
    return len(text) == 10 or text[10] in "T_-" and text[10:].strip("0123456789TZz:.+-_") == ""


def is_id(text: str) -> bool:
    """Whether it is a hex id or a uuid."""
    return len(text) >= _ID_MIN and (is_hex_id(text) or is_uuid(text))


def is_uuid(text: str) -> bool:
    """Whether it is hex digits in groups of 8, 4, 4, 4 and 12."""
    if len(text) != 36 or not HEX.issuperset(text.replace("-", "")):
        return False
    return [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12]


def is_hex_id(text: str) -> bool:
    """Whether it is hex with both letters and digits, in one case: a commit, a container. Plain numbers are counts."""
    one_case = text.islower() or text.isupper()
    return one_case and HEX.issuperset(text) and not text.isalpha()


def is_request(text: str) -> bool:
    """Whether it may be the random part of `req_...` and the like: at least 8 letters and digits."""
    return len(text) >= 8 and text.isalnum() and not text.isalpha() and not text.isdigit()


def is_sum(text: str) -> bool:
    """Whether it is hex as long as a checksum. Beside a file's name, or alone, a changed checksum is a new result."""
    return len(text) in (32, 40, 64, 128) and is_id(text)


def is_random(text: str) -> bool:
    """Whether letters and digits take turns as in an id that was made up: kq3x7ybc2jrlm, not TestParseV2Header."""
    size = len(text)
    if not 12 <= size <= 80 or not text.isalnum():
        return False
    classes = text.translate(_CLASSES)
    turns = sum([classes.count(pair) for pair in ("a0", "0a", "A0", "0A")])
    if "a" in classes and "A" in classes:
        humps = classes.count("aA")
        return (turns > 3 and turns * 6 >= size) or (size > 15 and turns > 0 and (turns + humps) * 3 >= size)
    return turns > 2 and turns * 6 >= size


def _is_blob(text: str) -> bool:
    """Whether it is a signed token, or base64 of random bytes as services add to what they log; no path."""
    if text[:3] == "eyJ" and len(text) > 40:
        return True
    if "." in text or ("/" not in text and "+" not in text):
        return False
    plain = text.replace("/", "").replace("+", "")
    mixed = not plain.islower() and not plain.isupper()
    return len(plain) > 23 and text[0] != "/" and mixed and is_random(plain)


def _address(word: str) -> str:
    """A path or address with ids, times after a colon and the port replaced; name:number stays."""
    day = word.find("/") - 4  # Chrome's log: [4711:4711:1129/194529.176428:ERROR:bus.cc(408)]
    if day > 1 and word[:day].replace(":", "").isdigit() and word[day + 5 : day + 11].isdigit():
        return f"N:T:{word[day:].partition(':')[2]}"
    host, colon, port = word.rstrip(":-").rpartition(":")
    number, slash, rest = port.partition("/")
    if colon and number.rstrip(".").isdigit() and is_host(host, number):
        return f"{host}:N{slash}{_address(rest) if rest else rest}"
    if "/" in word:
        parts = [_blind_id(part) if part else part for part in word.split("/")]
        for i, part in enumerate(parts):
            if parts[i - 1] == "T" and i and is_clock(part.replace("-", ":")):
                parts[i] = "T"  # Hydra: outputs/2026-11-29/10-33-12
        if "://" in word:
            parts = ["H" if len(part) > 9 and is_request(part) else part for part in parts]
        return "/".join(parts)
    return ":".join(["D" if part and is_duration(part) else _blind_id(part) for part in word.split(":")])


def is_host(text: str, port: str) -> bool:
    if "://" in text:
        return "/" not in text.partition("://")[2]
    name = text.rpartition("@")[2].lower()
    if name == "node":
        return len(port) >= 3  # (node:12345) Warning
    if not name:
        return len(port) >= 4  # listening on :8080
    return name in ("localhost", "::1", "*") or (name.count(".") == 3 and name.replace(".", "").isdigit())


def _blind_id(part: str) -> str:
    if len(part) < _ID_MIN or _DIGITS.isdisjoint(part):
        return part
    stem, dot, ending = part.rpartition(".")
    head, at, tail = part.rpartition("@")
    if at and 6 <= len(tail) <= 8 and HEX.issuperset(tail) and tail.islower():
        return f"{'H' if head[:2] == '0x' else head}@H"  # com.foo.Bar@1b2c6ec2, Bar$$Lambda/0x00007f2b8c001208@4b1210ee
    if is_id(part) or part.endswith(".output") or (part.endswith(_OUTPUTS) and is_id(stem)):
        return "H"
    if is_date(part) or is_epoch(part.lstrip(_LETTERS)):
        return "T"
    if is_sum(stem) or (stem[:2] == "0x" and len(stem) > 10):
        return f"H.{ending}"  # Java: Lambda/0x00007f3c3c0a1c88.run
    if is_random(part) or part.endswith(_PREVIEWS):
        return "H"
    if "-" not in part and "_" not in part:
        return part
    return _compound(_without_moment(_without_uuid(part)))


def _without_uuid(word: str) -> str:
    """`batch-<uuid>` or `<uuid>.png` with the uuid replaced."""
    at = word.find("-", 8)
    while at >= 0:
        if is_uuid(word[at - 8 : at + 28]):
            word = f"{word[: at - 8]}H{word[at + 28 :]}"
            at -= 8
        at = word.find("-", at + 1)
    return word


def _without_moment(word: str) -> str:
    """`page-2026-11-29T14-28-37-123Z.yml` or `shot_20261129142837.png` with the time replaced; a date alone stays."""
    at = word.find("20")
    while at >= 0:
        end = at
        while end < len(word) and word[end] in "0123456789TZ:-_.":
            end += 1
        moment = word[at:end].rstrip("-_.")
        timed = moment.replace(".", "-") if len(moment) > 15 else moment  # 2026.11.23-1 is a version
        day = is_date(timed[:10]) and timed[10:11] in "T_-" and timed[11:13].isdigit()
        if day or (moment[:14].isdigit() and len(moment) >= 14):
            word = f"{word[:at]}T{word[at + len(moment) :]}"
            end = at + 1
        at = word.find("20", end)
    return word


def _compound(word: str) -> str:
    """`run-1790000000`, `id_3f2a9c7b` or `log-20261123-123301` with the id or time replaced."""
    for joint in "-_":
        parts = word.split(joint)
        sizes = [len(part) for part in parts[-2:]]
        pod = joint == "-" and len(parts) > 2 and 8 <= sizes[0] <= 10 and sizes[1] == 5
        if pod and _POD.issuperset("".join(parts[-2:])) and not _DIGITS.isdisjoint(parts[-2]):
            parts[-2:] = "HH"  # api-6d4cf56db6-x2kqp
        for i, part in enumerate(parts):
            stem, dot, ending = part.partition(".")
            before = parts[i - 1] if i else ""
            made_up = is_id(stem) or is_epoch(stem.lstrip(_LETTERS)) or is_random(stem)
            numbered = before == "H" or before.endswith("#issuecomment")
            made_up = made_up or (
                numbered and len(stem) > 3 and stem.isdigit()
            )  # an epoch, a process, a comment
            if stem[:3] == "pid" and stem[3:].isdigit():  # hs_err_pid4711.log
                parts[i] = "pid" + dot + ending
            elif made_up or (before in _TITLES and is_request(stem)):
                names = ("H" + dot + ending).split(".")
                parts[i] = ".".join(["H" if len(n) > 12 and is_request(n) else n for n in names])
            elif len(stem) == 6 and stem.isdigit() and len(before) == 8 and before[:2] == "20":
                parts[i - 1], parts[i] = "T", "T" + dot + ending
        word = joint.join(parts)
    return word


def without_made_up(text: str, place: str, marks: bytes) -> str:
    """The text with the first two names in a temporary folder replaced if they look made up; deeper ones stay. `marks`: the table for
    `bytes.translate` that makes separators blanks."""
    pieces = text.split(place)
    for i, piece in enumerate(pieces[1:], 1):
        path = piece[:160].encode("ascii", "replace").translate(marks).replace(b":", b" ")
        end = (path + b" ").find(b" ")
        names = piece[:end].split(place[-1])
        own = 2 if place == "/var/folders/" else 0  # there the first two are a user's
        for at, name in enumerate(names[: own + 2]):
            if name and (at < own or _is_made_up(name) or name.isdigit()):
                ending = "." in name[-6:-1] and name[-1].isalpha()
                names[at] = "X" + (name[name.rindex(".") :] if ending else "")
        pieces[i] = place[-1].join(names) + piece[end:]
    return place.join(pieces)


def _is_made_up(name: str) -> bool:
    """Whether a program made the name up: tmpab12cd, tmp.Xy3z, go-build123456, pytest-12, b3f2a1."""
    known = (
        name.startswith(("tmp", "pytest-", "pip-", "nix-build-", "rustdoctest", "claude-", "jl_", "T"))
        and len(name) > 3
    )
    if known or is_id(name):
        return True
    suffix = name.rpartition(".")[2]
    is_word = suffix.isalpha() and suffix.islower()
    if len(suffix) > 5 and suffix != name and suffix.isalnum() and not is_word:
        return True  # mktemp's build.a1b2c3
    stem = name.partition(".")[0]
    digits = sum([c.isdigit() for c in stem])
    changes = sum([a.isdigit() != b.isdigit() for a, b in zip(stem, stem[1:]) if a.isalnum() and b.isalnum()])
    mixed = any(map(_is_mixed, name.replace("-", ".").replace("_", ".").split(".")))  # Xy3zAb, jl_Xy3zAb
    return digits >= 3 or (digits and changes >= 3) or mixed


def _is_mixed(text: str) -> bool:
    word = text.rstrip("0123456789")
    # report1, REPORT1, Report1
    named = text.islower() or text.isupper() or (word.isalpha() and word.istitle())
    return text.isalnum() and len(text) >= 6 and not named
