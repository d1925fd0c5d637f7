"""RPC requests: which procedure, with which parameters (MS-TDS 2.2.6.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from runbook.sandbox.contract import RpcParam
from runbook.sandbox.wire.cursor import Cursor
from runbook.sandbox.wire.decode import parameter
from runbook.sandbox.wire.errors import Truncated, unsupported

_BY_NUMBER = {
    1: "sp_cursor",
    2: "sp_cursoropen",
    3: "sp_cursorprepare",
    4: "sp_cursorexecute",
    5: "sp_cursorprepexec",
    6: "sp_cursorunprepare",
    7: "sp_cursorfetch",
    8: "sp_cursoroption",
    9: "sp_cursorclose",
    10: "sp_executesql",
    11: "sp_prepare",
    12: "sp_execute",
    13: "sp_prepexec",
    14: "sp_prepexecrpc",
    15: "sp_unprepare",
}
_NEXT_CALL = 0xFF
_NEXT_CALL_WITHOUT_RUN = 0xFE
_SEPARATORS = frozenset({0x80, _NEXT_CALL_WITHOUT_RUN, _NEXT_CALL})
_BY_REFERENCE = 0x01
_DEFAULT = 0x02
_ENCRYPTED = 0x08


@dataclass
class Call:
    """One call of a request; ``ordinals`` gives each parameter its place in the request."""

    name: str
    params: list[RpcParam] = field(default_factory=list)
    ordinals: list[int] = field(default_factory=list)
    is_run: bool = True


def skip_headers(cursor: Cursor) -> None:
    """Step over ALL_HEADERS; nothing in them changes what the sandbox does."""
    size = cursor.uint(4)
    if size < 4:
        raise Truncated
    cursor.take(size - 4)


def calls(payload: bytes) -> Iterator[Call]:
    """The calls of a request, decoded one by one: a bad one does not undo those before it."""
    cursor = Cursor(payload)
    skip_headers(cursor)
    while not cursor.exhausted:
        yield _call(cursor)


def _call(cursor: Cursor) -> Call:
    call = Call(_name(cursor))
    cursor.take(2)
    ordinal = 0
    while not cursor.exhausted:
        if cursor.peek() in _SEPARATORS:
            call.is_run = cursor.uint(1) != _NEXT_CALL_WITHOUT_RUN
            break
        _parameter(cursor, call, ordinal)
        ordinal += 1
    return call


def _name(cursor: Cursor) -> str:
    size = cursor.uint(2)
    if size != 0xFFFF:
        return cursor.text(size)
    number = cursor.uint(2)
    name = _BY_NUMBER.get(number)
    if name is None:
        raise unsupported(f"the procedure with number {number}")
    return name


def _parameter(cursor: Cursor, call: Call, ordinal: int) -> None:
    name = cursor.short_text()
    status = cursor.uint(1)
    if status & _ENCRYPTED:
        raise unsupported("an encrypted parameter")
    kind, value = parameter(cursor)
    if status & _DEFAULT:
        return
    if not name and len(call.params) != ordinal:
        raise unsupported("a positional parameter after a DEFAULT")
    call.params.append(RpcParam(name, kind, value, output=bool(status & _BY_REFERENCE)))
    call.ordinals.append(ordinal)
