"""Inventory of the current database: a few set-based queries, whatever the number of objects.

Columns whose alias begins with ``key_`` name the object, the others define it; several rows of one key belong
together in the order they come. The key is put together by the caller: catalog columns have different collations, which
``+`` would refuse to join.
"""

from __future__ import annotations

USER_PRINCIPALS = 4
"""``principal_id`` of dbo, guest, INFORMATION_SCHEMA and sys is at most this."""
FIXED = 16384
"""Ids from here on belong to fixed roles and their schemas."""


def tables() -> str:
    """User tables with row counts and size from the partition statistics."""
    return (
        "SELECT s.name AS schema_name, t.name AS table_name, t.object_id,\n"
        "       (SELECT SUM(p.row_count) FROM sys.dm_db_partition_stats AS p\n"
        "        WHERE p.object_id = t.object_id AND p.index_id IN (0, 1)) AS row_count,\n"
        "       (SELECT SUM(CAST(p.reserved_page_count AS bigint)) * 8192 FROM sys.dm_db_partition_stats AS p\n"
        "        WHERE p.object_id = t.object_id) AS reserved_bytes\n"
        "FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id\n"
        "WHERE t.is_ms_shipped = 0 AND t.is_external = 0 ORDER BY s.name, t.name"
    )


def table_columns() -> str:
    """Columns of user tables that hold content: no rowversion, nothing that is computed when read."""
    return (
        "SELECT c.object_id, c.name, COALESCE(b.name, y.name) AS type_name, c.max_length, c.precision, c.scale\n"
        "FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id\n"
        "JOIN sys.types AS y ON y.user_type_id = c.user_type_id\n"
        "LEFT JOIN sys.types AS b ON b.user_type_id = y.system_type_id\n"
        "LEFT JOIN sys.computed_columns AS k ON k.object_id = c.object_id AND k.column_id = c.column_id\n"
        "WHERE t.is_ms_shipped = 0 AND t.is_external = 0 AND c.is_column_set = 0\n"
        "  AND COALESCE(b.name, y.name) <> N'timestamp' AND (k.is_persisted IS NULL OR k.is_persisted = 1)\n"
        "ORDER BY c.object_id, c.column_id"
    )


def identity_positions() -> str:
    """The last value each identity column gave out; NULL when it never did."""
    return (
        "SELECT s.name AS schema_name, t.name AS table_name, CONVERT(nvarchar(50), i.last_value) AS position\n"
        "FROM sys.identity_columns AS i JOIN sys.tables AS t ON t.object_id = i.object_id\n"
        "JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE t.is_ms_shipped = 0"
    )


def sequence_positions() -> str:
    """The current value of each sequence."""
    return (
        "SELECT s.name AS schema_name, q.name AS sequence_name, CONVERT(nvarchar(50), q.current_value) AS position\n"
        "FROM sys.sequences AS q JOIN sys.schemas AS s ON s.schema_id = q.schema_id"
    )


def modules() -> str:
    """Views, procedures, functions and triggers; the definition of an encrypted one is NULL."""
    return (
        "SELECT CASE o.type WHEN 'V' THEN N'view' WHEN 'P' THEN N'procedure' WHEN 'TR' THEN N'trigger'\n"
        "                   WHEN 'R' THEN N'rule' WHEN 'D' THEN N'default' ELSE N'function' END AS kind,\n"
        "       s.name AS key_schema, o.name AS key_name, m.definition, m.uses_ansi_nulls, m.uses_quoted_identifier,\n"
        "       m.is_schema_bound, m.execute_as_principal_id, p.name AS parent, t.is_disabled,\n"
        "       t.is_instead_of_trigger\n"
        "FROM sys.sql_modules AS m JOIN sys.objects AS o ON o.object_id = m.object_id\n"
        "JOIN sys.schemas AS s ON s.schema_id = o.schema_id\n"
        "LEFT JOIN sys.objects AS p ON p.object_id = o.parent_object_id\n"
        "LEFT JOIN sys.triggers AS t ON t.object_id = o.object_id\n"
        "WHERE o.is_ms_shipped = 0"
    )


def database_triggers() -> str:
    """Triggers on the database itself."""
    return (
        "SELECT N'database trigger' AS kind, t.name AS key_name, m.definition, m.uses_ansi_nulls,\n"
        "       m.uses_quoted_identifier, t.is_disabled\n"
        "FROM sys.triggers AS t LEFT JOIN sys.sql_modules AS m ON m.object_id = t.object_id\n"
        "WHERE t.parent_class = 0 AND t.is_ms_shipped = 0"
    )


def table_definitions() -> str:
    """Tables as such."""
    return (
        "SELECT N'table' AS kind, s.name AS key_schema, t.name AS key_name, t.is_memory_optimized, t.temporal_type\n"
        "FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE t.is_ms_shipped = 0"
    )


