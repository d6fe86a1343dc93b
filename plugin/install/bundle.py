"""The files of an installation, and how they are put in place."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Container
from pathlib import Path

from shared import run_program

from circuit_breaker.runtime import files, packages
from install import disk, receipt

PATTERNS = (
    "hooks/*.py", "hooks/run", "hooks/hooks.json", "hooks/register.js", "lib/circuit_breaker/**/*.py", "lib/requirements*.lock",
    "plugin/**/*.py", "plugin/**/*.css", "plugin/**/*.html", "commands/*.md", "plugin.json", "LICENSE",
)  # fmt: skip
NEEDED = (
    "hooks/run", "hooks/hooks.json", "plugin/__main__.py", "plugin.json", "lib/circuit_breaker/runtime/hook.py",
)  # fmt: skip
RUN = "hooks/run"
LOCK = "lib/requirements.lock"
VENDOR = "lib/_vendor"
PIP_SECONDS = 30
BOTH = " and ".join(packages.PACKAGES)


def contents(source: Path) -> dict[str, bytes]:
    """Relative path -> bytes of the runtime files below `source`. Raises FileNotFoundError if it is incomplete."""
    found = {name: disk.with_unix_ends((source / name).read_bytes()) for name in names_below(source)}
    for path in sorted((source / VENDOR).rglob("*")):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            found[path.relative_to(source).as_posix()] = path.read_bytes()
    lacking = [name for name in NEEDED if name not in found]
    if lacking:
        raise FileNotFoundError(2, f"{', '.join(lacking)} not found below", str(source))
    return found


def names_below(folder: Path) -> list[str]:
    """The files below `folder` whose names are ours."""
    paths = [path for pattern in PATTERNS for path in sorted(folder.glob(pattern)) if path.is_file()]
    return [path.relative_to(folder).as_posix() for path in paths if "__pycache__" not in path.parts]


def has(root: Path, package: str) -> bool:
    """Whether the installation in `root` has the package."""
    return (root / VENDOR / package / "__init__.py").is_file()


def fetch(root: Path) -> str:
    """Add the two packages to the copy in `root`. Returns "" or why not: everything works without them."""
    why = pip_install(root / LOCK, root / VENDOR, PIP_SECONDS)
    if why:
        shutil.rmtree(root / VENDOR, ignore_errors=True)
    return why


def pip_install(lock: Path, target: Path, seconds: float) -> str:
    """Install what a lock file with hashes names into the folder `target`. Returns "" or why not."""
    if importlib.util.find_spec("pip") is None:
        return "this Python has no pip"
    command = [
        sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps",
        "--no-compile", "--no-cache-dir", "--only-binary", ":all:", "--require-hashes", "--retries", "1", "--timeout", "8",
        "--upgrade", "--target", str(target), "-r", str(lock),
    ]  # fmt: skip
    done = run_program(command, seconds)
    problem = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return f"pip: {problem[0][:200]}" if done.returncode else ""


def put_in_place(root: Path, wanted: dict[str, bytes]) -> int:
    """Make the files `wanted` (relative path -> bytes) the installation in `root`. Returns how many were written.

    All are written beside their places first, so that a full disk changes nothing. Then an older `hooks/run` becomes empty until the
    new one is put in place as the last file: in between, the registered lines do nothing and print nothing. The receipt is the first
    file, so that all can be removed after a kill. Packages stay while their lock file is the same.
    """
    changed = [name for name, data in wanted.items() if disk.read_through(root / name) != data]
    if not changed:
        return 0
    kept = receipt.load_receipt(root)
    listed = kept["files"] if kept else names_below(root)
    stale = [
        path
        for name, path in _files_below(root).items()
        if name not in wanted and _is_among(name, listed) and (LOCK in changed or not name.startswith(VENDOR))
    ]
    in_order = sorted({*changed, RUN}, key=lambda name: (name == RUN, name != receipt.RECEIPT))
    empty = disk.scrap(root / "empty")
    try:
        for name in in_order:
            path = root / name
            _make_folder(path.parent, root)
            with disk.naming(path):
                disk.scrap(path).write_bytes(wanted[name])
        empty.touch()
    except OSError:
        recover(root)
        raise
    if (root / RUN).exists():
        os.replace(empty, root / RUN)
    else:
        files.remove(str(empty))
    for path in stale:
        files.remove(str(path))
    for name in in_order:
        os.replace(disk.scrap(root / name), root / name)
    _remove_empty(root)
    return len(changed)


def recover(root: Path) -> None:
    """Remove what a killed or failed `put_in_place` left."""
    for name, path in _files_below(root).items():
        if name.endswith(disk.SCRAP):
            files.remove(str(path))
    _remove_empty(root)


def take_away(root: Path, names: Container[str]) -> list[str]:
    """Remove the files `names` below `root`, the packages, byte code, and folders that are then empty; the scripts in hooks/ before what
    they load. Returns the names of what is left."""
    there = _files_below(root)
    for name, path in there.items():
        if _is_among(name, names):
            files.remove(str(path))
    _remove_empty(root)
    return [name for name in there if not _is_among(name, names)]


def _is_among(name: str, names: Container[str]) -> bool:
    """Whether `name` is among `names`, or belongs to the packages or Python's cache."""
    return name in names or name.startswith(VENDOR + "/") or "__pycache__" in name.split("/")


def _files_below(folder: Path) -> dict[str, Path]:
    """Relative path -> path of each file below `folder`, in order. It looks behind no link."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _make_folder(folder: Path, root: Path) -> None:
    """Make a folder of the installation. Raises files.Refused for a link, which can lead outside."""
    for part in (folder, *folder.parents):
        if root in part.parents and part.is_symlink():
            raise files.Refused(0, "this must be a folder, not a link; remove it", str(part))
    folder.mkdir(parents=True, exist_ok=True)


def _remove_empty(root: Path) -> None:
    disk.remove_empty(root, *(path for path in root.rglob("*") if path.is_dir()))
