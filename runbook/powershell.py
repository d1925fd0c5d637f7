"""PowerShell as an argument list: a script, and arguments that no shell reads.

A host runs programs, and ``powershell.exe -Command TEXT`` is one. The text goes to it as one argument; what varies is a
string in it that PowerShell takes as it is (``$a[0]`` and so on). A script answers with ``Answer`` and a hash table:
JSON in base64, so that code pages, line ends and profiles do not touch it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

PROGRAM = ("powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command")
BEGIN = """\
$given = @($input)
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
function Answer($table) {
    $json = ConvertTo-Json -Compress -Depth 5 -InputObject $table
    [Console]::Out.WriteLine([Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($json)))
}
"""


def quote(text: str) -> str:
    """A string that PowerShell takes as it is. It takes four typographic quotes for a single one."""
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"


def powershell(script: str, *arguments: str) -> tuple[str, ...]:
    """A script as an argument list; its arguments are ``$a[0]`` and so on, the lines of its input ``$given``."""
    return (*PROGRAM, f"{BEGIN}$a = @({', '.join(map(quote, arguments))})\n{script}")


def answer(stdout: str) -> dict[str, Any]:
    """What a script answered; ValueError when that is no answer."""
    lines = [line for line in stdout.splitlines() if line.strip()]
    try:
        found = json.loads(base64.b64decode(lines[-1] if lines else "", validate=True))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(found, dict):
        raise ValueError("no table")  # noqa: TRY004  (what came is at fault, not who called)
    return found
