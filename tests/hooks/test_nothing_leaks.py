"""What we read is data: no secret of a command reaches the disk, no control character a terminal."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import samples

from circuit_breaker.runtime import home, hook, status
from circuit_breaker.words.status import status_text

SECRETS = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=20, max_size=40
).filter(lambda text: sum(c.isdigit() for c in text) >= 4 and sum(c.isalpha() for c in text) >= 4)
PLACES = st.sampled_from(
    [
        "API_TOKEN={} deploy --now",
        "curl -H 'Authorization: Bearer {}' https://api.example.com/x",
        "mysql -p{} -u root db",
        "git clone https://user:{}@example.com/r.git",
        "export AWS_SECRET_ACCESS_KEY={} && aws s3 ls",
        "sshpass -p {} ssh host",
        "psql postgres://u:{}@db/x -c 'select 1'",
        "vault login {}",
        "echo {} | docker login --password-stdin",
    ]
)
ERRORS = st.sampled_from(
    [
        "Exit code 1\nbad password: {}",
        "Exit code 1\nAuthorization: Bearer {} was refused",
        '{{"error": "token", "token": "{}"}}',
        "Exit code 128\nfatal: https://user:{}@example.com/r.git not found",
        "Exit code 1\n+ deploy --token {}\nno",
    ]
)
# A secret wherever a call may carry one. `{}` is the secret; the errors echo the call as tools do.
SECRET = "Zq7Xk29LmW4tRb8Vn3Py"
LINES = """openssl rsa -in k.pem -passin pass:{}
openssl enc -aes-256-cbc -k {} -in x
mysql -p{} -u root db
mysqldump --password={} db
curl -b 'session={}' https://example.com
curl -b {} https://example.com
curl --cookie sid={} https://example.com
curl -u me:{} https://example.com
curl -ume:{} https://example.com
curl -H 'X-Api-Key: {}' https://example.com
curl --header 'PRIVATE-TOKEN: {}' https://example.com
curl -d 'password={}&user=x' https://example.com
curl 'https://example.com/x?access_token={}&y=1'
curl https://me:{}@example.com/x
curl --proxy-user u:{} x
API_TOKEN={} deploy
DB_PASSWORD='{}' ./run
docker run -e POSTGRES_PASSWORD={} pg
docker login -u me -p {} registry
podman login -p={} registry
sshpass -p {} ssh host
sshpass -p{} ssh host
git -c http.extraheader='AUTHORIZATION: basic {}' fetch
npm config set //registry.example.com/:_authToken={}
aws configure set aws_secret_access_key {}
kubectl create secret generic x --from-literal=pw={}
psql 'host=h password={} user=u'
PGPASSWORD={} psql
redis-cli -a {} ping
mongosh mongodb://u:{}@h/db
ldapsearch -w {} -D cn=x
smbclient //h/s -U me%{}
echo {} | docker login --password-stdin
echo '{}' | gh auth login --with-token
echo {} | sudo -S ls
docker login --password-stdin <<< {}
htpasswd -bc f user {}
unzip -P {} a.zip
7z x -p{} a.7z
gpg --batch --passphrase {} -d x
ansible-playbook -e 'ansible_password={}' x.yml
helm install x --set auth.password={}
keytool -storepass {} -list
wpa_passphrase ssid {}
lftp -u user,{} h
expect -c 'send "{}"'
su -c x <<< '{}'
cargo login {}""".split("\n")
LONG = [
    "cat > .env <<'EOF'\nAPI_KEY={}\nEOF",
    'cat <<EOF > creds.json\n{"client_secret": "{}"}\nEOF',
    "psql <<EOF\nALTER USER x PASSWORD '{}';\nEOF",
    "make " + "x " * 5000 + "--password {}",
    "make " + "A" * 9000 + "; curl -u me:{} x",
    "cat > f <<EOF\n" + "line\n" * 3000 + "password={}\nEOF",
]
POWERSHELL = [
    "ConvertTo-SecureString '{}' -AsPlainText -Force",
    'ConvertTo-SecureString -String "{}" -AsPlainText -Force',
    "$env:API_TOKEN='{}'; ./x",
    "Invoke-RestMethod x -Headers @{Authorization='Bearer {}'}",
    "$password = '{}'",
    "net use \\\\h\\s {} /user:me",
    "setx API_KEY {}",
]
ELSEWHERE: list[tuple[str, dict[str, object], str]] = [
    ("Edit", {"file_path": "/p/.env", "old_string": "KEY={}\nX=1", "new_string": "KEY=x{}"},
     "<tool_use_error>String to replace not found in file.\nString: KEY={}\nX=1</tool_use_error>"),
    ("Edit", {"file_path": "/p/x", "old_string": "a\nb {}\nc", "new_string": "y"},
     "<tool_use_error>Found 2 matches of the string to replace, but replace_all is false.\nString: a\nb {}\nc</tool_use_error>"),
    ("MultiEdit", {"file_path": "/p/x", "edits": [{"old_string": "b {}", "new_string": "y"}]},
     "<tool_use_error>String to replace not found in file.\nString: b {}</tool_use_error>"),
    ("Write", {"file_path": "/p/x", "content": "password={}\n"}, "<tool_use_error>File has not been read yet.</tool_use_error>"),
    ("Write", {"file_path": "/p/x", "content": "hello {}\n"}, "<tool_use_error>InputValidationError: hello {}</tool_use_error>"),
    ("NotebookEdit", {"notebook_path": "/p/x", "new_source": "tok='{}'"}, "<tool_use_error>x tok='{}'</tool_use_error>"),
    ("Bash", {"__unparsedToolInput": {"raw": '{"command": "curl -u me:{}"', "len": 9}},
     "<tool_use_error>InputValidationError: {}</tool_use_error>"),
    ("mcp__db__query", {"dsn": "postgres://u:{}@h/x"}, "MCP error -32000: cannot connect to postgres://u:{}@h/x"),
    ("mcp__x__login", {"user": "u", "password": "{}"}, "login failed for u/{}"),
    ("mcp__x__call", {"headers": {"Authorization": "Bearer {}"}}, "401 Bearer {}"),
    ("mcp__playwright__browser_type", {"element": "Password", "ref": "e4", "text": "{}"}, "Error: locator.fill('{}') timeout"),
    ("WebFetch", {"url": "https://h/x?token={}", "prompt": "use key {}"}, "Request failed with status code 401"),
    ("Grep", {"pattern": "{}", "path": "/p"}, "no"),
    ("Agent", {"prompt": "use token {}", "description": "log in with {}"}, "agent failed: {}"),
    ("Bash", {"command": "deploy"}, "Exit code 1\nError: invalid token {}"),
    ("Bash", {"command": "deploy"}, 'Exit code 1\n{"api_key":"{}"}'),
]  # fmt: skip
CALLS = [
    *(("Bash", {"command": line}, f"Exit code 1\n+ {line}\nno") for line in LINES + LONG),
    *(("PowerShell", {"command": line}, f"Exit code 1\n{line}") for line in POWERSHELL),
    *ELSEWHERE,
]
PROMPTS = ("my password is {}", "SUDO BYPASS\n{}", "SUDO BYPASS {}", "sudo bypass {}", "use https://u:{}@h/x")

NASTY = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "\x1b[2J\x1b[31m",
        "\x1b]0;title\x07",
        "\x9b31m",
        "\u202e\u2066evil",
        "a\x00b\x08c\x7f",
        "\r\r\r",
        "{0.__class__}%s",
    ]
)


def failing_session(folder: str, command: str, error: str, tool: str = "Bash") -> dict[str, str]:
    """Three equal failures through the hooks' own function, and a denied fourth call; -> the environment they ran in."""
    env = {"HOME": folder, "CIRCUIT_BREAKER_HOME": folder + "/state", "CLAUDE_PROJECT_DIR": folder}
    common = {
        "session_id": "s",
        "cwd": folder,
        "prompt_id": "p",
        "tool_name": tool,
        "tool_input": {"command": command},
    }
    for i in range(4):
        call = {**common, "tool_use_id": f"t{i}"}
        events = [
            {**call, "hook_event_name": "PreToolUse"},
            {**call, "hook_event_name": "PostToolUseFailure", "error": error},
            {**common, "hook_event_name": "PostToolBatch", "tool_calls": [{**call, "tool_response": error}]},
        ]
        for event in events:
            name = "gate" if event["hook_event_name"] == "PreToolUse" else "monitor"
            hook.answer_to(name, json.dumps(event).encode(), env, time.time())
    return env


