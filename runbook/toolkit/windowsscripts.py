"""What is asked of a Windows machine with SQL Server on it: Windows PowerShell 5.1, the registry, Win32_Service, setup.

Where things stand comes from Microsoft's documentation (setup log files, parameters of setup.exe, keys that tell of a
pending restart). No Windows machine has run these scripts yet: they were read by a parser of PowerShell's grammar, and
answered by a played host.
"""

from __future__ import annotations

_PLACES = """\
$known = 'HKLM:\\SOFTWARE\\Microsoft\\Microsoft SQL Server'
function Value($key, $name) {
    $found = Get-ItemProperty -LiteralPath $key -ErrorAction SilentlyContinue
    if ($found) { "$($found.$name)" } else { '' }
}
function Content($path, [long]$from) {
    $file = New-Object IO.FileStream $path, 'Open', 'Read', 'ReadWrite, Delete'
    try {
        $head = New-Object byte[] 2
        [void]$file.Read($head, 0, 2)
        $utf16 = $head[0] -eq 0xFF -and $head[1] -eq 0xFE
        $words = if ($utf16) { [Text.Encoding]::Unicode } else { [Text.Encoding]::UTF8 }
        $from = [Math]::Max($from, $file.Length - 262144)
        if ($utf16 -and $from % 2) { $from++ }
        [void]$file.Seek([Math]::Max(0, $from), 'Begin')
        $reader = New-Object IO.StreamReader $file, $words
        return $reader.ReadToEnd()
    } finally { $file.Dispose() }
}
"""

ENGINE = (
    _PLACES
    + """\
$instance, $service = $a
$id = Value "$known\\Instance Names\\SQL" $instance
$names = @($service)
if ($id) {
    $names += @(Get-Service -Name $service -ErrorAction SilentlyContinue |
        ForEach-Object { $_.DependentServices } | ForEach-Object { $_.Name })
}
$services = @(foreach ($name in $names) {
    $one = Get-CimInstance Win32_Service -Filter "Name='$name'"
    if ($one) {
        $late = Value "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\$name" 'DelayedAutostart'
        @{ name = $one.Name; state = $one.State; start = $one.StartMode; delayed = ($late -eq '1') }
    }
})
Answer @{
    version = if ($id) { Value "$known\\$id\\Setup" 'PatchLevel' } else { '' }
    edition = if ($id) { Value "$known\\$id\\Setup" 'Edition' } else { '' }
    services = $services
}
"""
)
"""$a: the instance and its service -> version, edition, and the services: its own first, then those that need it."""

ERROR_LOG = (
    _PLACES
    + """\
$instance, $first, $length = $a
$id = Value "$known\\Instance Names\\SQL" $instance
$path = ''
if ($id) {
    $parameters = Get-Item -LiteralPath "$known\\$id\\MSSQLServer\\Parameters"
    $path = @($parameters.GetValueNames() | ForEach-Object { $parameters.GetValue($_) } |
        Where-Object { $_ -clike '-e*' } | ForEach-Object { $_.Substring(2) })[0]
}
if (-not $path -or -not [IO.File]::Exists($path)) {
    Answer @{ path = "$path"; first = ''; length = 0; text = '' }
    exit 0
}
$file = New-Object IO.FileStream $path, 'Open', 'Read', 'ReadWrite, Delete'
try { $begin = (New-Object IO.StreamReader $file, $true).ReadLine() } finally { $file.Dispose() }
$size = (Get-Item -LiteralPath $path).Length
$from = if ($first -and $begin -ceq $first) { [long]$length } else { 0 }
Answer @{ path = $path; first = "$begin"; length = $size; text = Content $path $from }
"""
)
"""$a: the instance, the first line and the length it had -> where the error log is, its first line and length now, and
what was written since; all of it when it was begun anew, at most the last 256 KiB."""

