"""Old system tables, database-level settings, numbers."""

from __future__ import annotations

from typing import Any

from runbook.sandbox.language.catalog.describe import SYSTEM_TYPES, all_objects, measures, two, type_ids
from runbook.sandbox.language.catalog.registry import Context, parse_columns, physical, view
from runbook.sandbox.language.catalog.view_indexes import indexes, row_count
from runbook.sandbox.language.catalog.view_objects import user_columns

Row = tuple[Any, ...]


@view(
    "sys.sysobjects",
    "name sysname, id int, xtype char(2), uid smallint, info smallint, status int, base_schema_ver int,"
    " replinfo int, parent_obj int, crdate datetime, ftcatid smallint, schema_ver int, stats_schema_ver int, "
    "type char(2),"
    " userstat smallint, sysstat smallint, indexdel smallint, refdate datetime, version int, deltrig int, "
    "instrig int, updtrig"
    " int, seltrig int, category int, cache smallint",
)
def _sysobjects(context: Context) -> list[Row]:
    found: list[Row] = []
    for number, name, schema, parent, kind, created, _, _ in all_objects(context.catalog):
        old = {"PK": "K", "UQ": "K"}.get(kind, kind)
        found.append(
            (
                name,
                number,
                two(kind),
                schema,
                0,
                0,
                0,
                0,
                parent,
                created,
                0,
                0,
                0,
                two(old),
                0,
                0,
                0,
                created,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            )
        )
    return found


@view(
    "sys.syscolumns",
    "name sysname, id int, xtype tinyint, typestat tinyint, xusertype smallint, length smallint, xprec"
    " tinyint, xscale tinyint, colid smallint, xoffset smallint, bitpos tinyint, reserved tinyint, colstat "
    "smallint, cdefault"
    " int, domain int, number smallint, colorder smallint, autoval varbinary(8000), offset smallint, "
    "collationid int, status"
    " tinyint, type tinyint, usertype smallint, printfmt varchar(255), prec smallint, scale int, iscomputed "
    "int, isoutparam int,"
    " isnullable int, collation sysname",
)
def _syscolumns(context: Context) -> list[Row]:
    found: list[Row] = []
    for item, c in user_columns(context):
        system, user = type_ids(c)
        length, precision, scale = measures(c.type)
        default = c.default.id if c.default is not None else 0
        found.append(
            (
                c.name,
                item.id,
                system,
                0,
                user,
                length,
                precision,
                scale,
                c.id,
                0,
                0,
                0,
                int(bool(c.identity)),
                default,
                0,
                0,
                c.id,
                None,
                0,
                None,
                0,
                system,
                user,
                None,
                precision or length,
                scale,
                int(bool(c.computed)),
                0,
                int(c.nullable),
                None,
            )
        )
    return found


@view(
    "sys.sysindexes",
    "id int, status int, first binary(6), indid smallint, root binary(6), minlen smallint, keycnt smallint,"
    " groupid smallint, dpages int, reserved int, used int, rowcnt bigint, rowmodctr int, name sysname, rows int",
    is_static=False,
)
def _sysindexes(context: Context) -> list[Row]:
    found: list[Row] = []
    for table in context.catalog.tables():
        rows = row_count(context, table)
        for number, index in indexes(table):
            keys = len(index.keys) if index is not None else 0
            found.append(
                (table.id, 0, None, number, None, 0, keys, 1, 1, 1, 1, rows, 0, index.name if index else None, rows)
            )
    return found


@view(
    "sys.systypes",
    "name sysname, xtype tinyint, status tinyint, xusertype smallint, length smallint, xprec tinyint, xscale"
    " tinyint, usertype smallint, prec smallint, scale tinyint",
)
def _systypes(_context: Context) -> list[Row]:
    return [
        (name, system, 0, user, length, precision, scale, user, precision, scale)
        for name, (system, user, length, precision, scale) in SYSTEM_TYPES.items()
    ]


@view("dbo.spt_values", "name nvarchar(35), number int, type nchar(3), low int, high int, status int")
def _spt_values(_context: Context) -> list[Row]:
    return [(None, i, "P  ", i // 8 + 1, 1 << (i % 8), 0) for i in range(2048)]


CONFIGURATIONS = (
    ("MAXDOP", 1, "0"),
    ("LEGACY_CARDINALITY_ESTIMATION", 2, "0"),
    ("PARAMETER_SNIFFING", 3, "1"),
    ("QUERY_OPTIMIZER_HOTFIXES", 4, "0"),
    ("IDENTITY_CACHE", 6, "1"),
    ("INTERLEAVED_EXECUTION_TVF", 7, "1"),
    ("BATCH_MODE_MEMORY_GRANT_FEEDBACK", 8, "1"),
    ("BATCH_MODE_ADAPTIVE_JOINS", 9, "1"),
    ("TSQL_SCALAR_UDF_INLINING", 10, "1"),
    ("OPTIMIZE_FOR_AD_HOC_WORKLOADS", 13, "0"),
    ("XTP_PROCEDURE_EXECUTION_STATISTICS", 14, "0"),
    ("ROW_MODE_MEMORY_GRANT_FEEDBACK", 16, "1"),
    ("BATCH_MODE_ON_ROWSTORE", 18, "1"),
    ("DEFERRED_COMPILATION_TV", 19, "1"),
    ("ACCELERATED_PLAN_FORCING", 20, "1"),
    ("LIGHTWEIGHT_QUERY_PROFILING", 24, "1"),
    ("VERBOSE_TRUNCATION_WARNINGS", 25, "1"),
    ("LAST_QUERY_PLAN_STATS", 26, "0"),
    ("PAUSED_RESUMABLE_INDEX_ABORT_DURATION_MINUTES", 27, "1440"),
)


@view(
    "sys.database_scoped_configurations",
    "configuration_id int, name nvarchar(60), value sql_variant, value_for_secondary sql_variant, is_value_default bit",
)
def _configurations(context: Context) -> list[Row]:
    found: list[Row] = []
    for name, number, default in CONFIGURATIONS:
        text = context.catalog.settings.get(f"scoped.{name}", default)
        value = {"ON": "1", "OFF": "0", "PRIMARY": default}.get(text, text)
        found.append((number, name, int(value) if value.lstrip("-").isdigit() else value, None, int(value == default)))
    return found


_FILES = (
    "file_id int, file_guid uniqueidentifier, type tinyint, type_desc nvarchar(60), data_space_id int, name "
    "sysname, physical_name"
    " nvarchar(260), state tinyint, state_desc nvarchar(60), size int, max_size int, growth int, "
    "is_media_read_only bit,"
    " is_read_only bit, is_sparse bit, is_percent_growth bit, is_name_reserved bit"
)


@view("sys.database_files", _FILES, is_static=False)
def _database_files(context: Context) -> list[Row]:
    session = context.session
    found = session.instance.rows("sys.master_files", session)
    database = session.instance.find(context.database)
    if found is None or database is None:
        return []
    columns, rows = found
    at = {c.name.lower(): i for i, c in enumerate(columns)}
    wanted = parse_columns(_FILES)
    own = [row for row in rows if row[at["database_id"]] == database.id]
    return physical(([row[at[c.name]] for c in wanted] for row in own), wanted)


@view(
    "sys.sysfiles",
    "fileid smallint, groupid smallint, size int, maxsize int, growth int, status int, perf int, name sysname,"
    " filename nvarchar(260)",
    is_static=False,
)
def _sysfiles(context: Context) -> list[Row]:
    return [(r[0], r[4], r[9], r[10], r[11], 0, 0, r[5], r[6]) for r in _database_files(context)]
