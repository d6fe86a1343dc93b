"""How do trips, false trips and wasted calls change with each threshold and each rule of identity and progress?

    python3 bench/sensitivity.py FOLDER        # recorded sessions with a labels.json; prints the tables of docs/detection.md

A variant is made by replacing numbers of the configuration or functions of the engine here: nothing in the product is switchable
for this. Half an hour on one core, less on more.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from baselines import RULES, calls

from circuit_breaker.core import blinding, config, detectors, evidence, identity, outcomes, shell, turns
from circuit_breaker.core.model import OK
from circuit_breaker.edge import recording
from circuit_breaker.edge.rerun import Rerun

Patch = tuple[Any, str, Any]  # module, name, what stands there for one variant


class Variant(NamedTuple):
    """One row: a changed number, or replaced functions. `remembers`: outcomes are the same as without it."""

    name: str
    rules: dict[str, dict[str, Any]] = {}
    patches: tuple[Patch, ...] = ()
    remembers: bool = True


class Measured(NamedTuple):
    """What a row shows. Entries of `trips` and `warnings` as `replay --json` has them."""

    name: str
    trips: list[dict[str, Any]]
    warnings: list[dict[str, Any]]


class Corpus:
    """All sessions in memory, with their labels."""

    def __init__(self, folder: str) -> None:
        self.sessions: list[tuple[str, list[Any]]] = []
        self.records: list[tuple[str, list[dict[str, Any]]]] = []
        for group in recording.files([folder]):
            for name, records in recording.sessions(group, lambda line: print(line, file=sys.stderr)):
                kept = list(records)
                self.records.append((name, kept))
                self.sessions.append((name, list(recording.payloads(kept))))
        labels = json.loads((Path(folder) / "labels.json").read_text(encoding="utf-8"))
        self.clean = {entry["session"] for entry in labels["clean"]}
        self.episodes = labels["episodes"]
        self.excused = [e for e in self.episodes if e["kind"] in ("loop", "minor", "struggle")]
        self.judged = self.clean | {e["session"] for e in self.episodes}

    def loops(self) -> list[dict[str, Any]]:
        return [episode for episode in self.episodes if episode["kind"] == "loop"]


def within(entry: dict[str, Any], episode: dict[str, Any]) -> bool:
    """Does the entry lie in the episode, by session, lane and index?"""
    return (
        entry["session"] == episode["session"]
        and entry["agent"] == episode["agent_id"]
        and episode["first_event"] <= entry["event"] <= episode["last_event"]
    )


@contextmanager
def patched(patches: tuple[Patch, ...]) -> Iterator[None]:
    """The engine with some names replaced; a name that is not there is an error, so that no row silently measures nothing."""
    with ExitStack() as stack:
        for module, name, value in patches:
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, value)
        yield


def remembering(outcome_of: Callable[..., Any]) -> Callable[..., Any]:
    """Outcomes made once for all variants that do not change them: they are most of the work."""
    made: dict[tuple[Any, ...], Any] = {}

    def remembered(result: Any, kind: str, cwd: str) -> Any:
        at = (result.id, id(result.input), kind, cwd, len(result.text))  # the inputs stay alive in the corpus
        if at not in made:
            made[at] = outcome_of(result, kind, cwd)
        return made[at].but()

    return remembered


def measure(corpus: Corpus, variant: Variant) -> Measured:
    """Run the whole corpus through one variant."""
    settings = config.build([("variant", {"circuit_breakers": variant.rules})] if variant.rules else [])
    assert not settings.problems, settings.problems
    trips: list[dict[str, Any]] = []
    warnings: list[dict[str, Any]] = []
    with patched(variant.patches):
        for name, payloads in corpus.sessions:
            run = Rerun(name, settings)
            for fed in payloads:
                run.feed(fed)
            trips += run.trips
            warnings += run.warnings
    return Measured(variant.name, trips, warnings)


def plain(corpus: Corpus, name: str) -> Measured:
    """One of the plain rules over the same sessions."""
    trips = []
    for session, records in corpus.records:
        for agent, lane in calls(records).items():
            trips += [{"session": session, "agent": agent, "event": e} for e in RULES[name](lane)]
    return Measured(name, trips, [])


def row(corpus: Corpus, found: Measured, usual: str = "") -> str:
    """A line of a table; `usual` is the line of the product as it is: a row without any change says so."""
    stopped, told, spent = 0, 0, []
    for loop in corpus.loops():
        trips = [e["event"] for e in found.trips if within(e, loop)]
        heard = trips + [e["event"] for e in found.warnings if within(e, loop)]
        told += bool(heard) and min(heard) <= loop["should_trip_by_event"]
        stopped += bool(trips)
        if trips:
            spent.append(_calls_until(corpus, loop, min(trips)))
    wrong = {
        trip["session"]
        for trip in found.trips
        if trip["session"] in corpus.judged and not any(within(trip, episode) for episode in corpus.excused)
    }
    spoken = {entry["session"] for entry in found.warnings} & corpus.clean
    cells = (
        f"{told} of {len(corpus.loops())}",
        stopped,
        f"{statistics.median(spent):g}" if spent else "-",
        len(wrong),
        len(wrong & corpus.clean),
        len(spoken),
        len({trip["session"] for trip in found.trips}),
    )
    line = " | ".join(str(cell) for cell in cells)
    return f"| {found.name} | {'as it is | | | | | |' if line == usual else line + ' |'}"


def _calls_until(corpus: Corpus, loop: dict[str, Any], event: int) -> int:
    """The loop's calls up to and with the one that tripped."""
    records = next(records for name, records in corpus.records if name == loop["session"])
    return sum(
        record["hook_event_name"] == "PreToolUse"
        and record.get("agent_id") == loop["agent_id"]
        and loop["first_event"] <= record["i"] <= event
        for record in records
    )


