"""How a program ended, by its output, if its exit code is hidden; which error lines two failures share, and which line says what failed.

A line counts if it is, or begins with, a known form of failure. File names, test names, flags and counts of 0 are no forms. A
summary of failures decides first, then a summary of success, then the last form.
"""

from __future__ import annotations

from circuit_breaker.identity import attempts, errors, results, tokens
from circuit_breaker.identity.keys import digest
from circuit_breaker.identity.labels import CLIP_MAX, clip
from circuit_breaker.shell import programs

FAILED, SUCCEEDED, UNKNOWN = "failed", "succeeded", ""
LOOKED_AT = 16_000  # characters at either end of an output that are read, in at most
LINES_READ = 500  # lines each
LINES_MAX = 24  # error lines of a failure that are compared, half from its end
FOUND_MAX = 96  # error lines at either end that are read for these, since general ones do not count
WEAK = "~"  # prefix of a line that is too general to connect two failures by itself
TOLD_MIN = 4  # lines beside its verdict with which a failure is more than that: jest ends with three that say nothing
HEAD_MAX = 60  # characters of the error's first line in its clip
LINES_NEAR = 60  # lines at its end among which the other one is sought
_LINE_MAX = 400  # characters of a line that are looked at
_DRESS = " \t=-*_#>|│╷╵├└─━┃⎯❯»"  # decoration at either end of a line


def _listed(text: str) -> tuple[str, ...]:
    """The entries of a table, separated by "|"; line breaks do not count."""
    return tuple(text.replace("\n", "").split("|"))


def _has_any(text: str, parts: tuple[str, ...]) -> bool:
    return any(map(text.__contains__, parts))


