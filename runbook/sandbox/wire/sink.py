"""The answer to one request: tokens put together, DONE held back, packets sent as they fill up."""

from __future__ import annotations

import contextlib
import struct
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from runbook.sandbox.contract import Cancelled, Column, ConnectionCut, RpcParam, SqlError
from runbook.sandbox.wire import tokens
from runbook.sandbox.wire.encode import codec
from runbook.sandbox.wire.errors import Truncated, failure, internal, truncated
from runbook.sandbox.wire.framing import MessageWriter
from runbook.sandbox.wire.rpc import Call
from runbook.sandbox.wire.turn import Turn

_HIGH_WATER = 32 * 1024
_FATAL = 20
_NULLABLE, _UPDATABLE_UNKNOWN, _IDENTITY = 0x01, 0x08, 0x10
_ROW = tokens.ROW


class TokenSink:
    """Implements ``contract.Sink``. Used by the executing thread only.

    The last DONE of an answer must not say MORE and all before it must: one DONE is always held back until it is known
    what follows it.
    """

    def __init__(self, writer: MessageWriter, turn: Turn, server: str, collation: bytes) -> None:
        self._writer = writer
        self._turn = turn
        self._server = server
        self._collation = collation
        self._buffer = bytearray()
        self._held: tuple[int, int, int, int] | None = None
        self._call: Call | None = None
        self._status: int | None = None
        self._values: list[bytes] = []
        self._next_output = 0
        self._columns: Sequence[Column] = ()
        self._encoders: list[Any] = []
        self._in_rows = False
        self._failed = False
        self._has_message = False
        self.is_fatal = False
        """Whether an error of severity 20 or more was sent: the connection ends after this answer."""

    # --- what a session calls ------------------------------------------------------------------------------

    def columns(self, columns: Sequence[Column]) -> None:
        """COLMETADATA, and an encoder for each column."""
        codecs = [codec(column.type, self._collation) for column in columns]
        self._release()
        out = self._buffer
        out += struct.pack("<BH", tokens.COLMETADATA, len(columns))
        for column, kind in zip(columns, codecs, strict=True):
            flags = _UPDATABLE_UNKNOWN | (_NULLABLE if column.nullable else 0) | (_IDENTITY if column.identity else 0)
            out += struct.pack("<IH", kind.user_type, flags) + kind.type_info
            if kind.is_long:
                out += b"\x01\x00\x00"  # one part, empty: the table of the column is not told
            out += tokens.short_text(column.name[:128])
        self._columns = columns
        self._encoders = [kind.encode for kind in codecs]
        self._in_rows = True

    def row(self, values: Sequence[Any]) -> None:
        """ROW; SqlError 50997 when a value does not fit its column."""
        out = self._buffer
        start = len(out)
        out.append(_ROW)
        try:
            for encode, value in zip(self._encoders, values, strict=True):
                out += encode(value)
        except Exception as error:
            del out[start:]
            raise self._misfit(values, error) from error
        if len(out) >= _HIGH_WATER:
            self._spill()

    def done(self, rowcount: int | None = None) -> None:
        """Hold the statement's DONE until something follows."""
        self._release()
        status = tokens.FAILED if self._failed else tokens.FINAL
        if rowcount is not None:
            status |= tokens.COUNT
        token = tokens.DONE_IN_PROCEDURE if self._call else tokens.DONE
        self._held = (token, status, tokens.SELECT if self._in_rows else 0, rowcount or 0)
        self._in_rows = self._failed = self._has_message = False

    def info(self, number: int, message: str, severity: int = 0, state: int = 1, line: int = 1) -> None:
        """INFO; a severity above 10 makes it an ERROR."""
        self.error(SqlError(number, message, severity, state, line=line))

    def error(self, error: SqlError) -> None:
        """ERROR tokens of the error and its companions, in order; INFO for those of severity 10 and below."""
        self._release()
        for one in tokens.flattened(error):
            self._buffer += tokens.message(one, self._server)
            self._failed = self._failed or one.severity > 10
            self.is_fatal = self.is_fatal or one.severity >= _FATAL
        self._has_message = True

    def database(self, new: str, old: str) -> None:
        """ENVCHANGE 1 and message 5701."""
        self._release()
        self._buffer += tokens.changed_database(new, old, self._server)

    def return_status(self, status: int) -> None:
        """Kept for the end of an RPC answer; in a batch it goes out at once with the procedure's DONE."""
        if self._call:
            self._status = status
            return
        self._release()
        self._buffer += tokens.return_status(status)
        self._held = (tokens.DONE_PROCEDURE, tokens.FINAL, 0, 0)

    def return_value(self, param: RpcParam) -> None:
        """Kept for the end of the answer, where RETURNVALUE belongs."""
        if self._call is None:
            raise internal("an output parameter without a call")
        kind = codec(param.type, self._collation)
        try:
            value = kind.encode(param.value)
        except Exception as error:
            raise internal(f"output parameter {param.name} as {param.type.name}: {error}") from error
        head = struct.pack("<BH", tokens.RETURN_VALUE, self._ordinal(param)) + tokens.short_text(param.name)
        self._values.append(head + struct.pack("<BIH", 0x01, kind.user_type, _NULLABLE) + kind.type_info + value)

    def flush(self) -> None:
        """Send what is buffered, a packet need not be full. Raises Cancelled once an attention came.

        A driver shows messages only when a DONE follows them. One is put after them here, so that each progress message
        ends a result of its own, and a client that does not ask for the next one aborts a BACKUP.
        """
        if self._has_message and not self._in_rows and not self._failed:
            self.done()
            self._release()
        if self._buffer:
            self._send(self._buffer, last=False)
            self._buffer.clear()
        if self._turn.attention:
            raise Cancelled

    # --- what the connection calls -------------------------------------------------------------------------

    def begin_call(self, call: Call) -> None:
        """The next call of an RPC request begins."""
        self._release()
        self._call = call
        self._status = None
        self._values = []
        self._next_output = 0

    def end_call(self) -> None:
        """RETURNSTATUS, output parameters and DONEPROC, the latter held back."""
        failed = tokens.FAILED if self._failed else tokens.FINAL
        self._release()
        if self._status is not None or not failed:
            self._buffer += tokens.return_status(self._status or 0)
        for value in self._values:
            self._buffer += value
        self._held = (tokens.DONE_PROCEDURE, failed, 0, 0)
        self._failed = self._in_rows = False
        self._call = None

    def fail(self) -> None:
        """Let the next DONE carry the error bit without a message."""
        self._release()
        self._failed = True

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Whatever goes wrong inside becomes an ERROR token; Cancelled and ConnectionCut pass."""
        try:
            yield
        except SqlError as error:
            self.error(error)
        except Truncated:
            self.error(truncated())
        except Exception as error:  # noqa: BLE001 - a request must never end the server
            traceback.print_exc()
            self.error(failure(error))

    def environment(self, change: bytes) -> None:
        """An ENVCHANGE, put before the DONE that is held back."""
        self._buffer += change

    def finish(self, *, attention: bool) -> None:
        """Send the end of the answer: the last DONE, or the acknowledgement of an attention.

        A lone DONE with the attention bit reads as success without rows in Microsoft's driver 18; with a DONE that
        carries the error bit before it every driver reports the cancel.
        """
        if attention:
            self._release()
            self._buffer += tokens.done(tokens.DONE, tokens.FAILED | tokens.MORE, 0, 0)
            self._buffer += tokens.done(tokens.DONE, tokens.ATTENTION, 0, 0)
        elif self._held is None:
            self._buffer += tokens.done(tokens.DONE, tokens.FAILED if self._failed else tokens.FINAL, 0, 0)
        else:
            self._buffer += tokens.done(*self._held)
        self._held = None
        self._send(self._buffer, last=True)
        self._buffer.clear()

    # --- inside --------------------------------------------------------------------------------------------

    def _release(self) -> None:
        if self._held is not None:
            token, status, command, rows = self._held
            self._held = None
            self._buffer += tokens.done(token, status | tokens.MORE, command, rows)
        if len(self._buffer) >= _HIGH_WATER:
            self._spill()

    def _spill(self) -> None:
        """Send the full packets of the buffer, keep the rest."""
        size = len(self._buffer) // self._writer.room * self._writer.room
        self._send(self._buffer[:size], last=False)
        del self._buffer[:size]
        if self._turn.attention:
            raise Cancelled

    def _send(self, data: bytes | bytearray, *, last: bool) -> None:
        try:
            self._writer.write(data, last=last)
        except OSError as error:
            raise ConnectionCut from error

    def _ordinal(self, param: RpcParam) -> int:
        call = self._call
        assert call is not None
        for index, candidate in enumerate(call.params):
            if candidate is param or (param.name and candidate.name.lower() == param.name.lower()):
                return call.ordinals[index]
        outputs = [call.ordinals[i] for i, candidate in enumerate(call.params) if candidate.output]
        self._next_output += 1
        return outputs[self._next_output - 1] if self._next_output <= len(outputs) else self._next_output - 1

    def _misfit(self, values: Sequence[Any], error: Exception) -> SqlError:
        for column, encode, value in zip(self._columns, self._encoders, values, strict=False):
            try:
                encode(value)
            except Exception as why:  # noqa: BLE001 - whatever is wrong with the value is what is told
                return internal(f"column {column.name} of type {column.type.name}: {why}")
        return internal(f"a row of {len(values)} values for {len(self._columns)} columns: {error}")