def thresholds() -> list[Variant]:
    """Each number that decides when a rule speaks, one up and one down."""
    found = []
    for rule, defaults in config.DEFAULTS["circuit_breakers"].items():
        for key, value in defaults.items():
            if key in ("enabled", "action", "cooldown_base_seconds") or rule == "hook_recursion":
                continue
            for number in (value - 1, value + 1):
                if number or key != "window_turns":
                    found.append(Variant(f"`{rule}.{key}` {value} -> {number}", {rule: {key: number}}))
    for name, module in (("OF_LAST", detectors), ("LAST_CALLS", detectors), ("ERROR_GAP", evidence)):
        value = getattr(module, name)
        for number in (value - 1, value + 1):
            found.append(Variant(f"`{name}` {value} -> {number}", {}, ((module, name, number),)))
    return found


def _changing(level: Callable[[Any], int]) -> tuple[Patch, ...]:
    usual = turns.outcome_of

    def outcome_of(result: Any, kind: str, cwd: str) -> Any:
        outcome = usual(result, kind, cwd)
        if kind == OK:
            outcome.change = level(outcome)
        return outcome

    return ((turns, "outcome_of", outcome_of),)


def _without(field: str) -> tuple[Patch, ...]:
    usual = turns.outcome_of

    def outcome_of(result: Any, kind: str, cwd: str) -> Any:
        outcome = usual(result, kind, cwd)
        setattr(outcome, field, False)
        return outcome

    return ((turns, "outcome_of", outcome_of),)


def _latest(lane: Any, start: int) -> int:
    return lane.moves[-1][0] if lane.moves else -1


def progress_rules() -> list[Variant]:
    """Each rule of what is progress, a poll, a look-up, taken away or turned round."""
    in_shell = identity.SHELLS
    return [
        Variant("nothing is progress", {}, _changing(lambda outcome: 0)),
        Variant("every success is progress", {}, _changing(lambda outcome: 2)),
        Variant("only writing a file is progress", {}, _changing(lambda o: o.change if o.change == 2 else 0)),
        Variant(
            "every shell command is progress",
            {},
            _changing(lambda o: max(o.change, 1) if o.tool in in_shell else o.change),
        ),
        Variant("no shell command is", {}, _changing(lambda o: 0 if o.tool in in_shell else o.change)),
        Variant("the same change counts each time it is made", {}, ((evidence, "last_move", _latest),)),
        Variant(
            "other lanes' writes do not count",
            {},
            ((evidence, "learn_writes", lambda session, lane: None),),
        ),
        Variant("polls are calls like others", {}, _without("poll")),
        Variant("look-ups that miss are errors like others", {}, _without("miss")),
        Variant(
            "a person's prompt forgets nothing", {}, ((evidence, "forget_successes", lambda lane: None),)
        ),
        Variant(
            "a ring may hold no foreign call",
            {},
            ((detectors, "_round_before", _strict_round),),
        ),
    ]


