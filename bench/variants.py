"""The numbers and rules of the engine that can be changed, one at a time, to see what each is for."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from circuit_breaker.breaker import config as settings
from circuit_breaker.breaker import cycles, evidence, failures, memory, monitor, rules
from circuit_breaker.breaker.model import OK
from circuit_breaker.identity import calls, errors, keys, line_numbers, results, tokens
from circuit_breaker.shell import shell_line

Patch = tuple[Any, str, Any]  # module, name, what stands there for one variant


class Variant(NamedTuple):
    """Replaced functions or numbers of the engine, or a changed configuration. `remembers`: outcomes are the same as without it."""

    name: str
    patches: tuple[Patch, ...] = ()
    config: dict[str, Any] = {}
    remembers: bool = True
    number: str = ""  # what was changed from `default` to `value`
    default: int = 0
    value: int = 0


NEVER_0 = ("window_turns", "window_seconds", "max_period")  # numbers that switch nothing off
# Rules that recordings cannot show, that are off, or that only observe.
UNSEEN = ("hook_recursion", "service_down", "budget", "external_api")
NUMBERS = (  # of the engine, not of the configuration: name, module, what it is
    ("OF_LAST", rules, "equal calls among the last ones"),
    ("LAST_CALLS", evidence, "the last ones they are counted among"),
    ("UNSEEN", rules, "times that limit for clicks and keys without a look"),
    ("LONG_RING", rules, "calls from which on a ring needs as few rounds as one of two"),
    ("EVERYWHERE", rules, "one error through new calls and writes"),
    ("NEARLY", rules, "turns more for errors of a tool that differ in line numbers"),
    ("NEAR", line_numbers, "lines by which an error may move"),
    ("RETRIES", rules, "retries of an act that was asked to come back later"),
    ("LAST_EDITS", evidence, "the last calls that an edit is counted among"),
)


def thresholds() -> list[Variant]:
    """Each number that decides when a rule speaks: one step down, one up, and 0, which switches off what it is for."""
    found = []
    for key in ("poll_gap_seconds", "deny_limit"):
        value = settings.DEFAULTS[key]
        found += [_step(f"`{key}`", value, to, config={key: to}) for to in steps(key, value)]
    for rule, defaults in settings.DEFAULTS["circuit_breakers"].items():
        for key, value in defaults.items():
            if key in ("enabled", "action", "cooldown_base_seconds") or rule in UNSEEN:
                continue
            for to in steps(key, value):
                config = {"circuit_breakers": {rule: {key: to}}}
                found.append(_step(f"`{rule}.{key}`", value, to, config=config))
    for name, module, what in NUMBERS:
        value = getattr(module, name)
        found += [_step(what, value, to, patches=((module, name, to),)) for to in steps(name, value)]
    return found


def _step(number: str, default: int, value: int, **change: Any) -> Variant:
    return Variant(f"{number} {default} -> {value}", number=number, default=default, value=value, **change)


def steps(key: str, value: int) -> list[int]:
    """A number one step down and one up: seconds by half and double, large numbers by a quarter; 0 where that means off."""
    if key.endswith("seconds"):
        near = [value // 2, value * 2]
    else:
        step = 1 if value < 20 else value // 4
        near = [number for number in (value - step, value + step) if number]
    return near if key in NEVER_0 or key.isupper() else [*near, 0]


def outcomes_by(outcome_of: Callable[..., Any]) -> tuple[Patch, ...]:
    """What makes `outcome_of` the one that is used wherever outcomes are made."""
    return ((monitor, "outcome_of", outcome_of),)


def _changing(level: Callable[[Any], int]) -> tuple[Patch, ...]:
    usual = monitor.outcome_of

    def outcome_of(result: Any, kind: str, cwd: str) -> Any:
        outcome = usual(result, kind, cwd)
        if kind == OK:
            outcome.change = level(outcome)
        return outcome

    return outcomes_by(outcome_of)


def _without(field: str) -> tuple[Patch, ...]:
    usual = monitor.outcome_of

    def outcome_of(result: Any, kind: str, cwd: str) -> Any:
        outcome = usual(result, kind, cwd)
        setattr(outcome, field, False)
        return outcome

    return outcomes_by(outcome_of)


def _latest(found: Any, start: int) -> int:
    return found[-1][0] if found else -1


def progress_rules() -> list[Variant]:
    """Each rule of what is progress, a poll, a look-up, taken away or turned round."""
    in_shell = calls.SHELLS
    return [
        Variant("nothing is progress", _changing(lambda outcome: calls.READS)),
        Variant("every success is progress", _changing(lambda outcome: calls.WRITES)),
        Variant(
            "only writing a file is progress",
            _changing(lambda o: o.change if o.change == calls.WRITES else calls.READS),
        ),
        Variant(
            "every shell command is progress",
            _changing(lambda o: max(o.change, calls.ACTS) if o.tool in in_shell else o.change),
        ),
        Variant("no shell command is", _changing(lambda o: calls.READS if o.tool in in_shell else o.change)),
        Variant(
            "the same change counts each time it is made",
            ((evidence, "last_of", _latest), (failures, "last_of", _latest)),
        ),
        Variant(
            "other lanes' writes do not count", ((evidence, "learn_writes", lambda session, lane: None),)
        ),
        Variant("polls are calls like others", ((evidence, "_is_poll", _never),)),
        Variant(
            "what asks to come back later fails like others",
            ((errors, "says_later", _never), (errors, "says_unreached", _never)),
        ),
        Variant("time alone is never a wait", ((evidence, "_passed", _never),)),
        Variant(
            "what a look shows of a page is no progress",
            ((evidence, "_note_news", lambda lane, outcome, changed: None),),
        ),
        Variant("look-ups that miss are errors like others", _without("miss")),
        Variant("your prompt forgets nothing", ((memory.Lane, "forget_successes", lambda lane: None),)),
        Variant("a ring may hold no foreign call", ((cycles, "_round_before", _strict_round),)),
    ]


def _strict_round(
    recent: list[memory.Past], first: int, ring: list[memory.Past], _: list[memory.Past]
) -> int:
    begin = first - len(ring)
    if begin < 0:
        return -1
    same = all(recent[begin + i].call == member.call for i, member in enumerate(ring))
    return begin if same else -1


def _never(*_: object) -> bool:
    return False


def identity_rules() -> list[Variant]:
    """Each rule of when two calls or results are the same, taken away."""
    empty: frozenset[str] = frozenset()
    rules: list[tuple[str, tuple[Patch, ...]]] = [
        ("results as they are", ((results, "blind", lambda text: text),)),
        ("every digit of a result blinded", ((results, "blind", keys.without_digits),)),
        ("file contents blinded too", ((calls, "VERBATIM", empty),)),
        ("colours kept", ((results, "without_escapes", lambda text: text),)),
        ("durations kept", ((tokens, "is_duration", _never),)),
        ("times of day kept", ((tokens, "is_clock", _never),)),
        ("dates and epochs kept", ((tokens, "is_date", _never), (tokens, "is_epoch", _never))),
        ("uuids and hex ids kept", ((tokens, "is_uuid", _never), (tokens, "is_hex_id", _never))),
        (
            "named numbers kept (pid, port, elapsed)",
            ((results, "_NAMED", empty), (results, "_NAME_ENDS", ("\0",))),
        ),
        ("temporary paths kept", ((results, "_TEMPORARY", ()),)),
        ("ports kept", ((tokens, "is_host", _never),)),
        ("progress counters kept", ((results, "_BARS", ()),)),
        ("cosmetic parameters count", ((calls, "COSMETIC", empty),)),
        ("commands as they are written", ((shell_line, "normalise", lambda command, cwd: (command, cwd)),)),
    ]
    return [Variant(name, patches, remembers=False) for name, patches in rules]
