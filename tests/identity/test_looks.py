"""A look goes at files and the like, or at what changes by itself; a search found something or nothing."""

from __future__ import annotations

import pytest

from circuit_breaker.identity.looks import (
    FILES,
    LIVE,
    NOTHING,
    found_nothing,
    look_of,
    may_look,
    reads_output,
    shows_page,
)

LINES = {
    LIVE: [
        "gh pr checks 71",
        "gh run view 7 --json status",
        "gh api repos/o/r/pulls/5/reviews",
        "glab ci status",
        "kubectl get pods -n web",
        "kubectl -n web describe pod x",
        "kubectl exec -n web pod/x -- tail -5 /app/log",
        "docker ps",
        "docker logs --tail 20 web",
        "docker exec web ls",
        "docker compose ps",
        "docker compose exec db psql -c 'select 1'",
        "ps aux | grep node",
        "pgrep -f vite",
        "jobs",
        "lsof -i :3000",
        "ss -ltn | grep 5432",
        "systemctl status web",
        "service nginx status",
        "journalctl -u web -n 20",
        "curl -s localhost:3000/health",
        "curl -sf http://x/ | jq .status",
        "ping -c 1 host",
        "nc -z localhost 5432",
        "tail -5 train.log",
        "cat /var/log/syslog | tail",
        "grep -c done build/out.log",
        "tail -3 /tmp/claude-1/tasks/b7.output",
        "squeue -u me",
        "nvidia-smi",
        "aws ecs describe-tasks --cluster c",
        "aws logs tail /g",
        "az pipelines runs show --id 4",
        "gcloud builds describe 5",
        "heroku ps",
        "fly status",
        "vercel ls",
        "pm2 list",
        "helm status web",
        "argocd app get web",
        "ssh host 'tail -5 train.log'",
        "ssh -p 22 host nvidia-smi",
        "psql -c 'SELECT status FROM jobs'",
        "redis-cli llen queue",
        "timeout 5 bash -c '</dev/tcp/localhost/5432'",
        "bash -c 'curl -s x'",
        "until curl -sf x; do sleep 2; done",
        "echo $(gh pr checks 7)",
        "deployctl status web",
        "git fetch origin",
        "git ls-remote origin",
        "npm view pkg version",
        "./scripts/deploy-status.sh prod",
        "python3 tools/check_health.py --url x",
        "./is_ready.sh db",
        "curl -s localhost/jobs/7 | python3 -m json.tool",
        "curl -s localhost/jobs/7 | python3 -c 'import sys, json; print(json.load(sys.stdin)[\"created_at\"])'",
        "curl -s localhost/jobs | node -p 'JSON.parse(require(\"fs\").readFileSync(0)).length'",
        "ps aux | perl -ne 'print if /ffmpeg/' | wc -l",
        "ssh host 'docker inspect web | python3 -m json.tool'",
        "npx vercel inspect web.vercel.app",
        "npx -y wrangler deployments list",
        "uvx modal app list",
        "bash scripts/check-status.sh 12",
        "curl -sG localhost:9090/api/v1/query --data-urlencode 'query=up'",
        "kill -0 4711; gh run view 7",
        "gh api graphql -f query='query { viewer { login } }' -F n=7",
        'curl -s -X POST http://x/graphql -d \'{"query": "{ jobs { state } }"}\'',
        'curl -s localhost:8545 -d \'{"method":"eth_getTransactionReceipt","params":[]}\'',
        "curl -s -XPOST localhost:9200/items/_count -d '{}'",
        "aws sqs receive-message --queue-url q",
        "az pipelines build show --id 4",
        "vault status",
        "whois example.org",
        "lsusb | grep -i stm",
        "adb shell getprop sys.boot_completed",
        "mongosh --quiet --eval 'rs.status().ok'",
        "redis-cli -h cache -p 6379 llen queue",
        "xcrun altool --notarization-info 7",
    ],
    FILES: [
        "ls",
        "pwd",
        "git status",
        "git log -5",
        "cat src/a.py",
        "ls -la out/",
        "find . -name x",
        "test -f done.flag",
        "[ -e out/model.pt ]",
        "cat notes.md | head",
        "npm ls",
        "stat f",
        "wc -l out.csv",
        "date",
        "git -C x status",
        "terraform state list",
        "pip index versions x",
        "poetry run alembic current",
        # enough after a wait, though they count as acts
        'python3 -c \'import json; print(json.load(open("metrics.json"))["epoch"])\'',
        "python manage.py showmigrations",
        "php artisan migrate:status",
        "kafka-topics.sh --bootstrap-server x --list",
        "unknown-cli job show 7",
        "npm run status",
        "make db-status",
        "go run ./cmd/queuectl status",
        "cargo run -q --bin ctl -- status",
        "python -m app.cli status",
        "npx tsx scripts/status.ts",
        "node -e 'console.log(require(\"./state.json\").phase)'",
    ],
    NOTHING: [
        "pytest",
        "make",
        "npm run build",
        "npx jest",
        "curl -s x | python3 load.py",
        'curl -s x | python3 -c \'import sys; open("a", "w").write(sys.stdin.read())\'',
        "python3 -c 'import app; app.sync()'",
        "python3 -c 'import subprocess; print(subprocess.run(\"make\"))'",
        "ls | perl -pi -e 's/a/b/' f",
        "gh api graphql -f query='mutation { resolve }'",
        'curl -s http://x/graphql -d \'{"query": "mutation { add }"}\'',
        "curl -s -XPOST localhost:9200/items/_delete_by_query -d '{\"query\":{}}'",
        'curl -s -X POST http://x -d \'{"name": "query"}\'',
        "mongosh --eval 'db.jobs.deleteMany({})'",
        "redis-cli -h cache lpop queue",
        "fuser -k 3000/tcp",
        "acmectl sync",  # nothing is known of it: see may_look
        "unknown-cli remove list",
        "./scripts/deploy.sh",
        "python3 train.py",
        "sh check.sh",
        "git pull",
        "gh pr merge 7",
        "gh run rerun 7",
        "gh workflow run ci.yml",
        "kubectl delete pod x",
        "kubectl apply -f x",
        "kubectl exec pod/x -- rm -rf y",
        "docker run x ls",
        "docker compose up -d",
        "docker exec web npm test",
        "systemctl restart web",
        "service nginx restart",
        "aws s3 cp a b",
        "aws ecs update-service --service x",
        "heroku run ls",
        "curl -X POST http://x",
        "ssh host 'rm x'",
        "ssh host",
        "psql -c 'UPDATE jobs SET x=1'",
        "psql -c 'select 1; drop table x'",
        "redis-cli flushall",
        "http POST x a=b",
        "echo x > f",
        "curl -s x > f",
        "tail -5 a.log > b",
        "git push status",
        "tmux send-keys -t 0 ls",
        "",
    ],
}


