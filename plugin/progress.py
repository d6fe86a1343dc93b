"""A progress line on stderr for long work; shown only after a second, and only in a terminal."""

from __future__ import annotations

import sys
import time

from circuit_breaker.words import memory

SHOW_AFTER = 1.0  # seconds


class Progress:
    """Call it with each step's text; `end` removes the line."""

    def __init__(self) -> None:
        self.since, self.count, self.shown = time.monotonic(), 0, 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        self.count += 1
        if not sys.stderr.isatty() or now - self.since < SHOW_AFTER or now - self.shown < 0.1:
            return
        self.shown = now
        print(f"\r\x1b[K{memory.shown(text)[:78]}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self.shown = 0.0
