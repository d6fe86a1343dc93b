"""Incidents on disk: each place they go to stands alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from circuit_breaker.breaker.layers import build
from circuit_breaker.breaker.model import Transition
from circuit_breaker.runtime import incidents
from circuit_breaker.runtime.home import INCIDENTS, STATE, Places


@pytest.fixture
def where(tmp_path: Path, monkeypatch: Any) -> Places:
    monkeypatch.setenv("CIRCUIT_BREAKER_HOME", str(tmp_path / "r"))
    return Places(str(tmp_path / "r"), str(tmp_path / "r" / "h"), "/p", "", "/u")


@pytest.mark.parametrize("blocked", [INCIDENTS, STATE, "spool"])
def test_what_cannot_be_written_in_one_place_is_kept_in_the_others(where: Places, blocked: str) -> None:
    Path(where.home).mkdir(parents=True)
    if blocked == "spool":
        Path(where.runtime, "export").touch()
    else:
        Path(where.home, blocked).mkdir()
    config = build([("user file", {"export": {"otlp": True, "endpoint": "http://127.0.0.1:9"}})])
    incidents.keep_incidents(
        where, "s1", [Transition(event="probe", rule="tool_failure", subject="x")], config
    )
    kept = [
        Path(where.home) / INCIDENTS,
        Path(where.home) / STATE,
        Path(where.runtime) / "export/spool.jsonl",
    ]
    assert [path.is_file() for path in kept].count(False) == 1
    assert "incident not " in Path(where.errors).read_text()
    if blocked != INCIDENTS:
        assert json.loads(kept[0].read_text())["event"] == "probe"
