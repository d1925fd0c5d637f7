"""INFORMATION_SCHEMA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runbook.sandbox.contract import SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import constraints
from runbook.sandbox.language.catalog.describe import SYSTEM_TYPES, collation, kind_of, measures
from runbook.sandbox.language.catalog.registry import Context, view
from runbook.sandbox.language.catalog.view_modules import module_parameters
from runbook.sandbox.language.catalog.view_objects import user_columns

Row = tuple[Any, ...]
_C = "nvarchar(128)"


@view("information_schema.tables", f"TABLE_CATALOG {_C}, TABLE_SCHEMA {_C}, TABLE_NAME sysname, TABLE_TYPE varchar(10)")
def _tables(context: Context) -> list[Row]:
    catalog = context.catalog
    found = [(context.database, catalog.schema_name(x.schema), x.name, "BASE TABLE") for x in catalog.tables()]
    return found + [(context.database, catalog.schema_name(x.schema), x.name, "VIEW") for x in catalog.modules("V")]


@view(
    "information_schema.views",
    f"TABLE_CATALOG {_C}, TABLE_SCHEMA {_C}, TABLE_NAME sysname, VIEW_DEFINITION nvarchar(max),"
    " CHECK_OPTION varchar(7), IS_UPDATABLE varchar(2)",
)
def _views(context: Context) -> list[Row]:
    catalog = context.catalog
    return [
        (context.database, catalog.schema_name(x.schema), x.name, x.text, "NONE", "NO") for x in catalog.modules("V")
    ]


@view(
    "information_schema.schemata",
    f"CATALOG_NAME {_C}, SCHEMA_NAME {_C}, SCHEMA_OWNER {_C}, DEFAULT_CHARACTER_SET_CATALOG"
    f" varchar(6), DEFAULT_CHARACTER_SET_SCHEMA varchar(3), DEFAULT_CHARACTER_SET_NAME sysname",
)
def _schemata(context: Context) -> list[Row]:
    principals = context.catalog.principals
    return [
        (context.database, s.name, principals[s.owner].name if s.owner in principals else None, None, None, "iso_1")
        for s in context.catalog.schemas.values()
    ]


def data_type(kind: SqlType) -> Row:
    """DATA_TYPE with its lengths and precisions."""
    name = kind.name
    length, precision, scale = measures(kind)
    characters = octets = radix = numeric = numeric_scale = moment = None
    if name in t.STRINGS or name in t.BINARIES or name == "xml":
        octets = {"text": 2147483647, "ntext": 2147483646, "image": 2147483647, "timestamp": None}.get(name, length)
        characters = (
            kind.length
            if kind.length is not None
            else {"text": 2147483647, "ntext": 1073741823, "image": 2147483647}.get(name, octets)
        )
        if name == "xml":
            characters = octets = -1
    elif name in t.NUMBERS and name != "bit":
        numeric, radix = precision, 2 if name in t.FLOATS else 10
        numeric_scale = None if name in t.FLOATS else scale
    elif name in t.DATES:
        moment = {"date": 0, "datetime": 3, "smalldatetime": 0}.get(name, kind.scale or 0)
    return name, characters, octets, numeric, radix, numeric_scale, moment


@view(
    "information_schema.columns",
    f"TABLE_CATALOG {_C}, TABLE_SCHEMA {_C}, TABLE_NAME {_C}, COLUMN_NAME {_C}, ORDINAL_POSITION"
    f" int, COLUMN_DEFAULT nvarchar(4000), IS_NULLABLE varchar(3), DATA_TYPE {_C}, CHARACTER_MAXIMUM_LENGTH int,"
    f" CHARACTER_OCTET_LENGTH int, NUMERIC_PRECISION tinyint, NUMERIC_PRECISION_RADIX smallint, NUMERIC_SCALE int,"
    f" DATETIME_PRECISION smallint, CHARACTER_SET_CATALOG sysname, CHARACTER_SET_SCHEMA sysname, "
    f"CHARACTER_SET_NAME sysname,"
    f" COLLATION_CATALOG sysname, COLLATION_SCHEMA sysname, COLLATION_NAME sysname, DOMAIN_CATALOG sysname, "
    f"DOMAIN_SCHEMA"
    f" sysname, DOMAIN_NAME sysname",
)
def _columns(context: Context) -> list[Row]:
    found: list[Row] = []
    catalog = context.catalog
    for item, c in user_columns(context):
        if isinstance(item, m.Table) and item.type_id:
            continue
        charset = ("UNICODE" if c.type.name in t.N_STRINGS else "iso_1") if c.type.name in t.STRINGS else None
        found.append(
            (
                context.database,
                catalog.schema_name(item.schema),
                item.name,
                c.name,
                c.id,
                c.default.text if c.default else None,
                "YES" if c.nullable else "NO",
                *data_type(c.type),
                None,
                None,
                charset,
                None,
                None,
                collation(c),
                None,
                None,
                None,
            )
        )
    return found


def _named(context: Context) -> Iterator[tuple[m.Table, Any, str]]:
    for table in context.catalog.tables():
        for one in constraints(table):
            if kind_of(one) != "D":
                yield table, one, context.catalog.schema_name(table.schema)


_KINDS = {"PK": "PRIMARY KEY", "UQ": "UNIQUE", "F": "FOREIGN KEY", "C": "CHECK"}


@view(
    "information_schema.table_constraints",
    f"CONSTRAINT_CATALOG {_C}, CONSTRAINT_SCHEMA {_C}, CONSTRAINT_NAME sysname,"
    f" TABLE_CATALOG {_C}, TABLE_SCHEMA {_C}, TABLE_NAME sysname, CONSTRAINT_TYPE varchar(11), IS_DEFERRABLE "
    f"varchar(2),"
    " INITIALLY_DEFERRED varchar(2)",
)
def _table_constraints(context: Context) -> list[Row]:
    return [
        (context.database, schema, one.name, context.database, schema, table.name, _KINDS[kind_of(one)], "NO", "NO")
        for table, one, schema in _named(context)
    ]


def _key_columns(one: Any) -> list[int]:
    if isinstance(one, m.Index):
        return [k for k, _ in one.keys]
    return list(one.columns) if isinstance(one, m.ForeignKey) else []


@view(
    "information_schema.key_column_usage",
    f"CONSTRAINT_CATALOG {_C}, CONSTRAINT_SCHEMA {_C}, CONSTRAINT_NAME {_C},"
    f" TABLE_CATALOG {_C}, TABLE_SCHEMA {_C}, TABLE_NAME {_C}, COLUMN_NAME {_C}, ORDINAL_POSITION int",
)
def _key_usage(context: Context) -> list[Row]:
    return [
        (context.database, schema, one.name, context.database, schema, table.name, table.by_id(column).name, i)
        for table, one, schema in _named(context)
        for i, column in enumerate(_key_columns(one), 1)
    ]


@view(
    "information_schema.constraint_column_usage",
    f"TABLE_CATALOG {_C}, TABLE_SCHEMA {_C}, TABLE_NAME {_C}, COLUMN_NAME {_C},"
    f" CONSTRAINT_CATALOG {_C}, CONSTRAINT_SCHEMA {_C}, CONSTRAINT_NAME {_C}",
)
def _column_usage(context: Context) -> list[Row]:
    found: list[Row] = []
    for table, one, schema in _named(context):
        columns = _key_columns(one)
        if isinstance(one, m.Check) and one.column:
            columns = [one.column]
        found += [
            (context.database, schema, table.name, table.by_id(c).name, context.database, schema, one.name)
            for c in columns
        ]
    return found


@view(
    "information_schema.constraint_table_usage",
    f"TABLE_CATALOG {_C}, TABLE_SCHEMA {_C}, TABLE_NAME {_C}, CONSTRAINT_CATALOG"
    f" {_C}, CONSTRAINT_SCHEMA {_C}, CONSTRAINT_NAME {_C}",
)
def _table_usage(context: Context) -> list[Row]:
    return [
        (context.database, schema, table.name, context.database, schema, one.name)
        for table, one, schema in _named(context)
    ]


@view(
    "information_schema.check_constraints",
    f"CONSTRAINT_CATALOG {_C}, CONSTRAINT_SCHEMA {_C}, CONSTRAINT_NAME sysname, CHECK_CLAUSE nvarchar(4000)",
)
def _checks(context: Context) -> list[Row]:
    return [
        (context.database, schema, one.name, one.text) for _, one, schema in _named(context) if isinstance(one, m.Check)
    ]


@view(
    "information_schema.referential_constraints",
    f"CONSTRAINT_CATALOG {_C}, CONSTRAINT_SCHEMA {_C}, CONSTRAINT_NAME sysname,"
    f" UNIQUE_CONSTRAINT_CATALOG {_C}, UNIQUE_CONSTRAINT_SCHEMA {_C}, UNIQUE_CONSTRAINT_NAME sysname, "
    f"MATCH_OPTION varchar(7),"
    " UPDATE_RULE varchar(11), DELETE_RULE varchar(11)",
)
def _references(context: Context) -> list[Row]:
    found: list[Row] = []
    for _, one, schema in _named(context):
        if isinstance(one, m.ForeignKey):
            parent = context.catalog.table(one.table)
            index = next((i for i in parent.indexes if i.id == one.index), None)
            found.append(
                (
                    context.database,
                    schema,
                    one.name,
                    context.database,
                    context.catalog.schema_name(parent.schema),
                    index.name if index else None,
                    "SIMPLE",
                    one.on_update,
                    one.on_delete,
                )
            )
    return found


@view(
    "information_schema.routines",
    f"SPECIFIC_CATALOG {_C}, SPECIFIC_SCHEMA {_C}, SPECIFIC_NAME {_C}, ROUTINE_CATALOG {_C},"
    f" ROUTINE_SCHEMA {_C}, ROUTINE_NAME {_C}, ROUTINE_TYPE nvarchar(20), DATA_TYPE {_C}, ROUTINE_BODY nvarchar(30),"
    " ROUTINE_DEFINITION nvarchar(4000), CREATED datetime, LAST_ALTERED datetime",
)
def _routines(context: Context) -> list[Row]:
    found: list[Row] = []
    for x in context.catalog.modules("P", "FN", "IF", "TF"):
        schema = context.catalog.schema_name(x.schema)
        kind = "PROCEDURE" if x.kind == "P" else "FUNCTION"
        found.append(
            (
                context.database,
                schema,
                x.name,
                context.database,
                schema,
                x.name,
                kind,
                "TABLE" if x.kind == "IF" else None,
                "SQL",
                x.text[:4000],
                x.created,
                x.modified,
            )
        )
    return found


@view(
    "information_schema.parameters",
    f"SPECIFIC_CATALOG {_C}, SPECIFIC_SCHEMA {_C}, SPECIFIC_NAME {_C}, ORDINAL_POSITION int,"
    f" PARAMETER_MODE nvarchar(10), PARAMETER_NAME {_C}, DATA_TYPE {_C}",
)
def _parameters(context: Context) -> list[Row]:
    names = {user: name for name, (_, user, *_) in SYSTEM_TYPES.items()}
    found: list[Row] = []
    for x in context.catalog.modules("P", "FN", "IF", "TF"):
        schema = context.catalog.schema_name(x.schema)
        for row in module_parameters(context, x):
            mode = "INOUT" if row[8] and row[1] else "OUT" if row[8] else "IN"
            found.append((context.database, schema, x.name, row[2], mode, row[1], names.get(row[4], "table type")))
    return found


@view(
    "information_schema.sequences",
    f"SEQUENCE_CATALOG {_C}, SEQUENCE_SCHEMA {_C}, SEQUENCE_NAME sysname, DATA_TYPE {_C},"
    " NUMERIC_PRECISION tinyint, NUMERIC_PRECISION_RADIX smallint, NUMERIC_SCALE int, START_VALUE sql_variant, "
    "MINIMUM_VALUE"
    " sql_variant, MAXIMUM_VALUE sql_variant, INCREMENT sql_variant, CYCLE_OPTION bit",
)
def _sequences(context: Context) -> list[Row]:
    found: list[Row] = []
    for item in context.catalog.objects.values():
        if isinstance(item, m.Sequence):
            _, precision, scale = measures(item.type)
            found.append(
                (
                    context.database,
                    context.catalog.schema_name(item.schema),
                    item.name,
                    item.type.name,
                    precision,
                    10,
                    scale,
                    item.start,
                    item.minimum,
                    item.maximum,
                    item.increment,
                    int(item.cycle),
                )
            )
    return found
