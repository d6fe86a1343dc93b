"""The command line: the verbs of `python3 plugin`, their options, and the module that carries each out."""

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # until `start`: Ctrl-C while modules load needs no traceback
import argparse
import difflib
import importlib
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SELF = "circuit-breaker"


def parser() -> argparse.ArgumentParser:
    """The command line. Each verb names the module and the function that carry it out."""
    top = argparse.ArgumentParser(
        prog=SELF if os.path.basename(sys.argv[0]) == SELF else "python3 plugin",
        description="Stops Claude Code when it gets stuck in a loop, and keeps what sessions leave behind small.",
        epilog="`help VERB` says more about one of them.",
    )
    top.add_argument("--version", action="store_true", help="print the version")
    verbs = top.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)

    def verb(name: str, module: str, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(module=module, function=name)
        return added

    one = verb("status", "operate", "what protects you here, what is blocked, why, and what unblocks it")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")
    one.add_argument("--memory", action="store_true", help="sizes and limits of what sessions leave behind")
    one.add_argument(
        "--circuit", metavar="NAME", help="one circuit or rule only; exit 1 if there is none of that name"
    )
    one.add_argument("--session", metavar="ID", help="one session only (an id or its beginning)")
    one.add_argument("--project", metavar="PATH", help="one project only; else every session of all projects")
    one.add_argument("--all", action="store_true", help="every rule and circuit, ended sessions included")
    one.add_argument(
        "--line", action="store_true", help="one line, for a status line; empty when nothing is open"
    )
    one.add_argument("--watch", action="store_true", help="show again every two seconds until Ctrl-C")
    one.add_argument("--plain", action="store_true", help="words alone, no symbols")

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
    one.add_argument("--json", action="store_true", help="one JSON object; with --follow one a line")
    one.add_argument("--follow", action="store_true", help="go on as more happens, until Ctrl-C")

    one = verb("explain", "explain", "why the last call was blocked, or whether this one would be")
    one.add_argument("--last", action="store_true", help="the last block (also without arguments)")
    one.add_argument("tool", nargs="?", metavar="TOOL", help="Bash, Edit, mcp__server__tool ...")
    one.add_argument(
        "input", nargs="?", metavar="INPUT_JSON", help="its input; for Bash the command is enough"
    )
    one.add_argument("--session", metavar="ID", help="one session (its id or its beginning)")

    one = verb("report", "report.report", "what was stopped and wasted in a period, as one HTML file")
    one.add_argument(
        "session", nargs="?", metavar="SESSION", help="one session only (its id or its beginning)"
    )
    one.add_argument(
        "--since", type=_since, default="12h", metavar="TIME", help="90m, 12h, 7d or a date (default: 12h)"
    )
    one.add_argument("--project", metavar="PATH", help="one project only; else all projects")
    one.add_argument(
        "--mode", choices=("enforce", "observe"), help="only what was stopped, or only what would have been"
    )
    one.add_argument("-o", "--output", metavar="FILE.html", help="default: circuit-breaker-report.html here")

    one = verb("sweep", "housekeeping", "run the session-start cleanup now")
    one.add_argument(
        "--dry-run", action="store_true", help="print the plan with the reason for each file; change nothing"
    )
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")

    one = verb("restore", "housekeeping", "put an archived file back; never over an existing one")
    one.add_argument("archive", nargs="?", metavar="ARCHIVE", help="a name as --list shows it")
    one.add_argument(
        "files", nargs="*", metavar="FILE", help="of an archive of `clean`: a path or a session id"
    )
    one.add_argument("--list", action="store_true", help="list the archives")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")

    one = verb("clean", "clean", "show Claude Code's own folder; archive or delete what is old in it")
    one.add_argument(
        "--kind", nargs="+", action="extend", metavar="KIND", help="only these kinds (default: all)"
    )
    one.add_argument("--older-than", metavar="AGE", help="leave what was written since (default: 30d)")
    one.add_argument("--project", metavar="PATH", help="only the sessions of one project")
    one.add_argument(
        "--max-total", metavar="SIZE", help="the oldest first, until the rest of these kinds fits"
    )
    which = one.add_mutually_exclusive_group()
    which.add_argument("--apply", action="store_true", help="archive: `restore` gives it back")
    which.add_argument("--delete", action="store_true", help="delete without an archive; needs --kind")
    one.add_argument("--yes", action="store_true", help="do not ask before --delete")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")

    one = verb("replay", "replay", "run recorded sessions through the engine: what would have tripped")
    one.add_argument(
        "paths", nargs="+", metavar="FILE_OR_FOLDER", help="hook events (.jsonl, .gz) or transcripts"
    )
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")
    own = one.add_mutually_exclusive_group()
    own.add_argument(
        "--config", metavar="FILE", help="this config file over the defaults instead of your own"
    )
    own.add_argument("--defaults", action="store_true", help="the defaults instead of your own config")
    one.add_argument("--enforce", action="store_true", help="drop the calls that would have been denied")

    one = verb("calibrate", "calibrate", "learn budget limits from your own past prompts")
    one.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        help="transcripts (default: those of Claude Code, all projects)",
    )
    one.add_argument(
        "--risk",
        type=_share,
        default="0.05",
        help="share of good prompts that may cross a limit (default 0.05)",
    )
    one.add_argument("--apply", action="store_true", help="write the two limits to your config file")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")

    one = verb("doctor", "doctor.doctor", "check the installation; each finding with its fix")
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
        help="send the incidents of the logs since then (24h, 7d), sent or not",
    )
    one.add_argument("--test", action="store_true", help="send one event of its own")
    one.add_argument(
        "--install", action="store_true", help="install the OpenTelemetry packages (hashed, by pip)"
    )

    verb("demo", "demo", "watch a runaway session being stopped, in a throw-away project")

    one = verb("config", "configure", "show, check and change the configuration")
    actions = one.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("path", help="the files it is read from")
    two = actions.add_parser("show", help="the values that apply here")
    two.add_argument("--origin", action="store_true", help="where each value comes from")
    two.add_argument("--json", action="store_true", help="one JSON object instead of text")
    two = actions.add_parser("check", help="what is wrong with it; exit 1 if anything is")
    two.add_argument("--json", action="store_true", help="one JSON object instead of text")
    for name, text in (("set", "write one key, keep the rest of the file"), ("unset", "remove one key")):
        two = actions.add_parser(name, help=text)
        two.add_argument(
            "key", metavar="KEY", help="as `config show` lists it; tool_failure.threshold is enough"
        )
        if name == "set":
            two.add_argument("value", metavar="VALUE", help="JSON, or a plain word")
        two.add_argument("--project", action="store_true", help="in the project's file, not in yours")

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
                "--migrate", action="store_true", help="replace registrations of the older system"
            )
            one.add_argument(
                "--claude-md", action="store_true", help="add a short section for Claude to CLAUDE.md"
            )
            one.add_argument(
                "--deny-rules",
                action="store_true",
                help="also let Claude Code keep Claude from editing the breaker's state and files",
            )
            one.add_argument(
                "--no-command", action="store_true", help="leave ~/.local/bin/circuit-breaker out"
            )
        else:
            one.add_argument("--purge", action="store_true", help="also remove state and config")
            one.add_argument("--archives", action="store_true", help="with --purge: the archives too")

    one = verb("completion", "completion", "print the completion script of a shell")
    one.add_argument("shell", choices=("bash", "zsh", "fish"))
    one.set_defaults(parser=top)
    return top


