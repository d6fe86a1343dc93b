"""The verbs `sweep` and `restore`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from shlex import quote

from shared import Refusal, answer, how_to_call, moment, places_here, progress

from circuit_breaker.breaker.config import DAY, Config
from circuit_breaker.cleaning import claude_code, kinds, tarball
from circuit_breaker.janitor import archives, retention, rounds
from circuit_breaker.janitor import sweep as sweeping
from circuit_breaker.janitor.retention import OF_CLEAN, Action, Archive
from circuit_breaker.runtime import claude_folder, home
from circuit_breaker.words import cleanup, texts

# others as they are
VERBS = {"rotate": "archive", "cut": "shorten", **dict.fromkeys(("prune", "expire", "clear"), "remove")}
DATE = "%Y-%m-%d"
KEPT = "The archive is kept."


def sweep(args: argparse.Namespace) -> int:
    """Do, or with --dry-run show, all that a session start would do. Exit code 1 if something could not be archived."""
    where = places_here()
    config, session = home.configuration(where, os.environ), os.environ.get("CLAUDE_CODE_SESSION_ID", "")
    report = (_planned if args.dry_run else _done)(where, config, time.time(), session)
    errors = report.errors + report.unreadable
    facts = {"actions": [_row(step) for step in report.steps], "errors": errors}
    counts = {} if args.dry_run else report.facts()
    answer(args.json, _text(where, report, counts), dry_run=args.dry_run, home=where.home, **facts, **counts)
    for error in errors:
        print(f"sweep: {texts.printable(error)}", file=sys.stderr)
    return 1 if report.errors else 0


def _planned(where: home.Places, config: Config, now: float, session: str) -> sweeping.Report:
    """What a round would do."""
    plans = [sweeping.planned(one) for one in rounds.sweeps(where, config, now, session)]
    steps = [action for plan in plans for action in plan.actions]
    return sweeping.Report(steps=steps, unreadable=[text for plan in plans for text in plan.unreadable])


def _row(step: Action) -> dict:
    archive = f"{step.into}.gz" if step.into else None
    return {"do": step.do, "file": step.name, "reason": step.reason, "bytes": step.size, "archive": archive}


def _done(where: home.Places, config: Config, now: float, session: str) -> sweeping.Report:
    """What a whole round and the compression did, in this process. Raises Refusal beside another one."""
    made = rounds.make(where, config, now, session)
    for folder in rounds.roots(where):
        made.errors += archives.compress_all(
            folder, float("inf"), lambda archive: progress(f"compressing {archive.id}")
        )
    if not (made.finished or made.errors):
        raise Refusal(f"another process is sweeping {where.home} right now. Try again when it has finished.")
    return made


def _text(where: home.Places, report: sweeping.Report, counts: dict[str, int]) -> str:
    """The steps and what they came to. counts: {} for a plan."""
    if not report.steps:
        return f"Nothing to do in {where.home}."
    lines = []
    for step in report.steps:
        into = f" -> {texts.printable(step.into)}.gz" if step.into else ""
        lines.append(f"{VERBS.get(step.do, step.do):<9} {texts.printable(step.name)}: {step.reason}{into}")
    done = counts and (cleanup.done(counts, how_to_call()) or f"{texts.size(counts['freed'])} freed.")
    return "\n".join([*lines, done or "Nothing was changed: this is the plan."])


def restore(args: argparse.Namespace) -> int:
    """List the archives or restore one. Exit code 1 if it is missing or damaged or a file is in the way, 2 without arguments."""
    where, name = places_here(), os.path.basename(args.archive or "")
    every = [one for folder in reversed(rounds.roots(where)) for one in sweeping.archives_of(folder).values()]
    found = {one.name: one for one in every}
    archive = found.get(name) or found.get(name + ".gz")
    if archive and archive.folder == OF_CLEAN:
        path = archive.path
        return _list_contents(args, path) if args.list else _restore_of_clean(args, where, path)
    if args.list:
        return _list(args, where, found.values())
    if not name:
        raise Refusal("name an archive, or ask for --list.", 2)
    if archive:
        return _restore(args, archive)
    raise Refusal(f"there is no archive {args.archive}; `restore --list` lists them.")


def _restore(args: argparse.Namespace, archive: Archive) -> int:
    try:
        path = archives.restore_archive(archive)
    except FileExistsError as error:
        hint = f"or read the archive as it is: gzip -dc {quote(texts.printable(archive.path))}"
        why = f"{texts.printable(error.filename)} exists and is not overwritten."
        raise Refusal(f"{why} Move it away first, then try again; {hint}") from None
    except archives.Damaged as error:
        raise Refusal(f"{texts.printable(archive.id)}: {error.strerror}. Nothing was written.") from None
    text = f"Restored {texts.printable(path)}. {KEPT}"
    if archive.folder != "sessions":
        again = "It will be archived again at a session start if it is still over a limit"
        text += f"\n{again}: move it to another folder to keep it."
    answer(args.json, text, restored=path, archive=archive.id + ".gz")
    return 0


def _list(args: argparse.Namespace, where: home.Places, found: Iterable[Archive]) -> int:
    """List the archives, the newest first, those of `clean` last."""
    newest = sorted(found, key=lambda one: (one.folder != OF_CLEAN, one.age_order), reverse=True)
    rows, lines = [*map(_row_of_archive, newest)], []
    for row in rows:
        line = f"{texts.size(row['bytes']):>10}  {row['archive']}"
        if "files" in row:
            count, size = texts.number(row["files"], "file"), texts.size(row["original_bytes"])
            line += f"  {moment(row['written'], DATE)}, {count}, {size} of {row['file']}"
        lines.append(texts.printable(line))
    hint = (
        f"To restore one: {how_to_call()} restore NAME" if rows else f"No archives in {where.home}/archives."
    )
    answer(args.json, "\n".join([*lines, hint]), home=where.home, archives=rows)
    return 0


def _row_of_archive(archive: Archive) -> dict:
    row = {
        "archive": archive.name,
        "file": f"{archive.home}/{archive.original}",
        "kind": archive.folder,
        "put_away": archive.at,
        "bytes": archive.size,
        "written": archive.mtime,
        "compressed": archive.packed,
    }
    if archive.folder != OF_CLEAN:
        return row
    about: dict = {"kind": archive.base, "folder": "", "files": 0, "bytes": 0}
    try:
        about.update(tarball.summary(archive.path))
    except OSError as error:
        row["error"] = str(error)
    row.update(kind=about["kind"], file=about["folder"], written=retention.arrival(archive.at))
    return {**row, "files": about["files"], "original_bytes": about["bytes"]}


def _list_contents(args: argparse.Namespace, path: str) -> int:
    """Print the files in an archive of `clean`."""
    files = [entry for entry, _ in tarball.read_members(path) if entry.isreg()]
    rows = [{"path": one.name, "bytes": one.size, "written": one.mtime} for one in files]
    lines = [
        f"{texts.size(one.size):>10}  {moment(one.mtime, DATE)}  {texts.printable(one.name)}" for one in files
    ]
    answer(args.json, "\n".join(lines), **tarball.summary(path), contents=rows)
    return 0


def _restore_of_clean(args: argparse.Namespace, where: home.Places, path: str) -> int:
    """Restore files of an archive of `clean`, by default all. Exit code 1 if one was in the way or failed, or if none was found."""
    name, folder = os.path.basename(path), tarball.summary(path)["folder"]
    if not os.path.isdir(folder):
        folder = os.path.realpath(claude_folder.path(os.environ))
    asked = [word.rstrip("/") for word in args.files]

    def wanted(entry: str) -> bool:
        return not asked or any(
            entry == word or entry.startswith(word + "/") or kinds.session_of(word) == word and word in entry
            for word in asked
        )

    done, existing, failed = tarball.extract(
        path, folder, wanted, lambda _, entry: progress(f"restoring {entry}")
    )
    if not (done or existing or failed):
        hint = f"`restore {name} --list` lists its files."
        raise Refusal(f"nothing in {name} is called {', '.join(asked)}; {hint}")
    size, text = sum(one.size for one in done), ""
    if done:
        text = f"Restored {texts.files(len(done), size)} in {texts.printable(folder)}. {KEPT}"
        days, _ = claude_code.cleanup_days(folder, where.project)
        if time.time() - min(one.mtime for one in done) > days * DAY:  # they keep their old times
            when = f"more than {days} days ago when it next starts (at most once a day)"
            larger = "or set a larger cleanupPeriodDays in settings.json first"
            text += f"\nClaude Code removes files that were last written {when}. Resume the session you need now, {larger}."
    facts = {"existing": existing, "failed": failed, "archive": name}
    answer(args.json, text, restored=folder, files=len(done), bytes=size, **facts)
    if failed:
        what = f"{texts.number(len(failed), 'file')} could not be restored: {texts.listed(failed, 3)}"
        print(f"restore: {what}. {KEPT}", file=sys.stderr)
    if existing:
        what = f"{texts.number(len(existing), 'file')} already there, left as they are"
        hint = "To get the archived ones, move those away first."
        print(f"restore: {what}: {texts.listed(existing, 3)}. {hint}", file=sys.stderr)
    return 1 if existing or failed else 0
