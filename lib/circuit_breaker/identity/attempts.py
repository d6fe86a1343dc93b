"""What a shell line tries to do, however it is written: the family of calls it belongs to.

`pytest t.py`, `pytest -x ./t.py 2>&1 | tail -7; echo $?` and `time python -m pytest "t.py"` are one attempt. Reading parts,
wrappers, decoration, redirections, options, quotes and test selectors are left out; programs and their operands remain.
"""

from __future__ import annotations

from circuit_breaker.identity import calls, labels
from circuit_breaker.identity.keys import digest, spelled
from circuit_breaker.shell import programs, reading, shell_line, snippets

PARTS_MAX = 64  # simple commands of a line that are read
_EXIT_NAMES = ("$?", "${?}", "$LASTEXITCODE", "${PIPESTATUS[0]}", "$pipestatus[1]")
ANY_FORM = " (any form)"  # ends the name of a circuit that blocks every form of an attempt
_HERE = ("$PWD", "${PWD}", "$(pwd)", "`pwd`")
_ENDINGS = (".exe", ".cmd", ".bat")
_BINS = ("bin", "Scripts", ".bin", "sbin", "shims")


class Attempt:
    """The attempt of one line.

    `key`: of the family; `steps`: of those that succeed with it, the parts of `a && b` at the end; `told`: the exit code is theirs;
    `words`: for its label; `hidden`: the line's exit code may come from another command; `edits`: key of what it writes before the
    attempt runs; `only_edits`: it does nothing else; `shows`: it also prints files; `aim`: its test selectors; `values`: values of its options
    and variables; `exits`: (text before, text after) each exit code that it prints; `said`: what else it prints itself; `beside`: the
    programs that the line runs besides.
    """

    def __init__(self, command: str, directory: str) -> None:
        self.command, self.directory = command, directory
        self.key = self.aim = self.edits = ""
        self.steps: list[str] = []
        self.words: list[str] = []
        self.told = self.hidden = self.only_edits = self.shows = False
        self.values: set[str] = set()
        self.exits: list[tuple[str, str]] = []
        self.said: tuple[str, ...] = ()
        self.beside: frozenset[str] = frozenset()

    def label(self, tool: str) -> str:
        """`Bash pytest t.py (any form)`."""
        return f"{tool} {labels.words_label(self.words)}".strip() + ANY_FORM


class _Part:
    """A simple command: `name` of its program and the words after it, `home`: that program's directory, if it is not on the PATH."""

    def __init__(self, segment: shell_line.Segment, directory: str, joint: str, piped: bool) -> None:
        self.segment, self.directory, self.joint, self.piped = segment, directory, joint, piped
        self.name = self.home = self.shown = ""
        self.rest: list[str] = []
        self.written = segment.targets  # also by what runs it
        self.reads = False
        self.hides = False  # its runner (`find -exec`, `script`) exits with 0 even if it fails


def attempt_of(tool: str, tool_input: object, cwd: str = "") -> Attempt | None:
    """The attempt of a call; None if it is no shell call, or only reads, waits or decorates."""
    command = calls.shell_command(tool, tool_input)[: shell_line.LONGEST]
    if not command or not isinstance(tool_input, dict):
        return None
    kept, directory = shell_line.essence(command, calls.directory_of(tool_input, cwd))
    found = Attempt(command, directory)
    for word in filter(shell_line.is_assignment, command.split()):
        value = word.partition("=")[2].strip("\"';")
        if value.isdigit():  # a changed number is still the same attempt
            found.values.add(value)
    parts = _parts(kept, directory)
    real = _real(parts)
    if not real:
        return None
    after = [part.joint for part in parts[parts.index(real[0]) :]]
    turned = any(part.hides or part.segment.words[:1] == ["!"] for part in real)
    found.hidden = turned or after[-1] == "&" or not {*after[:-1]} <= {"", "&&"}
    edits = [part.segment for part in parts if part not in real and _edits(part)]
    found.edits = digest(repr([(edit.text, edit.given) for edit in edits])) if edits else ""
    found.only_edits = all(_edits(part) for part in real)
    copies = [part.rest for part in parts if part.piped and part.name in ("tee", "tee-object")]
    targets = {target for written in (*copies, *[part.written for part in real]) for target in written}
    found.shows = any(_shows_files(part, targets) for part in parts)
    found.exits = _printed_exits(parts, real)
    found.beside = frozenset(_names_beside([part for part in parts if part not in real]))
    found.beside -= {part.name for part in real}
    joints = ["", *[part.joint for part in parts]]
    found.said = tuple(filter(None, [_said(part, joint) for part, joint in zip(parts, joints)]))
    rows = []
    for part in real:
        operands = _operands(part, found)
        home = part.home or ("" if operands else spelled(part.directory))
        rows.append((part.name, home, *map(spelled, operands)))
        if part is real[0]:
            found.words = [*part.shown.split(), *(operand.rpartition("/")[2] for operand in operands)]
    found.key = _key(rows)
    if len(real) > 1:
        _add_steps(found, parts, real, rows)
    return found


