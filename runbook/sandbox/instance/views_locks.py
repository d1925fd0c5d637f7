"""Locks, open transactions, and sys.sysprocesses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance.views_sessions import blocker_of, visible

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Rows = list[dict[str, Any]]

LOCKS = (
    "resource_type nvarchar(60) not null",
    "resource_subtype nvarchar(60) not null",
    "resource_database_id int not null",
    "resource_description nvarchar(256) not null",
    "resource_associated_entity_id bigint",
    "resource_lock_partition int not null",
    "request_mode nvarchar(60) not null",
    "request_type nvarchar(60) not null",
    "request_status nvarchar(60) not null",
    "request_reference_count smallint not null",
    "request_lifetime int not null",
    "request_session_id int not null",
    "request_exec_context_id int not null",
    "request_request_id int not null",
    "request_owner_type nvarchar(60) not null",
)


def _lock(kind: str, database_id: int, spid: int, mode: str, status: str, owner: str, text: str = "") -> dict[str, Any]:
    return {
        "resource_type": kind,
        "resource_subtype": "",
        "resource_database_id": database_id,
        "resource_description": text,
        "resource_associated_entity_id": 0,
        "resource_lock_partition": 0,
        "request_mode": mode,
        "request_type": "LOCK",
        "request_status": status,
        "request_reference_count": 1,
        "request_lifetime": 0,
        "request_session_id": spid,
        "request_exec_context_id": 0,
        "request_request_id": 0,
        "request_owner_type": owner,
    }


def locks(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.dm_tran_locks: DATABASE locks and application locks."""
    found = [
        _lock("DATABASE", record.id, spid, mode, status, "SHARED_TRANSACTION_WORKSPACE")
        for record, spid, mode, status in instance.gate.locks()
        if record.name not in ("master", "tempdb")
    ]
    for resource, hold in instance.applocks.holds():
        where = instance.gate.context(hold.spid)
        mode = "".join(c for c in hold.mode if c.isupper())
        found.append(
            _lock(
                "APPLICATION",
                1 if where is None else where.id,
                hold.spid,
                mode,
                "GRANT",
                hold.owner.upper(),
                f"0:[{resource[:32]}]",
            )
        )
    return found


TRANSACTIONS = (
    "transaction_id bigint not null",
    "session_id int not null",
    "is_user_transaction bit not null",
    "is_local bit not null",
    "open_transaction_count int not null",
)


def transactions(instance: SandboxInstance, session: LanguageSession, _: Sequence[Any]) -> Rows:
    """sys.dm_tran_session_transactions."""
    return [
        {
            "transaction_id": 1000 + e.spid,
            "session_id": e.spid,
            "is_user_transaction": True,
            "is_local": True,
            "open_transaction_count": e.session.trancount,
        }
        for e in visible(instance, session)
        if e.session.trancount
    ]


PROCESSES = (
    "spid smallint",
    "kpid smallint",
    "blocked smallint",
    "waittime bigint",
    "lastwaittype nchar(32)",
    "dbid smallint",
    "uid smallint",
    "cpu int",
    "physical_io bigint",
    "memusage int",
    "login_time datetime",
    "last_batch datetime",
    "ecid smallint",
    "open_tran smallint",
    "status nchar(30)",
    "sid binary(86)",
    "hostname nchar(128)",
    "program_name nchar(128)",
    "hostprocess nchar(10)",
    "cmd nchar(26)",
    "loginame nchar(128)",
)


def processes(instance: SandboxInstance, session: LanguageSession, _: Sequence[Any]) -> Rows:
    """sys.sysprocesses."""
    found = []
    for entry in visible(instance, session):
        where = instance.gate.context(entry.spid)
        request = entry.request
        found.append(
            {
                "spid": entry.spid,
                "kpid": 0,
                "blocked": 0 if request is None else blocker_of(instance, entry),
                "waittime": 0,
                "lastwaittype": "MISCELLANEOUS",
                "dbid": 0 if where is None else where.id,
                "uid": 1,
                "cpu": 0,
                "physical_io": 0,
                "memusage": 4,
                "login_time": entry.login_time,
                "last_batch": entry.last_start,
                "ecid": 0,
                "open_tran": entry.session.trancount,
                "status": "sleeping" if request is None else "runnable",
                "sid": bytes.fromhex(entry.sid),
                "hostname": entry.session.host,
                "program_name": entry.session.app,
                "hostprocess": "",
                "cmd": "AWAITING COMMAND" if request is None else request.command[:26],
                "loginame": entry.session.login,
            }
        )
    return found


VIEWS: dict[str, tuple[Sequence[str], Callable[..., Rows]]] = {
    "sys.dm_tran_locks": (LOCKS, locks),
    "sys.dm_tran_session_transactions": (TRANSACTIONS, transactions),
    "sys.sysprocesses": (PROCESSES, processes),
}
