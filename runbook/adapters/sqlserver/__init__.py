"""SQL Server through pyodbc: the adapter behind :class:`runbook.ports.SqlServer`.

``open_server`` opens nothing yet: connections are made by the calls.
"""

from __future__ import annotations

from runbook.adapters.sqlserver.client import Client
from runbook.adapters.sqlserver.connection import Connector
from runbook.adapters.sqlserver.copies import ServerCopies
from runbook.adapters.sqlserver.idle import Idle
from runbook.adapters.sqlserver.server import Server
from runbook.adapters.sqlserver.statement import PATIENCE, Patience
from runbook.adapters.sqlserver.target import ServerTarget
from runbook.adapters.sqlserver.tsql import session as text
from runbook.ports import Cancellation, Recorder

__all__ = ["Idle", "Patience", "Server", "ServerCopies", "ServerTarget", "open_copies", "open_server"]


def open_server(
    role: str,
    target: ServerTarget,
    cancellation: Cancellation,
    recorder: Recorder,
    run_id: str,
    fence: int,
    patience: Patience = PATIENCE,
    idle: Idle | None = None,
) -> Server:
    """Return the server that plays ``role``. Its sessions are named ``runbook <run_id> <fence>``.

    With ``idle``, reads use the sessions kept there; whoever made it closes it.
    """
    connector = Connector(role, target, text.program(run_id, fence), cancellation)
    return Server(Client(connector, cancellation, recorder, patience, idle), run_id)


def open_copies(
    role: str, target: ServerTarget, cancellation: Cancellation, run_id: str, fence: int, server_name: str = ""
) -> ServerCopies:
    """Return the place on that server where journals are kept a second time; ``server_name`` is who must answer."""
    return ServerCopies(Connector(role, target, text.program(run_id, fence), cancellation), server_name)
