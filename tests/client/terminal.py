"""Runs the interactive client on a pseudo-terminal: what you see there, and what you can type."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyte
from client.driver import ROOT, Client
from client.standin import Standin

ROWS, COLUMNS = 200, 120
PATIENCE = 60  # seconds for anything to appear


class Terminal:
    """The interactive client, as a person has it in front of them, on a screen that is tall enough to hold it all."""

    def __init__(self, client: Client, api: Standin, tools: str = "Bash", plugin: Path | None = ROOT) -> None:
        _past_the_first_start(client)
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        line = [
            str(client.claude),
            *(["--plugin-dir", str(plugin)] if plugin else []),
            "--permission-mode",
            "default",
            "--allowedTools",
            tools,
        ]
        self._process = subprocess.Popen(
            line,
            env={**client.env, "ANTHROPIC_BASE_URL": api.url, "TERM": "xterm-256color"},
            cwd=client.project,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        self.wait(lambda: "for shortcuts" in self.screen)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        os.close(self._ours)

    @property
    def screen(self) -> str:
        """What stands on the screen. `pyte`'s own `display` measures every cell, which took a third of a core while a test waited."""
        rows = (self._screen.buffer[number] for number in range(ROWS))
        return "\n".join(
            "".join(row[column].data for column in range(COLUMNS)).rstrip() if row else "" for row in rows
        ).strip()

    def submit(self, text: str) -> None:
        """Paste a prompt and press Return."""
        os.write(self._ours, b"\x1b[200~" + text.encode() + b"\x1b[201~")
        time.sleep(0.5)  # a Return that comes with the paste is taken for a part of it
        os.write(self._ours, b"\r")

    def press(self, key: str) -> None:
        """Press one key."""
        os.write(self._ours, key.encode())

    def escape(self) -> None:
        """Press Esc."""
        os.write(self._ours, b"\x1b")

    def wait(self, until: Callable[[], bool]) -> None:
        """Until something holds; fails with the end of the screen when it does not come to pass."""
        deadline = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < deadline, self.screen
            time.sleep(0.1)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other end is closed when the client ends
            while True:
                self._stream.feed(os.read(self._ours, 65536))


def _past_the_first_start(client: Client) -> None:
    """Answer beforehand what the client asks a new person: theme, key, trust in the folder."""
    answers = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": ["dummy"], "rejected": []},
        "projects": {
            str(client.project): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
        },
    }
    (client.home / ".claude.json").write_text(json.dumps(answers), encoding="utf-8")
