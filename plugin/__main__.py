"""The command line: the verbs of `python3 plugin`, their options, and the module of each."""

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # until `start`, so that Ctrl-C while modules load prints no traceback
import argparse
import difflib
import importlib
import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SELF = "circuit-breaker"


def parser() -> argparse.ArgumentParser:
    """The argument parser. Each verb sets `module` and `function`."""
    top = argparse.ArgumentParser(
        prog=SELF if os.path.basename(sys.argv[0]) == SELF else "python3 plugin",
        description="Stops Claude Code when it gets stuck in a loop, and cleans up old session files.",
        epilog="`help VERB` lists the options of a verb.",
    )
    top.add_argument("--version", action="store_true", help="print the version")
    verbs = top.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)

    def verb(name: str, module: str, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(module=module, function=name)
        return added

    one = verb("status", "operate", "what protects you here, what is blocked, why, and how to unblock it")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")
    one.add_argument("--memory", action="store_true", help="also show disk use and limits")
    one.add_argument(
        "--circuit",
        metavar="NAME",
        help="one circuit or rule only; exit code 1 if there is none of that name",
    )
    one.add_argument("--session", metavar="ID", help="one session only (an id or its beginning)")
    one.add_argument("--project", metavar="PATH", help="one project only; else every session of all projects")
    one.add_argument("--all", action="store_true", help="every rule and circuit, ended sessions included")
    one.add_argument(
        "--line", action="store_true", help="one line, for a status line; empty when nothing is open"
    )
    one.add_argument("--watch", action="store_true", help="refresh every two seconds until Ctrl-C")
    one.add_argument("--plain", action="store_true", help="no symbols")

    one = verb("reset", "operate", "unblock calls (logged)")
    which = one.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="every circuit")
    which.add_argument(
        "--circuit", metavar="NAME", help="one circuit (RULE:SUBJECT) or a rule's circuits (RULE)"
    )
    one.add_argument("--session", metavar="ID", help="one session only (an id or its beginning)")
    one.add_argument("--project", metavar="PATH", help="one project only; else every session of all projects")

    one = verb("incidents", "incidents", "what happened: trips, probes, stopped turns, bypasses")
    one.add_argument(
        "--since", type=_since, default="24h", metavar="TIME", help="90m, 24h, 7d or a date (default: 24h)"
    )
    one.add_argument("--session", metavar="ID", help="one session only (an id or its beginning)")
    one.add_argument("--circuit", metavar="NAME", help="one circuit or rule only")
    one.add_argument("--project", metavar="PATH", help="one project only; else all projects")
    one.add_argument("--json", action="store_true", help="one JSON object; with --follow one object per line")
    one.add_argument("--follow", action="store_true", help="keep printing new ones until Ctrl-C")

    one = verb("explain", "explain", "why the last call was blocked, or whether this one would be")
    one.add_argument("--last", action="store_true", help="explain the last block (the default)")
    one.add_argument("tool", nargs="?", metavar="TOOL", help="Bash, Edit, mcp__server__tool ...")
    one.add_argument("input", nargs="?", metavar="INPUT_JSON", help="its input; for Bash just the command")
    one.add_argument("--session", metavar="ID", help="one session (its id or its beginning)")

    one = verb("report", "report.report", "write an HTML page: what was stopped and what was wasted")
    one.add_argument(
        "session", nargs="?", metavar="SESSION", help="one session only (its id or its beginning)"
    )
    one.add_argument(
        "--since", type=_since, default="12h", metavar="TIME", help="90m, 12h, 7d or a date (default: 12h)"
    )
    one.add_argument("--project", metavar="PATH", help="one project only; else all projects")
    one.add_argument(
        "--mode",
        choices=("enforce", "observe"),
        help="only what was stopped, or only what would have been stopped",
    )
    one.add_argument(
        "-o", "--output", metavar="FILE.html", help="default: circuit-breaker-report.html in this folder"
    )

    one = verb("sweep", "housekeeping", "run the session-start cleanup now")
    one.add_argument(
        "--dry-run", action="store_true", help="print what would be done and why; change nothing"
    )
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")

    one = verb("restore", "housekeeping", "restore an archived file; existing files are never overwritten")
    one.add_argument("archive", nargs="?", metavar="ARCHIVE", help="a name that --list shows")
    one.add_argument(
        "files", nargs="*", metavar="FILE", help="for an archive of `clean`: only this path or session id"
    )
    one.add_argument("--list", action="store_true", help="list the archives")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")

    one = verb("clean", "clean", "show Claude Code's own folder; archive or delete old files in it")
    one.add_argument(
        "--kind", nargs="+", action="extend", metavar="KIND", help="only these kinds (default: all)"
    )
    one.add_argument("--older-than", metavar="AGE", help="only files written longer ago (default: 30d)")
    one.add_argument("--project", metavar="PATH", help="only the sessions of one project")
    one.add_argument("--max-total", metavar="SIZE", help="the oldest first, until the rest is this small")
    which = one.add_mutually_exclusive_group()
    which.add_argument("--apply", action="store_true", help="archive them (`restore` brings them back)")
    which.add_argument("--delete", action="store_true", help="delete them without an archive; needs --kind")
    one.add_argument("--yes", action="store_true", help="do not ask before --delete")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")

    one = verb("replay", "replay", "show what would have tripped in recorded sessions")
    one.add_argument(
        "paths", nargs="+", metavar="FILE_OR_FOLDER", help="transcripts or recorded hook events (.jsonl, .gz)"
    )
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")
    own = one.add_mutually_exclusive_group()
    own.add_argument("--config", metavar="FILE", help="use this config file instead of your own")
    own.add_argument("--defaults", action="store_true", help="use the defaults instead of your own config")
    one.add_argument("--enforce", action="store_true", help="leave out the calls that would have been denied")

    one = verb("calibrate", "calibrate", "learn budget limits from your own past prompts")
    one.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        help="transcripts (default: all projects of Claude Code)",
    )
    one.add_argument(
        "--risk",
        type=_share,
        default="0.05",
        help="share of good prompts that can cross a limit (default: 0.05)",
    )
    one.add_argument("--apply", action="store_true", help="write the two limits to your config file")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")

    one = verb("doctor", "doctor.doctor", "check the installation, with a fix for each fault")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")
    one.add_argument("--fix", action="store_true", help="fix what can be fixed")

    one = verb("export", "export", "send incidents and counters to an OpenTelemetry collector")
    one.add_argument("kind", choices=("otlp",), help="the protocol")
    one.add_argument(
        "--endpoint", metavar="URL", default="", help="base URL; /v1/logs and /v1/metrics are appended"
    )
    one.add_argument(
        "--since",
        type=_since,
        metavar="TIME",
        help="send all incidents since then (24h, 7d), even if sent before",
    )
    one.add_argument("--test", action="store_true", help="send one test event")
    one.add_argument(
        "--install", action="store_true", help="install the OpenTelemetry packages (hashed, by pip)"
    )

    verb("demo", "demo", "watch a runaway session being stopped in a throw-away project")

    one = verb("config", "configure", "show, check and change the configuration")
    actions = one.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("path", help="the files that are read")
    two = actions.add_parser("show", help="the values that apply here")
    two.add_argument("--origin", action="store_true", help="where each value comes from")
    two.add_argument("--json", action="store_true", help="one JSON object instead of text")
    two = actions.add_parser("check", help="what is wrong; exit code 1 if anything is")
    two.add_argument("--json", action="store_true", help="one JSON object instead of text")
    for name, text in (("set", "change one key and keep the rest of the file"), ("unset", "remove one key")):
        two = actions.add_parser(name, help=text)
        two.add_argument(
            "key", metavar="KEY", help="a key that `config show` lists, or its end: tool_failure.threshold"
        )
        if name == "set":
            two.add_argument("value", metavar="VALUE", help="JSON, or a plain word")
        two.add_argument("--project", action="store_true", help="in the project's config file, not in yours")

    one = verb("mode", "operate", "switch between blocking and only recording")
    one.add_argument("mode", choices=("observe", "enforce"))

    for name, text in (
        ("install", "register the hooks and commands"),
        ("uninstall", "remove exactly what install added"),
    ):
        one = verb(name, "installer", text)
        one.add_argument(
            "--scope", choices=("user", "project", "local"), default="user", help="default: user"
        )
        one.add_argument("--dry-run", action="store_true", help="show what would change; change nothing")
        one.add_argument("--json", action="store_true", help="one JSON object instead of text")
        if name == "install":
            one.add_argument(
                "--migrate", action="store_true", help="replace registrations of the older hook scripts"
            )
            one.add_argument(
                "--claude-md", action="store_true", help="add a short section for Claude to CLAUDE.md"
            )
            one.add_argument(
                "--deny-rules",
                action="store_true",
                help="also add permission rules against editing the breaker's files",
            )
            one.add_argument(
                "--no-command", action="store_true", help="do not create ~/.local/bin/circuit-breaker"
            )
        else:
            one.add_argument("--purge", action="store_true", help="also remove state and config")
            one.add_argument("--archives", action="store_true", help="with --purge: the archives too")

    one = verb("completion", "completion", "print the completion script for a shell")
    one.add_argument("shell", choices=("bash", "zsh", "fish"))
    one.set_defaults(parser=top)
    return top


