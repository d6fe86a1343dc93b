"""The command line as a whole: what it says to a wrong Python, a wrong verb, a reader who leaves."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plugin.people import plugin

ROOT = Path(__file__).resolve().parents[2]


def unfit_pythons() -> list[str]:
    """Interpreters on this machine that the plugin does not run on: older ones from 3.6, PyPy."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(path) for minor in "678" for path in versions.glob(f"3.{minor}.*/bin/python3")]
    return found + [path for path in [shutil.which("pypy3")] if path]


@pytest.mark.parametrize("verb", ["install", "status", "doctor"])
def test_a_python_that_cannot_run_it_says_so_in_one_line(person, verb):
    pythons = unfit_pythons()
    if not pythons:
        pytest.skip("no Python below 3.9 and no PyPy on this machine")
    for python in pythons:
        done = subprocess.run(
            [python, str(ROOT / "plugin"), verb], capture_output=True, text=True, env=person.env, check=False
        )
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("circuit-breaker needs CPython 3.9 or later; ")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "meant"), [("statsu", "status"), ("instal", "install"), ("unistall", "uninstall")]
)
def test_a_misspelt_verb_gets_the_nearest_one(person, given, meant):
    done = plugin(person, given)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"there is no verb {given!r}. Did you mean `{meant}`?" in done.stderr


def test_a_verb_that_resembles_none_gets_the_way_to_the_list(person):
    done = plugin(person, "xyzzy")
    assert done.returncode == 2
    assert "help` lists them" in done.stderr


def test_help_and_version(person):
    version = json.loads((ROOT / "plugin.json").read_text())["version"]
    assert plugin(person, "--version").stdout == f"circuit-breaker {version}\n"
    listed = plugin(person, "help").stdout
    assert plugin(person, "--help").stdout == listed
    for verb in ("status", "doctor", "install", "completion"):
        assert re.search(rf"^ +{verb}\b", listed, re.MULTILINE)
    assert "--dry-run" in plugin(person, "help", "install").stdout
    assert plugin(person, "help", "xyzzy").returncode == 2


@pytest.mark.parametrize(
    "words",
    [["status", "--circuit", "none"], ["restore", "nothing"], ["replay", "/nowhere"], ["report", "nobody"]],
)
def test_what_cannot_be_done_is_a_sentence_and_with_json_an_object_too(person, words):
    done = plugin(person, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{words[0]}: ") and len(done.stderr.splitlines()) == 1
    if words[0] != "report":
        said = json.loads(plugin(person, *words, "--json").stdout)
        assert said == {"schema": 1, "ok": False, "problem": done.stderr.partition(": ")[2].strip()}


def test_what_the_system_refuses_is_a_sentence_and_with_json_an_object_too(person):
    done = plugin(person, "sweep", "--json", HOME="relative")
    assert done.returncode == 1
    problem = json.loads(done.stdout)["problem"]
    assert "HOME" in problem and done.stderr == f"sweep: {problem}. Fix that, then try again.\n"


@pytest.mark.parametrize("verb", [["--help"], ["help", "status"], ["completion", "bash"], ["doctor"]])
def test_a_reader_who_leaves_sees_no_traceback(person, verb):
    line = f'{sys.executable} -I -S "{ROOT}/plugin" {" ".join(verb)} | true'
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, env=person.env, cwd=person.project, check=False
    )
    assert done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this machine")
@pytest.mark.parametrize("verb", [["--help"], ["status"], ["incidents", "--json"], []])
@pytest.mark.parametrize("to", ["> /dev/full", ">&-", ">&- 2>&-", "2>&-"])
def test_output_that_cannot_be_written_is_no_traceback(person, verb, to):
    line = f'{sys.executable} -I -S "{ROOT}/plugin" {" ".join(verb)} {to}'
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, env=person.env, cwd=person.project, check=False
    )
    assert "Traceback" not in done.stderr and "Errno" not in done.stderr
    assert done.returncode in (0, 1, 2)
    if "full" in to and verb:
        assert done.returncode == 1
        assert done.stderr == f"{verb[0]}: no space left on device. Fix that, then try again.\n"


