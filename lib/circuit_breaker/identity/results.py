"""Blinds what changes by itself in a text (times, ids, ports, temporary paths), so that the rest can be compared. Pure.

Only words with a digit are looked at, each spelling once; `str.find` skips everything else. The words beside a plain number
say whether it changes by itself ("pid 1234", "3.4 s"). Any other number is a count, and a changed count is a new result.
"""

from __future__ import annotations

from circuit_breaker.identity import keys, tokens
from circuit_breaker.identity.keys import digest, without_stored
from circuit_breaker.shell import shell_line

_JUDGED_MAX = 1_000  # numbers whose neighbours are read; what follows them is compared without digits
_APART = b" \t\n\r\"'`()[]{}<>,;=|&"
_MARKS = bytes.maketrans(b"0123456789" + _APART, b"0" * 10 + b" " * len(_APART))
_DOTS = frozenset(".FEsxS*")
_PARAMETERS = "0123456789:;<=>? !\"#$%&'()*+,-./"  # of a control sequence, before its last letter
_HEADERS = ("etag:", "set-cookie:", "cf-ray:", "report-to:", "expires:", "x-request-id:", "x-amz-", "x-trace")
_MONTHS = frozenset(
    "jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june july august september october november"
    " december".split()
)
# What a line of a page's tree shows a control by; its value never changes by itself.
_CONTROLS = 'textbox|searchbox|spinbutton|slider|combobox|[selected]|[checked]| value="'.split("|")
_NAMED = frozenset(
    "pid ppid fd tid pgid thread process subprocess goroutine port elapsed duration took time timestamp ts latency uptime eta cpu rss memory"
    " heapused heaptotal reqid msgid age total_tokens tool_uses".split()
)
_SIZES = frozenset("memory rss peak swap".split())  # beside a size with its unit
_NAME_ENDS = tuple(
    "_ms Ms _at _time Time econds Ticks _secs _ns _us uration lapsed imestamp seed Seed SEED shuffle Delay -remaining -Remaining".split()
)
# Playwright: `14 × waiting for element to be visible`; a long error; Spring's process id; PyTorch out of memory
_SAID_AFTER = (
    " × ", " characters truncated", " --- [", " MiB is free", " GiB is free", " GiB memory in use", " GiB is allocated by PyTorch",
    " MiB is reserved by PyTorch", " GiB is reserved by PyTorch",
)  # fmt: skip
# codex: random for each process; Spring: seconds; Xcode; Nest's process; Catch2; OpenOCD
_SAID_BEFORE = (
    "session ID ", " running for ", " on 'Clone ", "[Nest] ", " seeded to: ", "Target voltage: ", "Submitted batch job ",
)  # fmt: skip
_LEVELS = frozenset(
    "V D I W E F DEBUG INFO NOTE NOTICE WARN WARNING ERR ERRO ERROR FATA FATAL CRITICAL".split()
)
_NAMED_ENDPOINT = "external connectivity on endpoint "  # docker: by the name that it made up for a container
_LOOPBACK = ("127.0.0.1", "localhost", "::1", "0.0.0.0")
_MEASURING = (
    "/perf/|perf.|perf_|_perf|measure|latency|throughput|loadtest|load_test|load-test|%{time|timeit|speedtest"
    "|uuidgen|uuid4|npx uuid|randomUUID|randomBytes|urandom|random/uuid|gen-random|openssl rand|secrets.token|rails secret|auth secret"
    "|wg genkey|pwgen|npx nanoid|explain analyze|EXPLAIN ANALYZE|EXPLAIN (ANALYZE|Measure-Command|bench|hyperfine|wrk |perf |k6 |oha |vegeta|iperf|fio "
).split("|")
_STATISTICS = ("p50", "p90", "p95", "p99", "median", "stddev", "std dev", " ± ", "ns/op", "percentile")
_STATISTICS_MAX = 1500  # characters at the end of an output
_IDS = frozenset("id ids uuid guid nonce pid #pid #reference".split())
_TEMPORARY = "\\Temp\\ /tmp/ /.tmp/package/ /var/folders/ /var/tmp/ /dev/shm/ -sandbox/ /builds-v0/".split()
_NAMED_IDS = ("Id", "ID", "_id", "-id", "Token", "_token", "Cursor", "_cursor")
_BARS = (
    "█|━|▏|####|==>|ETA|it/s|eta |--:--|load average|K ....| wallclock secs|=setup[|Starting a Gradle Daemon|packages loaded"
    "| linux-sandbox| total actions|Receiving objects|Resolving deltas|Uploading ["
).split("|")


