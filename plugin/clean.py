"""The verb `clean`: shows Claude Code's own folder, and archives or deletes old files in it when asked."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import time
from tarfile import TarInfo

from report import past
from shared import Refusal, answer, how_to_call, places_here, progress, say

from circuit_breaker.cleaning import claude_code, disk_usage, inventory, kinds, selection, steps, tarball
from circuit_breaker.janitor.retention import OF_CLEAN
from circuit_breaker.runtime import claude_folder, files
from circuit_breaker.words import cleanup, texts

SHOWN = 5  # projects listed
HOUR = 3600
AGES = {"h": HOUR, "d": 24 * HOUR, "w": 7 * 24 * HOUR, "y": 365 * 24 * HOUR}  # no m: minutes or months?
SIZES = {unit + end: 1024**n for n, unit in enumerate(("", *"kmgt")) for end in ("", "b", "ib")}


def amount(option: str, text: str, units: dict[str, int], example: str) -> float:
    """The seconds or bytes in "30d", "2GB" or "1.5 g". Raises Refusal."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]*)?) *([a-z]*)", text.strip().lower())
    if not found or found[2] not in units:
        raise Refusal(f"{option} {text}: write {example}", 2)
    return float(found[1]) * units[found[2]]


def clean(args: argparse.Namespace) -> int:
    """Show Claude Code's folder, archive it with --apply, delete it with --delete. Exit code 1 if something failed, 2 for wrong usage."""
    run = _Run(args)
    try:
        run.look()
        return run.act() if args.apply or args.delete else run.show()
    except KeyboardInterrupt:
        run.fail("interrupted; nothing is lost. Run it again to finish")
        raise


def _wish(args: argparse.Namespace, folder: str, now: float) -> selection.Wish:
    """What was asked for. Raises Refusal."""
    if args.delete and not args.kind:
        raise Refusal("--delete needs --kind: name what is to be deleted without an archive", 2)
    if args.delete and not args.yes and not sys.stdin.isatty():
        raise Refusal("--delete asks you to type the kind; without a terminal add --yes", 2)
    try:
        named = list(dict.fromkeys(kinds.kind_named(word) for word in args.kind or kinds.KINDS))
    except ValueError as error:
        raise Refusal(str(error), 2) from None
    example = "a number and h, d, w or y, for example 30d"
    before = now - amount("--older-than", args.older_than, AGES, example)
    most = None
    if args.max_total is not None:
        most = int(amount("--max-total", args.max_total, SIZES, "a size, for example 2GB or 500MB"))
    if not os.path.isdir(folder):
        where = f"there is no folder {folder or '~/.claude'}"
        raise Refusal(f"{where}. Set CLAUDE_CONFIG_DIR if Claude Code's folder lies elsewhere.")
    project = _project(args.project) if args.project else ""
    if args.project and not project:
        missing = f"no session of {args.project} in {folder}/projects"
        raise Refusal(f"{missing}. Name the folder Claude Code runs in.")
    return selection.Wish(named, before, project, most)


def _project(path: str) -> str:
    """The project's folder below projects/ (for a long path the beginning of its name); "" if there is none."""
    for candidate in (os.path.realpath(path), os.path.abspath(path)):
        if past.folder_of(candidate).is_dir():
            return kinds.project_folder(candidate)
    return ""


def _counts(gone: list[TarInfo]) -> dict[str, int]:
    return {"files": len(gone), "bytes": sum(one.size for one in gone)}


def _table(facts: dict, now: float) -> list[str]:
    """By kind: what is there, what would be archived, and when Claude Code itself removes it."""
    what = f"{texts.size(facts['bytes'])} in {texts.number(facts['files'], 'file')}"
    lines = [
        f"Claude Code's folder: {texts.printable(facts['folder'])}, {what}",
        "",
        f"  {'kind':<21}{cleanup.COLUMNS}{'to archive':>11}   removed by Claude Code",
    ]
    for row in facts["kinds"]:
        goes = texts.size(row["goes_bytes"]) if row["goes_files"] else "-"
        lines.append(f"  {row['kind']:<21}{cleanup.columns(row, now)}{goes:>11}   {row['by_itself']}")
    if facts["measured"]:
        lines += ["", f"Measured only, never cleaned: {_sizes(facts['measured'])}"]
    if facts["projects"]:
        lines.append(f"Biggest projects: {_sizes(facts['projects'][:SHOWN])}")
    return lines


