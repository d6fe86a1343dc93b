"""What went wrong inside a hook, on stderr and in errors.log."""

from __future__ import annotations

import time

from circuit_breaker.runtime import files, home, json

PREFIX = "[circuit_breaker]"
ERRORS_MAX = 1 << 17  # bytes of errors.log before it is turned over: two such files are kept


def note(sentence: str) -> None:
    """One line on stderr and in errors.log; nothing at all where even that cannot be written."""
    line = " ".join(str(sentence).split())[:500]
    stderr(line)
    try:
        runtime = home.runtime_folder(home.environment())
        files.folder(runtime)
        path = runtime + "/errors.log"
        if files.exists(path) and files.system.stat(path).st_size > ERRORS_MAX:
            files.system.replace(path, path + ".1")
        files.append(path, json.dump({"t": round(time.time(), 3), "error": line}) + b"\n")
    except (OSError, ValueError):
        return  # stderr has it


def stderr(line: str) -> None:
    """One line for whoever reads Claude Code's debug log."""
    try:
        files.write_all(2, f"{PREFIX} {line}\n".encode("utf-8", "replace"))
    except OSError:
        return
