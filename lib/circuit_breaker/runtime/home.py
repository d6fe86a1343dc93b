"""The folders and config files of this process, and the merged configuration."""

from __future__ import annotations

import sys

from circuit_breaker.breaker.config import DEFAULTS, OPTION, Config
from circuit_breaker.runtime import files, json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Environment = Mapping[str, str]


NAME = "claude-circuit-breaker"  # of the runtime folder and of your config folder
CONFIG = "circuit_breaker_config.json"
STATE = "circuit_breaker_state.json"
INCIDENTS = "circuit_breaker_incidents.jsonl"
ERRORS = "errors.log"


class Places:
    """runtime: folder R, with the folders of sessions and of armed markers and the error log; home: folder of this project's config,
    state, incidents and archives; project: its folder; user_config: your config file; your_home: your home folder; theirs: the project's
    config file if it lies behind a link or in another user's folder, or ""."""

    def __init__(
        self, runtime: str, home: str, project: str, user_config: str, your_home: str, theirs: str = ""
    ) -> None:
        self.runtime, self.home, self.project = runtime, home, project
        self.user_config, self.your_home, self.theirs = user_config, your_home, theirs
        self.sessions, self.armed = runtime + "/sessions", runtime + "/armed"
        self.errors, self.project_config = f"{runtime}/{ERRORS}", f"{home}/{CONFIG}"

    def elsewhere(self, home: str, project: str) -> Places:
        """Those of another project on this machine."""
        return Places(self.runtime, home, project, self.user_config, self.your_home)


def environment() -> Environment:
    """The process's environment. `os` costs a quarter of a start: a hook has not imported it."""
    os = sys.modules.get("os")
    if os is not None:
        return os.environ
    found = files.system.environ
    if sys.platform == "win32":
        return found  # texts there, bytes elsewhere
    return {
        key.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for key, value in found.items()
    }


def places(env: Environment, cwd: str = "") -> Places:
    """Where this process's files are. `cwd` is used if Claude Code did not name the project (in a terminal).

    Raises files.Refused if the first set of CIRCUIT_BREAKER_HOME, XDG_STATE_HOME and HOME is no absolute path: hooks/run reads
    the same three, and a relative folder would depend on Claude's `cd`.
    """
    runtime = runtime_folder(env)
    user = user_folder(env)
    project = slashed(env.get("CLAUDE_PROJECT_DIR", ""))
    project = project or _project_of(slashed(cwd or files.system.getcwd()), user, runtime)
    project = project.rstrip("/") or "/"
    if env.get("CIRCUIT_BREAKER_HOME", ""):
        return Places(runtime, runtime, project, user_config(env), user)
    beside = project + "/.claude/memory"
    shared = files.exists(f"{beside}/{CONFIG}")
    if shared and files.is_own(beside):
        return Places(runtime, beside, project, user_config(env), user)
    home = f"{runtime}/projects/{slug(project)}"
    return Places(runtime, home, project, user_config(env), user, f"{beside}/{CONFIG}" if shared else "")


def runtime_folder(env: Environment) -> str:
    """R: CIRCUIT_BREAKER_HOME, else our folder in XDG_STATE_HOME or HOME/.local/state. Raises files.Refused."""
    user = user_folder(env)
    base = env.get("XDG_STATE_HOME", "") or (user and user + "/.local/state")
    path = slashed(env.get("CIRCUIT_BREAKER_HOME", "") or (base and f"{base}/{NAME}"))
    if not _absolute(path):
        first = next(filter(env.get, ("CIRCUIT_BREAKER_HOME", "XDG_STATE_HOME")), "HOME")
        raise files.Refused(0, f"{first} is not set to an absolute path", path)
    return path.rstrip("/") or "/"


def user_folder(env: Environment) -> str:
    """Your home folder from HOME (on Windows also USERPROFILE), or ""."""
    return slashed(env.get("HOME", "") or (env.get("USERPROFILE", "") if sys.platform == "win32" else ""))


def slashed(path: str) -> str:
    """A Windows path with slashes and one spelling of its drive; elsewhere the path itself."""
    if sys.platform != "win32":
        return path
    from circuit_breaker.identity.keys import spelled

    return spelled(path.replace("\\", "/"))


