"""Functions about objects: OBJECT_ID, COLUMNPROPERTY, SCHEMA_NAME and the like, on physical values."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import types as t
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import Catalog, fold
from runbook.sandbox.language.catalog.describe import SYSTEM_TYPES, all_objects, measures
from runbook.sandbox.language.catalog.system_objects import system_views
from runbook.sandbox.language.catalog.view_objects import view_columns
from runbook.sandbox.language.lexer import parse_name

if TYPE_CHECKING:
    from runbook.sandbox.language.session import LanguageSession


def catalog_of(session: LanguageSession, database: str = "") -> Catalog:
    return session.open(database or session.database)[2]


def _by_database_id(session: LanguageSession, number: int | None) -> Catalog | None:
    if number is None or number == session.database_id():
        return catalog_of(session)
    name = session.instance.function("DB_NAME", session, [number])
    return None if name is None else catalog_of(session, str(name))


def _entry(catalog: Catalog, number: int | None) -> tuple[Any, ...] | None:
    return next((e for e in all_objects(catalog) if e[0] == number), None)


def object_id(session: LanguageSession, name: str | None, kind: str | None = None) -> int | None:
    """OBJECT_ID('name', 'type')."""
    if name is None:
        return None
    try:
        parts = parse_name(name)
    except SqlError:
        return None
    if parts[-1].startswith("#"):
        stored = session.temp_table(parts[-1])
        return stored.table.id if stored is not None and (kind or "U").strip().upper() == "U" else None
    database, schema, short = (*([""] * (3 - len(parts))), *parts[-3:])
    if database and session.instance.find(database) is None:
        return None
    catalog = catalog_of(session, database)
    found = _find_id(session, catalog, schema, short, kind)
    return _of_msdb(session, database, schema, short, kind) if found is None else found


def _of_msdb(session: LanguageSession, database: str, schema: str, name: str, kind: str | None) -> int | None:
    """A table that the instance keeps in msdb, which no catalog has."""
    if (database or session.database).lower() != "msdb" or schema.lower() not in ("", "dbo"):
        return None
    if (kind or "U").strip().upper() != "U" or session.instance.columns(f"msdb.dbo.{name.lower()}") is None:
        return None
    return zlib.crc32(name.lower().encode()) >> 1


def _find_id(session: LanguageSession, catalog: Catalog, schema: str, name: str, kind: str | None) -> int | None:
    folded, wanted = fold(name), None if kind is None else kind.strip().upper()
    schemas = [schema] if schema else [session.frame.schema, "dbo"]
    for tried in schemas:
        if tried.lower() in ("sys", "information_schema"):
            found = next((r[1] for r in system_views() if fold(r[0]) == folded), None)
            return found if wanted in (None, "V") else None
        one = catalog.schema(tried)
        number = -1 if one is None else one.id
        for entry in all_objects(catalog):
            if entry[2] == number and fold(entry[1]) == folded and (wanted is None or entry[4] == wanted):
                return int(entry[0])
    return None


def object_name(session: LanguageSession, number: int | None, database: int | None = None) -> str | None:
    """OBJECT_NAME."""
    catalog = _by_database_id(session, database)
    entry = None if catalog is None else _entry(catalog, number)
    if entry is not None:
        return str(entry[1])
    system = next((r[0] for r in system_views() if r[1] == number), None)
    if system is None:
        return next((s.name for s in session.temp_tables.values() if s.table.id == number), None)
    return str(system)


def object_schema_name(session: LanguageSession, number: int | None, database: int | None = None) -> str | None:
    """OBJECT_SCHEMA_NAME."""
    catalog = _by_database_id(session, database)
    entry = None if catalog is None else _entry(catalog, number)
    return None if entry is None or catalog is None else catalog.schema_name(entry[2])


def object_definition(session: LanguageSession, number: int | None) -> str | None:
    """OBJECT_DEFINITION."""
    entry = _entry(catalog_of(session), number)
    item = None if entry is None else entry[7]
    return item.text if isinstance(item, (m.Module, m.Check, m.Default)) else None


def schema_name(session: LanguageSession, number: int | None = None) -> str | None:
    """SCHEMA_NAME."""
    if number is None:
        return session.frame.schema
    found = catalog_of(session).schemas.get(number)
    return None if found is None else found.name


def schema_id(session: LanguageSession, name: str | None = None) -> int | None:
    """SCHEMA_ID."""
    found = catalog_of(session).schema(session.frame.schema if name is None else name)
    return None if found is None else found.id


def _columns(session: LanguageSession, number: int | None) -> list[m.Column]:
    item = catalog_of(session).objects.get(number or 0)
    if item is None:
        stored = next((s.table for s in session.temp_tables.values() if s.table.id == number), None)
        return [] if stored is None else stored.columns
    if isinstance(item, m.Table):
        return item.columns
    return view_columns(item) if isinstance(item, m.Module) and item.kind == "V" else []


def col_name(session: LanguageSession, number: int | None, column: int | None) -> str | None:
    """COL_NAME."""
    return next((c.name for c in _columns(session, number) if c.id == column), None)


def col_length(session: LanguageSession, name: str | None, column: str | None) -> int | None:
    """COL_LENGTH."""
    number = object_id(session, name)
    found = next((c for c in _columns(session, number) if column and fold(c.name) == fold(column)), None)
    return None if found is None else measures(found.type)[0]


def columnproperty(session: LanguageSession, number: int | None, column: str | None, name: str | None) -> int | None:
    """COLUMNPROPERTY."""
    found = next((c for c in _columns(session, number) if column and fold(c.name) == fold(column)), None)
    if found is None or name is None:
        return None
    length, precision, scale = measures(found.type)
    values = {
        "allowsnull": int(found.nullable),
        "columnid": found.id,
        "isidentity": int(bool(found.identity)),
        "iscomputed": int(bool(found.computed)),
        "isrowguidcol": int(found.rowguid),
        "issparse": int(found.sparse),
        "precision": (found.type.length if found.type.length is not None else precision),
        "scale": scale,
        "charmaxlen": found.type.length if found.type.name in t.STRINGS else None,
        "isidnotforrepl": 0,
        "ishidden": 0,
        "generatedalwaystype": 0,
        "usesansitrim": int(found.type.name in t.STRINGS),
        "isindexable": 1,
        "isdeterministic": 1,
        "isprecise": 1,
        "isfulltextindexed": 0,
        "isxmlindexable": 0,
    }
    del length
    return values.get(name.lower())


_IS = {
    "istable": ("U",),
    "isusertable": ("U",),
    "isview": ("V",),
    "isprocedure": ("P",),
    "istrigger": ("TR",),
    "isscalarfunction": ("FN",),
    "isinlinefunction": ("IF",),
    "istablefunction": ("IF", "TF"),
    "isconstraint": ("PK", "UQ", "C", "F", "D"),
    "isprimarykey": ("PK",),
    "isuniquecnst": ("UQ",),
    "ischeckcnst": ("C",),
    "isdefaultcnst": ("D",),
    "isforeignkey": ("F",),
    "isdefault": ("D",),
}


def objectproperty(session: LanguageSession, number: int | None, name: str | None) -> int | None:
    """OBJECTPROPERTY."""
    entry = _entry(catalog_of(session), number)
    if entry is None or name is None:
        return None
    key, kind, item = name.lower(), entry[4], entry[7]
    if key in _IS:
        return int(kind in _IS[key])
    if isinstance(item, m.Table):
        return _table_property(session, item, key)
    if isinstance(item, m.Module):
        return _module_property(item, key)
    if key in ("cnstisdisabled", "cnstisnottrusted"):
        return int(bool(getattr(item, "disabled" if key == "cnstisdisabled" else "not_trusted", False)))
    return {"ismsshipped": 0, "ownerid": 1, "schemaid": entry[2]}.get(key)


def _table_property(session: LanguageSession, table: m.Table, key: str) -> int | None:
    values = {
        "tablehasidentity": bool(table.identity()),
        "tablehasprimarykey": table.primary_key() is not None,
        "tablehasclustindex": any(i.clustered for i in table.indexes),
        "tablehasindex": bool(table.indexes),
        "tablehasforeignkey": bool(table.foreign_keys),
        "tablehascheckcnst": bool(table.checks),
        "tablehasuniquecnst": any(i.kind == "UQ" for i in table.indexes),
        "tablehastimestamp": table.rowversion() is not None,
        "tablehasforeignref": any(True for _ in catalog_of(session).referencing(table.id)),
        "tablehasdeletetrigger": _has_trigger(session, table, "DELETE"),
        "tablehasinserttrigger": _has_trigger(session, table, "INSERT"),
        "tablehasupdatetrigger": _has_trigger(session, table, "UPDATE"),
        "tablehasrowguidcol": any(c.rowguid for c in table.columns),
        "ismsshipped": False,
        "tabletextinrowlimit": False,
        "tablehastextimage": False,
        "ownerid": True,
        "tableisfake": False,
        "tableismemoryoptimized": False,
        "tabletemporaltype": False,
    }
    if key == "schemaid":
        return table.schema
    return None if key not in values else int(values[key])


def _has_trigger(session: LanguageSession, table: m.Table, event: str) -> bool:
    return any(event in x.events for x in catalog_of(session).triggers(table.id))


def _module_property(module: m.Module, key: str) -> int | None:
    values = {
        "execisansinullson": module.ansi_nulls,
        "execisquotedidenton": module.quoted,
        "execistriggerdisabled": module.disabled,
        "execisinsteadoftrigger": module.instead_of,
        "execisaftertrigger": module.kind == "TR" and not module.instead_of,
        "execisinserttrigger": "INSERT" in module.events,
        "execisupdatetrigger": "UPDATE" in module.events,
        "execisdeletetrigger": "DELETE" in module.events,
        "isschemabound": "SCHEMABINDING" in module.options,
        "ismsshipped": False,
        "isencrypted": False,
        "execisstartup": False,
        "ownerid": True,
    }
    if key == "schemaid":
        return module.schema
    return None if key not in values else int(values[key])


def objectpropertyex(session: LanguageSession, number: int | None, name: str | None) -> Any:
    """OBJECTPROPERTYEX."""
    if name is not None and name.lower() == "basetype":
        entry = _entry(catalog_of(session), number)
        return None if entry is None else entry[4]
    if name is not None and name.lower() == "cardinality":
        table = catalog_of(session).objects.get(number or 0)
        _, prefix, _ = session.open(session.database)
        return (
            session.engine.value(f"SELECT count(*) FROM {prefix}.{table.phys}") if isinstance(table, m.Table) else None
        )
    return objectproperty(session, number, name)


def indexproperty(session: LanguageSession, number: int | None, name: str | None, key: str | None) -> int | None:
    """INDEXPROPERTY."""
    table = catalog_of(session).objects.get(number or 0)
    if not isinstance(table, m.Table) or name is None or key is None:
        return None
    index = next((i for i in table.indexes if fold(i.name) == fold(name)), None)
    if index is None:
        return None
    return {
        "isunique": int(index.unique),
        "isclustered": int(index.clustered),
        "indexid": index.id,
        "isdisabled": int(index.disabled),
        "indexfillfactor": index.fill_factor,
        "ispadindex": int(index.padded),
        "isstatistics": 0,
        "ishypothetical": 0,
        "indexdepth": 1,
        "isfulltextkey": 0,
    }.get(key.lower())


def index_col(session: LanguageSession, name: str | None, index: int | None, position: int | None) -> str | None:
    """INDEX_COL."""
    table = catalog_of(session).objects.get(object_id(session, name) or 0)
    if not isinstance(table, m.Table) or position is None:
        return None
    found = next((i for i in table.indexes if i.id == index), None)
    if found is None or not 1 <= position <= len(found.keys):
        return None
    return table.by_id(found.keys[position - 1][0]).name


def type_name(session: LanguageSession, number: int | None) -> str | None:
    """TYPE_NAME."""
    system = next((name for name, (_, user, *_) in SYSTEM_TYPES.items() if user == number), None)
    if system is not None:
        return system
    found = catalog_of(session).types.get(number or 0)
    return None if found is None else found.name


def type_id(session: LanguageSession, name: str | None) -> int | None:
    """TYPE_ID."""
    if name is None:
        return None
    parts = parse_name(name)
    system = SYSTEM_TYPES.get(parts[-1].lower())
    if system is not None and len(parts) == 1:
        return system[1]
    found = catalog_of(session).user_type(parts[-2] if len(parts) > 1 else session.frame.schema, parts[-1])
    return None if found is None else found.id


def typeproperty(session: LanguageSession, name: str | None, key: str | None) -> int | None:
    """TYPEPROPERTY."""
    system = SYSTEM_TYPES.get((name or "").lower())
    if system is None or key is None:
        return None
    del session
    return {"precision": system[3] or system[2], "scale": system[4], "allowsnull": 1, "ownerid": 1}.get(key.lower())