def _add_steps(found: Attempt, parts: list[_Part], real: list[_Part], rows: list[tuple[str, ...]]) -> None:
    """Set the attempt's steps, each part and each end of the last `a && b`, and whether the line's exit code is theirs."""
    places = [parts.index(part) for part in real]
    first = len(real) - 1
    while first and {part.joint for part in parts[places[first - 1] : places[first]]} == {"&&"}:
        first -= 1
    ends = [rows[at:] for at in range(max(first, 1), len(rows))]
    found.steps = [_key(some) for some in (*ends, *[[row] for row in rows[first:]])]
    found.told = {part.joint for part in parts[places[-1] :]} <= {"", "&&"} and not real[-1].hides


def _key(rows: list[tuple[str, ...]]) -> str:
    return digest(repr(list(dict.fromkeys(rows))))


def _parts(kept: list[shell_line.Segment], directory: str, depth: int = 0) -> list[_Part]:
    """The line's simple commands in order, including those inside `bash -c` and $( )."""
    parts: list[_Part] = []
    piped = False
    for segment in kept:
        if len(parts) >= PARTS_MAX:
            break
        at = shell_line.program_at(segment.words)
        part = _Part(segment, directory, segment.joint, piped)
        piped = segment.joint == "|"
        for inner in segment.inner[:PARTS_MAX] if depth < shell_line.DEPTH else ():
            within = _parts(shell_line.segments(inner), directory, depth + 1)
            for each in within[-1:]:
                each.joint = each.joint or ")"
            parts += within
        words = segment.words[at:] if depth < shell_line.DEPTH else []
        place, told = _line_run(words, segment.given or _piped_in(part, parts)) if words else ("", "")
        if told:
            line = shell_line.segments(told)
            for first in line[:1]:
                first.given = first.given or segment.given
            within = _parts(line, f"@{place}" if place else directory, depth + 1)
            for each in within:
                each.written = each.written + segment.targets
                each.home = f"{place} {each.home}" if place else each.home
                each.hides = each.hides or segment.words[at].rpartition("/")[2] == "script"
            if within:
                within[0].piped, within[-1].joint = part.piped, within[-1].joint or part.joint
            parts += within
            continue
        _name(part, segment.words[:at], segment.words[at:], parts)
        target = part.rest[0] if part.name in ("cd", "set-location", "sl", "pushd") and part.rest else "-"
        if target[:1] not in ("-", "$"):
            directory = shell_line.resolve(target, directory)
        parts.append(part)
    return parts


def _line_run(words: list[str], given: str) -> tuple[str, str]:
    """(where, the line that a program runs there), also what a shell reads: `bash <<EOF`, `ssh HOST bash -s <<EOF`."""
    place, told = reading.inner_line(words)
    shell = told.split() or words
    name = shell[0].rpartition("/")[2]
    if name in reading.SHELL_PROGRAMS:
        reads = not shell_line.operands(shell[1:])
    else:
        reads = name == "ssh" and not told
    return place, (given if reads else "") or told


def _piped_in(part: _Part, before: list[_Part]) -> str:
    """The text that `cat <<EOF |`, `echo x |` or `printf x |` hands on to a part."""
    last = before[-1] if part.piped and before else part
    if last.name == "cat":
        return last.segment.given
    return " ".join(shell_line.operands(last.rest)) if last.name in ("echo", "printf") else ""


