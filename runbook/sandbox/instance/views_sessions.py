"""What sessions do: sys.dm_exec_sessions, _requests, _connections."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance.sessions import Entry
from runbook.sandbox.language.engine.locks import LOCKS

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Rows = list[dict[str, Any]]

SESSIONS = (
    "session_id smallint not null",
    "login_time datetime not null",
    "host_name nvarchar(128)",
    "program_name nvarchar(128)",
    "host_process_id int",
    "client_version int",
    "client_interface_name nvarchar(32)",
    "security_id varbinary(85)",
    "login_name nvarchar(128) not null",
    "nt_domain nvarchar(128)",
    "nt_user_name nvarchar(128)",
    "status nvarchar(30) not null",
    "context_info varbinary(128)",
    "cpu_time int",
    "memory_usage int",
    "total_scheduled_time int",
    "total_elapsed_time int",
    "endpoint_id int",
    "last_request_start_time datetime",
    "last_request_end_time datetime",
    "reads bigint",
    "writes bigint",
    "logical_reads bigint",
    "is_user_process bit not null",
    "text_size int",
    "language nvarchar(128)",
    "date_format nvarchar(3)",
    "date_first smallint",
    "quoted_identifier bit",
    "arithabort bit",
    "ansi_null_dflt_on bit",
    "ansi_defaults bit",
    "ansi_warnings bit",
    "ansi_padding bit",
    "ansi_nulls bit",
    "concat_null_yields_null bit",
    "transaction_isolation_level smallint",
    "lock_timeout int",
    "deadlock_priority int",
    "row_count bigint",
    "prev_error int",
    "original_security_id varbinary(85)",
    "original_login_name nvarchar(128)",
    "database_id smallint",
    "authenticating_database_id int",
    "open_transaction_count int",
    "page_server_reads bigint",
)
ISOLATION = {"READ UNCOMMITTED": 1, "READ COMMITTED": 2, "REPEATABLE READ": 3, "SERIALIZABLE": 4, "SNAPSHOT": 5}


def _isolation(session: LanguageSession) -> int:
    level = getattr(session, "isolation", "READ COMMITTED")
    return int(level) if isinstance(level, int) else ISOLATION.get(str(level).upper(), 2)


def _session_row(instance: SandboxInstance, entry: Entry) -> dict[str, Any]:
    session, request = entry.session, entry.request
    where = instance.gate.context(entry.spid)
    spent = 0 if request is None else int((time.monotonic() - request.clock) * 1000)
    return {
        "session_id": entry.spid,
        "login_time": entry.login_time,
        "host_name": session.host,
        "program_name": session.app,
        "host_process_id": None,
        "client_version": 7,
        "client_interface_name": entry.library or "ODBC",
        "security_id": bytes.fromhex(entry.sid),
        "login_name": session.login,
        "nt_domain": "",
        "nt_user_name": "",
        "status": "running" if request is not None else "sleeping",
        "cpu_time": spent,
        "memory_usage": 4,
        "total_scheduled_time": spent,
        "total_elapsed_time": spent,
        "endpoint_id": 4,
        "last_request_start_time": entry.last_start,
        "last_request_end_time": entry.last_end,
        **dict.fromkeys(("reads", "writes", "logical_reads", "row_count", "prev_error", "page_server_reads"), 0),
        "is_user_process": entry.is_user,
        "text_size": 2147483647,
        "language": "us_english",
        "date_format": "mdy",
        "date_first": 7,
        **dict.fromkeys(
            ("quoted_identifier", "ansi_null_dflt_on", "ansi_warnings", "ansi_padding", "ansi_nulls"), True
        ),
        "arithabort": False,
        "ansi_defaults": False,
        "concat_null_yields_null": True,
        "transaction_isolation_level": _isolation(session),
        "lock_timeout": getattr(session, "lock_timeout", -1),
        "deadlock_priority": 0,
        "original_security_id": bytes.fromhex(entry.sid),
        "original_login_name": entry.login,
        "database_id": None if where is None else where.id,
        "authenticating_database_id": 1,
        "open_transaction_count": session.trancount,
    }


def visible(instance: SandboxInstance, session: LanguageSession) -> list[Entry]:
    """Without VIEW SERVER STATE a login sees only its own session."""
    login = instance.logins.find(session.login)
    granted = login is not None and login.permissions.get("VIEW SERVER STATE") == "GRANT"
    sees_all = session.is_sysadmin or granted or instance.logins.has_role(session.login, "serveradmin", "processadmin")
    return [e for e in instance.registry.all() if sees_all or e.spid == session.spid]


def sessions(instance: SandboxInstance, session: LanguageSession, _: Sequence[Any]) -> Rows:
    """sys.dm_exec_sessions."""
    return [_session_row(instance, e) for e in visible(instance, session)]


REQUESTS = (
    "session_id smallint not null",
    "request_id int not null",
    "start_time datetime not null",
    "status nvarchar(30) not null",
    "command nvarchar(32) not null",
    "sql_handle varbinary(64)",
    "statement_start_offset int",
    "statement_end_offset int",
    "plan_handle varbinary(64)",
    "database_id smallint not null",
    "user_id int not null",
    "connection_id uniqueidentifier",
    "blocking_session_id smallint",
    "wait_type nvarchar(60)",
    "wait_time int not null",
    "last_wait_type nvarchar(60) not null",
    "wait_resource nvarchar(256) not null",
    "open_transaction_count int not null",
    "transaction_id bigint not null",
    "percent_complete real not null",
    "estimated_completion_time bigint not null",
    "cpu_time int not null",
    "total_elapsed_time int not null",
    "reads bigint not null",
    "writes bigint not null",
    "logical_reads bigint not null",
    "transaction_isolation_level smallint not null",
    "row_count bigint not null",
    "granted_query_memory int not null",
    "dop int not null",
)


def handle_of(spid: int) -> bytes:
    """A sql_handle from which the statement can be found again."""
    return b"\x02\x00" + spid.to_bytes(4, "big") + bytes(14)


def connection_id(entry: Entry) -> uuid.UUID:
    """The id of a session's connection; the same in every view."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{entry.spid}/{entry.login_time.isoformat()}")


