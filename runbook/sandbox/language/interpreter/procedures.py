"""EXEC of procedures and strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.interpreter.batches import Runner
from runbook.sandbox.language.interpreter.environment import SessionEnvironment
from runbook.sandbox.language.interpreter.frame import Frame
from runbook.sandbox.language.interpreter.plans import is_compile
from runbook.sandbox.language.interpreter.select import evaluate
from runbook.sandbox.language.interpreter.sysprocs import find, parameter_list, procedure
from runbook.sandbox.language.interpreter.tables import copy_shape
from runbook.sandbox.language.lexer import parse_name
from runbook.sandbox.language.parser import parse_batch
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.fragments import parse_module
from runbook.sandbox.language.values import convert

if TYPE_CHECKING:
    from runbook.sandbox.language.session import LanguageSession

NEST_LIMIT = 32
Value = tuple[Any, SqlType]
"""A physical value with its type."""


class Argument:
    """An evaluated argument. ``target``: the variable that an OUTPUT parameter is written to."""

    def __init__(self, name: str, value: Any, kind: SqlType, *, target: str = "", default: bool = False) -> None:
        self.name = name
        self.value = value
        self.kind = kind
        self.target = target
        self.is_default = default
        self.output = bool(target)
        self.table: StoredTable | None = None


def execute(runner: Runner, statement: s.Execute) -> None:
    """An EXEC statement."""
    if statement.at:
        raise SqlError(7202, f"Could not find server '{statement.at}' in sys.servers.", 11, 2)
    if statement.text is not None:
        value, _ = evaluate(runner.frame, statement.text, t.NVARCHAR_MAX)
        run_string(runner, value or "", [])
        return
    parts = statement.procedure
    if statement.variable:
        kind = runner.frame.type_of(statement.variable)
        parts = tuple(
            parse_name(str(convert.cast_value(runner.frame.variables[statement.variable], kind, t.NVARCHAR_MAX)))
        )
    args = [_argument(runner.frame, a) for a in statement.args]
    status = call(runner, parts, args)
    for arg in args:
        if arg.target:
            kind = runner.frame.type_of(arg.target)
            runner.frame.variables[arg.target] = convert.cast_value(arg.value, arg.kind, kind)
    if statement.result:
        runner.frame.variables[statement.result] = convert.cast_value(
            status, t.INT, runner.frame.type_of(statement.result)
        )


def _argument(frame: Frame, node: s.Argument) -> Argument:
    if node.default or node.value is None:
        return Argument(node.name, None, t.INT, default=True)
    if isinstance(node.value, n.Variable) and node.value.name in frame.tables:
        found = Argument(node.name, None, t.INT)
        found.table = frame.tables[node.value.name]
        return found
    value, kind = evaluate(frame, node.value, None)
    target = node.value.name if node.output and isinstance(node.value, n.Variable) else ""
    if node.output and not target:
        raise SqlError(179, "Cannot use the OUTPUT option when passing a constant to a stored procedure.", 15)
    return Argument(node.name, value, kind, target=target)


def call(runner: Runner, parts: tuple[str, ...], args: list[Argument]) -> int:
    """Call a procedure by name: the user's, the language's or the instance's."""
    session = runner.session
    if session.depth >= NEST_LIMIT:
        raise SqlError(217, "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).")
    name = parts[-1].lower()
    found = _find(runner.frame, parts)
    if found is not None:
        return call_module(runner, found[0], found[1], args)
    system = find(name)
    if system is not None:
        status = system(runner, args)
        session.state.error = 0
        return status
    procedure = session.instance.procedure(name)
    if procedure is not None:
        return _call_instance(runner, procedure, args)
    raise SqlError(2812, f"Could not find stored procedure '{'.'.join(parts)}'.", 16, 62)


def _find(frame: Frame, parts: tuple[str, ...]) -> tuple[str, m.Module] | None:
    environment = SessionEnvironment(frame)
    database, schema, name = environment.split(parts)
    if schema.lower() == "sys":
        return None
    if frame.session.instance.find(database) is None:
        raise SqlError(2812, f"Could not find stored procedure '{'.'.join(parts)}'.", 16, 62)
    official, _, catalog = frame.session.open(database)
    for tried in (schema,) if schema else dict.fromkeys((frame.schema, "dbo")):
        item = catalog.find(tried, name)
        if isinstance(item, m.Synonym):
            return _find(frame, tuple(parse_name(item.target)))
        if isinstance(item, m.Module) and item.kind == "P":
            return official, item
        if isinstance(item, m.Module) and item.kind == "FN":
            raise unsupported("EXEC of a scalar function")
    if name.lower().startswith("sp_"):
        master = frame.session.instance.find("master")
        if master is not None and official != master.name:
            item = frame.session.open("master")[2].find("dbo", name)
            if isinstance(item, m.Module) and item.kind == "P":
                return official, item
    return None