def _name(part: _Part, front: list[str], words: list[str], before: list[_Part]) -> None:
    """Set the part's program, by its base name, and its words; runners and interpreters are skipped."""
    words = _past_runners(words)
    if words[:1] == ["find"] and ("-exec" in words or "-execdir" in words):
        part.hides = "+" not in words
        words = _found_and_run(words)
    elif any(word.rpartition("/")[2] == "xargs" for word in front) and before and before[-1].joint == "|":
        words = words + _handed_on(before[-1])
    if not words:
        part.reads = True
        return
    part.shown = part.name = _plain_name(words[0])
    part.rest = words[1:]
    if "/" in words[0] and words[0].split("/")[-2] not in _BINS:
        part.home = spelled(shell_line.resolve(words[0].rpartition("/")[0], part.directory))
        if part.home == spelled(part.directory):
            part.home = ""
    if part.name == "docker" and part.rest[:1] == ["compose"]:
        part.shown, part.name, part.rest = "docker compose", "docker-compose", part.rest[1:]
    decorates = part.name.lower() in programs.DECORATION
    filters = part.piped and snippets.only_looks(part.name, part.rest)
    looks = decorates or filters or reading.program_reads(part.name, part.rest)
    part.reads = looks and not shell_line.is_own_script(words[0])
    given = part.segment.given or _piped_in(part, before)
    if not part.reads and part.name in programs.INTERPRETERS:
        _script(part, given)
    elif part.name in programs.CLIENTS:  # its query is its operand
        options = programs.CLIENTS[part.name].split()
        asked = [following for word, following in zip(part.rest, part.rest[1:]) if word in options]
        given = "" if "-f" in part.rest else given
        part.rest = [_code(text) for text in (*asked, given) if text] or part.rest
    _respell(part)


def _respell(part: _Part) -> None:
    """Give a task one spelling: that of `npm run test` to `yarn t`, that of `make all` to `make clean all`."""
    if part.name in programs.PACKAGE_RUNNERS:
        part.name = "npm"  # whichever of them runs the script
        part.rest = [word for word in part.rest if word not in ("run", "run-script")]
    if part.name in programs.BUILDERS and {*shell_line.operands(part.rest)} - {"clean"}:
        part.rest = [word for word in part.rest if word != "clean"]
    short = programs.SHORT.get(part.name, {})
    for i, word in enumerate(part.rest if short else ()):
        if word[:1] not in ("-", "+"):
            options = [word for word in part.rest[:i] if word[:1] == "-"]  # no +nightly
            part.rest = [*options, *filter(None, [short.get(word, word)]), *part.rest[i + 1 :]]
            break


def _plain_name(word: str) -> str:
    name = word.replace("\\", "/").rpartition("/")[2]
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    name = name.partition("@")[0] or name  # npx X@latest
    bare = name.rstrip("0123456789.")
    name = bare if bare in ("python", "pypy", "pip", "node", "ruby", "perl", "php") else name
    return programs.ALIASES.get(name, name)


def _past_runners(words: list[str]) -> list[str]:
    """The words without `npx`, `uv run`, `bundle exec`, `python -m` and the like."""
    for _ in range(4):
        name = _plain_name(words[0]) if words else ""
        plain = shell_line.operands(words[1:])
        if name == "uv" and words[1:2] == ["pip"]:
            return words[1:]
        if name == "python" and "-m" in words[1:-1] and plain[:1] == [words[words.index("-m") + 1]]:
            words = words[words.index("-m") + 1 :]
        elif name in programs.PACKAGE_RUNNERS and plain and plain[0] in programs.BINARIES:
            return words[words.index(plain[0]) :]
        else:
            ran = reading.behind_runner([name, *words[1:]])
            if not ran:
                break
            words = ran[shell_line.program_at(ran) :] or ran
    return words


def _found_and_run(words: list[str]) -> list[str]:
    """`find . -name t.py -exec pytest {} +` is `pytest ./t.py`."""
    inner = reading.until_its_end(words[words.index("-exec" if "-exec" in words else "-execdir") + 1 :])
    what = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-name", "-path")]
    inner = inner[shell_line.program_at(inner) :]
    return [word for word in inner if word != "{}"] + ([what[0].lstrip("*/")] if what else words[1:2])


def _handed_on(part: _Part) -> list[str]:
    """The words that a part passes to xargs: t.py in `echo t.py | xargs pytest`."""
    if part.name in ("echo", "printf", "ls"):
        return [word for word in shell_line.operands(part.rest) if "%" not in word]
    if part.name == "find":
        return [part.rest[i + 1] for i, word in enumerate(part.rest[:-1]) if word == "-name"]
    return []


