"""Objects, tables, columns, types."""

from __future__ import annotations

from typing import Any

from runbook.sandbox.contract import SqlType
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.describe import (
    OBJECT_TYPES,
    SYSTEM_TYPES,
    all_objects,
    collation,
    measures,
    two,
    type_ids,
)
from runbook.sandbox.language.catalog.registry import Context, view
from runbook.sandbox.language.catalog.system_objects import system_columns, system_views
from runbook.sandbox.language.engine.collate import DATABASE_DEFAULT

OBJECT = (
    "name sysname, object_id int, principal_id int, schema_id int, parent_object_id int, type char(2), "
    "type_desc nvarchar(60),"
    " create_date datetime, modify_date datetime, is_ms_shipped bit, is_published bit, is_schema_published bit"
)
Row = tuple[Any, ...]


def object_row(entry: Row) -> Row:
    """The columns every kind of object has."""
    number, name, schema, parent, kind, created, modified, item = entry
    shipped = int(kind == "TT")
    owner = getattr(item, "owner", 0) or None
    return (name, number, owner, schema, parent, two(kind), OBJECT_TYPES[kind], created, modified, shipped, 0, 0)


def rows_of(context: Context, *kinds: str) -> list[tuple[Row, Any]]:
    """Object columns and model of objects of these kinds."""
    return [(object_row(e), e[7]) for e in all_objects(context.catalog) if e[4] in kinds]


@view("sys.objects", OBJECT)
def _objects(context: Context) -> list[Row]:
    return [object_row(e) for e in all_objects(context.catalog)]


@view("sys.all_objects", OBJECT)
def _all_objects(context: Context) -> list[Row]:
    return _objects(context) + system_views()


TABLE_TAIL = (
    ", lob_data_space_id int, filestream_data_space_id int, max_column_id_used int, lock_on_bulk_load bit, "
    "uses_ansi_nulls bit,"
    " is_replicated bit, has_replication_filter bit, is_merge_published bit, is_sync_tran_subscribed bit,"
    " has_unchecked_assembly_data bit, text_in_row_limit int, large_value_types_out_of_row bit, is_tracked_by_cdc bit,"
    " lock_escalation tinyint, lock_escalation_desc nvarchar(60), is_filetable bit, is_memory_optimized bit, "
    "durability tinyint,"
    " durability_desc nvarchar(60), temporal_type tinyint, temporal_type_desc nvarchar(60), history_table_id int,"
    " is_remote_data_archive_enabled bit, is_external bit, history_retention_period int, "
    "history_retention_period_unit int,"
    " history_retention_period_unit_desc nvarchar(10), is_node bit, is_edge bit, ledger_type tinyint,"
    " ledger_type_desc nvarchar(60), is_dropped_ledger_table bit"
)
_TABLE = (
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    "TABLE",
    0,
    0,
    0,
    "SCHEMA_AND_DATA",
    0,
    "NON_TEMPORAL_TABLE",
    None,
    0,
    0,
    None,
    None,
    None,
    0,
    0,
    0,
    "NON_LEDGER_TABLE",
    0,
)


@view("sys.tables", OBJECT + TABLE_TAIL)
def _tables(context: Context) -> list[Row]:
    return [(*row, 0, None, max(c.id for c in item.columns), *_TABLE) for row, item in rows_of(context, "U")]


VIEW_TAIL = (
    ", is_replicated bit, has_replication_filter bit, has_opaque_metadata bit, has_unchecked_assembly_data bit,"
    " with_check_option bit, is_date_correlation_view bit, is_tracked_by_cdc bit"
)


@view("sys.views", OBJECT + VIEW_TAIL)
def _views(context: Context) -> list[Row]:
    return [
        (*row, 0, 0, 0, 0, int("WITH CHECK OPTION" in item.text.upper()), 0, 0) for row, item in rows_of(context, "V")
    ]


@view("sys.all_views", OBJECT + VIEW_TAIL)
def _all_views(context: Context) -> list[Row]:
    return _views(context) + [(*row, 0, 0, 0, 0, 0, 0, 0) for row in system_views()]


@view("sys.system_views", OBJECT + VIEW_TAIL)
def _system_views(_context: Context) -> list[Row]:
    return [(*row, 0, 0, 0, 0, 0, 0, 0) for row in system_views()]


@view("sys.system_objects", OBJECT)
def _system_objects(_context: Context) -> list[Row]:
    return system_views()


