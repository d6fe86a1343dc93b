"""The verb `completion`: a shell completion script made from the verbs and options of the parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from shlex import quote

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
ZSH = """(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u }
autoload -Uz bashcompinit && bashcompinit
"""
Words = dict[str, str]  # a verb, an option or a fixed argument -> its help text


def completion(args: argparse.Namespace) -> int:
    """Print the completion script for `args.shell`, to be sourced from its start-up file."""
    verbs = {verb: parser.description or "" for verb, parser in args.verbs.choices.items()}
    after = {verb: _words(parser) for verb, parser in args.verbs.choices.items()}
    if args.shell == "fish":
        print("\n".join(_fish(verbs, after)))
        return 0
    cases = [f'            {verb}) offered="{" ".join(words)}" ;;' for verb, words in after.items()]
    script = BASH.format(verbs=" ".join(verbs), cases="\n".join(cases))
    print(ZSH + script if args.shell == "zsh" else script)
    return 0


def _words(verb: argparse.ArgumentParser) -> Words:
    """What can follow a verb."""
    found: Words = {}
    for action in verb._actions:
        words = action.option_strings[-1:] or map(str, action.choices or ())
        found.update(dict.fromkeys(words, action.help or ""))
    return found


def _fish(verbs: Words, after: dict[str, Words]) -> Iterator[str]:
    for verb, text in verbs.items():
        yield f"complete -c circuit-breaker -n __fish_use_subcommand -f -a {verb} -d {quote(text)}"
        for word, help_text in after[verb].items():
            what = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
            seen = f"'__fish_seen_subcommand_from {verb}'"
            yield f"complete -c circuit-breaker -n {seen} {what} -d {quote(help_text)}"