def _script(part: _Part, given: str) -> None:
    """Make an interpreter's script the program; code in an option or on stdin becomes its operand."""
    coded, valued = programs.CODE.get(part.name, ("", ""))
    rest = part.rest
    i = 0
    while i < len(rest):
        word = rest[i]
        if word in coded.split() and i + 1 < len(rest):
            part.rest = [_code(rest[i + 1]), *rest[i + 2 :]]
            return
        if word in valued.split():
            i += 2
        elif word in ("run", "test") and part.name == "deno" or word[:1] == "-" and len(word) > 1:
            i += 1
        elif word == "-":
            break
        else:
            path = shell_line.resolve(word, part.directory)
            part.shown = _plain_name(word)
            if part.name not in reading.SHELL_PROGRAMS:
                part.shown = f"{part.name} {part.shown}"
            folder, _, name = path.rpartition("/")
            part.name = _plain_name(name)
            near = folder == part.directory.rstrip("/") or folder.rpartition("/")[2] in _BINS
            part.home = "" if near else spelled(folder)
            part.rest = rest[i + 1 :]
            return
    if given:
        part.rest = [_code(given)]


def _code(text: str) -> str:
    """Code as an operand; it begins with a line break, which no path does."""
    return "\n" + " ".join(text.split()).rstrip("; ")


def _real(parts: list[_Part]) -> list[_Part]:
    """The parts that are the attempt: those that neither read nor decorate; preparation and edits only if there is nothing else."""
    acting: list[_Part] = []
    filters = False  # this part only shows the output of one before it in the pipe
    for part in parts:
        filters = part.piped and (filters or bool(acting and acting[-1].joint == "|"))
        if part.name and not part.reads and not filters:
            acting.append(part)
    steps = [part for part in acting if not _edits(part) and not _prepares(part)]
    return steps or [part for part in acting if not _edits(part)] or acting


def _prepares(part: _Part) -> bool:
    """Whether the part only prepares for others: `mkdir`, `make clean`, `apt update`."""
    first = next(iter(shell_line.operands(part.rest)), "")
    known = part.name.lower() in programs.HOUSEKEEPING or f"{part.name} {first}" in programs.PREPARING
    return known or first == "clean"


def _edits(part: _Part) -> bool:
    """Whether the part edits a file: `sed -i`, `cat > f <<EOF`, `patch`, `cp`."""
    return reading.edits(part.name, part.rest) or (bool(part.segment.targets) and part.reads)


def _shows_files(part: _Part, targets: set[str]) -> bool:
    """Whether the part prints files that the attempt did not write itself."""
    low = part.name.lower()
    prints = low in programs.SHOWS or (low == "git" and part.reads and part.rest[:1] != ["status"])
    return prints and not part.piped and not part.segment.targets and targets.isdisjoint(part.rest)


def _names_beside(parts: list[_Part]) -> list[str]:
    names = [part.name for part in parts if part.name]
    return names + [word for part in parts if part.name in ("source", ".") for word in part.rest]


def _said(part: _Part, before: str) -> str:
    """The line that a part prints with echo or pwd, whatever happened before it; "real" of a part that is timed, "+" of `set -x`."""
    if part.name in ("echo", "write-host", "write-output") and before in ("", ";", "\n"):
        text = " ".join([word for word in part.rest if word not in ("-n", "-e")])
        return text if not any(sign in text for sign in "$`\\") and not part.segment.targets else ""
    if part.name == "pwd" and not part.segment.targets:
        return part.directory
    if part.name == "set" and any(word[:1] == "-" and "x" in word for word in part.rest):
        return "+"
    return "real" if "time" in part.segment.words[: shell_line.program_at(part.segment.words)] else ""


def _printed_exits(parts: list[_Part], real: list[_Part]) -> list[tuple[str, str]]:
    """(text before, text after) each exit code of the attempt that the line prints: `echo "exit: $?"`."""
    found: list[tuple[str, str]] = []
    names: list[str] = []
    for before, part in zip(parts, parts[1:]):
        if before in real and not before.piped and before.joint in (";", "\n", "||", "&&"):
            kept = [word.partition("=") for word in part.segment.words]  # rc=$?
            stored = [name for name, _, value in kept if value in _EXIT_NAMES]
            names = [*_EXIT_NAMES, *[f"${name}" for name in stored], *[f"${{{name}}}" for name in stored]]
        elif part.piped or any("PIPESTATUS" in word for word in part.rest):
            names = ["${PIPESTATUS[0]}"]
        elif part.name not in ("echo", "printf", "write-host") and names and before in real:
            names = []
        if part.name.lower() not in ("echo", "printf", "write-host", "write-output"):
            continue
        words = [word for word in part.rest if word not in ("-n", "-e", "-ne")]
        text = " ".join(words)
        if part.name == "printf" and words:
            text = words[0].replace("\\n", "")
            for mark in ("%d", "%s", "%i"):
                text = text.replace(mark, words[1] if len(words) > 1 else "", 1)
        for name in names:
            if name in text:
                left, _, right = text.partition(name)
                found.append((left.rpartition("\\n")[2].strip(), right.partition("\\n")[0].strip()))
                break
    return found


