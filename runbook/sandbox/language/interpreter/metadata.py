"""Procedures by which drivers ask for metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t
from runbook.sandbox.language.catalog.describe import SYSTEM_TYPES, measures
from runbook.sandbox.language.catalog.registry import parse_columns
from runbook.sandbox.language.interpreter import plans, select
from runbook.sandbox.language.interpreter.frame import Frame
from runbook.sandbox.language.interpreter.select import bind_query
from runbook.sandbox.language.interpreter.sysprocs import number_of, parameter_list, pick, procedure, text_of
from runbook.sandbox.language.parser import parse_batch
from runbook.sandbox.language.statements import SelectStatement

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.interpreter.procedures import Argument

_INFO = (
    "TYPE_NAME sysname, DATA_TYPE smallint, PRECISION int, LITERAL_PREFIX varchar(32), LITERAL_SUFFIX "
    "varchar(32), CREATE_PARAMS"
    " varchar(32), NULLABLE smallint, CASE_SENSITIVE smallint, SEARCHABLE smallint, UNSIGNED_ATTRIBUTE "
    "smallint, MONEY smallint,"
    " AUTO_INCREMENT smallint, LOCAL_TYPE_NAME sysname, MINIMUM_SCALE smallint, MAXIMUM_SCALE smallint, "
    "SQL_DATA_TYPE smallint,"
    " SQL_DATETIME_SUB smallint, NUM_PREC_RADIX int, INTERVAL_PRECISION smallint, USERTYPE smallint"
)
# name, ODBC type, precision, prefix, suffix, parameters, case, searchable, unsigned, money, scales, radix, user type.
# For type 93 datetime2 stands before datetime: drivers take the first row for their parameters.
_TYPES: tuple[tuple[Any, ...], ...] = (
    ("datetimeoffset", -155, 34, "'", "'", "scale", 0, 3, None, 0, 0, 7, None, 0),
    ("time", -154, 16, "'", "'", "scale", 0, 3, None, 0, 0, 7, None, 0),
    ("xml", -152, 0, "N'", "'", None, 1, 0, None, 0, None, None, None, 0),
    ("sql_variant", -150, 8000, None, None, None, 0, 2, None, 0, 0, 0, 10, 39),
    ("uniqueidentifier", -11, 36, "'", "'", None, 0, 2, None, 0, None, None, None, 37),
    ("ntext", -10, 1073741823, "N'", "'", None, 0, 1, None, 0, None, None, None, 0),
    ("nvarchar", -9, 4000, "N'", "'", "max length", 0, 3, None, 0, None, None, None, 0),
    ("sysname", -9, 128, "N'", "'", None, 0, 3, None, 0, None, None, None, 18),
    ("nchar", -8, 4000, "N'", "'", "length", 0, 3, None, 0, None, None, None, 0),
    ("bit", -7, 1, None, None, None, 0, 2, None, 0, 0, 0, None, 16),
    ("tinyint", -6, 3, None, None, None, 0, 2, 1, 0, 0, 0, 10, 5),
    ("bigint", -5, 19, None, None, None, 0, 2, 0, 0, 0, 0, 10, 0),
    ("image", -4, 2147483647, "0x", None, None, 0, 0, None, 0, None, None, None, 20),
    ("varbinary", -3, 8000, "0x", None, "max length", 0, 2, None, 0, None, None, None, 4),
    ("binary", -2, 8000, "0x", None, "length", 0, 2, None, 0, None, None, None, 3),
    ("timestamp", -2, 8, "0x", None, None, 0, 2, None, 0, None, None, None, 80),
    ("text", -1, 2147483647, "'", "'", None, 0, 1, None, 0, None, None, None, 19),
    ("char", 1, 8000, "'", "'", "length", 0, 3, None, 0, None, None, None, 1),
    ("numeric", 2, 38, None, None, "precision,scale", 0, 2, 0, 0, 0, 38, 10, 10),
    ("decimal", 3, 38, None, None, "precision,scale", 0, 2, 0, 0, 0, 38, 10, 24),
    ("money", 3, 19, "$", None, None, 0, 2, 0, 1, 4, 4, 10, 11),
    ("smallmoney", 3, 10, "$", None, None, 0, 2, 0, 1, 4, 4, 10, 21),
    ("int", 4, 10, None, None, None, 0, 2, 0, 0, 0, 0, 10, 7),
    ("smallint", 5, 5, None, None, None, 0, 2, 0, 0, 0, 0, 10, 6),
    ("float", 6, 53, None, None, None, 0, 2, 0, 0, None, None, 2, 8),
    ("real", 7, 24, None, None, None, 0, 2, 0, 0, None, None, 2, 23),
    ("varchar", 12, 8000, "'", "'", "max length", 0, 3, None, 0, None, None, None, 2),
    ("date", 91, 10, "'", "'", None, 0, 3, None, 0, None, 0, None, 0),
    ("datetime2", 93, 27, "'", "'", "scale", 0, 3, None, 0, 0, 7, None, 0),
    ("datetime", 93, 23, "'", "'", None, 0, 3, None, 0, 3, 3, None, 12),
    ("smalldatetime", 93, 16, "'", "'", None, 0, 3, None, 0, 0, 0, None, 22),
)


def send(runner: Runner, columns: str, rows: list[tuple[Any, ...]]) -> int:
    """A result set of a procedure."""
    runner.sink.columns(parse_columns(columns))
    for row in rows:
        runner.sink.row(row)
    runner.sink.done(len(rows))
    return 0


@procedure("sp_datatype_info_100", "sp_datatype_info", "sp_datatype_info_90")
def _datatype_info(runner: Runner, args: list[Argument]) -> int:
    wanted = number_of(pick(args, "data_type", "odbcver"), "data_type", 0)
    rows = []
    for name, code, precision, prefix, suffix, params, case, search, unsigned, money, low, high, radix, user in _TYPES:
        if wanted in (0, code):
            sub = 3 if code == 93 else 1 if code == 91 else None
            sql_type = 9 if code in (91, 93) else code
            auto = 0 if unsigned is not None else None
            rows.append(
                (
                    name,
                    code,
                    precision,
                    prefix,
                    suffix,
                    params,
                    1,
                    case,
                    search,
                    unsigned,
                    money,
                    auto,
                    name,
                    low,
                    high,
                    sql_type,
                    sub,
                    radix,
                    None,
                    user,
                )
            )
    return send(runner, _INFO, rows)


def run_query(runner: Runner, sql: str) -> int:
    """A procedure whose answer is a query."""
    statement = parse_batch(sql)[0]
    assert isinstance(statement, SelectStatement)
    select.to_client(runner, statement)
    return 0


def literal(text: str | None) -> str:
    """A string literal, NULL for None."""
    return "NULL" if text is None else "N'" + text.replace("'", "''") + "'"


def _like(column: str, pattern: str | None) -> str:
    return "" if pattern in (None, "", "%") else f" AND {column} LIKE {literal(pattern)}"


@procedure("sp_tables", "sp_tables_ex")
def _tables(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "table_name", "table_owner", "table_qualifier", "table_type", "fusepattern")
    kinds = (text_of(found, "table_type") or "").upper()
    types = [f"N'{k}'" for k in ("TABLE", "VIEW") if not kinds or f"'{k}'" in kinds] or ["N''"]
    where = _like("o.name", text_of(found, "table_name")) + _like("s.name", text_of(found, "table_owner"))
    return run_query(
        runner,
        "SELECT DB_NAME() AS TABLE_QUALIFIER, s.name AS TABLE_OWNER, o.name AS TABLE_NAME, CAST(CASE o.type "
        "WHEN 'U' THEN 'TABLE' "
        "ELSE 'VIEW' END AS varchar(32)) AS TABLE_TYPE, CAST(NULL AS varchar(254)) AS REMARKS FROM sys.objects "
        "o JOIN sys.schemas s "
        "ON s.schema_id = o.schema_id WHERE o.type IN ('U','V') AND CASE o.type WHEN 'U' THEN N'TABLE' ELSE "
        "N'VIEW' END IN "
        f"({','.join(types)}){where} ORDER BY 4, 1, 2, 3",
    )


@procedure("sp_columns_100", "sp_columns", "sp_columns_90")
def _columns(runner: Runner, args: list[Argument]) -> int:
    found = pick(
        args, "table_name", "table_owner", "table_qualifier", "column_name", "namescope", "odbcver", "fusepattern"
    )
    where = _like("o.name", text_of(found, "table_name")) + _like("s.name", text_of(found, "table_owner"))
    where += _like("c.name", text_of(found, "column_name"))
    codes = " ".join(f"WHEN '{row[0]}' THEN {row[1]}" for row in _TYPES if row[0] != "sysname")
    return run_query(
        runner,
        "SELECT DB_NAME() AS TABLE_QUALIFIER, s.name AS TABLE_OWNER, o.name AS TABLE_NAME, c.name AS COLUMN_NAME, "
        f"CAST(CASE t.name {codes} ELSE -9 END AS smallint) AS DATA_TYPE, CAST(t.name + CASE c.is_identity "
        f"WHEN 1 THEN ' identity' "
        "ELSE '' END AS sysname) AS TYPE_NAME, CAST(CASE WHEN c.precision > 0 THEN c.precision WHEN t.name "
        "LIKE 'n%char' AND "
        "c.max_length > 0 THEN c.max_length / 2 ELSE c.max_length END AS int) AS PRECISION, CAST(c.max_length "
        "AS int) AS LENGTH, "
        "CAST(CASE WHEN c.precision > 0 THEN c.scale END AS smallint) AS SCALE, CAST(CASE WHEN c.precision > 0 "
        "THEN 10 END AS "
        "smallint) AS RADIX, CAST(c.is_nullable AS smallint) AS NULLABLE, CAST(NULL AS varchar(254)) AS REMARKS, "
        "CAST(d.definition AS nvarchar(4000)) AS COLUMN_DEF, CAST(CASE t.name WHEN 'datetime2' THEN 9 WHEN "
        "'datetime' THEN 9 "
        f"WHEN 'date' THEN 9 WHEN 'smalldatetime' THEN 9 {codes} ELSE -9 END AS smallint) AS SQL_DATA_TYPE, "
        f"CAST(CASE WHEN t.name "
        "LIKE '%datetime%' THEN 3 WHEN t.name = 'date' THEN 1 END AS smallint) AS SQL_DATETIME_SUB, CAST(CASE "
        "WHEN t.name LIKE "
        "'%char' THEN c.max_length END AS int) AS CHAR_OCTET_LENGTH, c.column_id AS ORDINAL_POSITION, "
        "CAST(CASE c.is_nullable "
        "WHEN 1 THEN 'YES' ELSE 'NO' END AS varchar(254)) AS IS_NULLABLE, CAST(0 AS tinyint) AS SS_DATA_TYPE "
        "FROM sys.columns c "
        "JOIN sys.objects o ON o.object_id = c.object_id JOIN sys.schemas s ON s.schema_id = o.schema_id JOIN "
        "sys.types t ON "
        "t.user_type_id = c.system_type_id LEFT JOIN sys.default_constraints d ON d.object_id = "
        "c.default_object_id WHERE o.type IN "
        f"('U','V'){where} ORDER BY 1, 2, 3, 17",
    )


@procedure("sp_pkeys")
def _pkeys(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "table_name", "table_owner", "table_qualifier")
    where = f" AND o.name = {literal(text_of(found, 'table_name'))}"
    if text_of(found, "table_owner"):
        where += f" AND s.name = {literal(text_of(found, 'table_owner'))}"
    return run_query(
        runner,
        "SELECT DB_NAME() AS TABLE_QUALIFIER, s.name AS TABLE_OWNER, o.name AS TABLE_NAME, c.name AS COLUMN_NAME, "
        "CAST(ic.key_ordinal AS smallint) AS KEY_SEQ, i.name AS PK_NAME FROM sys.indexes i JOIN "
        "sys.index_columns ic ON "
        "ic.object_id = i.object_id AND ic.index_id = i.index_id JOIN sys.columns c ON c.object_id = "
        "i.object_id AND c.column_id = "
        "ic.column_id JOIN sys.objects o ON o.object_id = i.object_id JOIN sys.schemas s ON s.schema_id = "
        "o.schema_id WHERE "
        f"i.is_primary_key = 1{where} ORDER BY 1, 2, 3, 5",
    )


@procedure("sp_statistics_100", "sp_statistics")
def _statistics(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "table_name", "table_owner", "table_qualifier", "index_name", "is_unique", "accuracy")
    where = f" AND o.name = {literal(text_of(found, 'table_name'))}"
    if text_of(found, "table_owner"):
        where += f" AND s.name = {literal(text_of(found, 'table_owner'))}"
    if (text_of(found, "is_unique") or "N").upper() == "Y":
        where += " AND i.is_unique = 1"
    return run_query(
        runner,
        "SELECT DB_NAME() AS TABLE_QUALIFIER, s.name AS TABLE_OWNER, o.name AS TABLE_NAME, CAST(1 - "
        "i.is_unique AS smallint) AS "
        "NON_UNIQUE, o.name AS INDEX_QUALIFIER, i.name AS INDEX_NAME, CAST(CASE i.type WHEN 1 THEN 1 ELSE 3 "
        "END AS smallint) AS "
        "TYPE, CAST(ic.key_ordinal AS smallint) AS SEQ_IN_INDEX, c.name AS COLUMN_NAME, CAST(CASE "
        "ic.is_descending_key WHEN 1 THEN "
        "'D' ELSE 'A' END AS char(1)) AS COLLATION, CAST(NULL AS int) AS CARDINALITY, CAST(NULL AS int) AS "
        "PAGES, CAST(NULL AS "
        "varchar(128)) AS FILTER_CONDITION FROM sys.indexes i JOIN sys.index_columns ic ON ic.object_id = "
        "i.object_id AND "
        "ic.index_id = i.index_id JOIN sys.columns c ON c.object_id = i.object_id AND c.column_id = "
        "ic.column_id JOIN sys.objects o "
        "ON o.object_id = i.object_id JOIN sys.schemas s ON s.schema_id = o.schema_id WHERE ic.is_included_column = 0"
        f"{where} ORDER BY 4, 7, 6, 8",
    )


@procedure("sp_describe_undeclared_parameters")
def _undeclared(runner: Runner, _args: list[Argument]) -> int:
    """Drivers fall back to their own guess when this is not there; a wrong type would be worse."""
    del runner
    raise SqlError(2812, "Could not find stored procedure 'sp_describe_undeclared_parameters'.", 16, 62)


@procedure("sp_describe_first_result_set")
def _first_result_set(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "tsql", "params", "browse_information_mode")
    frame = Frame(runner.session, "dynamic", runner.frame)
    frame.schema = runner.frame.schema
    for name, kind, _, _ in parameter_list(runner, text_of(found, "params") or ""):
        frame.declare(name, kind)
    rows: list[tuple[Any, ...]] = []
    for statement in parse_batch(text_of(found, "tsql") or ""):
        if isinstance(statement, SelectStatement):
            columns, _ = plans.prepare(frame, None, "describe", bind_query(statement.query)).content
            for i, column in enumerate(columns, 1):
                length, precision, scale = measures(column.type)
                rows.append(
                    (
                        False,
                        i,
                        column.name or None,
                        column.nullable,
                        SYSTEM_TYPES[column.type.name][0],
                        t.display(column.type),
                        length,
                        precision,
                        scale,
                    )
                )
            break
    return send(
        runner,
        "is_hidden bit, column_ordinal int, name sysname, is_nullable bit, system_type_id int, "
        "system_type_name nvarchar(256),"
        " max_length smallint, precision tinyint, scale tinyint",
        rows,
    )


@procedure("sp_stored_procedures")
def _stored_procedures(runner: Runner, args: list[Argument]) -> int:
    found = pick(args, "sp_name", "sp_owner", "sp_qualifier", "fusepattern")
    where = _like("o.name", text_of(found, "sp_name")) + _like("s.name", text_of(found, "sp_owner"))
    return run_query(
        runner,
        "SELECT DB_NAME() AS PROCEDURE_QUALIFIER, s.name AS PROCEDURE_OWNER, CAST(o.name + N';1' AS nvarchar(134)) AS "
        "PROCEDURE_NAME, CAST(-1 AS int) AS NUM_INPUT_PARAMS, CAST(-1 AS int) AS NUM_OUTPUT_PARAMS, CAST(-1 AS int) AS "
        "NUM_RESULT_SETS, CAST(NULL AS varchar(254)) AS REMARKS, CAST(2 AS smallint) AS PROCEDURE_TYPE FROM "
        "sys.objects o JOIN "
        f"sys.schemas s ON s.schema_id = o.schema_id WHERE o.type IN ('P','FN'){where} ORDER BY 1, 2, 3",
    )


__all__ = ["SqlType", "literal", "run_query", "send"]