SURVEY = """\
$setup = $a[0]
$machine = 'HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion'
$pending = @()
if (Test-Path "$machine\\Component Based Servicing\\RebootPending") { $pending += 'Component Based Servicing' }
if (Test-Path "$machine\\WindowsUpdate\\Auto Update\\RebootRequired") { $pending += 'Windows Update' }
$manager = Get-ItemProperty 'HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Session Manager'
if (@($manager.PendingFileRenameOperations | Where-Object { $_ }).Count) { $pending += 'PendingFileRenameOperations' }
$busy = @(Get-Process | Where-Object { $_.ProcessName -match '^(setup|setup100|scenarioengine|sqlserver.*-kb.*)$' } |
    ForEach-Object { $_.ProcessName } | Sort-Object -Unique)
$mutex = $null
if ([Threading.Mutex]::TryOpenExisting('Global\\_MSIExecute', [ref]$mutex)) {
    $mutex.Dispose()
    $busy += 'msiexec'
}
$media = Get-Item -LiteralPath $setup -ErrorAction SilentlyContinue
$version = ''
if ($media -and -not $media.PSIsContainer) {
    $about = $media.VersionInfo
    $version = "$($about.FileMajorPart).$($about.FileMinorPart).$($about.FileBuildPart).$($about.FilePrivatePart)"
}
$installer = Get-CimInstance Win32_Service -Filter "Name='msiserver'"
Answer @{
    version = $version
    pending = $pending
    busy = $busy
    installer = [bool]($installer -and $installer.StartMode -ne 'Disabled')
    programs = $env:ProgramFiles
}
"""
"""$a: setup.exe or the update -> its version (empty: it is not there), what says that a restart is pending, installers
that run, whether the Windows Installer may run, and where programs are."""

SETUP = """\
$setup, $arguments, $directory, $service = $a
$file = "$directory\\setup.ini"
$code = 1
try {
    & sc.exe config $service start= demand | Out-Null
    if ($LASTEXITCODE) { throw "sc.exe config $service start= demand ended with $LASTEXITCODE" }
    if ($given.Count -and "$($given[0])".Trim()) {
        [void][IO.Directory]::CreateDirectory($directory)
        & icacls.exe $directory /inheritance:r /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
        if ($LASTEXITCODE) { throw "icacls.exe $directory ended with $LASTEXITCODE" }
        [IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($given[0]))
        $arguments = "/ConfigurationFile=`"$file`" $arguments"
    }
    $how = New-Object Diagnostics.ProcessStartInfo $setup, $arguments
    $how.UseShellExecute = $false
    $process = [Diagnostics.Process]::Start($how)
    $process.WaitForExit()
    $code = $process.ExitCode
} catch {
    [Console]::Error.WriteLine($_.Exception.GetBaseException().Message)
} finally { if ([IO.File]::Exists($file)) { [IO.File]::Delete($file) } }
exit $code
"""
"""$a: the program, its command line, a directory and the service; input: a configuration file in base64, or nothing.
The service may be started again from here on, as setup does it, but no boot starts it on half of its programs. The file
holds secrets, is readable for administrators only, and is gone when setup is. Ends with the exit code of setup, all 32
bits of it."""

LOGS = (
    _PLACES
    + """\
$folder, $instance = $a
$logs = "$env:ProgramFiles\\Microsoft SQL Server\\$folder\\Setup Bootstrap\\Log"
$summary = Get-Item -LiteralPath "$logs\\Summary.txt" -ErrorAction SilentlyContinue
$newest = Get-ChildItem -LiteralPath $logs -Directory -ErrorAction SilentlyContinue |
    Where-Object { $_.Name -match '^\\d{8}_\\d{6}$' } | Sort-Object Name | Select-Object -Last 1
$detail = $null
if ($newest) {
    $detail = Get-ChildItem -LiteralPath $newest.FullName -Filter 'Detail.txt' -Recurse |
        Sort-Object { $_.Directory.Name -ne $instance } | Select-Object -First 1
}
$epoch = [DateTime]'1970-01-01'
Answer @{
    at = if ($summary) { [long]($summary.LastWriteTimeUtc - $epoch).TotalSeconds } else { 0 }
    folder = if ($newest) { $newest.FullName } else { $logs }
    summary = if ($summary) { Content $summary.FullName 0 } else { '' }
    detail = if ($detail) { Content $detail.FullName 0 } else { '' }
}
"""
)
"""$a: the folder of the major version (160 is 2022) and the instance -> Summary.txt of the last setup, when it was
written, and the end of its Detail.txt."""
