"""Modules, triggers, parameters, extended properties."""

from __future__ import annotations

from typing import Any

from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.describe import SYSTEM_TYPES, measures
from runbook.sandbox.language.catalog.registry import Context, rowset, view
from runbook.sandbox.language.parser.fragments import parse_module

Row = tuple[Any, ...]


def modules(context: Context) -> list[m.Module]:
    """All modules."""
    return context.catalog.modules()


MODULE = (
    "object_id int, definition nvarchar(max), uses_ansi_nulls bit, uses_quoted_identifier bit, is_schema_bound bit,"
    " uses_database_collation bit, is_recompiled bit, null_on_null_input bit, execute_as_principal_id int,"
    " uses_native_compilation bit, inline_type bit, is_inlineable bit"
)


@view("sys.sql_modules", MODULE)
def _sql_modules(context: Context) -> list[Row]:
    return [
        (
            x.id,
            x.text,
            int(x.ansi_nulls),
            int(x.quoted),
            int("SCHEMABINDING" in x.options),
            0,
            int("RECOMPILE" in x.options),
            int("RETURNS NULL ON NULL INPUT" in x.options),
            None,
            0,
            0,
            0,
        )
        for x in modules(context)
    ]


@view("sys.all_sql_modules", MODULE)
def _all_sql_modules(context: Context) -> list[Row]:
    return _sql_modules(context)


@view(
    "sys.triggers",
    "name sysname, object_id int, parent_class tinyint, parent_class_desc nvarchar(60), parent_id int, type"
    " char(2), type_desc nvarchar(60), create_date datetime, modify_date datetime, is_ms_shipped bit, is_disabled bit,"
    " is_not_for_replication bit, is_instead_of_trigger bit",
)
def _triggers(context: Context) -> list[Row]:
    return [
        (
            x.name,
            x.id,
            1,
            "OBJECT_OR_COLUMN",
            x.parent,
            "TR",
            "SQL_TRIGGER",
            x.created,
            x.modified,
            0,
            int(x.disabled),
            0,
            int(x.instead_of),
        )
        for x in context.catalog.modules("TR")
    ]


@view(
    "sys.trigger_events",
    "object_id int, type int, type_desc nvarchar(60), is_trigger_event bit, is_first bit, is_last bit,"
    " event_group_type int, event_group_type_desc nvarchar(60)",
)
def _trigger_events(context: Context) -> list[Row]:
    numbers = {"INSERT": 1, "UPDATE": 2, "DELETE": 3}
    return [
        (x.id, numbers[event], event, 1, int(x.order == "first"), int(x.order == "last"), None, None)
        for x in context.catalog.modules("TR")
        for event in x.events
    ]


@view(
    "sys.parameters",
    "object_id int, name sysname, parameter_id int, system_type_id tinyint, user_type_id int, max_length"
    " smallint, precision tinyint, scale tinyint, is_output bit, is_cursor_ref bit, has_default_value bit, "
    "is_xml_document bit,"
    " default_value sql_variant, xml_collection_id int, is_readonly bit, is_nullable bit",
)
def _parameters(context: Context) -> list[Row]:
    found: list[Row] = []
    for module in context.catalog.modules("P", "FN", "IF", "TF"):
        found += module_parameters(context, module)
    return found


def module_parameters(context: Context, module: m.Module) -> list[Row]:
    """Rows of sys.parameters of one module."""
    parsed = parse_module(module.text)
    environment = context.session.environment(context.database)
    listed = [("", parsed.returns, True, False)] if parsed.returns is not None else []
    listed += [(p.name, p.type, p.output, p.readonly) for p in parsed.parameters]
    found: list[Row] = []
    for i, (name, kind, output, readonly) in enumerate(listed, 0 if parsed.returns is not None else 1):
        alias = environment.user_type(kind.parts) if kind.type is None else None
        if alias is not None and alias.base is None:
            found.append((module.id, name, i, 243, alias.id, -1, 0, 0, 0, 0, 0, 0, None, 0, 1, 1))
            continue
        base = environment.type_of(kind)
        system, user, *_ = SYSTEM_TYPES[base.name]
        found.append(
            (
                module.id,
                name,
                i,
                system,
                alias.id if alias is not None else user,
                *measures(base),
                int(output),
                0,
                0,
                0,
                None,
                0,
                int(readonly),
                1,
            )
        )
    return found


@view(
    "sys.all_parameters",
    "object_id int, name sysname, parameter_id int, system_type_id tinyint, user_type_id int, max_length"
    " smallint, precision tinyint, scale tinyint, is_output bit, is_cursor_ref bit, has_default_value bit, "
    "is_xml_document bit,"
    " default_value sql_variant, xml_collection_id int, is_readonly bit, is_nullable bit",
)
def _all_parameters(context: Context) -> list[Row]:
    return _parameters(context)


_CLASSES = {
    0: "DATABASE",
    1: "OBJECT_OR_COLUMN",
    2: "PARAMETER",
    3: "SCHEMA",
    4: "DATABASE_PRINCIPAL",
    6: "TYPE",
    7: "INDEX",
}


@view(
    "sys.extended_properties",
    "class tinyint, class_desc nvarchar(60), major_id int, minor_id int, name sysname, value sql_variant",
)
def _extended_properties(context: Context) -> list[Row]:
    return [
        (p.class_, _CLASSES[p.class_], p.major, p.minor, p.name, p.value)
        for _, p in sorted(context.catalog.properties.items())
    ]


@rowset("fn_listextendedproperty", "objtype sysname, objname sysname, name sysname, value sql_variant")
def _list_properties(context: Context) -> list[Row]:
    """Those of the database itself; SQLAlchemy only asks whether the function is there."""
    return [(None, None, p.name, p.value) for p in context.catalog.properties.values() if p.class_ == 0]


@view(
    "sys.sql_expression_dependencies",
    "referencing_id int, referencing_minor_id int, referencing_class tinyint,"
    " referencing_class_desc nvarchar(60), is_schema_bound_reference bit, referenced_class tinyint, "
    "referenced_class_desc"
    " nvarchar(60), referenced_server_name sysname, referenced_database_name sysname, referenced_schema_name sysname,"
    " referenced_entity_name sysname, referenced_id int, referenced_minor_id int, is_caller_dependent bit, "
    "is_ambiguous bit",
)
def _dependencies(_context: Context) -> list[Row]:
    return []
