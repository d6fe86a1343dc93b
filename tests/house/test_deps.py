"""The lock is hashed, a distribution carries both packages, and our own few lines equal them."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from circuit_breaker.runtime import files, home, packages

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "lib" / "requirements.lock"


def test_every_pin_of_the_lock_carries_a_hash_and_an_exact_version():
    text = LOCK.read_text().replace("\\\n", " ")
    pins = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert pins
    for pin in pins:
        assert re.match(
            r"(filelock|platformdirs)==[\d.]+ ; python_version .* --hash=sha256:[0-9a-f]{64}$", pin
        ), pin


def test_the_lock_serves_every_python_from_39_up_and_names_no_host():
    text = LOCK.read_text()
    for name in packages.PACKAGES:
        assert re.search(name + r'==\S+ ; python_version < "3\.10"', text)
        assert re.search(name + r'==\S+ ; python_version >= "3\.10"', text)
    assert "://" not in text
    assert "--index" not in text


def test_filelock_and_our_lock_keep_each_other_out(tmp_path):
    filelock = pytest.importorskip("filelock")
    path = str(tmp_path / "lock")
    with files.Lock(path), pytest.raises(TimeoutError):
        filelock.FileLock(path, timeout=0).acquire()
    with filelock.FileLock(path), pytest.raises(TimeoutError):
        files.Lock(path, 0.05).__enter__()


@pytest.mark.parametrize("without", [False, True], ids=["with filelock", "without filelock"])
def test_lock_excludes_another_process_either_way(tmp_path, monkeypatch, without):
    if without:
        monkeypatch.setattr(packages, "package", lambda *_: None)
    path = str(tmp_path / "lock")
    other = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from circuit_breaker.runtime import files\n"
        "try:\n    files.Lock(sys.argv[2], 0.05).__enter__()\n"
        "except TimeoutError:\n    print('kept out')\n"
    )
    command = [sys.executable, "-c", other, str(ROOT / "lib"), path]
    with packages.lock(path):
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "kept out\n"
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize("xdg", ["", "/elsewhere/data", "  "], ids=["unset", "set", "blank"])
def test_our_folders_are_the_ones_platformdirs_names(monkeypatch, xdg):
    platformdirs = pytest.importorskip("platformdirs")
    monkeypatch.setenv("HOME", "/home/somebody")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, xdg)
    assert home.base_folder(os.environ, "XDG_DATA_HOME", "/.local/share") == str(
        platformdirs.user_data_path(home.NAME)
    )
    assert home.user_config(os.environ) == str(platformdirs.user_config_path(home.NAME) / "config.json")


def test_relative_data_folder_is_not_taken(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_DATA_HOME", "data")
    assert os.path.isabs(packages.data_folder())


def test_without_any_home_the_data_folder_is_refused(monkeypatch):
    monkeypatch.setattr(packages, "package", lambda name: None)
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(files.Refused):
        packages.data_folder()


def test_a_vendored_package_comes_before_the_interpreters(tmp_path, monkeypatch):
    (tmp_path / "platformdirs.py").write_text("user_data_path = MARK = 'vendored'\n")
    monkeypatch.delitem(sys.modules, "platformdirs", raising=False)
    found = packages.package("platformdirs", str(tmp_path))
    assert getattr(found, "MARK", None) == "vendored"
    monkeypatch.delitem(sys.modules, "platformdirs")
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    "damage", ["def torn(:\n", "\0", "raise EOFError('marshal data too short')\n", "old = 1\n"]
)
def test_a_package_that_is_damaged_too_old_or_for_another_python_counts_as_missing(
    tmp_path, monkeypatch, damage
):
    (tmp_path / "filelock.py").write_text(damage)
    monkeypatch.delitem(sys.modules, "filelock", raising=False)
    assert packages.package("filelock", str(tmp_path)) is None
    assert str(tmp_path) not in sys.path