@view(
    "sys.procedures",
    OBJECT + ", is_auto_executed bit, is_execution_replicated bit, is_repl_serializable_only bit,"
    " skips_repl_constraints bit",
)
def _procedures(context: Context) -> list[Row]:
    return [(*row, 0, 0, 0, 0) for row, _ in rows_of(context, "P")]


@view("sys.synonyms", OBJECT + ", base_object_name nvarchar(1035)")
def _synonyms(context: Context) -> list[Row]:
    return [(*row, item.target) for row, item in rows_of(context, "SN")]


@view("sys.schemas", "name sysname, schema_id int, principal_id int")
def _schemas(context: Context) -> list[Row]:
    return [(s.name, s.id, s.owner) for _, s in sorted(context.catalog.schemas.items())]


# --- columns -----------------------------------------------------------------------------------------------

COLUMN = (
    "object_id int, name sysname, column_id int, system_type_id tinyint, user_type_id int, max_length "
    "smallint, precision tinyint,"
    " scale tinyint, collation_name sysname, is_nullable bit, is_ansi_padded bit, is_rowguidcol bit, is_identity bit,"
    " is_computed bit, is_filestream bit, is_replicated bit, is_non_sql_subscribed bit, is_merge_published "
    "bit, is_dts_replicated"
    " bit, is_xml_document bit, xml_collection_id int, default_object_id int, rule_object_id int, is_sparse "
    "bit, is_column_set"
    " bit, generated_always_type tinyint, generated_always_type_desc nvarchar(60), encryption_type int, "
    "encryption_type_desc"
    " nvarchar(64), encryption_algorithm_name sysname, column_encryption_key_id int, "
    "column_encryption_key_database_name sysname,"
    " is_hidden bit, is_masked bit, graph_type int, graph_type_desc nvarchar(60), is_data_deletion_filter_column bit,"
    " ledger_view_column_type tinyint, ledger_view_column_type_desc nvarchar(60), is_dropped_ledger_column bit"
)
_COLUMN_TAIL = (0, "NOT_APPLICABLE", None, None, None, None, None, 0, 0, None, None, 0, None, None, 0)


