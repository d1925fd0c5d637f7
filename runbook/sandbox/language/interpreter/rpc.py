"""RPC requests: prepared statements and procedures called by the driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import RpcParam, Sink, SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.catalog import lookup_session
from runbook.sandbox.language.interpreter import batches, procedures
from runbook.sandbox.language.interpreter.batches import BatchEnded, Runner, ScopeEnded
from runbook.sandbox.language.interpreter.frame import Frame
from runbook.sandbox.language.interpreter.sysprocs import parameter_list
from runbook.sandbox.language.lexer import parse_name
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import convert

if TYPE_CHECKING:
    from runbook.sandbox.language.session import LanguageSession


@dataclass
class Handle:
    """A prepared statement."""

    sql: str
    declared: list[tuple[str, SqlType, bool, Any]]


def run(session: LanguageSession, name: str, params: list[RpcParam], sink: Sink) -> None:
    """One RPC call."""
    parts = tuple(parse_name(name))
    short = parts[-1].lower()
    frame = Frame(session)
    frame.schema = lookup_session.default_schema(session)
    session.frame = frame
    handler = _HANDLERS.get(short)
    runner = Runner(session, name, sink, frame)
    try:
        status = handler(runner, params) if handler is not None else _procedure(runner, parts, params)
        sink.return_status(status)
    except (BatchEnded, ScopeEnded):
        pass
    except SqlError as error:
        batches.report(session, error, sink)
        sink.done()
    finally:
        runner.leave()


def _physical(param: RpcParam) -> Any:
    kind = wire_type(param)
    return None if param.value is None else convert.physical_value(param.value, kind)


def wire_type(param: RpcParam) -> SqlType:
    """The parameter's type, made definite."""
    kind = param.type
    if kind.name in t.DECIMALS and kind.precision is None:
        return t.decimal_type(38, kind.scale or 0)
    if kind.name in ("time", "datetime2", "datetimeoffset") and kind.scale is None:
        return SqlType(kind.name, None, None, 7)
    if kind.name in ("varchar", "nvarchar", "varbinary", "char", "nchar", "binary") and kind.length is None:
        return SqlType(kind.name, t.MAX)
    return kind if kind.name in t.RANK else t.NVARCHAR_MAX


def _text(params: list[RpcParam], at: int) -> str:
    return str(params[at].value or "") if at < len(params) else ""


# --- statements --------------------------------------------------------------------------------------------


def _execute_sql(runner: Runner, params: list[RpcParam]) -> int:
    sql, declaration, rest = _text(params, 0), _text(params, 1), params[2:]
    return _run_sql(runner, Handle(sql, _declared(runner, declaration)), rest)


def _declared(runner: Runner, text: str) -> list[tuple[str, SqlType, bool, Any]]:
    return parameter_list(runner, text) if text.strip() else []


def _run_sql(runner: Runner, handle: Handle, values: list[RpcParam]) -> int:
    """A batch with parameters; its statements count as top level."""
    session, frame, sink = runner.session, runner.frame, runner.sink
    by_name = {v.name.lower(): v for v in values if v.name}
    by_position = [v for v in values if not v.name]
    outputs: list[tuple[str, RpcParam]] = []
    for i, (name, kind, _, default) in enumerate(handle.declared):
        param = by_name.get(name.lower()) or (by_position[i] if i < len(by_position) else None)
        if param is None:
            if default is None:
                raise SqlError(
                    8178,
                    f"The parameterized query '({_signature(handle)}){handle.sql[:60]}' expects the parameter "
                    f"'{name}', which was not supplied.",
                )
            continue
        source = wire_type(param)
        frame.declare(name, kind, convert.cast_value(_physical(param), source, kind))
        if param.output:
            outputs.append((name, param))
    statements = batches.parse(session, handle.sql, sink)
    if statements is None:
        sink.done()
        return 102
    inner = Runner(session, handle.sql, sink, frame)
    inner.scope(statements)
    for name, param in outputs:
        kind = frame.types[name]
        sink.return_value(RpcParam(param.name or name, kind, convert.python_value(frame.variables[name], kind), True))
    return frame.status


def _signature(handle: Handle) -> str:
    return ",".join(f"{name} {t.display(kind)}" for name, kind, _, _ in handle.declared)


def _new_handle(runner: Runner, handle: Handle) -> int:
    session = runner.session
    number = session.next_number()
    session.handles[number] = handle
    return number


def _prepare(runner: Runner, params: list[RpcParam]) -> int:
    number = _new_handle(runner, Handle(_text(params, 2), _declared(runner, _text(params, 1))))
    runner.sink.return_value(RpcParam(params[0].name, t.INT, number, True))
    return 0


def _prepexec(runner: Runner, params: list[RpcParam]) -> int:
    handle = Handle(_text(params, 2), _declared(runner, _text(params, 1)))
    number = _new_handle(runner, handle)
    status = 0
    try:
        status = _run_sql(runner, handle, params[3:])
    finally:
        runner.sink.return_value(RpcParam(params[0].name, t.INT, number, True))
    return status


def _prepexecrpc(runner: Runner, params: list[RpcParam]) -> int:
    parts = tuple(parse_name(_text(params, 1)))
    handler = _HANDLERS.get(parts[-1].lower())
    status = handler(runner, params[2:]) if handler is not None else _procedure(runner, parts, params[2:])
    runner.sink.return_value(RpcParam(params[0].name, t.INT, _new_handle(runner, Handle("", [])), True))
    return status


def _execute(runner: Runner, params: list[RpcParam]) -> int:
    handle = runner.session.handles.get(int(params[0].value or 0))
    if handle is None:
        raise SqlError(8179, f"Could not find prepared statement with handle {params[0].value}.", 16, 2)
    return _run_sql(runner, handle, params[1:])


def _unprepare(runner: Runner, params: list[RpcParam]) -> int:
    runner.session.handles.pop(int(params[0].value or 0), None)
    return 0


def _reset(runner: Runner, _params: list[RpcParam]) -> int:
    runner.session.reset()
    return 0


def _no_cursors(_runner: Runner, _params: list[RpcParam]) -> int:
    raise unsupported("a server cursor of the driver")


# --- procedures --------------------------------------------------------------------------------------------


def _procedure(runner: Runner, parts: tuple[str, ...], params: list[RpcParam]) -> int:
    session = runner.session
    args = []
    for param in params:
        name = param.name.lower() if param.name else ""
        if name and not name.startswith("@"):
            name = "@" + name
        arg = procedures.Argument(name, _physical(param), wire_type(param))
        arg.output = param.output
        arg.target = name or "@output" if param.output else ""
        args.append(arg)
    text = f"EXEC {'.'.join(parts)}"
    with session.instance.statement(session, text) as hit:
        if hit.lie:
            return 0
        status = procedures.call(runner, parts, args)
    for param, arg in zip(params, args, strict=True):
        if param.output:
            runner.sink.return_value(RpcParam(param.name, arg.kind, convert.python_value(arg.value, arg.kind), True))
    return status


_HANDLERS: dict[str, Callable[[Runner, list[RpcParam]], int]] = {
    "sp_executesql": _execute_sql,
    "sp_prepare": _prepare,
    "sp_prepexec": _prepexec,
    "sp_prepexecrpc": _prepexecrpc,
    "sp_execute": _execute,
    "sp_unprepare": _unprepare,
    "sp_reset_connection": _reset,
    "sp_cursoropen": _no_cursors,
    "sp_cursorprepexec": _no_cursors,
    "sp_cursorprepare": _no_cursors,
    "sp_cursorexecute": _no_cursors,
}
