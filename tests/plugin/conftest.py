"""What the tests of the installer and of doctor may ask for."""

from __future__ import annotations

import os

import pytest
from install import bundle
from plugin.people import Person


@pytest.fixture
def person(tmp_path, monkeypatch, mocker):
    """A machine without a network: pip fails there."""
    someone = Person(tmp_path)
    for name in list(os.environ):
        if name.startswith(("XDG_", "CLAUDE", "CIRCUIT_BREAKER")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(someone.home))
    monkeypatch.setenv(
        "CLAUDE_PROJECT_DIR", str(someone.project)
    )  # whatever lies above the folder of the tests
    monkeypatch.chdir(someone.project)
    mocker.patch.object(bundle, "fetch", return_value="no network")
    return someone
