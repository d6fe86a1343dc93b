"""The command line: the verbs of `python3 plugin`, their options, and the module that carries each out."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import period

ROOT = Path(__file__).resolve().parent.parent


def parser() -> argparse.ArgumentParser:
    """The command line. Each verb names the module and the function that carry it out."""
    top = argparse.ArgumentParser(
        prog="python3 plugin", description="A circuit breaker and memory protection for Claude Code sessions."
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)

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
        "--since",
        type=period.since,
        default="24h",
        metavar="TIME",
        help="90m, 24h, 7d or a date; default: 24h",
    )
    one.add_argument("--session", metavar="ID", help="one session only (an id or its beginning)")
    one.add_argument("--circuit", metavar="NAME", help="one circuit or rule only")
    one.add_argument("--project", metavar="PATH", help="one project only; else all projects")
    one.add_argument("--json", action="store_true", help="one JSON object; with --follow one a line")
    one.add_argument("--follow", action="store_true", help="go on as more happens, until Ctrl-C")

    one = verb("sweep", "housekeeping", "do by hand what the janitor does at session start")
    one.add_argument(
        "--dry-run", action="store_true", help="print the plan with the reason for each file; change nothing"
    )
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")

    one = verb("restore", "housekeeping", "put an archived file back; never over an existing one")
    one.add_argument("archive", nargs="?", metavar="ARCHIVE", help="a name as --list shows it")
    one.add_argument("--list", action="store_true", help="list the archives")
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

    one = verb("doctor", "doctor.doctor", "check the installation; each finding with its cure")
    one.add_argument("--json", action="store_true", help="one JSON object instead of text")
    one.add_argument("--fix", action="store_true", help="mend what can be mended")

    one = verb("export", "export", "send incidents and counters to an OpenTelemetry collector")
    one.add_argument("kind", choices=("otlp",), help="the protocol")
    one.add_argument(
        "--endpoint", metavar="URL", default="", help="base URL; /v1/logs and /v1/metrics are appended"
    )
    one.add_argument(
        "--since", metavar="TIME", help="send the incidents of the logs since then (24h, 7d), sent or not"
    )
    one.add_argument("--test", action="store_true", help="send one event of its own")
    one.add_argument(
        "--install", action="store_true", help="install the OpenTelemetry packages (hashed, by pip)"
    )

    verb("demo", "demo", "a runaway session, stopped, in a throw-away project")

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
        ("install", "put the hooks and commands in place"),
        ("uninstall", "take out exactly what was added"),
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
            one.add_argument("--claude-md", action="store_true", help="add the protocol section to CLAUDE.md")
        else:
            one.add_argument("--purge", action="store_true", help="also remove state, config and archives")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; its exit code. 0 done, 1 the answer is no, 2 wrong usage."""
    if sys.version_info < (3, 9):
        print("circuit-breaker needs Python 3.9 or later", file=sys.stderr)
        return 1
    options = parser().parse_args(arguments)
    try:
        return int(getattr(importlib.import_module(options.module), options.function)(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader left; nothing to say to it
        return 0
    except OSError as error:
        print(
            f"{options.verb}: {error}. Check the path and its permissions, then try again.", file=sys.stderr
        )
        return 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "lib"))
    for stream in (sys.stdout, sys.stderr):  # a file name that is no text, or a terminal that is no Unicode
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
