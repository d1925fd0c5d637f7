"""What a Windows host is told, word by word."""

from __future__ import annotations

import base64

import pytest

from runbook.adapters.host.powershell import BOOT, PowerShell, encoded, script
from runbook.adapters.host.shell import Call, Heard
from runbook.adapters.host.windows import WINDOWS
from runbook.errors import HostError, NotPermitted
from runbook.powershell import quote

RUN = r"""[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false
$env:RUNBOOK_CALL = '0123'
$a = @('C:\Program Files\x.exe', '"two words" "say \"hi\"" C:\dir\ "C:\my dir\\" it''s')
$note = [IO.Path]::Combine([IO.Path]::GetTempPath(), 'runbook-0123.pid')
function Say($text) { [Console]::Error.WriteLine($text) }
[IO.File]::WriteAllText($note, "$PID")
[Console]::Out.WriteLine('begin-0123')
Say 'begin-0123'
$start = New-Object Diagnostics.ProcessStartInfo
$start.FileName = $a[0]
$start.Arguments = $a[1]
$start.UseShellExecute = $false
$start.RedirectStandardInput = $true
try {
    try { $process = [Diagnostics.Process]::Start($start) } catch { Say 'absent-0123'; exit 127 }
    try {
        $process.StandardInput.BaseStream.Write($stdin, 0, $stdin.Length)
        $process.StandardInput.Close()
    } catch [IO.IOException] { }
    $process.WaitForExit()
    exit $process.ExitCode
} finally { [IO.File]::Delete($note) }"""


def test_the_login_shell_is_told_one_constant_line():
    """Short enough for cmd.exe, and without a character that it or PowerShell would read."""
    assert PowerShell.begin == (
        "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand " + encoded(BOOT)
    )
    assert base64.b64decode(PowerShell.begin.split()[-1]).decode("utf-16-le") == BOOT
    assert len(PowerShell.begin) < 2000


def test_a_program_is_started_with_one_quoted_line():
    """By Microsoft's rules for arguments, inside a string that PowerShell takes as it is."""
    argv = ("C:\\Program Files\\x.exe", "two words", 'say "hi"', "C:\\dir\\", "C:\\my dir\\", "it's")
    assert script(Call("x.exe", argv, token="0123")) == RUN


def test_script_and_input_are_two_lines_of_base64():
    """Nothing of either stands on a command line."""
    call = Call("x", ("x",), stdin=b"s3cret\n\x00\xff", token="0123")
    first, second, rest = PowerShell().spoken(call).split(b"\n")
    assert base64.b64decode(first).decode() == script(call)
    assert (base64.b64decode(second), rest) == (b"s3cret\n\x00\xff", b"")


def test_typographic_quotes_do_not_end_a_string():
    """PowerShell takes four of them for a single one."""
    assert quote("a'b\u2019c\u201ad") == "'a''b\u2019\u2019c\u201a\u201ad'"


def test_an_administrator_is_asked_for_before_anything_begins():
    """There is no sudo; who is none is told so."""
    text = script(Call("look", (), script="x", root=True, token="0123"))
    assert text.index("IsInRole") < text.index("begin-0123")
    with pytest.raises(NotPermitted, match="no administrator on web"):
        PowerShell().understood(Call("x", ("x",), token="0123"), Heard(1, "", "login-0123\r\n"), "web")


def test_noise_and_line_ends_are_taken_off():
    """The answer begins after the marker."""
    heard = Heard(0, "Welcome\r\nbegin-0123\r\none\r\ntwo\r\n", "begin-0123\r\n")
    assert PowerShell().understood(Call("x", ("x",), token="0123"), heard, "web").stdout == "one\ntwo\n"


def test_a_host_without_powershell_is_named():
    """With what its shell said."""
    heard = Heard(1, "", "'powershell.exe' is not recognized as an internal or external command,\r\n")
    with pytest.raises(HostError, match=r"PowerShell on web ended with 1 before x began, saying: 'powershell.exe'"):
        PowerShell().understood(Call("x", ("x",), token="0123"), heard, "web")


def test_a_unit_is_a_task_of_system_whose_command_is_a_file():
    """No quoting on its way through the Task Scheduler; it ends when it ends, not after three days."""
    (command,) = WINDOWS.files("C:\\u", ["setup.exe", "/ACTION=Upgrade", "/X=a b"], "C:/media", "")
    assert "$start.FileName = 'setup.exe'\n$start.Arguments = '/ACTION=Upgrade \"/X=a b\"'\n" in command
    assert "$start.WorkingDirectory = 'C:\\media'\n" in command
    assert "-UserId SYSTEM" in WINDOWS.start
    assert "-ExecutionTimeLimit ([TimeSpan]::Zero)" in WINDOWS.start