def _share(text: str) -> object:
    """The value of --risk."""
    return importlib.import_module("calibrate").risk(text)


def _since(text: str) -> object:
    """The value of --since, in epoch seconds."""
    return importlib.import_module("period").since(text)


def main(arguments: "list[str] | None" = None) -> int:
    """Run one verb. Returns the exit code: 0 done, 1 the answer is no, 2 wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            return run(given)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # nobody reads stdout any more
        code = 0
    except OSError as error:  # from the verb, or from printing on a full disk
        from install.disk import words_of

        print(f"{(given or [SELF])[0]}: {words_of(error)}. Fix that, then try again.", file=sys.stderr)
        code = 1
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what the interpreter writes at its exit
    return code


def run(given: "list[str]") -> int:
    """Run one verb. Returns the exit code. Raises OSError, and SystemExit from argparse."""
    top = parser()
    if given[:1] == ["help"]:
        given = [*given[1:2], "--help"]
    if given[:1] == ["--version"]:
        print("circuit-breaker " + json.loads((ROOT / "plugin.json").read_text(encoding="utf-8"))["version"])
        return 0
    unknown = misspelt(top, given)
    if unknown:
        print(unknown, file=sys.stderr)
        return 2
    options = top.parse_args(given)
    try:
        module = importlib.import_module(options.module)
    except EOFError:  # a full disk tore a file of Python's cache, which Python never renews
        for cache in ROOT.rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)
        module = importlib.import_module(options.module)
    return int(getattr(module, options.function)(options))


def misspelt(top: argparse.ArgumentParser, given: "list[str]") -> str:
    """The message for an unknown verb, with the nearest one; "" for a known verb or an option."""
    verbs = next(a.choices for a in top._actions if isinstance(a, argparse._SubParsersAction))
    if not given or given[0].startswith("-") or given[0] in verbs:
        return ""
    near = difflib.get_close_matches(given[0], verbs, 1)
    hint = f"Did you mean `{near[0]}`?" if near else f"`{top.prog} help` lists them."
    return f"{top.prog}: there is no verb {given[0]!r}. {hint}"


def unfit() -> str:
    """Why this Python cannot run the plugin; "" if it can. Python 3.6 must be able to read this file: no newer syntax."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 9) or sys.implementation.name != "cpython":
        return f"circuit-breaker needs CPython 3.9 or later; {sys.executable} is {sys.implementation.name} {version}."
    return ""


def start() -> int:
    """The entry point: sets up the module path and the streams, then runs the verb."""
    if unfit():
        print(unfit(), file=sys.stderr)
        return 1
    sys.path[:0] = [str(ROOT / "plugin"), str(ROOT / "lib")]
    sys.argv[0] = globals().get(
        "CALLED", sys.argv[0]
    )  # set by the command that install made, because runpy hides its name
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        # for file names that are not text, and terminals without Unicode
        getattr(sys, name).reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


if __name__ == "__main__":
    sys.exit(start())
