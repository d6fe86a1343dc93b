"""The laws of the settings document, and of the text that holds it."""

from __future__ import annotations

import copy
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from install import jsontext, settings
from plugin.settings_documents import NASTY, OURS, REFUSED, documents, laid_out, styles


def decode(name):
    return jsontext.decode_text(NASTY[name])[1]


@given(documents())
def test_merging_twice_is_merging_once(document):
    once = settings.with_ours(document, OURS).document
    twice = settings.with_ours(once, OURS)
    assert twice.document == once
    assert twice.made == []


@given(documents())
def test_removing_what_was_merged_gives_the_document_back_with_its_order(document):
    before = copy.deepcopy(document)
    merged = settings.with_ours(document, OURS)
    assert document == before, "merge changed its argument"
    back = settings.without_ours(merged.document, merged.made)
    assert json.dumps(back) == json.dumps(before)


@given(documents())
def test_every_line_of_ours_stands_there_exactly_once_and_everybody_elses_still(document):
    merged = settings.with_ours(document, OURS).document
    assert set(settings.present(merged, OURS).values()) == {1}
    for key, value in document.items():
        if key != "hooks":
            assert merged[key] == value
    for event, groups in document.get("hooks", {}).items():
        assert merged["hooks"][event][: len(groups)] == groups


@given(documents())
def test_what_was_added_is_told_by_its_form_when_the_receipt_is_lost(document):
    merged = settings.with_ours(document, OURS).document
    left = settings.without_ours(merged, None)
    assert set(settings.present(left, OURS).values()) == {0}
    assert settings.with_ours(left, OURS).document["hooks"].keys() >= OURS.keys()


@given(documents(), styles())
def test_text_says_what_the_document_says_and_comes_back_byte_for_byte(document, style):
    text = laid_out(document, style)
    merged = settings.with_ours(document, OURS)
    after = jsontext.rewrite(text, merged.document)
    assert jsontext.parse_strictly(after) == merged.document
    assert jsontext.rewrite(after, merged.document) == after
    assert jsontext.rewrite(after, settings.without_ours(merged.document, merged.made)) == text


@given(documents(), styles())
def test_text_keeps_its_newlines_its_end_and_every_line_that_was_there(document, style):
    text = laid_out(document, style)
    after = jsontext.rewrite(text, settings.with_ours(document, OURS).document)
    if style["newline"] == "\r\n" and "\n" in text.strip():
        assert "\n" not in after.strip().replace("\r\n", "")
    assert after[len(after.rstrip()) :] == text[len(text.rstrip()) :]
    if style["indent"] is not None and document:
        lines = [line.rstrip(",") for line in after.splitlines()]
        assert all(
            line.rstrip(",") in lines for line in text.splitlines() if not re.search(r"[\[{][\]}],?$", line)
        )


@given(documents(), documents(), styles())
def test_any_text_can_be_made_to_say_any_other_document(one, other, style):
    assert jsontext.parse_strictly(jsontext.rewrite(laid_out(one, style), other)) == other


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)), styles())
def test_a_list_can_change_anywhere_and_keeps_the_texts_style(one, other, style):
    after = jsontext.rewrite(laid_out({"x": one}, style), {"x": other})
    assert json.loads(after) == {"x": other}
    assert one == [] or after == laid_out({"x": other}, style)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_text_survives_in_every_byte_that_is_not_ours(name):
    text = decode(name)
    document = settings.settings_of(NASTY[name])
    settings.check_shape(NASTY[name], document)
    merged = settings.with_ours(document, OURS)
    after = jsontext.rewrite(text, merged.document)
    assert json.loads(after) == merged.document
    kept = iter(after)
    assert all(letter in kept for letter in text if not letter.isspace()), (
        "a byte went missing, or changed its place"
    )
    back = jsontext.rewrite(after, settings.without_ours(merged.document, merged.made))
    assert json.dumps(settings.settings_of(back.encode())) == json.dumps(document)
    roomy = "room" in name or "two lines" in name or not text.strip()
    assert roomy or back == text


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_client_would_skip_is_refused_with_its_place(name):
    data, says = REFUSED[name]

    def take_in():
        settings.check_shape(data, settings.settings_of(data))

    with pytest.raises(jsontext.Unreadable, match=says):
        take_in()


def test_indentation_of_the_neighbours_is_taken_up():
    after = jsontext.rewrite(
        decode("tabs"), settings.with_ours(settings.settings_of(NASTY["tabs"]), OURS).document
    )
    assert '\n\t\t"Stop": [\n\t\t\t{\n\t\t\t\t"hooks": [' in after
    assert '\n\t\t"SessionStart": [' in after
    assert not re.search(r"^ ", after, re.M)


def test_a_text_on_one_line_stays_on_one_line():
    after = jsontext.rewrite(
        decode("one line"), settings.with_ours(settings.settings_of(NASTY["one line"]), OURS).document
    )
    assert "\n" not in after


def test_a_timeout_that_somebody_changed_stays_changed():
    document = settings.with_ours({}, OURS).document
    document["hooks"]["Stop"][0]["hooks"][0]["timeout"] = 60
    assert settings.with_ours(document, OURS).document == document


def test_another_persons_entry_in_our_group_stays_when_ours_goes():
    merged = settings.with_ours({}, OURS)
    theirs = {"type": "command", "command": "mine"}
    merged.document["hooks"]["Stop"][0]["hooks"].append(theirs)
    assert settings.without_ours(merged.document, merged.made) == {"hooks": {"Stop": [{"hooks": [theirs]}]}}