def _call_instance(runner: Runner, procedure: Callable[..., int], args: list[Argument]) -> int:
    positional = [convert.python_value(a.value, a.kind) for a in args if not a.name and not a.is_default]
    named = {
        a.name.lstrip("@").lower(): convert.python_value(a.value, a.kind) for a in args if a.name and not a.is_default
    }
    outer, runner.session.frame = runner.session.frame, runner.frame
    try:
        status = procedure(runner.session, runner.sink, positional, named)
    finally:
        runner.session.frame = outer
    for arg in args:
        if arg.target and arg.name:
            arg.value = convert.physical_value(named.get(arg.name.lstrip("@").lower()), arg.kind)
    runner.session.view_stamps.clear()
    return status or 0


# --- procedures of the user --------------------------------------------------------------------------------


def call_module(runner: Runner, database: str, module: m.Module, args: list[Argument]) -> int:
    """Run a stored procedure."""
    session = runner.session
    parsed = parse_module(module.text)
    frame = Frame(session, "procedure", runner.frame)
    frame.procedure, frame.procedure_id = module.name, module.id
    frame.schema = _schema(session, database, module)
    bound = _bind_arguments(frame, database, module, parsed, args)
    inner = Runner(session, module.text, runner.sink, frame)
    _run(runner, inner, database, parsed.body)
    for parameter, arg in bound:
        if parameter.output and arg is not None and arg.output:
            arg.value, arg.kind = frame.variables[parameter.name], frame.types[parameter.name]
    return frame.status


def _schema(session: LanguageSession, database: str, module: m.Module) -> str:
    catalog = session.open(database)[2]
    found = catalog.schemas.get(module.schema)
    return found.name if found is not None else "dbo"


def _run(runner: Runner, inner: Runner, database: str, body: Any) -> None:
    """Run the body in the procedure's database; SET options are put back at the end."""
    session = runner.session
    outer_frame, outer_database = session.frame, session.database
    options = session.options
    kept = (options.nocount, options.xact_abort, options.lock_timeout, options.isolation, options.identity_insert)
    trancount = session.trancount
    session.frame, session.database = inner.frame, database
    session.depth += 1
    try:
        inner.scope(body)
    except SqlError as error:
        if is_compile(error):
            error.left_scope = True  # type: ignore[attr-defined]
        raise
    finally:
        inner.leave()
        session.depth -= 1
        session.frame, session.database = outer_frame, outer_database
        options.nocount, options.xact_abort, options.lock_timeout, options.isolation, options.identity_insert = kept
    if session.trancount != trancount and not session.trigger_depth:
        raise SqlError(
            266,
            "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT statements. "
            f"Previous count = {trancount}, current count = {session.trancount}.",
            16,
            2,
        )


def _bind_arguments(
    frame: Frame, database: str, module: m.Module, parsed: d.CreateModule, args: list[Argument]
) -> list[tuple[d.Parameter, Argument | None]]:
    given: dict[str, Argument] = {}
    for i, arg in enumerate(args):
        if arg.name:
            name = arg.name
            if name not in {p.name for p in parsed.parameters}:
                raise SqlError(8145, f"{name} is not a parameter for procedure {module.name}.", 16, 2)
        elif i < len(parsed.parameters):
            name = parsed.parameters[i].name
        else:
            raise SqlError(8144, f"Procedure or function {module.name} has too many arguments specified.", 16, 2)
        given[name] = arg
    found: list[tuple[d.Parameter, Argument | None]] = []
    environment = SessionEnvironment(frame, database)
    for parameter in parsed.parameters:
        held = given.get(parameter.name)
        _bind_one(frame, environment, module, parameter, held)
        found.append((parameter, held))
    return found