ROOT = slashed(__file__).rpartition("/lib/circuit_breaker/")[0]  # of the copy that runs


def user_config(env: Environment) -> str:
    """Your config file, in the folder that platformdirs' user_config_path gives; "" without HOME."""
    base = base_folder(env, "XDG_CONFIG_HOME", "/.config")
    separator = "\\" if sys.platform == "win32" else "/"
    return base and f"{base}{separator}config.json"


def base_folder(env: Environment, variable: str, usual: str) -> str:
    """Our folder where this platform keeps such files: in `variable` (if it is absolute), else in `usual` of your home; "" without
    HOME."""
    if sys.platform == "win32":
        base = env.get("LOCALAPPDATA", "")
        return base and f"{base}\\{NAME}\\{NAME}"
    user = user_folder(env)
    if sys.platform == "darwin":
        return user and f"{user}/Library/Application Support/{NAME}"
    named = env.get(variable, "").strip()
    base = named if _absolute(named) else user and user + usual
    return base and f"{base}/{NAME}"


def configuration(where: Places, env: Environment) -> Config:
    """The merged configuration: defaults, your file, the project's file, the plugin's options. Never raises."""
    found, unreadable = layers(where, env)
    config = Config({}, [], [])
    if found:
        from circuit_breaker.breaker.layers import build

        config = build(found)
    config.problems[:0] = unreadable
    return config


def layers(where: Places, env: Environment) -> tuple[list[tuple[str, object]], list[str]]:
    """([(where it comes from, document), ...] weakest first, [why a file could not be read, ...])."""
    found: list[tuple[str, object]] = []
    unreadable: list[str] = []
    for name, path in (
        ("user file", where.user_config),
        ("project file", where.theirs),
        ("project file", where.project_config),
    ):
        try:
            linked = path == where.user_config  # dotfiles are often links; a project's link leads anywhere
            data = files.read(path, 1 << 20, linked) if path else None
            document = DEFAULTS if data is None else json.parse(data)
            if document != DEFAULTS:  # as it was written first, a file changes nothing
                found.append((f"{name} {path}", document))
        except (OSError, ValueError) as error:
            unreadable.append(f"{path}: not used: {files.reason(error)}")
    if any(name.startswith(OPTION) for name in env):
        from circuit_breaker.breaker.layers import option_layer

        found.append(("plugin options", option_layer(env)))
    return found, unreadable


def safe_name(text: str) -> str:
    """`text` as a file name: itself if it is `[A-Za-z0-9_-]{1,64}` or already such a hash, else `~` and a hash of it."""
    if 0 < len(text) <= 64 and text.isascii() and text.replace("-", "a").replace("_", "a").isalnum():
        return text
    if len(text) == 13 and text[0] == "~" and text[1:].isalnum() and text.isascii():
        return text
    return "~" + _digest(text)


def slug(project: str) -> str:
    """A readable folder name for a project, different for different paths."""
    readable = "".join(c if c.isascii() and c.isalnum() else "-" for c in project)[-48:]
    return f"{readable}-{_digest(project)}"


def _digest(text: str) -> str:
    """12 hex digits, the same on every Python: the bytes as one number modulo a prime (Karp and Rabin). It only tells names apart and
    is no secure hash."""
    return f"{int.from_bytes(_FRONT + text.encode('utf-8', 'surrogatepass'), 'big') % _PRIME:012x}"


_FRONT, _PRIME = b"circuit-breaker", 2**48 - 59  # with the front a short name has all digits too


def _absolute(path: str) -> bool:
    return path.startswith("/") or (sys.platform == "win32" and path[1:3] == ":/")


def _project_of(cwd: str, user: str, runtime: str) -> str:
    """The nearest folder upwards with a `.claude/` (not ~/.claude) or with a home in `runtime`; else `cwd`."""
    folder = cwd
    while folder and folder != "/":
        if folder != user and files.leads_to_folder(folder + "/.claude"):
            return folder
        if files.exists(f"{runtime}/projects/{slug(folder)}"):
            return folder
        folder = folder.rpartition("/")[0]
    return cwd
