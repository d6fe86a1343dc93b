"""Reports what went wrong inside a hook on stderr and in errors.log."""

from __future__ import annotations

import time

from circuit_breaker.runtime import files, home, json

PREFIX = "[circuit_breaker]"
ERRORS_MAX = 1 << 17  # bytes of errors.log at which it is renamed to errors.log.1


def note(sentence: str, runtime: str = "") -> None:
    """Write one line to stderr and errors.log (in the runtime folder, by default that of the environment). Never raises."""
    line = " ".join(sentence.split())[:500]
    stderr(line)
    try:
        runtime = runtime or home.runtime_folder(home.environment())
        files.make_folder(runtime)
        path = f"{runtime}/{home.ERRORS}"
        if files.size_of(path) > ERRORS_MAX:
            files.system.replace(path, path + ".1")
        files.append(path, json.dump({"t": round(time.time(), 3), "error": line}) + b"\n")
    except (OSError, ValueError):
        return  # stderr has it


def stderr(line: str, prefix: str = f"{PREFIX} ") -> None:
    """Write one line to stderr, which Claude Code keeps in its debug log. Never raises."""
    try:
        files.write_all(2, f"{prefix}{line}\n".encode("utf-8", "replace"))
    except OSError:
        return
