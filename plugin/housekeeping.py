"""The verbs `sweep` and `restore`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

import protection
from progress import Progress

from circuit_breaker.breaker.config import Config
from circuit_breaker.cleaning import claude_code, kinds, tarball
from circuit_breaker.janitor import archives, notes, retention, rounds, runtime_folder, survey
from circuit_breaker.janitor import sweep as sweeping
from circuit_breaker.janitor.retention import Archive
from circuit_breaker.janitor.sweep import Report
from circuit_breaker.runtime import home
from circuit_breaker.runtime.home import Places
from circuit_breaker.words import cleaning, memory

Rows = list[dict[str, Any]]
VERBS = {"rotate": "archive", "cut": "shorten", "prune": "remove", "clear": "remove"}  # others as they are


def sweep_now(where: Places, config: Config, session: str, now: float) -> tuple[Report, Rows]:
    """A whole round and the compression, in this process. Returns (what was done, each action as a row).

    Raises TimeoutError if another process is sweeping.
    """
    rows: Rows = []
    progress = Progress()

    def heard(action: retention.Action) -> None:
        rows.append(_row(action))
        progress(f"{progress.count:,} done: {action.name}")

    try:
        made = rounds.make(where, config, now, session, 0.0, on_step=heard)
        report = made.report
        for folder, _ in rounds.roots(where):
            report.errors += archives.compress_all(
                folder, float("inf"), lambda archive: progress(f"compressing {archive.id}")
            )[2]
    finally:
        progress.end()
    if not made.finished and not report.errors:
        raise TimeoutError(f"another process is sweeping {where.home} right now")
    if made.finished and not report.errors:
        known = notes.load(where)
        made.note["pinned"] = known.get("pinned", os.path.exists(where.runtime + "/python"))
        notes.save(where, made.note)
    return report, rows


def sweep(args: argparse.Namespace) -> int:
    """Do, or with --dry-run show, all that a session start would do. Exit code 1 if something could not be archived."""
    where = home.places(os.environ, os.getcwd())
    config = home.configuration(where, os.environ)
    session, now = os.environ.get("CLAUDE_CODE_SESSION_ID", ""), time.time()
    if args.dry_run:
        report, rows = Report(), []
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        for folder, whole in rounds.roots(where):
            found = sweeping.planned(folder, config.memory_limits, now, moment, session, whole)
            rows += [_row(action) for action in found.actions]
            report.unreadable += found.unreadable
        rows += _forgettable(where, config, now, session)
    else:
        forgettable = _forgettable(where, config, now, session)
        report, rows = sweep_now(where, config, session, now)
        rows += [row for row in forgettable if not os.path.exists(row["file"])]
    errors = report.errors + report.unreadable
    if args.json:
        counts = report.facts() if not args.dry_run else {}
        facts = {"dry_run": args.dry_run, "home": where.home, "actions": rows, "errors": errors, **counts}
        print(json.dumps({"schema": 1, **facts}, indent=2))
    else:
        _print(args.dry_run, where, report, rows)
    for error in errors:
        print(f"sweep: {memory.shown(error)}", file=sys.stderr)
    return 1 if report.errors else 0


def _forgettable(where: Places, config: Config, now: float, session: str) -> Rows:
    """Rows for the memory of old sessions. It is removed without an archive, since it contains only hashes and counts."""
    days = config.memory_limits["session_max_age_days"]
    old, _ = runtime_folder.old_sessions(where, days, now, session)
    return [
        {"do": "forget", "file": path, "reason": memory.too_old(age, days), "bytes": 0, "archive": None}
        for path, age in old
    ]


def _row(action: retention.Action) -> dict[str, Any]:
    row = {"do": action.do, "file": action.name, "reason": action.reason, "bytes": action.size}
    return {**row, "archive": action.into + ".gz" if action.into else None}


def _print(dry: bool, where: Places, report: Report, rows: Rows) -> None:
    for row in rows:
        into = f" -> {memory.shown(row['archive'])}" if row["archive"] else ""
        verb = VERBS.get(row["do"], row["do"])
        print(f"{verb:<9} {memory.shown(row['file'])}: {row['reason']}{into}")
    if not rows:
        print(f"Nothing to do in {where.home}.")
    elif dry:
        print("Nothing was changed: this is the plan.")
    else:
        print(memory.done(report.facts(), sys.argv[0]) or f"{memory.size(report.freed)} freed.")


def restore(args: argparse.Namespace) -> int:
    """List the archives or restore one. Exit code 1 if it is missing or damaged or a file is in the way, 2 without arguments."""
    where = home.places(os.environ, os.getcwd())
    name = os.path.basename(args.archive or "")
    if name in [known for known, _, _ in survey.clean_archives(where.runtime)]:
        return restore_of_clean(args, where, name)
    found = [(folder, archive) for folder, _ in rounds.roots(where) for archive in _archives(folder)]
    if args.list:
        return _list(args, where, found)
    if not name:
        print("restore: name an archive, or ask for --list.", file=sys.stderr)
        return 2
    for folder, archive in found:
        if _name(archive) in (name, name + ".gz"):
            return _restore(args, folder, archive)
    sys.exit(f"restore: there is no archive {args.archive}; `restore --list` lists them.")


def _name(archive: Archive) -> str:
    return archive.id.rpartition("/")[2] + ".gz"


def _archives(folder: str) -> list[Archive]:
    found = survey.archives_of(folder).archives.values()
    return sorted(found, key=lambda a: (a.at, a.mtime, a.id), reverse=True)


def _restore(args: argparse.Namespace, folder: str, archive: Archive) -> int:
    try:
        path = archives.restore_archive(folder, archive)
    except FileExistsError:
        there, it = f"{folder}/{archive.original}", f"{folder}/archives/{archive.id}.gz"
        sys.exit(
            f"restore: {memory.shown(there)} exists and is not overwritten. Move it away first, then try again; or read the "
            f"archive as it is: gzip -dc {memory.shown(it)}"
        )
    except archives.Unfit as error:
        sys.exit(f"restore: {memory.shown(archive.id)}: {error}. Nothing was written.")
    if args.json:
        print(json.dumps({"schema": 1, "restored": path, "archive": archive.id + ".gz"}))
        return 0
    print(f"Restored {memory.shown(path)}. The archive is kept.")
    if retention.file_kind(archive.original) != retention.SESSION:
        print(
            "It will be archived again at a session start if it is still over a limit: move it to another folder to keep it."
        )
    return 0


def _list(args: argparse.Namespace, where: Places, found: list[tuple[str, Archive]]) -> int:
    rows: Rows = [
        {
            "archive": _name(archive),
            "file": f"{folder}/{archive.original}",
            "kind": archive.folder,
            "put_away": archive.at,
            "bytes": archive.size,
            "written": archive.mtime,
            "compressed": archive.packed,
        }
        for folder, archive in found
    ]
    rows += archives_of_clean(where)
    if args.json:
        print(json.dumps({"schema": 1, "home": where.home, "archives": rows}, indent=2))
        return 0
    for row in rows:
        line = f"{memory.size(row['bytes']):>10}  {row['archive']}"
        if "files" in row:
            count, size = memory.number(row["files"], "file"), memory.size(row["original_bytes"])
            line += f"  {_day(row['written'])}, {count}, {size} of {row['file']}"
        print(memory.shown(line))
    print(
        f"To restore one: {protection.program()} restore NAME"
        if rows
        else f"No archives in {where.home}/archives."
    )
    return 0


def _day(t: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(t))


def archives_of_clean(where: Places) -> Rows:
    """The archives of `clean` for `restore --list --json`, newest first."""
    rows = []
    for name, weight, made in survey.clean_archives(where.runtime):
        row: dict[str, Any] = {"archive": name, "bytes": weight, "put_away": name.split(".")[-3]}
        row.update(written=made, compressed=True)
        try:
            about = tarball.summary(f"{where.runtime}/{survey.OF_CLEAN}/{name}")
            more = {"kind": about["kind"], "file": about["folder"], "files": about["files"]}
            row.update(more, original_bytes=about["bytes"])
        except (OSError, KeyError) as error:
            row.update(kind=name.split(".")[0], file="", files=0, original_bytes=0, error=str(error))
        rows.append(row)
    return rows


def list_contents(args: argparse.Namespace, path: str) -> int:
    """Print the files in an archive of `clean`."""
    rows = []
    for entry, _ in tarball.entries(path):
        if not entry.is_folder:
            rows.append({"path": entry.path, "bytes": entry.size, "written": entry.mtime_ns / 10**9})
            if not args.json:
                day = _day(entry.mtime_ns / 10**9)
                print(f"{memory.size(entry.size):>10}  {day}  {memory.shown(entry.path)}")
    if args.json:
        print(json.dumps({"schema": 1, **tarball.summary(path), "contents": rows}, indent=2))
    return 0


def restore_of_clean(args: argparse.Namespace, where: Places, name: str) -> int:
    """Restore an archive of `clean` or some files of it. Exit code 1 if a file was in the way or none was found."""
    path = f"{where.runtime}/{survey.OF_CLEAN}/{name}"
    if args.list:
        return list_contents(args, path)
    folder = tarball.summary(path)["folder"]
    if not os.path.isdir(folder):
        folder = os.path.realpath(claude_code.folder_of(os.environ, where.user))
    asked = [word.rstrip("/") for word in args.files]
    progress = Progress()

    def wanted(entry: str) -> bool:
        return not asked or any(
            entry == word or entry.startswith(word + "/") or kinds.session_of(word) == word and word in entry
            for word in asked
        )

    try:
        done = tarball.extract(path, folder, wanted, lambda count, entry: progress(f"restoring {entry}"))
    finally:
        progress.end()
    if not done.files and not done.existing:
        hint = f"`restore {name} --list` lists its files."
        sys.exit(f"restore: nothing in {name} is called {', '.join(asked)}; {hint}")
    days, _ = claude_code.cleanup_days(folder, where.project)
    old = done.files and time.time() - done.oldest > days * memory.DAY
    if args.json:
        counts = {"files": done.files, "bytes": done.bytes, "existing": done.existing}
        print(json.dumps({"schema": 1, "restored": folder, **counts, "archive": name}, indent=2))
    elif done.files:
        what = f"{memory.number(done.files, 'file')} ({memory.size(done.bytes)})"
        print(f"Restored {what} in {memory.shown(folder)}. The archive is kept.")
        if old:
            print(cleaning.restored_old(days))
    if done.existing:
        print(f"restore: {cleaning.existing(done.existing)}", file=sys.stderr)
    return 1 if done.existing else 0
