"""One request of a client becomes calls of its session."""

from __future__ import annotations

from runbook.sandbox.contract import Session
from runbook.sandbox.wire import framing, tokens, transaction
from runbook.sandbox.wire.cursor import Cursor
from runbook.sandbox.wire.errors import unsupported
from runbook.sandbox.wire.framing import Message
from runbook.sandbox.wire.rpc import Call, calls, skip_headers
from runbook.sandbox.wire.sink import TokenSink


def perform(session: Session, message: Message, sink: TokenSink) -> None:
    """Run the request. Raises what the session raises, SqlError for what the wire refuses."""
    if message.status & framing.IGNORE:
        # The client changed its mind while sending: nothing runs, DONE with the error bit says so.
        sink.fail()
        return
    _reset(session, message, sink)
    if message.kind == framing.SQL_BATCH:
        _batch(session, message.payload, sink)
    elif message.kind == framing.RPC:
        _calls(session, message.payload, sink)
    elif message.kind == framing.TRANSACTION:
        transaction.perform(session, message.payload, sink)
    else:
        raise unsupported("bulk load (BULK INSERT, bcp)")


def _reset(session: Session, message: Message, sink: TokenSink) -> None:
    if message.status & framing.RESET_KEEPING_TRANSACTION:
        raise unsupported("a connection reset that keeps the transaction")
    if message.status & framing.RESET:
        session.reset()
        sink.environment(tokens.env_bytes(tokens.ENV_RESET, b"", b""))


def _batch(session: Session, payload: bytes, sink: TokenSink) -> None:
    cursor = Cursor(payload)
    skip_headers(cursor)
    session.batch(payload[cursor.at :].decode("utf-16-le", "surrogatepass"), sink)


def _calls(session: Session, payload: bytes, sink: TokenSink) -> None:
    for call in calls(payload):
        sink.begin_call(call)
        if call.is_run:
            _call(session, call, sink)
        sink.end_call()
        if sink.is_fatal:
            return


def _call(session: Session, call: Call, sink: TokenSink) -> None:
    # Each call of a parameter array is answered for itself: an error in one does not keep the next from running.
    with sink.reporting():
        session.rpc(call.name, call.params, sink)
