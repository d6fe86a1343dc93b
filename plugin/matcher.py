"""Which subjects does a hook's matcher mean? As the host reads it. Pure."""

from __future__ import annotations

import re


def fits(matcher: str, subject: str) -> bool:
    """Nothing or `*` means all, plain words are exact names, anything else is an unanchored pattern."""
    if matcher in ("", "*"):
        return True
    if re.fullmatch(r"[\w|, -]+", matcher):
        return subject in re.split(r"[|,]\s*", matcher)
    return re.search(matcher, subject) is not None
