"""Cutting the long lists of a session file: the last entries stay, every other byte too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.janitor import ledger, retention

LIMITS = {"evidence_ledger_max": 100, "tool_history_max": 50}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def cut(text: str, limits: dict[str, int]) -> tuple[str, dict[str, int]]:
    data, gone = ledger.cut_lists(text.encode(), limits)
    return data.decode(), gone


@pytest.mark.parametrize("key", ["evidence_ledger", "tool_history"])
@pytest.mark.parametrize("past", [-1, 0, 1, 50])
def test_list_is_cut_to_its_last_entries_only_past_its_limit(key: str, past: int) -> None:
    most = LIMITS[retention.LISTS[key]]
    document = {"before": 1, key: [{"n": n} for n in range(most + past)], "after": [1, 2]}
    text, gone = cut(json.dumps(document, indent=4), LIMITS)
    kept = document[key][-most:]  # type: ignore[index]
    assert json.loads(text) == {**document, key: kept}
    assert gone == ({key: past} if past > 0 else {})


def test_every_other_byte_stays() -> None:
    entries = ",\n    ".join(f'{{"n":  {n}.50}}' for n in range(102))
    tail = '],\r\n\t"z": 1.10, "big": 123456789012345678901234567890, "e": 1E5, "u": "\\u00e9é", "a": 1, "a": 2 }\n\n'
    text = '{ "evidence_ledger" : [ ' + entries + tail
    shorter, gone = cut(text, LIMITS)
    kept = ",\n    ".join(f'{{"n":  {n}.50}}' for n in range(2, 102))
    assert shorter == '{ "evidence_ledger" : [ ' + kept + tail
    assert gone == {"evidence_ledger": 2}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"a":1',
        '{"a" 1}',
        '{"a":1}x',
        '{"a":1,}',
        '{"tool_history":[1,]}',
        '{"tool_history":[1',
        "{a:1}",
        "[" * 9000,
    ],
)
def test_what_is_not_one_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        cut(text, LIMITS)


def test_deep_nesting_is_refused_not_a_crash() -> None:
    with pytest.raises(ValueError):
        cut('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", LIMITS)


@pytest.mark.parametrize("value", ["text", 5, None, {"a": 1}, []])
def test_key_that_holds_no_list_is_left_alone(value: Any) -> None:
    text = json.dumps({"evidence_ledger": value, "tool_history": value})
    assert cut(text, LIMITS) == (text, {})


def test_lists_below_the_top_are_somebody_elses() -> None:
    text = json.dumps({"inner": {"tool_history": list(range(500))}})
    assert cut(text, LIMITS) == (text, {})


def test_limit_of_zero_cuts_nothing() -> None:
    text = json.dumps({"tool_history": list(range(500))})
    assert cut(text, {**LIMITS, "tool_history_max": 0}) == (text, {})


def test_no_file_shorter_than_two_bytes_an_entry_can_be_over_its_limit() -> None:
    for most in (1, 2, 50):
        limits = {"evidence_ledger_max": most, "tool_history_max": 0}
        text = '{"evidence_ledger":[' + ",".join("1" * (most + 1)) + "]}"
        assert cut(text, limits)[1]
        assert len(text) >= 2 * most + 2


@given(
    st.dictionaries(
        st.text() | st.sampled_from(["evidence_ledger", "tool_history"]),
        VALUES | st.lists(VALUES, max_size=8),
    ),
    st.sampled_from([None, 0, 2, "\t"]),
    st.booleans(),
)
def test_cut_equals_cutting_the_values(document: dict[str, Any], indent: Any, ascii_only: bool) -> None:
    limits = {"evidence_ledger_max": 3, "tool_history_max": 2}
    text, gone = cut(json.dumps(document, indent=indent, ensure_ascii=ascii_only), limits)
    wanted = dict(document)
    for key, limit in retention.LISTS.items():
        if isinstance(document.get(key), list):
            wanted[key] = document[key][-limits[limit] :]
    assert json.dumps(json.loads(text)) == json.dumps(wanted)
    assert bool(gone) == (json.dumps(wanted) != json.dumps(document))
    assert cut(text, limits) == (text, {})
