"""`make demo-recording`: the demo's own output as docs/demo.svg, line after line as it comes; no script in it, no font from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "demo.svg"
WIDTH, LINE, SIZE, MARGIN = 760, 18, 13, 16  # pixels
COLOURS = {"failed": "#f07178", "blocked": "#ffcb6b", "passed": "#a5d66f", "done": "#89ddff"}
STYLE = """
svg { background: #1e2430 }
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d6deeb; white-space: pre }
.line { opacity: 0; animation: come 0.2s forwards }
@keyframes come { to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { .line { opacity: 1; animation: none } }
"""


def run_demo() -> list[tuple[float, str]]:
    """(seconds since the start, line) of a real run of the demo in a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        env = {"PATH": os.environ["PATH"], "HOME": home, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        begun = time.monotonic()
        with subprocess.Popen(
            [sys.executable, str(ROOT / "plugin"), "demo"], stdout=subprocess.PIPE, text=True, env=env
        ) as process:
            assert process.stdout is not None
            lines = [(time.monotonic() - begun, line.rstrip("\n")) for line in process.stdout]
    if process.returncode:
        raise SystemExit(process.returncode)
    return lines


def drawn(lines: list[tuple[float, str]]) -> str:
    """The SVG: each line appears when it came, faster where nothing happened."""
    height = MARGIN * 2 + LINE * len(lines)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        "<title>circuit-breaker demo: a runaway session is stopped, a working one is not touched</title>",
        f"<style>{STYLE}</style>",
    ]
    shown = before = 0.0
    for number, (at, line) in enumerate(lines):
        shown += min(at - before, 0.8)
        before = at
        colour = COLOURS.get(line.split()[-1] if line.split() else "")
        fill = (
            f' style="fill:{colour};animation-delay:{shown:.2f}s"'
            if colour
            else f' style="animation-delay:{shown:.2f}s"'
        )
        y = MARGIN + LINE * number + SIZE
        out.append(f'<text class="line" x="{MARGIN}" y="{y}"{fill}>{escape(line)}</text>')
    return "\n".join([*out, "</svg>", ""])


if __name__ == "__main__":
    TARGET.write_text(drawn(run_demo()), encoding="utf-8")
    print(f"written: {TARGET.relative_to(ROOT)}")
