"""How often a test that draws samples draws: many in CI, on your own machine as few as find what breaks often."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")
IN_CI = os.environ.get("CI") == "true"


def samples(here: int, in_ci: int) -> int:
    """`in_ci` where CI=true, else `here`."""
    return in_ci if IN_CI else here


def also_in_ci(*cases: T) -> tuple[T, ...]:
    """More cases of what one case shows, tried only where CI=true."""
    return cases if IN_CI else ()