_PASSES = _listed("✓|✔|√|ok |PASS |PASSED |ok\t|- PASS|[PASS]|[ OK|[       OK|🟢|✅")
_FORMS = _listed("""
FAILED |FAIL |FAIL:|FAIL\t|--- FAIL|ERROR |ERROR:|ERRORS|error:|Error:|error[|error TS|error CS|error MSB|error NU|[ERROR]|[error]|
##[error]|##vso[task.logissue type=error|fatal:|FATAL|fatal error|Fatal error|Traceback (most recent call last)|panic:|npm ERR!|
npm error|ERR!|ELIFECYCLE|ERR_|make: ***|make[|gmake: ***|ninja: build stopped|FAILURE:|FAILURES|BUILD FAILED|BUILD FAILURE|
Build FAILED|Build failed|Exception in thread|Unhandled |Uncaught |E   |E: |Segmentation fault|Aborted|Killed|Bus error|Illegal instruction|
Floating point exception|Trace/breakpoint trap|terminate called|Assertion failed|Command failed|
error Command failed|rake aborted|Failed!|Failed to |failed to |● |✕|✗|✘|✖|×|❌|not ok |Error from server|clang: error|ld: |
collect2: error|Test failed|Tests failed|Compilation failed|undefined reference|Undefined symbols|could not |Could not|Cannot find |
cannot find |Unable to |unable to |ERESOLVE|error Couldn't|YN0|usage: |Usage: |unknown |Unknown |invalid |Invalid|bash: |zsh: |
/bin/bash: |/bin/sh: |sh: |timeout: failed|env: |xargs: |nohup: failed|sudo: |ImportError|ModuleNotFoundError|AssertionError|
SyntaxError|code: '|Node.js v|PHP Fatal error|PHP Parse error|Can't locate |CONFLICT (|Automatic merge failed|CMake Error|error • |
Error in |Error response from |docker: Error|Cannot connect |error during |Error during |An error occurred |x Build failed |Result: FAIL|Execution halted|
Latexmk: Errors|lua: |nginx: [emerg]|ssh: |scp: |rsync error|wget: |curl: (|Oh no! |[warn] Code style issues|evaluation failed|** (|
*** [|%Error|[!] |FATA[|ERRO[|denied: |pull request create failed|svn: E|(error) |Error (|! [|Error HH|Compiler run failed|Parse error|
Unexpected error|! LaTeX Error|! Undefined |! Emergency |lerna ERR!|Your requirements could not|Analysis failed|Liquid Exception|
Warning, treated as error|There was an error|Error opening|Error writing |Error reading |Error querying |Error creating |
Error connecting |Error executing |Error running |Error loading |Error parsing |FAILED: |[Failed] |SCRIPT ERROR:|Sphinx error:|
There were failing tests|The following tests FAILED|[FAIL|syntax error|Error using |Undefined subroutine |Failed tasks:|Database Error|
adb: |gh: |⨯ |error Command "|error - |Error [|Error initializing |Conversion failed|A fatal error occurred|Encountered an error|
Your lock file does not contain|Would reformat|would reformat|Host key verification failed|Permission denied (|SQLSTATE[|Failed with errors|
No tests found, exiting with code 1|Program received signal """)
_INNER = _listed(
    ": error:|: error |: fatal error:|: Error:| - error TS|: fatal:|: undefined reference| ERROR |: ERROR:|: FAIL | FAILED in |: syntax error|: Syntax error:|: FATAL:|: FAILED:"
)
_ANYWHERE = _listed("""
is not recognized as|panicked at|[Errno |Some tests failed|" is invalid: | failed because the | failed with exit code | script failed|
 returned non-zero exit | errored after |version solving failed|is not mergeable|: unable to open |) Error: |An error occurred (|
: command not found: """)
_ENDINGS = (
    ": needs merge", ": command not found", ": not found", ": No such file or directory", ": Permission denied", "| FAIL", "...Failed",
    "(No such file or directory)", ": FAIL", ": FAILED", " test failed", ": File exists", ": unbound variable", '" already exists:',
)  # fmt: skip
_SUCCESSES = _listed("""
OK|PASS|BUILD SUCCESS|Build succeeded|Build successful|All tests passed|All checks passed|All specs passed|Success: |Success!|Passed!|
test result: ok|ok  \t|ok \t|100% tests passed|no errors|No errors|No issues found|no issues found""")
# A step that went well; a later one may still fail (a run after its build, a test after the installation).
_STEPS = _listed("""
Finished |built in |✓ built in|Compiled successfully|webpack compiled successfully|Successfully |up to date|Everything up-to-date|
Your branch is up to date""")
_SUMMARIES = frozenset(
    "✖ × no tests test spec doctest total results result summary failed failures errors passed ran found suites files specs examples scenarios"
    " assertions checks tasks snapshots fail pass failing passing executed completed build job jobs package packages projects targets".split()
)
_BAD = "failed failing failures failure errors error errored broken problems problem offense offenses violations unreachable".split()
_GOOD = frozenset("passed passing succeeded successful pass ok".split())
_NAUGHT = frozenset(("0", "none", "null", "no", "nil", "false", "undefined", "{}", "[]", '""', "''", "n/a"))
# Parts of lines that begin or end every failure of a tool.
_GENERAL = _listed("""
most recent call last|lifecycle|see the full|re-run maven|[help 1]|for more information|please refer|there are test failures|
failed to execute goal|build failed|build failure|could not compile|aborting due to|build stopped|ld returned|test run failed|
short test summary|surefire|complete log|full report|*** [|what went wrong|execution failed for task|expect(received)|try:|run with|
npm error path|npm error command|npm error workspace|npm error location|npm err! path|npm err! command|command failed|process completed|usage:|
failing tests|test failed, to rerun|node.js v|failed to push some refs""")
_SHORT = 60  # characters
_GENERAL_WHEN_SHORT = ("exit code", "exit status", "exited with", "errno", "code 1", "code 2")
_ERRORISH = _listed("""
error|fail|cannot|can't|could not|couldn't|not found|no such|denied|refused|invalid|unknown|unable|exception|missing|not recognized|
is not|undefined|timed out|timeout|rejected|conflict|abort|unrecognized|does not|doesn't|must |expected""")
_SHELLS = frozenset("bash sh zsh dash timeout env nice xargs nohup sudo time stdbuf exec command".split())


