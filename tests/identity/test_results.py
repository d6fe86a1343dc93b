"""What changes by itself is blinded; what says something new is not."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from samples import samples

from circuit_breaker.breaker.model import FAILED
from circuit_breaker.breaker.outcomes import result_key
from circuit_breaker.identity import attempts, verdicts
from circuit_breaker.identity.errors import error_keys
from circuit_breaker.identity.keys import OUTPUT_MAX
from circuit_breaker.identity.results import blind, is_benchmark, text_key
from circuit_breaker.shell import waits

HEX = st.text("0123456789abcdef", min_size=8, max_size=8).filter(
    lambda t: not t.isdigit() and not t.isalpha()
)
SMALL = st.integers(0, 59).map(lambda n: f"{n:02d}")
CLOCK = st.tuples(st.integers(0, 23).map(lambda n: f"{n:02d}"), SMALL, SMALL).map(":".join)
DATE = st.dates(min_value=date(2020, 1, 1), max_value=date(2099, 12, 31)).map(str)
SECONDS = st.decimals(0, 999, places=2).map(str)
NUMBER = st.integers(1, 99999).map(str)
EPOCH = st.integers(1_600_000_000, 1_899_999_999).map(str)
UUID = st.uuids().map(str)
PORT = st.integers(1000, 65535).map(str)
FOUR = st.integers(1000, 9999).map(str)

# a text with a hole, and what changes in it by itself
VOLATILE = [
    ("5 failed, 3 passed in {}s", SECONDS),
    ("Ran 12 tests in {}s", SECONDS),
    ("ok  \tpkg/a\t{}s", SECONDS),
    ("--- FAIL: TestX ({}s)", SECONDS),
    ("Time:        {} s, estimated 4 s", SECONDS),
    ("Done in {}ms", NUMBER),
    ("#8 {} npm error missing script", SECONDS),
    ("... [{} characters truncated] ...", NUMBER),
    ("=={}==ERROR: AddressSanitizer: SEGV", NUMBER),
    ("real\t0m{}s", SECONDS),
    ("took {} seconds", NUMBER),
    ('{{"duration_ms": {}, "ok": true}}', NUMBER),
    ('{{"durationMs":{}}}', NUMBER),
    ('{{"created_at": {}}}', EPOCH),
    ("[{}] server started", CLOCK),
    ("{} INFO ready", CLOCK),
    ("2026-11-23 {},123 INFO ready", CLOCK),
    ("{} error: x", DATE),
    ("at {}T12:00:00Z", DATE),
    ("{}T12:00:00.123+02:00 started", DATE),
    ("Nov 23 {} host app: x", CLOCK),
    ("pid {}", NUMBER),
    ("PID: {} is running", NUMBER),
    ("process {} exited", NUMBER),
    ("sshd[{}]: closed", NUMBER),
    ("listening on localhost:{}", NUMBER),
    ("http://127.0.0.1:{}/x refused", NUMBER),
    ("listening on :{}", PORT),
    ("thread 'main' ({}) panicked at src/a.rs:5", NUMBER),
    ("Output is being written to: /p/tasks/{}.output", HEX),
    ('{{"request_id":"req_011C{}"}}', HEX),
    ("/var/folders/ab/x/T/tmp{}/a.py", HEX),
    ("id={}", UUID),
    ("request {} failed", UUID),
    ("container {} started", HEX),
    ("/tmp/tmp{}/a.py:3: error", HEX),
    ("/var/folders/ab/{}/T/x failed", HEX),
    ("go: /tmp/go-build{}/b001/exe", EPOCH),
    ("<object at 0x7f{}a0>", HEX),
    ("log-{}.txt written", EPOCH),
    ("#### {}%", st.integers(0, 99).map(str)),
    ("downloading ━━━━ {}/200", NUMBER),
    ("\x1b[{}mred\x1b[0m", st.integers(30, 37).map(str)),
    ("working {}%\rdone", st.integers(0, 99).map(str)),
    ("Chunk ID: {}\nOutput: x", HEX),
    ("Process running with session ID {}", NUMBER),
    ("Full output saved to: /h/.claude/projects/-p/5f/tool-results/b{}x.txt", HEX),
    ("saved to C:\\h\\.claude\\projects\\p\\tool-results\\mcp-x-{}-a.txt", EPOCH),
    ("[Image: source: /h/tool-results/mcp-x-blob-{}-sp1vlu.png]", EPOCH),
    ("[Image: source: /h/cache/picture {}.png]", NUMBER),
    ("Output is being written to: /w/tasks/b{}qx.output", HEX),
    (
        "Successfully captured screenshot (1568x749, jpeg) - ID: ss_{}qm000",
        NUMBER.filter(lambda n: len(n) > 3),
    ),
    ("batch-{} was queued", UUID),
    ("wrote /p/out/{}.png", UUID),
    ("upload_{}.tar.gz is there", UUID),
    (
        "wrote {}.bin",
        st.text("0123456789abcdef", min_size=32, max_size=32).filter(
            lambda t: not t.isdigit() and not t.isalpha()
        ),
    ),
    ("A complete log of this run can be found in: /h/.npm/_logs/{}T10_00_00_298Z-debug-0.log", DATE),
    ("Using --randomly-seed={}", NUMBER),
    ("Randomized with seed {}", NUMBER),
    ("Seed: {}", NUMBER),
    ("saved page-{}T14-28-37-123Z.yml", DATE),
    ("saved shot-{}.png", st.integers(20200101000000, 20291231235959).map(str)),
    ("\t/p/main.go:14 +0x{}", st.integers(16, 4095).map("{:x}".format)),
    ("** (EXIT from #PID<0.{}.0>) killed", NUMBER),
    ("=CRASH REPORT==== pid: <0.{}.0>", NUMBER),
    ("/bin/bash: line 1: {} Segmentation fault      (core dumped) ./a.out", NUMBER),
    ("[2026-11-23 12:00:01 +0000] [{}] [ERROR] in use", NUMBER),
    ("2026-11-23 12:00:01.123 UTC [{}] ERROR:  no table", NUMBER),
    ("NameError\nCell In[{}], line 1", NUMBER),
    ("<MagicMock name='x' id='1403312073{}'>", PORT),
    ("read tcp 10.0.0.1:{}->10.0.0.5:443: connection reset", PORT),
    ("dial tcp 127.0.0.1:{}: connect: connection refused", PORT),
    ("ws://127.0.0.1:34809/devtools/browser/{}", UUID),
    ("Testing: {} elapsed -- started", SECONDS),
    ("[42952.{}] usb 1-1: error -71", st.integers(100000, 999999).map(str)),
    ("/c/sandbox/linux-sandbox/{}/execroot/_main/a.cc", NUMBER),
    ("changeSet/samcli-deploy{}/x", EPOCH),
    ("11-30 12:33:01.107 {} 4712 E AndroidRuntime: x", FOUR),
    ("11-30 12:33:01.107 4711 {} E AndroidRuntime: x", FOUR),
    ("2026-11-30 12:33:01.107 {} INFO nova.compute: x", FOUR),
    ("2026-11-30 12:33:01 {} [Note] InnoDB: x", FOUR),
    ("12:33:01.107 detox[{}] i x", FOUR),
    ("E, [2026-11-30T12:33:01.107123 #{}] ERROR -- : x", FOUR),
    ("[12:33:01.107] INFO (4{}): x", FOUR),
    ("WARN[0{}] x", st.integers(100, 999).map(str)),
    ("[Nest] {}  - 11/30/2026, 9:10:11 PM ERROR x", FOUR),
    ("2026-11-30 {}.107123+00:00 x", CLOCK),
    ("Back-off restarting failed container (x{} over 12m)", NUMBER),
    ("  ✓  {} [chromium] › a.spec.ts:3:1 › home", NUMBER),
    ("Randomness seeded to: {}", NUMBER),
    ("Info : Target voltage: {}", SECONDS),
    ("Submitted batch job {}", NUMBER),
    ("Killing subprocess {}", NUMBER),
    ("W1130 12:33:01.107000 {} torch/distributed/run.py:779]\nx", NUMBER),
    ("Connecting......{}", st.integers(0, 40).map(lambda n: "." * n)),
    ("GPU 0 has 23 GiB of which {} MiB is free. x", SECONDS),
    ("note: keeping build directory '/tmp/nix-build-cli-0.1.drv-{}'", NUMBER),
    ("https://github.com/o/r/pull/7#issuecomment-{}", PORT),
    ("Receiving objects:  18% ({}/1200)", NUMBER),
    ("WARN [system.default-dispatcher-{}] x", NUMBER),
    ("main.(*Q).Push(0xc000012345, {{0x4b{}a, 0x5}})", FOUR),
    (
        "external connectivity on endpoint {}: Bind failed",
        st.sampled_from(["eager_kalam", "zen_wing"]),
    ),
]
COUNTS = [
    "next: https://shop.example/isbn/97801311{}",
    "https://github.com/o/r/issues/10000000{}",
    "+migrated [{}]",
    "claimed ticket id 9780131{}12345",
    "allocations {}",
    "{} actionable tasks: done",
    "bash: items left: {}",
    "{} failed, 3 passed in 1.2s",
    "Decoded {} frames",
    "Market {} is open",
    "{} passed",
    "found {} errors",
    "app.py:{}: error",
    '  File "a.py", line {}, in f',
    "{}/10 tests passed",
    "coverage: {}% of statements",
    "total {}",
    "-rw-r--r-- 1 user user {} Nov 23 01:02 f",
    "version 1.{}.0",
    "v{}.0.1",
    "{} files changed",
    "exit code {}",
    "HTTP {}",
    "port in use by app{}",
    "/src/app{}.py",
    "test_{} failed",
    "{}",
    "| {} | x |",
    '{{"count": {}}}',
    "issue #8 {} comments",
    "image node:{}-slim",
    "12:{} of the ratio",
    "failed in {} (files)",
    "n == {}",
    '{{"count":10{}}}',
    '"count" :10{}',
    "step ({}) failed",
    "test_call_{} failed",
    "x = {}",
    "/tmp/work/part{}.txt",
    "Output too large ({}.3KB). Full output saved to: /h/tool-results/b1.txt",
    "seeds {}",
    "Seedling {}",
    "id {}",
    "report-2026-11-{}.md",
    "release 2026.11.23-{}",
    "fixed in 0.{}.3",
    "push: {} objects",
    "retries [{}] of many",
    "https://x.io/issues/{}",
    "12:33:01 item[4{}] changed",
    "2026-11-30 12:33:01 claimed 3{} ERROR rows",
    "ERROR (4{}): refused",
    "on endpoint /users/{} failed",
    "Tried to allocate {} MiB. GPU 0 has 23 GiB",
    "12 tests, of which {} failed",
    "scaled x{} today",
    "12:33:01 closed #4{} ERROR",
]


@pytest.mark.parametrize(("text", "values"), VOLATILE, ids=[text for text, _ in VOLATILE])
@given(data=st.data())
@settings(max_examples=samples(here=15, in_ci=50))
def test_what_changes_by_itself_is_no_news(
    text: str, values: st.SearchStrategy[str], data: st.DataObject
) -> None:
    one, other = data.draw(values), data.draw(values)
    around = data.draw(st.sampled_from(["{}", "before\n{}\nafter 3", "a 12 b: {}"]))
    if (
        "Chunk" in text
        or "\r" in text
        or "[{}]" in text
        or text.startswith(("{}", "2026", "11-30", "Nov", "  ✓"))
    ):
        around = "{}"
    assert text_key(around.format(text.format(one))) == text_key(around.format(text.format(other)))


@pytest.mark.parametrize("text", COUNTS)
def test_a_count_a_line_a_version_a_verdict_is_news(text: str) -> None:
    assert len({text_key(text.format(number)) for number in range(100)}) == 100


@given(st.text("abcxyz_", min_size=1, max_size=8), st.text("abcxyz_", min_size=1, max_size=8))
def test_another_file_is_news(a: str, b: str) -> None:
    assume(a != b)
    for text in ("{}.py:12: error", "no such file: /src/{}.py", "/tmp/work/{}.py failed", "FAIL {}"):
        assert text_key(text.format(a)) != text_key(text.format(b))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("6 failed, 2 passed in 3.1s", "5 failed, 3 passed in 3.1s"),
        ("ok pkg 0.1s", "FAIL pkg 0.1s"),
        ("d41d8cd98f00b204e9800998ecf8427e  a.txt", "d41d8cd98f00b204e9800998ecf8427f  a.txt"),
        ("--- FAIL: TestParseV2Header", "--- FAIL: TestParseV3Header"),
        ("FAIL testParsesHttp2Frames", "FAIL testParsesHttp3Frames"),
        ("index-BxK3k9aZ.js  143 kB", "index-Zq81mLaB.js  143 kB"),
        ("src/app2/views3/list4.ts", "src/app2/views3/list5.ts"),
        ("3,4 files", "3,5 files"),
        ("battery 89%", "battery 88%"),
        ("..F.", "..FF"),
        ("..F.  a", "..F.  b"),
        (
            "3f2a9c7b1d3f2a9c7b1d3f2a9c7b1d3f2a9c7b1d\trefs/heads/main",
            "4f2a9c7b1d3f2a9c7b1d3f2a9c7b1d3f2a9c7b1d\trefs/heads/main",
        ),
        ("0535c28", "ba9ae1a"),
        ("Segmentation fault at 0x80070005", "Segmentation fault at 0x80070006"),
        ("deadbeef", "feedface"),
        ("a  b", "a b"),
        ("color: #a1b2c3d4", "color: #a1b2c3d5"),
        ("1.2.3", "1.2.4"),
        ("size 12 MB", "size 13 MB"),
        ("line 5", "line 5\nline 6"),
        ("1/5 done\n2/5 done", "1/5 done\n3/5 done"),
        ("saved to /h/tool-results/b1.txt\nPreview:\na", "saved to /h/tool-results/b2.txt\nPreview:\nb"),
        ("issue ID: PROJ-12345", "issue ID: PROJ-12346"),
        ("batch-small", "batch-large"),
        ('uid=1_5 button "Next"', 'uid=1_6 button "Next"'),
        ("part 1_5", "part 2_5"),
        ("ratio 1234:5678", "ratio 1234:5679"),
        ("reads 0x70008005", "reads 0x70008006"),
        ("/tmp/my-Report12/x", "/tmp/my-Report13/x"),
        ("12 total files", "13 total files"),
        ("web-frontend-blue", "web-frontend-green"),
        ("test_pid12x failed", "test_pid13x failed"),
        ("3f2a9c7b1d.png", "4f2a9c7b1d.png"),
        ("see #1234", "see #1235"),
        ("o/r#12 merged", "o/r#13 merged"),
        ("limit: 512M", "limit: 256M"),
        ("a?page=12", "a?page=13"),
        ('{"log": "3 ok\\n1 bad"}', '{"log": "3 ok\\n2 bad"}'),
        ("rows[5] x", "rows[6] x"),
        ("└── 4711", "└── 4712"),
        ("peak 12 users", "peak 13 users"),
        ("part 0x48f1e2", "part 0x51a2b3"),
        ("pc 0x401136: mov", "pc 0x40113a: mov"),
        ("at main+0x14", "at main+0x18"),
        ("RIP: do_x+0x3b/0x90", "RIP: do_x+0x7b/0x90"),
        ("12#34 open", "12#35 open"),
        ("0x10.bin", "0x11.bin"),
        ("expected 'total (4711)'", "expected 'total (4712)'"),
        ("  40 ERROR: x", "  39 ERROR: x"),
        ("✖ slot   10:30   booked twice", "✖ slot   11:30   booked twice"),
        ("order with id 12", "order with id 13"),
        ("got {0x186a0, 0x2}", "got {0x186a1, 0x2}"),
        ("release-12-4711", "release-12-4712"),
        ("4711:A 29", "4712:A 29"),
        ("slots/12-30-00", "slots/12-30-30"),
        ("seed: " + "a1B2-c3D4_" * 20, "seed: " + "z9Y8_x7W6-" * 20),
    ],
)
def test_these_results_differ(one: str, other: str) -> None:
    assert text_key(one) != text_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ok  \tpkg\t0.218s", "ok  \tpkg\t(cached)"),
        ("done   \nnext", "done\nnext\n\n"),
        ("[main 3f2a9c7] Fix", "[main 4b1d2e8] Fix"),
        ("-rw-r--r-- 1 u u 12 Nov 23 01:02 f", "-rw-r--r-- 1 u u 12 Nov 23 02:59 f"),
        ("Checked 286 files in 85ms. No fixes applied.", "Checked 286 files in 123ms. No fixes applied."),
        (" 56 files. [731.00ms]", " 56 files. [783.00ms]"),
        ("modified 3 minutes ago", "modified 5 minutes ago"),
        ("modified 3 days ago", "modified 4 days ago"),
        ("Wall time: 30.0028 seconds", "Wall time: 30.0012 seconds"),
        ("10.5 MB/s", "9.25 MB/s"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07x", "red x"),
        ("run 20261123-123301 ok", "run 20261124-003301 ok"),
        (
            "pytest-of-u: /tmp/pytest-of-u/pytest-12/test_a0/x",
            "pytest-of-u: /tmp/pytest-of-u/pytest-13/test_a0/x",
        ),
        ("at 12:33 PM", "at 12:34 PM"),
        ("BUILD SUCCESSFUL in 3s", "BUILD SUCCESSFUL in 1m 3s"),
        ("built after 812 ms", "built after 1.3 s"),
        ("Time:  1.234 s, estimated 2 s\nRan all", "Time:  3 s\nRan all"),
        ("| 500 |     1.2ms | GET /", "| 500 |   871.2µs | GET /"),
        ("with 1 failure in 0.123 (0.456) seconds", "with 1 failure in 0.323 (0.556) seconds"),
        ("(node:12345) Warning: x", "(node:721) Warning: x"),
        ("[29/Nov/2026:19:21:37 +0000] GET /", "[29/Nov/2026:19:22:01 +0000] GET /"),
        ("at Foo@1b2c6ec2", "at Foo@4edde6e5"),
        ("Time: 00:00.123, Memory: 10 MB", "Time: 00:00.456, Memory: 10 MB"),
        ("00:03 +1 -1: Some tests failed.", "00:05 +1 -1: Some tests failed."),
        ("up 3 days, load average: 0.10, 0.05, 0.01", "up 3 days, load average: 0.12, 0.06, 0.01"),
        ("------\n > [2/5] RUN:\n3.512 npm error x", "------\n > [2/5] RUN:\n4.002 npm error x"),
        ("shot - ID: ss_3000qm000", "shot - ID: ss_4111ab111"),
    ],
)
def test_these_results_are_one(one: str, other: str) -> None:
    assert blind(one) == blind(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[3/9] Compiling Kit\na.swift:14: error: x", "[7/12] Compiling Kit\na.swift:14: error: x"),
        ("[ 25%] Building C object\na.c:1: error: x", "[ 50%] Building C object\na.c:1: error: x"),
        ("[1/2] Compiling a.swift\nb.swift:1: error: x", "[3/4] Emitting module A\nb.swift:1: error: x"),
        ("---\n > [3/4] RUN x:\n1.512 npm error code", "---\n > [3/4] RUN x:\n4.002 npm error code"),
        (
            "> Task :app:res\n> Task :app:kt FAILED\ne: a.kt:3:1 x\n5 actionable tasks: 2 executed, 3 up-to-date",
            "Starting a Gradle Daemon, 1 busy\n> Task :app:res UP-TO-DATE\n> Task :app:kt FAILED\ne: a.kt:3:1 x\n5 actionable tasks: 5 executed",
        ),
        (
            "#5 transferring context: 587.16kB 0.1s done\n#6 npm error x",
            "#4 CACHED\n#5 transferring context: 1.2kB done\n#6 npm error x",
        ),
        (
            "Compiling a v0.1.0 (/p)\nCompiling b v0.2.0\nerror: x",
            "Blocking waiting for file lock on build directory\nCompiling b v0.2.0\nerror: x",
        ),
        (
            "web:build: cache hit, replaying logs a1b2c3d4\napi:build: error TS1: x",
            "web:build: cache miss, executing b2c3d4e5\napi:build: error TS1: x",
        ),
        (
            "wandb: View run lake-46 at: x/runs/a1b2\nError: x",
            "wandb: View run hill-47 at: x/runs/c3d4\nError: x",
        ),
        (
            "[3 of 9] Compiling A ( A.hs )\n[4 of 9] Compiling B ( B.hs )\nB.hs:1: error: x",
            "[ 9 of 12] Compiling B ( B.hs )\nB.hs:1: error: x",
        ),
    ],
)
def test_how_far_a_failing_build_came_is_not_its_error(one: str, other: str) -> None:
    assert error_keys(FAILED, one)[0] == error_keys(FAILED, other)[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("> Task :a FAILED\nx", "> Task :b FAILED\nx"),
        ("asset a.png is missing\nError", "asset b.png is missing\nError"),
        ("Checking host-1 ... down\nError", "Checking host-2 ... down\nError"),
        ("Downloading part 1\nError: timed out", "Downloading part 2\nError: timed out"),
        ("#6 [1/9] RUN a\n#6 ERROR: x", "#6 [2/9] RUN b\n#6 ERROR: x"),
        ("Built target a", "Built target b"),
        ("[1/9] test a failed\nx", "[2/9] test b failed\nx"),
        ("[1/9] Building a: FAILED\nx", "[2/9] Building b: FAILED\nx"),
        ("[build] Compiling a\nx", "[build] Compiling b\nx"),
        ("wandb: ERROR no key\nx", "wandb: ERROR no run\nx"),
    ],
)
def test_what_a_failing_build_got_to_is_its_error(one: str, other: str) -> None:
    assert error_keys(FAILED, one)[0] != error_keys(FAILED, other)[0]


def test_what_is_made_up_for_storing_is_blinded_in_what_a_file_tool_returns_and_nothing_else() -> None:
    saved = "Output too large (50KB). Full output saved to: /h/tool-results/{}.txt\nPreview:\n{}"
    assert result_key("Grep", saved.format("toolu_01a", "a:1")) == result_key(
        "Grep", saved.format("toolu_02b", "a:1")
    )
    assert result_key("Grep", saved.format("toolu_01a", "a:1")) != result_key(
        "Grep", saved.format("toolu_01a", "a:2")
    )
    assert result_key("Read", "took 3 s") != result_key("Read", "took 4 s")


def test_equal_pictures_are_equal_and_others_are_not() -> None:
    def shot(picture: str, name: str) -> str:
        block = '{"type": "image", "source": {"type": "base64", "data": "' + picture + '"}}'
        return f"captured - ID: ss_{name}qm000\n{block}\n[Image: source: /h/tool-results/mcp-x-blob-{name}-a.png]"

    assert text_key(shot("iVBORw0KGg9" * 500, "3000")) == text_key(shot("iVBORw0KGg9" * 500, "3417"))
    assert text_key(shot("iVBORw0KGg9" * 500, "3000")) != text_key(shot("iVBORx0KGg9" * 500, "3000"))


@given(st.text("ab 0123456789:/-_.%[](),=\n\t\r\x1b#~+", max_size=80))
def test_blinding_answers_whatever_it_is_given(text: str) -> None:
    assert isinstance(blind(text), str)


@given(st.text("ab 019:/-_.%[]\n", max_size=60))
def test_the_same_text_is_blinded_alike(text: str) -> None:
    assert blind(text) == blind(text + " \n")


def test_a_long_text_is_compared_to_its_ends_and_in_the_middle_but_for_digits() -> None:
    filler = "".join(f"line {i} of words\n" for i in range(4000))
    assert len(filler) > OUTPUT_MAX
    assert text_key(f"5 failed\n{filler}") != text_key(f"6 failed\n{filler}")
    assert text_key(f"{filler}5 failed") != text_key(f"{filler}6 failed")
    assert text_key(f"{filler}took 5s") == text_key(f"{filler}took 6s")
    assert text_key(filler + "x" + filler) != text_key(filler + "y" + filler)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bash: /tmp/claude-6fd1-cwd: No space left", "bash: /tmp/claude-a0-cwd: No space left"),
        ('uid=1_5 button "Next"\nuid=1_6 link', 'uid=12_5 button "Next"\nuid=12_6 link'),
        ("- button [ref=s1e5]", "- button [ref=s2e5]"),
        (
            "token: eyJhbGciOiJIUzI1NiJ9." + "a1B2" * 20 + ".x1",
            "token: eyJhbGciOiJIUzI1NiJ9." + "c3D4" * 20 + ".y2",
        ),
        ("sessionId=abc123def456ghi", "sessionId=zzz999yyy888xxx"),
        ('"csrfToken":"abc123def456ghi"', '"csrfToken":"zzz999yyy888xxx"'),
        ("Screenshot 2026-11-29 at 14.28.37.png", "Screenshot 2026-11-29 at 14.29.01.png"),
        ("sent 9 bytes  2,538.00 bytes/sec", "sent 9 bytes  12,611.20 bytes/sec"),
        ("fertig in 2,34 Sekunden", "fertig in 13,02 Sekunden"),
        ("hace 3 minutos", "hace 12 minutos"),
        ("最終同期: 3秒前", "最終同期: 12秒前"),
        (
            "make  0.12s user 0.05s system 89% cpu 0.190 total",
            "make  0.1s user 0.9s system 101% cpu 12.310 total",
        ),
        ("0.02user 0.01system 0:00.03elapsed 96%CPU", "0.11user 0.02system 0:01.30elapsed 7%CPU"),
        ("Time: 00:00.012, Memory: 10.00 MB", "Time: 00:00.044, Memory: 12.50 MB"),
        ("https://gradle.com/s/kq3x7ybc2jrlm", "https://gradle.com/s/6fzq2hdm4wtuy"),
        ("https://web-8f3k2j9xq-acme.vercel.app", "https://web-zz1o0p9bu-acme.vercel.app"),
        ("runs/run-CZcmD7eagjhyX0vN", "runs/run-4hTq9ZbKc2LmPw8s"),
        ("job 01J8XZ4M9Q2T7V5K3N6P1R0S8W queued", "job 01J9A2C4E6G8J0M1P3R5T7V9X2 queued"),
        ("[task:V1StGXR8z5jdHi6BmyT9q] start", "[task:aB3dE5fG7hJ9kL1mN2pQ4] start"),
        (
            "extendedRequestId: 'q9Zt4/Lk2+mN8bVc1xQw7eRt5yUi3oPa0sDf6gHj='",
            "extendedRequestId: 'A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5/p6Q7r8S9t='",
        ),
        ('"nextCursor": "eyx9k2mq81"', '"nextCursor": "abz0q7wl33"'),
        ("[pool-1-thread-3] idle", "[pool-1-thread-12] idle"),
        (
            "Seconds : 3\nTotalMilliseconds : 3120.4\nTicks : 31204",
            "Seconds : 4\nTotalMilliseconds : 4001.1\nTicks : 40011",
        ),
        ("Age: 12\nServer: x", "Age: 40\nServer: x"),
        ("50K    100% 1.45T=0.03s", "50K    100% 1.12T=0.2s"),
        ("INFO 12345 --- [main] x", "INFO 9876 --- [main] x"),
        ("packing into /tmp/pack.Xy3zAb/out", "packing into /tmp/pack.q8LmTr/out"),
        ("msgid=3 [error] x is undefined", "msgid=9 [error] x is undefined"),
        ("total_tokens: 1201\ntool_uses: 3", "total_tokens: 1377\ntool_uses: 5"),
        ("Random Seed: 1712345678", "Random Seed: 412345678"),
        ("--seed=0x716eca5c", "--seed=0x91e2200b"),
        ("a.zig:22:5: 0x10482a0 in test.tax", "a.zig:22:5: 0x10c8479 in test.tax"),
        (
            "I1129 12:33:01.123456   4711 request.go:752] wait",
            "I1129 12:33:02.003456     52 request.go:752] wait",
        ),
        ("App[50601:732438] [MT] x", "App[311:9438221] [MT] x"),
        ("[92255:1129/194529.176428:ERROR:bus.cc(408)] x", "[31:1129/201529.006428:ERROR:bus.cc(408)] x"),
        ("FAIL code 1 (4.32=setup[3.04]+cmd[1.28] seconds)", "FAIL code 1 (4.5=setup[3.2]+cmd[1.3] seconds)"),
        (
            "Files=2, Tests=4,  0 wallclock secs ( 0.04 usr + 0.7 CPU)",
            "Files=2, Tests=4,  1 wallclock secs ( 0.1 usr + 0.9 CPU)",
        ),
        ("Starting a Gradle Daemon, 1 busy Daemon", "Starting a Gradle Daemon, 3 busy Daemon"),
        ("in /p/.tox/.tmp/package/36/p-0.1.tar.gz", "in /p/.tox/.tmp/package/37/p-0.1.tar.gz"),
        ("at /tmp/jl_Xk3QpW/Project.toml", "at /tmp/jl_a9bTzu/Project.toml"),
        (
            "HTTP/1.1 503 Busy\nETag: a7\nSet-Cookie: s=a7\n\nno",
            "HTTP/1.1 503 Busy\nETag: b9\nSet-Cookie: s=q2\n\nno",
        ),
        (
            "x?X-Amz-Date=20261129T101112Z&X-Amz-Expires=3600",
            "x?X-Amz-Date=20261129T101509Z&X-Amz-Expires=3600",
        ),
        ("Seq Scan (actual time=0.012..0.345 rows=12)", "Seq Scan (actual time=0.310..1.345 rows=12)"),
        ("tar -C /tmp/build.Abcde1 x", "tar -C /tmp/build.xy12ab x"),
        ("api-6d4cf56db6-x2kqp Error", "api-7c9f8b5d4-zzk9w Error"),
        ("# hs_err_pid4711.log", "# hs_err_pid98.log"),
        (
            "Started App in 2.1 seconds (process running for 2.634)",
            "Started App in 9.8 seconds (process running for 10.4)",
        ),
        ("     Memory: 5.1M (peak: 6.2M)\n", "     Memory: 12.0M (peak: 21.3M)\n"),
        ("     └─676913 /usr/sbin/nginx", "     └─677419 /usr/sbin/nginx"),
        (
            "hash randomization: on (PYTHONHASHSEED=380760147)",
            "hash randomization: on (PYTHONHASHSEED=4070434532)",
        ),
        ("Command: ls\nChunk ID: 1a79e2\nOutput:\na", "Command: ls\nChunk ID: 4e464c\nOutput:\na"),
        ("drwxr-x--- 83 u staff 2656 21 Jan 19:07 .", "drwxr-x--- 83 u staff 2656 21 Jan 19:52 ."),
        ("code=0x1 addr=0x0 pc=0x48f1e2]", "code=0x1 addr=0x0 pc=0x51a2b3]"),
        (
            "<--- Last few GCs --->\n\n[81:0x5a6b7c]  812 ms: Scavenge 19.1 (22.3) -> 18.9 MB\n\nFATAL ERROR: heap",
            "<--- Last few GCs --->\n\n[97:0x1a2b3c]  640 ms: Mark-sweep 19.6 (21.0) -> 19.2 MB\n\nFATAL ERROR: heap",
        ),
        ("[emerg] 81#81: unknown directive", "[emerg] 4121#4124: unknown directive"),
        ("a.c:(.text+0x2f): undefined reference", "a.c:(.text+0x104): undefined reference"),
        ("at c.x.L$14/0x00007f3c3c0a1c88.run(L)", "at c.x.L$14/0x00007f1a5e2b9d10.run(L)"),
        ("-test.shuffle 4993059459255573845", "-test.shuffle 7730555577433266098"),
        ('[{"Status": "Up 13 minutes"}]', '[{"Status": "Up 2 minutes"}]'),
        ('{"log": "ready in 3.2s\\nok"}', '{"log": "ready in 4.1s\\nok"}'),
        (
            '{"etag": "\\"5554719596e1085ed77b917c78281316\\""}',
            '{"etag": "\\"65ecb34867db276aa63565bfbeac7f1c\\""}',
        ),
        (
            "404 @ http://localhost:5173/a.js?t=1790000550922:0",
            "404 @ http://localhost:5173/a.js?t=1790000292027:0",
        ),
        (
            "in proj-0a1b2c3d4e5f6071.2k9x8w7v6u5t4s3r2q.rcgu.o",
            "in proj-9a1b2c3d4e5f6072.8u7v6w5x4y3z2a1b0c.rcgu.o",
        ),
        ("<socket fd=4, laddr=('127.0.0.1', 43210)>", "<socket fd=17, laddr=('127.0.0.1', 51022)>"),
        ("14 × waiting for element to be visible", "3 × waiting for element to be visible"),
        (
            "Logs/Test/Test-App-2026.11.13_17-17-12-+0100.xcresult",
            "Logs/Test/Test-App-2026.11.13_18-01-40-+0100.xcresult",
        ),
        (
            "/root/.cache/uv/builds-v0/.tmpFP4U60/bin/python",
            "/root/.cache/uv/builds-v0/.tmpa0Xz9Q/bin/python",
        ),
        ("/tmp/pip-install-stc63pvk/x/setup.py:3", "/tmp/pip-install-qq_abcde/x/setup.py:3"),
        ("==7==    at 0xB99728: main (a.c:5)", "==9==    at 0x1091A9: main (a.c:5)"),
        ("[8626:2227:1129/230256.963216:ERROR:bus.cc]", "[91:97:1129/230301.112004:ERROR:bus.cc]"),
        ('Request id "0HNTFBJT3NO:00000009": failed', 'Request id "0HNZZ0JT4AB:00000002": failed'),
        ("u 7 node x\nu 4012 0:00 grep node", "u 7 node x\nu 4019 0:00 grep node"),
        (r"C:\Users\u\AppData\Local\Temp\tmp4k2j1h\a.txt", r"C:\Users\u\AppData\Local\Temp\tmp9z8y7x\a.txt"),
        (
            "failed on 'Clone 1 of iPhone 15 - App (4711)' (0.1 seconds)",
            "failed on 'Clone 3 of iPhone 15 - App (90211)' (0.4 seconds)",
        ),
        ("29 11 2026 10:03:03.049:INFO [k]: up", "29 11 2026 10:04:41.601:INFO [k]: up"),
        (
            "Connected on socket kQ3x7Ybc2JrLm0ZAAAAB with id 99608",
            "Connected on socket aB3dE5fG7hJ9kL1mAAAB with id 7",
        ),
        (
            "W1129 10:03:03.123000 4711 torch/distributed/elastic/multiprocessing/api.py:897] x",
            "W1129 10:04:41.601000 90211 torch/distributed/elastic/multiprocessing/api.py:897] x",
        ),
        ("112 INFO: Python: 3.11.4", "98 INFO: Python: 3.11.4"),
        ("4711:M 29 Nov 2026 10:03:03.049 # x", "90211:M 29 Nov 2026 10:04:41.601 # x"),
        ('"ctx":"conn46","msg"', '"ctx":"conn981","msg"'),
        ("outputs/2026-11-29/10-03-03/train.log", "outputs/2026-11-29/10-04-41/train.log"),
        ("B$$Lambda/0x00007f2b8c001208@4b1210ee", "B$$Lambda/0x00007f1a5e2b9d10@7c0e2abd"),
        ("to /h/.cache/pre-commit/patch1790000000-4711.", "to /h/.cache/pre-commit/patch1790000311-90211."),
        ("func1.2({0x690d40, 0x8428ed})", "func1.2({0x504e66, 0xab64c3})"),
        ("panic({0x4b5e60?, 0xc000012345?})", "panic({0x5a0f50?, 0xc000098765?})"),
        ("│ ✖  a.cy.js     00:04        3        2 │", "│ ✖  a.cy.js     01:12        3        2 │"),
        (
            "Encoded authorization failure message: " + "a1B2-c3D4_" * 20,
            "Encoded authorization failure message: " + "z9Y8_x7W6-" * 20,
        ),
    ],
)
def test_these_made_up_names_are_one(one: str, other: str) -> None:
    assert blind(one) == blind(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PASS a.test.js\nPASS b.test.js\nok", "PASS b.test.js\nPASS a.test.js\nok"),
        ("..F.  [100%]\n[gw3] linux", "F...  [100%]\n[gw0] linux"),
        ("ok\n....F.", "ok\nF....."),
        ("..\n\n  1) test a\n\n.\ndone", ".\n\n  1) test a\n\n..\ndone"),
        ("...F  [ 50%]\n....  [100%]", "....  [ 50%]\n..F.  [100%]"),
    ],
)
def test_what_runs_in_parallel_ends_in_any_order(one: str, other: str) -> None:
    assert text_key(one) == text_key(other)
    assert error_keys(FAILED, one)[0] == error_keys(FAILED, other)[0]


@pytest.mark.parametrize(
    "line",
    [
        "hyperfine './app'",
        "cargo bench",
        "time make -j8",
        "curl -w '%{time_total}' x",
        "psql -c 'explain analyze select 1'",
        "python -m timeit x",
        "openssl rand -hex 32",
        "head -c 32 /dev/urandom | base64",
        "python -c 'import secrets; print(secrets.token_hex(32))'",
        "node -p 'crypto.randomUUID()'",
        "npx uuid",
        "wg genkey",
        "speedtest-cli --simple",
    ],
)
def test_a_benchmark_is_known_by_its_program(line):
    assert is_benchmark(line) and not is_benchmark("cargo test") and not is_benchmark("pytest test_uuid.py")


@pytest.mark.parametrize(
    "text",
    [
        "bash: line ²: x",
        'File "a.py", line ², in f\nE',
        "at f (a.js:²:3)",
        "> ² | x\n  (²:³)",
        "² failed",
        "tests ²: failed",
    ],
)
def test_digits_that_are_no_number_are_read_as_letters(text: str) -> None:
    letters = text.replace("²", "q").replace("³", "r")
    assert len(error_keys(FAILED, text)[0]) == 12
    attempt = attempts.attempt_of("Bash", {"command": "pytest a | tail"}, "/p")
    assert attempt is not None
    assert verdicts.verdict(attempt, text) == verdicts.verdict(attempt, letters)
    assert waits.seconds_of("sleep ²; sleep 2") == 2