def is_benchmark(command: str) -> bool:
    """Whether a shell line measures, or makes up a value: the numbers that it prints are its result."""
    command = command[: shell_line.LONGEST]
    timed = command.startswith(("time ", "/usr/bin/time ")) or "; time " in command or "&& time " in command
    return timed or any(sign in command for sign in _MEASURING)


def measures(text: str) -> bool:
    """Whether an output ends with statistics or a rate: its times are its result, not how long it took. (Bytes per second are.)"""
    end = text[-_STATISTICS_MAX:].lower()
    if any(sign in end for sign in _STATISTICS):
        return True
    rates = end.split("/s") if "/s" in end else [""]
    return any(_is_rate(before, after) for before, after in zip(rates, rates[1:]))


def _is_rate(before: str, after: str) -> bool:
    unit = before.rpartition(" ")[2].lstrip("0123456789.,(")
    ends = not after.removeprefix("ec")[:1].isalnum()
    return ends and len(unit) > 2 and unit.isalpha() and not unit.endswith(("ib", "bit", "byte", "bytes"))


def text_key(text: str) -> str:
    """The key of a text after blinding."""
    return digest(unordered(blind(text)))


def with_shown(text: str) -> str:
    """The text of a page or a debugger and a word for what it shows, which blinding leaves: days, which are no clock, the numbers in
    controls, and the address at which a program stands."""
    words = text.split()
    bare = [word.strip("\"'.,;:()") for word in words]
    shown = [one for one in bare if len(one) < 14 and tokens.is_date(one)]
    shown += [f"{one} {day}" for one, day in zip(bare, bare[1:]) if day[:1].isdigit() and _is_month(one)]
    if any(sign in text for sign in _CONTROLS):
        held = [line for line in text.split("\n") if any(sign in line for sign in _CONTROLS)]
        shown += [word for word in " ".join(held).split() if "ref" not in word and "uid" not in word]
    stands = [line.lstrip("=-> *") for line in text.split("\n")] if "0x" in text else []
    shown += [line.partition(" ")[0] for line in stands if line[:2] == "0x"]
    return f"{text}\n{keys.word(' '.join(shown))}" if shown else text


def _is_month(word: str) -> bool:
    return len(word) <= 9 and word.lower() in _MONTHS


def unordered(text: str) -> str:
    """The text with its lines sorted, and the dots of a test runner, `..F.  [100%]`: what runs in parallel or at random ends in any
    order, and failures may be shown between them."""
    lines, marks = [], ""
    for line in text.split("\n"):
        dots, blank, rest = line.partition(" ")
        if not dots or not _DOTS.issuperset(dots):
            lines.append(line)
        elif rest and rest.lstrip(" ")[:1] != "[":
            lines.append("".join(sorted(dots)) + blank + rest)
        else:
            marks += dots
            lines += filter(None, [rest])
    return "\n".join(sorted(lines)) + "\n" + "".join(sorted(marks))


def receipt_key(text: str) -> str:
    """The key of a text after blinding and without digits, for a receipt that is numbered."""
    return digest(unordered(keys.without_digits(blind(text))))


def blind(text: str) -> str:
    """The text with what changes by itself replaced; counts, verdicts, file names and code stay."""
    text = as_shown(keys.shortened(text))
    text = text.replace("\\n", "\n").replace('\\"', '"')  # of a text in JSON
    if " \n" in text or "\t\n" in text:
        text = "\n".join([line.rstrip() for line in text.split("\n")])
    if "Chunk ID: " in text:  # codex: random for each piece of output
        text = "\n".join([line for line in text.split("\n") if not line.startswith("Chunk ID: ")])
    if "<--- Last few GCs" in text:  # Node.js, out of memory
        text = "\n".join([line for line in text.split("\n") if " ms: " not in line])
    if " grep " in text:  # in a list of processes, the command that made it
        text = "\n".join([line for line in text.split("\n") if " grep " not in line or "0:00" not in line])
    first, sign, rest = text.partition(_NAMED_ENDPOINT)
    if sign:
        text = f"{first}{sign}X {rest.partition(' ')[2]}"
    if "......" in text:  # how long it tried: `Connecting........`
        text = "\n".join([_without_dots(line) for line in text.split("\n")])
    if "HTTP/" in text:
        lines = [line for line in text.split("\n") if not line[:40].lstrip("< ").lower().startswith(_HEADERS)]
        text = "\n".join(lines)
    text = text.replace("(cached)", "0s").rstrip()  # go test, in place of a time
    if len(text) <= 40 and text.isalnum() and not text.isalpha() and tokens.is_hex_id(text):
        return text  # the commit that was asked for
    return _blind_words(text)


