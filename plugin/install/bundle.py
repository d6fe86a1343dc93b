"""The files of an installation, and how they are put in place in one step."""

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
    "plugin/**/*.py", "plugin/**/*.css", "commands/*.md", "plugin.json", "LICENSE",
)  # fmt: skip
NEEDED = (
    "hooks/run", "hooks/hooks.json", "plugin/__main__.py", "plugin.json", "lib/circuit_breaker/runtime/hook.py",
)  # fmt: skip
LOCK = "lib/requirements.lock"
VENDOR = "lib/_vendor"
STAGED_VENDOR = "lib/_vendor.new"
PIP_SECONDS = 30
BOTH = " and ".join(packages.PACKAGES)


def contents(source: Path) -> dict[str, bytes]:
    """Relative path -> bytes of the runtime files below `source`, without packages. Raises FileNotFoundError if it is incomplete."""
    found = {name: disk.with_unix_ends((source / name).read_bytes()) for name in names_below(source)}
    lacking = [name for name in NEEDED if name not in found]
    if lacking:
        raise FileNotFoundError(2, f"{', '.join(lacking)} not found below", str(source))
    return found


def names_below(folder: Path) -> list[str]:
    """The files below `folder` whose names are ours."""
    paths = [path for pattern in PATTERNS for path in sorted(folder.glob(pattern)) if path.is_file()]
    return [path.relative_to(folder).as_posix() for path in paths if "__pycache__" not in path.parts]


def packages_below(folder: Path, vendor: str = VENDOR) -> dict[str, bytes]:
    """Relative path -> bytes of the two packages' files in the folder `vendor` below `folder`."""
    return {
        f"{VENDOR}/{path.relative_to(folder / vendor).as_posix()}": path.read_bytes()
        for path in sorted((folder / vendor).rglob("*"))
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts
    }


def has(package: str, names: Container[str]) -> bool:
    """Whether `names`, relative paths of an installation, include the package."""
    return f"{VENDOR}/{package}/__init__.py" in names


def fetch(root: Path) -> str:
    """Add the two packages to the copy in `root`, and to its receipt. Returns "" or why not: everything works without them."""
    new = root / STAGED_VENDOR
    clear(new)
    why = pip_install(root / LOCK, new, PIP_SECONDS)
    if not why:
        receipt.adopt(root, packages_below(root, STAGED_VENDOR))
        clear(root / VENDOR)
        os.rename(new, root / VENDOR)
    clear(new)
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


def beside(root: Path) -> tuple[Path, Path]:
    """(folder in which the next installation is prepared, folder of the previous one until it is removed)."""
    return root.with_name(root.name + ".new"), root.with_name(root.name + ".old")


def put(root: Path, wanted: dict[str, bytes]) -> None:
    """Replace `root` by a folder with the files `wanted` (relative path -> bytes), filled beside it. Between the two renames the
    registered lines find no script and do nothing. Files in the old folder that are not ours are moved to the new one."""
    new, old = beside(root)
    clear(new)
    try:
        for name, data in wanted.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with disk.named(path):
                path.write_bytes(data)
    except OSError:
        clear(new)  # the disk may be full
        raise
    if root.exists():
        clear(old)
        os.rename(root, old)
    os.rename(new, root)
    clear_old(root)


def recover(root: Path) -> None:
    """Finish or undo a killed `put`: afterwards `root` is the complete old or new installation."""
    new, old = beside(root)
    if not os.path.lexists(root) and old.exists():
        os.rename(new if (new / receipt.RECEIPT).is_file() else old, root)
    clear(new)
    clear(root / STAGED_VENDOR)
    clear_old(root)


def clear_old(root: Path) -> None:
    """Remove the old folder after a `put`; files that are not ours are moved into `root` first."""
    new, old = beside(root)
    if not old.is_dir() or not root.is_dir():
        return
    for path in _parted(old, {receipt.RECEIPT, *_listed(old), *_listed(root)})[1]:
        target = root / path.relative_to(old)
        if not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, target)
    os.rename(old, new)  # under this name a torn folder is recognised after a kill
    clear(new)


def _listed(folder: Path) -> list[str]:
    kept = receipt.load_receipt(folder)
    return list(kept["files"]) if kept else [*names_below(folder), *packages_below(folder)]


def clear(folder: Path) -> None:
    """Remove a folder of ours, if it exists."""
    if folder.is_symlink():
        raise files.Refused(0, "the installer needs this path, but it is a link; remove it", str(folder))
    if folder.exists():
        shutil.rmtree(folder)


def take_away(root: Path, names: Container[str]) -> list[str]:
    """Remove the files `names` below `root`, byte code, and folders that are then empty; the scripts in hooks/ before what they load.
    Returns the names of what is left."""
    ours, others = _parted(root, names)
    for path in ours:
        files.remove(str(path))
    disk.remove_empty(root, *(path for path in root.rglob("*") if path.is_dir()))
    return [path.relative_to(root).as_posix() for path in others]


def _parted(folder: Path, names: Container[str]) -> tuple[list[Path], list[Path]]:
    """(files below `folder` that are among `names`, or byte code; the other files). It looks behind no link."""
    ours: list[Path] = []
    others: list[Path] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        mine = name.as_posix() in names or "__pycache__" in name.parts
        if path.is_symlink() or not path.is_dir():
            (ours if mine else others).append(path)
    return ours, others


def sources_of_packages(source: Path, root: Path, lock: bytes) -> dict[str, bytes]:
    """The packages' files available without pip: from `source`, or from the installation being replaced."""
    for folder in (source, root):
        if (folder / VENDOR).is_dir() and (folder / LOCK).is_file() and (folder / LOCK).read_bytes() == lock:
            found = packages_below(folder)
            if all(has(name, found) for name in packages.PACKAGES):
                return found
    return {}