def verdict(attempt: attempts.Attempt, text: str) -> str:
    """How an attempt ended whose call succeeded: FAILED, SUCCEEDED, or UNKNOWN if its exit code was hidden and its output says nothing."""
    if not attempt.hidden:
        return SUCCEEDED
    lines = _own_lines(attempt, text)
    printed = next(filter(None, [_exit_in(line, attempt) for line in reversed(lines)]), "")
    if printed:
        return SUCCEEDED if printed in ("0", "True") else FAILED
    if attempt.shows:
        return UNKNOWN
    said = _classes(lines)
    lints = attempt.words != [] and attempt.words[0] in programs.LINTERS
    if "failures" in said or (lints and any(map(_names_place, lines))):
        return FAILED
    if "success" in said:
        return SUCCEEDED
    last = next((word for word in reversed(said) if word in ("form", "step")), "")
    if last != "form":
        return SUCCEEDED if last else UNKNOWN
    forms = [line for line, word in zip(lines, said) if word == "form"]
    shows_log = not said[-1] and all(map(_is_row, forms))
    return UNKNOWN if shows_log else FAILED


def _is_row(line: str) -> bool:
    """Whether it is a row of a log, which begins with a time."""
    first = line.partition(" ")[0].strip("[]")
    return tokens.is_date(first) or tokens.is_clock(first)


def shared_lines(attempt: attempts.Attempt, text: str, last: bool = True) -> list[str]:
    """Digests of a failure's error lines (if it has none and `last`: its last line) without what the call itself put into them.
    Lines that every failure of a tool has, and mere counts, get the prefix WEAK; their digests include the attempt's test selectors."""
    lines = _own_lines(attempt, without_exits(attempt, text))
    found = [line for line, kind in zip(lines, _classes(lines)) if kind in ("form", "failures")]
    if all(map(_is_general, found)):
        found += [line for line in lines if _names_place(line)]
    if not found:
        found = [line for line in lines if _has_any(line.lower(), _ERRORISH)]
        found = found or lines[-1:] * last
    found = found[:FOUND_MAX] + found[FOUND_MAX:][-FOUND_MAX:]
    if errors.says_unreached(text):
        found = [errors.without_hosts(line, [attempt.command]) for line in found]
    strong, weak = [], []
    for line in results.blind("\n".join(found)).split("\n"):
        line = _without_command(attempt, line)
        if _is_general(line):
            # where nothing is printed, what was asked is all there is
            told = line or sorted(value for value in attempt.values if not value.isdigit())
            weak.append(WEAK + digest(f"{attempt.aim} {told}")[:8])
            continue
        for told in (line, _without_values(attempt, line)):
            told = told.replace(": error: ", ": ", 1).strip(_DRESS + "❌")  # xcpretty's form of it
            strong.append(digest(" ".join(told.split()))[:8])
    return _ends(strong) + _ends(weak)


def error_clip(text: str, tool_input: object) -> str:
    """The clip of an error: of a long one the first line, and the last that says what failed (tracebacks and test runs name the cause
    last), without lines that repeat the input and without the tags of a refused input."""
    text = text.removeprefix("<tool_use_error>").removesuffix("</tool_use_error>")
    lines = errors.own_lines(text, tool_input)
    text = "\n".join(lines)
    if len(lines) < 3 or len(text) < CLIP_MAX:
        return clip(text, CLIP_MAX, tool_input)
    return (
        f"{clip(lines[0], HEAD_MAX, tool_input)} … {clip(_telling(lines), CLIP_MAX - HEAD_MAX, tool_input)}"
    )


def _telling(lines: list[str]) -> str:
    """The last of an error's lines, or if that says nothing (a count, `make: *** Error 1`, `Node.js v20`) the last that names a failure."""
    if _tells(lines[-1]):
        return lines[-1]
    told = [line for line in reversed(lines[-LINES_NEAR:]) if _tells(line)]
    forms = (line for line in told if _line_class(line) == "form")
    others = (line for line in told if any(word in line.lower() for word in _ERRORISH))
    return next(forms, "") or next(others, lines[-1])


def _tells(line: str) -> bool:
    return not _is_general(line) and _line_class(line) != "failures"


def _names_place(line: str) -> bool:
    """Whether a line names a place in a file and is no warning: `a.py:12:5: F841 x is never used`."""
    path, _, rest = line.partition(":")
    number = rest.partition(":")[0]
    return number.isdigit() and "." in path and " " not in path and "warn" not in line.lower()


