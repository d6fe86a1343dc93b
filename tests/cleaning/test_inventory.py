"""The survey of Claude Code's folder: each file in its kind, nothing read, nothing changed, no link followed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from claude_folder import ALONE, DAY, GOES, OLD, OTHER, PROJECT, STAYS, YOUNG, build, files_of, put

from circuit_breaker.cleaning import claude_code, inventory

ROOT = Path(__file__).resolve().parents[2]


def survey(folder: Path) -> inventory.Inventory:
    return inventory.survey(str(folder), claude_code.installed_versions(str(folder)), lambda seen: None)


def test_every_file_is_counted_once(tmp_path: Path) -> None:
    folder = build(tmp_path)
    rows = survey(folder).by_kind()
    files = [folder / name for name in files_of(folder)]
    assert sum(row.files for row in rows.values()) == len(files)
    assert sum(row.bytes for row in rows.values()) == sum(path.stat().st_size for path in files)


def test_units_are_files_folders_and_sessions(tmp_path: Path) -> None:
    found = {unit.path: unit for unit in survey(build(tmp_path)).units.values() if not unit.stays}
    old = found[f"projects/{PROJECT}/{OLD}"]
    assert set(old.parts) == {
        f"projects/{PROJECT}/{OLD}.jsonl",
        f"projects/{PROJECT}/{OLD}.precompact.json",
        f"projects/{PROJECT}/{OLD}",
    }
    assert (old.kind, old.files, old.session, old.project) == ("transcripts", 3, OLD, PROJECT)
    kinds = {path: unit.kind for path, unit in found.items()}
    assert kinds[f"projects/{PROJECT}/{OLD}/subagents"] == "subagent-transcripts"
    assert kinds[f"projects/{PROJECT}/{OLD}/tool-results"] == "tool-results"
    assert kinds[f"projects/{PROJECT}/agent-0a1b2c3d.jsonl"] == "subagent-transcripts"
    assert kinds[f"projects/-home-me-other/{OTHER}"] == "transcripts"
    assert kinds[f"file-history/{OLD}"] == "file-history"
    assert kinds[f"tasks/{OLD}"] == kinds[f"todos/{OLD}-agent-{OLD}.json"] == "todos"
    assert kinds["plugins/cache/market/tool/1.0.0"] == "plugin-caches"
    assert "plugins/cache/market/tool/2.0.0" not in kinds
    assert "backups/.claude.json.backup.2" not in kinds
    assert found[f"projects/{PROJECT}/{ALONE}"].parts == [f"projects/{PROJECT}/{ALONE}.jsonl"]
    assert not [path for path in kinds if path.startswith(("plans", "settings", "projects/-linked"))]


def test_session_is_as_new_as_the_newest_of_it(tmp_path: Path) -> None:
    folder = build(tmp_path)
    put(folder, f"projects/{PROJECT}/{OLD}/subagents/deep/agent-b.jsonl", 3)
    old = next(unit for unit in survey(folder).units.values() if unit.path == f"projects/{PROJECT}/{OLD}")
    assert round((time.time() - old.newest) / DAY) == 3


def test_what_is_in_no_kind_is_only_measured(tmp_path: Path) -> None:
    found = survey(build(tmp_path))
    assert {
        "something-new",
        "plans",
        "project memory",
        "plugin data",
        "prompt history",
        "settings and the like",
    } <= {unit.kind for unit in found.units.values() if not unit.path}
    units = {unit.path for unit in found.units.values() if unit.path}
    for name in STAYS:
        if name.startswith(("something-new", "plans", "skills", "settings")):
            assert name not in units


def test_transcript_whose_name_is_no_session_is_only_measured(tmp_path: Path) -> None:
    folder = build(tmp_path)
    before = survey(folder).by_kind()
    put(folder, f"projects/{PROJECT}/{'x' * 36}.jsonl", 60)
    put(folder, "projects/notes.txt", 60)
    found = survey(folder)
    assert not [path for path in found.units if "xxx" in path]
    counts = {kind: whole.files - before[kind].files for kind, whole in found.by_kind().items()}
    assert {kind: count for kind, count in counts.items() if count} == {"other files of projects": 2}


def test_without_a_list_of_installed_plugins_no_version_is_old(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "plugins/installed_plugins.json").write_text("{torn")
    caches = [unit for unit in survey(folder).units.values() if unit.path and unit.kind == "plugin-caches"]
    assert {unit.stays for unit in caches} == {"what is installed is not known"}


def test_folder_that_cannot_be_listed_is_said_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(tmp_path)
    whole = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("/debug"):
            raise PermissionError(13, "Permission denied", path)
        return whole(path)

    monkeypatch.setattr(inventory.os, "scandir", refuse)
    found = survey(folder)
    assert found.unreadable == ["debug: Permission denied"]
    assert "transcripts" in found.by_kind()


LOOKS = """
import sys
sys.path[:0] = [{plugin!r}, {lib!r}]
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
sys.argv = [{plugin!r}, "clean"]
place = {plugin!r} + "/__main__.py"
spec = {{"__name__": "verbs", "__file__": place}}
exec(compile(open(place).read(), place, "exec"), spec)
spec["main"]()
print("\\n".join(path for path in opened if path.startswith({folder!r})), file=sys.stderr)
"""


def test_survey_opens_no_file_but_settings_and_lists_of_what_runs_and_is_installed(tmp_path: Path) -> None:
    folder = build(tmp_path)
    script = LOOKS.format(plugin=str(ROOT / "plugin"), lib=str(ROOT / "lib"), folder=str(folder))
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    opened = {path[len(str(folder)) + 1 :] for path in done.stderr.splitlines()}
    assert opened <= {"settings.json", "plugins/installed_plugins.json"}
    assert "transcripts" in done.stdout


def test_young_session_is_there_too(tmp_path: Path) -> None:
    found = {unit.path for unit in survey(build(tmp_path)).units.values()}
    assert f"projects/{PROJECT}/{YOUNG}" in found
    assert len(GOES) > 15


@pytest.mark.parametrize("target", ["loop", "nowhere", "n" * 300, "/etc/passwd/x"])
def test_link_that_leads_nowhere_stops_no_survey(tmp_path: Path, target: str) -> None:
    folder = build(tmp_path)
    before = survey(folder)
    (folder / "debug" / "loop").symlink_to(target)
    after = survey(folder)
    assert (after.links, after.unreadable, after.units.keys()) == (before.links, [], before.units.keys())
