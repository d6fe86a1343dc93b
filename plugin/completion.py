"""The verb `completion`: a shell completion script made from the verbs and options of the parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

NAME = "circuit-breaker"
BASH = """_circuit_breaker() {{
    local offered=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        offered="{verbs}"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$offered" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _circuit_breaker circuit-breaker"""


class Word(NamedTuple):
    """A verb, an option or a fixed argument, with its help text."""

    text: str
    help: str


def completion(args: argparse.Namespace) -> int:
    """Print the completion script for `args.shell`, to be sourced from its start-up file."""
    verbs = dict(_verbs(args.parser))
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell](verbs))
    return 0


def _verbs(top: argparse.ArgumentParser) -> Iterator[tuple[Word, list[Word]]]:
    """Each verb with the words that can follow it."""
    (action,) = (found for found in top._actions if isinstance(found, argparse._SubParsersAction))
    for shown in action._choices_actions:
        yield Word(shown.dest, shown.help or ""), list(_words(action.choices[shown.dest]))


def _words(verb: argparse.ArgumentParser) -> Iterator[Word]:
    for action in verb._actions:
        for option in action.option_strings[-1:]:
            yield Word(option, action.help or "")
        if not action.option_strings and action.choices:
            for choice in action.choices:
                yield Word(str(choice), "")


def _bash(verbs: dict[Word, list[Word]]) -> str:
    cases = [f'            {verb.text}) offered="{_plain(words)}" ;;' for verb, words in verbs.items()]
    return BASH.format(verbs=_plain(list(verbs)), cases="\n".join(cases))


def _plain(words: list[Word]) -> str:
    return " ".join(word.text for word in words)


def _zsh(verbs: dict[Word, list[Word]]) -> str:
    ready = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u }"
    return f"{ready}\nautoload -Uz bashcompinit && bashcompinit\n{_bash(verbs)}"


def _fish(verbs: dict[Word, list[Word]]) -> str:
    lines = []
    for verb, words in verbs.items():
        lines.append(
            f"complete -c {NAME} -n __fish_use_subcommand -f -a {verb.text} -d {_quoted_word(verb.help)}"
        )
        seen = f"'__fish_seen_subcommand_from {verb.text}'"
        for word in words:
            what = f"-l {word.text[2:]}" if word.text.startswith("--") else f"-a {word.text}"
            lines.append(f"complete -c {NAME} -n {seen} {what} -d {_quoted_word(word.help)}")
    return "\n".join(lines)


def _quoted_word(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "'\\''") + "'"
