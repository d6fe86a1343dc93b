"""A copy of a record shares nothing that changes."""

from __future__ import annotations

import pytest

from circuit_breaker.breaker import memory, model

KINDS = [
    kind
    for module in (memory, model)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, model.Record)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_list_and_dict_of_a_value_is_copied_with_it(kind):
    holds = {name for name, default in kind.defaults().items() if isinstance(default, (list, dict))}
    assert set(kind.CONTAINERS) == holds
    first = kind()
    second = first.but()
    assert second == first
    for name in holds:
        assert getattr(second, name) is not getattr(first, name)
        assert getattr(first, name) is not kind.defaults()[name]


def test_changed_copy_leaves_the_first_alone():
    lane = memory.Lane(seen=["a"])
    other = lane.but(turn=3)
    other.seen.append("b")
    assert (lane.turn, lane.seen) == (0, ["a"])