def is_bare(text: str, shared: list[str]) -> bool:
    """Whether a failure's output names no fault, only verdicts and counts: two equal ones may hide different failures. `shared`: its
    `shared_lines`."""
    if any(line[:1] != WEAK for line in shared):
        return False
    more = (line for line in _lines(text) if not _line_class(line) and not _is_general(line))
    return sum(1 for _ in zip(range(TOLD_MIN), more)) < TOLD_MIN


def counts_failures(text: str) -> bool:
    """Whether an output has a summary that counts failures: `1 failed, 4 passed`."""
    lines = [line for line in _lines(text) if any(map(str.isdigit, line))]
    return any(_line_class(line) == "failures" for line in lines)


def _lines(text: str) -> list[str]:
    """The lines at both ends of an output, without colours and surrounding blanks."""
    if len(text) > 2 * LOOKED_AT:
        text = text[:LOOKED_AT] + "\n" + text[-LOOKED_AT:]
    text = results.as_shown(text)
    lines = [line[:_LINE_MAX].strip() for line in text.split("\n") if line.strip()]
    lines = lines[:LINES_READ] + lines[LINES_READ:][-LINES_READ:]
    if results.is_docker_log(text):
        lines = [_without_seconds(line) for line in lines]
    return [_without_label(_without_step(line)) for line in lines]


def _own_lines(attempt: attempts.Attempt, text: str) -> list[str]:
    """The lines without complaints of what the line does besides: `mkdir: cannot create ...`, `bash: line 1: .env: No such file ...`."""
    lines = _lines(text)
    return [line for line in lines if _complainer(line) not in attempt.beside] if attempt.beside else lines


def _complainer(line: str) -> str:
    """The first name in a line with one before a colon, a shell's own left out: `nvm` of `bash: line 1: nvm: command not found`."""
    first, sign, rest = line.partition(": ")
    if first.rpartition("/")[2] in _SHELLS and sign:
        first, _, rest = rest.partition(": ")
        first = rest.partition(": ")[0] if first.removeprefix("line ").isdigit() else first
    return first


def _without_label(line: str) -> str:
    """A line of several programs' output without the name in front: `proj> x`, `api-1  | x`, `web:test: x`, `apps/web test: x`, and of
    Yarn's without its code: `➤ YN0000: · x`."""
    if line.startswith("➤ YN"):
        return line.partition(": ")[2].lstrip("·│┌└ ")
    for sign in ("> ", "| ", ": "):
        head, found, rest = line.partition(sign)
        name = head.rstrip()
        if not found or len(name) > 60 or not name[:1].isalnum() and name[:1] not in "@+":
            continue
        if sign == ": ":
            task = name.replace(":", " ").split()
            labels = len(task) == 2 and task[1] in programs.TASKS
        else:
            numbered = name[-2:-1] in tuple("-.") and name[-1].isdigit()
            labels = name.replace("-", "").replace("_", "").replace(".", "").lstrip("+").isalnum()
            labels = labels and (numbered or (sign == "> " and head == name))
        if labels:
            return rest.strip()
    return line


def _without_step(line: str) -> str:
    """A docker build log's line without step and time: `E: ...` of `#12 0.345 E: ...`."""
    step, _, rest = line.partition(" ")
    return _without_seconds(rest) if step[:1] == "#" and step[1:].isdigit() else line


def _without_seconds(line: str) -> str:
    seconds, _, rest = line.partition(" ")
    return rest if "." in seconds and seconds.replace(".", "").isdigit() else line


