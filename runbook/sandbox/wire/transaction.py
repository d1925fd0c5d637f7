"""Transaction manager requests, and what the client is told about the open transaction (MS-TDS 2.2.6.9, 2.2.7.9)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from runbook.sandbox.contract import Session
from runbook.sandbox.wire import tokens
from runbook.sandbox.wire.cursor import Cursor
from runbook.sandbox.wire.errors import unsupported
from runbook.sandbox.wire.rpc import skip_headers
from runbook.sandbox.wire.sink import TokenSink

_BEGIN, _COMMIT, _ROLLBACK, _SAVE = 5, 7, 8, 9
_ISOLATION = {1: "READ UNCOMMITTED", 2: "READ COMMITTED", 3: "REPEATABLE READ", 4: "SERIALIZABLE", 5: "SNAPSHOT"}
_BEGIN_AGAIN = 0x01


def perform(session: Session, payload: bytes, sink: TokenSink) -> None:
    """Run one request; SqlError 50999 for distributed transactions."""
    cursor = Cursor(payload)
    skip_headers(cursor)
    kind = cursor.uint(2)
    action = _ACTIONS.get(kind)
    if action is None:
        raise unsupported(f"transaction manager request {kind} (distributed transactions)")
    action(session, cursor, sink)


def _name(cursor: Cursor) -> str:
    return cursor.take(cursor.uint(1)).decode("utf-16-le")


def _begin(session: Session, cursor: Cursor, sink: TokenSink) -> None:
    level = _ISOLATION.get(cursor.uint(1))
    name = _name(cursor)
    if level:
        session.batch(f"SET TRANSACTION ISOLATION LEVEL {level}", sink)
    session.transaction("begin", name, sink)


def _end(request: str) -> Callable[[Session, Cursor, TokenSink], None]:
    def end(session: Session, cursor: Cursor, sink: TokenSink) -> None:
        name = _name(cursor)
        flags = cursor.uint(1)
        session.transaction(request, name, sink)
        if flags & _BEGIN_AGAIN:
            _begin(session, cursor, sink)

    return end


def _save(session: Session, cursor: Cursor, sink: TokenSink) -> None:
    name = _name(cursor).replace("]", "]]")
    session.batch(f"SAVE TRANSACTION [{name}]", sink)


_ACTIONS: dict[int, Callable[[Session, Cursor, TokenSink], None]] = {
    _BEGIN: _begin,
    _COMMIT: _end("commit"),
    _ROLLBACK: _end("rollback"),
    _SAVE: _save,
}


class TransactionWatch:
    """Tells the client when a transaction began or ended.

    Drivers keep the transaction's descriptor and some send COMMIT only while they hold one. The session's ``trancount``
    is looked at after each request, so transactions begun in T-SQL are announced too.
    """

    def __init__(self) -> None:
        self._descriptor = b""
        self._count = 0

    def announce(self, session: Session, sink: TokenSink) -> None:
        """Add the ENVCHANGE that fits the change since the last request, if there was one."""
        is_open = bool(getattr(session, "trancount", 0))
        if is_open and not self._descriptor:
            self._count += 1
            self._descriptor = struct.pack("<II", self._count, session.spid)
            sink.environment(tokens.env_bytes(tokens.ENV_BEGIN, self._descriptor, b""))
        elif self._descriptor and not is_open:
            sink.environment(tokens.env_bytes(tokens.ENV_COMMIT, b"", self._descriptor))
            self._descriptor = b""
