"""The command line: the verbs of `python3 plugin`, their options, and the module of each."""

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    # until `console`, so that Ctrl-C while modules load prints no traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
import argparse
import difflib
import importlib
import os
import re
import shutil
import sys
import time
from datetime import datetime
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction
    from types import ModuleType
    from typing import Any, Callable

    Verb = Callable[..., argparse.ArgumentParser]

ROOT = Path(__file__).resolve().parent.parent
SELF = "circuit-breaker"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# The help of options that several verbs have.
SHARED = {
    "--json": "one JSON object instead of text",
    "--session ID": "one session only (an id or its beginning)",
    "--circuit NAME": "one circuit or rule only",
    "--project PATH": "one project only; else all projects",
    "--dry-run": "show what would be done; change nothing",
}


def parser() -> argparse.ArgumentParser:
    """The argument parser. Each verb sets `module` and `function`; `verbs` is all of them."""
    top = argparse.ArgumentParser(
        prog=SELF if os.path.basename(sys.argv[0]) == SELF else "python3 plugin",
        description="Stops Claude Code when it gets stuck in a loop, and cleans up old session files.",
        epilog="`help VERB` lists the options of a verb.",
    )
    version = f"{SELF} {_module('shared').version()}"
    top.add_argument("--version", action="version", version=version, help="print the version")
    verbs = top.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)
    top.set_defaults(verbs=verbs, project=None, circuit=None, line=False)

    def verb(name: str, module: str, text: str, *shared: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(module=module, function=name)
        for usage in shared:
            add_option(added, usage, SHARED[usage])
        return added

    for define in (_of_circuits, _of_files, _of_recordings, _of_installations):
        define(verb)
    return top


def _of_circuits(verb: "Verb") -> None:
    """The verbs about what is blocked and what happened."""
    text = "what protects you here, what is blocked, why, and how to unblock it"
    one = verb("status", "operate", text, "--json", "--session ID", "--project PATH")
    add_option(one, "--memory", "also show disk use and limits")
    add_option(one, "--circuit NAME", "one circuit or rule only; exit code 1 if there is none of that name")
    add_option(one, "--all", "every rule and circuit, ended sessions included")
    add_option(one, "--line", "one line, for a status line; empty when nothing is open")
    add_option(one, "--watch", "refresh every two seconds until Ctrl-C")
    add_option(one, "--plain", "no symbols")

    one = verb("reset", "operate", "unblock calls (logged)", "--session ID", "--project PATH")
    which = one.add_mutually_exclusive_group(required=True)
    add_option(which, "--all", "every circuit")
    add_option(which, "--circuit NAME", "one circuit (RULE:SUBJECT) or a rule's circuits (RULE)")

    text = "what happened: trips, probes, stopped turns, bypasses"
    one = verb("incidents", "incidents", text, "--session ID", "--circuit NAME", "--project PATH")
    add_option(one, "--since TIME", "90m, 24h, 7d or a date (default: 24h)", type=_since, default="24h")
    add_option(one, "--json", "one JSON object; with --follow one object per line")
    add_option(one, "--follow", "keep printing new ones until Ctrl-C")

    text = "why the last call was blocked, or whether this one would be"
    one = verb("explain", "explain", text, "--session ID")
    add_option(one, "--last", "explain the last block (the default)")
    add_option(one, "tool TOOL", "Bash, Edit, mcp__server__tool ...", nargs="?")
    add_option(one, "input INPUT_JSON", "its input; for Bash just the command", nargs="?")

    text = "write an HTML page: what was stopped and what was wasted"
    one = verb("report", "report.report", text, "--project PATH")
    add_option(one, "session SESSION", SHARED["--session ID"], nargs="?")
    add_option(one, "--since TIME", "90m, 12h, 7d or a date (default: 12h)", type=_since, default="12h")
    modes = ("enforce", "observe")
    add_option(one, "--mode", "only what was stopped, or only what would have been stopped", choices=modes)
    add_option(one, "-o --output FILE.html", "default: circuit-breaker-report.html in this folder")


def _of_files(verb: "Verb") -> None:
    """The verbs about old files."""
    verb("sweep", "housekeeping", "run the session-start cleanup now", "--json", "--dry-run")

    text = "restore an archived file; existing files are never overwritten"
    one = verb("restore", "housekeeping", text, "--json")
    add_option(one, "archive ARCHIVE", "a name that --list shows", nargs="?")
    add_option(one, "files FILE", "for an archive of `clean`: only this path or session id", nargs="*")
    add_option(one, "--list", "list the archives")

    one = verb("clean", "clean", "show Claude Code's own folder; archive or delete old files in it", "--json")
    add_option(one, "--kind KIND", "only these kinds (default: all)", nargs="+", action="extend")
    add_option(one, "--older-than AGE", "only files written longer ago (default: 30d)", default="30d")
    add_option(one, "--project PATH", "only the sessions of one project")
    add_option(one, "--max-total SIZE", "the oldest first, until the rest is this small")
    which = one.add_mutually_exclusive_group()
    add_option(which, "--apply", "archive them (`restore` brings them back)")
    add_option(which, "--delete", "delete them without an archive; needs --kind")
    add_option(one, "--yes", "do not ask before --delete")


def _of_recordings(verb: "Verb") -> None:
    """The verbs that read recorded sessions."""
    one = verb("replay", "replay", "show what would have tripped in recorded sessions", "--json")
    add_option(one, "paths FILE_OR_FOLDER", "transcripts or recorded hook events (.jsonl, .gz)", nargs="+")
    which = one.add_mutually_exclusive_group()
    add_option(which, "--config FILE", "use this config file instead of your own")
    add_option(which, "--defaults", "use the defaults instead of your own config")
    add_option(one, "--enforce", "leave out the calls that would have been denied")

    one = verb("calibrate", "calibrate", "learn budget limits from your own past prompts", "--json")
    add_option(one, "folders FOLDER", "transcripts (default: all projects of Claude Code)", nargs="*")
    text = "share of good prompts that can cross a limit (default: 0.05)"
    add_option(one, "--risk RISK", text, type=_share, default="0.05")
    add_option(one, "--apply", "write the two limits to your config file")


def _of_installations(verb: "Verb") -> None:
    """The verbs about an installation and its configuration."""
    one = verb("doctor", "doctor.doctor", "check the installation, with a fix for each fault", "--json")
    add_option(one, "--fix", "fix what can be fixed")

    one = verb("export", "export", "send incidents and counters to an OpenTelemetry collector")
    add_option(one, "kind", "the protocol", choices=("otlp",))
    add_option(one, "--endpoint URL", "base URL; /v1/logs and /v1/metrics are appended", default="")
    add_option(
        one, "--since TIME", "send all incidents since then (24h, 7d), even if sent before", type=_since
    )
    add_option(one, "--test", "send one test event")
    add_option(one, "--install", "install the OpenTelemetry packages (hashed, by pip)")

    verb("demo", "demo", "watch a runaway session being stopped in a throw-away project")

    one = verb("config", "configure", "show, check and change the configuration")
    actions = one.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("path", help="the files that are read")
    two = actions.add_parser("show", help="the values that apply here")
    add_option(two, "--origin", "where each value comes from")
    add_option(two, "--json", SHARED["--json"])
    two = actions.add_parser("check", help="what is wrong; exit code 1 if anything is")
    add_option(two, "--json", SHARED["--json"])
    for name, text in (("set", "change one key and keep the rest of the file"), ("unset", "remove one key")):
        two = actions.add_parser(name, help=text)
        add_option(two, "key KEY", "a key that `config show` lists, or its end: tool_failure.threshold")
        if name == "set":
            add_option(two, "value VALUE", "JSON, or a plain word")
        add_option(two, "--project", "in the project's config file, not in yours")

    one = verb("mode", "configure", "switch between blocking and only recording")
    add_option(one, "mode", "only record, or block", choices=("observe", "enforce"))

    install = verb("install", "installer", "register the hooks and commands", "--json", "--dry-run")
    uninstall = verb("uninstall", "installer", "remove exactly what install added", "--json", "--dry-run")
    for one in (install, uninstall):
        add_option(one, "--scope", "default: user", choices=("user", "project", "local"), default="user")
    add_option(install, "--migrate", "replace registrations of the older hook scripts")
    add_option(install, "--claude-md", "add a short section for Claude to CLAUDE.md")
    add_option(install, "--deny-rules", "also add permission rules against editing the breaker's files")
    add_option(install, "--no-command", "do not create ~/.local/bin/circuit-breaker")
    add_option(uninstall, "--purge", "also remove state and config")
    add_option(uninstall, "--archives", "with --purge: the archives too")

    one = verb("completion", "completion", "print the completion script for a shell")
    add_option(one, "shell", "the shell", choices=("bash", "zsh", "fish"))


def add_option(to: "argparse._ActionsContainer", usage: str, text: str, **more: "Any") -> None:
    """Add to a parser what `usage` names: `--switch`, `--option VALUE` or `argument VALUE`."""
    words = usage.split()
    names = [word for word in words if word.startswith("-")] or words[:1]
    if words[len(names) :]:
        more["metavar"] = words[-1]
    elif "choices" not in more:
        more["action"] = "store_true"
    to.add_argument(*names, help=text, **more)


def _share(text: str) -> "Fraction":
    """The value of --risk, written as 0.05 or 5%."""
    from fractions import Fraction

    try:
        value = Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not Fraction(1, 1000) <= value <= Fraction(1, 2):
        raise argparse.ArgumentTypeError(f"{text}: expected a share from 0.001 to 0.5")
    return value


def _since(text: str) -> float:
    """The value of --since, in epoch seconds: `24h`, `90m`, `7d` or an ISO date and time."""
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found:
        return time.time() - int(found[1]) * SECONDS[found[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        hint = "give 90m, 24h, 7d, or a date such as 2026-11-29T08:00"
        raise argparse.ArgumentTypeError(f"{text!r}: {hint}") from None


def main() -> int:
    """Run one verb. Returns the exit code: 0 done, 1 the answer is no, 2 wrong usage."""
    given = sys.argv[1:]
    try:
        try:
            return run_verb(given)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # nobody reads stdout any more
        why = ""
    except ImportError as error:  # files of two versions, after an update that was killed
        why = f"this copy of the plugin is incomplete ({error}). Get a fresh copy and run its `install`."
    except MemoryError:
        why = "not enough memory. Free some, or raise `ulimit -v`, then try again."
    except OSError as error:  # from the verb, or from printing on a full disk
        from install.disk import error_text

        from circuit_breaker.words.texts import printable

        why = printable(f"{error_text(error)}. Fix that, then try again.", "\n\t")
    if why:
        print(f"{(given or [SELF])[0]}: {why}", file=sys.stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what the interpreter writes at its exit
    return bool(why)


def run_verb(given: "list[str]") -> int:
    """Run one verb. Returns the exit code. Raises OSError, and SystemExit from argparse."""
    shared = _module("shared")
    top = parser()
    if given[:1] == ["help"]:
        given = [*given[1:2], "--help"]
    check_verb(top, given)
    options = top.parse_args(given)
    for name in ("session", "circuit", "project"):
        if getattr(options, name, None) == "":
            top.error(f"{name}: the value is empty, which would choose everything")
    try:
        in_session = "CLAUDE_CODE_SESSION_ID" in os.environ  # only then it can be Claude's own shell
        changes = in_session and _module("circuit_breaker.guard").refused(options.verb, given[1:])
        why = changes and _module("circuit_breaker.runtime.guarded").verb_refusal(changes, os.environ)
        if why:
            raise shared.Refusal(why)
        if options.verb != "demo":  # which has settings of its own
            os.environ.update({**_module("install.scopes").plugin_options(), **os.environ})
        try:
            return int(getattr(_module(options.module), options.function)(options))
        finally:
            shared.progress.end()
    except shared.Refusal as refusal:
        shared.answer(getattr(options, "json", False), "", ok=False, problem=str(refusal))
        shared.say(f"{options.verb}: {refusal}", sys.stderr)
        return refusal.code
    except OSError as error:
        from install.disk import error_text

        shared.answer(getattr(options, "json", False), "", ok=False, problem=error_text(error))
        raise


def _module(name: str) -> "ModuleType":
    try:
        return importlib.import_module(name)
    except EOFError:  # a full disk tore a file of Python's cache, which Python never renews
        for cache in ROOT.rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)
        return importlib.import_module(name)


def check_verb(top: argparse.ArgumentParser, given: "list[str]") -> None:
    """Name the nearest verb and exit if there is none of that name. Raises SystemExit."""
    verbs = top.get_default("verbs").choices
    if given and not given[0].startswith("-") and given[0] not in verbs:
        near = difflib.get_close_matches(given[0], verbs, 1)
        hint = f"Did you mean `{near[0]}`?" if near else f"`{top.prog} help` lists them."
        top.exit(2, f"{top.prog}: there is no verb {given[0]!r}. {hint}\n")


def unfit() -> str:
    """Why this Python cannot run the plugin; "" if it can. Python 3.6 must be able to read this file: no newer syntax."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 9) or sys.implementation.name != "cpython":
        return f"circuit-breaker needs CPython 3.9 or later; {sys.executable} is {sys.implementation.name} {version}."
    return ""


def console() -> int:
    """The entry point: sets up the module path and the streams, then runs the verb."""
    if unfit():
        print(unfit(), file=sys.stderr)
        return 1
    sys.path[:0] = [str(ROOT / "plugin"), str(ROOT / "lib")]
    # CALLED is set by the command that install made, because runpy hides its name
    sys.argv[0] = globals().get("CALLED", sys.argv[0])
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        # for file names that are not text, and terminals without Unicode
        getattr(sys, name).reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


if __name__ == "__main__":
    sys.exit(console())