@pytest.mark.parametrize(
    ("command", "level"), [(line, level) for level, lines in LINES.items() for line in lines]
)
def test_what_a_line_looks_at(command: str, level: int) -> None:
    assert look_of("Bash", {"command": command}) == level


@pytest.mark.parametrize(
    ("command", "may"),
    [
        ("acmectl rollout 7", True),
        ("mailq | tail -1", True),
        ("grpcurl -plaintext localhost:50051 grpc.health.v1.Health/Check", True),
        ("docker exec api python -c \"print(open('/data/state').read())\"", True),
        ("git pull", True),
        ("hg pull -u", True),
        ("git push", False),
        ("git pull && make", False),
        ("acmectl sync", False),
        ("acmectl app restart", False),
        ("./deploy.sh", False),
        ("pytest", False),
        ("mailq > out.txt", False),
    ],
)
def test_after_a_wait_a_program_of_which_nothing_is_known_may_look(command: str, may: bool) -> None:
    assert may_look("Bash", {"command": command}) is may


@pytest.mark.parametrize(
    ("tool", "given", "level"),
    [
        ("mcp__ssh__execute_command", {"server": "hpc", "command": "squeue -u me"}, LIVE),
        ("mcp__desktop-commander__start_process", {"command": "git status --short"}, FILES),
        ("mcp__ssh__exec", {"command": "systemctl restart web"}, NOTHING),
        ("mcp__k8s__pods_log", {"name": "web"}, LIVE),
        ("mcp__wandb__run_summary", {"id": 7}, LIVE),
        ("mcp__unity__editor_state", {}, LIVE),
        ("mcp__github__pull_request_read", {"method": "get_status", "pullNumber": 7}, LIVE),
        ("mcp__aws__call_aws", {"cli_command": "aws ecs describe-services --cluster c"}, LIVE),
        ("mcp__bigquery__execute_sql", {"sql": "SELECT state FROM jobs"}, LIVE),
        ("mcp__postgres__query", {"sql": "insert into t values (1)"}, NOTHING),
        ("mcp__git__git_status", {"repo_path": "/p"}, FILES),
        ("mcp__github__issue_write", {"number": 7}, NOTHING),
        ("mcp__chat__send_message", {"text": "x"}, NOTHING),
        ("ReadMcpResourceTool", {"server": "ci", "uri": "job://7"}, FILES),
        ("Agent", {"prompt": "list the jobs"}, NOTHING),
        ("mcp__trello__add_list", {"name": "Done"}, NOTHING),
        ("mcp__ops__set_status", {"status": "down"}, NOTHING),
        ("Read", {"file_path": "/p/a.py"}, FILES),
        ("Read", {"file_path": "/p/train.log"}, LIVE),
        ("Read", {"file_path": "/tmp/claude-1000/p/s/tasks/b1.output"}, LIVE),
        ("Read", {"file_path": "/tmp/claude-1000/-p/5f1c/tasks/bp8ix4ea4.output"}, LIVE),
        ("Grep", {"pattern": "x", "path": "server.log"}, LIVE),
        ("Grep", {"pattern": "x"}, FILES),
        ("Glob", {"pattern": "*.log"}, FILES),
        ("WebFetch", {"url": "http://x"}, LIVE),
        ("TaskOutput", {"task_id": "b"}, LIVE),
        ("PowerShell", {"command": "Get-Service spooler"}, LIVE),
        ("PowerShell", {"command": "Invoke-WebRequest http://localhost:3000"}, LIVE),
        ("PowerShell", {"command": "Get-ChildItem src"}, FILES),
        ("PowerShell", {"command": "Get-Content app.log -Tail 5"}, LIVE),
        ("PowerShell", {"command": "Restart-Service spooler"}, NOTHING),
        ("mcp__github__get_pull_request_status", {}, LIVE),
        ("mcp__kubernetes__list_pods", {}, LIVE),
        ("mcp__chrome-devtools__take_snapshot", {}, LIVE),
        ("mcp__claude-in-chrome__computer", {"action": "screenshot"}, LIVE),
        ("mcp__claude-in-chrome__computer", {"action": "left_click"}, NOTHING),
        ("mcp__filesystem__read_file", {}, FILES),
        ("mcp__serena__find_symbol", {}, FILES),
        ("mcp__github__get_file_contents", {}, FILES),
        ("mcp__linear__get_issue", {}, FILES),
        ("mcp__notion__API-get-user", {}, FILES),
        ("mcp__composio__SALESFORCE_LIST_ACCOUNTS", {}, FILES),
        ("mcp__ci__checkCIStatus", {}, LIVE),
        ("mcp__windows-mcp__State-Tool", {}, LIVE),
        ("mcp__windows-mcp__Click-Tool", {}, NOTHING),
        ("mcp__github__merge_pull_request", {}, NOTHING),
        ("Edit", {}, NOTHING),
        ("Bash", None, NOTHING),
    ],
)
def test_what_a_tool_looks_at(tool: str, given: object, level: int) -> None:
    assert look_of(tool, given) == level


