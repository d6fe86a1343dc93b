"""report: one self-contained HTML file about what was stopped and what was wasted."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from install import bundle
from plugin.people import plugin
from plugin.transcripts import Transcript

HOSTILE = (
    "<img src=x onerror=alert(1)> \"'><script>alert(2)</script> \x1b[31mred\x1b[0m \u202egnp.exe &amp; "
    + "x" * 10_000
)


class Page(HTMLParser):
    """What a browser would make of a file: its tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.text = ""
        self.data: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        self.data.append(data)


@pytest.fixture
def reported(person, tmp_path):
    def run(*arguments):
        out = tmp_path / "report.html"
        done = plugin(person, "report", "-o", str(out), *arguments)
        assert done.returncode == 0, done.stderr
        html = out.read_text(encoding="utf-8")
        page = Page(html)
        assert page.open == []
        assert not {"script", "link", "img", "iframe", "object", "form", "a"} & set(page.tags)
        assert not [
            name for name, value in page.attributes if name.startswith("on") or name in ("src", "href")
        ]
        assert "http:" not in html and "https:" not in html and "url(" not in html
        return page, done.stdout

    return run


def incident(person, *rows):
    folder = person.state / "projects" / "app-0123"
    folder.mkdir(parents=True, exist_ok=True)
    base = {
        "t": time.time() - 600, "event": "trip", "circuit": "tool_failure:Bash make test", "session": "b7e1c2d3",
        "agent": None, "project": "/work/app", "cause": "failed 3 times with nothing changed in between",
        "calls": ["Bash make test"] * 3, "tokens": {"input": 10, "output": 5, "cache_read": 912_600},
    }  # fmt: skip
    with (folder / "circuit_breaker_incidents.jsonl").open("a") as stream:
        stream.writelines(json.dumps({**base, **row}) + "\n" for row in rows)


def session(person, name="b7e1c2d3", age=1800.0, project="/work/app"):
    return Transcript(name, project, time.time() - age)


def test_night_in_which_nothing_happened(reported):
    page, said = reported()
    assert "Nothing happened in the last 12 hours." in page.text
    assert said.startswith("Nothing happened in the last 12 hours.")
    assert "NOT PROTECTED" in page.text  # since it is not installed: quiet is no proof


def test_quiet_sessions_are_counted_and_drawn(person, reported):
    quiet = session(person)
    quiet.prompt()
    quiet.bash("ls", "a\nb")
    quiet.call("Edit", {"file_path": "/work/app/a.py", "old_string": "a", "new_string": "b"}, "done")
    quiet.bash("make", "Exit code 2", fails=True, agent="a1")
    quiet.save(person.home)
    page, _ = reported()
    assert "Nothing had to be stopped in the last 12 hours." in page.text
    assert "1 session made 3 calls." in page.text
    kinds = [value for name, value in page.attributes if name == "class"]
    assert {"prompt", "call", "edit", "failed"} <= set(kinds)
    assert "subagent a1" in page.text


def test_loop_has_a_sentence_a_card_and_its_cost(person, reported):
    incident(
        person,
        {"event": "warning", "t": time.time() - 660},
        {},
        {"event": "probe", "after": "HALF_OPEN", "t": time.time() - 500, "cause": "one probe is allowed"},
        {"event": "probe", "after": "OPEN", "t": time.time() - 499, "cause": "the probe failed"},
        {"event": "close", "t": time.time() - 300, "cause": "the probe returned something new"},
    )
    looping = session(person, age=900)
    for _ in range(3):
        looping.bash("make test", "Exit code 2\nboom", fails=True)
    looping.bash(
        "make test",
        "PreToolUse:Bash hook error: Blocked by circuit-breaker (this is not a hook failure)",
        fails=True,
    )
    looping.save(person.home)
    page, _ = reported()
    assert "1 loop was stopped in 1 session in the last 12 hours." in page.text
    assert "1 repeat did not run." in page.text
    for text in (
        "Bash make test",
        "Failed 3 times with nothing changed in between",
        "closed again",
        "/work/app",
    ):
        assert text in page.text
    assert "at least 913 k tokens" in page.text and "the probe failed" in page.text
    assert "one probe is allowed" not in page.text  # how it went says it


@pytest.mark.parametrize(
    ("circuit", "closed", "outcome"),
    [
        ("service_down:github", {"session": "other"}, "closed again"),
        ("service_down:github", {"session": "other", "project": "/work/else"}, "still blocked"),
        ("agent_spawn:Agent", {"agent": None}, "closed again"),
        ("budget:calls_per_prompt", {"agent": None}, "closed again"),
        ("agent_spawn:Agent", {"session": "other"}, "still blocked"),
        ("tool_failure:Bash make", {"agent": None}, "still blocked"),
        ("tool_failure:Bash make", {"session": "other"}, "still blocked"),
    ],
)
def test_loop_is_closed_by_whoever_can_close_its_circuit(person, reported, circuit, closed, outcome):
    begun = {"circuit": circuit, "agent": "a1"}
    incident(person, begun, {**begun, "event": "close", "t": time.time() - 300, **closed})
    for arguments in ((), ("b7e1",)):
        page, _ = reported(*arguments)
        assert {"closed again", "still blocked"} & set(page.data) == {outcome}


def test_fork_has_its_own_calls_and_the_original_keeps_its_own(person, reported):
    original = session(person, name="original")
    for number in range(3):
        original.bash(f"ls {number}", "a")
    fork = original.fork("forked")
    fork.bash("ls -a", "b")
    for one in (original, fork):
        one.save(person.home)
    page, _ = reported()
    assert "2 sessions made 4 calls." in page.text
    assert {"session original · 3 calls", "session forked · 1 call"} <= {
        text.rpartition(" · ")[0] for text in page.data
    }


