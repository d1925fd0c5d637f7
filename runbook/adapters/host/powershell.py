"""How a call is put to a Windows host: PowerShell over OpenSSH.

The login shell (cmd.exe, or PowerShell where it is set) is told one constant line that needs no quoting in either: run
PowerShell with an encoded script. That one reads the input: a line with the script, a line with the input of the
program, both in base64. So nothing that varies stands on a command line, and its limit of 8,191 characters is far away.

A program is started with one command line, as Windows has it; it is quoted by the rules of ``CommandLineToArgvW``,
which all but a few programs (cmd.exe among them) follow. There is no sudo: an account that is to act as root must be
an administrator, whose sessions over OpenSSH are elevated.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence

from runbook.adapters.host.posix import ENDING, MARK
from runbook.adapters.host.shell import Call, Heard, fenced_out
from runbook.errors import HostError, NotPermitted
from runbook.hosting import CommandResult, last_line
from runbook.powershell import quote

BOOT = """$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$lines = @($input)
$stdin = [Convert]::FromBase64String($lines[1])
& ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($lines[0]))))"""

PRELUDE = """[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false
$env:{mark} = '{token}'
$a = @({arguments})
$note = [IO.Path]::Combine([IO.Path]::GetTempPath(), 'runbook-{token}.pid')
function Say($text) {{ [Console]::Error.WriteLine($text) }}
"""
FENCE = """$fences = [IO.Path]::Combine([Environment]::GetFolderPath('LocalApplicationData'), 'runbook')
$fence = [IO.Path]::Combine($fences, '{run}.fence')
$have = 0
if ([IO.File]::Exists($fence)) {{ $have = [int][IO.File]::ReadAllText($fence) }}
if ($have -gt {number}) {{ Say 'fenced-{token}'; exit 77 }}
if ($have -lt {number}) {{
    try {{ [void][IO.Directory]::CreateDirectory($fences); [IO.File]::WriteAllText($fence, '{number}') }} catch {{ }}
}}
"""
ADMINISTRATOR = """$me = [Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()
if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {{ Say 'login-{token}'; exit 1 }}
"""
BEGUN = """[IO.File]::WriteAllText($note, "$PID")
[Console]::Out.WriteLine('begin-{token}')
Say 'begin-{token}'
"""
RUN = """$start = New-Object Diagnostics.ProcessStartInfo
$start.FileName = $a[0]
$start.Arguments = $a[1]
$start.UseShellExecute = $false
$start.RedirectStandardInput = $true
try {
    try { $process = [Diagnostics.Process]::Start($start) } catch { Say 'absent-TOKEN'; exit 127 }
    try {
        $process.StandardInput.BaseStream.Write($stdin, 0, $stdin.Length)
        $process.StandardInput.Close()
    } catch [IO.IOException] { }
    $process.WaitForExit()
    exit $process.ExitCode
} finally { [IO.File]::Delete($note) }"""
DO = """try {
SCRIPT
} catch {
    $cause = $_.Exception.GetBaseException()
    $code = $cause.HResult -band 0xFFFF
    if ($code -in 0x27, 0x70) { Say 'No space left on device' }
    elseif ($code -in 2, 3) { Say "$($a[0]): No such file or directory" }
    elseif ($cause -is [UnauthorizedAccessException]) { Say "$($a[0]): Permission denied" }
    else { Say $cause.Message }
    exit 1
} finally { [IO.File]::Delete($note) }"""
END = """$note = [IO.Path]::Combine([IO.Path]::GetTempPath(), "runbook-$($a[0]).pid")
if ([IO.File]::Exists($note)) {
    & taskkill.exe /T /F /PID ([IO.File]::ReadAllText($note)) 2>$null | Out-Null
    [IO.File]::Delete($note)
}
exit 0"""


def encoded(script: str) -> str:
    """For ``-EncodedCommand``."""
    return base64.b64encode(script.encode("utf-16-le")).decode("ascii")


class PowerShell:
    """Implements :class:`runbook.adapters.host.shell.Dialect`."""

    begin = f"powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {encoded(BOOT)}"

    def spoken(self, call: Call) -> bytes:
        """Two lines: the script, the input of the program."""
        if any("\0" in text for text in (*call.argv, call.script)):
            raise ValueError("a NUL character in a command")
        return b"%b\n%b\n" % (base64.b64encode(script(call).encode()), base64.b64encode(call.stdin))

    def asked(self, call: Call) -> None:
        """A shell is begun for every call."""

    def understood(self, call: Call, heard: Heard, host: str) -> CommandResult:
        """What was said after the marker. Windows ends lines with two characters."""
        begin = f"begin-{call.token}\n"
        out, err = (text.replace("\r\n", "\n") for text in (heard.stdout, heard.stderr))
        if f"fenced-{call.token}" in err:
            raise fenced_out(host)
        if f"absent-{call.token}" in err:
            raise HostError(
                f"cannot start {call.name} on {host}: no such file, or it may not be executed",
                host=host,
                hint="Check the path and the account's rights there; a command is an argument list, not a shell line.",
            )
        if f"login-{call.token}" in err:
            raise NotPermitted(
                f"this account is no administrator on {host}", hint="Make it one, or name another account in the plan."
            )
        if begin in out or begin in err or heard.truncated:
            return CommandResult(heard.exit_code, out.rpartition(begin)[2], err.rpartition(begin)[2], heard.truncated)
        said = last_line(err) or last_line(out) or "nothing"
        raise HostError(
            f"PowerShell on {host} ended with {heard.exit_code} before {call.name} began, saying: {said}",
            host=host,
            hint="Windows PowerShell 5.1 or newer must be in the path of the account, in FullLanguage mode.",
        )

    def end(self, call: Call) -> Call:
        """By the number it noted, with all below it."""
        return Call("end what was started", (call.token,), END, timeout=ENDING, effect=True, root=call.root)


def script(call: Call) -> str:
    """The text that PowerShell carries out."""
    arguments: Sequence[str] = call.argv
    if not call.script:
        arguments = (call.argv[0], subprocess.list2cmdline(call.argv[1:]))
    text = PRELUDE.format(mark=MARK, token=call.token, arguments=", ".join(map(quote, arguments)))
    if call.fence is not None:
        text += FENCE.format(run=call.fence.run_id, number=call.fence.number, token=call.token)
    if call.root:
        text += ADMINISTRATOR.format(token=call.token)
    text += BEGUN.format(token=call.token)
    return text + (DO.replace("SCRIPT", call.script) if call.script else RUN.replace("TOKEN", call.token))
