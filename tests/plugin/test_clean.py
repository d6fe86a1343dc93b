"""`clean` on a made-up folder of Claude Code: what it shows, what goes, what stays, and the way back."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from claude_folder import ALONE, DAY, GOES, OLD, OTHER, PROJECT, YOUNG, build, files_of, put, snapshot

ROOT = Path(__file__).resolve().parents[2]


class Machine:
    """A folder of Claude Code, and `python3 plugin VERB` beside it."""

    def __init__(self, base: Path) -> None:
        self.folder, self.runtime = build(base), base / "breaker"
        (base / "project").mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(base),
            "CLAUDE_CONFIG_DIR": str(self.folder),
            "CIRCUIT_BREAKER_HOME": str(self.runtime),
            "CLAUDE_PROJECT_DIR": str(base / "project"),
        }

    def __call__(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "plugin"), *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, **more)

    def json(self, *arguments: str, code: int = 0) -> Any:
        done = self(*arguments, "--json")
        assert done.returncode == code, done.stderr
        document = json.loads(done.stdout)
        assert document["schema"] == 1
        return document

    def archives(self) -> list[Path]:
        return sorted((self.runtime / "archives" / "claude").glob("*.tar.gz"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_dry_run_changes_no_byte_and_no_time_and_names_the_command(machine: Machine) -> None:
    before = snapshot(machine.folder), {p: p.lstat().st_mtime_ns for p in machine.folder.rglob("*")}
    done = machine("clean", "--older-than", "40d")
    assert done.returncode == 0
    assert (snapshot(machine.folder), {p: p.lstat().st_mtime_ns for p in machine.folder.rglob("*")}) == before
    assert not machine.runtime.exists()
    assert f"python3 {ROOT / 'plugin'} clean --older-than 40d --apply" in done.stdout
    for text in (
        "Nothing was changed",
        "transcripts",
        "after 30 days",
        "plugin-caches",
        "14 days after an update",
        "something-new",
    ):
        assert text in done.stdout


def test_apply_archives_what_is_old_and_leaves_everything_else(machine: Machine) -> None:
    before, outside = snapshot(machine.folder), snapshot(machine.folder.parent / "outside")
    wanted = machine.json("clean")
    done = machine.json("clean", "--apply")
    after = snapshot(machine.folder)
    assert {name for name in before if name not in after and len(before[name]) == 3} == set(GOES)
    assert {name: before[name] for name in after} == after
    assert snapshot(machine.folder.parent / "outside") == outside
    went = sum(len(before[name][0]) for name in GOES)  # type: ignore[arg-type]
    assert wanted["goes_bytes"] == went
    assert done["freed"] == went - sum(path.stat().st_size for path in machine.archives())
    assert {path.name.split(".")[0] for path in machine.archives()} == {row["kind"] for row in done["kinds"]}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in machine.archives())
    assert not [
        path
        for path in (machine.runtime / "archives/claude").iterdir()
        if path.suffix in (".tmp", ".removing")
    ]
    assert machine.json("clean", "--apply")["kinds"] == []


def test_folders_that_are_empty_now_go_and_come_back(machine: Machine) -> None:
    machine("clean", "--apply")
    session = machine.folder / f"projects/{PROJECT}/{OLD}"
    assert not session.exists()
    assert not (machine.folder / f"file-history/{OLD}").exists()
    assert (machine.folder / "debug").is_dir()


def test_everything_comes_back_with_bytes_modes_and_times(machine: Machine) -> None:
    session = machine.folder / f"projects/{PROJECT}/{OLD}"
    session.chmod(0o750)
    for path in sorted(session.rglob("*"), reverse=True):
        if path.is_dir():
            os.utime(path, ns=(1_700_000_000_111_111_111, 1_700_000_000_222_222_222))
    before = snapshot(machine.folder)
    machine("clean", "--apply")
    for path in machine.archives():
        done = machine("restore", path.name)
        assert done.returncode == 0, done.stderr
    assert snapshot(machine.folder) == before
    assert (session / "subagents").stat().st_mtime_ns == 1_700_000_000_222_222_222
    assert len(machine.archives()) == 9  # they are kept


def test_one_session_or_one_file_comes_back_alone(machine: Machine) -> None:
    machine("clean", "--apply", "--kind", "transcripts")
    (archive,) = machine.archives()
    before = files_of(machine.folder)
    assert machine("restore", archive.name, f"projects/-home-me-other/{OTHER}.jsonl").returncode == 0
    assert files_of(machine.folder) - before == {f"projects/-home-me-other/{OTHER}.jsonl"}
    done = machine("restore", archive.name, OLD)
    assert done.returncode == 0
    assert files_of(machine.folder) - before == {
        n for n in GOES if n.startswith("projects/") and "agent-0a" not in n
    }
    assert "removes files that were last written more than 30 days ago" in done.stdout
    done = machine("restore", archive.name, "projects/nothing")
    assert done.returncode == 1
    assert f"restore {archive.name} --list" in done.stderr


def test_restore_never_writes_over_a_file(machine: Machine) -> None:
    machine("clean", "--apply", "--kind", "debug-logs")
    (archive,) = machine.archives()
    there = put(machine.folder, f"debug/{OLD}.txt", 0, "new")
    done = machine("restore", archive.name)
    assert done.returncode == 1
    assert "already there, left as they are" in done.stderr
    assert there.read_text() == "new"
    there.unlink()
    there.symlink_to(machine.folder.parent / "nowhere")
    assert machine("restore", archive.name).returncode == 1
    assert not (machine.folder.parent / "nowhere").exists()


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "-x", "a\nb", "\u202etxt", os.fsdecode(b"\xff\xfe")])
def test_file_of_any_name_comes_back(machine: Machine, name: str) -> None:
    put(machine.folder, f"file-history/{OLD}/{name}", 60, "odd")
    before = snapshot(machine.folder)
    machine("clean", "--apply", "--kind", "file-history")
    assert snapshot(machine.folder) != before
    (archive,) = machine.archives()
    done = machine("restore", archive.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert snapshot(machine.folder) == before


def test_restore_follows_no_link_out_of_the_folder_and_goes_on_with_the_other_files(
    machine: Machine, tmp_path: Path
) -> None:
    last = f"file-history/{OLD[:-1]}f/a@v1"
    put(machine.folder, last, 60)
    machine("clean", "--apply", "--kind", "file-history")
    (archive,) = machine.archives()
    (tmp_path / "elsewhere").mkdir()
    (machine.folder / f"file-history/{OLD}").symlink_to(tmp_path / "elsewhere")
    done = machine("restore", archive.name)
    assert done.returncode == 1
    assert done.stdout.startswith("Restored 1 file (")
    assert "could not be restored: " in done.stderr and "Traceback" not in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (machine.folder / last).exists()


def test_archives_are_listed_with_size_date_kind_and_content(machine: Machine) -> None:
    machine("clean", "--apply", "--kind", "transcripts", "debug")
    rows = machine.json("restore", "--list")["archives"]
    assert [
        (row["kind"], row["files"], row["file"]) for row in sorted(rows, key=lambda row: row["kind"])
    ] == [
        ("debug-logs", 1, str(machine.folder)),
        ("transcripts", 7, str(machine.folder)),
    ]
    said = machine("restore", "--list").stdout
    assert (
        f"transcripts.{rows[1]['put_away']}.tar.gz  {time.strftime('%Y-%m-%d')}, 7 files, " in said
        or "7 files" in said
    )
    name = next(row["archive"] for row in rows if row["kind"] == "transcripts")
    listed = machine("restore", name, "--list").stdout
    assert f"projects/{PROJECT}/{OLD}.jsonl" in listed
    assert len(listed.splitlines()) == 7


def test_archive_is_a_tar_file_that_other_programs_read(machine: Machine, tmp_path: Path) -> None:
    before = snapshot(machine.folder)
    machine("clean", "--apply", "--kind", "transcripts")
    (archive,) = machine.archives()
    with tarfile.open(archive) as tar:
        names = {member.name for member in tar if member.isfile()}
    assert names == {n for n in GOES if n.startswith("projects/") and "agent-0a" not in n}
    if shutil.which("tar"):
        (tmp_path / "there").mkdir()
        subprocess.run(["tar", "-xpzf", archive, "-C", tmp_path / "there"], check=True)
        for name in names:
            assert (tmp_path / "there" / name).read_bytes() == before[name][0]
            assert (tmp_path / "there" / name).stat().st_mtime_ns == before[name][2]


def test_only_the_kinds_that_are_named_go(machine: Machine) -> None:
    before = files_of(machine.folder)
    machine("clean", "--apply", "--kind", "tool results", "--kind", "debug-logs")
    assert before - files_of(machine.folder) == {
        f"projects/{PROJECT}/{OLD}/tool-results/b1.txt",
        f"debug/{OLD}.txt",
    }


def test_project_limits_it_to_the_sessions_of_one_project(machine: Machine) -> None:
    before = files_of(machine.folder)
    machine("clean", "--apply", "--project", "/home/me/other")
    assert before - files_of(machine.folder) == {f"projects/-home-me-other/{OTHER}.jsonl"}
    machine("clean", "--apply", "--project", "/home/me/shop")
    gone = before - files_of(machine.folder)
    assert gone == {
        name for name in GOES if not name.startswith(("shell-snapshots", "paste-cache", "backups", "plugins"))
    }


def test_project_without_sessions_is_a_clear_error(machine: Machine) -> None:
    done = machine("clean", "--apply", "--project", "/home/me/nowhere")
    assert done.returncode == 1
    assert "no session of /home/me/nowhere" in done.stderr
    assert set(GOES) <= files_of(machine.folder)


def test_older_than_is_obeyed_to_the_day(machine: Machine) -> None:
    before = files_of(machine.folder)
    machine("clean", "--apply", "--older-than", "65d")
    assert before - files_of(machine.folder) == {
        f"projects/{PROJECT}/agent-0a1b2c3d.jsonl",
        "backups/.claude.json.backup.1",
    }
    machine("clean", "--apply", "--older-than", "1h")
    assert f"projects/{PROJECT}/{YOUNG}.jsonl" not in files_of(machine.folder)  # two days old
    assert f"projects/{PROJECT}/{ALONE}.jsonl" in files_of(machine.folder)  # its session was written to today


def test_max_total_takes_the_oldest_until_the_rest_fits(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    shutil.rmtree(machine.folder)
    for days in range(31, 41):
        put(machine.folder, f"debug/{days}.txt", days, "x" * 10_000)
    put(machine.folder, "debug/young.txt", 3, "x" * 10_000)
    left = 6 * 10_000
    facts = machine.json("clean", "--kind", "debug-logs", "--max-total", str(left))
    assert facts["goes_bytes"] == 5 * 10_000
    assert machine("clean", "--kind", "debug-logs", "--max-total", str(left), "--apply").returncode == 0
    assert files_of(machine.folder) == {f"debug/{days}.txt" for days in range(31, 36)} | {"debug/young.txt"}
    said = machine("clean", "--kind", "debug-logs", "--max-total", "5kb").stdout
    assert "9.8 KB would remain, more than 5.0 KB" in said


def test_delete_needs_the_kind_and_asks_for_it(machine: Machine) -> None:
    before = snapshot(machine.folder)
    done = machine("clean", "--delete", "--yes")
    assert (done.returncode, "--delete needs --kind" in done.stderr) == (2, True)
    done = machine("clean", "--delete", "--kind", "debug-logs", input="debug-logs\n")
    assert (done.returncode, "add --yes" in done.stderr) == (2, True)
    done = machine("clean", "--delete", "--apply", "--kind", "debug-logs", "--yes")
    assert done.returncode == 2
    assert snapshot(machine.folder) == before
    done = machine("clean", "--delete", "--kind", "debug-logs", "--yes")
    assert done.returncode == 0
    assert set(before) - set(snapshot(machine.folder)) == {f"debug/{OLD}.txt"}
    assert machine.archives() == []


@pytest.mark.parametrize(("typed", "gone"), [("debug-logs", True), ("yes", False), ("", False)])
def test_at_a_terminal_the_kind_has_to_be_typed(machine: Machine, typed: str, gone: bool) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, str(ROOT / "plugin"), "clean", "--delete", "--kind", "debug", "--json"]
    process = subprocess.Popen(
        command, env=machine.env, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.write(ours, f"{typed}\n".encode())
    out, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert "Type debug-logs to delete 1 file" in err
    assert json.loads(out)["schema"] == 1
    assert (f"debug/{OLD}.txt" not in files_of(machine.folder)) is gone
    assert process.returncode == (0 if gone else 1), err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--kind", "everything"),
        ("--kind", "s-t"),
        ("--older-than", "soon"),
        ("--older-than", "-3d"),
        ("--max-total", "much"),
        ("--max-total", "-1"),
    ],
)
def test_wrong_usage_is_exit_2_and_says_what_is_right(machine: Machine, arguments: tuple[str, ...]) -> None:
    before = snapshot(machine.folder)
    done = machine("clean", "--apply", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert snapshot(machine.folder) == before


def test_folder_that_is_not_there_is_a_clear_error(machine: Machine, tmp_path: Path) -> None:
    machine.env["CLAUDE_CONFIG_DIR"] = str(tmp_path / "nowhere")
    done = machine("clean")
    assert done.returncode == 1
    assert "CLAUDE_CONFIG_DIR" in done.stderr


def test_folder_that_is_a_link_itself_is_followed_and_links_in_it_are_not(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "linked").symlink_to(machine.folder)
    machine.env["CLAUDE_CONFIG_DIR"] = str(tmp_path / "linked")
    shutil.move(str(machine.folder / "debug"), tmp_path / "moved")
    (machine.folder / "debug").symlink_to(tmp_path / "moved")
    done = machine("clean", "--apply")
    assert done.returncode == 0
    assert f"projects/{PROJECT}/{OLD}.jsonl" not in files_of(machine.folder)
    assert (tmp_path / "moved" / f"{OLD}.txt").exists()
    assert "debug is a link: not followed" in machine("clean").stdout


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_open_sessions_stay(machine: Machine) -> None:
    working, held = str(uuid.uuid4()), str(uuid.uuid4())  # of this test alone: others look at the same /proc
    named = {f"projects/{PROJECT}/{working}.jsonl", f"file-history/{working}/a@v1", f"debug/{working}.txt"}
    for name in (*named, f"projects/-home-me-other/{held}.jsonl"):
        put(machine.folder, name, 60)
    sleeper = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    env = {**os.environ, "CLAUDE_CODE_SESSION_ID": working}
    with (machine.folder / f"projects/-home-me-other/{held}.jsonl").open("rb") as file:
        process = subprocess.Popen(sleeper, stdin=subprocess.PIPE, env=env)
        holder = subprocess.Popen(sleeper, stdin=subprocess.PIPE, pass_fds=(file.fileno(),))
    try:
        machine("clean", "--apply")
        left = files_of(machine.folder)
        assert {*named, f"projects/-home-me-other/{held}.jsonl"} <= left
        assert not set(GOES) & left
        assert "in use by a running process" in machine("clean").stdout
    finally:
        for one in (process, holder):
            one.communicate()
    machine("clean", "--apply")
    assert not [name for name in files_of(machine.folder) if working in name or held in name]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_process_with_an_empty_session_id_keeps_nothing(machine: Machine) -> None:
    sleeper = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    env = {**os.environ, "CLAUDE_CODE_SESSION_ID": ""}
    with subprocess.Popen(sleeper, stdin=subprocess.PIPE, env=env):
        machine("clean", "--apply", "--kind", "shell-snapshots")
    assert "shell-snapshots/snapshot-bash-1-a.sh" not in files_of(machine.folder)


def test_session_that_claude_code_says_is_running_stays(machine: Machine) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    started = (time.time() - 100 * DAY) * 1000
    entry = {"pid": process.pid, "sessionId": OLD, "startedAt": started}
    put(machine.folder, f"sessions/{process.pid}.json", 0, json.dumps(entry))
    machine("clean", "--apply")
    left = files_of(machine.folder)
    process.communicate()
    assert {name for name in GOES if OLD in name} <= left
    assert "shell-snapshots/snapshot-bash-1-a.sh" in left  # that session may use it
    assert "plugins/cache/market/tool/1.0.0/index.js" in left  # and this
    machine("clean", "--apply")
    assert not set(GOES) & files_of(machine.folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user_stay(machine: Machine) -> None:
    foreign = [f"projects/{PROJECT}/{OLD}/tool-results/b1.txt", "paste-cache/0123456789abcdef.txt"]
    for name in foreign:
        os.chown(machine.folder / name, 65534, 65534)
    machine("clean", "--apply")
    left = files_of(machine.folder)
    assert set(foreign) <= left
    assert f"projects/{PROJECT}/{OLD}.jsonl" in left  # a session goes or stays as a whole
    assert f"debug/{OLD}.txt" not in left


def test_two_at_once_do_not_meet(machine: Machine) -> None:
    from circuit_breaker.runtime import files

    (machine.runtime / "archives/claude").mkdir(parents=True, mode=0o700)
    for path in (machine.runtime, machine.runtime / "archives"):
        path.chmod(0o700)
    with files.Lock(f"{machine.runtime}/archives/claude/.clean.lock"):
        done = machine("clean", "--apply")
    assert done.returncode == 1
    assert "another `clean` is running" in done.stderr
    assert set(GOES) <= files_of(machine.folder)


def test_damaged_archive_restores_nothing_and_says_so(machine: Machine) -> None:
    machine("clean", "--apply", "--kind", "transcripts")
    (archive,) = machine.archives()
    whole, left = archive.read_bytes(), files_of(machine.folder)
    for data in (
        whole[:-20],
        whole[: len(whole) // 2],
        b"",
        gzip.compress(b"no tar"),
        whole[:-200] + b"\0" * 200,
    ):
        archive.write_bytes(data)
        done = machine("restore", archive.name)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert files_of(machine.folder) == left


def test_names_that_are_no_text_go_and_come_back(machine: Machine) -> None:
    name = os.fsdecode(b"debug/\xff\xfe old\n.txt")
    put(machine.folder, name, 60, "text")
    machine("clean", "--apply", "--kind", "debug-logs")
    assert name not in files_of(machine.folder)
    (archive,) = machine.archives()
    assert machine("restore", archive.name).returncode == 0
    assert (machine.folder / name).read_text() == "text"
