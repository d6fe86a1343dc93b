"""Which commands only look, and which wait. What is not known counts as changing."""

from __future__ import annotations

import pytest

from circuit_breaker.shell.reading import is_reading
from circuit_breaker.shell.waits import ALONE, BEFORE, line_waits

LOOKS = [
    "Get-Content -Encoding UTF8 code\\\\a.py | Select-Object -First 5",
    "tmux has-session -t x 2>/dev/null",
    "ls -la | head",
    "cat a 2>/dev/null || true",
    "git -C x status --short && git log --oneline -5",
    "git stash list; git branch -a",
    "git config user.email",
    "git config --global --get user.name",
    "gh run view 123 --log | tail -50",
    "gh api repos/x/y --jq .name",
    "kubectl get pods -n x",
    "gh label list --limit 9",
    'curl -s -o /dev/null -w "%{http_code}" http://x',
    "curl -sS -X GET http://x",
    "curl -G -d a=b http://x",
    "find . -name '*.py' -exec grep -l x {} +",
    "find . -type f | xargs wc -l",
    "sed -n '1,5p' f",
    "awk '$3 > 5 {print $1}' f",
    "awk -F '|' '{print $2}' f",
    "for f in *.py; do wc -l $f; done",
    "if [ -f x ]; then cat x; fi",
    "cat <<EOF\n$(ls)\nEOF",
    "sleep 5 && gh run view 1",
    "until curl -s localhost; do sleep 1; done",
    "timeout 60 bash -c 'until curl -sf http://x; do sleep 2; done'",
    "docker compose ps",
    'echo "$(git rev-parse HEAD)"',
    "python3 --version",
    "diff <(ls a) <(ls b)",
    "X=$(pwd); echo $X",
    "cd /x && ls",
    "sort a | uniq -c | sort -rn",
    "systemctl status x",
    "wget -qO- http://x",
    "security find-identity -v -p codesigning",
    "http GET https://x.io q==a",
    "nix-shell -p tree --run 'ls -la'",
    "wget --spider http://x/f",
    "ip -br addr show",
    "mysqladmin -u root ping",
    "mysqladmin ping -h 127.0.0.1",
    "/usr/bin/test -f x",
    "consul members",
    "pulumi stack output url",
    "virsh domstate vm1",
    "xcrun simctl bootstatus booted",
    "rabbitmqctl await_startup --timeout 5",
    "heroku ps:wait -a shop",
    "hf jobs inspect 7",
    "ps aux | grep node | grep -v grep",
]
CHANGES = [
    "Get-Content a | Set-Content b",
    "Get-ChildItem | ForEach-Object { rm x }",
    "Remove-Item x",
    "pdm run test",
    "wget http://x/f",
    "security delete-generic-password -s x",
    "http https://x.io name=a",
    "nix-shell -p tree --run 'rm f'",
    "ip link set eth0 up",
    "mysqladmin -u root shutdown",
    "mysqladmin create status_db",
    "script/test",
    "./test -x",
    "time bin/echo a",
    "ollama pull llama3",
    "hf jobs run python:3.12 python x.py",
    "awk -f report.awk f",
    "npx test -v",
    "ls > f",
    "echo x >> f",
    "cat a | tee b",
    "find . -delete",
    "find . -exec rm {} \\;",
    "find . -exec sh -c 'rm {}' \\;",
    "sed -i s/a/b/ f",
    "sed -ni s/a/b/ f",
    "sed -n 'w out' f",
    "sed 's/a/b/w out' f",
    "git stash",
    "git push",
    "git branch x",
    "git branch -d x",
    "git config user.name me",
    "git config --unset a.b",
    "git reflog expire --all",
    "gh pr create",
    "gh api -X POST x",
    "gh api x -f a=b",
    "gh api --method=DELETE x",
    "docker exec x rm y",
    """docker exec x bash -c 'sed -i "s/a/{'\\''b'\\'': 1}/" y'""",
    "kubectl apply -f x",
    "kubectl rollout restart deploy/x",
    "python3 -c \"open('x', 'w'); 'sleep'\"",
    'echo "$(rm x)"',
    "echo `rm x`",
    "cat <<EOF\n$(rm x)\nEOF",
    "python -c 'print(1)'",
    "node -e 1",
    "awk '{print > \"f\"}' a",
    "awk 'BEGIN{system(\"rm x\")}'",
    "awk '{print | \"sh\"}' a",
    "curl -o f http://x",
    "curl -sSLO http://x",
    "curl -d a=b http://x",
    "curl -XPOST http://x",
    "curl --data-raw a http://x",
    "curl http://x | sh",
    "ls | xargs rm",
    "ls | xargs -I{} rm {}",
    "sudo rm x",
    "sudo -u bob rm x",
    "env A=1 rm x",
    "time rm x",
    "(cd x && rm y)",
    "ls & rm x",
    "ls || rm x",
    "if true; then rm x; fi",
    "eval ls",
    "source x",
    "bash x.sh",
    "sort -o f f",
    "date -s now",
    "xxd -r a b",
    "uniq a b",
    "watch rm x",
    "$CMD x",
    "f() { rm x; }",
    "rg --pre ./x y",
    "tar xzf a",
    "npm test",
    "pytest -q",
    "make",
    "history -c",
    "ls 2> err",
    "echo a &> f",
    "ls <> f",
    'ls $(echo "$(rm x)")',
    'bash -c "rm x"',
    "command rm x",
    "nohup rm x",
    "timeout -k 5 30 rm x",
    "FOO=1 rm x",
    "a=$(rm x)",
    "git diff --output=f",
]


@pytest.mark.parametrize("command", LOOKS)
def test_it_only_looks(command: str) -> None:
    assert is_reading(command)


@pytest.mark.parametrize("command", CHANGES)
def test_it_changes_something_or_cannot_be_told(command: str) -> None:
    assert not is_reading(command)


@pytest.mark.parametrize("command", [f"{look} && touch x" for look in LOOKS[:12]])
def test_one_changing_part_makes_the_whole_changing(command: str) -> None:
    assert not is_reading(command)


@pytest.mark.parametrize(
    "command", ["rm 'x", 'rm "x', "rm $(x", "rm `x", "rm x\\", "ls; rm x #", "cat <<A; rm x", "rm"]
)
def test_what_is_left_open_is_read_to_its_end(command: str) -> None:
    assert not is_reading(command)


@pytest.mark.parametrize(
    "command",
    [
        "cat <<A\n" * 12000,
        "$(" * 50000,
        '"$((' * 20000,
        "find -exec " * 9000,
        "$(a " * 9000 + ")" * 9000,
        "sudo " * 20000,
    ],
    ids=["here-documents", "substitutions", "sums", "find", "nested", "wrappers"],
)
def test_a_command_made_to_be_slow_or_deep_counts_as_changing(command: str) -> None:
    for size in (len(command), 19_000):
        assert not is_reading(command[:size] + "\nA\ntouch x")
        assert line_waits("sleep 1; " + command[:size]) in (BEFORE, ALONE)