def _bind_one(
    frame: Frame, environment: SessionEnvironment, module: m.Module, parameter: d.Parameter, arg: Argument | None
) -> None:
    alias = environment.user_type(parameter.type.parts) if parameter.type.type is None else None
    if alias is not None and alias.table_id:
        _bind_table(frame, environment, parameter, alias, arg)
        return
    kind = environment.type_of(parameter.type)
    if arg is None or arg.is_default:
        if parameter.default is None:
            raise SqlError(
                201,
                f"Procedure or function '{module.name}' expects parameter '{parameter.name}', which was not supplied.",
                16,
                4,
            )
        value, _ = evaluate(frame, parameter.default, kind)
    else:
        value = assign(arg.value, arg.kind, kind)
    if arg is not None and arg.output and not parameter.output:
        raise SqlError(
            8162,
            f'The formal parameter "{parameter.name}" was not declared as an OUTPUT parameter, but the actual '
            "parameter passed in requested output.",
            16,
            2,
        )
    frame.declare(parameter.name, kind, value)


def assign(value: Any, source: SqlType, target: SqlType) -> Any:
    """Conversion of an argument to its parameter."""
    if value is None:
        return None
    convert.check_implicit(source, target)
    return convert.cast_value(value, source, target)


def _bind_table(
    frame: Frame, environment: SessionEnvironment, parameter: d.Parameter, alias: m.UserType, arg: Argument | None
) -> None:
    if arg is None or arg.table is None:
        catalog = environment.session.open(environment.database)[2]
        frame.tables[parameter.name] = copy_shape(frame, catalog.table(alias.table_id), parameter.name)
        return
    held = arg.table
    frame.tables[parameter.name] = StoredTable(parameter.name, held.table, held.prefix, read_only=True)


# --- strings -----------------------------------------------------------------------------------------------


def run_string(runner: Runner, text: str, parameters: list[tuple[str, SqlType, Any]]) -> Frame:
    """EXEC (string) and sp_executesql: a batch of its own inside the running one."""
    session = runner.session
    if session.depth >= NEST_LIMIT:
        raise SqlError(217, "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).")
    frame = Frame(session, "dynamic", runner.frame)
    frame.schema = runner.frame.schema
    for name, kind, value in parameters:
        frame.declare(name, kind, value)
    try:
        body = parse_batch(text)
    except SqlError as error:
        error.left_scope = True  # type: ignore[attr-defined]
        raise
    outer_frame, outer_database = session.frame, session.database
    options = session.options
    kept = (options.nocount, options.xact_abort)
    session.frame = frame
    session.depth += 1
    inner = Runner(session, text, runner.sink, frame)
    try:
        inner.scope(body)
    except SqlError as error:
        if is_compile(error):
            error.left_scope = True  # type: ignore[attr-defined]
        raise
    finally:
        inner.leave()
        session.depth -= 1
        session.frame = outer_frame
        options.nocount, options.xact_abort = kept
        if session.database != outer_database:
            session.instance.enter(session, outer_database)
            session.database = outer_database
    return frame


@procedure("sp_executesql")
def _executesql(runner: Runner, args: list[Argument]) -> int:
    if not args:
        raise SqlError(
            201, "Procedure or function 'sp_executesql' expects parameter '@statement', which was not supplied.", 16, 10
        )
    statement = args[0]
    if statement.kind.name not in ("nvarchar", "nchar", "ntext"):
        raise SqlError(214, "Procedure expects parameter '@statement' of type 'ntext/nchar/nvarchar'.", 16, 2)
    declared: list[tuple[str, SqlType, bool, n.Node | None]] = []
    if len(args) > 1 and args[1].value:
        declared = parameter_list(runner, str(args[1].value))
    rest = args[2:]
    values: list[tuple[str, SqlType, Any]] = []
    outputs: list[tuple[str, Any]] = []
    for i, (name, kind, is_output, _) in enumerate(declared):
        arg = next((a for a in rest if a.name == name), None) or (
            rest[i] if i < len(rest) and not rest[i].name else None
        )
        if arg is None:
            raise SqlError(8178, f"The parameterized query expects the parameter '{name}', which was not supplied.")
        values.append((name, kind, assign(arg.value, arg.kind, kind)))
        if is_output and arg.output:
            outputs.append((name, arg))
    frame = run_string(runner, str(statement.value or ""), values)
    for name, arg in outputs:
        arg.value, arg.kind = frame.variables[name], frame.types[name]
    return frame.status
