"""Libraries put before the C library by LD_PRELOAD: disks without locks, processes that stop at a chosen system call."""

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
# Stops the process (SIGSTOP) the first time that it removes, or gives another name to, a file whose name ends in $STOP_AT.
STOPPING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
static void look(const char *path) {
    const char *end = getenv("STOP_AT");
    size_t long_ = strlen(path), short_ = end ? strlen(end) : 0;
    if (end && long_ >= short_ && !strcmp(path + long_ - short_, end)) { unsetenv("STOP_AT"); raise(SIGSTOP); }
}
int unlink(const char *path) { look(path); return ((int (*)(const char *)) dlsym(RTLD_NEXT, "unlink"))(path); }
int rename(const char *old, const char *new) {
    look(old); return ((int (*)(const char *, const char *)) dlsym(RTLD_NEXT, "rename"))(old, new);
}
int link(const char *old, const char *new) {
    look(new); return ((int (*)(const char *, const char *)) dlsym(RTLD_NEXT, "link"))(old, new);
}
int symlink(const char *target, const char *path) {
    if (strstr(path, ".tmp")) look(path);
    return ((int (*)(const char *, const char *)) dlsym(RTLD_NEXT, "symlink"))(target, path);
}
int linkat(int a, const char *old, int b, const char *new, int flags) {
    look(new); return ((int (*)(int, const char *, int, const char *, int)) dlsym(RTLD_NEXT, "linkat"))(a, old, b, new, flags);
}
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
