"""The verb `clean`: shows Claude Code's own folder, and archives or deletes old files in it when asked."""

from __future__ import annotations

import argparse
import contextlib
import glob
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import protection
from progress import Progress

from circuit_breaker.cleaning import claude_code, disk_usage, inventory, kinds, selection, steps, tarball
from circuit_breaker.cleaning.selection import Wish
from circuit_breaker.janitor import survey
from circuit_breaker.runtime import files, home
from circuit_breaker.runtime.home import Places
from circuit_breaker.words import cleaning, memory

DEFAULT_AGE = "30d"
HOURS = {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}  # no m: minutes or months?
BINARY = {"": 1, "k": 10, "m": 20, "g": 30, "t": 40}


class WrongUsage(ValueError):
    """Raised for wrong usage; the message says what is right."""


def age(text: str) -> float:
    """The seconds in "30d", "12h", "2w" or "1y"."""
    number, unit = text[:-1], text[-1:].lower()
    if unit not in HOURS or not (number.isascii() and number.isdigit()):
        raise WrongUsage(f"--older-than {text}: write a number and h, d, w or y, for example 30d")
    return int(number) * HOURS[unit] * 3600.0


def amount(text: str) -> int:
    """The bytes in "2GB", "500 MB" or "1.5g"."""
    bare = text.strip().lower().removesuffix("b").removesuffix("i")
    number, unit = (bare[:-1], bare[-1:]) if bare[-1:].isalpha() else (bare, "")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if unit not in BINARY or not 0 <= value < 1e9:
        raise WrongUsage(f"--max-total {text}: write a size, for example 2GB or 500MB")
    return int(value * (1 if unit == "" else 1 << BINARY[unit]))


def clean(args: argparse.Namespace) -> int:
    """Show what is in Claude Code's folder; archive it with --apply, delete it with --delete. Exit code 1 if something could not
    be done, 2 for wrong usage."""
    where = home.places(os.environ, os.getcwd())
    now = time.time()
    try:
        wish = _wish(args, now)
        if args.delete and not args.kind:
            raise WrongUsage("--delete needs --kind: name what is to be deleted without an archive")
        if args.delete and not args.yes and not sys.stdin.isatty():
            raise WrongUsage("--delete asks you to type the kind; without a terminal add --yes")
    except ValueError as error:
        print(f"clean: {error}", file=sys.stderr)
        return 2
    folder = claude_code.folder_of(os.environ, where.user)
    if not folder or not os.path.isdir(folder):
        print(
            f"clean: there is no folder {folder or '~/.claude'}. Set CLAUDE_CONFIG_DIR if Claude Code's folder lies elsewhere.",
            file=sys.stderr,
        )
        return 1
    folder = os.path.realpath(folder)
    if args.project:
        wish.project = _project(args.project, folder)
        if not wish.project:
            print(
                f"clean: no session of {args.project} in {folder}/projects. Name the folder Claude Code runs in.",
                file=sys.stderr,
            )
            return 1
    run = _Run(args, where, folder, wish, now)
    try:
        return run.act() if args.apply or args.delete else run.show()
    except KeyboardInterrupt:
        run.fail("interrupted; nothing is lost. Run it again to finish")
        raise
    finally:
        run.progress.end()


def _wish(args: argparse.Namespace, now: float) -> Wish:
    named = list(dict.fromkeys(kinds.kind_named(word) for word in args.kind or kinds.KINDS))
    most = None if args.max_total is None else amount(args.max_total)
    return Wish(named, now - age(args.older_than or DEFAULT_AGE), "", most)


def _project(path: str, folder: str) -> str:
    """The project's folder below projects/ (for a long path the beginning of its name); "" if there is none."""
    for candidate in (os.path.realpath(path), os.path.abspath(path)):
        name = kinds.project_folder(candidate)
        if os.path.isdir(f"{folder}/projects/{name}") or (
            len(name) == kinds.LONGEST and glob.glob(f"{glob.escape(folder)}/projects/{name}-*")
        ):
            return name
    return ""


