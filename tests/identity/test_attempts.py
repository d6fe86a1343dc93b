"""The family of a shell line: what it tries to do, whatever its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.identity.attempts import attempt_of

WAYS = [
    "pytest t.py",
    "pytest -x t.py",
    "pytest -x ./t.py 2>&1 | tail -7; echo $?",
    'time python -m pytest "t.py"',
    "python -m pytest t.py",
    "python3 -m pytest t.py -v",
    "python3.11 -m pytest -q t.py",
    "/usr/bin/pytest t.py",
    "./pytest t.py",
    ".venv/bin/pytest t.py",
    "/p/.venv/bin/python -m pytest t.py",
    "npx pytest t.py",
    "uv run pytest t.py",
    "uv run python -m pytest t.py",
    "poetry run pytest t.py",
    "poetry run python -m pytest -x t.py",
    "pipenv run pytest t.py",
    "hatch run pytest t.py",
    "uvx pytest t.py",
    "conda activate env && pytest t.py",
    "dotenvx run -- pytest t.py",
    "op run -- pytest t.py",
    "bash <<EOF\npytest t.py\nEOF",
    "cat <<'EOF' | bash -e\npytest t.py\nEOF",
    "echo 'pytest t.py' | bash -s -",
    "pytest 't.py'",
    "pytest ./t.py",
    "pytest /p/t.py",
    "pytest ../p/t.py",
    "pytest t.py::test_a",
    "pytest t.py::TestX::test_a",
    'pytest "t.py::test_a[1-2]"',
    "pytest t.py -k test_a",
    'pytest -k "a or b" t.py',
    "pytest t.py --tb=short",
    "pytest --tb short t.py",
    "pytest t.py --maxfail 1",
    "pytest t.py --maxfail=1",
    "pytest t.py -n 4",
    "pytest -n auto t.py",
    "pytest -p no:cacheprovider t.py",
    "pytest t.py -o addopts=",
    'pytest -o addopts="" t.py',
    "pytest t.py -rA",
    "pytest t.py -vv -s",
    "pytest t.py --color=no",
    "pytest t.py --durations=5",
    "pytest t.py -W error",
    "pytest t.py | tail -5",
    "pytest t.py 2>&1 | tail -20",
    "pytest t.py |& tail",
    "pytest t.py | head -50",
    'pytest t.py | grep -E "FAILED|error"',
    "pytest t.py 2>&1 | tee out.log",
    "pytest t.py > out.txt 2>&1; tail out.txt",
    "pytest t.py > out.txt 2>&1 || cat out.txt",
    "pytest t.py &> out.txt; cat out.txt",
    "pytest t.py >out.txt 2>&1 || tail -n 5 out.txt",
    "pytest t.py || true",
    "pytest t.py || :",
    "pytest t.py; true",
    "pytest t.py; echo $?",
    'pytest t.py; echo "exit: $?"',
    "pytest t.py && echo ok || echo failed",
    "pytest t.py; exit 0",
    "set -e; pytest t.py",
    "set -euo pipefail; pytest t.py | tail",
    "set -x; pytest t.py",
    "timeout 60 pytest t.py",
    "timeout -k 5 60s pytest t.py",
    "timeout --signal=KILL 60 pytest t.py",
    "nice pytest t.py",
    "nice -n 10 pytest t.py",
    "taskset -c 0 pytest t.py",
    "flock -w 9 /tmp/lock pytest t.py",
    "flock /tmp/lock -c 'pytest t.py'",
    "flock /tmp/lock pytest -c t.cfg t.py",
    "strace -f -o /dev/null pytest t.py",
    "xvfb-run -a pytest t.py",
    "nohup pytest t.py",
    "time pytest t.py",
    "/usr/bin/time -v pytest t.py",
    "env pytest t.py",
    "env A=1 B=2 pytest t.py",
    "env -i PATH=$PATH pytest t.py",
    "A=1 pytest t.py",
    "PYTHONPATH=. pytest t.py",
    "PYTHONPATH=src:. python -m pytest t.py",
    "export A=1; pytest t.py",
    "export A=1 && pytest t.py",
    "ATTEMPT=3 pytest t.py",
    'echo "attempt 3"; pytest t.py',
    "echo attempt 3 && pytest t.py",
    ": attempt 3; pytest t.py",
    "printf 'try %d\\n' 3; pytest t.py",
    "date; pytest t.py",
    "date && pytest t.py; date",
    "sleep 1; pytest t.py",
    "sleep 2 && pytest t.py",
    "cd /p && pytest t.py",
    "cd . && pytest t.py",
    "cd /p; pytest t.py",
    "(cd /p && pytest t.py)",
    "(pytest t.py)",
    "{ pytest t.py; }",
    "{ pytest t.py; } 2>&1 | tail -3",
    "( pytest t.py ) || true",
    'bash -c "pytest t.py"',
    "bash -c 'pytest t.py'",
    'bash -lc "cd /p && pytest t.py"',
    'sh -c "pytest t.py"',
    'bash -c "pytest t.py; true"',
    'eval "pytest t.py"',
    "eval pytest t.py",
    "exec pytest t.py",
    "command pytest t.py",
    "echo t.py | xargs pytest",
    "printf '%s\\n' t.py | xargs pytest -q",
    "ls t.py | xargs -n1 pytest",
    "find . -name t.py | xargs pytest",
    "find . -name t.py -exec pytest {} +",
    "find . -name 't.py' -exec pytest {} \\;",
    "stdbuf -oL pytest t.py",
    "unbuffer pytest t.py",
    'script -qc "pytest t.py" /dev/null',
    "coverage run -m pytest t.py",
    "python -m coverage run -m pytest t.py",
    "python -W error -m pytest t.py",
    "python -X dev -m pytest t.py",
    "python -u -m pytest t.py",
    "pytest t.py # again",
    "# try 3\npytest  t.py",
    "pytest\\\n t.py",
    "git status; pytest t.py",
    "ls && pytest t.py",
    "cat t.py; pytest t.py",
    "pwd; ls -la; pytest t.py",
    "mkdir -p out && pytest t.py",
    "rm -rf .pytest_cache; pytest t.py",
    "source .venv/bin/activate && pytest t.py",
    ". .venv/bin/activate; pytest t.py",
    "if pytest t.py; then echo ok; else echo no; fi",
    "if ! pytest t.py; then echo no; fi",
    "pytest t.py && echo PASS",
    "pytest t.py 2>/dev/null",
    "pytest t.py >/dev/null 2>&1; echo $?",
    'out=$(pytest t.py); echo "$out"',
    'OUT=$(pytest t.py 2>&1); echo "$OUT" | tail -5',
    'echo "$(pytest t.py)"',
    "for i in 1 2 3; do pytest t.py; done",
    "for i in 1; do pytest t.py && break; sleep 1; done",
    "while ! pytest t.py; do sleep 1; done",
    "until pytest t.py; do sleep 1; done",
    "py.test t.py",
    "sudo pytest t.py",
    "sudo -u x pytest t.py",
    "pytest -- t.py",
    "pytest t.py --",
    "pytest t.py -x -q --no-header --disable-warnings",
    "pytest --rootdir=. t.py",
    "pytest --rootdir . t.py",
    "pytest -c /dev/null t.py",
    "pytest t.py t.py",
    "pytest t.py --lf",
    "pytest t.py --log-cli-level=DEBUG",
    "pytest t.py --log-cli-level DEBUG",
    "pytest t.py -ra --showlocals",
    'pytest -m "not slow" t.py',
    "pytest t.py 2>&1 | sed -n 1,40p",
    "pytest t.py 2>&1 | awk '/FAIL/'",
    'pytest t.py 2>&1 | python3 -c "import sys; print(sys.stdin.read())"',
    "nice -5 timeout 30 python -m pytest t.py 2>&1 | tail -3 || true",
    "PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 -m pytest -q t.py",
    'pytest t.py; rc=$?; echo "rc=$rc"',
    'pytest "$PWD/t.py"',
    "pytest $(pwd)/t.py",
    "CI=1 pytest t.py &",
    "pytest t.py & wait",
    "uv run --with pytest pytest t.py",
    "uv run -q pytest t.py",
    "conda run -n env pytest t.py",
]
ONE = [  # lines of one attempt each
    ["eslint src", "eslint -f compact src", "npx eslint src --format unix"],
    ["rspec a_spec.rb", "rspec -f d a_spec.rb", "rspec a_spec.rb -fd"],
    ["npx vitest run a", "npx vitest --run a", "npx vitest a --run -u"],
    [
        "psql -c 'create table a(id int)'",
        "psql -d shop <<EOF\ncreate table a(id int);\nEOF",
        "psql <<'SQL' 2>&1 | tail -5\ncreate table a(id int)\nSQL",
        "echo 'create table a(id int)' | psql",
    ],
    ["python3 -c 'print(x)'", "python3 - <<EOF\nprint(x)\nEOF", "cat <<'PY' | python3\nprint(x)\nPY"],
    ["ssh h 'make x'", "ssh -T h <<EOF\nmake x\nEOF", "ssh h bash -s <<'E'\nmake x\nE"],
    [
        "docker compose exec web pytest t.py",
        "docker compose run --rm -e A=1 web pytest t.py",
        "docker compose --profile dev exec -T web python -m pytest t.py",
    ],
    [
        "xcodebuild -scheme App build",
        "xcodebuild -scheme App -sdk iphonesimulator -derivedDataPath /tmp/d build",
    ],
    [
        "curl -X POST http://h/a -d 1",
        "curl -i -H 'Accept: text/html' -w '%{http_code}/' -X POST http://h/a -d 1",
    ],
    ["rspec a_spec.rb", "rbenv exec bundle exec rspec a_spec.rb"],
    [
        "npm install foo",
        "npm i foo",
        "npm install --legacy-peer-deps foo",
        "npm add foo",
        "npm i --verbose foo",
    ],
    ["cargo test", "cargo t", "cargo +nightly test"],
    ["docker build .", "docker buildx build .", "docker build --no-cache ."],
    [
        "ssh host 'make run'",
        "ssh -v host make run",
        'ssh host "make run 2>&1"',
        "ssh -o A=b host 'make run | tail'",
    ],
    ["docker exec web npm test", "docker exec -it web npm test", "docker exec web sh -c 'npm test'"],
    ["apt-get install -y foo", "sudo apt install foo"],
    ["git commit -m a", "git commit -am a", "git commit --no-verify -m b"],
    ["git push origin main", "git push --no-verify origin main"],
    ["curl -X POST x.io/a", "curl -sX POST http://x.io/a", "curl -fsSX POST x.io/a"],
    ["pip install foo", "uv pip install foo", "pip install --break-system-packages foo"],
    ["vendor/bin/phpunit", "php vendor/bin/phpunit", "phpunit"],
    ["pnpm prisma migrate dev", "npx prisma migrate dev", "yes | npx prisma migrate dev"],
    ["pio run -t upload", "platformio run --target upload", "pio run -t upload --upload-port /dev/ttyUSB0"],
    ["make -f a.mk", "make --file a.mk", "make --file=a.mk"],
    ["latexmk -pdf a.tex", "latexmk -pdf -f a.tex", "latexmk -g a.tex"],
    ["make test", "make -k test"],
    ["docker compose up -d", "docker-compose up -d", "docker compose up --force-recreate -d"],
    [
        "npm test",
        "npm t",
        "npm run test",
        "npm test --silent",
        "npm test -- --verbose",
        "CI=1 npm test",
        "cd /p && npm test",
    ],
    [
        "./gradlew test",
        "gradle test",
        "./gradlew test --info",
        "/p/gradlew test",
        "./gradlew test --tests Foo",
        "gradle -q test",
    ],
    [
        "python t.py",
        "python3 t.py",
        "./t.py",
        "/p/t.py",
        "python -u ./t.py",
        "timeout 10 python3 t.py | tail",
        "uv run t.py",
    ],
    ["./run.sh", "bash run.sh", "sh ./run.sh", "/p/run.sh", "bash -x run.sh", "chmod +x run.sh && ./run.sh"],
    [
        "go test ./...",
        "go test -v ./...",
        "go test -run TestX ./...",
        "go test -count=1 ./...",
        "go test -timeout 30s ./...",
    ],
    [
        "cargo test",
        "cargo test --release",
        "cargo test -q",
        "RUST_BACKTRACE=1 cargo test",
        "cargo test -- --nocapture",
    ],
    ["mvn test", "mvn -q test", "mvn -X test", "./mvnw test", "mvn -B -o test", "mvn test -Dtest=Foo"],
    ["make", "make -j4", "make -j 4", "make V=1", "make 2>&1 | grep error"],
    [
        "jest a.test.js",
        "npx jest a.test.js",
        "./node_modules/.bin/jest a.test.js",
        "pnpm exec jest a.test.js -t foo",
    ],
    ["tsc", "npx tsc", "npx tsc --noEmit", "npx -p typescript tsc", "tsc --noEmit | head"],
    [
        "docker build .",
        "docker build -t a .",
        "docker build --no-cache .",
        "docker build --progress=plain . 2>&1 | tail -5",
    ],
    ["deploy", "deploy --try 1", "deploy --try 2", "deploy --try=3"],
    ["git push", "git push --force", "git push -f", "git push --no-verify"],
    [
        "git push origin main",
        "git push -u origin main",
        "git push --force-with-lease origin HEAD:main",
        "git -C /p push",
    ],
    ["pip install foo", "pip install --user foo", "pip3 install --upgrade foo -q"],
    [
        "helm upgrade -i api ./c",
        "helm upgrade --install api c/ --set a.b=x",
        "helm upgrade --install --atomic api c -f values.yaml",
    ],
    ["docker build .", "docker build -f Dockerfile .", "docker build -f ./Dockerfile --pull ."],
    ["docker compose exec web make", "docker-compose exec -T web make", "docker exec shop-web-1 make"],
    ["npm run build", "pnpm build", "yarn build", "bun run build", "rm -rf dist && npm run build"],
    ["apt install foo", "sudo apt-get update && sudo apt-get install -y foo"],
    ["mvn test", "mvn clean test", "mvn -q clean && mvn test"],
    ["make", "make clean && make"],
    ["cargo test", "cargo clean && cargo test", "cargo test parse -- --nocapture"],
    ["xcodebuild -scheme A build", "xcrun xcodebuild -scheme A clean build"],
    ["sbt test", "sbt clean test"],
    ["bazel build //a:b", "bazelisk build //a:b"],
    ["dune build", "opam exec -- dune build"],
    ["prove t/a.t", "prove -v t/a.t"],
    ["rustc a.rs", "rustc -g a.rs", "arch -arm64 rustc a.rs"],
    ["ansible-playbook site.yml", "ansible-playbook -v site.yml"],
    ["eslint .", "npx eslint@9", "eslint . --ext .ts"],
    ["pulumi up", "pulumi up --stack dev"],
    ["zig build test", "zig build test --summary all"],
]
OTHERS = [  # lines of which each is another attempt
    ["python3 - <<E | tail\na()\nE", "python3 - <<E | tail\nb()\nE"],
    ["bash <<E\nmake a\nE", "bash <<E\nmake b\nE", "bash make.sh <<E\nmake b\nE"],
    ["echo a | psql -f x.sql", "echo a | psql"],
    ["docker compose run web pytest t.py", "docker compose run api pytest t.py"],
    ["ssh a make", "ssh b make", "make", "ssh a 'make x'", "docker exec a make", "docker exec b make"],
    ["curl -X POST x.io/a", "curl -X POST x.io/b", "curl -X POST y.io/a"],
    ["npm --prefix b install", "npm --prefix c install", "npm install", "npm install b"],
    ["cargo build", "cargo test", "cargo run"],
    [
        "npm test",
        "npm run build",
        "npm test -w a",
        "npm test -w b",
        "cd a && npm test",
        "npm --prefix b test",
        "npm run test:unit",
    ],
    ["pytest a.py", "pytest b.py", "pytest", "pytest tests/", "pytest tests/a.py a.py"],
    ["pip install a", "pip install b", "pip install -r r.txt", "pip install -e ."],
    ["cargo test -p a", "cargo test -p b", "cargo test", "cargo build"],
    [
        'python -c "import a"',
        'python -c "import b"',
        "python a.py",
        "python - <<E\na\nE",
        "python - <<E\nb\nE",
    ],
    [
        "docker compose up db",
        "docker compose up web",
        "docker build -t x a",
        "docker build -t x b",
        "docker build -f D -t x a",
    ],
    ["make", "make test", "make -C a", "make -C b"],
    ["go test ./a", "go test ./b", "go test ./...", "go build ./..."],
    ["./a.sh", "./b.sh", "sub/a.sh", "bash sub/c.sh"],
    ["git push", "git commit -m x", "git pull", "git rebase main"],
    ['psql -c "call one()"', 'psql -c "call two()"', "psql <<E\ncall three()\nE"],
    ["make clean", "make", "git clean -fd", "cargo clean"],
    ["docker exec a-web-1 make", "docker exec a-db-1 make"],
    ["mvn -pl a test", "mvn -pl b test", "mvn test", "mvn package"],
    ["gradle :a:test", "gradle :b:test"],
    ["rustc -g a.rs", "rustc -g b.rs"],
    ["pio run", "pio run -t upload", "pio run -t clean"],
    ["eslint .", "cd a && eslint ."],
    ["pdm run test", "hatch run test", "bundle exec test"],  # a script of the project, not the shell's `test`
]
POWERSHELL = [
    "dotnet test", "dotnet test --nologo", "dotnet test | Select-Object -Last 20", "dotnet test 2>&1 | Out-String",
    "$env:A = '1'; dotnet test", "cd C:\\p; dotnet test", "& dotnet.exe test", "dotnet test; echo $LASTEXITCODE",
    "dotnet test --filter Foo", "dotnet test -v q", "Write-Host 'try 3'; dotnet test", "Start-Sleep 2; dotnet test",
    "$out = dotnet test; $out", "try { dotnet test } catch { Write-Host $_ }", "cmd /c 'dotnet test'",
    "dotnet test *> out.txt; Get-Content out.txt -Tail 5", "powershell -Command 'dotnet test'",
    "& .venv\\Scripts\\Activate.ps1; dotnet test", 'iex "dotnet test"',
]  # fmt: skip
LOOKS = [
    "ls", "cat a | grep b", "echo hi", "sleep 5", "cd x", "git status", "curl http://x", "find . -name x", "sleep 3; gh pr checks 3",
    "python --version", "test -f x", "export A=1", "grep -c x y || echo no",
]  # fmt: skip


def key(command, cwd="/p", tool="Bash"):
    found = attempt_of(tool, {"command": command}, cwd)
    return found and found.key


@pytest.mark.parametrize("command", WAYS)
def test_it_is_one_way_to_run_the_same_tests(command):
    assert key(command) == key("pytest t.py")


@pytest.mark.parametrize("lines", ONE, ids=lambda lines: lines[0])
def test_these_are_one_attempt(lines):
    assert {key(line) for line in lines} == {key(lines[0])}


@pytest.mark.parametrize("lines", OTHERS, ids=lambda lines: lines[0])
def test_each_of_these_is_another_attempt(lines):
    assert len({key(line) for line in lines} - {None}) == len(lines)


@pytest.mark.parametrize("command", POWERSHELL)
def test_powershell_has_its_own_ways(command):
    assert key(command, "C:\\p", "PowerShell") == key("dotnet test", "C:/p", "PowerShell")


@pytest.mark.parametrize("command", LOOKS)
def test_what_only_looks_is_no_attempt(command):
    assert key(command) is None


@pytest.mark.parametrize(
    ("command", "edits"),
    [
        ("sed -i s/a/b/ t.py && pytest t.py", True),
        ("cat > t.py <<E\nx\nE\npytest t.py", True),
        ("echo x >> t.py; pytest t.py", True),
        ("cp new.py t.py && pytest t.py", True),
        ("git apply fix.patch && pytest t.py", True),
        ("pytest t.py > out.txt; tail out.txt", False),
        ("mkdir -p out; pytest t.py | tee out/log", False),
    ],
)
def test_a_line_that_edits_and_runs_is_the_run_with_an_edit(command, edits):
    found = attempt_of("Bash", {"command": command}, "/p")
    assert (found.key, bool(found.edits)) == (key("pytest t.py"), edits)


@pytest.mark.parametrize(
    ("command", "hidden"),
    [
        ("pytest t.py", False),
        ("cd x && pytest t.py", False),
        ("ls; pytest t.py", False),
        ("pytest t.py && echo ok", False),
        ("pytest t.py;", False),
        ("pytest t.py | tail", True),
        ("pytest t.py || true", True),
        ("pytest t.py; echo done", True),
        ("pytest t.py\necho done", True),
        ("pytest t.py &", True),
        ("echo $(pytest t.py)", True),
        ("bash -c 'pytest t.py; true'", True),
        ("bash -c 'pytest t.py' | tail", True),
        ("(pytest t.py) | tail", True),
        ("if pytest t.py; then echo a; fi", True),
        ("! pytest t.py", True),
    ],
)
def test_an_exit_code_is_hidden_by_what_comes_after(command, hidden):
    assert attempt_of("Bash", {"command": command}, "/p").hidden is hidden


@pytest.mark.parametrize(
    ("command", "shows"),
    [
        ("ssh h 'make x' > o.log 2>&1; tail -5 o.log", False),
        ("bash -c 'make x' > o.log; cat o.log", False),
        ("make x 2>&1 | tee o.log > /dev/null; tail o.log", False),
        ("make x > o.log; tail other.log", True),
        ("make x 2>&1 | tee o.log; cat notes.txt", True),
    ],
)
def test_a_line_that_prints_what_its_attempt_wrote_shows_no_other_file(command, shows):
    assert attempt_of("Bash", {"command": command}, "/p").shows is shows


def test_the_label_names_the_program_and_what_it_is_given_and_no_secret():
    def label(command):
        return attempt_of("Bash", {"command": command}, "/p").label("Bash")

    assert label("time python -m pytest './t.py' -x | tail") == "Bash pytest t.py (any form)"
    assert label("npm run test") == "Bash npm test (any form)"
    assert label("python3 src/run.py --token=abc") == "Bash python run.py (any form)"
    assert "s3cr3t" not in label("deploy s3cr3tTok3nValue99 --password s3cr3t")


@given(st.text("ab -/'\"`$(){}[]&|;<>=\\\n:.0", max_size=60), st.sampled_from(["Bash", "PowerShell"]))
def test_any_line_is_read_without_a_fault(text, tool):
    found = attempt_of(tool, {"command": text}, "/p")
    assert found is None or found.label(tool)


@pytest.mark.parametrize("line", ["python3 -m --help", "python -m -v -x", "python3 -m"])
def test_module_that_is_not_named_is_no_fault(line):
    assert attempt_of("Bash", {"command": line}, "/p") is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pytest -k api.v2", "pytest -k api.v2 -x"),
        ("npx jest -t 'adds. Twice'", "npx jest -t 'adds. Twice' --verbose"),
    ],
)
def test_selector_with_a_dot_at_the_end_is_no_operand(one, other):
    keys = {attempt_of("Bash", {"command": line}, "/p").key for line in (one, other)}
    assert len(keys) == 1
