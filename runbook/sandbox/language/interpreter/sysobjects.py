"""System procedures about objects, properties, locks and the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import types as t
from runbook.sandbox.language.catalog import lookup
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import constraints, fold, now
from runbook.sandbox.language.interpreter import plans
from runbook.sandbox.language.interpreter.ddl.home import DatabaseHome, find_object
from runbook.sandbox.language.interpreter.ddl.principals import _find, set_member
from runbook.sandbox.language.interpreter.metadata import run_query, send
from runbook.sandbox.language.interpreter.modules import view_columns
from runbook.sandbox.language.interpreter.sysprocs import number_of, pick, procedure, text_of
from runbook.sandbox.language.lexer import lex, parse_name
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.fragments import parse_module
from runbook.sandbox.language.values import convert

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.interpreter.procedures import Argument


# --- sp_rename ---------------------------------------------------------------------------------------------


@procedure("sp_rename")
def _rename(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "objname", "newname", "objtype")
    old, new = text_of(found, "objname") or "", text_of(found, "newname") or ""
    kind = (text_of(found, "objtype") or "OBJECT").upper()
    parts = tuple(parse_name(old))
    session = runner.session
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        if kind == "COLUMN":
            _rename_column(runner, home, parts, new)
        elif kind == "INDEX":
            _rename_index(runner, home, parts, new)
        elif kind == "OBJECT":
            _rename_object(runner, home, parts, new)
        else:
            raise unsupported(f"sp_rename with the type {kind}")
    runner.sink.info(
        15477, "Caution: Changing any part of an object name could break scripts and stored procedures.", 10
    )
    return 0


def _no_object(name: str, kind: str) -> SqlError:
    return SqlError(
        15225,
        f"No item by the name of '{name}' could be found in the current database, given that @itemtype was input "
        f"as '{kind}'.",
        11,
    )


def _copy_table(runner: Runner, parts: tuple[str, ...], name: str) -> m.Table:
    found = find_object(runner.frame, parts, m.Table) if parts else None
    if found is None:
        raise SqlError(15248, "Either the parameter @objname is ambiguous or the claimed @objtype is wrong.", 11)
    del name
    copy = m.from_dict(m.Table, m.to_dict(found[1]))
    assert isinstance(copy, m.Table)
    return copy


def _rename_column(runner: Runner, home: DatabaseHome, parts: tuple[str, ...], new: str) -> None:
    table = _copy_table(runner, parts[:-1], new)
    column = table.column(parts[-1])
    if column is None:
        raise SqlError(
            15248, "Either the parameter @objname is ambiguous or the claimed @objtype (COLUMN) is wrong.", 11
        )
    if table.column(new) is not None and fold(new) != fold(column.name):
        raise SqlError(
            15335,
            f"Error: The new name '{new}' is already in use as a COLUMN name and would cause a duplicate that is "
            "not permitted.",
            11,
        )
    if any(c.computed and _mentions(c.computed, column.name) for c in table.columns) or any(
        _mentions(c.text, column.name) for c in table.checks
    ):
        raise SqlError(
            15336,
            f"Object '{'.'.join(parts)}' cannot be renamed because the object participates in enforced dependencies.",
        )
    column.name = new
    home.save(table)


def _mentions(text: str, name: str) -> bool:
    tokens = lex(text)
    return any(
        k in ("word", "quoted") and fold(v) == fold(name) for k, v in zip(tokens.kinds, tokens.values, strict=True)
    )


def _rename_index(runner: Runner, home: DatabaseHome, parts: tuple[str, ...], new: str) -> None:
    table = _copy_table(runner, parts[:-1], new)
    index = next((i for i in table.indexes if fold(i.name) == fold(parts[-1])), None)
    if index is None:
        raise SqlError(
            15248, "Either the parameter @objname is ambiguous or the claimed @objtype (INDEX) is wrong.", 11
        )
    index.name = new
    home.save(table)


def _rename_object(runner: Runner, home: DatabaseHome, parts: tuple[str, ...], new: str) -> None:
    found = find_object(runner.frame, parts, m.Table, m.Module, m.Sequence, m.Synonym)
    if found is not None:
        item = m.from_dict(type(found[1]), m.to_dict(found[1]))
        home.check_free(home.catalog.schema_name(item.schema), new)
        item.name, item.modified = new, now()
        home.writer.put(item)
        return
    schema = parts[-2] if len(parts) > 1 else runner.frame.schema
    held = home.catalog.constraint(schema, parts[-1])
    if held is None:
        raise _no_object(".".join(parts), "(null)")
    home.check_free(schema, new)
    table = m.from_dict(m.Table, m.to_dict(held[0]))
    for one in constraints(table):
        if fold(one.name) == fold(parts[-1]):
            one.name = new
    home.save(table)


# --- extended properties -----------------------------------------------------------------------------------


def _levels(runner: Runner, found: dict[str, Any]) -> tuple[int, int, int]:
    """Class, major and minor id of what a property belongs to."""
    names = [(text_of(found, f"level{i}type"), text_of(found, f"level{i}name")) for i in range(3)]
    if names[0][0] is None:
        return 0, 0, 0
    catalog = runner.session.open(runner.session.database)[2]
    kind, name = names[0][0].upper(), names[0][1] or ""
    if kind != "SCHEMA":
        raise unsupported(f"an extended property of a {kind}")
    schema = catalog.schema(name)
    if schema is None:
        raise SqlError(
            15135,
            f"Object is invalid. Extended properties are not permitted on '{name}', or the object does not exist.",
        )
    if names[1][0] is None:
        return 3, schema.id, 0
    item = catalog.find(name, names[1][1] or "")
    if item is None:
        raise SqlError(
            15135,
            f"Object is invalid. Extended properties are not permitted on '{name}.{names[1][1]}', or the object "
            "does not exist.",
        )
    if names[2][0] is None:
        return 1, item.id, 0
    return _third(item, names[2][0].upper(), names[2][1] or "")


def _third(item: Any, kind: str, name: str) -> tuple[int, int, int]:
    if isinstance(item, m.Table) and kind == "COLUMN":
        column = item.column(name)
        if column is not None:
            return 1, item.id, column.id
    if isinstance(item, m.Table) and kind == "INDEX":
        index = next((i for i in item.indexes if fold(i.name) == fold(name)), None)
        if index is not None:
            return 7, item.id, index.id
    if isinstance(item, m.Table) and kind == "CONSTRAINT":
        one = next((c for c in constraints(item) if fold(c.name) == fold(name)), None)
        if one is not None:
            return 1, getattr(one, "object_id", 0) or one.id, 0
    raise SqlError(
        15135, f"Object is invalid. Extended properties are not permitted on '{name}', or the object does not exist."
    )


_PROPERTY = ("name", "value", "level0type", "level0name", "level1type", "level1name", "level2type", "level2name")


def _property(runner: Runner, args: list[Argument], verb: str) -> int:
    names = _PROPERTY if verb != "drop" else tuple(n for n in _PROPERTY if n != "value")
    found = pick(args, *names)
    session, name = runner.session, text_of(found, "name") or ""
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        class_, major, minor = _levels(runner, found)
        held = next(
            (
                n
                for n, p in home.catalog.properties.items()
                if (p.class_, p.major, p.minor) == (class_, major, minor) and fold(p.name) == fold(name)
            ),
            None,
        )
        if verb == "add" and held is not None:
            raise SqlError(15233, f"Property cannot be added. Property '{name}' already exists for the object.")
        if verb != "add" and held is None:
            raise SqlError(
                15217, f"Property cannot be updated or deleted. Property '{name}' does not exist for the object."
            )
        if verb == "drop":
            assert held is not None
            home.writer.remove("Property", held)
        else:
            number = home.writer.next_in("Property", 1) if held is None else held
            value = text_of(found, "value") or ""
            home.writer.put_as("Property", number, m.Property(class_, major, minor, name, value))
    return 0


procedure("sp_addextendedproperty")(lambda r, a: _property(r, a, "add"))
procedure("sp_updateextendedproperty")(lambda r, a: _property(r, a, "update"))
procedure("sp_dropextendedproperty")(lambda r, a: _property(r, a, "drop"))


# --- looking -----------------------------------------------------------------------------------------------


@procedure("sp_helptext")
def _helptext(runner: Runner, args: list[Argument]) -> int:
    name = text_of(pick(args, "objname", "columnname"), "objname")
    text = lookup.object_definition(runner.session, lookup.object_id(runner.session, name))
    if text is None:
        raise SqlError(
            15009,
            f"The object '{name}' does not exist in database '{runner.session.database}' or is invalid for this "
            "operation.",
        )
    return send(runner, "Text nvarchar(255)", [(line,) for line in text.splitlines(keepends=True)])


@procedure("sp_spaceused")
def _spaceused(runner: Runner, args: list[Argument]) -> int:
    name = text_of(pick(args, "objname", "updateusage", "mode", "oneresultset"), "objname")
    if name is None:
        raise unsupported("sp_spaceused without a table")
    number = lookup.object_id(runner.session, name)
    return run_query(
        runner,
        "SELECT o.name, CAST(CAST(p.row_count AS varchar(20)) AS char(20)) AS rows, CAST(p.reserved_page_count "
        "* 8 AS varchar(18)) + "
        "' KB' AS reserved, CAST(p.used_page_count * 8 AS varchar(18)) + ' KB' AS data, '0 KB' AS index_size, "
        "'0 KB' AS unused FROM "
        "sys.dm_db_partition_stats p JOIN sys.objects o ON o.object_id = p.object_id WHERE p.index_id IN (0,1) "
        "AND p.object_id = "
        f"{number or 0}",
    )


def _accepted(*names: str) -> None:
    """Procedures that change nothing the sandbox models."""
    procedure(*names)(lambda _runner, _args: 0)


@procedure("sp_refreshview", "sp_refreshsqlmodule")
def _refresh(runner: Runner, args: list[Argument]) -> int:
    """Bind a view anew: its columns follow the tables, and what is wrong with it shows."""
    given = "viewname" if any(a.name == "@viewname" for a in args) else "name"
    name = text_of(pick(args, given, "namespace"), given)
    session = runner.session
    found = find_object(runner.frame, tuple(parse_name(name or "")), m.Module)
    if found is None:
        raise SqlError(15165, f"Could not find object '{name}' or you do not have permission.")
    if found[1].kind == "V":
        with plans.databases(session, [found[0]]), session.transactions.writing(found[0]):
            changed = m.from_dict(m.Module, m.to_dict(found[1]))
            changed.columns = view_columns(runner.frame, parse_module(changed.text))
            DatabaseHome(runner.frame, found[0]).writer.put(changed)
    return 0


_accepted("sp_updatestats", "sp_recompile", "sp_createstats", "sp_autostats")


# --- roles -------------------------------------------------------------------------------------------------


def _role_member(runner: Runner, args: list[Argument], *, add: bool) -> int:
    found = pick(args, "rolename", "membername")
    session = runner.session
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        role = _find(home, text_of(found, "rolename") or "", "ROLE")
        set_member(home, role, text_of(found, "membername") or "", add=add)
        home.writer.put(role)
    return 0


procedure("sp_addrolemember")(lambda r, a: _role_member(r, a, add=True))
procedure("sp_droprolemember")(lambda r, a: _role_member(r, a, add=False))


# --- the session -------------------------------------------------------------------------------------------


@procedure("sp_getapplock")
def _getapplock(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "resource", "lockmode", "lockowner", "locktimeout", "dbprincipal")
    session = runner.session
    owner = text_of(found, "lockowner", "Transaction") or ""
    if owner.lower() == "transaction" and not session.trancount:
        raise SqlError(1223, "Cannot release the application lock because it is not currently held.")
    timeout = number_of(found, "locktimeout", session.options.lock_timeout)
    return session.instance.applock(
        session, text_of(found, "resource") or "", text_of(found, "lockmode") or "", owner, timeout
    )


@procedure("sp_releaseapplock")
def _releaseapplock(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "resource", "lockowner", "dbprincipal")
    return runner.session.instance.applock_release(runner.session, text_of(found, "resource") or "")


@procedure("sp_set_session_context")
def _session_context(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "key", "value", "read_only")
    value = found.get("value")
    stored = None if value is None else value.value
    if stored is not None and value is not None and t.family(value.kind) not in ("number", "string", "binary"):
        stored = convert.cast_value(stored, value.kind, t.NVARCHAR_MAX)
    runner.session.state.context[text_of(found, "key") or ""] = stored
    return 0


@procedure("sp_settriggerorder")
def _trigger_order(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "triggername", "order", "stmttype", "namespace")
    session = runner.session
    held = find_object(runner.frame, tuple(parse_name(text_of(found, "triggername") or "")), m.Module)
    if held is None or held[1].kind != "TR":
        raise SqlError(15165, f"Could not find object '{text_of(found, 'triggername')}' or you do not have permission.")
    with plans.databases(session, [session.database]), session.transactions.writing(session.database):
        home = DatabaseHome(runner.frame, session.database)
        changed = m.from_dict(m.Module, m.to_dict(held[1]))
        changed.order = {"first": "first", "last": "last"}.get((text_of(found, "order") or "").lower(), "")
        home.writer.put(changed)
    return 0
