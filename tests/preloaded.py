"""Libraries put before the C library by LD_PRELOAD: disks without locks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Refuses locks as some network disks do, and hands on everything else.
UNLOCKED = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
int flock(int fd, int how) { errno = FLOCK; return -1; }
#ifdef RECORD
#define REFUSING(name) int name(int fd, int what, ...) { \\
    va_list rest; va_start(rest, what); void *given = va_arg(rest, void *); va_end(rest); \\
    if (what == F_SETLK || what == F_SETLKW) { errno = RECORD; return -1; } \\
    return ((int (*)(int, int, ...)) dlsym(RTLD_NEXT, #name))(fd, what, given); }
REFUSING(fcntl)
REFUSING(fcntl64)
#endif
"""


def library(folder: Path, source: str, *options: str) -> str:
    """The path of the library, compiled in `folder`; the test is skipped where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler, or no LD_PRELOAD as Linux has it")
    path = folder / "preloaded.so"
    command = [compiler, "-shared", "-fPIC", *options, "-xc", "-", "-o", str(path), "-ldl"]
    subprocess.run(command, input=source, text=True, check=True)
    return str(path)
