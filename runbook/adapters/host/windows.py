"""The scripts that a Windows host is given. Arguments come as ``$a[0]`` and so on, the input as bytes in ``$stdin``.

A unit is a scheduled task under ``\\runbook``, run by SYSTEM; its directory and the form of the answers are those of
:mod:`runbook.adapters.host.scripts`. What a boot is called is the instant at which it began.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from runbook.adapters.host.shell import Scripts
from runbook.powershell import quote

LACKING = """foreach ($program in $a) {
    if (-not (Get-Command -CommandType Application -ErrorAction SilentlyContinue -Name $program)) {
        [Console]::Out.WriteLine($program)
    }
}"""

READ = "[Console]::Out.Write([Convert]::ToBase64String([IO.File]::ReadAllBytes($a[0])))"

WRITE = """$path, $size = $a[0], [long]$a[1]
if ($a[2] -or $a[3]) { Say "${path}: Mode and owner are not for Windows"; exit 95 }
if (-not [IO.Directory]::Exists([IO.Path]::GetDirectoryName($path))) { Say "${path}: No such directory"; exit 92 }
if ($stdin.Length -ne $size) { Say "${path}: The content did not arrive whole"; exit 94 }
$beside = [IO.Path]::Combine([IO.Path]::GetDirectoryName($path), ".$([IO.Path]::GetFileName($path)).runbook-new")
[IO.File]::Delete($beside)
try {
    $file = New-Object IO.FileStream $beside, 'CreateNew', 'Write', 'None', 65536, 'WriteThrough'
    try { $file.Write($stdin, 0, $stdin.Length); $file.Flush($true) } finally { $file.Dispose() }
    if ([IO.File]::Exists($path)) { [IO.File]::Replace($beside, $path, [NullString]::Value) }
    else { [IO.File]::Move($beside, $path) }
} finally { [IO.File]::Delete($beside) }"""

REMOVE = "if ([IO.File]::Exists($a[0])) { [IO.File]::Delete($a[0]) }"

STAT = """$found = Get-Item -LiteralPath $a[0] -Force -ErrorAction SilentlyContinue
if (-not $found) { Say "$($a[0]): No such file or directory"; exit 1 }
$kind = if ($found.LinkType) { 'symbolic link' } elseif ($found.PSIsContainer) { 'directory' } else { 'regular file' }
$length = if ($found.PSIsContainer) { 0 } else { $found.Length }
[Console]::Out.WriteLine("$kind|0|$((Get-Acl -LiteralPath $a[0]).Owner)||$length")"""

SPACE = """$root = [IO.Path]::GetPathRoot((Get-Item -LiteralPath $a[0] -Force).FullName)
$drive = New-Object IO.DriveInfo $root
$used = $drive.TotalSize - $drive.TotalFreeSpace
[Console]::Out.WriteLine("x $($drive.TotalSize) $used $($drive.AvailableFreeSpace) x $root")"""

_BOOT = "(Get-CimInstance Win32_OperatingSystem).LastBootUpTime.ToUniversalTime().ToString('o')"

FACTS = f"""$system = Get-CimInstance Win32_OperatingSystem
$me = [Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()
$key = 'HKLM:\\SOFTWARE\\Microsoft\\Cryptography'
[Console]::Out.WriteLine("machine=$((Get-ItemProperty $key).MachineGuid)")
[Console]::Out.WriteLine("host=$env:COMPUTERNAME")
[Console]::Out.WriteLine("system=$($system.Caption) $($system.Version)")
[Console]::Out.WriteLine("boot=$({_BOOT})")
[Console]::Out.WriteLine("user=$($me.Identity.Name)")
$now = ([DateTime]::UtcNow - [DateTime]'1970-01-01').TotalSeconds
[Console]::Out.WriteLine("now=$($now.ToString([Globalization.CultureInfo]::InvariantCulture))")
if ($me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {{ [Console]::Out.WriteLine('root=yes') }}
if (Get-Command Register-ScheduledTask -ErrorAction SilentlyContinue) {{ [Console]::Out.WriteLine('units=yes') }}"""

_UNIT = f"""$d, $u = $a[0], $a[1]
function Content($name) {{ [IO.File]::ReadAllText("$d\\$name").Trim() }}
function Runs {{
    $task = Get-ScheduledTask -TaskName $u -TaskPath '\\runbook\\' -ErrorAction SilentlyContinue
    return $task -and $task.State -in 'Running', 'Queued'
}}
function Phase {{
    if (-not [IO.Directory]::Exists($d)) {{ return 'absent' }}
    if ([IO.File]::Exists("$d\\exit")) {{ return 'ended' }}
    if (-not [IO.Directory]::Exists("$d\\begun")) {{ return 'absent' }}
    if ((Content boot) -ne {_BOOT}) {{ return 'rebooted' }}
    if (Runs) {{ return 'running' }}
    if ([IO.File]::Exists("$d\\exit")) {{ return 'ended' }}
    return 'lost'
}}
function Output([long]$from, [int]$most) {{
    $file = New-Object IO.FileStream "$d\\output", 'OpenOrCreate', 'Read', 'ReadWrite'
    try {{
        [void]$file.Seek([Math]::Max(0, $(if ($from -lt 0) {{ $file.Length + $from }} else {{ $from }})), 'Begin')
        [byte[]]$bytes = New-Object byte[] $most
        [Array]::Resize([ref]$bytes, $file.Read($bytes, 0, $most))
        return ,$bytes
    }} finally {{ $file.Dispose() }}
}}
function Tell {{
    $was = Phase
    $lines = @("phase=$was")
    if ($was -ne 'absent') {{
        if ([IO.File]::Exists("$d\\exit")) {{ $lines += "exit=$(Content exit)" }}
        if ([IO.File]::Exists("$d\\stopped")) {{ $lines += 'stopped=yes' }}
        $lines += "at=$(Content at)", 'output'
    }}
    [Console]::Out.Write(($lines -join "`n") + "`n")
    if ($was -ne 'absent') {{ [Console]::Out.Write([Text.Encoding]::UTF8.GetString((Output -4096 4096))) }}
}}
function Put($name, $text) {{
    [IO.File]::WriteAllText("$d\\$name.new", $text)
    [IO.File]::Delete("$d\\$name")
    [IO.File]::Move("$d\\$name.new", "$d\\$name")
}}
$epoch = {{ [long]([DateTime]::UtcNow - [DateTime]'1970-01-01').TotalSeconds }}
"""
UNIT = _UNIT + "Tell"

START = (
    _UNIT
    + f"""if (-not [IO.Directory]::Exists($d)) {{
    $whole, $d = $d, "$d.new.$PID"
    [void][IO.Directory]::CreateDirectory($d)
    [IO.File]::WriteAllBytes("$d\\input", $stdin)
    Put digest $a[2]
    Put command.ps1 $a[3]
    try {{ [IO.Directory]::Move($d, $whole) }} catch {{
        [IO.Directory]::Delete($d, $true)
        if (-not [IO.Directory]::Exists($whole)) {{ throw }}
    }}
    $d = $whole
}}
if ((Content digest) -ne $a[2]) {{ Say 'another command has this name'; exit 90 }}
if ((Phase) -eq 'absent') {{
    Put boot {_BOOT}
    Put at "$(& $epoch)"
    $run = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File `"$d\\command.ps1`""
    $action = New-ScheduledTaskAction -Execute powershell.exe -Argument $run
    $who = New-ScheduledTaskPrincipal -UserId SYSTEM -LogonType ServiceAccount -RunLevel Highest
    $how = New-ScheduledTaskSettingsSet -ExecutionTimeLimit ([TimeSpan]::Zero) -MultipleInstances IgnoreNew `
        -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
    $task = @{{ TaskName = $u; TaskPath = '\\runbook\\'; Action = $action; Principal = $who; Settings = $how }}
    [void](Register-ScheduledTask @task -Force)
    Start-ScheduledTask -TaskName $u -TaskPath '\\runbook\\'
    for ($i = 0; -not [IO.Directory]::Exists("$d\\begun"); $i++) {{
        if ($i -ge 200) {{ Say 'it was started, but did not begin within 10 s'; exit 91 }}
        Start-Sleep -Milliseconds 50
    }}
}}
Tell"""
)

COMMAND = """$ErrorActionPreference = 'Stop'
$d = {place}
if ([IO.Directory]::Exists("$d\\begun")) {{ exit 0 }}
[void][IO.Directory]::CreateDirectory("$d\\begun")
[IO.File]::WriteAllText("$d\\process", "$PID")
$start = New-Object Diagnostics.ProcessStartInfo
$start.FileName = {program}
$start.Arguments = {arguments}
$start.WorkingDirectory = {directory}
$start.UseShellExecute = $false
$start.RedirectStandardInput = $start.RedirectStandardOutput = $start.RedirectStandardError = $true
$file = New-Object IO.FileStream "$d\\output", 'Append', 'Write', 'ReadWrite', 1
$output = [IO.Stream]::Synchronized($file)
try {{
    $process = [Diagnostics.Process]::Start($start)
    $copies = $process.StandardOutput, $process.StandardError | ForEach-Object {{ $_.BaseStream.CopyToAsync($output) }}
    $given = [IO.File]::ReadAllBytes("$d\\input")
    [IO.File]::Delete("$d\\input")
    try {{
        $process.StandardInput.BaseStream.Write($given, 0, $given.Length)
        $process.StandardInput.Close()
    }} catch [IO.IOException] {{ }}
    $process.WaitForExit()
    [void][Threading.Tasks.Task]::WaitAll($copies, 2000)
    $code = $process.ExitCode
}} catch {{
    $said = [Text.Encoding]::UTF8.GetBytes($_.Exception.GetBaseException().Message + "`n")
    $output.Write($said, 0, $said.Length)
    $code = 127
}} finally {{ $output.Dispose() }}
$at = [long]([DateTime]::UtcNow - [DateTime]'1970-01-01').TotalSeconds
[IO.File]::WriteAllText("$d\\exit.new", "exited $code - $at")
[IO.File]::Move("$d\\exit.new", "$d\\exit")
"""

STOP = (
    _UNIT
    + """if ((Phase) -eq 'running') {
    Put stopped ''
    & taskkill.exe /T /F /PID (Content process) 2>$null | Out-Null
    Stop-ScheduledTask -TaskName $u -TaskPath '\\runbook\\'
    for ($i = 0; (Runs) -and $i -lt 200; $i++) { Start-Sleep -Milliseconds 50 }
    if (-not [IO.File]::Exists("$d\\exit")) { Put exit "killed KILL - $(& $epoch)" }
}
Tell"""
)

FORGET = (
    _UNIT
    + """if ((Phase) -eq 'running') { Say 'it is running'; exit 91 }
Unregister-ScheduledTask -TaskName $u -TaskPath '\\runbook\\' -Confirm:$false -ErrorAction SilentlyContinue
if ([IO.Directory]::Exists($d)) { [IO.Directory]::Delete($d, $true) }"""
)

TAIL = (
    _UNIT
    + """$was = Phase
[Console]::Out.Write("$was`n")
if ($was -ne 'absent') { [Console]::Out.Write([Convert]::ToBase64String((Output ([long]$a[2]) ([int]$a[3])))) }"""
)


def _files(place: str, argv: Sequence[str], directory: str, user: str) -> Sequence[str]:
    del user  # a task under another account needs that account's password
    known = {"program": quote(argv[0]), "arguments": quote(subprocess.list2cmdline(argv[1:]))}
    return [COMMAND.format(place=quote(place), directory=quote(directory.replace("/", "\\")), **known)]


WINDOWS = Scripts(
    lacking=LACKING,
    read=READ,
    write=WRITE,
    remove=REMOVE,
    stat=STAT,
    space=SPACE,
    facts=FACTS,
    unit=UNIT,
    start=START,
    stop=STOP,
    forget=FORGET,
    tail=TAIL,
    units="C:\\ProgramData\\runbook\\units",
    files=_files,
)
