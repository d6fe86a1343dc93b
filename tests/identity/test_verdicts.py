"""What an output says where the exit code does not, and what two failures have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.breaker import failures
from circuit_breaker.identity import verdicts
from circuit_breaker.identity.attempts import attempt_of

SAID = [
    ("yarn build | tail", 'error Command "build" not found.', "failed"),
    ("yarn build | tail", "error Command is a type here", ""),
    ("python logq.py | head", "09:01 ERROR upstream timed out\n09:02 ERROR x\n13 rows", ""),
    ("java -jar a.jar | tail", "09:01:12 INFO up\n09:01:13 ERROR port is in use", "failed"),
    (
        "java -jar a.jar | tail",
        "09:01:13 ERROR it ended\njava.net.BindException: Address in use\n\tat a.B.c",
        "failed",
    ),
    ("npx jest | tail", "✓ a.c:2: error: is shown (3 ms)", ""),
    ("mkdir out; make | tail", "mkdir: cannot create directory 'out': File exists\ncc -o app a.c", ""),
    (
        "rm a.o; make | tail",
        "rm: cannot remove 'a.o': No such file or directory\nmake: *** [a.o] Error 1",
        "failed",
    ),
    ("source .env; make | tail", "bash: line 1: .env: No such file or directory\ncc -o app a.c", ""),
    ("nvm use 20; make | tail", "/bin/sh: 1: nvm: not found\ncc -o app a.c", ""),
    ("mkdir out | tail", "mkdir: cannot create directory 'out': File exists", "failed"),
    ("cd x; foo | tail", "bash: line 1: foo: command not found", "failed"),
    ("dotnet test | tail", "  Failed A.CartTests.Adds [12 ms]\n  Error Message:\n   Values differ", "failed"),
    (
        "dotnet test | tail",
        "Failed assertions are shown in red\nPassed!  - Failed: 0, Passed: 2",
        "succeeded",
    ),
    ("npx turbo run build | tail", " Tasks:    1 successful, 2 total", "failed"),
    ("npx turbo run build | tail", " Tasks:    2 successful, 2 total", "succeeded"),
    (
        "npx jest | tail",
        "Test Suites: 2 skipped, 8 passed, 8 of 10 total\nTests: 3 skipped, 9 passed, 12 total",
        "succeeded",
    ),
    ("./ci.sh | tail", "3 jobs passed, 1 job failed", "failed"),
    ("./ci.sh | tail", "3 jobs passed, 0 jobs failed", "succeeded"),
    ("./ci.sh | tail", "1 of 5 checks failed", "failed"),
    ("swift test | tail", "Executed 3 tests, with 1 failure (0 unexpected) in 0.04 (0.05) seconds", "failed"),
    (
        "swift test | tail",
        "Executed 3 tests, with 0 failures (0 unexpected) in 0.04 (0.05) seconds",
        "succeeded",
    ),
    ("msbuild a.sln | tail", "Build: 1 succeeded, 1 failed, 0 up-to-date, 0 skipped", "failed"),
    ("yarn install | tail", "➤ YN0000: · Failed with errors in 1s 200ms", "failed"),
    ("yarn install | tail", "➤ YN0000: └ Completed in 0s\n➤ YN0000: · Done in 1s 200ms", ""),
    (
        "adb install a.apk | tail",
        "adb: failed to install a.apk: Failure [INSTALL_FAILED_OLDER_SDK]",
        "failed",
    ),
    ("nginx -t | tail", "nginx: configuration file /etc/nginx/nginx.conf test failed", "failed"),
    (
        "gh pr create | cat",
        'a pull request for branch "x" into branch "main" already exists:\nhttps://h/1',
        "failed",
    ),
    ("./migrate.sh | tail", 'relation "orders" already exists, skipping', ""),
    ("flake8 src | tail", "./a.py:3:1: F821 undefined name", "failed"),
    ("make | tail", "a.c:3:5: note: declared here\n[100%] Built target app", ""),
    ("bash a.sh | tail", "a.sh: line 3: $1: unbound variable", "failed"),
    ("Rscript a.R | tail", "[ FAIL 0 | WARN 0 | SKIP 0 | PASS 12 ]", ""),
    (
        "vault write a b | tail",
        "Error writing data to secret/x: Error making API request.\n\n* denied",
        "failed",
    ),
    ("npx wdio run | tail", "Spec Files:\t 0 passed, 1 failed, 1 total (100% completed)", "failed"),
    ("./unit_tests | tail", "[doctest] test cases: 3 | 2 passed | 1 failed | 0 skipped", "failed"),
    ("./unit_tests | tail", "[doctest] test cases: 3 | 3 passed | 0 failed | 0 skipped", "succeeded"),
    ("maestro test a | tail", "[Failed] Login (5s) (Element not found)\n1/1 Flow Failed", "failed"),
    ("netlify build | tail", "Build script returned non-zero exit code: 2", "failed"),
    ("npx jest | tail", "  Error handling\n    ✓ is shown\nTests: 3 passed, 3 total", "succeeded"),
    ("go build ./... | tail", "# p\n./a.go:3:2: undefined: x", "failed"),
    ("go vet ./... | tail", "# p\nvet: ./a.go:3:2: undeclared name: x", "failed"),
    ("./server | tail", "2026/11/29 main.go:33: listening", ""),
    ("ruby a.rb | tail", "a.rb:3:in `x': undefined method `y' for nil (NoMethodError)", "failed"),
    ("php a.php | tail", "PHP Fatal error:  Uncaught Error: x", "failed"),
    ("psql -f x.sql | tail", 'psql:x.sql:3: ERROR:  relation "t" does not exist', "failed"),
    ("git merge x | tail", "CONFLICT (content): Merge conflict in a", "failed"),
    ("cmake .. | tail", "CMake Error at CMakeLists.txt:3 (find_package):", "failed"),
    ("dart analyze | tail", "error • a.dart:3:5 • Undefined name 'x'\n1 issue found.", "failed"),
    ("npx cypress run | tail", "  │ Passing:  3 │\n  │ Failing:  1 │", "failed"),
    ("npx cypress run | tail", "  │ Passing:  3 │\n  │ Failing:  0 │", "succeeded"),
    ("npx svelte-check | tail", "svelte-check found 3 errors and 0 warnings", "failed"),
    ("npx svelte-check | tail", "svelte-check found 0 errors and 0 warnings", "succeeded"),
    ("pre-commit run -a | tail", "ruff.....................Failed\n- hook id: ruff", "failed"),
    ("pre-commit run -a | tail", "ruff.....................Passed", ""),
    ("bazel test //... | tail", "//a:t   FAILED in 0.3s", "failed"),
    ("xcodebuild test | tail", "** TEST FAILED **", "failed"),
    ("xcodebuild | tail", "** BUILD SUCCEEDED **", ""),
    (
        "valgrind ./t 2>&1 | tail",
        "==4711== ERROR SUMMARY: 0 errors from 0 contexts (suppressed: 0)",
        "succeeded",
    ),
    ("valgrind ./t 2>&1 | tail", "==4711== ERROR SUMMARY: 3 errors from 2 contexts", "failed"),
    ("docker run x | tail", "docker: Error response from daemon: no such image", "failed"),
    (
        "docker build . | tail",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
        "failed",
    ),
    ("bun test | tail", " 3 pass\n 1 fail", "failed"),
    ("bun test | tail", " 3 pass\n 0 fail", "succeeded"),
    ("elixir a.exs | tail", "** (UndefinedFunctionError) function x is undefined", "failed"),
    ("Rscript a.R | tail", "Error in f() : object 'x' not found\nExecution halted", "failed"),
    ("curl -X POST x | cat", "curl: (28) Operation timed out", "failed"),
    ("ssh host make | tail", "ssh: connect to host host port 22: Connection refused", "failed"),
    ("tox | tail", "  py311: FAIL code 1 (1.2 seconds)", "failed"),
    ("pytest t.py | tail", "FAILED t.py::test_a - assert 1 == 2\n1 failed in 0.02s", "failed"),
    ("pytest t.py | tail -1", "========= 1 failed, 3 passed in 0.12s =========", "failed"),
    ("pytest t.py | tail -1", "========= 4 passed in 0.12s =========", "succeeded"),
    ("pytest t.py | tail -1", "4 passed, 1 warning in 0.1s", "succeeded"),
    (
        "pytest t.py -v | tail",
        "t.py::test_error PASSED\nt.py::test_failed PASSED\n2 passed in 0.1s",
        "succeeded",
    ),
    ("pytest t.py | tail", "E   assert 1 == 2", "failed"),
    ("pytest t.py || true", "Traceback (most recent call last):\n  x\nValueError: boom", "failed"),
    ("npm test | tail", "Tests:       1 failed, 3 passed, 4 total", "failed"),
    ("npm test | tail", "Tests:       4 passed, 4 total\nSnapshots: 0 total", "succeeded"),
    (
        "npx vitest run | tail",
        " Test Files  1 failed | 3 passed (4)\n      Tests  1 failed | 9 passed (10)",
        "failed",
    ),
    ("npx vitest run | tail", " Test Files  4 passed (4)\n      Tests  10 passed (10)", "succeeded"),
    ("npx mocha | tail", "  12 passing (20ms)\n  2 failing", "failed"),
    ("npx mocha | tail", "  Error handling\n    ✓ error: rejects\n  12 passing (20ms)", "succeeded"),
    ("go test ./... | tail", "--- FAIL: TestX (0.00s)\nFAIL\nFAIL\tpkg\t0.02s", "failed"),
    ("go test ./... | tail", "ok  \tpkg/a\t0.02s\nok  \tpkg/errors\t0.1s", "succeeded"),
    ("go test ./... | tail", "ok  \tpkg/a\t0.02s\nFAIL\tpkg/b\t0.1s\nFAIL", "failed"),
    ("cargo test | tail", "test result: FAILED. 3 passed; 1 failed; 0 ignored", "failed"),
    (
        "cargo test | tail",
        "test errors::failed_parse ... ok\ntest result: ok. 3 passed; 0 failed; 0 ignored",
        "succeeded",
    ),
    (
        "cargo build 2>&1 | tail",
        "error[E0425]: cannot find value `x`\nerror: could not compile `a` due to 1 previous error",
        "failed",
    ),
    (
        "cargo build 2>&1 | tail",
        "warning: unused\n    Finished dev [unoptimized] target(s) in 0.1s",
        "succeeded",
    ),
    ("make 2>&1 | tail", "b.c:2:8: error: 'x' undeclared\nmake: *** [Makefile:2: all] Error 1", "failed"),
    ("make 2>&1 | tail", "gcc -Wall -Werror -c error.c -o error.o\ngcc -o failed error.o", ""),
    ("make 2>&1 | tail", "cc -Werror -o x\n0 errors, 2 warnings", "succeeded"),
    ("gradle test | tail", "BUILD FAILED in 3s", "failed"),
    ("gradle test | tail", "BUILD SUCCESSFUL in 3s", "succeeded"),
    (
        "mvn test | tail",
        "[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 0\n[INFO] BUILD SUCCESS",
        "succeeded",
    ),
    (
        "mvn test | tail",
        "[ERROR] Tests run: 5, Failures: 1, Errors: 0, Skipped: 0\n[INFO] BUILD FAILURE",
        "failed",
    ),
    (
        "mvn test | tail -4",
        "[ERROR] TotalTest.adds:9 expected: <4> but was: <3>\n[INFO] BUILD FAILURE\n"
        "[INFO] Total time:  1.2 s\n[INFO] Finished at: 2026-11-29T19:20:21Z",
        "failed",
    ),
    ("mvn -q verify | tail -1", "[INFO] Finished at: 2026-11-29T19:20:21Z", ""),
    (
        "cargo run 2>&1 | tail",
        "    Finished `dev` profile [unoptimized] target(s) in 0.1s\n     Running `target/debug/a`\n"
        "thread 'main' panicked at src/main.rs:3:5:\nboom",
        "failed",
    ),
    (
        "npm ci && node a.js | tail",
        "up to date in 1s\nReferenceError: x is not defined\n    at a.js:3",
        "failed",
    ),
    ("git status && make | tail", "Your branch is up to date\nb.c:2:8: error: 'x' undeclared", "failed"),
    ("npx tsc | head", "src/a.ts(3,5): error TS2304: Cannot find name 'x'.", "failed"),
    (
        "npx tsc | head",
        "src/a.ts:3:5 - error TS2304: Cannot find name 'x'.\nFound 1 error in src/a.ts:3",
        "failed",
    ),
    ("npx tsc | head", "", ""),
    ("npx eslint . | tail", "✖ 3 problems (3 errors, 0 warnings)", "failed"),
    ("npx eslint . | tail", "✖ 3 problems (0 errors, 3 warnings)", "succeeded"),
    (
        "ansible-playbook a.yml | tail",
        "web1 : ok=3 changed=0 unreachable=0 failed=1 skipped=0 rescued=0",
        "failed",
    ),
    ("ansible-playbook a.yml | tail", "web1 : ok=0 changed=0 unreachable=1 failed=0 skipped=0", "failed"),
    ("ansible-playbook a.yml | tail", "web1 : ok=3 changed=1 unreachable=0 failed=0 skipped=0", "succeeded"),
    ("./a.out | tail", "Bus error (core dumped)", "failed"),
    ("./a.out | tail", "Illegal instruction", "failed"),
    ("./a.out | tail", "terminate called after throwing an instance of 'std::bad_alloc'", "failed"),
    ("./a.out | tail", "Assertion failed: (x > 0), function f, file a.c, line 3.", "failed"),
    ("cabal test | tail", "Test suite spec: FAIL\n0 of 1 test suites (0 of 1 test cases) passed.", "failed"),
    ("forge test | tail", "[FAIL: boom] testA() (gas: 1)", "failed"),
    ("sh a.sh | tail", 'a.sh: 3: Syntax error: "fi" unexpected', "failed"),
    ("perl a.pl | tail", 'syntax error at a.pl line 3, near "x"', "failed"),
    (
        "aws s3 sync a s3://b | tail",
        "upload failed: a/x An error occurred (AccessDenied) when calling",
        "failed",
    ),
    ("mypy . | tail -1", "Found 3 errors in 1 file (checked 5 source files)", "failed"),
    ("mypy . | tail -1", "Success: no issues found in 5 source files", "succeeded"),
    ("ruff check . | tail", "All checks passed!", "succeeded"),
    ("ruff check . | tail", "Found 2 errors.", "failed"),
    ("npm run build | tail", "npm ERR! code 1", "failed"),
    ("npm run build | tail", "npm error code ERESOLVE", "failed"),
    ("foo x; true", "bash: foo: command not found", "failed"),
    ("foo x; true", "/bin/bash: line 1: foo: command not found", "failed"),
    ("python t.py | tail", "python: can't open file 't.py': [Errno 2] No such file or directory", "failed"),
    ("python -m unittest 2>&1 | tail -3", "Ran 3 tests in 0.001s\n\nOK", "succeeded"),
    ("python -m unittest 2>&1 | tail -3", "Ran 3 tests in 0.001s\n\nFAILED (failures=1)", "failed"),
    (
        "python -m unittest -v 2>&1 | tail",
        "test_error (t.T) ... ok\nERROR_LOG is set\nRan 3 tests in 0.001s\n\nOK (skipped=1)",
        "succeeded",
    ),
    ("dotnet test | tail", "Failed!  - Failed:     1, Passed:    40, Skipped: 0", "failed"),
    ("dotnet test | tail", "Passed!  - Failed:     0, Passed:    41, Skipped: 0", "succeeded"),
    ("ctest | tail", "50% tests passed, 1 tests failed out of 2", "failed"),
    ("ctest | tail", "100% tests passed, 0 tests failed out of 2", "succeeded"),
    ("rspec | tail", "3 examples, 1 failure", "failed"),
    ("rspec | tail", "3 examples, 0 failures", "succeeded"),
    ("phpunit | tail", "FAILURES!\nTests: 3, Assertions: 3, Failures: 1.", "failed"),
    ("phpunit | tail", "OK (3 tests, 3 assertions)", "succeeded"),
    ("pytest t.py; echo $?", "....\n0", "succeeded"),
    ("pytest t.py; echo $?", "something\n1", "failed"),
    ("pytest t.py | tail -3; echo $?", "E   assert\n1 failed\n0", "failed"),
    ('pytest t.py >o 2>&1; echo "exit: $?"; tail -3 o', "exit: 1\nblah", "failed"),
    ('pytest t.py; rc=$?; echo "rc=$rc"', "blah\nrc=1", "failed"),
    ('pytest t.py; rc=$?; echo "rc=$rc"', "error: x is deprecated\nrc=0", "succeeded"),
    ("set -o pipefail; pytest t.py | tail; echo ${PIPESTATUS[0]}", "boo\n1", "failed"),
    ("pytest t.py > out 2>&1; tail out", "FAILED t.py::a - x\n1 failed in 2s", "failed"),
    ("pytest t.py; cat old.log", "Traceback (most recent call last):", ""),
    ("git commit -m x; cat notes.md", "error: x", ""),
    ("./deploy.sh | tail -1", "Deployed to prod", ""),
    ("./deploy.sh | tail -1", "errors: 0", "succeeded"),
    ("./deploy.sh | tail -1", "error: none", ""),
    ("./deploy.sh || true", "Error: no such host", "failed"),
    (
        "pip install x | tail -2",
        "ERROR: pip's dependency resolver does not\nSuccessfully installed x-1",
        "succeeded",
    ),
    ("pip install x | tail -2", "ERROR: Could not find a version that satisfies the requirement x", "failed"),
    ("docker build . 2>&1 | tail -3", "ERROR: failed to solve: process did not complete", "failed"),
    ("terraform apply || true", "╷\n│ Error: Invalid reference\n", "failed"),
    ("kubectl apply -f x.yaml || true", "Error from server (NotFound): x", "failed"),
    ("npx playwright test | tail", "  1 failed\n    [chromium] › a.spec.ts\n  3 passed (2s)", "failed"),
    ("npx playwright test | tail", "  3 passed (2s)", "succeeded"),
    ("npx jest | tail", "Test Suites: 1 failed, 1 total", "failed"),
    ("node --test | tail", "# tests 3\n# pass 2\n# fail 1", "failed"),
    ("java Foo || true", 'Exception in thread "main" java.lang.X', "failed"),
    ("bundle exec rspec; true", "rspec ./spec/a.rb:3 # x\n1 example, 1 failure", "failed"),
    ("npm start & sleep 3", "Server ready\nerror handler installed\n", ""),
    ("flutter test | tail", "00:03 +3 -1: Some tests failed.", "failed"),
    ("swift build 2>&1 | tail", "a.swift:3:5: error: cannot find x", "failed"),
    ("pytest t.py | grep -c FAILED", "3", ""),
    ("python run.py | tail", "loss: 0.3 error: 0.02", ""),
    ("python run.py | tail", "Error rate: 3%", ""),
    ("python run.py | tail", "Errors found in log parser: handled", ""),
    ("helm upgrade x . || true", "Error: UPGRADE FAILED: x", "failed"),
    ("pnpm lint | tail", " ELIFECYCLE  Command failed with exit code 1.", "failed"),
    ("yarn build | tail", "error Command failed with exit code 1.", "failed"),
    ("yarn build | tail", "Done in 3.2s.", ""),
    ("vite build | tail", "✓ built in 1.2s", "succeeded"),
    ("node --test | tail", "ℹ pass 2\nℹ fail 1", ""),
    ("npx vite build | tail", "x Build failed in 812ms\nerror during build:\nsrc/a.ts (4:9): no", "failed"),
    ("kubectl apply -f k8s | tail", 'The Deployment "api" is invalid: spec.x: Not found', "failed"),
    ("docker compose up -d | tail", "Error response from daemon: port is already allocated", "failed"),
    ("aws s3 cp a s3://b | tail", "An error occurred (AccessDenied) when calling PutObject", "failed"),
    ("sudo systemctl restart api | tail", "Job for api.service failed because the control process", "failed"),
    ("git rebase --continue | tail", "src/a.py: needs merge\nYou must edit all merge conflicts", "failed"),
    ("prove -l t | tail", "t/01.t .. ok\nFiles=1, Tests=4,  0 wallclock secs\nResult: FAIL", "failed"),
    ("npx eslint . | tail", "  12:7  error  'x' is never used  no-unused-vars", "failed"),
    ("stack test | tail", "proj> 2 examples, 1 failure", "failed"),
    ("docker compose run api | tail", "api-1  | ValueError: no DSN", "failed"),
    ("npx turbo test | tail", "web:test: FAIL src/a.test.ts", "failed"),
    ("pnpm -r test | tail", "packages/web test: FAIL src/a.test.ts", "failed"),
    ("bundle exec rubocop | tail", "3 files inspected, 1 offense detected", "failed"),
    ("bundle exec rubocop | tail", "3 files inspected, no offenses detected", "succeeded"),
    ("nim c a.nim | tail", "/p/a.nim(3, 5) Error: undeclared identifier: 'x'", "failed"),
    ("pod install | tail", "[!] CocoaPods could not find compatible versions", "failed"),
    ("composer install | tail", "Your requirements could not be resolved to a set of packages.", "failed"),
    ("poetry lock | tail", "Because x depends on y, version solving failed.", "failed"),
    ("docker push a/b | tail", "denied: requested access to the resource is denied", "failed"),
    ("gh pr merge 3 | tail", "X Pull request #3 is not mergeable: the base branch policy", "failed"),
    ("forge build | tail", "Compiler run failed:\nError (7576): Undeclared identifier.", "failed"),
    ("pdflatex a.tex | tail", "! LaTeX Error: File `x.sty' not found.", "failed"),
    ("git commit -m x | tail", "husky - pre-commit script failed (code 1)", "failed"),
    ("pio run | tail", "*** [.pio/build/a.o] Error 1", "failed"),
    ("robot tests | tail", "Login works        | FAIL |", "failed"),
    ("idf.py build | tail", "ninja failed with exit code 1, output is in the log", "failed"),
    ("./jobs.sh | tail", "job | state\na | FAILED once", ""),
]
SAID += [
    (
        "./check.sh; echo done",
        "=== invalid donation (blank name) ===\n422\n# unknown things\n- error: a list",
        "",
    ),
    (
        "node build.js | tail -4",
        "  code: 'MODULE_NOT_FOUND',\n  requireStack: []\n}\n\nNode.js v20.20.2",
        "failed",
    ),
    ("(cd a && pytest t.py) 2>&1 | tail -3", "FAILED t.py::test_a - x\n1 failed in 2s", "failed"),
    ("(pytest t.py) | cat", "4 passed in 2s", "succeeded"),
    ("find . -name 't.py' -exec pytest {} \\;", "1 failed, 3 passed in 0.1s", "failed"),
    ('script -qc "pytest t.py" /dev/null', "1 failed, 3 passed in 0.1s", "failed"),
]
FULL = (
    "Exit code 1\n============ test session starts ======\nplatform linux -- Python 3.11\ncollected 3 items\n\nt.py F..   [100%]\n\n"
    "=== FAILURES ===\n____ test_a ____\n\n    def test_a():\n>       assert 1 == 2\nE       assert 1 == 2\n\nt.py:3: AssertionError\n"
    "=== short test summary info ===\nFAILED t.py::test_a - assert 1 == 2\n=== 1 failed, 2 passed in 0.03s ==="
)
OTHER = FULL.replace("test_a", "test_b").replace("1 == 2", "3 == 4")
PAIRS = [
    ("pytest t.py", FULL, "pytest t.py | tail -1", "=== 1 failed, 2 passed in 0.05s ===", True),
    (
        "pytest t.py",
        FULL,
        "pytest t.py | tail -2",
        "FAILED t.py::test_a - assert 1 == 2\n=== 1 failed, 2 passed in 0.05s ===",
        True,
    ),
    (
        "pytest t.py",
        FULL,
        "pytest t.py -q",
        "Exit code 1\nF..\nE       assert 1 == 2\nFAILED t.py::test_a - assert 1 == 2\n1 failed, 2 passed in 0.03s",
        True,
    ),
    ("pytest t.py::test_a", FULL, "pytest t.py::test_b", OTHER, False),
    (
        "pytest t.py::test_a | tail -1",
        "1 failed in 0.02s",
        "pytest t.py::test_b | tail -1",
        "1 failed in 0.02s",
        False,
    ),
    ("pytest t.py | tail -1", "1 failed in 0.02s", "pytest t.py | tail -1", "1 failed in 0.03s", True),
    ("pytest t.py -k a", FULL, "pytest t.py -k b", OTHER, False),
    ("pytest t.py >/dev/null", "Exit code 1", "pytest -q t.py >/dev/null", "Exit code 1", True),
    ("pkg-config --exists gtk3", "Exit code 1", "pkg-config --exists gtk4", "Exit code 1", False),
    ("deploy --try 1", "Exit code 1", "deploy --try 2", "Exit code 1", True),
    (
        "deploy --try 1",
        "Exit code 1\ndeploy: try 1: connection refused",
        "deploy --try 2",
        "Exit code 1\ndeploy: try 2: connection refused",
        True,
    ),
    (
        "tool --foo",
        "Exit code 2\nerror: unknown option --foo",
        "tool --bar",
        "Exit code 2\nerror: unknown option --bar",
        True,
    ),
    (
        "tool --foo",
        "Exit code 2\nerror: unknown option `--foo`",
        "tool --bar=3",
        "Exit code 2\nerror: unknown option `--bar`",
        True,
    ),
    (
        "MODE=fast make",
        "Exit code 2\nerror: fast is broken",
        "MODE=slow make",
        "Exit code 2\nerror: slow is broken",
        False,
    ),
    ("tool a", "Exit code 2\nerror: disk full", "tool a", "Exit code 2\nerror: no network", False),
    (
        "foo x",
        "Exit code 127\n/bin/bash: line 1: foo: command not found",
        "foo x 2>&1 | tail",
        "/bin/bash: foo: command not found",
        True,
    ),
    (
        "foo x",
        "Exit code 127\n/bin/bash: line 1: foo: command not found",
        "zsh -c 'foo x'",
        "Exit code 127\nzsh: command not found: foo",
        True,
    ),
    (
        "foo x",
        "Exit code 127\n/bin/bash: line 1: foo: command not found",
        "timeout 5 foo x",
        "Exit code 127\ntimeout: failed to run command ‘foo’: No such file or directory",
        True,
    ),
    (
        "foo x",
        "Exit code 127\n/bin/bash: line 1: foo: command not found",
        "nice foo x",
        "Exit code 127\nnice: ‘foo’: No such file or directory",
        True,
    ),
    (
        "foo x",
        "Exit code 127\n/bin/bash: line 1: foo: command not found",
        "env foo x",
        "Exit code 127\nenv: ‘foo’: No such file or directory",
        True,
    ),
    (
        "foo x",
        "Exit code 127\n/bin/bash: line 1: foo: command not found",
        'bash -c "foo x"',
        "Exit code 127\nbash: line 1: foo: command not found",
        True,
    ),
    (
        "foo x",
        "Exit code 127\n/bin/bash: line 1: foo: command not found",
        'sh -c "foo x"',
        "Exit code 127\nsh: 1: foo: not found",
        True,
    ),
    (
        "make lint",
        "Exit code 2\na.py:12:5: F841 `x` is never used\nFound 1 error.\nmake: *** [Makefile:9: lint] Error 1",
        "make lint V=1 | head -2",
        "a.py:12:5: F841 `x` is never used\nFound 1 error.",
        True,
    ),
    (
        "gradle test --tests A",
        "Exit code 1\nATest > a FAILED\n\nFAILURE: Build failed with an exception.\n* What went wrong:\nExecution failed for task ':test'.\n> There were failing tests. See the report at: file:///p/build\nBUILD FAILED in 3s",
        "gradle test --tests B",
        "Exit code 1\nBTest > b FAILED\n\nFAILURE: Build failed with an exception.\n* What went wrong:\nExecution failed for task ':test'.\n> There were failing tests. See the report at: file:///p/build\nBUILD FAILED in 3s",
        False,
    ),
    (
        "make",
        "Exit code 2\nb.c:2:8: error: 'x' undeclared\nmake: *** [Makefile:2: all] Error 1",
        "make",
        "Exit code 2\nc.c:2:8: error: 'y' undeclared\nmake: *** [Makefile:2: all] Error 1",
        False,
    ),
    (
        "make",
        "Exit code 2\nb.c:2:8: error: 'x' undeclared\nmake: *** [Makefile:2: all] Error 1",
        "make 2>&1 | tail -1",
        "make: *** [Makefile:2: all] Error 1",
        True,
    ),
    (
        "pytest t.py 2>&1 | grep -A3 test_a",
        "____ test_a ____\nE   assert 1 == 2",
        "pytest t.py 2>&1 | grep -A3 test_b",
        "____ test_b ____\nE   assert 3 == 4",
        False,
    ),
    (
        "jest a.test.js -t x",
        "Exit code 1\nFAIL a.test.js\n  ● A › x\n\n    expect(received).toBe(expected)\nTests: 1 failed, 3 skipped",
        "jest a.test.js -t y",
        "Exit code 1\nFAIL a.test.js\n  ● A › y\n\n    expect(received).toBe(expected)\nTests: 1 failed, 3 skipped",
        False,
    ),
    (
        "go test ./a -run TestX",
        "Exit code 1\n--- FAIL: TestX (0.00s)\n    a_test.go:3: bad\nFAIL\nFAIL\tp/a\t0.002s\nFAIL",
        "go test ./a -run TestY",
        "Exit code 1\n--- FAIL: TestY (0.00s)\n    a_test.go:9: bad\nFAIL\nFAIL\tp/a\t0.003s\nFAIL",
        False,
    ),
    (
        "go test ./a",
        "Exit code 1\n--- FAIL: TestX (0.00s)\n    a_test.go:3: bad\nFAIL\nFAIL\tp/a\t0.002s\nFAIL",
        "go test -v ./a",
        "Exit code 1\n=== RUN   TestX\n    a_test.go:3: bad\n--- FAIL: TestX (0.01s)\nFAIL\nFAIL\tp/a\t0.003s\nFAIL",
        True,
    ),
    (
        "./check.sh",
        "Exit code 1\nChecking...\ngate a shut",
        "./check.sh",
        "Exit code 1\nChecking...\ngate b shut",
        False,
    ),
    (
        "python t.py",
        "Exit code 1\nTraceback (most recent call last):\n  File \"/p/t.py\", line 3, in <module>\nModuleNotFoundError: No module named 'foo'",
        "python3 ./t.py 2>&1 | tail -1",
        "ModuleNotFoundError: No module named 'foo'",
        True,
    ),
    (
        "python t.py",
        "Exit code 1\nTraceback (most recent call last):\n  File \"/p/t.py\", line 3, in <module>\nModuleNotFoundError: No module named 'foo'",
        "python t.py",
        "Exit code 1\nTraceback (most recent call last):\n  File \"/p/t.py\", line 4, in <module>\nModuleNotFoundError: No module named 'bar'",
        False,
    ),
    (
        "xcodebuild -scheme A build",
        "Exit code 65\n/p/A/C.swift:14:9: error: cannot find 'foo' in scope\n** BUILD FAILED **",
        "xcodebuild -scheme A build | xcpretty",
        "❌  /p/A/C.swift:14:9: cannot find 'foo' in scope",
        True,
    ),
    (
        "ATTEMPT=1 ./run.sh",
        "Exit code 1\nattempt 1 failed: no route",
        "ATTEMPT=2 ./run.sh",
        "Exit code 1\nattempt 2 failed: no route",
        True,
    ),
    (
        "cargo test a_",
        "Exit code 101\ntest a_x ... FAILED\nthread 'a_x' panicked at src/lib.rs:3:5:\ntest result: FAILED. 0 passed; 1 failed\nerror: test failed, to rerun pass `--lib`",
        "cargo test a_",
        "Exit code 101\ntest a_y ... FAILED\nthread 'a_y' panicked at src/lib.rs:9:5:\ntest result: FAILED. 0 passed; 1 failed\nerror: test failed, to rerun pass `--lib`",
        False,
    ),
]


def is_shared(lines: list[str], known: list[str]) -> bool:
    """Do a failure's lines and those of earlier ones have one in common? Weak ones count where either side has no other."""
    strong = {line for line in lines if line[:1] != verdicts.WEAK}
    before = {line for line in known if line[:1] != verdicts.WEAK}
    return not strong.isdisjoint(before) if strong and before else not set(lines).isdisjoint(known)


