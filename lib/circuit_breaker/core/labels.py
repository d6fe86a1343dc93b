"""What may people read of a call and of an error? Clipped labels, without secrets or control characters. Pure.

Labels and clips are the only text of a session that reaches the disk.
"""

from __future__ import annotations

from circuit_breaker.core import shell, simple_commands
from circuit_breaker.core.blinding import without_escapes
from circuit_breaker.core.identity import SHELLS, command_of

LABEL_MAX = 60
MASK = "…"
_PATHS = ("file_path", "path", "notebook_path", "filePath")
_TALKERS = frozenset(["echo", "printf", "export", "set", "sshpass", "pass", "expect", "read", "openssl"])
_SECRET_NAMES = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "auth",
    "credential",
    "private_key",
    "bearer",
    "cookie",
    "session_key",
    "signature",
    "pwd=",
    "pass=",
)
_SECRET_OPTIONS = frozenset(
    (
        "-p",
        "-u",
        "--password",
        "--token",
        "--user",
        "--pass",
        "--secret",
        "--api-key",
        "-H",
        "--header",
        "--auth",
    )
)
_PREFIXES = (
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
    "ya29.",
    "npm_",
    "pypi-",
    "hf_",
    "dop_v1_",
    "SG.",
    "Bearer",
    "Basic",
)
_APART = {ord(c): f" {c} " for c in "\"'`()[]{}<>,;"}


def label(tool: str, tool_input: object) -> str:
    """`Bash git status`, `Edit app.py`, `mcp__server__tool`: the tool, and the first plain words or the file's base name."""
    name = plain(tool)[:LABEL_MAX] or "?"
    if not isinstance(tool_input, dict):
        return name
    if tool in SHELLS:
        return f"{name} {_command_label(command_of(tool_input)[1])}".strip()[:LABEL_MAX]
    for parameter in _PATHS:
        value = tool_input.get(parameter)
        if isinstance(value, str) and value:
            base = plain(value.rstrip("/").replace("\\", "/").rpartition("/")[2])[:40]
            return f"{name} {base}"[:LABEL_MAX] if base and not _looks_secret(base) else name
    return name


def _command_label(command: str) -> str:
    """The program and up to two plain words after it; nothing that could be a secret."""
    head = command if len(command) <= 2000 else command[:2000]
    for segment in simple_commands.segments(shell.normalise(head, "")[0]):
        words = simple_commands.program(segment.words)
        if not words:
            continue
        program = plain(words[0])
        if not program or _looks_secret(program) or len(program) > 30:
            return ""
        taken = [program]
        if program in _TALKERS:
            return program
        for word in words[1:3]:
            if not _plain_word(word):
                break
            taken.append(word)
        return " ".join(taken)
    return ""


def _plain_word(word: str) -> bool:
    """A subcommand, a module or a file name: short, lower-case letters first, no digits in a row, nothing of a value."""
    if not 0 < len(word) <= 30 or not word[0].isalpha() or not word.isascii():
        return False
    if not word.replace("-", "").replace("_", "").replace(".", "").replace("/", "").isalnum():
        return False
    digits = sum(c.isdigit() for c in word)
    return digits <= 2 and not _looks_secret(word) and not (digits and "." not in word and len(word) > 8)


def plain(text: str) -> str:
    """One line without escape sequences, control characters and characters that turn the reading direction."""
    if "\x1b" in text or "\x9b" in text:
        text = without_escapes(text.replace("\x9b", "\x1b["))
    if text.isascii() and text.isprintable():
        return text
    kept = "".join(c if _harmless(c) else " " for c in text)
    return " ".join(kept.split())


def _harmless(c: str) -> bool:
    code = ord(c)
    if code < 32 or 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF:
        return False
    return not (
        0x200B <= code <= 0x200F
        or 0x2028 <= code <= 0x202E
        or 0x2060 <= code <= 0x206F
        or code in (0xFEFF, 0x061C)
    )


def clip(text: str, limit: int = 160, tool_input: object = None) -> str:
    """One line of at most `limit` characters, secrets masked; `tool_input` is the call's own, whose secrets are masked too."""
    line = plain(text[: limit * 8].replace("\n", " "))
    words = line.translate(_APART).split(" ")
    told = _told_secrets(tool_input)
    secret_next = False
    for i, word in enumerate(words):
        if not word:
            continue
        if secret_next and word not in "\"'`()[]{}<>,;:=":
            words[i] = (
                MASK
                if word.lower()
                not in ("is", "was", "not", "for", "bearer", "basic", "required", "missing", "invalid")
                else word
            )
            secret_next = word.lower() in ("bearer", "basic", "is", "was")
            continue
        name, sign, value = word.partition("=")
        if not sign:
            name, sign, value = word.partition(":") if "://" not in word else (word, "", "")
        lowered = name.lower()
        if any(part in lowered for part in _SECRET_NAMES):
            if value:
                words[i] = name + sign + MASK
            secret_next = not value and (
                bool(sign) or word in _SECRET_OPTIONS or lowered in ("bearer", "password", "token", "secret")
            )
            if word.startswith("--") and not value:
                secret_next = True
        elif word in _SECRET_OPTIONS:
            secret_next = True
        elif "://" in word and "@" in word:
            words[i] = word.partition("://")[0] + "://" + MASK + "@" + word.rpartition("@")[2]
        elif _looks_secret(word) or (value and _looks_secret(value)) or word in told or value in told:
            words[i] = MASK
    short = " ".join(" ".join(words).split()) if words else ""
    return short if len(short) <= limit else short[: limit - 1] + MASK


def _told_secrets(tool_input: object) -> frozenset[str]:
    """Values of assignments and of secret-like options in the call's own command: whatever repeats them is masked."""
    if not isinstance(tool_input, dict):
        return frozenset()
    command = command_of(tool_input)[1][:4000]
    found: set[str] = set()
    if "=" not in command and "-" not in command:
        return frozenset()
    for segment in simple_commands.segments(command):
        words = segment.words
        for i, word in enumerate(words):
            name, sign, value = word.partition("=")
            if (
                sign
                and value
                and (name.replace("_", "a").isalnum() or any(p in name.lower() for p in _SECRET_NAMES))
            ):
                found.add(value)
            elif word in _SECRET_OPTIONS and i + 1 < len(words):
                found.update(words[i + 1].replace(":", " ").split())
            elif word.startswith("-p") and len(word) > 4 and not word.startswith("--"):
                found.add(word[2:])
    return frozenset(value for value in found if len(value) >= 3)


def _looks_secret(word: str) -> bool:
    """Known key shapes, and long blobs that mix letters and digits."""
    if word.startswith(_PREFIXES) and len(word) >= 12:
        return True
    if "-----BEGIN" in word or "PRIVATE" in word:
        return True
    core = word.strip(".:")
    if len(core) < 16 or "/" in core or " " in core:
        return "/" in core and any(_looks_secret(part) for part in core.split("/") if len(part) >= 20)
    if core.count("-") == 4 and len(core) == 36:
        return False  # a uuid
    letters = sum(c.isalpha() for c in core)
    digits = sum(c.isdigit() for c in core)
    mixed = digits >= 3 and letters >= 3 and letters + digits >= 0.8 * len(core)
    return mixed and not any(
        core.endswith(end) for end in (".py", ".js", ".ts", ".go", ".rs", ".json", ".md", ".log")
    )