def seen_by_people(env: dict[str, str]) -> str:
    where = home.places(env, env["HOME"])
    facts = status.collect(
        where, home.configuration(where, env), time.time(), status.sessions_on_disk(where), None
    )
    facts["protection"] = {"protected": True, "how": "the hooks run"}
    return status_text(facts, everything=True)


@settings(max_examples=60, deadline=None)
@given(SECRETS, PLACES, ERRORS)
def test_no_secret_of_a_command_or_an_error_is_in_any_file_we_write(secret, place, error):
    with tempfile.TemporaryDirectory() as folder:
        env = failing_session(folder, place.format(secret), error.format(secret))
        written = [path for path in Path(folder).rglob("*") if path.is_file()]
        assert any(path.name == "circuit_breaker_incidents.jsonl" for path in written)
        for path in written:
            assert secret.encode() not in path.read_bytes(), path.name
        assert secret not in seen_by_people(env)


@settings(max_examples=60, deadline=None)
@given(NASTY, NASTY, NASTY)
def test_no_control_character_of_what_we_read_reaches_a_terminal(command, error, tool):
    with tempfile.TemporaryDirectory() as folder:
        env = failing_session(
            folder,
            f"./{command} {command}",
            f"Exit code 1\n{error}",
            "Bash" if len(tool) % 2 else tool or "T",
        )
        shown = seen_by_people(env)
        assert all(c.isprintable() or c == "\n" or c in "\u26a1\ufe0f" for c in shown), repr(shown)


