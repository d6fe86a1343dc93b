"""The report in a real browser: it fits a phone and a desk, in light and dark, asks for nothing and runs nothing."""

from __future__ import annotations

import json
import time

import pytest
from browser.chromium import Browser, binary
from plugin.people import Person, plugin
from plugin.transcripts import Transcript
from samples import IN_CI

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)><script>window.got=1</script>" + "x" * 3000
TOO_WIDE = """[...document.querySelectorAll("main *")].filter(e => e.scrollWidth > e.clientWidth + 1
  && getComputedStyle(e).textOverflow != "ellipsis" && getComputedStyle(e).display != "inline" && !e.closest("svg")).map(e => e.outerHTML.slice(0, 80))"""
PALE = """(() => {
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length == 3 || c[3] == 1) return c; } return [255, 255, 255]; };
  return [...document.querySelectorAll("main *")].filter(e => !e.closest("svg") && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
    .map(e => { const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
      return [(a + .05) / (b + .05), e.outerHTML.slice(0, 80)]; }).filter(([ratio]) => ratio < 4.5);
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = binary()
    if program is None:
        message = "no Chromium on this machine: apt-get install chromium"
        pytest.fail(message) if IN_CI else pytest.skip(message)
    with Browser(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Reports over 0, 1 and 500 incidents, with texts that try to break out."""
    made = {}
    for count in (0, 1, 500):
        someone = Person(tmp_path_factory.mktemp(f"machine{count}"))
        folder = someone.state / "projects" / "app-0123"
        folder.mkdir(parents=True)
        now = time.time()
        rows = [
            {
                "t": now - 600 - i, "event": "trip", "circuit": f"tool_failure:Bash t{i} {HOSTILE if i % 7 == 0 else ''}",
                "session": "b7e1c2d3", "project": f"/work/{HOSTILE}", "cause": "failed 3 times", "calls": ["Bash a", "Edit b"],
                "tokens": {"cache_read": 912_600},
            }
            for i in range(count)
        ]  # fmt: skip
        (folder / "circuit_breaker_incidents.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows)
        )
        session = Transcript("b7e1c2d3", "/work/app", now - 3000)
        session.prompt(HOSTILE)
        for i in range(40 if count else 0):
            session.bash(
                f"make {HOSTILE} | tail -{i}",
                "out " * i,
                fails=i % 5 == 0,
                seconds=25,
                agent="a1" if i % 4 == 0 else "",
            )
            session.call("Edit", {"file_path": f"/work/{HOSTILE}/{i}.py"}, "done")
        session.save(someone.home)
        out = someone.home / "report.html"
        done = plugin(someone, "report", "-o", str(out))
        assert done.returncode == 0, done.stderr
        made[count] = out
    return made


@pytest.mark.parametrize("count", [0, 1, 500])
@pytest.mark.parametrize("width", [1280, 400])
def test_page_fits_its_window_and_every_word_can_be_read(browser, reports, tmp_path, count, width):
    for dark in (False, True):
        browser.requests.clear()
        browser.open(reports[count], width, dark=dark)
        assert browser.value("document.documentElement.scrollWidth") == width
        assert browser.value(TOO_WIDE) == []
        assert browser.value(PALE) == []
        assert browser.value("document.querySelectorAll('article').length") == min(count, 200)
        assert browser.value("[typeof got, document.images.length, document.scripts.length]") == [
            "undefined",
            0,
            0,
        ]
        assert browser.requests == [reports[count].as_uri()] and browser.problems == []
        browser.picture(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 10_000


def test_light_and_dark_differ(browser, reports):
    colours = set()
    for dark in (False, True):
        browser.open(reports[1], 1280, dark=dark)
        colours.add(browser.value("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


def test_marks_lie_within_their_strip(browser, reports):
    browser.open(reports[500], 400)
    outside = """[...document.querySelectorAll("rect")].filter(r => { const s = r.closest("svg").getBoundingClientRect(),
      b = r.getBoundingClientRect(); return b.left < s.left - 1 || b.right > s.right + 2 || b.top < s.top - 1 || b.bottom > s.bottom + 1; }).length"""
    assert browser.value("document.querySelectorAll('rect').length") > 50
    assert browser.value(outside) == 0