def _ends(found: list[str]) -> list[str]:
    found = [*dict.fromkeys(found)]
    return found if len(found) <= LINES_MAX else found[: LINES_MAX // 2] + found[-LINES_MAX // 2 :]


def _exit_in(line: str, attempt: attempts.Attempt) -> str:
    """The exit code of the attempt that a line of its output shows, because its command prints it; "" for none."""
    for before, after in attempt.exits:
        code = line[len(before) : len(line) - len(after)].strip()
        if line.startswith(before) and line.endswith(after) and (code.isdigit() or code in ("True", "False")):
            return code.lstrip("0") or "0"
    return ""


def without_exits(attempt: attempts.Attempt, text: str) -> str:
    """A failure's text without its exit code, which Claude Code adds and the line itself may print, and what else it prints itself."""
    lines = results.without_exit_code(text).split("\n")
    said = {*attempt.said} if attempt.said else ()
    lines = [line for line in lines if not _exit_in(line.strip(), attempt) and line.strip() not in said]
    if "+" in said:
        lines = [line for line in lines if line[:1] != "+" or line.lstrip("+")[:1] != " "]
    if "real" in said:
        lines = [line for line in lines if not line.startswith(("real\t", "user\t", "sys\t"))]
    return "\n".join(lines).rstrip("\n")


def _classes(lines: list[str]) -> list[str]:
    """The class of each line. Equal ones are looked at once: an output can be thousands of them."""
    known = {line: _line_class(line) for line in dict.fromkeys(lines)}
    return [known[line] for line in lines]


def _line_class(line: str) -> str:
    """The class of a line: "failures" (a summary with some), "success" (one without), "form" (of a failure), "step", or ""."""
    bare = line.strip(_DRESS).strip()
    if bare.startswith(_STEPS):
        return "" if bare.startswith("Finished at") else "step"  # Maven, of failures too
    if not bare or bare.startswith(_PASSES):
        return "success" if bare in ("PASS", "ok") or bare.startswith(("ok \t", "ok  \t")) else ""
    bare = bare.removeprefix("[INFO] ").removeprefix("[ERROR] ") if bare.startswith("[INFO]") else bare
    bare = bare.partition(" ERROR SUMMARY: ")[2] or bare  # valgrind
    counted = _counts(bare)
    if counted:
        return counted
    if bare.startswith(("FAILED (", "test result: FAILED")) or bare in ("FAIL", "FAILED"):
        return "failures"
    if bare.startswith(_SUCCESSES):  # but no sentence that begins with OK
        word, bracket, _ = bare.partition(" (")
        alone = word in ("OK", "PASS", "PASSED") if bracket else bare.rstrip(".!") in ("OK", "PASS", "PASSED")
        return "success" if alone or not bare.startswith(("OK", "PASS")) else ""
    if line.startswith("--- FAIL") or (line.startswith("** ") and bare.endswith(" FAILED")):
        return "failures"
    if line[:1] in "=-#*" and not line.startswith(("** (", "*** [")):
        return ""  # a heading, a list
    said = line if line[:1] == "*" else bare
    form = line.startswith(("E   ", "E: ")) or (said.startswith(_FORMS) and not _is_naught(bare))
    return "form" if form or _is_error_line(bare) else ""


def _is_naught(bare: str) -> bool:
    """Whether a line denies an error: `error: none`, `Errors: 0`."""
    said = bare.partition(":")[2].strip().rstrip(",.;").lower()
    return said in _NAUGHT or bare in ("errors", "Errors", "ERRORS")


def _is_error_line(bare: str) -> bool:
    """Whether a line names an error: `b.c:2:8: error: ...`, `ValueError: ...`, `x: command not found`."""
    first, *others = bare.removeprefix("vet: ").split(None, 2)
    name = first.rstrip(":").rpartition(".")[2]
    if bare.endswith(_ENDINGS) or _has_any(bare, _ANYWHERE):
        return True
    if first[-1:] == ":" and name.endswith(("Error", "Exception", "Failure")) and name[:1].isupper():
        return True
    if first == "Failed" and bare.endswith("s]"):
        return True  # VSTest: Failed A.CartTests.Adds [12 ms]
    eslint = others[:1] == ["error"] and first.replace(":", "", 1).isdigit()  # 12:7  error  x is never used
    # ./a.go:3:2: undefined: x
    go = ".go:" in first and first.count(":") > 2 and first.strip("./:")[-1:].isdigit()
    ruby = ":in " in bare and bare.endswith("Error)")
    place = "." in first or ":" in first or "(" in first or first.isupper()
    named = place and _has_any(bare, _INNER) and not _is_naught(bare.rpartition("error")[2])
    return eslint or go or ruby or named


def _counts(bare: str) -> str:
    """What a summary says: "failures" if it counts some, "success" if none or only passes; "" if it is no summary."""
    if "unreachable=" in bare:  # Ansible's recap
        bare = "results: " + bare[bare.find("ok=") :].replace("=", ": ")
    spaced = bare.replace("|", " ").replace("=", " ").replace(":", ": ").split()[:40]
    words = list(filter(None, (word.strip("()[]{}|,.;!=").lower() for word in spaced)))
    words = words[1:] if words[1:2] == ["found"] else words  # svelte-check found 3 errors
    first = words[0] if words else ""
    if not first.rstrip("%").isdigit() and first.rstrip(":") not in _SUMMARIES:
        return ""
    if len(words) == 2 and words[1] in ("fail", "pass"):
        words = words[::-1]  # 3 fail
    if len(words) == 2 and words[0] in ("fail", "pass") and words[1].isdigit():
        return "" if words[1] == "0" else "failures" if words[0] == "fail" else "success"
    bad = good = naught = 0
    with_warnings = "errors" in words or "error" in words
    for at, word in enumerate(words):
        name = word.rstrip(":")
        if (name not in _BAD and name not in _GOOD) or (with_warnings and name in ("problem", "problems")):
            continue
        before = words[at - 1] if at else ""
        if before in _SUMMARIES and before != "no" and at > 1:  # 1 job failed
            before = words[at - 2]
        after = words[at + 1] if word[-1:] == ":" and at + 1 < len(words) else ""
        count = after if after.isdecimal() else "0" if before == "no" else before.rstrip("%")
        if not count.isdecimal():
            continue
        some = int(count[:9]) > 0
        if name in _GOOD:
            good += some
        else:
            bad, naught = bad + some, naught + (not some)
    if good and not bad and _lacks_some(words):
        return "failures"
    return "failures" if bad else "success" if good or naught else ""


def _lacks_some(words: list[str]) -> bool:
    """Whether the counts of a summary add up to less than its total: `1 successful, 2 total`, of Turborepo."""
    at = words.index("total") if "total" in words else 0
    numbers = [int(word[:9]) for word in words if word.isdecimal()]
    return words[at - 1].isdecimal() and sum(numbers) < 2 * int(words[at - 1][:9]) if at else False


def _is_general(line: str) -> bool:
    """Whether a line does not say what failed: a count, a banner, a bare verdict, a file's name, where the log is."""
    bare = line.strip(_DRESS).strip()
    low = bare.lower()
    if len(low) < 4 or (bare.isupper() and bare.isalpha()):
        return True
    short = low.endswith(".log") or (len(low) <= _SHORT and _has_any(low, _GENERAL_WHEN_SHORT))
    if short or _has_any(low, _GENERAL) or _counts(bare):
        return True
    verdict, *words = bare.split()
    if verdict.strip(":[]").lower() not in ("failed", "fail", "error", "e", "assertionerror"):
        return False
    if words[1:] and not (verdict == "FAIL" and words[1:] == ["D"]):
        return False
    name = words[0] if words else ""
    bare_error = verdict == "E" and name.endswith("Error")
    return not name or ("::" not in name and ("/" in name or "." in name or bare_error))


def _without_command(attempt: attempts.Attempt, line: str) -> str:
    """The line without the command and its directory; one wording for each shell's `not found`."""
    if " " in attempt.command and attempt.command in line:
        line = line.replace(attempt.command, "")
    missing = _not_found(line)
    if missing:
        return f"{missing} was not found"
    if attempt.directory:
        line = line.replace(attempt.directory.rstrip("/") + "/", "")
    return line.replace("./", "")


def _without_values(attempt: attempts.Attempt, line: str) -> str:
    """The line without options and the values of options and variables."""
    kept = []
    for word in line.split():
        core = word.strip("\"'`()[]{}<>,.:;=")
        option = core[:1] == "-" and len(core) > 1 and not core[1:2].isdigit()
        if not option and core not in attempt.values:
            kept.append(word)
    return " ".join(kept)


def _not_found(line: str) -> str:
    """The program that a shell or wrapper did not find; "" for any other line."""
    if line.startswith("zsh: command not found: "):
        return line[24:]
    parts = [part.strip(" '\"‘’`") for part in line.split(":")]
    if len(parts) < 2 or parts[-1] not in ("command not found", "not found", "No such file or directory"):
        return ""
    first = parts[0].rpartition("/")[2]
    if parts[-1] != "command not found" and first not in _SHELLS:
        return ""
    return parts[-2].removeprefix("failed to run command").strip(" '\"‘’`")
