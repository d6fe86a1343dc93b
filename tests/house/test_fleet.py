"""The files for a team are what they claim to be."""

from __future__ import annotations

import json
import re
from pathlib import Path

FLEET = Path(__file__).resolve().parents[2] / "docs" / "fleet"
COUNTERS = {"trips", "probes", "stops", "bypasses", "warnings", "tokens"}


def test_dashboard_and_alerts_ask_for_counters_that_are_exported() -> None:
    dashboard = json.loads((FLEET / "dashboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked.append((FLEET / "alerts.yaml").read_text(encoding="utf-8"))
    names = {name for text in asked for name in re.findall(r"circuit_breaker_(\w+)_total", text)}
    assert names and names <= COUNTERS
    assert {panel["id"] for panel in dashboard["panels"]} == {1, 2, 3, 4}


def test_managed_settings_of_the_docs_are_json() -> None:
    text = (FLEET.parent / "fleet.md").read_text(encoding="utf-8")
    settings = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])  # type: ignore[index]
    assert settings["enabledPlugins"] == {"circuit-breaker@circuit-breaker": True}