def test_what_does_not_fit_into_memory_is_no_traceback(person):
    person.state.mkdir(mode=0o700)
    with (person.state / "circuit_breaker_incidents.jsonl").open("wb") as log:
        log.truncate(1 << 29)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "plugin"), "incidents"],
        capture_output=True,
        text=True,
        env={**person.env, "CIRCUIT_BREAKER_HOME": str(person.state)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28)),
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("incidents: not enough memory. ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("lost", ["plugin/operate.py", "lib/circuit_breaker/runtime/home.py"])
def test_a_copy_that_lacks_a_file_says_so_without_a_traceback(person, lost):
    person.install()
    (person.root / lost).unlink()
    done = plugin(person, "status", source=person.root)
    assert done.returncode == 1
    assert done.stderr.startswith("status: this copy of the plugin is incomplete (")
    assert done.stderr.endswith("Get a fresh copy and run its `install`.\n")
    assert len(done.stderr.splitlines()) == 1


def test_the_installed_command_goes_by_its_own_name_whatever_it_says(person, monkeypatch):
    monkeypatch.setenv("PATH", f"{person.home}/.local/bin:{os.environ['PATH']}")
    person.install()

    def says(*words):
        env = {**person.env, "PATH": os.environ["PATH"]}
        done = subprocess.run(
            ["circuit-breaker", *words],
            capture_output=True,
            text=True,
            env=env,
            cwd=person.project,
            check=False,
        )
        return done.stdout + done.stderr

    assert says("--help").startswith("usage: circuit-breaker [")
    assert says("xyzzy").startswith("circuit-breaker: there is no verb 'xyzzy'. `circuit-breaker help` ")
    old = person.home / ".claude" / "debug" / "x.txt"
    old.parent.mkdir()
    old.write_text("x")
    os.utime(old, (1, 1))
    assert "\n  circuit-breaker clean --apply\n" in says("clean")
    assert says("clean", "--apply").endswith("To get files back: circuit-breaker restore --list\n")
    assert says("restore", "--list").endswith("To restore one: circuit-breaker restore NAME\n")
    home = Path(json.loads(says("status", "--json"))["home"])
    home.mkdir(parents=True)
    (home / "old_telemetry.jsonl").write_text("{}\n" * 2000)
    assert says("sweep").endswith("To get a file back: circuit-breaker restore --list.\n")


def completed(shell: str, person, *words: str) -> list[str]:
    """What a shell offers after `circuit-breaker WORDS`, the last of which is being typed."""
    script = plugin(person, "completion", shell).stdout
    if shell == "fish":
        asked = f"complete -C 'circuit-breaker {' '.join(words)}'"
    else:
        quoted = " ".join(f"'{word}'" for word in ("circuit-breaker", *words))
        asked = "emulate ksh; " if shell == "zsh" else ""
        asked += f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _circuit_breaker; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run([shell, "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    offered = [line.split("\t")[0] for line in done.stdout.split("\n") if line]
    return sorted(
        word for word in offered if word.startswith(words[-1])
    )  # zsh leaves that to its own matching


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_verbs_options_and_choices(person, shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    assert completed(shell, person, "sta") == ["status"]
    assert "--purge" in completed(shell, person, "uninstall", "--")
    assert completed(shell, person, "mode", "ob") == ["observe"]


@pytest.mark.parametrize("verb", ["status", "install", "config", "doctor"])
def test_a_folder_that_was_removed_under_you_is_named_as_such(tmp_path, verb):
    action = ["path"] if verb == "config" else []
    line = f'mkdir "$0/gone" && cd "$0/gone" && rmdir "$0/gone" && exec {sys.executable} {ROOT}/plugin {" ".join([verb, *action])}'
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(["sh", "-c", line, tmp_path], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"{verb}: this folder no longer exists. Fix that, then try again.\n"
