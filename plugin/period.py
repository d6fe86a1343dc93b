"""The option `--since` of several verbs."""

from __future__ import annotations

import argparse
import re
import time
from datetime import datetime

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def since(text: str) -> float:
    """Epoch seconds for `24h`, `90m`, `7d` or an ISO date and time. Raises argparse.ArgumentTypeError."""
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found:
        return time.time() - int(found[1]) * UNITS[found[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        hint = "give 90m, 24h, 7d, or a date such as 2026-11-29T08:00"
        raise argparse.ArgumentTypeError(f"{text!r}: {hint}") from None
