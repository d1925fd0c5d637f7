"""Indexes, statistics, partitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.registry import Context, view

Row = tuple[Any, ...]
PAGE = 8192


def tables(context: Context) -> list[m.Table]:
    """User tables and the tables of table types."""
    return [o for _, o in sorted(context.catalog.objects.items()) if isinstance(o, m.Table)]


def indexes(table: m.Table) -> Iterator[tuple[int, m.Index | None]]:
    """Index ids with their models; None is the heap."""
    if not any(i.clustered for i in table.indexes):
        yield 0, None
    for index in sorted(table.indexes, key=lambda i: i.id):
        yield index.id, index


INDEX = (
    "object_id int, name sysname, index_id int, type tinyint, type_desc nvarchar(60), is_unique bit, data_space_id int,"
    " ignore_dup_key bit, is_primary_key bit, is_unique_constraint bit, fill_factor tinyint, is_padded bit, "
    "is_disabled bit,"
    " is_hypothetical bit, is_ignored_in_optimization bit, allow_row_locks bit, allow_page_locks bit, has_filter bit,"
    " filter_definition nvarchar(max), compression_delay int, suppress_dup_key_messages bit, auto_created bit,"
    " optimize_for_sequential_key bit"
)


@view("sys.indexes", INDEX)
def _indexes(context: Context) -> list[Row]:
    found: list[Row] = []
    for table in tables(context):
        for number, index in indexes(table):
            if index is None:
                found.append((table.id, None, 0, 0, "HEAP", 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, None, None, 0, 0, 0))
                continue
            kind = (1, "CLUSTERED") if index.clustered else (2, "NONCLUSTERED")
            found.append(
                (
                    table.id,
                    index.name,
                    number,
                    *kind,
                    int(index.unique),
                    1,
                    int(index.ignore_duplicates),
                    int(index.kind == "PK"),
                    int(index.kind == "UQ"),
                    index.fill_factor,
                    int(index.padded),
                    int(index.disabled),
                    0,
                    0,
                    1,
                    1,
                    int(bool(index.where)),
                    index.where or None,
                    None,
                    0,
                    0,
                    0,
                )
            )
    return found


@view(
    "sys.index_columns",
    "object_id int, index_id int, index_column_id int, column_id int, key_ordinal tinyint,"
    " partition_ordinal tinyint, is_descending_key bit, is_included_column bit, column_store_order_ordinal tinyint",
)
def _index_columns(context: Context) -> list[Row]:
    found: list[Row] = []
    for table in tables(context):
        for index in table.indexes:
            position = 0
            for column, descending in index.keys:
                position += 1
                found.append((table.id, index.id, position, column, position, 0, descending, 0, 0))
            for column in index.includes:
                position += 1
                found.append((table.id, index.id, position, column, 0, 0, 0, 1, 0))
    return found


@view(
    "sys.stats",
    "object_id int, name sysname, stats_id int, auto_created bit, user_created bit, no_recompute bit, has_filter"
    " bit, filter_definition nvarchar(max), is_temporary bit, is_incremental bit, has_persisted_sample bit,"
    " stats_generation_method int, stats_generation_method_desc varchar(80), auto_drop bit",
)
def _stats(context: Context) -> list[Row]:
    found: list[Row] = []
    for table in context.catalog.tables():
        for index in table.indexes:
            found.append(
                (
                    table.id,
                    index.name,
                    index.id,
                    0,
                    0,
                    0,
                    int(bool(index.where)),
                    index.where or None,
                    0,
                    0,
                    0,
                    0,
                    "",
                    0,
                )
            )
    for number, one in sorted(context.catalog.statistics.items()):
        found.append((one.table, one.name, 1000 + number, 0, 1, 0, 0, None, 0, 0, 0, 0, "", 0))
    return found


@view("sys.stats_columns", "object_id int, stats_id int, stats_column_id int, column_id int")
def _stats_columns(context: Context) -> list[Row]:
    found: list[Row] = []
    for table in context.catalog.tables():
        for index in table.indexes:
            found += [(table.id, index.id, i, column) for i, (column, _) in enumerate(index.keys, 1)]
    for number, one in sorted(context.catalog.statistics.items()):
        found += [(one.table, 1000 + number, i, column) for i, column in enumerate(one.columns, 1)]
    return found


# --- rows and space ----------------------------------------------------------------------------------------


def row_count(context: Context, table: m.Table) -> int:
    """Number of rows."""
    return int(context.session.engine.value(f"SELECT count(*) FROM {context.prefix}{table.phys}") or 0)


def _partition_id(table: m.Table, index: int) -> int:
    return 72057594000000000 + table.id * 256 + index


@view(
    "sys.partitions",
    "partition_id bigint, object_id int, index_id int, partition_number int, hobt_id bigint, rows bigint,"
    " filestream_filegroup_id smallint, data_compression tinyint, data_compression_desc nvarchar(60), "
    "xml_compression bit,"
    " xml_compression_desc varchar(3)",
    is_static=False,
)
def _partitions(context: Context) -> list[Row]:
    found: list[Row] = []
    for table in context.catalog.tables():
        rows = row_count(context, table)
        for number, index in indexes(table):
            if index is None or not index.disabled:
                partition = _partition_id(table, number)
                found.append((partition, table.id, number, 1, partition, rows, 0, 0, "NONE", 0, "OFF"))
    return found


def pages(context: Context) -> dict[str, int]:
    """Pages of 8 KiB of every SQLite table and index of the file."""
    name = context.prefix.rstrip(".")
    rows = context.session.engine.rows("SELECT name, sum(pgsize) FROM dbstat WHERE schema = ? GROUP BY name", (name,))
    return {r[0]: -(-int(r[1]) // PAGE) for r in rows}


STATISTICS = (
    "partition_id bigint, object_id int, index_id int, partition_number int, in_row_data_page_count bigint,"
    " in_row_used_page_count bigint, in_row_reserved_page_count bigint, lob_used_page_count bigint, "
    "lob_reserved_page_count"
    " bigint, row_overflow_used_page_count bigint, row_overflow_reserved_page_count bigint, used_page_count bigint,"
    " reserved_page_count bigint, row_count bigint"
)


@view("sys.dm_db_partition_stats", STATISTICS, is_static=False)
def _partition_stats(context: Context) -> list[Row]:
    used = pages(context)
    found: list[Row] = []
    for table in context.catalog.tables():
        rows = row_count(context, table)
        for number, index in indexes(table):
            name = table.phys if number < 2 or index is None else m.index_name(table, index)
            size = used.get(name, 1)
            found.append(
                (_partition_id(table, number), table.id, number, 1, size, size, size, 0, 0, 0, 0, size, size, rows)
            )
    return found


@view(
    "sys.allocation_units",
    "allocation_unit_id bigint, type tinyint, type_desc nvarchar(60), container_id bigint,"
    " data_space_id int, total_pages bigint, used_pages bigint, data_pages bigint",
    is_static=False,
)
def _allocation_units(context: Context) -> list[Row]:
    return [(row[0], 1, "IN_ROW_DATA", row[0], 1, row[4], row[4], row[4]) for row in _partition_stats(context)]


@view(
    "sys.data_spaces",
    "name sysname, data_space_id int, type char(2), type_desc nvarchar(60), is_default bit, is_system bit",
)
def _data_spaces(_context: Context) -> list[Row]:
    return [("PRIMARY", 1, "FG", "ROWS_FILEGROUP", 1, 0)]


@view(
    "sys.filegroups",
    "name sysname, data_space_id int, type char(2), type_desc nvarchar(60), is_default bit, is_system bit,"
    " filegroup_guid uniqueidentifier, log_filegroup_id int, is_read_only bit, is_autogrow_all_files bit",
)
def _filegroups(_context: Context) -> list[Row]:
    return [("PRIMARY", 1, "FG", "ROWS_FILEGROUP", 1, 0, None, None, 0, 0)]
