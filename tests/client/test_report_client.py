"""The report and `explain` over what the real client wrote: its transcripts, and the log of a session that was stopped."""

from __future__ import annotations

from client.driver import Client
from client.standin import Say, Standin, bash


def test_session_that_was_stopped_is_in_the_report_and_is_explained(client: Client) -> None:
    command, _ = client.failing_check()
    with Standin({"": [*[bash(command)] * 4, bash("echo other"), Say("stuck")]}) as api:
        session = client.session(api, "make the check pass")
    done = client.breaker("report", "-o", "report.html")
    assert done.returncode == 0, done.stderr
    assert "1 loop was stopped in 1 session in the last 12 hours" in done.stdout
    page = (client.project / "report.html").read_text(encoding="utf-8")
    assert "1 repeat did not run." in page
    assert "1 session made 5 calls." in page
    assert "Bash sh check.sh" in page
    assert session.id[:8] in page
    said = client.breaker("explain").stdout
    assert "tool_failure:Bash sh check.sh was blocked" in said
    assert [line.split("  ")[-1] for line in said.splitlines() if line.startswith("*")] == [
        f"counts: failure {number} of 3" for number in (1, 2, 3)
    ]
    status = client.breaker("status").stdout.splitlines()[1]
    assert status.startswith(f"Protected: session {session.id[:8]} only, as its hooks run")
