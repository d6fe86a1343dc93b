"""What people read of a call and of an error: short, plain, and never a secret."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import samples

from circuit_breaker.identity.calls import shape_key
from circuit_breaker.identity.labels import LABEL_MAX, clip, label
from circuit_breaker.identity.verdicts import error_clip

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# the q's keep a made-up secret from being a piece of the text around it; no digit is needed to be one
SECRET = st.text(LETTERS + "0123456789", min_size=6, max_size=24).map(lambda t: f"qZ{t}Zq")
WORDS = st.text("qZabc !@%^*+", min_size=4, max_size=12).map(lambda t: f"qZx{t}xZq")

# commands with a hole where a secret stands
COMMANDS = [
    "PASSWORD={} ./deploy.sh",
    "export API_TOKEN={} && make",
    "DB_PASS='{}' psql",
    "env SECRET_KEY={} make",
    "mysql -u root -p{} db",
    "mysql -p {} db",
    "openssl enc -aes256 -k {} -in f",
    "htpasswd -b f bob {}",
    "gh auth login --with-token <<< {}",
    "gh secret set NAME --body {}",
    "docker login --password-stdin <<EOF\n{}\nEOF",
    "eval 'KEY={} make'",
    "ssh host 'mysql -p{} db'",
    "ssh-keygen -N {}",
    "docker login --password-stdin <<<'{}'",
    "kubectl create secret generic x --from-literal=name={}",
    "tool --password {} run",
    "tool --password={} run",
    "tool --token '{}' run",
    "curl -u user:{} https://example.org",
    "curl -H 'Authorization: Bearer {}' https://example.org",
    'curl -H "X-Api-Key: {}" https://example.org',
    "curl --header 'Cookie: session={}' https://example.org",
    "curl https://user:{}@example.org/x",
    "curl 'https://example.org/x?token={}&a=b'",
    'curl -d \'{{"password": "{}"}}\' https://example.org',
    "git clone https://x-access-token:{}@example.org/a.git",
    "psql postgres://u:{}@db/x",
    "cat > .env <<'EOF'\nAPI_KEY={}\nEOF",
    "cat > c.yml <<EOF\npassword: {}\nEOF",
    "echo {} | docker login --password-stdin",
    "echo '{}' | sudo -S ls",
    "sshpass -p{} ssh host",
    "sshpass -p {} ssh host",
    "vault login {}",
    "redis-cli auth {}",
    "docker login -u me -p {}",
    "aws configure set aws_secret_access_key {}",
    "set_key({!r}) ; secret={}",
    "cd x && FOO={} make",
]
# what a failing command may print of it
ECHOES = [
    "{command}",
    "/bin/bash: line 1: {command}: command not found",
    "Exit code 1\nerror: cannot log in with {secret}",
    "Exit code 1\n+ {command}\nfailed",
    'Exit code 1\nbad value "{secret}"',
    "zsh: no matches found: {secret}",
]
# errors that tell a secret nobody gave
ERRORS = [
    "password={}",
    "PASSWORD: {}",
    '{{"password": "{}"}}',
    '{{"api_key":"{}","x":1}}',
    '{{\\"token\\": \\"{}\\"}}',
    "Authorization: Bearer {}",
    "Authorization: Basic {}",
    "Authorization: {}",
    "cookie: a=b; session={}",
    "https://user:{}@example.org/x refused",
    "redis://:{}@host:6379",
    "https://example.org/?access_token={}&x=1",
    "client_secret = '{}'",
    "AWS_SECRET_ACCESS_KEY={}",
    "secret: {}",
    "invalid token {}",
    "the password {} is wrong",
    "--password {}",
    "DB_PASS={}",
    "'private_key' => '{}'",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\nabc\n-----END RSA PRIVATE KEY-----\nafter",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n{}",
]
SHAPED = [
    "sk-ant-api03-AbCdEfGhIjKlMnOp",
    "ghp_abcdefghijklmnopqrstuvwxyzABCDEF",
    "github_pat_11ABCDEFG0abcdefghijkl",
    "AKIAIOSFODNN7EXAMPLE",
    "xoxb-123456789012-abcdefABCDEF",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "AIzaSyA1234567890abcdefghijklmnopqrstu",
    "glpat-abcdefghij0123456789",
    "d2hhdCBhIHNlY3JldCB0aGlzIGlzIDEyMzQ1Njc4OTA",
]


def written(command: str, text: str) -> list[str]:
    """Everything that could reach the disk of a call that failed."""
    given = {"command": command}
    return [
        label("Bash", given),
        clip(text, 160, given),
        clip(text, 2000, given),
        str(shape_key("Bash", given)),
    ]


@pytest.mark.parametrize("command", COMMANDS)
@given(secret=SECRET, echo=st.sampled_from(ECHOES))
@settings(max_examples=samples(here=15, in_ci=50))
def test_a_secret_in_a_command_is_written_nowhere(command: str, secret: str, echo: str) -> None:
    told = command.format(secret, secret)
    for text in written(told, echo.format(command=told, secret=secret)):
        assert secret not in text


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"password": s},
        lambda s: {"auth": {"apiKey": s}},
        lambda s: {"headers": {"Authorization": f"Bearer {s}"}},
        lambda s: {"items": [{"x": 1}, {"client_secret": s}]},
        lambda s: {"env": [f"TOKEN={s}"]},
        lambda s: {"content": f"password: {s}\n"},
        lambda s: {"command": ["bash", "-lc", f"TOKEN={s} ./run"]},
    ],
    ids=["named", "nested", "header", "list", "environment", "content", "words"],
)
@given(secret=SECRET)
def test_a_secret_in_any_parameter_is_masked_where_it_comes_back(
    wrap: Callable[[str], dict[str, Any]], secret: str
) -> None:
    for tool in ("mcp__a__login", "Bash", "Write"):
        assert secret not in label(tool, wrap(secret))
    for text in (f"login with {secret} refused", f"{secret}: no", f"Exit code 1\n({secret})"):
        assert secret not in clip(text, 160, wrap(secret))


@pytest.mark.parametrize(
    "hole", ["--password '{}'", "PASSWORD='{}' x", '--header "X-Token: {}"', 'TOKEN="{}"']
)
@given(secret=WORDS)
def test_a_secret_of_several_words_is_written_nowhere(hole: str, secret: str) -> None:
    told = "tool " + hole.format(secret)
    for text in written(told, f"Exit code 1\nrefused: {secret}\n{told}"):
        assert secret not in text
        assert secret.strip("qZx") not in text or len(secret.strip("qZx ")) < 4


@pytest.mark.parametrize("error", ERRORS)
@given(secret=SECRET)
@settings(max_examples=samples(here=15, in_ci=50))
def test_a_secret_in_an_error_is_masked(error: str, secret: str) -> None:
    for text in (error.format(secret), f"Exit code 1\nfailed: {error.format(secret)}\nmore"):
        for shown in (clip(text), clip(text, 2000), clip(text, 2000, {"command": "ls"}), clip(text, 40)):
            assert secret not in shown
            assert secret[:6] not in shown


@pytest.mark.parametrize("secret", SHAPED)
@pytest.mark.parametrize(
    "around", ["{}", "got {} here", "value={}", "x:{}", "'{}',", "(/a/b {})", "https://e.org/{}"]
)
def test_what_has_the_shape_of_a_key_is_masked(secret: str, around: str) -> None:
    text = around.format(secret)
    assert secret not in clip(text)
    assert secret not in label("Bash", {"command": "run " + text})
    assert secret not in label("Read", {"file_path": "/a/" + secret})


def test_a_key_with_slashes_is_masked_outside_paths() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY12"
    for text in (f"value={secret}", f"got {secret} here", f"'{secret}'"):
        assert secret not in clip(text)


@given(SECRET)
def test_a_secret_that_the_limit_cuts_through_is_masked(secret: str) -> None:
    for before in range(100, 160, 7):
        shown = clip("x" * before + f" password={secret}", 160)
        assert secret[:5] not in shown
    for before in (1270, 1276, 1279):
        assert secret[:5] not in clip(
            "-----BEGIN A-----" + "y " * ((before - 17) // 2) + secret, 160, {"command": f"X={secret} y"}
        )


@pytest.mark.parametrize("tool", ["Bash", "Edit", "mcp__a__b", "Weird\x1b[31m\n\u202etool"])
@given(st.text(max_size=60), st.integers(10, 300))
@example("\x1b]0;title\x07\x9b31m\u202e\u200b\x00\x85\u2028a", 40)
@example("\ud800\udfff", 10)
def test_no_control_character_is_shown(tool: str, text: str, limit: int) -> None:
    for value in ({"command": text}, {"file_path": "/a/" + text}, {"path": text}, text, None):
        shown = label(tool, value)
        assert shown.isprintable()
        assert 0 < len(shown) <= LABEL_MAX
        short = clip(text, limit, value)
        assert short.isprintable()
        assert len(short) <= limit


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["command", "cmd", "path", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from(["Bash", "exec_command", "Read", ""]), JSON, st.text(max_size=40))
def test_arbitrary_input_is_answered(tool: str, value: Any, text: str) -> None:
    assert label(tool, value)
    assert isinstance(clip(text, 160, value), str)


@given(st.text("paswordtken=:'\"\\ \n-pu@/{}<>BEGIN", max_size=80))
def test_arbitrary_text_is_clipped(text: str) -> None:
    assert len(clip(text, 50, {"command": text})) <= 50


@pytest.mark.parametrize(
    ("tool", "given", "shown"),
    [
        ("Bash", {"command": "git status --short"}, "Bash git status"),
        ("Bash", {"command": "cd /x && npm run build 2>&1 | tail"}, "Bash npm run build"),
        ("Bash", {"command": "pytest -q tests/a.py"}, "Bash pytest"),
        ("Bash", {"command": "python3 -m pytest -q"}, "Bash python3 -m pytest"),
        ("Bash", {"command": "/usr/bin/python3 tools/build.py x"}, "Bash python3 build.py"),
        ("Bash", {"command": "python3 plugin status"}, "Bash python3 plugin"),
        ("Bash", {"command": "python3 -u train.py --lr 1"}, "Bash python3 train.py"),
        ("Bash", {"command": "python3 -c 'print(1)'"}, "Bash python3 -c"),
        ("Bash", {"command": "bash scripts/run-all now"}, "Bash bash run-all"),
        ("Bash", {"command": "sudo -u bob timeout 5 make deploy"}, "Bash make deploy"),
        ("Bash", {"command": "echo hello"}, "Bash echo"),
        ("Bash", {"command": "gh pr view 5"}, "Bash gh pr view"),
        ("Bash", {"command": "go test ./..."}, "Bash go test"),
        ("Bash", {"command": ""}, "Bash"),
        ("Bash", {"command": "$(x) y"}, "Bash"),
        ("exec_command", {"cmd": "ls -la"}, "exec_command ls"),
        ("Edit", {"file_path": "/src/app.py"}, "Edit app.py"),
        ("Edit", {"file_path": "C:\\src\\app.py"}, "Edit app.py"),
        ("Read", {"file_path": "/a/README.md/"}, "Read README.md"),
        ("Grep", {"pattern": "x"}, "Grep"),
        ("mcp__mini__ok", {"a": 1}, "mcp__mini__ok"),
        ("Agent", {"prompt": "x", "description": "y"}, "Agent"),
        ("", None, "?"),
    ],
)
def test_labels_of_ordinary_calls(tool: str, given: Any, shown: str) -> None:
    assert label(tool, given) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Exit code 1\n  5 failed,\t3 passed", "Exit code 1 5 failed, 3 passed"),
        ("File does not exist. Did you mean app.py?", "File does not exist. Did you mean app.py?"),
        ("SyntaxError: Unexpected token < in JSON", "SyntaxError: Unexpected token < in JSON"),
        ("/src/app.py:12: error: missing import", "/src/app.py:12: error: missing import"),
        ("\x1b[31mred\x1b[0m alert", "red alert"),
        ("password authentication failed", "password authentication failed"),
        ("a" * 50 + " b", "a" * 39 + "…"),
        ("id 3f2504e0-4f89-11d3-9a0c-0305e82c3301 gone", "id 3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
    ],
)
def test_ordinary_errors_stay_readable(text: str, shown: str) -> None:
    limit = 40 if len(shown) <= 40 and len(text) > 42 else 160
    assert clip(text, limit)[: len(shown) - 1] == shown[: len(shown) - 1]


@pytest.mark.parametrize(
    "ending",
    [
        "FAILED t.py::test_a - assert 2 == 5\n=========== 1 failed in 0.51s ===========",
        "FAILED t.py::test_a - assert 2 == 5\n1 failed, 3 passed in 0.51s",
        "FAILED t.py::test_a - assert 2 == 5\nmake: *** [Makefile:2: test] Error 1",
        "FAILED t.py::test_a - assert 2 == 5",
    ],
)
def test_a_long_error_is_told_by_the_last_line_that_says_what_failed(ending):
    head = "Exit code 1\n===== test session starts =====\n" + "collected 4 items of this project\n" * 5
    assert error_clip(head + ending, {}) == "Exit code 1 … FAILED t.py::test_a - assert 2 == 5"
    bare = "Exit code 2\n" + "make: Entering directory\n" * 9 + "make: *** [a] Error 1"
    assert error_clip(bare, {}) == "Exit code 2 … make: *** [a] Error 1"


def test_the_fault_is_told_where_its_place_or_a_stack_follows_it():
    note = "a.c:1:20: note: each undeclared identifier is reported only once for each function it appears in"
    c = f"gcc -c a.c\na.c: In function 'main':\na.c:1:20: error: 'x' undeclared\n{note}\nmake: *** [Makefile:2: all] Error 1"
    assert error_clip(f"Exit code 2\n{c}", {}) == "Exit code 2 … a.c:1:20: error: 'x' undeclared"
    stack = "    at Module._compile (node:internal/modules/cjs/loader:1554:14)\n" * 5
    js = f"/p/p.js:2\nfoo();\n^\nReferenceError: foo is not defined\n{stack}\nNode.js v20.20.2"
    assert error_clip(f"Exit code 1\n{js}", {}) == "Exit code 1 … ReferenceError: foo is not defined"
    rule = "-" * 70
    unit = f"{rule}\nTraceback (most recent call last):\nAssertionError: 2 != 5\n\n{rule}\nRan 1 test\n\nFAILED (failures=1)"
    assert error_clip(f"Exit code 1\nF\n{unit}", {}) == "Exit code 1 … AssertionError: 2 != 5"
    boom = "Exit code 1\nerror: first\n" + "more of it\n" * 20 + "the disk of the database is gone"
    assert error_clip(boom, {}) == "Exit code 1 … the disk of the database is gone"


def test_an_edit_that_missed_leaves_no_content_of_the_file():
    old = "def charge(card):\n    stripe.key = live_mode\n    return 1"
    error = f"<tool_use_error>String to replace not found in file.\nString: {old}</tool_use_error>"
    found = error_clip(error, {"file_path": "/p/a.py", "old_string": old, "new_string": "x"})
    assert found.startswith("String to replace not found in file") and "tool_use_error" not in found
    assert not any(word in found for word in ("charge", "stripe", "live_mode", "return"))


@pytest.mark.parametrize(
    "command",
    [
        "true " + "x" * 9000 + " --note hunter2hunter",
        "cat <<EOF\n" + "line of text\n" * 900 + "hunter2hunter\nEOF",
        "openssl rsa -in k.pem -passin pass:hunter2hunter",
        "curl -b hunter2hunter http://x.test",
        "ldapsearch -w hunter2hunter -x",
        "keytool -storepass hunter2hunter -list",
    ],
)
def test_a_secret_of_the_command_is_masked_wherever_it_stood(command):
    found = error_clip("Exit code 1\nlogin of hunter2hunter refused", {"command": command})
    assert "hunter2" not in found and "refused" in found


@pytest.mark.parametrize(
    "line", ["npx vercel@latest deploy", "npx -y cowsay@1.0", "npx @angular/cli@17 build"]
)
def test_package_of_a_version_is_named_without_it(line):
    assert label("Bash", {"command": line}) not in ("Bash", "")
