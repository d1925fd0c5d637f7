"""Setup of SQL Server on Windows: how it is called, what its exit code says, and what it leaves in its logs."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runbook.errors import SecretMissing, StepFailed
from runbook.plan.setup import WindowsSetup, parameter_name
from runbook.powershell import powershell
from runbook.secrets import HIDDEN, SecretRef
from runbook.step import ReadContext
from runbook.toolkit.windowsengine import RECORDS, ask, service_name
from runbook.toolkit.windowsscripts import LOGS, SETUP, SURVEY

UNIT = "setup"


@dataclass(frozen=True)
class SurveySeen:
    """The machine as setup will find it; ``version`` is that of the program, empty when it is not there."""

    version: str
    pending: tuple[str, ...]
    busy: tuple[str, ...]
    installer: bool
    programs: str


@dataclass(frozen=True)
class SetupLogs:
    """What the last setup left; ``at``: seconds since 1970, of Summary.txt."""

    at: int
    folder: str
    summary: str
    detail: str


def survey(ctx: ReadContext, host: str, setup: str) -> SurveySeen:
    """The machine before setup."""
    found: SurveySeen = ask(ctx, host, "what setup would find", SurveySeen, SURVEY, setup)
    return found


# --- how it is called -------------------------------------------------------------------------------------------------


def command_line(plan: WindowsSetup) -> str:
    """What stands behind the program's name; secrets do not."""
    given = [_quoted(one) for one in plan.parameters]
    if plan.action == "patch":
        return " ".join(
            ["/quiet", "/IAcceptSQLServerLicenseTerms", "/Action=Patch", f"/InstanceName={plan.instance}", *given]
        )
    if not any(parameter_name(one) == "UPDATEENABLED" for one in plan.parameters):
        given.insert(0, "/UpdateEnabled=False")
    own = [
        "/Q",
        "/ACTION=Upgrade",
        f"/INSTANCENAME={plan.instance}",
        f"/INSTANCEID={plan.instance_id or plan.instance}",
    ]
    return " ".join([*own, "/IACCEPTSQLSERVERLICENSETERMS", "/INDICATEPROGRESS", *given])


def _quoted(parameter: str) -> str:
    """As its documentation writes it: the value in quotes, not the whole."""
    name, equals, value = parameter.partition("=")
    if " " not in value:
        return parameter
    slashes = len(value) - len(value.rstrip("\\"))
    return f'{name}{equals}"{value}{chr(92) * slashes}"'


def setup_unit(setup: str, line: str, run_id: str, instance: str) -> tuple[str, ...]:
    """The long work: see ``SETUP``."""
    return powershell(SETUP, setup, line, f"{RECORDS}\\{run_id}", service_name(instance))


def configuration(secrets: Mapping[str, SecretRef]) -> bytes:
    """The input of that unit: a configuration file with the secrets; empty without any. StepFailed for one that such a
    file cannot hold, SecretMissing for one that is not there."""
    lines = ["[OPTIONS]"]
    for name, reference in secrets.items():
        value = reference.resolve().reveal()
        if '"' in value or not value.isprintable():
            raise StepFailed(
                f"the secret for {name} has a character that a configuration file of setup cannot hold",
                hint="Choose one without quotes and control characters.",
            )
        lines.append(f'{name}="{value}"')
    return base64.b64encode("\r\n".join([*lines, ""]).encode("utf-16")) + b"\n" if secrets else b""


def missing_secrets(secrets: Mapping[str, SecretRef]) -> tuple[str, ...]:
    """Why one of them cannot be handed over."""
    found = []
    for name, reference in secrets.items():
        try:
            configuration({name: reference})
        except (SecretMissing, StepFailed) as error:
            found.append(error.message)
    return tuple(found)


def without_secrets(text: str, secrets: Mapping[str, SecretRef]) -> str:
    """What a log says, without them."""
    for reference in secrets.values():
        text = text.replace(reference.resolve().reveal(), HIDDEN)
    return text


# --- how it ended -----------------------------------------------------------------------------------------------------

RESTART = frozenset({3010, 1641})
"""Exit codes: all went well, the machine must be started anew (1641: that has begun)."""
GOOD = RESTART | {0}
MEANINGS = {
    1602: "it was cancelled",
    1603: "a package of the Windows Installer failed",
    1618: "another installation was under way",
    -2067919934: "the machine must be started anew before setup can run",
    -2061893606: "the engine did not come up after its files were replaced",
    -2068578304: "setup failed; its summary says why",
    -2054422501: "the update does not apply to this instance",
}
"""What some exit codes say (from practice; Microsoft documents 0 and 3010)."""
FIELDS = ("Final result", "Exit message", "Exit error code", "Error description", "Log with failure")
LOG_FOLDER = {13: "130", 14: "140", 15: "150", 16: "160", 17: "170"}
"""Major version -> the folder of its setup below Microsoft SQL Server."""
_PREFIX = re.compile(r"^\(\d+\) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+: ")
_TROUBLE = re.compile(r"\b(error|exception|failed|failure)\b", re.IGNORECASE)
SLACK = 120
"""Seconds by which a summary may be older than the setup it belongs to: files and tasks tell time to the second."""


def signed(code: int | None) -> int | None:
    """An exit code as setup means it: some tell the upper half of 32 bits as a large number."""
    return code - 2**32 if code is not None and code >= 2**31 else code


def meaning(code: int | None) -> str:
    """What an exit code of setup says, with its number."""
    known = signed(code)
    if known is None:
        return "no exit code"
    hexadecimal = f" (0x{known & 0xFFFFFFFF:08X})" if known < 0 else ""
    return f"exit {known}{hexadecimal}{f', {MEANINGS[known]}' if known in MEANINGS else ''}"


def setup_logs(ctx: ReadContext, host: str, instance: str, major: int) -> SetupLogs:
    """What the last setup of that version wrote; HostError when it cannot be read."""
    found: SetupLogs = ask(ctx, host, "what setup wrote", SetupLogs, LOGS, LOG_FOLDER[major], instance)
    return found


def excerpt(logs: SetupLogs, started_at: float) -> str:
    """What they say of a setup that was begun then, in a line; empty when they are of another one."""
    if logs.at + SLACK < started_at:
        return ""
    said = list(dict.fromkeys(_fields(logs.summary)))
    last = [_PREFIX.sub("", line).strip() for line in logs.detail.splitlines() if _TROUBLE.search(line)][-2:]
    return "; ".join([*said, *(f"Detail.txt: {line[:200]}" for line in last)])


def _fields(summary: str) -> Iterator[str]:
    for line in summary.splitlines():
        name, colon, value = line.strip().partition(":")
        if colon and name in FIELDS and value.strip():
            yield f"{name}: {value.strip()[:300]}"
