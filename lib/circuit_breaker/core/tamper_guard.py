"""Does a path reach what is guarded? Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.guarding import Guarded

# Wildcards inside an expanded word. They are private characters, so that a quoted * stays a star.
HOLE = "\ue000"  # text that cannot be told from the command: an unknown variable, a program's output
STAR = "\ue001"  # any text within one name of a path
ANY = "\ue002"  # one character
WILD = HOLE + STAR + ANY

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e"
ORDER = ("registration", "state", "config", "plugin")  # which reason is given for a folder that holds several
NAMES = ("circuit", ".claude", "claude-code")  # what a path with a hole in it must name to be taken for ours


class Tampered(Exception):
    """Raised where a call is seen to reach what is guarded; its argument is the reason's word."""


class Guards:
    """The guarded paths of one session, each with the reason's word; compared without regard to case (macOS)."""

    __slots__ = ("entries", "project", "samples", "user_home")

    def __init__(self, guarded: Guarded) -> None:
        self.project = clean(guarded.project)
        self.user_home = clean(guarded.user_home)
        found = [(path, False, "config") for path in guarded.configs]
        beside = guarded.project + "/.claude/memory"  # a config file made there moves the home there
        found += [
            (_in(home, "circuit_breaker_config.json"), False, "config") for home in (guarded.home, beside)
        ]
        for path in guarded.settings:
            plugins = path.rpartition("/")[0] + "/plugins/"
            found.append((path, False, "registration"))
            found.append((plugins + "installed_plugins.json", False, "registration"))
            found.append((plugins + "known_marketplaces.json", False, "registration"))
        found.append((guarded.state, True, "state"))
        found.append((_in(guarded.home, "circuit_breaker_state.json"), False, "state"))
        found.append((_in(guarded.home, "circuit_breaker_incidents.jsonl"), False, "state"))
        found.append((_in(guarded.home, "archives"), True, "state"))
        found.append((guarded.plugin, True, "plugin"))
        cleaned = [(clean(path), folder, why) for path, folder, why in found if path]
        self.entries = [entry for entry in cleaned if entry[0] != "/"]  # path, whether it is a folder, reason
        inner = (
            "/armed/x",
            "/sessions/x/session.json",
            "/errors.log",
            "/plugin/__main__.py",
            "/hooks/run",
            "/hooks/hooks.json",
        )
        self.samples = [p + end for p, folder, _ in self.entries for end in (inner if folder else ("",))]

    def reason(self, path: str, tree: bool = False) -> str:
        """Why a write to `path` (from `clean`) is no innocent one, "" if it is. `tree`: all below `path` goes along."""
        if any(mark in path for mark in WILD):
            return self._reason_of_pattern(path, tree)
        for guard, folder, why in self.entries:
            if path == guard or (folder and path.startswith(guard + "/")):
                if why == "plugin" and self._own(path, guard):
                    continue
                return why
        below = (
            [why for guard, _, why in self.entries if guard.startswith(path + "/") or path == "/"]
            if tree
            else []
        )
        return min(below, key=ORDER.index, default="")

    def _own(self, path: str, plugin: str) -> bool:
        """Whether `path` belongs to a project that itself lies inside the plugin's folder."""
        own = self.project
        return own.startswith(plugin + "/") and (path == own or path.startswith(own + "/"))

    def _reason_of_pattern(self, path: str, tree: bool) -> str:
        if HOLE in path and not any(name in path for name in NAMES):
            return ""  # nearly anything could be meant: not ours until it says so
        start = path[: min(path.find(mark) for mark in WILD if mark in path)]
        near = [e for e in self.entries if e[0].startswith(start) or start.startswith(e[0] + "/")]
        for guard, folder, why in near:
            if fits(path, guard) or (folder and any(fits(cut, guard) for cut in folders_above(path))):
                return why
        below = [
            why for guard, _, why in near if tree and any(fits(path, cut) for cut in folders_above(guard))
        ]
        return min(below, key=ORDER.index, default="")


def _in(folder: str, name: str) -> str:
    return folder and f"{folder}/{name}"


def clean(path: str) -> str:
    """An absolute path without `.`, `..`, doubled slashes and case; a path that starts with a hole keeps it."""
    if not path:
        return ""
    parts: list[str] = []
    for part in path.lower().split("/"):
        if part in ("", "."):
            continue
        if part == ".." and (not parts or HOLE not in parts[-1]):
            del parts[-1:]
        else:
            parts.append(part)
    if len(parts) > 2 and parts[0] == "proc" and parts[2] == "root":
        del parts[:3]  # another name of the root folder
    if len(parts) > 1 and parts[0] == "private" and parts[1] in ("tmp", "var", "etc"):
        del parts[0]  # macOS: /tmp is a link to /private/tmp
    start = "" if path.startswith(HOLE) else "/"
    return start + "/".join(parts)


def fits(pattern: str, text: str) -> bool:
    """Whether a pattern with wildcards means `text`. STAR and ANY cross no slash and take no leading dot of a name."""
    at, back, goal, resume = 0, -1, 0, 0
    i = 0
    while i < len(text):
        mark = pattern[at] if at < len(pattern) else ""
        if mark in (STAR, HOLE) and mark:
            back, resume, goal = at, i, mark == HOLE
            at += 1
        elif mark and (mark == text[i] or (mark == ANY and _open(text, i))):
            at, i = at + 1, i + 1
        elif back >= 0 and (goal or _open(text, resume)):
            resume += 1
            at, i = back + 1, resume
        else:
            return False
    return all(mark in (STAR, HOLE) for mark in pattern[at:])


def _open(text: str, i: int) -> bool:
    """Whether a glob's wildcard takes the character at `i`: no slash, no dot that hides a name."""
    return text[i] != "/" and not (text[i] == "." and (i == 0 or text[i - 1] == "/"))


def folders_above(path: str) -> list[str]:
    """The folders that a path lies in, outermost first."""
    return [path[:i] for i, c in enumerate(path) if c == "/" and i] + (["/"] if path.startswith("/") else [])


def carries(text: str, guarded: Guarded) -> bool:
    """Whether a text holds the bypass keyword (exact case) or names the reset command, white space and invisible signs aside."""
    thin = squeeze(text)
    keyword = squeeze(guarded.keyword)
    if keyword and keyword in thin:
        return True
    low = thin.lower()
    return "reset-circuit" in low or any(squeeze(name).lower() in low for name in guarded.commands if name)


def squeeze(text: str) -> str:
    """The text without white space, control and zero-width characters."""
    return "".join("".join(c for c in word if c > "\x1f" and c not in INVISIBLE) for word in text.split())