def columns() -> str:
    """Columns of user tables with all that defines them."""
    return (
        "SELECT N'column' AS kind, s.name AS key_schema, t.name AS key_table, c.name AS key_name, c.column_id,\n"
        "       y.name AS type_name, c.max_length, c.precision, c.scale, c.is_nullable, c.collation_name,\n"
        "       c.is_rowguidcol, c.is_sparse, k.definition AS computed, k.is_persisted,\n"
        "       CONVERT(nvarchar(50), i.seed_value) AS seed, CONVERT(nvarchar(50), i.increment_value) AS increment,\n"
        "       d.name AS default_name, d.definition AS default_definition\n"
        "FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id\n"
        "JOIN sys.schemas AS s ON s.schema_id = t.schema_id\n"
        "JOIN sys.types AS y ON y.user_type_id = c.user_type_id\n"
        "LEFT JOIN sys.computed_columns AS k ON k.object_id = c.object_id AND k.column_id = c.column_id\n"
        "LEFT JOIN sys.identity_columns AS i ON i.object_id = c.object_id AND i.column_id = c.column_id\n"
        "LEFT JOIN sys.default_constraints AS d ON d.object_id = c.default_object_id\n"
        "WHERE t.is_ms_shipped = 0"
    )


def indexes() -> str:
    """Indexes, primary keys and unique constraints of tables and views, a row for each of their columns."""
    return (
        "SELECT N'index' AS kind, s.name AS key_schema, o.name AS key_table, i.name AS key_name, i.type_desc,\n"
        "       i.is_unique, i.is_primary_key, i.is_unique_constraint, i.is_disabled, i.ignore_dup_key,\n"
        "       i.fill_factor, i.is_padded, i.filter_definition, x.key_ordinal AS ordinal, x.is_descending_key,\n"
        "       x.is_included_column, c.name AS column_name\n"
        "FROM sys.indexes AS i JOIN sys.objects AS o ON o.object_id = i.object_id\n"
        "JOIN sys.schemas AS s ON s.schema_id = o.schema_id\n"
        "LEFT JOIN sys.index_columns AS x ON x.object_id = i.object_id AND x.index_id = i.index_id\n"
        "LEFT JOIN sys.columns AS c ON c.object_id = x.object_id AND c.column_id = x.column_id\n"
        "WHERE o.is_ms_shipped = 0 AND o.type IN ('U', 'V') AND i.type > 0\n"
        "ORDER BY i.object_id, i.index_id, x.index_column_id"
    )


def check_constraints() -> str:
    """Check constraints, with whether they are enforced and believed."""
    return (
        "SELECT N'check constraint' AS kind, s.name AS key_schema, o.name AS key_table, k.name AS key_name,\n"
        "       k.definition, k.is_disabled, k.is_not_trusted, k.is_not_for_replication\n"
        "FROM sys.check_constraints AS k JOIN sys.objects AS o ON o.object_id = k.parent_object_id\n"
        "JOIN sys.schemas AS s ON s.schema_id = o.schema_id WHERE k.is_ms_shipped = 0"
    )


def foreign_keys() -> str:
    """Foreign keys, a row for each pair of columns."""
    return (
        "SELECT N'foreign key' AS kind, s.name AS key_schema, o.name AS key_table, k.name AS key_name,\n"
        "       rs.name AS referenced_schema, r.name AS referenced_table, k.is_disabled, k.is_not_trusted,\n"
        "       k.delete_referential_action_desc, k.update_referential_action_desc, c.name AS column_name,\n"
        "       rc.name AS referenced_column\n"
        "FROM sys.foreign_keys AS k JOIN sys.objects AS o ON o.object_id = k.parent_object_id\n"
        "JOIN sys.schemas AS s ON s.schema_id = o.schema_id\n"
        "JOIN sys.objects AS r ON r.object_id = k.referenced_object_id\n"
        "JOIN sys.schemas AS rs ON rs.schema_id = r.schema_id\n"
        "JOIN sys.foreign_key_columns AS x ON x.constraint_object_id = k.object_id\n"
        "JOIN sys.columns AS c ON c.object_id = x.parent_object_id AND c.column_id = x.parent_column_id\n"
        "JOIN sys.columns AS rc ON rc.object_id = x.referenced_object_id AND rc.column_id = x.referenced_column_id\n"
        "WHERE k.is_ms_shipped = 0 ORDER BY k.object_id, x.constraint_column_id"
    )


def synonyms() -> str:
    """Synonyms and what they stand for."""
    return (
        "SELECT N'synonym' AS kind, s.name AS key_schema, y.name AS key_name, y.base_object_name\n"
        "FROM sys.synonyms AS y JOIN sys.schemas AS s ON s.schema_id = y.schema_id"
    )