def _without_dots(line: str) -> str:
    before, sign, after = line.partition("....")
    return f"{before}{sign}{after.lstrip('.')}" if before[-1:].isalpha() else line


def as_shown(text: str) -> str:
    """The text as a terminal shows it: without ANSI control sequences, and of a line written over what came last."""
    if "\x1b" in text:
        text = without_escapes(text)
    if "\r" in text:
        text = "\n".join([line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")])
    return text


def is_docker_log(text: str) -> bool:
    """Whether it ends as a failed docker build does: there lines begin with seconds, `3.512 npm error`. (Errors come without indentation.)"""
    return "\n > [" in text or "\n> [" in text


def progress_shown(text: str) -> str:
    """What is added to a poll's result: the percentages and counts beside progress bars, which `blind` hides; "" for none."""
    text = keys.shortened(text)
    if "%]" not in text and not any(bar in text for bar in _BARS):
        return ""
    words = text.replace("|", " ").replace("[", " ").replace("]", " ").split()
    shown = [word for word in words if word.rstrip("%").replace("/", "").isdigit()]
    return f" {digest(' '.join(shown))}" if shown else ""


def without_exit_code(text: str) -> str:
    """A shell call's error without the line "Exit code N" that Claude Code adds."""
    first, _, rest = text.partition("\n")
    return rest if first.startswith("Exit code ") and first[10:].isdigit() else text


def without_escapes(text: str) -> str:
    """The text without ANSI control sequences (CSI, OSC and two-character ones)."""
    parts = text.split("\x1b")
    out = [parts[0]]
    for part in parts[1:]:
        if part[:1] == "[":
            out.append(part[1:].lstrip(_PARAMETERS)[1:])
        elif part[:1] in ("]", "P", "_", "^", "X"):
            bell = part.find("\x07")
            out.append(part[bell + 1 :] if bell >= 0 else "")
        else:
            out.append(part[1:])
    return "".join(out)


def _blind_words(text: str) -> str:
    text = without_stored(text)
    for place in _TEMPORARY:
        if place in text:
            text = tokens.without_made_up(text, place, _MARKS)
    marks = text.encode("ascii", "replace").translate(_MARKS)  # a byte for each character
    find = marks.find
    at = find(b"0", len(text) - len(without_exit_code(text)))  # an exit code does not change by itself
    if at < 0:
        return text
    size, kind, neighbours = len(text), tokens.kind, tokens.NEIGHBOURS
    progress = any(bar in text for bar in _BARS)
    docker = is_docker_log(text)
    known: dict[str, str] = {}
    out: list[str] = []
    done = judged = 0
    while at >= 0:
        start = marks.rfind(b" ", done, at) + 1 or done
        end = find(b" ", at)
        if end < 0:
            end = size
        word = text[start:end]
        new = known.get(word)
        if new is None:
            new = known[word] = kind(word)
        if new in neighbours:
            judged += 1
            if judged > _JUDGED_MAX:
                return "".join((*out, keys.without_digits(text[done:])))
            new = _in_place(new, text, marks, start, end, progress)
            if docker and "." in word and text[start - 1 : start] == "\n":
                new = "D"
            if new == "N" and _unit_after(text, end):
                new, end = "D", end + _unit_after(text, end)
        if new:
            piece = text[done:start]
            if "  " in piece:  # the width of columns depends on the numbers
                piece = " " + piece.lstrip(" ") if out and piece[0] == " " else piece
                piece = piece.rstrip(" ") + " " if piece[-1] == " " else piece
            out += (piece, new)
            done = end
        at = find(b"0", end)
    if not out:
        return text
    out.append(text[done:])
    return "".join(out).replace("D D", "D").replace(", estimated D", "")  # 1m 3s; jest, now and then


def _in_place(kind: str, text: str, marks: bytes, start: int, end: int, progress: bool) -> str:
    """The replacement for a word of one of tokens.NEIGHBOURS at `start:end`; "" to keep it."""
    begin = text.rfind("\n", max(0, start - 400), start) + 1 or max(0, start - 400)
    said = text[begin:start]
    if kind == tokens.SUM:
        listed = not said.strip() and text[end : end + 2] in ("  ", " *")
        return "" if listed or text[end : end + 1] == "\t" else "H"
    if progress:
        line = said + text[start : start + 400].partition("\n")[0]
        if any(bar in line for bar in _BARS):
            return "N"
    before = text[start - 1] if start else "\n"
    if kind == tokens.SHARE:
        if text[end : end + 1] == "=" and text[end + 1 : end + 2].isdigit():
            return "D"  # wget: 1.45M=0.03s
        told = said.rstrip(" ")[-1:] == "[" or text.startswith(" cpu ", end)
        size = text[end - 1] in "KMGT" and _word_before(text, marks, begin, start).lower() in _SIZES
        return "N" if size or (told and text[end - 1] == "%") else ""
    if text[start] == ":" and before in " \n(" and text[start - 2 : start - 1] not in ('"', "'"):
        return "N" if 4 <= end - start - 1 <= 5 else ""  # listening on :8080
    after = text[end : end + 2]
    if said.endswith(_SAID_BEFORE) or (before == "(" and text.startswith(") panicked", end)):
        return "N"  # the last: a Rust thread
    if (after == ")'" and " on '" in said) or (said.endswith(" with id ") and " socket " in said):
        return "N"  # Xcode: failed on 'iPhone 15 - App (4711)'; Karma
    if after == " [" and said.strip() in ("✓", "✘", "ok", "x"):
        return "N"  # Playwright: which in the order of ending, `✓  3 [chromium] › a.spec.ts`
    if not said and text.startswith(" INFO: ", end):
        return "D"  # PyInstaller's milliseconds
    if "bash: line " in said and said.rstrip()[-1] == ":" and text[start:end].isdigit():
        return "N"  # bash: line 1: 4711 Segmentation fault
    last = _word_before(text, marks, begin, start)
    if kind == tokens.NODE:
        return f"N_{tokens.node_of(text[start:end].strip('.:'))}" if last in ("uid", "ref") else ""
    if kind == tokens.NAMELESS:
        return "H" if _is_made_up(text, start, end, last.strip(".:"), said) else ""
    if kind == tokens.CLOCK:
        return "T" if _is_time(text, end, last, said) else ""
    if text[start] in "#x":
        return "N" if (tokens.is_date(last) if text[start] == "#" else text.startswith(" over ", end)) else ""
    number = text[start:end].strip(".:")
    if _in_head(number, last, said, text[end : end + 24]):
        return "N"
    return "N" if _is_volatile(number, last, before, text, end) else ""


def _in_head(number: str, last: str, said: str, after: str) -> bool:
    """Whether a number is the process in the head of a log's line: `12:33:01.123 4711 4712 E Tag: x`, `12:33:01 4711 [Note] x`,
    `12:33:01 app[4711] x`, `INFO (47110): x`; or seconds: `WARN[0012] x`."""
    if len(last) > 1 and last in _LEVELS:
        seconds = number[0] == "0" and said.endswith(f"{last}[")
        return seconds or (len(number) > 4 and after.startswith("):"))
    level = next((word for word in after.strip("] ").split() if not word.isdigit()), "").strip("[]:")
    words = said.split()
    if level.upper() not in _LEVELS or len(number) < 3 or not words:
        return False
    if said[-1] == "[":
        return len(words) > 1 and tokens.is_clock(words[-2])
    timed = any(tokens.is_clock(word) for word in words) or tokens.is_date(words[-1])
    return timed and all(tokens.is_date(word) or not any(map(str.isalpha, word)) for word in words)


def _is_made_up(text: str, start: int, end: int, name: str, said: str) -> bool:
    """Whether the words before a nameless word say that it is an address, a seed or an id. `name`: the last of them."""
    if text[start : start + 2] != "0x":
        return name.lower() in _IDS or name.endswith(_NAMED_IDS) or said.endswith(" failure message: ")  # AWS
    told = text.startswith(" in ", end) or (text[end - 1] == ":" and name in ("at", "by"))
    signal = name == "pc" and text[end : end + 1] == "]"  # Go; another tool's pc is where it stands
    # Go: panic({0x4b5e60?, 0x5a0f50?}), f(0xc000012345, {0x4b5e60?, 0x5})
    passed = said.endswith("({") or "({0x" in said or ("(0x" in said and said.endswith(", {"))
    return told or signal or passed or name.lower().endswith("seed")


def _is_time(text: str, end: int, last: str, said: str) -> bool:
    """Whether a word like 12:33 is a time of day, or how long something took."""
    half = text[end : end + 3].strip().lower()
    day = last.isdigit() and len(last) <= 2
    dated = day or last == "at" or last.lower() in _MONTHS or tokens.is_date(last)
    if said.lstrip(" │")[:1] in ("✔", "✖") and text[end : end + 12].lstrip(" ")[:1].isdigit():
        return True  # Cypress
    return dated or half in ("am", "pm") or half[:1] == "+"


def _is_volatile(number: str, last: str, before: str, text: str, end: int) -> bool:
    """Whether the words and signs beside a plain number say that it changes by itself."""
    after = text[end : end + 120]
    if _unit_after(text, end) or _names_volatile(number, last, before):
        return True
    return _follows_volatile(after) or _marks_volatile(number, last, before, after)


def _names_volatile(number: str, last: str, before: str) -> bool:
    """Whether the word before it does: `pid 4711`, `localhost:4711`, `Nov 29`, `12:33:01,123`."""
    name = last.strip(".:")
    return (
        last in _LOOPBACK
        or name.lower() in _NAMED
        or name.endswith(_NAME_ENDS)
        or (len(number) <= 2 and _is_month(name))
        or (before == "," and len(number) == 3 and name.count(":") == 2 and tokens.is_clock(name))
        or (last[:1] == "#" and last[1:].isdigit() and "." in number)  # docker's build log: `#8 0.512 npm`
    )


def _follows_volatile(after: str) -> bool:
    """Whether what comes after it does: `4 days ago`, `30 MB/s`, `4711 main.go:12] x` of klog, glog and torch."""
    if after.startswith(_SAID_AFTER):
        return True
    if after[:1] != " ":
        return False
    following = after[1:16].lstrip()
    unit = following.partition("\n")[0].partition(" ")[0].strip(".,:;)")
    place = after.partition("\n")[0].partition("]")[0].rstrip("0123456789")
    ago = following.startswith(("day ago", "days ago", "week ago", "weeks ago"))
    return ago or unit.endswith(("/s", "/sec", "elapsed")) or place.endswith((".go:", ".cc:", ".py:"))


def _marks_volatile(number: str, last: str, before: str, after: str) -> bool:
    """Whether the signs around it do."""
    return (
        (before == "[" and after[:2] == "]:" and last.strip(".:") != "")  # sshd[1234]:
        or (before == "[" and after[:1] == "]" and _is_process(number, last, after))
        or (last == "In" and after.startswith("], line "))  # a notebook's traceback: `Cell In[5], line 3`
        or (last == "in" and "." in number and after[:2] == " (")  # XCTest: in 0.123 (0.456) seconds
        or (len(number) > 11 and before == "'" and after[:2] == "'>")  # Python: <Mock id='140331207335452'>
        or (before == "=" and after[:2] == "==")  # valgrind and the sanitizers: `==1234==ERROR: ...`
    )


def _is_process(number: str, last: str, after: str) -> bool:
    """Whether it is a process or a time: `App[512:90311]`, `UTC [4711] ERROR`, `[42952.972363] usb 1-1`."""
    stamped = last in ("UTC", "GMT") or (last[:1] == "+" and last[1:].isdigit()) or tokens.is_clock(last)
    booted = number[-7:-6] == "." and after[:2] == "] "
    return stamped or ":" in number or booted


def _unit_after(text: str, end: int) -> int:
    """Length of what makes a number that ends at `end` a duration: ` seconds`, `,34 Sekunden`, `,34s`; 0 if there is nothing."""
    at = end
    if text[at : at + 1] == "," and text[at + 1 : at + 2].isdigit():
        rest = text[at + 1 : at + 16]
        at += 1 + len(rest) - len(rest.lstrip("0123456789."))
    elif text[at : at + 1] == ")":
        at += 1
    if text[at : at + 1] == " ":
        at += 1
    elif text[at - 1 : at] == ")" or at == end:
        return 0
    word = text[at : at + 15].partition("\n")[0].partition(" ")[0].rstrip(".,:;)]}\"'")
    return at - end + len(word) if word in tokens.UNITS or word.endswith(("/s", "/sec")) else 0


def _word_before(text: str, marks: bytes, begin: int, start: int) -> str:
    """The last word before `start` in its line, without separators; "" for none."""
    end = start
    while end > begin and (marks[end - 1] == 32 or text[end - 1] == ":"):
        end -= 1
    return text[max(begin, marks.rfind(b" ", begin, end) + 1) : end] if end > begin else ""
