"""Who wrote a prompt, by its row in the transcript.

Claude Code writes the row after the UserPromptSubmit hooks have ended (2.1.197 to 2.1.332; none was there 0.4 s into one) and
before the first call. So it is read at the first event after the prompt.
"""

from __future__ import annotations

import time

from circuit_breaker.breaker.memory import Session
from circuit_breaker.breaker.model import UNKNOWN
from circuit_breaker.runtime import files, json, protocol

# Bytes at the transcript's end that are searched; the second if the first has no row.
WINDOWS = (1 << 19, 1 << 23)
PAUSE = 0.05  # seconds between two tries
PATIENCE = 0.2  # seconds to wait for a row that is not there yet, if a bypass, a probe or the count of subagents depends on it


def author(transcript: str, session: Session, armed: bool) -> str:
    """Who wrote the prompt `session.unproven`: PERSON, MACHINE or UNKNOWN. May wait for its row."""
    if not files.exists(transcript):
        return UNKNOWN
    matters = armed or session.spawns or session.bypass == session.unproven
    for _ in range(round(PATIENCE / PAUSE) if matters else 0):
        found = of(transcript, session.unproven)
        if found != UNKNOWN:
            return found
        time.sleep(PAUSE)
    return of(transcript, session.unproven)


def of(transcript: str, prompt_id: str) -> str:
    """What the transcript says now; UNKNOWN if it cannot be read or has no row of that prompt."""
    found = UNKNOWN
    for window in WINDOWS:
        data, size = files.part(transcript, -window, window)
        found = _in(data, prompt_id)
        if found != UNKNOWN or size <= window:
            break
    return found


def _in(data: bytes, prompt_id: str) -> str:
    wanted, end = prompt_id.encode("utf-8", "surrogatepass"), -1
    # looking for the id in all of it at once is 14 times as fast as line by line
    while (at := data.find(wanted, end + 1)) >= 0:
        end = data.find(b"\n", at)
        end = end if end >= 0 else len(data)
        line = data[data.rfind(b"\n", 0, at) + 1 : end]
        if protocol.SOURCE_FIELD in line:
            wrote = protocol.author_of(json.object_of(line), prompt_id)
            if wrote:  # else it was cut by the window, or is not completely written
                return wrote
    return UNKNOWN