def _operands(part: _Part, found: Attempt) -> list[str]:
    """The program's operands as normal paths. Values of options are added to `found.values`, test selectors to `found.aim`."""
    operands: list[str] = []
    flags = programs.FLAGS_ONLY.get(part.name, "").split()
    kept = programs.KEPT_IN.get(part.name, "").split()
    aimed = programs.AIMED_IN.get(part.name, "").split()
    task = {"cargo": "/test", "git": "/push"}.get(part.name)  # further words only say which
    rest, i = part.rest, 0
    while i < len(rest):
        word, following = rest[i], rest[i + 1 : i + 2]
        i += 1
        if word == "--" or not word:
            continue
        if word[:1] != "-" or word == "-" or word[:1] == "\n":
            if task and any(operand.endswith(task) for operand in operands):
                found.aim += f" {word}"
                continue
            operand = _operand(word, part, found)
            if operand and operand not in (*operands, part.directory):
                operands.append(operand)
            continue
        name, sign, value = word.partition("=")
        takes = bool(following) and following[0][:1] != "-" and name not in flags
        chosen = name in (*programs.AIMED, *aimed, *programs.KEPT, *kept)
        last = i == len(rest) - 1 and not operands and "." in following[0].strip("0123456789.")
        if last and word[1] != "-" and not sign and not chosen:
            continue  # `rustc -g a.rs`: without its last word it would be given nothing
        if not sign and takes and _takes_word(name, following[0], operands):
            value, sign = following[0], "="
            i += 1
        if not sign:
            continue
        if name in programs.AIMED or name in aimed:
            found.aim += f" {value}"
            continue
        found.values.add(value)
        shown = "%{" in value or (name == "-f" and part.name in programs.FORMATTED)  # curl -w '%{http_code}'
        if (name in programs.KEPT or name in kept) and not shown:
            path = _operand(value, part, found)
            usual = path.removeprefix(part.directory.rstrip("/") + "/") in programs.DEFAULTS
            operands += [f"{name.lstrip('-')[0]} {path}"] if path != part.directory and not usual else []
    return operands


def _takes_word(option: str, word: str, before: list[str]) -> bool:
    """Whether `word` is probably the value of the option before it; `before`: the operands so far."""
    if option in programs.AIMED or option in programs.KEPT or option in programs.VALUED:
        return True
    if word.startswith("/dev/tty") or word.rstrip("smhd%").replace(".", "").isdigit():
        return True
    if option in programs.FLAGS or option.startswith("--no-"):
        return False
    if (option[:2] != "--" and option[-1:] == "X") or ": " in word or "%{" in word:
        return True  # curl -sX POST -H 'Accept: a/b' -w '%{http_code}'
    named = option[:2] == "--" or (len(option) > 4 and option[1].isalpha()) or option[1:2].isupper()
    return named and "/" not in word and "." not in word and (bool(before) or word not in programs.TASKS)


def _operand(word: str, part: _Part, found: Attempt) -> str:
    """One operand as a normal path without test selector; "" for an assignment. `torch==2.1` is a package in a version."""
    for here in _HERE:
        word = part.directory + word[len(here) :] if word.startswith(here) else word
    if word[:1] == "\n" or " " in word or "://" in word or word[:1] == "$" or part.name == "curl":
        return word.removeprefix("http://")
    name, sign, value = word.partition("=")
    if part.name in programs.INSTALLERS or value[:1] == "=":
        sign = ""
    if sign and shell_line.is_assignment(f"{name.replace('.', '_')}={value}"):
        found.values.add(value)
        found.aim += f" {word}"
        return ""
    path, sign, selector = word.partition("::")
    if not sign:
        head, colon, number = word.rpartition(":")
        if colon and number.isdigit() and len(head) > 1:
            path, selector = head, number
    found.aim += f" {selector}" if selector else ""
    return shell_line.resolve(path, part.directory)