def requests(instance: SandboxInstance, session: LanguageSession, _: Sequence[Any]) -> Rows:
    """sys.dm_exec_requests."""
    return [r for r in (_request_row(instance, e) for e in visible(instance, session)) if r is not None]


def blocker_of(instance: SandboxInstance, entry: Entry) -> int:
    """The session that keeps this one waiting: for a database, or for its turn to write; 0 for none."""
    found = instance.gate.blockers(entry.spid) - {entry.spid}
    return min(found) if found else LOCKS.blocker(entry.session)


def _request_row(instance: SandboxInstance, entry: Entry) -> dict[str, Any] | None:
    request = entry.request
    if request is None:
        return None
    where = instance.gate.context(entry.spid)
    spent = int((time.monotonic() - request.clock) * 1000)
    blocker = blocker_of(instance, entry)
    wait_type = request.wait_type or ("LCK_M_X" if blocker else None)
    return {
        "session_id": entry.spid,
        "request_id": 0,
        "start_time": request.started,
        "status": "suspended" if wait_type else "running",
        "command": request.command,
        "sql_handle": handle_of(entry.spid),
        "statement_start_offset": 0,
        "statement_end_offset": -1,
        "database_id": 1 if where is None else where.id,
        "user_id": 1,
        "connection_id": connection_id(entry),
        "blocking_session_id": blocker,
        "wait_type": wait_type,
        "wait_time": spent if wait_type else 0,
        "last_wait_type": wait_type or "MISCELLANEOUS",
        "wait_resource": "",
        "open_transaction_count": entry.session.trancount,
        "transaction_id": 0,
        "percent_complete": request.percent,
        "estimated_completion_time": request.estimate_ms(),
        "cpu_time": spent,
        "total_elapsed_time": spent,
        **dict.fromkeys(("reads", "writes", "logical_reads", "row_count", "granted_query_memory"), 0),
        "transaction_isolation_level": _isolation(entry.session),
        "dop": 1,
    }


