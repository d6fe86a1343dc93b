"""How do trips, false trips and wasted calls change with each threshold and each rule of identity and progress?

    python3 bench/sensitivity.py FOLDER        # recorded sessions with a labels.json; prints the tables of docs/detection.md

A variant is made by replacing numbers of the configuration or functions of the engine here: nothing in the product is switchable
for this. A few minutes on one core, less on more.
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
from variants import Patch, Variant, identity_rules, outcomes_by, progress_rules, thresholds

from circuit_breaker.breaker import config as settings
from circuit_breaker.breaker import evidence
from circuit_breaker.replay import recording
from circuit_breaker.replay.rerun import Rerun


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
    config = settings.build([("variant", {"circuit_breakers": variant.rules})] if variant.rules else [])
    assert not config.problems, config.problems
    trips: list[dict[str, Any]] = []
    warnings: list[dict[str, Any]] = []
    with patched(variant.patches):
        for name, payloads in corpus.sessions:
            run = Rerun(name, config)
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


def row(corpus: Corpus, found: Measured) -> str:
    """A line of a table."""
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
    return f"| {found.name} | {' | '.join(str(cell) for cell in cells)} |"


def _calls_until(corpus: Corpus, loop: dict[str, Any], event: int) -> int:
    """The loop's calls up to and with the one that tripped."""
    records = next(records for name, records in corpus.records if name == loop["session"])
    return sum(
        record["hook_event_name"] == "PreToolUse"
        and record.get("agent_id") == loop["agent_id"]
        and loop["first_event"] <= record["i"] <= event
        for record in records
    )


HEAD = (
    "| | loops told or stopped in time | loops stopped | calls until then (median) | false trips: sessions | of them clean "
    "| clean sessions spoken to | sessions tripped |\n|---|---|---|---|---|---|---|---|"
)
TITLES = {"thresholds": "Thresholds", "progress": "Progress", "identity": "Identity", "plain": "Plain rules"}
_shared: dict[str, Any] = {}  # what the forked workers inherit


def _work(job: tuple[str, int]) -> Measured:
    kind, index = job
    corpus = _shared["corpus"]
    if kind == "plain":
        return plain(corpus, list(RULES)[index])
    variant = _shared[kind][index]
    with patched(() if variant.remembers else outcomes_by(evidence.outcome_of)):
        return measure(corpus, variant)


def main(folder: str) -> None:
    """Print every table."""
    corpus = Corpus(folder)
    _shared["corpus"] = corpus
    for module, name, remembered in outcomes_by(remembering(evidence.outcome_of)):
        setattr(module, name, remembered)
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
    usual = first.partition(" | ")[2]
    for kind, title in TITLES.items():
        rows = [row(corpus, found[job]) for job in jobs if job[0] == kind]
        print(f"\n### {title}\n\n{HEAD}\n{first}")
        print("\n".join(line for line in rows if line.partition(" | ")[2] != usual))
        same = [line.partition(" | ")[0][2:] for line in rows if line.partition(" | ")[2] == usual]
        if same:
            print(f"\nAs it is: {'; '.join(same)}.")


if __name__ == "__main__":
    main(sys.argv[1])
