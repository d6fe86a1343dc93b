"""Who wrote a prompt? What the host's transcript says of it, where it can be read."""

from __future__ import annotations

import time

from circuit_breaker.runtime import files, json

TAIL = (
    1 << 19
)  # bytes from the end of the transcript that are searched: a prompt's row is near the end when it is asked for
UNKNOWN = "unknown"
PAUSE = 0.05  # seconds


def awaited(transcript: str, prompt_id: str, patience: float) -> str:
    """`of`, asked again for up to `patience` seconds: a quick host asks before it has written the row, and a bypass is worth waiting."""
    for _ in range(round(patience / PAUSE) if files.exists(transcript) else 0):
        found = of(transcript, prompt_id)
        if found != UNKNOWN:
            return found
        time.sleep(PAUSE)
    return of(transcript, prompt_id)


def of(transcript: str, prompt_id: str) -> str:
    """`typed`, `sdk`, `system` or another word of the host's `promptSource`; "unknown" when it cannot be told."""
    if not transcript or not prompt_id:
        return UNKNOWN
    try:
        data = _tail(transcript)
    except OSError:
        return UNKNOWN
    wanted = prompt_id.encode()
    for line in data.split(b"\n"):
        if wanted not in line or b"promptSource" not in line:
            continue
        try:
            row = json.parse(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.get("promptId", row.get("prompt_id")) == prompt_id:
            source = row.get("promptSource")
            if isinstance(source, str) and source:
                return source
    return UNKNOWN


def _tail(path: str) -> bytes:
    fd = files.system.open(path, files.system.O_RDONLY | getattr(files.system, "O_NONBLOCK", 0))
    try:
        size = files.system.fstat(fd).st_size
        files.system.lseek(fd, max(0, size - TAIL), 0)
        chunks = []
        left = TAIL
        while left > 0:
            chunk = files.system.read(fd, left)
            if not chunk:
                break
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)
    finally:
        files.system.close(fd)
