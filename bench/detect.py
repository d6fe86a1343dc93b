"""This engine and the rules that others publish, over labelled recordings: `python bench detect FOLDER...`."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import labelled
import peers
from labelled import HEAD, Labels, Score, Session, Word

from circuit_breaker.breaker import config as settings
from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import calibration, recording

OURS = "**circuit-breaker**"
RISK, LEAST = Fraction(5, 100), 20  # LoopBrake asks for 19, which a risk of 0.05 needs
LOOPBRAKE = "LoopBrake 0.6 (learned limit)"


class Found(NamedTuple):
    """What one recording gave: rule -> its words; (session, agent) -> the events of its calls, for lanes with a loop."""

    words: dict[str, list[Word]]
    calls: dict[tuple[str, str | None], list[int]]


_shared: dict[str, Any] = {}  # what the forked workers inherit


def examine(group: list[Path]) -> Found:
    """Every rule over every session of one recording."""
    words: dict[str, list[Word]] = defaultdict(list)
    calls: dict[tuple[str, str | None], list[int]] = {}
    history: list[tuple[Session, dict[str | None, list[peers.Call]]]] = []
    for session in labelled.read(group):
        words[OURS] += labelled.engine(session, _shared["config"])
        lanes = peers.calls(session.records) if _shared["rules"] else {}
        for rule, function in _shared["rules"].items():
            for agent, lane in lanes.items():
                words[rule] += [
                    Word(session.name, agent, lane[at].event, word == peers.STOP)
                    for at, word in function(lane)
                ]
        history.append((session, lanes))
        calls.update(labelled.calls_of(session, _shared["loops"]))
    if _shared["rules"]:
        words[LOOPBRAKE] = learned_limit(history)
    return Found(dict(words), calls)


def learned_limit(history: list[tuple[Session, dict[str | None, list[peers.Call]]]]) -> list[Word]:
    """LoopBrake's stop: a prompt of a project passes the limit learned from its earlier good prompts (here: those without a loop)."""
    words, past = [], []
    history = sorted(history, key=lambda one: one[0].records[0]["t"])
    for session, lanes in history:
        prompts: dict[int, list[peers.Call]] = {}
        for call in lanes.get(None, ()):
            prompts.setdefault(call.prompt, []).append(call)
        for made in prompts.values():
            if len(past) >= LEAST:
                limit = calibration.limit(past, RISK)
                words += [Word(session.name, None, call.event, True) for call in made[limit:]]
            looped = any(
                loop["session"] == session.name and loop["first_event"] <= made[-1].event
                for loop in _shared["loops"]
            )
            if not looped:
                past.append(len(made))
    return words


