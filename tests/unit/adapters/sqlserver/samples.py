"""A sample call for every function that builds T-SQL: what the parser reads and what a new builder must add to."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType

from runbook.adapters.sqlserver import tsql
from runbook.adapters.sqlserver.tsql import (
    agent,
    backup,
    catalog,
    copy,
    logins,
    marker,
    objects,
    parameters,
    proof,
    rehearsal,
    session,
    state,
)
from runbook.ports import JobDefinition, JobSchedule, JobStep, Login, ProofLevel, UserAccess

NASTY = "we]ird 'name'; -- é漢"
PATH = "/backup/it's [x].bak"
JOB_ID = "0F8FAD5B-D9CB-469F-A165-70867728950E"
SINCE = "2026-03-21T10:00:00.123"
COLUMNS = (
    ("Id", "int"),
    (NASTY, "nvarchar(max)"),
    ("Notes", "ntext"),
    ("Old", "text"),
    ("Picture", "image"),
    ("Any", "sql_variant"),
    ("Doc", "xml"),
    ("Json", "json"),
    ("Place", "geography"),
    ("Price", "decimal(18,2)"),
)
WIDE = tuple((f"c{index}", "int") for index in range(120))
SCHEDULE = JobSchedule("every night's", True, 4, 1, 1, 0, 0, 0, 20200101, 99991231, 13000, 235959)
JOB = JobDefinition(
    name="Night's work",
    enabled=True,
    description="first\\\nsecond",
    owner="sa",
    start_step_id=1,
    steps=(
        JobStep(1, "say 'go'", "TSQL", "PRINT 'a\\\nb';\nGO", "Contacts"),
        JobStep(2, "copy", "CmdExec", "copy a ^\\\nb " + "x" * 9000, None, 1, 2, 3, 1),
    ),
    schedules=(SCHEDULE,),
)
SQL_LOGIN = Login("o'app]", "S", "0x0105", "0x0200ABCD", "Contacts", True, True, False, ("dbcreator",))
WINDOWS_LOGIN = Login("DOM\\group", "G", "0x0106", None, "master", False, False, False)

Call = tuple[tuple[object, ...], dict[str, object]]


def call(*positional: object, **named: object) -> Call:
    return positional, named


SAMPLES: dict[Callable[..., object], list[Call]] = {
    session.program: [],
    session.use: [call(NASTY)],
    session.requests_of: [call(55, SINCE)],
    session.kill: [call(55, SINCE)],
    session.kill_any: [call(55)],
    session.sessions_of_run: [call("20260321-100000-7f3a")],
    catalog.databases: [call(), call(NASTY)],
    catalog.database_sizes: [call(), call(NASTY)],
    catalog.inside: [call(NASTY)],
    catalog.target_identity: [call(NASTY)],
    catalog.files: [call(NASTY)],
    catalog.volume_stats: [call([(1, 1), (5, 2)])],
    catalog.last_good_checkdb: [call(NASTY)],
    catalog.sessions: [call(NASTY), call(NASTY, "20260321-100000-7f3a")],
    catalog.snapshots: [call(NASTY)],
    catalog.log_chain: [call(NASTY)],
    backup.logs_since: [call(NASTY, "37000000012300001")],
    backup.restored_until: [call(NASTY)],
    catalog.log_end: [call(NASTY)],
    state.user_access: [call(NASTY, access) for access in UserAccess],
    state.online: [call(NASTY)],
    state.offline: [call(NASTY)],
    state.option: [
        *(call(NASTY, key, value) for key in state.ON_OFF_OPTIONS for value in ("ON", "OFF")),
        *(call(NASTY, "PAGE_VERIFY", value) for value in state.PAGE_VERIFY_VALUES),
        *(
            call(NASTY, key, value)
            for key in ("BROKER", "READ_COMMITTED_SNAPSHOT", "QUERY_STORE")
            for value in ("ON", "OFF")
        ),
    ],
    state.owner: [call(NASTY, "o'app]")],
    state.map_user: [call("u", "DOM\\group")],
    state.drop: [call(NASTY)],
    state.create_snapshot: [call(NASTY, "snap", [("a", PATH), ("b", PATH)])],
    state.revert: [call(NASTY, "snap")],
    state.drop_snapshot: [call(NASTY)],
    state.check: [call(NASTY)],
    backup.full: [call(NASTY, PATH, title="t", copy_only=copy_only) for copy_only in (True, False)],
    backup.differential: [call(NASTY, PATH, title="t")],
    backup.log: [call(NASTY, PATH, title="t")],
    backup.tail: [call(NASTY, PATH, title="t")],
    backup.header: [call(PATH)],
    backup.verify: [call(PATH), call(PATH, 3)],
    backup.restore_full: [call(NASTY, PATH, {"data": "/d/x.mdf", "l'og": "/d/x.ldf"}), call(NASTY, PATH, {}, 2)],
    backup.restore_differential: [call(NASTY, PATH)],
    backup.restore_log: [call(NASTY, PATH, 2)],
    backup.recover: [call(NASTY)],
    agent.job: [call(JOB_ID)],
    agent.job_steps: [call(JOB_ID)],
    agent.job_schedules: [call(JOB_ID)],
    agent.set_enabled: [call(JOB_ID, True), call(JOB_ID, False)],
    agent.stop: [call(JOB_ID)],
    agent.delete: [call("Night's work")],
    agent.create: [call(JOB), call(JobDefinition("bare", False, "", "", 1, (), ()))],
    logins.create: [call(SQL_LOGIN), call(WINDOWS_LOGIN)],
    logins.add_to_role: [call("a", "dbcreator")],
    logins.drop: [call(NASTY)],
    marker.put: [call("20260321-100000-7f3a", "o'hara@host/1", 2, 40, "ab12")],
    marker.replace: [call(("r", 1, "cd34"), "20260321-100000-7f3a", "o'hara@host/1", 2, 40, "ab12")],
    marker.lag: [call("20260321-100000-7f3a", 2, 90)],
    marker.end: [call("20260321-100000-7f3a", 2)],
    marker.remove: [call("20260321-100000-7f3a", 2)],
    marker.clear: [call("20260321-100000-7f3a")],
    copy.add: [
        call("20260321-100000-7f3a", first, 2, "ab12", '{"body":"a\\\\\nb"}\n', fence)
        for fence in (None, 2)
        for first in (1, 2)
    ],
    copy.newest: [call("20260321-100000-7f3a")],
    copy.lines: [call("20260321-100000-7f3a")],
    copy.remove: [call("20260321-100000-7f3a")],
    proof.table_proof: [
        call(("dbo", NASTY), columns, level) for columns in (COLUMNS, WIDE, ()) for level in ProofLevel
    ],
    rehearsal.every_row: [call(("dbo", NASTY), columns) for columns in (COLUMNS, WIDE, ())],
    rehearsal.another_value: [
        call(("dbo", NASTY), column) for column in ((NASTY, "nvarchar(max)"), ("Price", "money"))
    ],
    rehearsal.more_rows: [call(1, ("dbo", NASTY), columns, 3) for columns in (COLUMNS, WIDE, (("V", "timestamp"),))],
    rehearsal.schedules: [call()],
    rehearsal.still: [call(17)],
    proof.row_hash: [],
    proof.base_type: [],
    objects.inventory: [],
}
"""Builders without parameters need no entry; one with an empty list makes no statement of its own."""


def modules() -> Iterator[ModuleType]:
    """The modules that build statements."""
    for found in pkgutil.iter_modules(tsql.__path__):
        if found.name not in ("quoting", "parameters"):
            yield importlib.import_module(f"{tsql.__name__}.{found.name}")


def builders() -> Iterator[Callable[..., object]]:
    """Every public function of them."""
    for module in modules():
        for _, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not function.__name__.startswith("_"):
                yield function


def calls_of(builder: Callable[..., object]) -> list[Call] | None:
    """The sample calls of a builder, None when there should be some and are not."""
    if builder in SAMPLES:
        return SAMPLES[builder]
    return None if inspect.signature(builder).parameters else [call()]


def statements() -> Iterator[tuple[str, str]]:
    """Every sample statement with the name of its builder."""
    for builder in builders():
        for number, (positional, named) in enumerate(calls_of(builder) or []):
            label = f"{builder.__module__.rpartition('.')[2]}.{builder.__name__}[{number}]"
            built = builder(*positional, **named)
            yield label, built.text if isinstance(built, parameters.Call) else str(built)
