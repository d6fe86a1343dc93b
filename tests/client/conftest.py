"""The real client for every test of this folder; without it they are skipped, in CI they fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from client.driver import Client, binary
from samples import IN_CI


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder drives the real client and takes seconds."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.client)
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """A machine with the real client on it."""
    found = binary()
    if found is None:
        message = "the real client is not installed: `make client` fetches it (npm is needed)"
        pytest.fail(message) if IN_CI else pytest.skip(message)
    return Client(tmp_path / "a machine", found)