def with_secret(value):
    return json.loads(json.dumps(value).replace("{}", SECRET))


@pytest.mark.slow
def test_no_secret_that_real_hooks_are_given_is_in_any_file_they_write(machine, run_hook, told):
    processes = samples(
        here=8, in_ci=1
    )  # of so many calls one is given to processes, the others to the function they call
    for number, (tool, tool_input, error) in enumerate(CALLS):
        base = {"session_id": f"s{number}", "cwd": "/p", "prompt_id": "p"}
        prompt = PROMPTS[number % len(PROMPTS)].replace("{}", SECRET)
        events = [("prompt", {"hook_event_name": "UserPromptSubmit", "prompt": prompt})]
        for turn in range(3):
            call = {"tool_name": tool, "tool_input": with_secret(tool_input), "tool_use_id": f"t{turn}"}
            text = error.replace("{}", SECRET)
            if not text.startswith("<tool_use_error>"):
                events.append(("monitor", {"hook_event_name": "PostToolUseFailure", "error": text, **call}))
            calls = [{**call, "tool_response": text}]
            events.append(("monitor", {"hook_event_name": "PostToolBatch", "tool_calls": calls}))
        events.append(("gate", {"hook_event_name": "PreToolUse", **call}))
        for hook_name, event in events:
            if number % processes:
                told(hook_name, {**base, **event})
                continue
            answer = run_hook(hook_name, {**base, **event})
            assert (answer.code, answer.stderr) == (0, ""), (tool, tool_input)
    written = [path for path in machine.runtime.rglob("*") if path.is_file()]
    trips = (machine.runtime / "circuit_breaker_incidents.jsonl").read_text().count('"event":"trip"')
    assert trips > len(CALLS) / 2
    assert len(written) > 2 * len(CALLS)
    for path in written:
        for part in (SECRET, SECRET[:12], SECRET[-12:]):
            assert part.encode() not in path.read_bytes(), path
