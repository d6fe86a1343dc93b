"""Does a piece of program text name what is guarded and write, too? Pure."""

from __future__ import annotations

from circuit_breaker.core.tamper_guard import HOLE, STAR, Tampered, carries
from circuit_breaker.core.tamper_lex import unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

WRITING = (
    "write", "unlink", "rmtree", "remove", "rename", "os.replace", "path.replace", ".replace(pathlib", "truncate", "chmod",
    "symlink", "link_to", "os.link", "mkdir", "rmdir", ".touch", "rmsync", "fs.rm", ".rm(", " rm(", "{rm}", "{ rm", "dump(", "move(", "move_", "mv(", "rm_r", "rm_f",
    "fileutils", "appendfile", "outputstream", "file.delete", "set-content", "clear-content", "add-content", "out-file", "move-item", "file_put_contents", "copyfile", "cpsync", "copy(", "copy2(", "copytree(",
    "'w'", '"w"', "'wb'", '"wb"', "'w+'", '"w+"', "'wt'", "'a'", '"a"', "'a+'", '"a+"', "'ab'", "'x'", '"x"', "'r+'", '"r+"', "'rb+'", "'>",
    '">', "'+<", "o_wronly", "o_rdwr", "o_trunc", "inplace=", "setattr", "ioctl", "delete", "to_json(", "save(",
)  # fmt: skip
HARMLESS = ("stdout.write", "stderr.write", "stdout.buffer.write", "console.write")
SPAWNING = (
    "system",
    "subprocess",
    "popen",
    "exec",
    "spawn",
    "check_call",
    "check_output",
    "`",
    "%x",
    "shell",
    "run(",
    "qx",
)
TREE = (
    "remove-item",
    "move-item",
    "mv(",
    "fileutils",
    " rm(",
    "listdir",
    "scandir",
    "iterdir",
    "os.walk",
    "glob",
    "rmtree",
    "rename",
    "move",
    "fs.rm",
    "rmsync",
    "rm_r",
    "remove_tree",
    "rimraf",
    "removeall",
    "chmod",
)
OVERRIDES = ("reset", "mode", "uninstall")  # verbs of the breaker's own command line that lift the protection
OUR_FILES = ("circuit_breaker_config.json", "circuit_breaker_state.json", "circuit_breaker_incidents.jsonl")
LITERALS_MAX, LITERAL_MAX = 300, 4000


def judge(shell: Shell, code: str) -> None:
    """Raise Tampered if `code`, in whatever language, writes to what is guarded or starts a command that does."""
    if not code or code == HOLE:
        return
    low = code.lower()
    texts = literals(code)
    if any(word in low for word in SPAWNING):
        inner = shell.child()
        for text in texts:
            if " " in text:
                inner.run(text)
        inner.run(" ".join(text for text in texts if len(text) < 400))
        short = [text for text in texts if len(text) < 400]
        for i, text in enumerate(short[:40]):  # a list of words: ["rm", "-rf", "x"]
            if i + 1 < len(short) and "/" not in text and " " not in text:
                inner.child().run(" ".join(_quote(t) for t in short[i : i + 12]))
    if "runpy" in low or "import operate" in low or "from operate" in low:
        for verb in OVERRIDES:
            if verb in low and ("plugin" in low or "operate" in low):
                raise Tampered(verb)
    if any(word in low for word in ("claude", "keystroke", "tiocsti")) and carries(code, shell.guarded):
        raise Tampered("client")
    if writes(low):
        reason = named(shell, low, texts)
        if reason:
            raise Tampered(reason)


def writes(code: str) -> bool:
    """Whether program text holds a word that writes, moves or deletes."""
    low = code.lower()
    for word in HARMLESS:
        low = low.replace(word, "")
    return any(word in low for word in WRITING)


def takes_trees(code: str) -> bool:
    """Whether program text holds a word that takes all below a folder along."""
    low = code.lower()
    return any(word in low for word in TREE)


def named(shell: Shell, low: str, texts: list[str]) -> str:
    """The reason's word of a guarded path that the text names: as a literal, in its tail, or put together from its last names."""
    tree = takes_trees(low)
    for text in texts:
        if "/" in text or "." in text or "~" in text:
            reason = shell.guards.reason(
                shell.path(text.replace("*", STAR)), tree and text not in ("/", ".", "..")
            )
            if reason:
                return reason
    # what stands in quotes without a blank in it: a path, where a sentence that mentions one is none
    words = [text.lower() for text in texts if not any(c in text for c in " \n\t")] if texts else [low]
    said = "\n".join(words)
    pieces = {text.strip("/") for text in words}
    for path, _, why in shell.guards.entries:
        parent, _, name = path.rpartition("/")
        folder = parent.rpartition("/")[2]
        if path in said or _tail(path, shell) in said or (name in pieces and folder in pieces):
            return why
        if tree and folder == ".claude" and any(f"/{piece}".endswith("/.claude") for piece in pieces):
            return why
    if any(text.endswith(OUR_FILES) or "claude-circuit-breaker" in text for text in words):
        return "state"
    if "circuit_breaker.edge" in low and ("store" in low or "armed" in low):
        return "state"
    return ""


def _tail(path: str, shell: Shell) -> str:
    """A guarded path as seen from the person's home or the project, where it lies below one; else itself."""
    for folder in (shell.guards.user_home, shell.guards.project):
        if folder and path.startswith(folder + "/"):
            tail = path[len(folder) + 1 :]
            if "/" in tail:
                return tail
    return path


def literals(code: str) -> list[str]:
    """What stands in quotes of any kind, in order."""
    found: list[str] = []
    i = 0
    while i < len(code) and len(found) < LITERALS_MAX:
        c = code[i]
        if c not in "'\"`":
            i += 1
            continue
        fence = c * 3 if code.startswith(c * 3, i) else c
        end = i + len(fence)
        while (
            end < len(code) and not code.startswith(fence, end) and (code[end] != "\n" or fence not in "'\"")
        ):
            end += 2 if code[end] == "\\" else 1
        if not code.startswith(fence, end):
            i += 1  # an apostrophe in a comment
            continue
        text = code[i + len(fence) : end]
        if text and len(text) <= LITERAL_MAX:
            found.append(unescape(text))
        i = end + len(fence)
    return found


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
