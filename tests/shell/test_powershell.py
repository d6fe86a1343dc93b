"""PowerShell is a shell: its lines are read, its cmdlets are known, its directories have one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.identity import calls, labels, looks
from circuit_breaker.shell import powershell, reading, shell_line, waits

LOOKS = [
    "Get-Service | Where-Object Status -eq Running | Select-Object -First 5",
    "Get-ChildItem -Recurse | Where-Object { $_.Length -gt 5MB } | Sort-Object Length",
    "get-content src\\a.txt -Tail 20",
    "gci -r *.cs | sls 'TODO'",
    "$x = Get-Content a.txt; $x.Count",
    "Get-Process | Select-Object Name, @{Name='MB';Expression={$_.WS/1MB}}",
    "if (Test-Path C:\\x) { Get-Content C:\\x } else { Write-Host 'none' }",
    "[IO.File]::ReadAllText('a.txt')",
    "foreach ($f in Get-ChildItem) { $f.Name }",
    "1..5 | % { $_ }",
    "dir 2>$null",
    "Invoke-WebRequest http://example.test/ -UseBasicParsing",
    "Start-Sleep -Seconds 5; Get-Job",
    "'text' -match 'e'",
    "<# note #> Get-Date",
    "git status",
    "(Invoke-WebRequest http://localhost:5000).StatusCode",
    "(Get-Date).ToString('u')",
    "curl.exe -s http://localhost:3000",
    "timeout /t 20 /nobreak; gh.exe pr checks 7",
]
CHANGES = [
    "(Get-Process node).Kill()",
    "(New-Object Net.WebClient).DownloadFile('http://x', 'a')",
    "(Get-Content src\\T.cs) -replace 'a', 'b' | Set-Content src\\T.cs",
    "Get-Content a.txt | Out-File b.txt",
    "Get-ChildItem *.tmp | ForEach-Object { Remove-Item $_.FullName }",
    "New-Item -ItemType Directory build",
    "ls > out.txt",
    "[IO.File]::WriteAllText('a.txt', 'b')",
    "$p.Kill()",
    "Invoke-RestMethod -Method Post -Uri http://example.test/ -Body 1",
    "iwr http://example.test/a.zip -OutFile a.zip",
    "& 'C:\\Program Files\\tool.exe' /a",
    "npm test",
    "'x' | Set-Content a.txt",
    "@'\nit's text\n'@ | Add-Content a.txt",
]


def line(command, **more):
    return {"command": command, **more}


@pytest.mark.parametrize("command", LOOKS)
def test_a_look_changes_nothing(command):
    assert calls.change_level("PowerShell", line(command)) == calls.READS


@pytest.mark.parametrize("command", CHANGES)
def test_a_change_is_known_as_one(command):
    assert calls.change_level("PowerShell", line(command)) == calls.ACTS


def test_description_and_timeout_do_not_make_another_call():
    one = calls.call_key("PowerShell", line("Get-Service", description="List services"), "C:\\p")
    assert one == calls.call_key(
        "PowerShell", line("Get-Service", description="Again", timeout=5000), "C:\\p"
    )


def test_the_directory_makes_another_call():
    there, here = (calls.call_key("PowerShell", line("npm test"), cwd) for cwd in ("C:\\p", "C:\\q"))
    assert there != here


@pytest.mark.parametrize("tool", ["Bash", "PowerShell"])
@pytest.mark.parametrize("cwd", ["C:\\p\\a", "C:/p/a", "/c/p/a", "c:\\p\\a\\"])
def test_spellings_of_one_windows_directory_are_one(tool, cwd):
    assert calls.call_key(tool, line("npm test"), cwd) == calls.call_key(tool, line("npm test"), "c:/p/a")


@pytest.mark.parametrize(
    "command",
    [
        "cd C:\\p\\a; npm test",
        "Set-Location 'C:\\p\\a'; npm test",
        "sl .\\a; npm test",
        "cd ..\\p\\a; npm test",
    ],
)
def test_going_to_a_directory_first_is_running_there(command):
    assert calls.call_key("PowerShell", line(command), "C:\\p") == calls.call_key(
        "PowerShell", line("npm test"), "C:\\p\\a"
    )


@pytest.mark.parametrize(
    "wait", ["Start-Sleep 5", "Start-Sleep -Seconds 30", "start-sleep -Milliseconds 500", "sleep 2"]
)
def test_waiting_first_is_the_same_call_and_a_wait(wait):
    waited = line(f"{wait}; gh run view 7")
    assert calls.call_key("PowerShell", waited) == calls.call_key("PowerShell", line("gh run view 7"))
    assert (looks.wait_of("PowerShell", waited), looks.look_of("PowerShell", waited)) == (
        waits.BEFORE,
        looks.LIVE,
    )


def test_the_label_has_the_words_of_the_line():
    assert (
        labels.label("PowerShell", line("dotnet test --nologo | Select-Object -Last 5"))
        == "PowerShell dotnet test"
    )
    assert labels.label("PowerShell", line("Get-Service | Out-Null")) == "PowerShell Get-Service"


def test_redirections_and_calls_of_programs_are_read():
    parts = list(shell_line.segments(powershell.as_shell("& .\\build.ps1 -Fast 2>&1 | Tee-Object out.log")))
    assert [part.words for part in parts] == [["./build.ps1", "-Fast"], ["Tee-Object", "out.log"]]
    assert [part.joint for part in parts] == ["|", ""]


@given(st.text("ab -\\/'\"`$(){}[]@#&|;<>=\n", max_size=60))
def test_any_text_is_read_without_a_fault(text):
    reading.is_reading(powershell.as_shell(text))
    calls.call_key("PowerShell", line(text), "C:\\p")