def column_row(object_id: int, column: m.Column) -> Row:
    """A row of sys.columns."""
    system, user = type_ids(column)
    length, precision, scale = measures(column.type)
    padded = int(column.type.name in ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary"))
    default = column.default.id if column.default is not None else 0
    return (
        object_id,
        column.name,
        column.id,
        system,
        user,
        length,
        precision,
        scale,
        collation(column),
        int(column.nullable),
        padded,
        int(column.rowguid),
        int(bool(column.identity)),
        int(bool(column.computed)),
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        default,
        0,
        int(column.sparse),
        0,
        *_COLUMN_TAIL,
    )


def view_columns(item: m.Module) -> list[m.Column]:
    """Columns of a view as models."""
    return [
        m.Column(i, name, SqlType(**kind), bool(nullable), "")
        for i, (name, kind, nullable) in enumerate(item.columns, 1)
    ]


def user_columns(context: Context) -> list[tuple[Any, m.Column]]:
    """Objects with their columns, in order."""
    found: list[tuple[Any, m.Column]] = []
    for _, item in sorted(context.catalog.objects.items()):
        if isinstance(item, m.Table):
            found += [(item, c) for c in item.columns]
        elif isinstance(item, m.Module) and item.kind == "V":
            found += [(item, c) for c in view_columns(item)]
    return found


@view("sys.columns", COLUMN)
def _columns(context: Context) -> list[Row]:
    return [column_row(item.id, column) for item, column in user_columns(context)]


@view("sys.all_columns", COLUMN)
def _all_columns(context: Context) -> list[Row]:
    return _columns(context) + [column_row(number, column) for number, column in system_columns()]


@view("sys.system_columns", COLUMN)
def _system_columns(_context: Context) -> list[Row]:
    return [column_row(number, column) for number, column in system_columns()]


def _base(column: m.Column) -> Row:
    system, user = type_ids(column)
    length, precision, scale = measures(column.type)
    return (system, user, length, precision, scale, collation(column), int(column.nullable))


_SHORT = (
    "object_id int, name sysname, column_id int, system_type_id tinyint, user_type_id int, max_length "
    "smallint, precision tinyint,"
    " scale tinyint, collation_name sysname, is_nullable bit"
)


@view(
    "sys.identity_columns",
    _SHORT + ", is_identity bit, seed_value sql_variant, increment_value sql_variant,"
    " last_value sql_variant, is_not_for_replication bit",
    is_static=False,
)
def _identity_columns(context: Context) -> list[Row]:
    last = dict(context.session.engine.rows(f"SELECT id, value FROM {context.prefix}sys_identity"))
    found = []
    for table in context.catalog.tables():
        column = table.identity()
        if column is not None and column.identity is not None:
            seed, step = column.identity
            found.append((table.id, column.name, column.id, *_base(column), 1, seed, step, last.get(table.id), 0))
    return found


@view(
    "sys.computed_columns",
    _SHORT + ", is_computed bit, definition nvarchar(max), uses_database_collation bit, is_persisted bit",
)
def _computed_columns(context: Context) -> list[Row]:
    return [
        (table.id, c.name, c.id, *_base(c), 1, c.computed, 1, int(c.persisted))
        for table in context.catalog.tables()
        for c in table.columns
        if c.computed
    ]


# --- types -------------------------------------------------------------------------------------------------

_TYPE = (
    "name sysname, system_type_id tinyint, user_type_id int, schema_id int, principal_id int, max_length "
    "smallint, precision"
    " tinyint, scale tinyint, collation_name sysname, is_nullable bit, is_user_defined bit, is_assembly_type bit,"
    " default_object_id int, rule_object_id int, is_table_type bit"
)


@view("sys.types", _TYPE)
def _types(context: Context) -> list[Row]:
    found: list[Row] = []
    for name, (system, user, length, precision, scale) in SYSTEM_TYPES.items():
        coll = (
            DATABASE_DEFAULT if name in ("text", "ntext", "varchar", "char", "nvarchar", "nchar", "sysname") else None
        )
        found.append(
            (
                name,
                system,
                user,
                4,
                None,
                length,
                precision,
                scale,
                coll,
                int(name not in ("timestamp", "sysname")),
                0,
                int(system == 240),
                0,
                0,
                0,
            )
        )
    for number, kind in sorted(context.catalog.types.items()):
        if kind.base is None:
            found.append((kind.name, 243, number, kind.schema, None, -1, 0, 0, None, 0, 1, 0, 0, 0, 1))
        else:
            length, precision, scale = measures(kind.base)
            found.append(
                (
                    kind.name,
                    SYSTEM_TYPES[kind.base.name][0],
                    number,
                    kind.schema,
                    None,
                    length,
                    precision,
                    scale,
                    None,
                    int(kind.nullable),
                    1,
                    0,
                    0,
                    0,
                    0,
                )
            )
    return found


@view("sys.table_types", _TYPE + ", type_table_object_id int, is_memory_optimized bit")
def _table_types(context: Context) -> list[Row]:
    return [
        (kind.name, 243, number, kind.schema, None, -1, 0, 0, None, 0, 1, 0, 0, 0, 1, kind.table_id, 0)
        for number, kind in sorted(context.catalog.types.items())
        if kind.table_id
    ]


@view(
    "sys.sequences",
    OBJECT + ", start_value sql_variant, increment sql_variant, minimum_value sql_variant, maximum_value"
    " sql_variant, is_cycling bit, is_cached bit, cache_size int, system_type_id tinyint, user_type_id int, "
    "precision tinyint,"
    " scale tinyint, current_value sql_variant, is_exhausted bit, last_used_value sql_variant",
    is_static=False,
)
def _sequences(context: Context) -> list[Row]:
    state = {
        r[0]: r[1:] for r in context.session.engine.rows(f"SELECT id, value, used FROM {context.prefix}sys_sequence")
    }
    found = []
    for row, item in rows_of(context, "SO"):
        value, used = state.get(item.id, (item.start, 0))
        system, user, *_ = SYSTEM_TYPES[item.type.name]
        _, precision, scale = measures(item.type)
        end = item.maximum if item.increment > 0 else item.minimum
        exhausted = int(not item.cycle and bool(used) and abs(end - value) < abs(item.increment))
        found.append(
            (
                *row,
                item.start,
                item.increment,
                item.minimum,
                item.maximum,
                int(item.cycle),
                int(item.cached),
                item.cache_size,
                system,
                user,
                precision,
                scale,
                value,
                exhausted,
                value if used else None,
            )
        )
    return found
