"""Install on disks that are really full or read-only, and over settings of a group that is really another's. Needs root and namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin.people import ROOT, Person

NOBODY = 54321  # a user id that no account has
READ_ONLY = "mount --bind {0} {0} && mount -o remount,ro,bind {0}"
FULL = "mount -t tmpfs -o size={1},mode=755 tmpfs {0}"
# Which folder is refused and how, and the scope that is installed.
DISKS = {
    "no room for the files": ("user", "home/.local/share", FULL, "64k"),
    "no room for the last files": ("user", "home/.local/share", FULL, "1100k"),
    "no room for the settings": ("user", "home/.claude", FULL, "4k"),
    "no room in the project": ("local", "project/.claude", FULL, "64k"),
    "settings read-only": ("user", "home/.claude", READ_ONLY, ""),
    "data read-only": ("user", "home/.local/share", READ_ONLY, ""),
    "home read-only": ("user", "home", READ_ONLY, ""),
    "project read-only": ("project", "project", READ_ONLY, ""),
}

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can mount")


def folders_without_anything(person: Person) -> set[str]:
    tree = person.tree()
    return {
        name
        for name, data in tree.items()
        if data is None and not any(other.startswith(name + "/") for other in tree)
    }


@pytest.mark.slow
@pytest.mark.parametrize("disk", DISKS)
def test_a_run_that_the_disk_refuses_says_where_and_the_next_one_finishes(person: Person, disk: str) -> None:
    scope, place, mount, size = DISKS[disk]
    folder = person.home.parent / place
    folder.mkdir(parents=True, exist_ok=True)
    before = person.tree()
    verb = f"{sys.executable} -I -S {ROOT}/plugin"
    out = person.home.parent / "out"
    line = (
        f"{mount.format(folder, size)} || exit 77\n"
        f"{verb} install --scope {scope} >{out} 2>&1; echo $? >>{out}; find {person.home} {person.project} -type d -empty >>{out}\n"
        f"umount {folder}\n{verb} install --scope {scope} >/dev/null 2>{out}.again || exit 78\n{verb} uninstall --scope {scope} >/dev/null\n"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", line],
        capture_output=True, text=True, check=False, cwd=person.project, env=person.env,
    )  # fmt: skip
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("nothing can be mounted here: " + done.stderr[:100])
    assert (done.returncode, done.stderr) == (0, ""), Path(f"{out}.again").read_text()
    said, _, after = out.read_text().rpartition("\n1\n")
    assert said.splitlines()[-1].startswith("install: ")
    assert str(folder) in said.splitlines()[-1]
    assert "Errno" not in said
    assert "Traceback" not in said
    empty = {str(Path(name).relative_to(person.home.parent)) for name in after.splitlines()}
    assert empty - {place, "project"} <= folders_without_anything(person)
    assert {name: data for name, data in person.tree().items() if name in before} == before


@pytest.fixture
def open_person() -> Iterator[Person]:
    """Another user's machine, which that user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    made = Person(folder)
    for path in (made.home, *made.home.rglob("*"), made.project):
        os.chown(path, NOBODY, NOBODY)
    yield made
    shutil.rmtree(folder)


def test_settings_of_a_group_that_is_really_not_ours_are_edited_and_given_back(open_person: Person) -> None:
    python = shutil.which("python3", path="/usr/bin:/bin")
    source = open_person.home.parent / "source"
    if python is None:
        pytest.skip("no python3 that every user may run")
    for part in ("lib", "plugin", "hooks", "commands", ".claude-plugin"):
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("plugin.json", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    text = '{\n  "model": "opus"\n}\n'
    open_person.settings.write_text(text)
    os.chown(open_person.settings, NOBODY, 0)
    open_person.settings.chmod(0o660)

    def leave() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    for verb in ("install", "uninstall"):
        done = subprocess.run(
            [python, "-I", "-S", "-B", str(source / "plugin"), verb],
            capture_output=True, text=True, check=False, cwd=open_person.project,
            env={**open_person.env, "PATH": "/usr/bin:/bin"}, preexec_fn=leave,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        if verb == "install":
            assert "hooks" in json.loads(open_person.settings.read_text())
    assert open_person.settings.read_text() == text
    assert open_person.settings.stat().st_mode & 0o777 == 0o660