class _Run:
    """One run of `clean`."""

    def __init__(self, args: argparse.Namespace, where: Places, folder: str, wish: Wish, now: float) -> None:
        self.args, self.where, self.folder, self.wish, self.now = args, where, folder, wish, now
        self.place = f"{where.runtime}/{survey.OF_CLEAN}"
        self.progress = Progress()
        self.errors: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.look()

    def look(self) -> None:
        """Survey the folder and select."""
        self.found = inventory.survey(
            self.folder,
            claude_code.installed_versions(self.folder),
            lambda seen: self.progress(f"{seen:,} files seen"),
        )
        self.running = claude_code.running(self.folder)
        self.chosen = selection.choose(self.found.units.values(), self.wish, self.now, self.running)

    def say(self, text: str) -> None:
        if not self.args.json:
            self.progress.end()
            print(text, flush=True)

    def fail(self, text: str) -> None:
        self.progress.end()
        self.errors.append(text)
        print(f"clean: {memory.shown(text)}", file=sys.stderr)

    # Showing

    def show(self) -> int:
        facts = self.facts()
        rest = self.chosen.total - self.chosen.bytes
        if self.wish.most is not None and rest > self.wish.most:
            facts["max_total_missed_by"] = rest - self.wish.most
        if self.args.json:
            print(
                json.dumps({"schema": 1, "dry_run": True, **facts, "errors": self.found.unreadable}, indent=2)
            )
            return 0
        self.say(cleaning.table(facts, self.now))
        for path in self.found.links:
            self.say(f"{memory.shown(path)} is a link: not followed")
        if "max_total_missed_by" in facts:
            self.say(cleaning.too_big(rest, self.wish.most or 0))
        goes = sum(row[0] for row in self.chosen.freed.values())
        self.say("\n" + cleaning.offer(self.chosen.bytes, goes, self.command()))
        for sentence in self.found.unreadable:
            self.fail(sentence)
        return 0

    def facts(self) -> dict[str, Any]:
        """The survey and the selection, for --json."""
        sums = self.found.by_kind()
        days, source = claude_code.cleanup_days(self.folder, self.where.project)
        rows = []
        for row in disk_usage.ranked({name: sums[name] for name in kinds.KINDS if name in sums}):
            goes = self.chosen.freed.get(row["name"], [0, 0])
            extra = {
                "goes_files": goes[0],
                "goes_bytes": goes[1],
                "by_itself": kinds.by_itself(row["name"], days),
            }
            rows.append({"kind": row.pop("name"), **row, **extra})
        return {
            "folder": self.folder,
            "bytes": sum(row.bytes for row in sums.values()),
            "files": sum(row.files for row in sums.values()),
            "kinds": rows,
            "measured": disk_usage.ranked(
                {name: row for name, row in sums.items() if name not in kinds.KINDS}
            ),
            "projects": disk_usage.ranked(self.found.by_project()),
            "stays": [
                {"reason": reason, "files": row[0], "bytes": row[1]}
                for reason, row in sorted(self.chosen.stays.items(), key=lambda item: -item[1][1])
            ],
            "goes_bytes": self.chosen.bytes,
            "cleanup_days": days,
            "cleanup_from": source,
            "links": self.found.links,
        }

    def command(self) -> str:
        """The command line of this run without --apply."""
        args, words = self.args, [protection.program()]
        words += ["clean", *(["--kind", *self.wish.names] if args.kind else [])]
        for option in ("older_than", "project", "max_total"):
            value = getattr(args, option)
            words += [f"--{option.replace('_', '-')}", memory.quoted(value)] if value else []
        return " ".join(words)

    # Archiving and deleting

    def act(self) -> int:
        try:
            with self.lock():
                self.finish_killed()
                for kind in kinds.KINDS:
                    if kind in self.chosen.bundles and not self.do(kind):
                        break
        except TimeoutError:
            self.fail("another `clean` is running; wait until it has finished")
            return 1
        freed = sum(row["bytes"] - row.get("archive_bytes", 0) for row in self.rows)
        if self.args.json:
            facts = {"dry_run": False, "folder": self.folder, "freed": freed, "kinds": self.rows}
            print(json.dumps({"schema": 1, **facts, "errors": self.errors}, indent=2))
        elif self.rows:
            back = f" To get files back: {protection.program()} restore --list" if self.args.apply else ""
            self.say(f"{memory.size(max(0, freed))} freed.{back}")
        elif not self.errors:
            self.say("\n".join(["Nothing to do.", *cleaning.stays(self.facts())]))
        return 1 if self.errors else 0

    def lock(self) -> contextlib.AbstractContextManager[object]:
        """The lock for one run at a time. On a disk too full for the lock file, --delete runs without it, to make room."""
        stack = contextlib.ExitStack()
        try:
            files.folder(self.place)
            stack.enter_context(files.Lock(self.place + "/.clean.lock", 0.001))
        except TimeoutError:
            raise
        except OSError as error:
            if not (self.args.delete and error.errno in tarball.FULL):
                raise
        return stack

    def finish_killed(self) -> None:
        """Remove the originals that a killed run archived but did not remove."""
        busy = selection.busy_sessions(self.found.units.values(), self.now) | self.running.sessions

        def stays(path: str) -> bool:
            return any(kinds.session_of(part) in busy for part in path.split("/"))

        gone, errors = steps.finish_removals(self.place, stays, self.running, self.on_bytes("comparing", 0))
        for sentence in errors:
            self.fail(sentence)
        if gone.files:
            self.rows.append({"kind": "", "files": gone.files, "bytes": gone.bytes})
            self.say(
                f"finished an interrupted run: removed {memory.number(gone.files, 'file')} that are in its archive"
            )
            self.look()

    def do(self, kind: str) -> bool:
        """Archive or delete one kind; False if the run should stop."""
        members = steps.members(
            self.folder, self.chosen.bundles[kind], lambda path: self.progress(f"listing {path}")
        )
        total = sum(member.size for member in members if not member.is_folder)
        count = sum(not member.is_folder for member in members)
        if not count:
            return True
        if self.args.delete:
            return self.delete(kind, members, count, total)
        try:
            path, gone = steps.archive(
                self.folder, self.place, kind, members, self.now, lambda: claude_code.running(self.folder),
                self.on_bytes(f"archiving {kind}", 2 * total),
            )  # fmt: skip
        except tarball.NoRoom as error:
            self.fail(cleaning.no_room(kind, error.missing, self.place))
            return False
        except OSError as error:
            self.fail(f"{kind}: nothing was removed: {error.strerror or error}: {error.filename}. Try again.")
            return True
        archive, weight = os.path.basename(path), os.path.getsize(path)
        self.rows.append(
            {
                "kind": kind,
                "files": gone.files,
                "bytes": gone.bytes,
                "archive": archive,
                "archive_bytes": weight,
                "left": gone.left,
            }
        )
        self.say(cleaning.archived(kind, gone.files, gone.bytes, archive, weight))
        if gone.left:
            self.say("  " + cleaning.left(gone.left))
        return True

    def delete(self, kind: str, members: list[tarball.Member], count: int, total: int) -> bool:
        if not self.args.yes:
            self.progress.end()
            what = f"{memory.number(count, 'file')} ({memory.size(total)})"
            try:
                typed = input(f"Type {kind} to delete {what} for good, without an archive: ")
            except EOFError:
                typed = ""
            if typed.strip() != kind:
                self.fail(f"{kind}: nothing was deleted")
                return True
        gone = steps.remove_originals(
            self.folder,
            members,
            claude_code.running(self.folder),
            lambda path: self.progress(f"deleting {path}"),
        )
        self.rows.append({"kind": kind, "files": gone.files, "bytes": gone.bytes, "left": gone.left})
        self.say(f"{kind}: deleted {memory.number(gone.files, 'file')} ({memory.size(gone.bytes)})")
        if gone.left:
            self.say("  " + cleaning.left(gone.left))
        return True

    def on_bytes(self, what: str, total: int) -> Callable[[int, str], None]:
        """A progress callback for `total` bytes (0: unknown)."""
        done = 0

        def heard(count: int, path: str) -> None:
            nonlocal done
            done += count
            share = f" {100 * done // total}%" if total else f" {memory.size(done)}"
            self.progress(f"{what}{share} {path}")

        return heard