def test_containers_that_were_there_stay_and_those_we_made_go():
    before = {"hooks": {"Stop": [], "PreCompact": []}}
    merged = settings.with_ours(before, OURS)
    assert ["hooks"] not in merged.made
    assert settings.without_ours(merged.document, merged.made) == before


OLDER = {
    "hooks": {
        "PostToolUse": [{"matcher": "*", "hooks": [
            {"type": "command", "command": "python3 $CLAUDE_PROJECT_DIR/.claude/hooks/circuit_breaker_monitor.py"},
            {"type": "command", "command": "theirs"}]}],
        "PreToolUse": [".claude/hooks/circuit_breaker_gate.py"],
        "SessionStart": [{"hooks": [{"type": "command", "command": 'python3 "$HOME/.claude/hooks/memory_janitor.py"'}]}],
        "Stop": [{"hooks": [{"type": "command", "command": "python3 .claude/hooks/circuit_breaker_notes.txt"}]}],
    }
}  # fmt: skip


def test_the_older_system_is_recognised_flat_lists_too_and_only_it_goes():
    assert sorted(line.partition(":")[0] for line in settings.older(OLDER)) == [
        "PostToolUse",
        "PreToolUse",
        "SessionStart",
    ]
    left = settings.without_older(OLDER)["hooks"]
    assert left["PostToolUse"] == [{"matcher": "*", "hooks": [{"type": "command", "command": "theirs"}]}]
    assert left["Stop"] == OLDER["hooks"]["Stop"]
    assert set(left) == {"PostToolUse", "Stop"}
    assert settings.fault({"hooks": left}) is None


@pytest.mark.parametrize("root", ["/x/claude-circuit-breaker", "$CLAUDE_PROJECT_DIR/.claude/circuit-breaker"])
def test_each_of_our_lines_is_told_by_its_form_and_no_other(root):
    from plugin.settings_documents import HOOKS

    lines = [h for gs in settings.our_groups(HOOKS, root).values() for g in gs for h in g["hooks"]]
    earlier = f'R="$HOME/.local/state"; H="{root}/hooks"; S="$H/prompt.py"; [ -f "$H/run" ] && sh "$H/run" prompt || true'
    lines.append({"type": "command", "command": earlier})  # version 0.1
    assert all(settings.is_our_hook(line) for line in lines)
    for command in (
        "true",
        "cat /x/claude-circuit-breaker/hooks/run",
        'H="/x/other/hooks"; [ -f "$H/run" ] && sh "$H/run" gate',
    ):
        assert not settings.is_our_hook({"type": "command", "command": command})


def test_our_own_lines_are_not_taken_for_the_older_system():
    for root in (
        "$CLAUDE_PROJECT_DIR/.claude/circuit-breaker",
        "/home/x/.local/share/claude-circuit-breaker",
    ):
        from plugin.settings_documents import HOOKS

        assert settings.older(settings.with_ours({}, settings.our_groups(HOOKS, root)).document) == []


@pytest.mark.parametrize(
    "path", ["/a b", '/quo"te', "/dollar$HOME", "/back`tick`", "/back\\slash", "/ünï", "/$(touch x)", "/a'b"]
)
def test_a_path_is_itself_between_the_double_quotes_of_a_shell_line(path, tmp_path):
    import subprocess

    line = f'printf %s "{settings.in_double_quotes(path)}"'
    assert (
        subprocess.run(["/bin/sh", "-c", line], capture_output=True, cwd=tmp_path, check=True).stdout.decode()
        == path
    )


@pytest.mark.parametrize("path", ["/new\nline", "/tab\t", "/\udcff"])
def test_a_path_that_no_line_can_hold_is_refused(path):
    with pytest.raises(ValueError):
        settings.in_double_quotes(path)


def test_on_windows_the_host_is_asked_for_bash():
    from plugin.settings_documents import HOOKS

    for groups in settings.our_groups(HOOKS, "C:/Users/x/claude-circuit-breaker", windows=True).values():
        assert all(handler["shell"] == "bash" for group in groups for handler in group["hooks"])
    assert all(
        "shell" not in handler for groups in OURS.values() for group in groups for handler in group["hooks"]
    )


def test_the_placeholder_stands_between_double_quotes_in_every_line():
    from plugin.settings_documents import HOOKS

    for groups in HOOKS["hooks"].values():
        for group in groups:
            for handler in group["hooks"]:
                command = handler["command"]
                for at in range(command.count(settings.PLACEHOLDER)):
                    before = settings.PLACEHOLDER.join(command.split(settings.PLACEHOLDER)[: at + 1])
                    assert before.count('"') % 2 == 1, command


RULES = ["Edit(~/.local/state/claude-circuit-breaker/**)", "Edit(/.claude/circuit-breaker/**)"]
_deny = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "deny": st.lists(st.sampled_from(["WebSearch", "Bash(rm *)", "ü"]), unique=True),
        "allow": st.just([]),
    },
)


@given(documents(), styles(), _deny)
def test_deny_rules_beside_our_lines_leave_without_a_trace(document, style, permissions):
    if permissions is not None:
        document = {**document, "permissions": permissions}
    elif not isinstance(document.get("permissions", {}), dict):
        return
    text = laid_out(document, style)
    merged = settings.with_ours(document, OURS, RULES)
    assert settings.with_ours(merged.document, OURS, RULES) == (merged.document, [])
    after = jsontext.rewrite(text, merged.document)
    back = settings.without_ours(merged.document, merged.made, RULES)
    assert json.dumps(back) == json.dumps(document)
    assert jsontext.rewrite(after, back) == text
