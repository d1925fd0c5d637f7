"""Functions that know the session, the catalog or the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, condition
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.catalog import lookup, lookup_session
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.functions.registry import FUNCTIONS, current, handler, of_session
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import convert as values
from runbook.sandbox.language.values import wire
from runbook.sandbox.language.values.numbers import encode

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder

# --- the state of the session ------------------------------------------------------------------------------

current("@@ROWCOUNT", t.INT, lambda f: f.session.state.rowcount, nullable=False)
current("ROWCOUNT_BIG", t.BIGINT, lambda f: f.session.state.rowcount, nullable=False)
current("@@ERROR", t.INT, lambda f: f.session.state.error, nullable=False)
current("@@TRANCOUNT", t.INT, lambda f: f.session.trancount, nullable=False)
current("@@SPID", t.SMALLINT, lambda f: f.session.spid, nullable=False)
current("@@NESTLEVEL", t.INT, lambda f: f.session.nest_level(), nullable=False)
current("@@FETCH_STATUS", t.INT, lambda f: f.session.state.fetch_status, nullable=False)
current("@@IDENTITY", t.decimal_type(38, 0), lambda f: _wide(f.session.state.identity))
current("SCOPE_IDENTITY", t.decimal_type(38, 0), lambda f: _wide(f.scope_identity))
current("@@PROCID", t.INT, lambda f: f.procedure_id, nullable=False)
current("@@CURSOR_ROWS", t.INT, lambda f: f.session.state.cursor_rows, nullable=False)
current("@@DATEFIRST", t.TINYINT, lambda _: 7, nullable=False)
current("@@LANGUAGE", t.SYSNAME, lambda _: "us_english", nullable=False)
current("@@LANGID", t.SMALLINT, lambda _: 0, nullable=False)
current("@@LOCK_TIMEOUT", t.INT, lambda f: f.session.options.lock_timeout, nullable=False)
current("@@TEXTSIZE", t.INT, lambda f: f.session.options.textsize, nullable=False)
current("@@OPTIONS", t.INT, lambda f: f.session.options.bits(), nullable=False)
current("@@MAX_PRECISION", t.TINYINT, lambda _: 38, nullable=False)
current("@@DBTS", SqlType("timestamp"), lambda f: values.timestamp_bytes(f.session.row_version()), nullable=False)
current("XACT_STATE", t.SMALLINT, lambda f: f.session.xact_state(), nullable=False)
current("ERROR_NUMBER", t.INT, lambda f: f.session.caught("number"))
current("ERROR_MESSAGE", t.nvarchar(4000), lambda f: f.session.caught("message"))
current("ERROR_SEVERITY", t.INT, lambda f: f.session.caught("severity"))
current("ERROR_STATE", t.INT, lambda f: f.session.caught("state"))
current("ERROR_LINE", t.INT, lambda f: f.session.caught("line"))
current("ERROR_PROCEDURE", t.nvarchar(128), lambda f: f.session.caught("procedure") or None)
current("APP_NAME", t.nvarchar(128), lambda f: f.session.app)
current("HOST_NAME", t.nvarchar(128), lambda f: f.session.host)
current("HOST_ID", SqlType("char", 10), lambda _: "1".ljust(10))
current("ORIGINAL_LOGIN", t.SYSNAME, lambda f: f.session.login)
current("SYSTEM_USER", t.SYSNAME, lambda f: f.session.login)
current("CURRENT_USER", t.SYSNAME, lambda f: f.session.user_name())
current("SESSION_USER", t.SYSNAME, lambda f: f.session.user_name())
current("USER", t.SYSNAME, lambda f: f.session.user_name())
current("COLUMNS_UPDATED", t.varbinary(128), lambda f: f.columns_updated())
current("CONTEXT_INFO", t.varbinary(128), lambda f: f.session.state.context_info)
current("CURRENT_TRANSACTION_ID", t.BIGINT, lambda f: f.session.transaction_id())
current("CURRENT_REQUEST_ID", t.SMALLINT, lambda _: 0)
current("GETANSINULL", t.SMALLINT, lambda _: 1)
current("MIN_ACTIVE_ROWVERSION", t.varbinary(8), lambda f: values.timestamp_bytes(f.session.row_version() + 1))


def _wide(value: int | None) -> str | None:
    return None if value is None else encode(value)


@handler("UPDATE")
def _bind_update(binder: FunctionBinder, node: n.Call, _scope: Scope) -> Bound:
    """UPDATE(column) inside a trigger."""
    name = node.args[0].parts[-1] if node.args and isinstance(node.args[0], n.Name) else ""
    key = "upd" + name.encode("utf-16-be", "surrogatepass").hex()
    return condition(f"({binder.plan.param(key, lambda frame: int(frame.is_updated(name)))}<>0)")


@handler("TRIGGER_NESTLEVEL")
def _bind_nestlevel(binder: FunctionBinder, node: n.Call, _scope: Scope) -> Bound:
    if node.args:
        raise unsupported("TRIGGER_NESTLEVEL with arguments")
    return Bound(binder.plan.param("nestlevel", lambda f: f.session.trigger_depth), t.INT)


@handler("CURSOR_STATUS")
def _bind_cursor_status(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    args = [binder.value(a, scope) for a in node.args]
    key = specs.number(lambda session, _kind, name: session.cursor_status(name))
    return Bound(f"_s({key},{','.join(a.sql for a in args)})", t.SMALLINT)


of_session("SESSION_CONTEXT", [t.nvarchar(128)], t.VARIANT, lambda s, key: s.state.context.get(key))


# --- names and ids -----------------------------------------------------------------------------------------


def _catalog(method: str) -> Any:
    def run(session: Any, *args: Any) -> Any:
        return getattr(lookup if hasattr(lookup, method) else lookup_session, method)(session, *args)

    return run


for _name, _kinds, _result, _least in (
    ("OBJECT_ID", [t.nvarchar(1035), t.nvarchar(10)], t.INT, 1),
    ("OBJECT_NAME", [t.INT, t.INT], t.SYSNAME, 1),
    ("OBJECT_SCHEMA_NAME", [t.INT, t.INT], t.SYSNAME, 1),
    ("OBJECT_DEFINITION", [t.INT], t.NVARCHAR_MAX, 1),
    ("SCHEMA_NAME", [t.INT], t.SYSNAME, 0),
    ("SCHEMA_ID", [t.SYSNAME], t.INT, 0),
    ("COL_NAME", [t.INT, t.INT], t.SYSNAME, 2),
    ("COL_LENGTH", [t.nvarchar(1035), t.SYSNAME], t.SMALLINT, 2),
    ("COLUMNPROPERTY", [t.INT, t.SYSNAME, t.nvarchar(128)], t.INT, 3),
    ("OBJECTPROPERTY", [t.INT, t.nvarchar(128)], t.INT, 2),
    ("OBJECTPROPERTYEX", [t.INT, t.nvarchar(128)], t.VARIANT, 2),
    ("INDEXPROPERTY", [t.INT, t.SYSNAME, t.nvarchar(128)], t.INT, 3),
    ("INDEX_COL", [t.nvarchar(1035), t.INT, t.INT], t.SYSNAME, 3),
    ("TYPE_NAME", [t.INT], t.SYSNAME, 1),
    ("TYPE_ID", [t.nvarchar(776)], t.INT, 1),
    ("TYPEPROPERTY", [t.nvarchar(776), t.nvarchar(128)], t.INT, 2),
    ("USER_NAME", [t.INT], t.SYSNAME, 0),
    ("USER_ID", [t.SYSNAME], t.INT, 0),
    ("DATABASE_PRINCIPAL_ID", [t.SYSNAME], t.INT, 0),
    ("IS_MEMBER", [t.SYSNAME], t.INT, 1),
    ("IS_ROLEMEMBER", [t.SYSNAME, t.SYSNAME], t.INT, 1),
    ("IDENT_CURRENT", [t.nvarchar(776)], t.decimal_type(38, 0), 1),
    ("IDENT_SEED", [t.nvarchar(776)], t.decimal_type(38, 0), 1),
    ("IDENT_INCR", [t.nvarchar(776)], t.decimal_type(38, 0), 1),
    ("STATS_DATE", [t.INT, t.INT], t.DATETIME, 2),
    ("DATABASEPROPERTY", [t.SYSNAME, t.nvarchar(128)], t.INT, 2),
):
    of_session(_name, _kinds, _result, _catalog(_name.lower()), least=_least)

# --- functions of the instance -----------------------------------------------------------------------------


def _of_instance(name: str, result: SqlType) -> Any:
    store = wire.from_wire(result)

    def run(session: Any, *args: Any) -> Any:
        try:
            found = session.instance.function(name, session, list(args))
        except KeyError:
            raise unsupported(f"the function {name}") from None
        return None if found is None else store(found)

    return run


def _register(name: str, kinds: list[Any], result: SqlType, least: int) -> None:
    of_session(name, kinds, result, _of_instance(name, result), least=least)


_S = t.nvarchar(4000)
for _name, _kinds, _result, _least in (
    ("SERVERPROPERTY", [_S], t.VARIANT, 1),
    ("DATABASEPROPERTYEX", [_S, _S], t.VARIANT, 2),
    ("LOGINPROPERTY", [_S, _S], t.VARIANT, 2),
    ("CONNECTIONPROPERTY", [_S], t.VARIANT, 1),
    ("SUSER_SNAME", [t.varbinary(85)], t.nvarchar(128), 0),
    ("SUSER_NAME", [t.INT], t.nvarchar(128), 0),
    ("SUSER_SID", [_S, t.INT], t.varbinary(85), 0),
    ("SUSER_ID", [_S], t.INT, 0),
    ("IS_SRVROLEMEMBER", [_S, _S], t.INT, 1),
    ("HAS_PERMS_BY_NAME", [_S, _S, _S, _S, _S], t.INT, 3),
    ("HAS_DBACCESS", [_S], t.INT, 1),
    ("DB_ID", [_S], t.SMALLINT, 0),
    ("DB_NAME", [t.INT], t.nvarchar(128), 0),
    ("ORIGINAL_DB_NAME", [], t.nvarchar(128), 0),
    ("FILEPROPERTY", [_S, _S], t.INT, 2),
    ("APPLOCK_MODE", [_S, _S, _S], t.nvarchar(32), 3),
    ("APPLOCK_TEST", [_S, _S, _S, _S], t.SMALLINT, 4),
    ("PWDCOMPARE", [_S, t.varbinary(256), t.INT], t.INT, 2),
    ("@@VERSION", [], t.nvarchar(300), 0),
    ("@@SERVERNAME", [], t.nvarchar(128), 0),
    ("@@SERVICENAME", [], t.nvarchar(128), 0),
    ("@@MICROSOFTVERSION", [], t.INT, 0),
    ("@@MAX_CONNECTIONS", [], t.INT, 0),
    ("@@CONNECTIONS", [], t.INT, 0),
    ("@@CPU_BUSY", [], t.INT, 0),
    ("@@IDLE", [], t.INT, 0),
    ("@@IO_BUSY", [], t.INT, 0),
    ("@@REMSERVER", [], t.nvarchar(128), 0),
):
    _register(_name, _kinds, _result, _least)


def _bind_db_name() -> None:
    """DB_NAME() and DB_ID() without arguments are those of the session's context, whatever the instance thinks."""
    with_argument = {name: FUNCTIONS[name] for name in ("DB_NAME", "DB_ID")}

    def bind(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
        if node.args:
            return with_argument[node.builtin](binder, node, scope)
        if node.builtin == "DB_NAME":
            return Bound(binder.plan.param("dbname", lambda f: f.session.database), t.nvarchar(128))
        return Bound(binder.plan.param("dbid", lambda f: f.session.database_id()), t.SMALLINT)

    for name in with_argument:
        FUNCTIONS[name] = bind


_bind_db_name()