def _strict_round(recent: list[list[Any]], first: int, ring: list[list[Any]]) -> int:
    begin = first - len(ring)
    if begin < 0:
        return -1
    same = all(recent[begin + i][2:4] == member[2:4] for i, member in enumerate(ring))
    return begin if same else -1


def _never(*_: object) -> bool:
    return False


def identity_rules() -> list[Variant]:
    """Each rule of when two calls or results are the same, taken away."""
    empty: frozenset[str] = frozenset()
    rules: list[tuple[str, tuple[Patch, ...]]] = [
        ("results as they are", ((identity, "blind", lambda text: text),)),
        ("every digit of a result blinded", ((identity, "blind", blinding.without_digits),)),
        ("file contents blinded too", ((identity, "VERBATIM", empty),)),
        ("colours kept", ((blinding, "without_escapes", lambda text: text),)),
        ("durations kept", ((blinding, "_is_duration", _never),)),
        ("times of day kept", ((blinding, "_is_clock", _never),)),
        ("dates and epochs kept", ((blinding, "_is_date", _never), (blinding, "_is_epoch", _never))),
        ("uuids and hex ids kept", ((blinding, "_is_uuid", _never), (blinding, "_is_hex_id", _never))),
        (
            "named numbers kept (pid, port, elapsed)",
            ((blinding, "_NAMED", empty), (blinding, "_NAME_ENDS", ("\0",))),
        ),
        ("temporary paths kept", ((blinding, "_TEMPORARY", ()),)),
        ("ports kept", ((blinding, "_is_host", _never),)),
        ("progress counters kept", ((blinding, "_BARS", ()),)),
        ("cosmetic parameters count", ((identity, "COSMETIC", empty),)),
        ("commands as they are written", ((shell, "normalise", lambda command, cwd: (command, cwd)),)),
    ]
    return [Variant(name, {}, patches, remembers=False) for name, patches in rules]


HEAD = (
    "| | loops told or stopped in time | loops stopped | calls until then (median) | false trips: sessions | of them clean "
    "| clean sessions spoken to | sessions tripped |\n|---|---|---|---|---|---|---|---|"
)
_shared: dict[str, Any] = {}  # what the forked workers inherit


def _work(job: tuple[str, int]) -> Measured:
    kind, index = job
    corpus = _shared["corpus"]
    if kind == "plain":
        return plain(corpus, list(RULES)[index])
    variant = _shared[kind][index]
    with patched(() if variant.remembers else ((turns, "outcome_of", outcomes.outcome_of),)):
        return measure(corpus, variant)


def main(folder: str) -> None:
    """Print every table."""
    corpus = Corpus(folder)
    _shared["corpus"] = corpus
    turns.outcome_of = remembering(outcomes.outcome_of)
    _shared["usual"] = [Variant("**as it is**")]
    _shared["thresholds"], _shared["identity"] = thresholds(), identity_rules()
    _shared["progress"] = progress_rules()
    jobs = [
        (kind, i)
        for kind in ("usual", "thresholds", "progress", "identity")
        for i in range(len(_shared[kind]))
    ]
    jobs += [("plain", i) for i in range(len(RULES))]
    with multiprocessing.get_context("fork").Pool() as pool:
        found = dict(zip(jobs, pool.map(_work, jobs, chunksize=1)))
    first = row(corpus, found["usual", 0])
    usual = first.partition(" | ")[2].rpartition(" |")[0]
    titles = {
        "thresholds": "Thresholds",
        "progress": "Progress",
        "identity": "Identity",
        "plain": "Plain rules",
    }
    for kind, title in titles.items():
        print(f"\n### {title}\n\n{HEAD}\n{first}")
        for job in jobs:
            if job[0] == kind:
                print(row(corpus, found[job], usual))


if __name__ == "__main__":
    main(sys.argv[1])
