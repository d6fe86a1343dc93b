"""A made-up folder of Claude Code with every kind of file in it, old and young, and what must never be touched."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

DAY = 86400.0
OLD, YOUNG, OTHER, ALONE = (
    f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "1234"
)
PROJECT = "-home-me-shop"

# path -> days since its last write; a path that ends in / is an empty folder
GOES = {
    f"projects/{PROJECT}/{OLD}.jsonl": 60,
    f"projects/{PROJECT}/{OLD}.precompact.json": 61,
    f"projects/{PROJECT}/{OLD}/subagents/agent-a.jsonl": 62,
    f"projects/{PROJECT}/{OLD}/subagents/deep/agent-b.jsonl": 62,
    f"projects/{PROJECT}/{OLD}/tool-results/b1.txt": 63,
    f"projects/{PROJECT}/{OLD}/custom-title.json": 60,
    f"projects/{PROJECT}/agent-0a1b2c3d.jsonl": 70,
    f"projects/-home-me-other/{OTHER}.jsonl": 45,
    f"debug/{OLD}.txt": 60,
    "shell-snapshots/snapshot-bash-1-a.sh": 60,
    f"file-history/{OLD}/0123456789abcdef@v1": 60,
    f"file-history/{OLD}/0123456789abcdef@v2": 60,
    f"todos/{OLD}-agent-{OLD}.json": 60,
    f"tasks/{OLD}/1.json": 60,
    "paste-cache/0123456789abcdef.txt": 60,
    f"image-cache/{OLD}/1.png": 60,
    "backups/.claude.json.backup.1": 90,
    "plugins/cache/market/tool/1.0.0/index.js": 60,
}
STAYS = {
    f"projects/{PROJECT}/{YOUNG}.jsonl": 2,
    f"projects/{PROJECT}/{YOUNG}/subagents/agent-c.jsonl": 50,  # goes with its session, which is young
    f"projects/{PROJECT}/{ALONE}.jsonl": 60,  # its file history is of today
    f"file-history/{ALONE}/a@v1": 0,
    f"projects/{PROJECT}/memory/MEMORY.md": 90,
    f"projects/{PROJECT}/notes.jsonl": 90,
    f"projects/{PROJECT}/unknown/deep.jsonl": 90,
    "debug/young.txt": 1,
    "debug/folder/inside.txt": 90,
    "backups/.claude.json.backup.2": 40,  # the newest
    "plugins/cache/market/tool/2.0.0/index.js": 60,  # installed
    "plugins/data/tool-market/state": 90,
    "plugins/marketplaces/market/x.json": 90,
    "settings.json": 90,
    "settings.local.json": 90,
    ".credentials.json": 90,
    "CLAUDE.md": 90,
    "history.jsonl": 90,
    "plans/p.md": 90,
    "agents/a.md": 90,
    "commands/c.md": 90,
    "skills/s/SKILL.md": 90,
    "hooks/h.sh": 90,
    "statsig/x": 90,
    "session-env/s/x": 90,
    "something-new/deep/er/x": 90,
    "sessions/notes.txt": 90,
}


def build(base: Path) -> Path:
    """The folder, with a link to a file and one to a folder outside; what they lead to stands in `base`/outside."""
    folder, outside = base / "claude", base / "outside"
    for name, days in {**GOES, **STAYS}.items():
        put(folder, name, days)
    (folder / f"projects/{PROJECT}/{OLD}/subagents/empty").mkdir()
    installed = {"tool@market": [{"installPath": str(folder / "plugins/cache/market/tool/2.0.0")}]}
    put(folder, "plugins/installed_plugins.json", 90, json.dumps({"version": 2, "plugins": installed}))
    put(outside, "old/far.jsonl", 90)
    put(outside, "secret", 90)
    (folder / "debug/linked.txt").symlink_to(outside / "secret")
    (folder / "projects/-linked").symlink_to(outside / "old")
    (folder / f"file-history/{OTHER}").symlink_to(outside / "old")
    for path in (folder / "debug/linked.txt", folder / "projects/-linked", folder / f"file-history/{OTHER}"):
        os.utime(path, (1, 1), follow_symlinks=False)
    return folder


def put(folder: Path, name: str, days: float, text: str = "") -> Path:
    """A file of that age, with nanoseconds in its time and a mode of its own."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or f"{name}\n" * 50, encoding="utf-8")
    path.chmod(0o640 if "projects" in name else 0o600)
    ns = int((time.time() - days * DAY) * 1e9) // 10**9 * 10**9 + 123_456_789
    os.utime(path, ns=(ns, ns))
    return path


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every file and link below `folder`: content, mode, times; folders without their times, which change with what is in them."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = (os.readlink(path),)
        elif path.is_file():
            found[name] = (path.read_bytes(), info.st_mode, info.st_mtime_ns)
        else:
            found[name] = (info.st_mode,)
    return found


def files_of(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