def sequences() -> str:
    """Sequences without their positions, which are compared as such."""
    limits = ", ".join(
        f"CONVERT(nvarchar(50), q.{column}) AS {column}"
        for column in ("start_value", "increment", "minimum_value", "maximum_value")
    )
    return (
        "SELECT N'sequence' AS kind, s.name AS key_schema, q.name AS key_name, y.name AS type_name,\n"
        f"       {limits},\n"
        "       q.is_cycling, q.is_cached, q.cache_size\n"
        "FROM sys.sequences AS q JOIN sys.schemas AS s ON s.schema_id = q.schema_id\n"
        "JOIN sys.types AS y ON y.user_type_id = q.user_type_id"
    )


def types() -> str:
    """Alias types, table types and CLR types."""
    return (
        "SELECT N'type' AS kind, s.name AS key_schema, y.name AS key_name, b.name AS base_type, y.max_length,\n"
        "       y.precision, y.scale, y.is_nullable, y.is_table_type, y.is_assembly_type\n"
        "FROM sys.types AS y JOIN sys.schemas AS s ON s.schema_id = y.schema_id\n"
        "LEFT JOIN sys.types AS b ON b.user_type_id = y.system_type_id\n"
        "WHERE y.is_user_defined = 1"
    )


def table_type_columns() -> str:
    """Columns of table types."""
    return (
        "SELECT N'type column' AS kind, s.name AS key_schema, t.name AS key_type, c.name AS key_name, c.column_id,\n"
        "       y.name AS type_name, c.max_length, c.precision, c.scale, c.is_nullable, c.collation_name\n"
        "FROM sys.table_types AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id\n"
        "JOIN sys.columns AS c ON c.object_id = t.type_table_object_id\n"
        "JOIN sys.types AS y ON y.user_type_id = c.user_type_id"
    )


def schemas() -> str:
    """User schemas and who owns them."""
    return (
        "SELECT N'schema' AS kind, s.name AS key_name, p.name AS owner\n"
        "FROM sys.schemas AS s LEFT JOIN sys.database_principals AS p ON p.principal_id = s.principal_id\n"
        f"WHERE s.schema_id > {USER_PRINCIPALS} AND s.schema_id < {FIXED}"
    )


def principals() -> str:
    """Users and roles. A user's SID is what ties it to a login."""
    return (
        "SELECT CASE WHEN p.type IN ('R', 'A') THEN N'role' ELSE N'user' END AS kind, p.name AS key_name,\n"
        "       p.type_desc, p.default_schema_name, p.authentication_type_desc,\n"
        "       CONVERT(nvarchar(200), p.sid, 1) AS sid\n"
        "FROM sys.database_principals AS p\n"
        f"WHERE p.principal_id > {USER_PRINCIPALS} AND p.is_fixed_role = 0"
    )


def role_members() -> str:
    """Who is in which role."""
    return (
        "SELECT N'role member' AS kind, r.name AS key_role, u.name AS key_name\n"
        "FROM sys.database_role_members AS m\n"
        "JOIN sys.database_principals AS r ON r.principal_id = m.role_principal_id\n"
        "JOIN sys.database_principals AS u ON u.principal_id = m.member_principal_id"
    )


def permissions() -> str:
    """Permissions that were granted or denied; those of system objects (negative ids) belong to the version."""
    return (
        "SELECT N'permission' AS kind, g.name AS key_grantee, p.permission_name AS key_permission,\n"
        "       p.class_desc AS key_class, os.name AS key_object_schema, o.name AS key_object, c.name AS key_column,\n"
        "       CASE WHEN p.class IN (0, 1) THEN NULL ELSE p.major_id END AS key_id, p.state_desc\n"
        "FROM sys.database_permissions AS p\n"
        "JOIN sys.database_principals AS g ON g.principal_id = p.grantee_principal_id\n"
        "LEFT JOIN sys.objects AS o ON p.class = 1 AND o.object_id = p.major_id\n"
        "LEFT JOIN sys.schemas AS os ON os.schema_id = o.schema_id\n"
        "LEFT JOIN sys.columns AS c ON p.class = 1 AND c.object_id = p.major_id AND c.column_id = p.minor_id\n"
        "WHERE p.major_id >= 0"
    )


def inventory() -> tuple[str, ...]:
    """Every query that together tells what a database is made of."""
    return (
        modules(),
        database_triggers(),
        table_definitions(),
        columns(),
        indexes(),
        check_constraints(),
        foreign_keys(),
        synonyms(),
        sequences(),
        types(),
        table_type_columns(),
        schemas(),
        principals(),
        role_members(),
        permissions(),
    )
