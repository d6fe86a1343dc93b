"""What /circuit-status and /reset-circuit answer, without a model request and for their own session."""

from __future__ import annotations

from circuit_breaker.breaker.config import Config
from circuit_breaker.cleaning import disk_usage
from circuit_breaker.runtime import config_change, home, json, status, store
from circuit_breaker.runtime.home import Places, safe_name
from circuit_breaker.runtime.protocol import Payload
from circuit_breaker.words import sentences
from circuit_breaker.words.status import open_in_others, status_text

STATUS_USAGE = "Usage: /circuit-status [--memory] [--json] [--circuit NAME]"
RESET_USAGE = "Usage: /reset-circuit --all | --circuit NAME   (NAME as /circuit-status shows it)"
OPTIONS = ("--memory", "--json", "--plain", "--all")


def command_reply(payload: Payload, where: Places, config: Config, env: home.Environment, now: float) -> str:
    """The answer to a slash command; "" if the command is not ours."""
    name = payload.command.rpartition(":")[2]
    words = payload.arguments.replace("--circuit=", "--circuit ", 1).split()
    if name == "circuit-status":
        return _status(words, payload.session, where, config, env, now)
    if name == "reset-circuit":
        return _reset(words, payload.session, where)
    return ""


def _split(words: list[str]) -> tuple[str | None, list[str]]:
    """(the NAME after --circuit, with blanks and options in it and without quotes around it; the other words). "" if NAME is missing,
    None without --circuit."""
    if "--circuit" not in words:
        return None, words
    at = words.index("--circuit") + 1
    end = next((i for i in range(at, len(words)) if words[i] in OPTIONS), len(words))
    name = " ".join(words[at:end])
    quoted = name[:1] in ("'", '"') and name[:1] == name[-1:]
    return name[1:-1] if quoted else name, words[: at - 1] + words[end:]


def _status(
    words: list[str], session: str, where: Places, config: Config, env: home.Environment, now: float
) -> str:
    which, words = _split(words)
    plain = "NO_COLOR" in env or "--plain" in words
    if which == "" or any(word.startswith("-") and word not in OPTIONS[:3] for word in words):
        return STATUS_USAGE
    kept = status.sessions_on_disk(where, sorted({safe_name(session), *store.armed_sessions(where)}))
    mine = [one for one in kept if one.name == safe_name(session)]
    facts = status.only_circuit(status.collect(where, config, now, mine, {where.project}), which)
    if facts is None:
        return f"No circuit is called {which}. {STATUS_USAGE}"
    why, fix = status.cannot_block(where, config)  # hooks run, since this is one
    how = "the hooks run in this session"
    facts["protection"] = {"protected": not why, "how": how, "why": why, "fix": fix}
    status.mark_ended(kept, env, now)
    others = [one for one in status.of_project(kept, where) if one not in mine and not one.ended]
    facts["others"] = open_in_others(status.circuits(others, now))
    if "--memory" in words or "--json" in words:
        facts["memory"] = disk_usage.memory_facts(where, config)
    if "--json" in words:
        return json.dump(facts).decode("ascii")
    text = status_text(facts, plain)
    if "--memory" in words:
        text += "\n\n" + disk_usage.memory_report(facts["memory"], where, now, plain)
    return text


def _reset(words: list[str], session: str, where: Places) -> str:
    which, words = _split(words)
    if ("--all" in words) == (which is not None) or which == "":
        return RESET_USAGE
    kept = status.sessions_on_disk(where, [safe_name(session)])
    reset, failed = status.reset_circuits(where, kept, which or "", {where.project})
    closed = [name for name, _ in reset]
    if closed or failed:
        pending = config_change.pending([one.session for one in kept])
        held = [sentences.held_back(at, path) for at, path in pending]
        done = ["Reset to CLOSED: " + ", ".join(closed)] if closed else []
        return "\n".join([*done, *failed, *held])
    if which:
        return f"No open circuit is called {which}. /circuit-status shows them."
    return "Nothing to reset: no circuit is open in this session."