@pytest.mark.parametrize(
    ("tool", "given", "reads"),
    [
        ("BashOutput", {"bash_id": "1"}, True),
        ("TaskOutput", {}, True),
        ("AgentOutputTool", {}, True),
        ("write_stdin", {"chars": "", "session_id": 5}, True),
        ("write_stdin", {"chars": "y\n"}, False),
        ("KillShell", {}, False),
        ("Read", {}, False),
        ("mcp__x__setOutput", {}, False),
    ],
)
def test_what_reads_the_output_of_something_in_the_background(tool: str, given: object, reads: bool) -> None:
    assert reads_output(tool, given) is reads


FOUND_NOTHING = [
    ("Grep", {"pattern": "x"}, "No matches found"),
    ("Grep", {"pattern": "x"}, "No files found"),
    ("Glob", {"pattern": "x"}, "No files found"),
    ("Bash", "grep -rn foo src", ""),
    ("Bash", "grep -rn foo src", "(Bash completed with no output)"),
    ("Bash", "grep foo f", "Exit code 1"),
    ("Bash", "grep -rn foo src | wc -l", "0"),
    ("Bash", "find /usr -name 'java*' 2>/dev/null", ""),
    ("Bash", "find / -name jdk | head", "find: '/root': Permission denied"),
    ("Bash", "printenv | grep JAVA", ""),
    ("Bash", "cd /p && rg foo", ""),
    ("Bash", "git grep foo", ""),
    ("Bash", "which java", ""),
    ("Bash", "ls | grep x", ""),
    ("Bash", "docker exec web sh -c 'grep -rn foo /app'", ""),
    ("mcp__desktop-commander__start_process", "ssh box 'find / -name jdk'", ""),
    ("PowerShell", "Select-String foo *.cs", ""),
    ("PowerShell", "Get-ChildItem -Recurse -Filter x.cs", ""),
]
FOUND_SOMETHING = [
    ("Grep", {"pattern": "x"}, "a.py:1"),
    ("Grep", {"pattern": "x"}, "Found 3 files"),
    ("Bash", "grep -rn foo src", "src/a.py:1:foo"),
    ("Bash", "ls", ""),
    ("Bash", "touch x", ""),
    ("Bash", "find . -name x -delete", ""),
    ("Bash", "npm test && grep foo f", ""),
    ("Bash", "grep foo f > out", ""),
    ("Bash", "grep foo f", "Exit code 2\ngrep: f: cannot read"),
    ("Read", {"file_path": "f"}, ""),
    ("Bash", "mkdir out", "(Bash completed with no output)"),
]


