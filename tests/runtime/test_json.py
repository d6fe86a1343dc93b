"""What we read and write as JSON, by the C parts of `json`, and by `json` itself where a newer Python has changed them."""

from __future__ import annotations

import _json
import json as known
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from circuit_breaker.runtime import json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture(params=[None, AttributeError, TypeError], ids=["known", "asks for more", "another signature"])
def parts(request: pytest.FixtureRequest, mocker: MockerFixture) -> None:
    """The C parts of this Python, or those of one that comes after all that we know."""
    if request.param:
        for name in ("make_scanner", "make_encoder"):
            mocker.patch.object(_json, name, side_effect=request.param)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_what_is_written_is_read_again(parts: None, value: Any) -> None:
    written = json.dump(value)
    assert written.isascii()
    assert b"\n" not in written
    assert json.parse(written) == known.loads(written) == value


@pytest.mark.parametrize("text", ["", "{", "[1,]", "NaN", "[Infinity]", "{} {}", '"\n"', "'a'"], ids=repr)
def test_text_that_is_no_json_is_refused(parts: None, text: str) -> None:
    with pytest.raises(ValueError):
        json.parse(text)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": {1}}, b"a"], ids=repr)
def test_value_that_json_does_not_know_is_refused(parts: None, value: Any) -> None:
    with pytest.raises(ValueError):
        json.dump(value)


def test_text_that_is_nested_too_deeply_is_refused(parts: None) -> None:
    with pytest.raises(ValueError):
        json.parse("[" * 100_000)