def _share(text: str) -> object:
    """A risk, read by its verb."""
    return importlib.import_module("calibrate").risk(text)


def _since(text: str) -> object:
    """A point in time, read by its verb."""
    return importlib.import_module("period").since(text)


def main(arguments: "list[str] | None" = None) -> int:
    """Run one verb; its exit code. 0 done, 1 the answer is no, 2 wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            return run(given)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader left
        code = 0
    except OSError as error:  # of the verb, or of its output: a full disk
        from install.disk import words_of

        print(f"{(given or [SELF])[0]}: {words_of(error)}. Fix that, then try again.", file=sys.stderr)
        code = 1
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is still to be written at the interpreter's end
    return code


def run(given: "list[str]") -> int:
    """Run one verb; its exit code. Raises OSError, and SystemExit where argparse answers by itself."""
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
    return int(getattr(importlib.import_module(options.module), options.function)(options))


def misspelt(top: argparse.ArgumentParser, given: "list[str]") -> str:
    """What to say when the verb is none, with the nearest one; "" when it is one or an option comes first."""
    verbs = next(a.choices for a in top._actions if isinstance(a, argparse._SubParsersAction))
    if not given or given[0].startswith("-") or given[0] in verbs:
        return ""
    near = difflib.get_close_matches(given[0], verbs, 1)
    hint = f"Did you mean `{near[0]}`?" if near else f"`{top.prog} help` lists them."
    return f"{top.prog}: there is no verb {given[0]!r}. {hint}"


def unfit() -> str:
    """Why this Python cannot run the plugin; "" when it can. Read by Python 3.6 too: no newer syntax in this file."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 9) or sys.implementation.name != "cpython":
        return f"circuit-breaker needs CPython 3.9 or later; {sys.executable} is {sys.implementation.name} {version}."
    return ""


def start() -> int:
    """Run the verb on the command line, where modules are not yet found and the streams may be of any kind."""
    if unfit():
        print(unfit(), file=sys.stderr)
        return 1
    sys.path[:0] = [str(ROOT / "plugin"), str(ROOT / "lib")]
    sys.argv[0] = globals().get("CALLED", sys.argv[0])  # the command that install made; runpy hides its name
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        # a file name that is no text, a terminal that is no Unicode
        getattr(sys, name).reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


if __name__ == "__main__":
    sys.exit(start())