def test_five_hundred_incidents_stay_readable(person, reported):
    incident(
        person,
        *(
            {"circuit": f"tool_failure:Bash t{i}", "session": f"s{i % 40}", "t": time.time() - i}
            for i in range(500)
        ),
    )
    page, _ = reported()
    assert "500 loops were stopped in 40 sessions" in page.text
    assert page.tags.count("article") == 200 and "and 300 earlier ones" in page.text


def test_hundred_thousand_lines_are_read(person, reported):
    incident(
        person,
        *({"session": f"s{i % 400}", "event": ("trip", "probe", "close")[i % 3]} for i in range(100_000)),
    )
    page, _ = reported("--since", "1h")
    assert re.search(r"[\d,]+ loops were stopped in 400 sessions", page.text)


def test_hostile_texts_are_text(person, reported):
    incident(person, {"circuit": f"tool_failure:{HOSTILE}", "cause": HOSTILE, "calls": [HOSTILE, "x"], "project": HOSTILE,
                      "agent": HOSTILE, "session": "b7e1c2d3"})  # fmt: skip
    nasty = session(person, project="/work/<b>app</b>")
    nasty.prompt(HOSTILE)
    nasty.call(HOSTILE, {"file_path": HOSTILE}, HOSTILE)
    nasty.bash(f"{HOSTILE} --flag", f"{HOSTILE}: command not found", fails=True, agent="<i>a1</i>")
    nasty.save(person.home)
    page, _ = reported()
    assert "<img src=x onerror=alert(1)>" in page.text
    assert not {"\x1b", "\u202e"} & set(page.text) and "x" * 500 not in page.text


def test_secrets_of_commands_stay_out(person, reported):
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    loud = session(person)
    for _ in range(2):
        loud.bash(f"GITHUB_TOKEN={secret} npx prisma go", "sh: 1: npx: not found", fails=True, seconds=30)
        loud.bash(
            f"GITHUB_TOKEN={secret} npx prisma go | tail -3", "sh: 1: npx: not found", fails=True, seconds=30
        )
    loud.save(person.home)
    page, _ = reported()
    assert secret not in page.text and secret[:12] not in page.text
    assert not any(
        secret in path.read_text(errors="replace") for path in person.state.rglob("*") if path.is_file()
    )


def test_one_session_or_one_project_only(person, reported, tmp_path):
    for name, project in (("aaaa1111", "/work/one"), ("bbbb2222", "/work/two")):
        made = session(person, name, project=project)
        made.bash("ls", "x")
        made.save(person.home)
        incident(person, {"session": name, "project": project, "circuit": f"tool_failure:Bash {name}"})
    page, _ = reported("aaaa")
    assert "Bash aaaa1111" in page.text and "bbbb" not in page.text and "/work/two" not in page.text
    page, _ = reported("--project", "/work/two")
    assert "session bbbb2222" in page.text and "/work/one" not in page.text


def test_unknown_session_is_an_error_with_the_next_step(person, tmp_path):
    done = plugin(person, "report", "nobody", "-o", str(tmp_path / "r.html"))
    assert done.returncode == 1 and "--since 7d" in done.stderr and not (tmp_path / "r.html").exists()


def test_file_that_cannot_be_written_is_an_error_with_the_next_step(person, tmp_path):
    done = plugin(person, "report", "-o", str(tmp_path / "no" / "r.html"))
    assert done.returncode == 1 and "r.html" in done.stderr and "Traceback" not in done.stderr


def test_observe_mode_has_its_own_report(person, reported):
    incident(person, {"event": "would_trip"}, {"circuit": "repeated_call:Bash ls"})
    page, _ = reported("--mode", "observe")
    assert "1 loop would have been stopped" in page.text and "Bash ls" not in page.text
    page, _ = reported("--mode", "enforce")
    assert "1 loop was stopped" in page.text and "would have" not in page.text


def test_a_loop_that_was_only_observed_counts_as_no_stopped_one(person, reported):
    incident(person, {"event": "would_trip"}, {"circuit": "repeated_call:Bash ls"})
    page, _ = reported()
    assert "1 loop was stopped" in page.text and "1 loops stopped" not in page.text
    assert re.search(r"\b1\s*loop stopped", page.text)


def test_bypasses_are_on_record(person, reported):
    incident(person, {"event": "bypass", "circuit": "bypass:granted", "cause": "SUDO BYPASS for one prompt"})
    page, _ = reported()
    assert "Also on record" in page.text and "SUDO BYPASS for one prompt" in page.text


def test_transcripts_that_cannot_be_read_cost_nothing_else(person, reported):
    good = session(person)
    good.bash("ls", "x")
    path = good.save(person.home)
    path.write_bytes(b"{torn\n\xff\xfe\n[]\n" + path.read_bytes() + b'{"type":"assistant"')
    Path(path.parent, "folder.jsonl").mkdir()
    page, _ = reported()
    assert "1 session made 1 call." in page.text


def test_project_with_a_very_long_path_is_found_by_the_beginning_of_its_folder(person, reported):
    project = "/home/" + "x" * 220
    made = session(person, project=project)
    made.bash("ls", "x")
    path = made.save(person.home)
    path.parent.rename(path.parent.with_name(f"{'-home-' + 'x' * 194}-a1b2c3"))
    page, _ = reported("--project", project)
    assert "1 session made 1 call." in page.text


def test_style_sheet_is_installed_with_the_verb():
    assert {"plugin/report/style.css", "plugin/report/page.html"} <= {
        *bundle.names_below(Path(__file__).resolve().parents[2])
    }