CONNECTIONS = (
    "session_id int",
    "most_recent_session_id int",
    "connect_time datetime not null",
    "net_transport nvarchar(40) not null",
    "protocol_type nvarchar(40)",
    "protocol_version int",
    "endpoint_id int",
    "encrypt_option nvarchar(40) not null",
    "auth_scheme nvarchar(40) not null",
    "node_affinity smallint not null",
    "num_reads int",
    "num_writes int",
    "last_read datetime",
    "last_write datetime",
    "net_packet_size int",
    "client_net_address nvarchar(48)",
    "client_tcp_port int",
    "local_net_address nvarchar(48)",
    "local_tcp_port int",
    "connection_id uniqueidentifier not null",
    "parent_connection_id uniqueidentifier",
    "most_recent_sql_handle varbinary(64)",
)


def connections(instance: SandboxInstance, session: LanguageSession, _: Sequence[Any]) -> Rows:
    """sys.dm_exec_connections."""
    return [
        {
            "session_id": e.spid,
            "most_recent_session_id": e.spid,
            "connect_time": e.login_time,
            "net_transport": "TCP",
            "protocol_type": "TSQL",
            "protocol_version": 0x74000004,
            "endpoint_id": 4,
            "encrypt_option": "FALSE",
            "auth_scheme": "SQL",
            "node_affinity": 0,
            "num_reads": 0,
            "num_writes": 0,
            "last_read": e.last_start,
            "last_write": e.last_end,
            "net_packet_size": 4096,
            "client_net_address": "127.0.0.1",
            "local_net_address": "127.0.0.1",
            "local_tcp_port": instance.port,
            "connection_id": connection_id(e),
            "most_recent_sql_handle": handle_of(e.spid),
        }
        for e in visible(instance, session)
        if e.is_user
    ]


TEXT = (
    "sql_handle varbinary(64)",
    "dbid smallint",
    "objectid int",
    "number smallint",
    "encrypted bit",
    "text nvarchar(max)",
)


def sql_text(instance: SandboxInstance, _: LanguageSession, args: Sequence[Any]) -> Rows:
    """sys.dm_exec_sql_text(sql_handle): the argument is the first column, by which the caller selects."""
    return [
        {"sql_handle": handle_of(e.spid), "encrypted": False, "text": e.last_text}
        for e in instance.registry.all()
        if not args or args[0] == handle_of(e.spid)
    ]


BUFFER = (
    "session_id smallint",
    "request_id int",
    "event_type nvarchar(256)",
    "parameters smallint",
    "event_info nvarchar(max)",
)


def input_buffer(instance: SandboxInstance, _: LanguageSession, args: Sequence[Any]) -> Rows:
    """sys.dm_exec_input_buffer(session_id, request_id): the arguments are the first columns."""
    return [
        {
            "session_id": e.spid,
            "request_id": 0,
            "event_type": "Language Event",
            "parameters": 0,
            "event_info": e.last_text,
        }
        for e in instance.registry.all()
        if not args or args[0] == e.spid
    ]


VIEWS: dict[str, tuple[Sequence[str], Callable[..., Rows]]] = {
    "sys.dm_exec_sessions": (SESSIONS, sessions),
    "sys.dm_exec_requests": (REQUESTS, requests),
    "sys.dm_exec_connections": (CONNECTIONS, connections),
    "sys.dm_exec_sql_text": (TEXT, sql_text),
    "sys.dm_exec_input_buffer": (BUFFER, input_buffer),
}
