"""Who wrote a prompt: its row in the transcript, however long, torn or late that is."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from circuit_breaker.breaker.memory import Session
from circuit_breaker.breaker.model import MACHINE, PERSON, UNKNOWN
from circuit_breaker.runtime import prompt_source


def row(prompt_id: str = "p1", **fields: Any) -> str:
    return json.dumps({"type": "user", "promptId": prompt_id, "promptSource": "typed", **fields}) + "\n"


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    return tmp_path / "t.jsonl"


def test_row_is_found_behind_the_attachments_that_follow_a_prompt(transcript: Path) -> None:
    transcript.write_text(
        row(isMeta=True) + json.dumps({"type": "attachment", "text": "x" * 2_000_000}) + "\n"
    )
    assert prompt_source.of(str(transcript), "p1") == MACHINE


def test_row_with_a_picture_of_megabytes_is_read(transcript: Path) -> None:
    transcript.write_text(row(message={"content": "x" * 3_000_000}))
    assert prompt_source.of(str(transcript), "p1") == PERSON


@pytest.mark.parametrize(
    "text",
    [
        "",
        row("another"),
        row()[:-20],
        '{"promptId": "p1", "promptSource": "typed"\n',
        json.dumps({"promptId": "p1", "message": "promptSource typed"}) + "\n",
        '["p1", "promptSource"]\n',
        "\0" * 1000,
    ],
)
def test_what_is_no_row_of_it_says_nothing(transcript: Path, text: str) -> None:
    transcript.write_text(text)
    assert prompt_source.of(str(transcript), "p1") == UNKNOWN


@pytest.mark.parametrize("path", ["", "/nowhere/t.jsonl", "/", "a\0b"])
def test_transcript_that_cannot_be_read_says_nothing_at_once(path: str) -> None:
    assert prompt_source.author(path, Session(unproven="p1", bypass="p1"), armed=True) == UNKNOWN


def test_row_that_comes_late_is_waited_for_where_a_bypass_hangs_on_it(transcript: Path) -> None:
    transcript.write_text("")
    threading.Timer(0.15, lambda: transcript.write_text(row(turnOrigin="scheduled"))).start()
    assert prompt_source.author(str(transcript), Session(unproven="p1", bypass="p1"), armed=False) == MACHINE
