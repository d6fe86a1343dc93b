"""The measurements that no test runs whole still name what is there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def variants(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import variants

    yield variants
    sys.modules.pop("variants")


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import hooks

    yield hooks
    for name in ("hooks", "timing", "world"):
        sys.modules.pop(name)


def test_each_variant_of_the_engine_replaces_something_that_is_there(variants: ModuleType) -> None:
    rows = [*variants.thresholds(), *variants.progress_rules(), *variants.identity_rules()]
    assert len({row.name for row in rows}) == len(rows) > 40
    for row in rows:
        assert row.config or row.patches, row.name
        for module, name, _ in row.patches:
            assert hasattr(module, name), f"{row.name}: {module.__name__} has no {name}"


@pytest.mark.slow
def test_each_timed_event_is_what_its_row_says(hooks: ModuleType, tmp_path: Path) -> None:
    said = {}
    for row in hooks.events(tmp_path, sys.executable, hooks.floor(sys.executable, tmp_path)):
        with open(row.scene.prepare(), "rb") as stdin:
            done = subprocess.run(row.scene.command, stdin=stdin, env=row.scene.env, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b""), row.scene.name
        said[row.scene.name] = done.stdout
    assert b'"permissionDecision":"deny"' in said.pop("gate, denies")
    assert set(said.values()) == {b""}


@pytest.mark.slow
def test_what_has_grown_is_as_large_as_its_row_says(hooks: ModuleType) -> None:
    lived, filled = hooks.lived(), hooks.filled()
    assert lived.turn == 100_000
    assert all(99_000 < streak.last_turn <= 100_000 for streak in lived.streaks.values())
    assert len(filled.streaks) == filled.MOST["streaks"] and len(filled.circuits) == 16