def patterns(labels: Labels, scores: dict[str, Score]) -> str:
    """Which kinds of loops each rule catches."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for index, loop in enumerate(labels.loops):
        kinds[loop.get("pattern") or "no pattern given"].append(index)
    names = list(scores)
    lines = [f"| pattern | loops | {' | '.join(names)} |", "|---|---:|" + "---:|" * len(names)]
    for kind, indices in sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0])):
        caught = [len([i for i in indices if i in scores[name].caught]) for name in names]
        lines.append(f"| {kind} | {len(indices)} | {' | '.join(map(str, caught))} |")
    return "\n".join(lines)


def listed(labels: Labels, score: Score) -> str:
    """What there is to look at: loops without a word, with a late one, and words where none was wanted."""
    lines = []
    for index, loop in enumerate(labels.loops):
        if index in score.in_time and index in score.stopped:
            continue
        first = score.caught.get(index)
        verdict = (
            "never"
            if first is None
            else f"at {first.event}" + ("" if index in score.stopped else ", only warned")
        )
        what = loop.get("pattern") or loop.get("note", "")
        lines.append(
            f"loop   {loop['session']} agent={loop['agent_id']} {loop['first_event']}..{loop['last_event']} "
            f"due {loop['should_trip_by_event']}: {verdict}  [{what}] {first.said if first else ''}"
        )
    for word in score.wrong:
        where = labels.clean.get(word.session, "episode outside")
        lines.append(
            f"{'TRIP  ' if word.stops else 'warned'} {word.session} agent={word.agent} at {word.event} ({where}): {word.said}"
        )
    return "\n".join(lines)


def as_json(labels: Labels, scores: dict[str, Score]) -> dict[str, Any]:
    return {
        name: {
            "loops": len(labels.loops),
            "caught": len(score.caught),
            "in_time": len(score.in_time),
            "stopped": len(score.stopped),
            "share_after": round(score.after / score.all, 4) if score.all else None,
            "clean": len(labels.clean),
            "clean_warned": len(score.warned),
            "clean_stopped": len(score.tripped),
            "traps_stopped": score.traps,
        }
        for name, score in scores.items()
    }


def run(
    folder: str, config: settings.Config, rules: dict[str, peers.Rule]
) -> tuple[Labels, dict[str, Score]]:
    """This engine and the rules of others over one labelled folder; without others it is alone."""
    labels = Labels(folder)
    _shared.update(loops=labels.loops, config=config, rules=rules)
    groups = sorted(
        recording.recordings([folder]), key=lambda group: -sum(path.stat().st_size for path in group)
    )
    order = [OURS, *peers.PEERS, LOOPBRAKE, *peers.PLAIN] if rules else [OURS]
    words: dict[str, list[Word]] = {name: [] for name in order if name in {OURS, LOOPBRAKE, *rules}}
    calls: dict[tuple[str, str | None], list[int]] = {}
    with multiprocessing.get_context("fork").Pool() as pool:
        for found in pool.imap_unordered(examine, groups, chunksize=1):
            calls.update(found.calls)
            for name, spoken in found.words.items():
                words[name] += spoken
    return labels, {name: Score(labels, spoken, calls) for name, spoken in words.items()}


def main(arguments: list[str]) -> int:
    """Print the tables of each folder."""
    options = argparse.ArgumentParser(prog="bench detect", description=__doc__)
    options.add_argument("folders", nargs="+", metavar="FOLDER", help="recorded sessions with a labels.json")
    options.add_argument("--config", metavar="FILE", help="a config file over the defaults, for this engine")
    options.add_argument("--alone", action="store_true", help="leave the rules of others out")
    options.add_argument("--plain", action="store_true", help="the plain rules that people write first, too")
    options.add_argument(
        "--list", action="store_true", help="name the loops that were missed and each wrong word"
    )
    options.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    given = options.parse_args(arguments)
    layers = (
        [(given.config, json.loads(Path(given.config).read_text(encoding="utf-8")))] if given.config else []
    )
    config = build(layers)
    for problem in config.problems:
        raise SystemExit(problem)
    rules = {} if given.alone else {**peers.PEERS, **(peers.PLAIN if given.plain else {})}
    answer = {}
    for folder in given.folders:
        started = time.monotonic()
        labels, scores = run(folder, config, rules)
        if given.json:
            answer[folder] = as_json(labels, scores)
            continue
        read = sum(basis == "read" for basis in labels.clean.values())
        traps = sum(episode["kind"] == "trap" for episode in labels.episodes)
        print(
            f"\n{folder}: {len(labels.loops)} loops; {len(labels.clean)} clean sessions ({read} read / {len(labels.clean) - read} found clean by "
            f"other means); {traps} traps. {time.monotonic() - started:.1f} s\n\n{HEAD}"
        )
        for name, score in scores.items():
            print(score.row(name, labels))
        published = {name: score for name, score in scores.items() if name not in peers.PLAIN}
        print("\n" + patterns(labels, published))
        if given.list:
            print("\n" + listed(labels, scores[OURS]))
    if given.json:
        print(json.dumps(answer, indent=2))
    return 0
