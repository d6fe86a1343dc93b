"""The rule service_down: what is a contact, when is a service down, who may try it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import Stream

from circuit_breaker.breaker.model import (
    ALLOW,
    DENIED,
    DENY,
    FAILED,
    HALF_OPEN,
    INTERRUPTED,
    INVALID,
    LAUNCHED,
    OK,
    OPEN,
    OURS,
    Ask,
    Outcome,
    Reported,
)
from circuit_breaker.breaker.service_down import (
    HOST,
    MCP,
    Contact,
    Service,
    contacted,
    contacts,
    endpoint,
    is_stale,
    may_call,
    transport_failed,
)

RULE = {"threshold": 5, "window_seconds": 60, "cooldown_base_seconds": 30}
STEPS = [1, 2, 6, 12, 60]
EXAMPLE = Service(kind=HOST, subject="example.org:443")
CRASH = "MCP error -32000: Connection closed"


def failed(service, call, now):
    """The service after a transport failure of that call."""
    return contacted(service, Contact(call=call, label=call, answered=False), RULE, STEPS, now)


def probed(call="probe", **fields):
    """A server that is down, with its probe out since 1000."""
    service = Service(subject="db").but(state=OPEN, retry_at=990.0, cooldown=30.0, **fields)
    return may_call(service, call, 30, STEPS, 1000.0)[0]


@pytest.mark.parametrize(
    ("tool", "given_", "expected"),
    [
        ("mcp__db__query", {}, (MCP, "db")),
        ("mcp__plugin_x_db__query", {}, (MCP, "plugin_x_db")),
        ("WebFetch", {"url": "https://example.org/a?b"}, (HOST, "example.org:443")),
        ("WebFetch", {"url": "http://u:p@Example.org:8080/"}, (HOST, "example.org:8080")),
        ("Bash", {"command": "curl -s http://example.org/x | jq ."}, (HOST, "example.org:80")),
        ("Bash", {"command": "curl http://localhost:3000/health"}, ("", "")),
        ("WebFetch", {"url": "http://127.0.0.1:3000/"}, ("", "")),
        ("Bash", {"command": "grep -r https://example.org ."}, ("", "")),
        ("Read", {"file_path": "/p/a"}, ("", "")),
    ],
)
def test_a_call_goes_to_its_server_or_to_its_host_and_port(tool, given_, expected):
    assert endpoint(tool, given_) == expected


@pytest.mark.parametrize(
    ("service", "text", "transport"),
    [
        (MCP, "MCP error -32000: Connection closed", True),
        (MCP, "MCP error -32001: Request timed out", True),
        (MCP, "Connection closed", True),
        (
            MCP,
            "Connection closed\n\nThis tool's input schema was not in your prompt when you called it.",
            True,
        ),
        (MCP, "Connection closed by the database", False),
        (MCP, 'MCP server "db" is not connected', True),
        (MCP, 'MCP server "db" tool "query" timed out after 2s', True),
        (MCP, 'MCP server "db" connection closed before the tool call ran', True),
        (MCP, 'MCP server "db" transport dropped mid-call; response for tool "query" was lost', True),
        (MCP, 'MCP server "db" returned a malformed result that failed schema validation: x', False),
        (MCP, 'MCP server "db" needs authentication', False),
        (MCP, "Error POSTing to endpoint: busy", True),
        (MCP, "Streamable HTTP error: Error POSTing to endpoint (HTTP 503): busy", True),
        (MCP, "Streamable HTTP error: Error POSTing to endpoint (HTTP 404): x", False),
        (MCP, "MCP error -32603: Connection closed", False),
        (MCP, "MCP error -32000: stand-in rpc error", False),
        (MCP, "the tool says it failed: connection refused by the database", False),
        (HOST, "Request failed with status code 503", True),
        (HOST, "Request failed with status code 404", False),
        (HOST, "Exit code 7\ncurl: (7) Failed to connect to example.org port 80: Connection refused", True),
        (HOST, "Exit code 22\ncurl: (22) The requested URL returned error: 403", False),
        (HOST, "Exit code 28\ncurl: (28) Operation timed out", True),
        (HOST, "Exit code 1\nparse error: Invalid numeric literal", False),
    ],
)
def test_only_the_transport_counts_never_a_tools_own_error(service, text, transport):
    assert transport_failed(service, text) is transport


FETCHES = [
    ("curl -s https://example.org/x", FAILED, "Exit code 7", False),
    ("cd /p && curl -s https://example.org/x", FAILED, "Exit code 28", False),
    ("curl -so /dev/null -w '%{http_code}' https://example.org/x", FAILED, "Exit code 7\n000", False),
    ("curl -sf https://example.org/x", FAILED, "Exit code 22", True),
    ("curl -sf https://example.org/x", FAILED, "Exit code 6", None),
    ("curl -s https://example.org/x && ./deploy", FAILED, "Exit code 7", None),
    ("curl -s https://example.org/x && ./deploy", FAILED, "Exit code 1\nno such stage", True),
    ("curl -s https://example.org/x | jq .a", FAILED, "Exit code 4\nparse error", None),
    ("curl -sS https://example.org/x | jq .a", OK, "curl: (7) Failed to connect to example.org", False),
    ("curl -sS https://example.org/x | jq .a", OK, "null\ncurl: (52) Empty reply from server", False),
    ("curl -s https://example.org/x | jq .a", OK, "", None),
    ("curl -s https://example.org/x; echo $?", OK, "7", None),
    ("curl -s https://example.org/log", OK, "a log\ncurl: (7) Failed to connect", True),
    ("curl -s https://example.org/x -o f", OK, "", True),
]


@pytest.mark.parametrize(("command", "kind", "text", "answered"), FETCHES)
def test_a_host_has_answered_only_where_the_exit_code_or_the_output_says_so(command, kind, text, answered):
    found = contacts([Outcome(tool="Bash", input={"command": command}, kind=kind, text=text)])
    assert [contact.answered for contact in found] == ([] if answered is None else [answered])


NO_ANSWER = (LAUNCHED, DENIED, INVALID, INTERRUPTED, OURS)  # from the server


@pytest.mark.parametrize("kind", NO_ANSWER)
def test_a_call_that_did_not_run_to_its_end_says_nothing_about_its_service(kind):
    outcomes = [Outcome(tool="mcp__db__q", kind=kind, text=CRASH) for kind in (FAILED, OK, kind)]
    assert [contact.answered for contact in contacts(outcomes)] == [False, True, None]
    assert contacts([Outcome(tool="WebFetch", input={"url": "https://example.org/"}, kind=kind)]) == []


@pytest.mark.parametrize("kind", NO_ANSWER)
@pytest.mark.parametrize("level", [0, 3])
def test_a_probe_that_says_nothing_is_given_back_and_the_next_call_is_the_probe(kind, level):
    service = probed(level=level)
    assert service.state == HALF_OPEN
    (other, own) = contacts([Outcome(tool="mcp__db__q", kind=kind, id=call) for call in ("other", "probe")])
    assert contacted(service, other, RULE, STEPS, 1001.0) == service
    back = contacted(service, own, RULE, STEPS, 1001.0)
    assert (back.state, back.level, back.retry_at, back.probe) == (OPEN, level, 990.0, "")
    assert may_call(back, "next", 30, STEPS, 1001.0)[1] == 0.0


def test_an_interruption_gives_a_probe_back_before_its_turn_ends():
    stopped = Reported(id="probe", tool="mcp__db__q", kind=INTERRUPTED, cwd="/p")
    assert [contact.answered for contact in Stream().send(stopped).contacts] == [None]


def test_a_call_that_its_own_circuit_denies_gives_the_probe_of_its_server_back():
    stream = Stream()
    for _ in range(3):
        stream.call("mcp__db__q", {}, "no such table", FAILED)
    _, denied = stream.ask("mcp__db__q", {}, call_id="probe")
    assert denied.verdict == "deny" and [contact.answered for contact in denied.contacts] == [None]
    assert contacted(probed(), denied.contacts[0], RULE, STEPS, 1001.0).state == OPEN
    assert stream.ask("mcp__db__other", {})[1].contacts == []


def test_an_answer_clears_all_that_is_known_against_a_service():
    service = probed(level=3)
    assert contacted(service, Contact(call="any"), RULE, STEPS, 1001.0) == Service(subject="db")


def test_a_host_that_is_waited_for_is_not_down():
    refused = "Exit code 7\ncurl: (7) Failed to connect to app.example.org"
    given = {"command": "sleep 10; curl -sf https://app.example.org/health"}
    waited = Stream(pace=11.0)
    assert [waited.call("Bash", given, refused, FAILED).contacts for _ in range(6)] == [[]] * 6
    hammered = Stream(pace=1.0)
    given = {"command": "curl -sf https://app.example.org/health"}
    assert len(hammered.call("Bash", given, refused, FAILED).contacts) == 1


def test_a_failure_under_the_bypass_takes_no_service_down_and_a_success_brings_it_back():
    stream = Stream()
    stream.prompt(bypass=True)
    closed = stream.call("mcp__db__q", {"n": 1}, "MCP error -32000: Connection closed", FAILED)
    assert [contact.answered for contact in closed.contacts] == [None]
    assert [contact.answered for contact in stream.call("mcp__db__q", {"n": 2}, "42").contacts] == [True]


def test_five_failures_within_a_minute_are_down_and_four_are_not():
    service = Service(subject="db")
    for at in range(5):
        assert not service.live
        service = failed(service, f"t{at}", 1000.0 + at * 10)
    assert service.facts["since"] == 1000.0 and service.retry_at == 1040.0 + 30
    crowd = Service(subject="db")
    for at in (3, 2, 5, 1, 4):  # processes that looked at the clock in another order than they got the lock
        crowd = failed(crowd, f"t{at}", 1000.0 + at / 10)
    assert crowd.live and crowd.facts["since"] == 1000.3
    slow = Service(subject="db")
    for at in range(50):
        slow = failed(slow, f"t{at}", 1000.0 + at * 16)
    assert not slow.live


@given(st.lists(st.tuples(st.sampled_from(["ask", "fail", "wait"]), st.integers(0, 9)), max_size=60))
def test_one_probe_a_cooldown_whoever_asks(moves):
    service, now = Service(subject="db"), 1000.0
    for at in range(5):
        service = failed(service, f"t{at}", now)
    probes = []
    for number, (move, who) in enumerate(moves):
        if move == "ask":
            call = f"c{number}-{who}"
            length = 30 * STEPS[min(service.level, 4)]
            service, wait = may_call(service, call, 30, STEPS, now)
            if not wait:
                assert all(now - at >= least for at, least in probes[-1:])
                probes.append((now, length))
            else:
                assert 0 < wait <= length
        elif move == "fail" and service.probe:
            service = failed(service, service.probe, now)
        elif move == "wait":
            now += who * 7
    assert service.live


@pytest.mark.parametrize(
    ("service", "lasts"),
    [
        (failed(EXAMPLE, "c", 1000.0), 60),
        (EXAMPLE.but(state=OPEN, failures=[1000.0]), 60),
        (failed(Service(subject="db"), "c", 1000.0), 60),
        (probed(failures=[900.0]), 86_400),
        (failed(probed(failures=[500.0]), "probe", 1000.0), 86_400),
    ],
)
def test_what_no_longer_counts_against_a_service_is_stale(service, lasts):
    assert not is_stale(service, 60, 1000.0 + lasts - 1)
    assert is_stale(service, 60, 1000.0 + lasts)
    assert is_stale(service, 60, 1000.0 - lasts)  # the clock was set back


def test_a_clock_that_was_set_back_does_not_lock_a_service_up():
    service = Service(subject="db").but(state=OPEN, retry_at=9e9, cooldown=60.0, level=1)
    service, wait = may_call(service, "c", 30, STEPS, 1000.0)
    assert wait == 60  # the length of its cooldown, and no longer
    assert may_call(service, "d", 30, STEPS, 1060.0)[1] == 0.0


def test_a_process_that_looked_at_the_clock_before_the_probe_is_no_second_probe():
    service = Service(subject="db").but(state=OPEN, retry_at=990.0, cooldown=30.0)
    service, wait = may_call(service, "probe", 30, STEPS, 1000.0)
    assert wait == 0.0
    assert may_call(service, "other", 30, STEPS, 999.9)[1] == pytest.approx(30)


def test_your_bypass_lets_a_call_to_a_service_that_is_down_go_through():
    circuit = Service(subject="db").but(state=OPEN, retry_at=1e12)
    stream = Stream()
    for bypass, verdict in ((False, DENY), (True, ALLOW)):
        stream.prompt(bypass=bypass)
        asked = Ask(id=f"c{bypass}", tool="mcp__db__q", input={}, down=circuit, prompt=stream.session.prompt)
        assert stream.send(asked).verdict == verdict
    assert [passed.subject for passed in stream.events("bypass")][-1:] == ["db"]