def _sizes(rows: list[dict]) -> str:
    return ", ".join(f"{texts.printable(row['name'])} {texts.size(row['bytes'])}" for row in rows)


def _stays(facts: dict) -> list[str]:
    """What stays of the chosen kinds, and why."""
    parts = [
        f"{row['reason']}: {texts.number(row['files'], 'file')}, {texts.size(row['bytes'])}"
        for row in facts["stays"]
    ]
    return [f"Stays: {'; '.join(parts)}"] if parts else []


def _on_bytes(what: str, total: int) -> tarball.OnBytes:
    """A progress callback for `total` bytes (0: unknown)."""
    done = 0

    def heard(count: int, path: str) -> None:
        nonlocal done
        done += count
        share = f" {100 * done // total}%" if total else f" {texts.size(done)}"
        progress(f"{what}{share} {path}")

    return heard


class _Run:
    """One run of `clean`."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.now = args, time.time()
        self.where = places_here()
        folder = claude_folder.path(os.environ)
        self.folder = folder and os.path.realpath(folder)
        self.wish = _wish(args, self.folder, self.now)
        self.place = f"{self.where.runtime}/archives/{OF_CLEAN}"
        self.errors: list[str] = []
        self.rows: list[dict] = []

    def look(self) -> None:
        installed = claude_code.installed_versions(self.folder)
        self.found = inventory.survey(self.folder, installed, lambda n: progress(f"{n:,} files seen"))
        self.used = claude_code.in_use(self.folder)
        self.chosen = selection.choose(self.found.units.values(), self.wish, self.now, self.used)

    def say(self, text: str) -> None:
        if not self.args.json:
            say(text)

    def fail(self, text: str) -> None:
        self.errors.append(text)
        say(f"clean: {texts.printable(text)}", sys.stderr)

    # Showing

    def show(self) -> int:
        facts, unreadable = self.facts(), self.found.unreadable
        lines = [*_table(facts, self.now), *_stays(facts)]
        lines += [f"{texts.printable(path)} is a link: not followed" for path in self.found.links]
        if "max_total_missed_by" in facts:
            rest, most = self.chosen.total - self.chosen.bytes, texts.size(self.wish.most or 0)
            text = f"{texts.size(rest)} would remain, more than {most}: these files are newer than --older-than or"
            lines.append(f"{text} must stay. A smaller --older-than (for example 7d) frees more.")
        goes = sum(row.files for row in self.chosen.freed.values())
        if goes:
            text = f"{texts.number(goes, 'file')} ({texts.size(self.chosen.bytes)}, less the size of the archive)"
            command = " ".join([how_to_call(), *map(texts.quoted, sys.argv[1:])])
            lines += ["", f"Nothing was changed. To archive {text}:", f"  {command} --apply"]
        else:
            text = "Nothing was changed, and there is nothing to archive. See --older-than and --kind."
            lines += ["", text]
        answer(self.args.json, "\n".join(lines), dry_run=True, **facts, errors=unreadable)
        for sentence in () if self.args.json else unreadable:
            self.fail(sentence)
        return 0

    def facts(self) -> dict:
        """The survey and the selection, for --json."""
        facts, chosen = disk_usage.claude_code_facts(self.found, self.where.project), self.chosen
        measured = [row for row in facts["kinds"] if row["name"] not in kinds.KINDS]
        rows = [row for row in facts["kinds"] if row["name"] in kinds.KINDS]
        for row in rows:
            row["kind"] = row.pop("name")
            freed = chosen.freed.get(row["kind"], inventory.Unit())
            row["goes_files"], row["goes_bytes"] = freed.files, freed.bytes
            days = f"after {facts['cleanup_days']} days"
            row["by_itself"] = "14 days after an update" if row["kind"] == kinds.PLUGINS else days
        stays = sorted(chosen.stays.items(), key=lambda item: -item[1].bytes)
        facts["stays"] = [{"reason": reason, "files": row.files, "bytes": row.bytes} for reason, row in stays]
        facts.update(kinds=rows, measured=measured, goes_bytes=chosen.bytes, links=self.found.links)
        rest, most = chosen.total - chosen.bytes, self.wish.most
        return {**facts, "max_total_missed_by": rest - most} if most is not None and rest > most else facts

    # Archiving and deleting

    def act(self) -> int:
        try:
            with self.lock():
                self.finish_killed()
                for kind in kinds.KINDS:
                    if kind in self.chosen.bundles and not self.do(kind):
                        break
        except TimeoutError:
            raise Refusal("another `clean` is running; wait until it has finished") from None
        freed = sum(row["bytes"] - row.get("archive_bytes", 0) for row in self.rows)
        back = f" To get files back: {how_to_call()} restore --list" if self.args.apply else ""
        text = f"{texts.size(max(0, freed))} freed.{back}" if self.rows else ""
        if not self.rows and not self.errors:
            text = "\n".join(["Nothing to do.", *_stays(self.facts())])
        facts = {"folder": self.folder, "freed": freed, "kinds": self.rows, "errors": self.errors}
        answer(self.args.json, text, dry_run=False, **facts)
        return 1 if self.errors else 0

    def lock(self) -> contextlib.AbstractContextManager[object]:
        """The lock for one run at a time. On a disk too full for the lock file, --delete runs without it, to make room."""
        stack = contextlib.ExitStack()
        try:
            files.make_folder(self.place)
            stack.enter_context(files.Lock(self.place + "/.clean.lock", 0.001))
        except OSError as error:  # a TimeoutError has no errno
            if not (self.args.delete and error.errno in tarball.FULL):
                raise
        return stack

    def finish_killed(self) -> None:
        """Remove the originals that a killed run archived but did not remove."""
        self.used.sessions |= selection.busy_sessions(self.found.units.values(), self.now)
        gone, errors = steps.finish_removals(self.place, self.used, _on_bytes("comparing", 0))
        for sentence in errors:
            self.fail(sentence)
        if gone:
            self.rows.append({"kind": "", **_counts(gone)})
            removed = texts.number(len(gone), "file")
            self.say(f"finished an interrupted run: removed {removed} that are in its archive")
            self.look()

    def do(self, kind: str) -> bool:
        """Archive or delete one kind; False if the run should stop."""
        bundle = self.chosen.bundles[kind]
        members = steps.members(self.folder, bundle, lambda path: progress(f"listing {path}"))
        sizes = [member.size for member in members if member.isreg()]
        if not sizes:
            return True
        if self.args.delete:
            if self.args.yes or self.agreed(kind, len(sizes), sum(sizes)):
                used = claude_code.in_use(self.folder)
                heard = _on_bytes(f"deleting {kind}", sum(sizes))
                self.done(kind, *steps.remove_originals(self.folder, members, used, heard), {})
            return True
        try:
            path, removed = steps.archive(
                self.folder, self.place, kind, members, lambda: claude_code.in_use(self.folder),
                _on_bytes(f"archiving {kind}", 2 * sum(sizes)),
            )  # fmt: skip
        except tarball.NoRoom as error:
            room = f"about {texts.size(error.missing)} more room is needed in {self.place} for the archive"
            less = "Archive less at a time (another --kind, or a larger --older-than)"
            other = "or remove a kind without an archive: --kind debug-logs --delete"
            self.fail(f"{kind}: nothing was removed: {room}. {less}, {other}")
            return False
        except OSError as error:
            self.fail(f"{kind}: nothing was removed: {error.strerror or error}: {error.filename}. Try again.")
            return True
        self.done(kind, *removed, {"archive": os.path.basename(path), "archive_bytes": os.path.getsize(path)})
        return True

    def agreed(self, kind: str, count: int, total: int) -> bool:
        """Whether you typed the kind to delete these files."""
        progress.end()
        what = texts.files(count, total)
        asked = f"Type {kind} to delete {what} for good, without an archive: "
        print(asked, end="", file=sys.stderr, flush=True)
        agreed = sys.stdin.readline().strip() == kind
        if not agreed:
            self.fail(f"{kind}: nothing was deleted")
        return agreed

    def done(self, kind: str, gone: list[TarInfo], left: list[str], archive: dict) -> None:
        counts = _counts(gone)
        self.rows.append({"kind": kind, **counts, **archive, "left": left})
        what = texts.files(*counts.values())
        if archive:
            size = texts.size(archive["archive_bytes"])
            self.say(f"{kind}: archived {what} in {texts.printable(archive['archive'])} ({size})")
        else:
            self.say(f"{kind}: deleted {what}")
        if left:
            self.say(f"  left in place, because they changed or are in use: {texts.listed(left, 3)}")