def attempt(command):
    return attempt_of("Bash", {"command": command}, "/p")


@pytest.mark.parametrize(("command", "text", "said"), SAID)
def test_the_output_says_how_it_ended(command, text, said):
    assert verdicts.verdict(attempt(command), text) == said


@pytest.mark.parametrize("form", [*verdicts._FORMS, *verdicts._INNER])
def test_every_form_of_failure_is_hinted_at(form):
    assert failures.hints_at_failure(form)


@pytest.mark.parametrize(
    "text", [text for command, text, said in SAID if said == "failed" and "$" not in command]
)
def test_every_output_that_says_failure_hints_at_it(text):
    assert failures.hints_at_failure(text)


@pytest.mark.parametrize("text", ["Traceback (most recent call last):", "1 failed", ""])
def test_an_exit_code_that_is_not_hidden_decides(text):
    assert verdicts.verdict(attempt("pytest t.py"), text) == verdicts.SUCCEEDED


@pytest.mark.parametrize(("one", "its_text", "other", "other_text", "expected"), PAIRS)
def test_two_failures_share_an_error_line_or_do_not(one, its_text, other, other_text, expected):
    first = verdicts.shared_lines(attempt(one), its_text)
    second = verdicts.shared_lines(attempt(other), other_text)
    assert is_shared(second, first) is expected


