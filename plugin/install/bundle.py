"""The files of an installation, and how they come to their place in one step."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from circuit_breaker.runtime import files, packages
from install import disk, receipt

PATTERNS = (
    "hooks/*.py", "hooks/run", "hooks/hooks.json", "hooks/register.js", "lib/circuit_breaker/**/*.py", "lib/requirements*.lock",
    "plugin/**/*.py", "commands/*.md", "plugin.json", "LICENSE",
)  # fmt: skip
NEEDED = (
    "hooks/run",
    "hooks/hooks.json",
    "plugin/__main__.py",
    "plugin.json",
    "lib/circuit_breaker/runtime/hook.py",
)
LOCK = "lib/requirements.lock"
VENDOR = "lib/_vendor"
PIP_SECONDS = 30


def contents(source: Path) -> dict[str, bytes]:
    """The runtime files below `source` by relative path, without the packages. Raises FileNotFoundError for half a source."""
    found = {name: disk.with_unix_ends((source / name).read_bytes()) for name in names_below(source)}
    lacking = [name for name in NEEDED if name not in found]
    if lacking:
        raise FileNotFoundError(2, f"{', '.join(lacking)} not found below", str(source))
    return found


def names_below(folder: Path) -> list[str]:
    """The files below `folder` that are named as ours are."""
    paths = [path for pattern in PATTERNS for path in sorted(folder.glob(pattern)) if path.is_file()]
    return [path.relative_to(folder).as_posix() for path in paths if "__pycache__" not in path.parts]


def packages_below(folder: Path) -> dict[str, bytes]:
    """The files of the two packages below `folder`, by path relative to it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / VENDOR).rglob("*"))
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts
    }


def fetch(folder: Path, lock: Path | None = None, seconds: float = PIP_SECONDS) -> str:
    """Put the two packages into `folder`/lib/_vendor by pip, from the hashed `lock` (the one beside it). "" when done, else why.

    Never raises for a pip that is missing, fails, or takes longer than `seconds`: everything works without the two.
    """
    if importlib.util.find_spec("pip") is None:
        return "this Python has no pip"
    target = folder / VENDOR
    command = [
        sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps",
        "--no-compile", "--no-cache-dir", "--only-binary", ":all:", "--require-hashes", "--retries", "1", "--timeout", "8",
        "--target", str(target), "-r", str(lock or folder / LOCK),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
        problem = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        why = "" if done.returncode == 0 else "pip: " + problem[0][:200]
    except subprocess.TimeoutExpired:
        why = f"pip took longer than {seconds:g} s"
    except OSError as error:
        why = f"pip could not be started: {error}"
    if why:
        shutil.rmtree(target, ignore_errors=True)
    return why


def beside(root: Path) -> tuple[Path, Path]:
    """Where the next installation is made, and where the last one waits to be removed."""
    return root.with_name(root.name + ".new"), root.with_name(root.name + ".old")


def stage(root: Path, runtime: dict[str, bytes]) -> Path:
    """Write `runtime` into a fresh folder beside `root`; nothing there is used until `swap`."""
    new = beside(root)[0]
    clear(new)
    try:
        for name, data in runtime.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with disk.named(path):
                path.write_bytes(data)
    except OSError:
        clear(new)  # a full disk needs the room
        raise
    return new


def swap(root: Path) -> None:
    """Put the staged folder in the place of `root`. Between the two renames the registered lines find no script and do
    nothing. What lay in the old folder and was not ours moves over."""
    new, old = beside(root)
    if root.exists():
        clear(old)
        os.rename(root, old)
    os.rename(new, root)
    clear_old(root)


def recover(root: Path) -> None:
    """Finish or undo what a killed `swap` left: afterwards `root` is the old or the new installation, whole."""
    new, old = beside(root)
    if not os.path.lexists(root) and (new / receipt.RECEIPT).is_file() and old.exists():
        os.rename(new, root)
    elif not os.path.lexists(root) and old.exists():
        os.rename(old, root)
    clear(new)
    clear_old(root)


def clear_old(root: Path) -> None:
    """Remove the folder that the last swap put aside, after moving what is not ours into `root`."""
    old = beside(root)[1]
    if not old.is_dir() or not root.is_dir():
        return
    listed = _listed(old)
    ours = {receipt.RECEIPT, *listed, *_listed(root)}
    for path in sorted(old.rglob("*")):
        name = path.relative_to(old)
        mine = name.as_posix() in ours or "__pycache__" in name.parts
        target = root / name
        if (path.is_symlink() or path.is_file()) and not mine and not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, target)
    take_away(old, listed)  # its receipt last: killed before that, the next look still knows what was ours
    clear(old)


def _listed(folder: Path) -> list[str]:
    kept = receipt.load_receipt(folder)
    return list(kept["files"]) if kept else [*names_below(folder), *packages_below(folder)]


def clear(folder: Path) -> None:
    """Remove a folder that `stage` or `swap` made (they alone make one of that name)."""
    if folder.is_symlink():
        raise files.Refused(0, "a link stands where the installer works; remove it", str(folder))
    if folder.exists():
        shutil.rmtree(folder)


def take_away(root: Path, names: list[str]) -> None:
    """Remove the files `names` below `root`, what Python compiled from them, and the folders that are empty then; the scripts
    that the registered lines call go first. The receipt stays: `drop` takes it when all else is done."""
    first = [name for name in names if name.startswith("hooks/")]
    for name in first + [name for name in names if name not in first and name != receipt.RECEIPT]:
        path = inside(root, name)
        if path is None:
            continue
        files.remove(str(path))
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc*") if path.suffix == ".py" else ():
            files.remove(str(compiled))
    folders = {parent for name in names for parent in (root / name).parents if root in parent.parents}
    folders |= {folder / "__pycache__" for folder in folders}
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        disk.remove_empty(folder)


def drop(root: Path) -> list[str]:
    """Remove the receipt, and `root` when it is empty. Returns what is left in it: not ours."""
    if root.is_dir():
        files.remove(str(root / receipt.RECEIPT))
    disk.remove_empty(root)
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*")) if root.is_dir() else []


def inside(root: Path, name: str) -> Path | None:
    """The file `name` below `root`; None when it leads out of it (a receipt may come with a cloned repository)."""
    path = root / name
    if os.path.isabs(name) or ".." in Path(name).parts or not name:
        return None
    real, top = os.path.realpath(path.parent), os.path.realpath(root)
    return path if real == top or real.startswith(top + os.sep) else None


def sources_of_packages(source: Path, root: Path, lock: bytes) -> dict[str, bytes]:
    """The packages that are at hand without pip: those of `source`, or those of the installation that is replaced."""
    for folder in (source, root):
        if (folder / VENDOR).is_dir() and (folder / LOCK).is_file() and (folder / LOCK).read_bytes() == lock:
            found = packages_below(folder)
            if all(f"{VENDOR}/{name}/__init__.py" in found for name in packages.PACKAGES):
                return found
    return {}
