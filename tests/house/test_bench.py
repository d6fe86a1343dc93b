"""The measurements that no test runs whole still name what is there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def variants(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import variants

    yield variants
    sys.modules.pop("variants")


def test_each_variant_of_the_engine_replaces_something_that_is_there(variants: object) -> None:
    rows = [*variants.thresholds(), *variants.progress_rules(), *variants.identity_rules()]
    assert len({row.name for row in rows}) == len(rows) > 40
    for row in rows:
        assert row.rules or row.patches or row.keys, row.name
        for module, name, _ in row.patches:
            assert hasattr(module, name), f"{row.name}: {module.__name__} has no {name}"