def test_a_large_failure_is_compared_by_a_few_lines_of_either_end():
    text = "\n".join(f"error: file {i} is broken" for i in range(5000))
    lines = verdicts.shared_lines(attempt("make"), text)
    assert len(lines) <= 2 * verdicts.LINES_MAX
    assert is_shared(verdicts.shared_lines(attempt("make | tail -1"), text.rpartition("\n")[2]), lines)


def test_of_many_short_lines_those_at_either_end_are_read():
    lines = [f"line {i}" for i in range(2000)]
    for at in (0, 499, 1500, 1999):
        told = [*lines[:at], "error: bad thing in a.c", *lines[at + 1 :]]
        assert verdicts.verdict(attempt("make | tee log"), "\n".join(told)) == verdicts.FAILED
    told = [*lines[:1000], "error: bad thing in a.c", *lines[1001:]]
    assert verdicts.verdict(attempt("make | tee log"), "\n".join(told)) == verdicts.UNKNOWN


@given(
    st.text("aE: 0failedr'=-\n\x1b[(", max_size=80),
    st.sampled_from(["pytest t.py | tail", "x || true", "x --a b"]),
)
def test_any_output_is_read_without_a_fault(text, command):
    verdicts.verdict(attempt(command), text)
    assert is_shared(
        verdicts.shared_lines(attempt(command), text), verdicts.shared_lines(attempt(command), text)
    )


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\u3000"])
def test_line_of_blanks_in_a_frame_says_nothing(blank):
    attempt = attempt_of("Bash", {"command": "make | tee log"}, "/p")
    output = f"│{blank}│\nerror: bad thing in a.c"
    assert verdicts.verdict(attempt, output) == verdicts.FAILED
    assert verdicts.shared_lines(attempt, output)
