"""What would a shell command line write, delete or start? Follows directories, variables, links and pipes. Pure.

Every branch is taken once and every loop walked once: what a command could do counts as done.
"""

from __future__ import annotations

from circuit_breaker.core import tamper_commands
from circuit_breaker.core.tamper_guard import HOLE, Tampered
from circuit_breaker.core.tamper_lex import lex, plain, sign, word, words_of
from circuit_breaker.core.tamper_words import assigned, assignment, bounded, environment, expand, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.guarding import Guarded
    from circuit_breaker.core.tamper_guard import Guards
    from circuit_breaker.core.tamper_lex import Part, Token

COMMANDS_MAX = 2000  # simple commands of one call that are looked at
OPENING = ("if", "while", "until", "for", "select", "case", "{")
CLOSING = ("fi", "done", "esac", "}")
FILLING = ("then", "else", "elif", "do", "!", "time", "coproc")


class Frame:
    """A group of commands: what it reads, what its commands printed, where it began."""

    __slots__ = ("cwd", "kind", "outs", "start", "stdin")

    def __init__(self, kind: str, stdin: str, start: int, cwd: str) -> None:
        self.kind, self.stdin, self.start, self.cwd = kind, stdin, start, cwd
        self.outs: list[str] = []


class Shell:
    """A shell that runs nothing. Raises Tampered at the first reach for something guarded."""

    __slots__ = (
        "before", "copies", "cwd", "depth", "files", "functions", "guarded", "guards", "left", "links", "moved", "stack", "vars",
    )  # fmt: skip

    def __init__(self, guarded: Guarded, guards: Guards, cwd: str) -> None:
        self.guarded, self.guards = guarded, guards
        self.cwd = cwd or guarded.project
        self.before = self.cwd
        self.stack: list[str] = []
        self.vars: dict[str, list[str]] = environment(guarded)
        self.functions: dict[str, list[Token]] = {}
        self.files: dict[str, str] = {}  # path -> what this very command wrote there
        self.links: list[tuple[str, str]] = []  # (link, what it leads to)
        self.copies: list[tuple[str, str]] = []  # (copy, what it was made from)
        self.moved = False  # the last command was a cd
        self.left = [COMMANDS_MAX]
        self.depth = 0

    def child(self) -> Shell:
        """A subshell: sees everything, changes no variable or directory of ours."""
        copy: Shell = object.__new__(Shell)
        for name in Shell.__slots__:
            setattr(copy, name, getattr(self, name))
        copy.vars, copy.stack = dict(self.vars), list(self.stack)
        copy.depth = self.depth + 1
        return copy

    # what a command may ask

    def path(self, field: str) -> str:
        """The path that a field means, links of this very command followed."""
        path = resolve(field, self.cwd, self.vars.get("HOME", [self.guarded.user_home])[0])
        for _ in range(4):
            for link, target in self.links:
                if path == link or path.startswith(link + "/"):
                    path = target.rstrip("/") + path[len(link) :] or "/"
                    break
            else:
                break
        return path

    def original(self, path: str) -> str:
        """What this very command copied to `path`, else the path itself."""
        for copy, source in self.copies:
            if path == copy or path.startswith(copy + "/"):
                return source + path[len(copy) :]
        return path

    def content(self, field: str) -> str:
        """What this very command wrote to a file, or to the one it was copied from; "" if nothing."""
        path = self.path(field)
        return self.files.get(path, "") or self.files.get(self.original(path), "")

    def touch(self, field: str, tree: bool = False) -> None:
        """A write to `field`; with `tree` all that lies below it goes along."""
        reason = self.guards.reason(self.path(field), tree) if field else ""
        if reason:
            raise Tampered(reason)

    def value(self, name: str) -> list[str] | None:
        if name == "PWD":
            return [self.cwd]
        if name == "OLDPWD":
            return [self.before]
        return self.vars.get(name)

    def text_values(self, text: str) -> list[str]:
        """The values of a text with expansions, as in double quotes."""
        pieces: list[Part] = []
        i = 0
        quoted = text.replace('"', '\\"')
        pieces, i = word(f'"{quoted}"', 0)
        return expand(pieces, self)

    def output_of(self, command: str) -> str:
        """What a command in `$( )` prints, as far as it can be told."""
        return self.child().run(command).rstrip("\n")

    def behind_a_name(self, command: str) -> str:
        """The file name that stands for a command in `<( )` or `>( )`."""
        name = f"/dev/fd/p{len(self.files)}"
        self.files[name] = self.child().run(command, HOLE)
        return name

    def run(self, text: str, stdin: str = "", args: list[str] | None = None) -> str:
        """Follow a command line and return what it prints: HOLE where that cannot be told."""
        if args is not None:
            self.vars["@"] = self.vars["*"] = args or [""]
            self.vars.update({str(i): [value] for i, value in enumerate(args[:9], 1)})
        return self.follow(lex(text), stdin)

    # the walk

    def follow(self, tokens: list[Token], stdin: str) -> str:
        """Run tokens as a list of pipelines."""
        if self.depth > tamper_commands.DEPTH_MAX:
            return HOLE
        frames = [Frame("", stdin, 0, self.cwd)]
        current: list[Token] = []
        last, piped, operator = "", "", ";"
        i = 0
        while i <= len(tokens):
            token = tokens[i] if i < len(tokens) else ("op", ";")
            if token[0] != "op":
                current.append(token)
                i += 1
                continue
            op = token[1]
            if op == "(" and current and plain(current[-1]) and tokens[i + 1 : i + 2] == [("op", ")")]:
                name = plain(current.pop())
                self._grouping(current, frames, tokens, i - 1, piped, last)
                i = self._define(name, tokens, i + 2)
                current = []
                continue
            if current:
                piped_in = piped or frames[-1].stdin
                last, rest = self._grouping(current, frames, tokens, i, piped_in, last)
                if rest:
                    last = self._simple(rest, piped or frames[-1].stdin, operator)
                    piped = ""
                current = []
            if op == "(":
                frames.append(Frame("(", piped or frames[-1].stdin, i + 1, self.cwd))
                piped = ""
            elif op == ")":
                if frames[-1].kind == "(":
                    frame = frames.pop()
                    self.cwd = frame.cwd
                    last = bounded("\n".join([*frame.outs, last]))
            elif op in ("|", "|&"):
                piped, last = last or HOLE, ""
            else:
                if last:
                    frames[-1].outs.append(last)
                last, piped = "", ""
            operator = op
            i += 1
        return bounded("\n".join(out for frame in frames for out in frame.outs))

    def _grouping(
        self, current: list[Token], frames: list[Frame], tokens: list[Token], at: int, stdin: str, last: str
    ) -> tuple[str, list[Token]]:
        """Open and close the groups that a command's first words name; return (last output, the rest of the command)."""
        while current:
            name = plain(current[0])
            if name in FILLING:
                del current[0]
            elif name in OPENING:
                frames.append(Frame(name, stdin, at, self.cwd))
                del current[0]
                if name in ("for", "select"):
                    self._loop(current)
                    return last, []
                if name == "case":
                    return last, []
                frames[-1].start = at - len(current)
            elif name in CLOSING:
                frame = frames.pop() if len(frames) > 1 else frames[0]
                last = bounded("\n".join(frame.outs))
                given = [token for token in current[1:] if token[0] == "here" or token[1] in ("<", "<<<")]
                if given and name == "done":
                    again = self.child()
                    again.cwd = frame.cwd
                    again.follow(tokens[frame.start : at - len(current)], self._redirected(given, ""))
                return last, [token for token in current[1:] if token not in given]
            elif name == "function" and len(current) > 1:
                del current[:2]
            else:
                break
        return last, current

    def _loop(self, current: list[Token]) -> None:
        """`for NAME in WORDS`: the variable holds them all."""
        if not current:
            return
        words = [field for token in current[2:] if token[0] == "word" for field in expand(token[1], self)]
        self.vars[plain(current[0])] = words or self.vars.get("@", [HOLE])

    def _define(self, name: str, tokens: list[Token], i: int) -> int:
        """Keep a function's body; return where the walk goes on."""
        while tokens[i : i + 1] == [("op", "\n")]:
            i += 1
        opened = sign(tokens[i]) if i < len(tokens) else ""
        closed = {"{": "}", "(": ")"}.get(opened, "")
        depth, end = 0, i
        while end < len(tokens):
            here = sign(tokens[end])
            depth += (here == opened) - (here == closed)
            end += 1
            if not depth:
                break
        self.functions[name] = tokens[i + 1 : end - 1]
        return end

    # one simple command

    def _simple(self, current: list[Token], stdin: str, operator: str) -> str:
        if self.left[0] < 0:
            return HOLE
        for token in current:
            if token[0] == "array":
                self.vars[token[1]] = [f for _, p in words_of(lex(token[2])) for f in expand(p, self)] or [""]
        words = words_of(current)
        first = next((i for i, (_, parts) in enumerate(words) if not assignment(parts)), len(words))
        fields = [field for _, parts in words[first:] for field in expand(parts, self)]
        kept: list[tuple[str, list[str] | None]] = []
        for _, parts in words[:first]:
            name, values = assigned(parts, self)
            kept.append((name, self.vars.get(name)))
            self.vars[name] = values
        redirects = [token for token in current if token[0] in ("redirect", "here")]
        stdin = self._redirected(redirects, stdin)
        if not fields:
            return stdin if any(token[1] == "<" for token in redirects) else ""
        out = self._perform(fields, stdin, operator)
        self.vars["_"] = fields[-1:]
        for name, before in reversed(kept):  # set for this command alone
            self.vars[name] = before if before is not None else [""]
        return self._written(redirects, bounded(out))

    def _perform(self, fields: list[str], stdin: str, operator: str) -> str:
        body = self.functions.get(fields[0])
        if body is None:
            return tamper_commands.perform(self, fields, stdin, operator)
        self.left[0] -= 1
        if self.left[0] < 0:
            return HOLE
        self.vars["@"] = fields[1:] or [""]
        self.vars.update({str(i): [value] for i, value in enumerate(fields[1:10], 1)})
        self.depth += 1
        out = self.follow(body, stdin)
        self.depth -= 1
        return out

    def _redirected(self, redirects: list[Token], stdin: str) -> str:
        """Look at what redirections write; return what the command reads."""
        for token in redirects:
            if token[0] == "here":
                body, quoted = token[1]
                stdin = body if quoted else "".join(self.text_values(body))
                continue
            fields = expand(token[2], self)
            if token[1] == "<<<":
                stdin = " ".join(fields)
            elif token[1] == "<":
                stdin = (self.content(fields[0]) if fields else "") or HOLE
            elif token[1] != "<&":
                for field in fields:
                    self.touch(field)
        return stdin

    def _written(self, redirects: list[Token], out: str) -> str:
        """Keep what goes into a file, so that a later `sh FILE` is seen; return what is left to print."""
        for token in redirects:
            if token[0] != "redirect" or token[1] not in (">", ">>", ">|", "&>", "&>>"):
                continue
            for field in expand(token[2], self):
                path = self.path(field)
                before = self.files.get(path, "") + "\n" if ">>" in token[1] else ""
                self.files[path] = bounded(before + out)
            out = ""
        return out