@pytest.mark.parametrize(("tool", "given", "text"), FOUND_NOTHING)
def test_a_search_that_found_nothing(tool: str, given: object, text: str) -> None:
    assert found_nothing(tool, {"command": given} if isinstance(given, str) else given, text)


@pytest.mark.parametrize(("tool", "given", "text"), FOUND_SOMETHING)
def test_no_search_or_one_that_found_something(tool: str, given: object, text: str) -> None:
    assert not found_nothing(tool, {"command": given} if isinstance(given, str) else given, text)


@pytest.mark.parametrize(
    ("tool", "given", "shows"),
    [
        ("mcp__chrome-devtools__take_snapshot", {}, True),
        ("WebFetch", {"url": "http://x"}, True),
        ("Read", {"file_path": "/p/shot.png"}, True),
        ("Bash", {"command": "adb shell dumpsys window"}, True),
        ("Read", {"file_path": "/p/a.py"}, False),
        ("Grep", {"pattern": "x"}, False),
    ],
)
def test_what_may_show_what_a_click_did(tool: str, given: object, shows: bool) -> None:
    assert shows_page(tool, given) is shows


@pytest.mark.parametrize(
    "tool",
    [
        "mcp__playwright__browser_take_screenshot",
        "mcp__playwright__browser_snapshot",
        "mcp__playwright__browser_console_messages",
        "mcp__playwright__browser_tab_list",
        "mcp__puppeteer__puppeteer_screenshot",
        "mcp__mobile-mcp__mobile_take_screenshot",
        "mcp__mobile-mcp__mobile_list_elements_on_screen",
        "mcp__ios-simulator__ui_describe_all",
        "mcp__claude-in-chrome__tabs_context",
        "mcp__claude-in-chrome__get_page_text",
        "mcp__replicate__get_prediction",
        "mcp__video__get_render",
        "mcp__firecrawl__check_crawl",
        "mcp__db__get_migration",
        "mcp__sqs__receive_message",
    ],
)
def test_what_shows_a_page_or_a_screen_looks_at_what_changes_by_itself(tool: str) -> None:
    assert look_of(tool, {}) == LIVE


@pytest.mark.parametrize(
    "tool",
    [
        "mcp__playwright__browser_click",
        "mcp__playwright__browser_navigate",
        "mcp__playwright__browser_evaluate",
        "mcp__puppeteer__puppeteer_fill",
        "mcp__mobile-mcp__mobile_tap",
        "mcp__browser__browser",
        "mcp__slack__post_message",
        "mcp__gmail__modify_message",
        "mcp__slack__conversations_add_message",
        "mcp__search__index_docs",
    ],
)
def test_what_acts_on_a_page_is_no_look(tool: str) -> None:
    assert look_of(tool, {}) == NOTHING


def test_a_word_of_the_servers_name_that_reads_is_kept() -> None:
    assert look_of("mcp__search__search_docs", {}) == FILES


@pytest.mark.parametrize(
    ("tool", "may"),
    [("mcp__redis__llen", True), ("mcp__redis__set", False), ("mcp__ops__restart", False), ("Skill", False)],
)
def test_after_a_wait_a_tool_whose_name_does_not_say_that_it_acts_may_look(tool: str, may: bool) -> None:
    assert may_look(tool, {"key": "q"}) is may
