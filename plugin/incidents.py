"""The verb `incidents`: what happened, newest last."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter

import incident_log
from incident_log import Incident
from operate import places

from circuit_breaker.words.status import ID

LOOK_SECONDS = 1.0  # --follow reads the logs this often


def incidents(args: argparse.Namespace) -> int:
    """Print incidents of all projects since a time, optionally of one session or circuit; --follow prints new ones."""
    found = _read(args, args.since)
    if args.json and not args.follow:
        print(json.dumps({"schema": 1, "incidents": [as_json(one) for one in found]}, indent=2))
        return 0
    _print(found, args)
    if not args.follow:
        if not found:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(args.since))
            print(f"No incidents since {when}. Look further back with --since 7d.", file=sys.stderr)
        return 0
    return _follow(args, found)


def _read(args: argparse.Namespace, after: float) -> list[Incident]:
    """The incidents since `after` of the project, the session (an id or its beginning) and the circuit (or rule) in `args`."""
    where = places(args.project)
    homes = [where.home] if args.project is not None else incident_log.homes(where)
    return [
        one
        for one in incident_log.read(homes, after)
        if (not args.session or one.session.startswith(args.session))
        and (not args.circuit or args.circuit in (one.circuit, one.circuit.partition(":")[0]))
    ]


def _follow(args: argparse.Namespace, found: list[Incident]) -> int:
    """Print new incidents until Ctrl-C. Processes can write out of order, so printed lines are remembered."""
    while True:
        seen = {_key(one) for one in found}
        last = found[-1].t if found else args.since
        time.sleep(LOOK_SECONDS)
        found = _read(args, max(args.since, last - incident_log.SLACK)) or found
        _print([one for one in found if _key(one) not in seen], args)


def _key(one: Incident) -> str:
    return json.dumps(one.row, sort_keys=True)


def _print(found: list[Incident], args: argparse.Namespace) -> None:
    for one in found:
        print(json.dumps(as_json(one)) if args.json else text(one), flush=args.follow)


def as_json(one: Incident) -> dict[str, object]:
    """The incident as JSON, with harmless texts and its project."""
    kept = {key: incident_log.clean(v) if isinstance(v, str) else v for key, v in one.row.items()}
    kept = {key: value for key, value in kept.items() if not isinstance(value, (list, dict))}
    named = {key: getattr(one, key) or None for key in incident_log.TEXTS}
    tokens = one.row.get("tokens") if one.tokens else {}
    return {**kept, **named, "calls": one.calls, "tokens": tokens, "home": one.home}


def text(one: Incident) -> str:
    """The incident as lines of text: when and what, why, where and at what cost, the calls."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.t))
    agent = f", subagent {one.agent}" if one.agent else ""
    lines = [f"{when}  {one.event:<10} {one.circuit}", f"    {one.cause}" if one.cause else ""]
    lines.append(f"    {shortened(one.project)}, session {one.session[:ID]}{agent}{cost(one)}")
    if one.calls:
        counts = Counter(one.calls).items()
        calls = [call if count == 1 else f"{call} ({count} times)" for call, count in counts]
        lines.append(f"    calls: {', '.join(calls)}")
    return "\n".join(filter(None, lines))


def cost(one: Incident) -> str:
    """`; 12,345 tokens`; "" if none were counted."""
    return f"; {one.tokens:,} tokens" if one.tokens else ""


def shortened(project: str) -> str:
    """A project's folder with ~ for your home."""
    user = os.environ.get("HOME", "")
    if user and project.startswith(user + "/"):
        return "~" + project[len(user) :]
    return project or "an unknown project"
