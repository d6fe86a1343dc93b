"""A Python that looks as it does on Windows, as far as reading its sources goes: `nt` for `posix`, texts in the environment, drives and
backslashes, no `fcntl`, locks by `msvcrt`, and no name changed or removed while another process has the file open.

Started as `python -I -S -X utf8 windows_python.py [OPTIONS] SCRIPT [ARGUMENTS]` in a folder whose folder `C:` is the drive. With
REFUSALS in the environment so many renames are refused first, as if another process had the file open.
"""

import fcntl as real_locks
import posix as real
import sys

Module = type(sys)
nt, msvcrt, subprocess, winapi = map(Module, ("nt", "msvcrt", "subprocess", "_winapi"))
MISSING = """fork forkpty geteuid getuid getgid getegid uname setsid fchmod mkfifo O_NOFOLLOW O_CLOEXEC O_NONBLOCK O_DIRECTORY O_SYNC
pread pwrite posix_spawn killpg getpgid setpgid chown lchown fchown openpty sched_getaffinity nice sync statvfs environ""".split()
for name in dir(real):
    if name[:2] != "__" and name not in MISSING and name[:6] not in ("sched_", "posix_", "_path_"):
        setattr(nt, name, getattr(real, name))
nt.O_BINARY = 0
nt.environ = {key.decode("utf-8", "surrogateescape"): value.decode() for key, value in real.environ.items()}
left = [int(nt.environ.pop("REFUSALS", "0"))]


def place(path):
    """Where a path of this Windows lies; WinError 123 for a name that no file can have there."""
    if isinstance(path, int):
        return path
    text = (path.decode() if isinstance(path, bytes) else str(path)).replace("\\", "/")
    drive, rest = (text[:2], text[2:]) if text[1:2] == ":" else ("", text)
    if drive and rest[:1] != "/":
        raise OSError(22, "a path relative to a drive", path)
    if any(letter in '<>:"|?*' or ord(letter) < 32 for letter in rest):
        raise OSError(
            22, "[WinError 123] The filename, directory name, or volume label syntax is incorrect", path
        )
    return drive.upper() + rest if drive else "C:" + rest if rest[:1] == "/" else text


def is_open(path):
    """Whether any process has the file open."""
    try:
        wanted = real.stat(place(path))
    except OSError:
        return False
    for pid in real.listdir("/proc"):
        try:
            numbers = real.listdir(f"/proc/{pid}/fd") if pid.isdigit() else ()
        except OSError:
            continue
        for number in numbers:
            try:
                found = real.stat(f"/proc/{pid}/fd/{number}")
            except OSError:
                continue
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def refuse_open(*paths):
    if any(map(is_open, paths)):
        raise PermissionError(13, "[WinError 32] The process cannot access the file", paths[0])


def mapped(call):
    return lambda path=".", *rest, **named: call(place(path), *rest, **named)


def removed(path, **named):
    refuse_open(path)
    real.unlink(place(path))


def replaced(old, new, **named):
    if left[0] > 0:
        left[0] -= 1
        raise PermissionError(13, "[WinError 5] Access is denied", old)
    refuse_open(old, new)
    real.replace(place(old), place(new))


def renamed(old, new, **named):
    try:
        real.lstat(place(new))
    except FileNotFoundError:
        return replaced(old, new)
    raise FileExistsError(17, "[WinError 183] Cannot create a file when that file already exists", new)


for name in "open stat lstat mkdir rmdir chmod utime access readlink truncate chdir".split():
    setattr(nt, name, mapped(getattr(real, name)))
for name in ("listdir", "scandir"):
    setattr(nt, name, mapped(getattr(real, name)))
nt.unlink = nt.remove = removed
nt.rename, nt.replace = renamed, replaced
nt.link = lambda old, new, **named: real.link(place(old), place(new))
del nt.symlink  # a privilege that few have
nt.getcwd = lambda: (
    "C:" + real.getcwd().partition("/C:")[2].replace("/", "\\") if "/C:" in real.getcwd() else "C:\\"
)


def full(path):
    """An absolute path with backslashes, without `.` and `..`."""
    import ntpath

    return ntpath.normpath(ntpath.join(nt.getcwd(), path))


nt._getfullpathname, nt._getfinalpathname = full, lambda path: "\\\\?\\" + full(path)


def ended(*_):
    raise SystemExit("os.kill ends a process on Windows, whatever the signal")


nt.kill, nt._exit = ended, real._exit
msvcrt.LK_NBLCK = 2
winapi.NeedCurrentDirectoryForExePath = lambda command: "/" not in command


def locking(fd, mode, length):
    try:
        real_locks.flock(fd, real_locks.LOCK_EX | real_locks.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None


msvcrt.locking = locking
subprocess.DEVNULL, subprocess.DETACHED_PROCESS = -3, 8


class Popen:
    """A process that goes on by itself, by this Python again."""

    def __init__(self, command, stdin=None, stdout=None, stderr=None, creationflags=0, close_fds=False):
        assert command[0] == sys.executable and creationflags == 8 and (stdin, stdout, stderr) == (-3, -3, -3)
        if real.fork():
            return
        null = real.open("/dev/null", real.O_RDWR)
        for number in (0, 1, 2):
            real.dup2(null, number)
        real.execv(program, [program, "-I", "-S", "-X", "utf8", __file__, *command[1:]])


subprocess.Popen = Popen
program, given = sys.executable, sys.argv[1:]
sys.platform = "win32"
sys.executable = sys._base_executable = "C:\\Python\\python.exe"
sys.builtin_module_names = tuple({*sys.builtin_module_names, "nt", "msvcrt"} - {"posix", "fcntl"})
sys.modules.update(nt=nt, msvcrt=msvcrt, subprocess=subprocess, _winapi=winapi, posix=None, fcntl=None)

while given[0][:1] == "-":
    option = given.pop(0)
    if option == "-X":
        given.pop(0)
    if option == "-c":
        sys.argv = ["-c", *given[1:]]
        exec(compile(given[0], "<string>", "exec"), {"__name__": "__main__"})
        raise SystemExit
sys.argv = given
sys.path[:0] = [
    "C:/plugin/plugin",
    "C:/plugin/lib",
]  # where the import system, which stays as it is, finds them
with open(
    real.readlink("/proc/self/cwd") + "/" + place(given[0]) if given[0][1:2] == ":" else given[0], "rb"
) as source:
    code = compile(source.read(), given[0], "exec")
exec(
    code,
    {"__name__": "__main__", "__file__": given[0].replace("\\", "/") if given[0][1:2] == ":" else given[0]},
)
