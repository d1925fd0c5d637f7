"""What an upgrade in place asks of any machine and any engine, whatever upgrades it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runbook.plan.inplace import Packages
from runbook.plan.models import InPlace, Plan
from runbook.plan.setup import WindowsSetup
from runbook.ports import DatabaseInfo, DatabaseState, SqlServerReader
from runbook.step import ReadContext
from runbook.toolkit.enginehost import Service, in_place_of
from runbook.toolkit.findings import Finding
from runbook.toolkit.sessions import is_open

NETBIOS = 15
"""Letters of a machine's name that SQL Server shows."""
SYSTEM = ("master", "model", "msdb")


def for_packages(plan: Plan) -> tuple[None, ...]:
    """The keys of a step that only an upgrade of packages has."""
    return (None,) if isinstance(plan.in_place, Packages) else ()


def for_setup(plan: Plan) -> tuple[None, ...]:
    """The keys of a step that only an upgrade by a setup program has."""
    return (None,) if isinstance(plan.in_place, WindowsSetup) else ()


def in_place_remarks(ctx: ReadContext) -> Iterator[str]:
    """What is worth keeping in the record."""
    plan: InPlace = in_place_of(ctx.plan)
    way_back = plan.way_back_measured
    yield f"support: {plan.support}; the way back took {way_back.seconds:g} s when it was measured on {way_back.on}"
    if ctx.plan.journal_copy == "server":
        yield "journal_copy: server is down while it is upgraded; a directory would keep the journal then too"


def engine_files(reader: SqlServerReader) -> Iterator[str]:
    """Every file of every database, system databases first."""
    for name in (*SYSTEM, *sorted(reader.databases())):
        for file in reader.files(name):
            yield file.path


def unfit(reader: SqlServerReader) -> dict[str, str]:
    """Database -> why a newer version would not convert it."""
    return {name: why for name, info in sorted(reader.databases().items()) if (why := _unfit(info))}


def _unfit(info: DatabaseInfo) -> str:
    if info.snapshot_of:
        return f"a snapshot of {info.snapshot_of}"
    if not is_open(info):
        return str(info.state)
    return "READ_ONLY" if info.is_read_only or info.is_in_standby else ""


def unfit_problems(found: Mapping[str, str]) -> Iterator[Finding]:
    """As findings."""
    for name, why in found.items():
        put = "Bring it online" if why in set(DatabaseState) else "Drop it" if "snapshot" in why else "Make it writable"
        yield Finding(f"{name} is {why}: the newer version would not convert it", f"{put} until the night is over.")


def machine_problems(
    host: str, host_name: str, machine_name: str, service: str, state: Service, key: str
) -> Iterator[Finding]:
    """Another machine than the server's, or another service than the one that runs it; ``key`` of the plan names it."""
    names = [name.partition(".")[0].casefold()[:NETBIOS] for name in (host_name, machine_name)]
    if names[0] != names[1]:
        yield Finding(
            f"{host} is the machine {host_name}, the server runs on {machine_name}",
            "Name the machine of the server as in_place.host.",
        )
    if state is not Service.RUNNING:
        yield Finding(
            f"{service} on {host} is {state}, although the server answers",
            f"Name the {key} that runs it as in_place.{key}.",
        )
