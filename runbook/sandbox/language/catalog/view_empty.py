"""Views of a database for features the sandbox does not have: present and empty."""

from __future__ import annotations

from runbook.sandbox.language.catalog.registry import empty
from runbook.sandbox.language.catalog.view_objects import OBJECT

for _name, _columns in {
    "sys.dm_db_persisted_sku_features": "feature_name sysname, feature_id int",
    "sys.assemblies": "name sysname, principal_id int, assembly_id int, clr_name nvarchar(4000), "
    "permission_set tinyint,"
    " permission_set_desc nvarchar(60), is_visible bit, create_date datetime, modify_date datetime, "
    "is_user_defined bit",
    "sys.assembly_types": "name sysname, system_type_id tinyint, user_type_id int, assembly_id int, "
    "assembly_class sysname",
    "sys.assembly_modules": "object_id int, assembly_id int, assembly_class sysname, assembly_method sysname",
    "sys.change_tracking_tables": "object_id int, is_track_columns_updated_on bit, min_valid_version bigint, "
    "begin_version bigint,"
    " cleanup_version bigint",
    "sys.fulltext_catalogs": "fulltext_catalog_id int, name sysname, path nvarchar(260), is_default bit",
    "sys.fulltext_indexes": "object_id int, unique_index_id int, fulltext_catalog_id int, is_enabled bit",
    "sys.partition_functions": "name sysname, function_id int, type char(2), type_desc nvarchar(60), fanout int,"
    " boundary_value_on_right bit",
    "sys.partition_schemes": "name sysname, data_space_id int, type char(2), type_desc nvarchar(60), "
    "is_default bit, is_system"
    " bit, function_id int",
    "sys.partition_range_values": "function_id int, boundary_id int, parameter_id int, value sql_variant",
    "sys.xml_schema_collections": "xml_collection_id int, schema_id int, principal_id int, name sysname, "
    "create_date datetime,"
    " modify_date datetime",
    "sys.xml_indexes": "object_id int, name sysname, index_id int, type tinyint",
    "sys.spatial_indexes": "object_id int, name sysname, index_id int, type tinyint",
    "sys.hash_indexes": "object_id int, name sysname, index_id int, bucket_count int",
    "sys.column_store_row_groups": "object_id int, index_id int, partition_number int, row_group_id int, state tinyint",
    "sys.masked_columns": "object_id int, name sysname, column_id int, is_masked bit, masking_function nvarchar(4000)",
    "sys.security_policies": "name sysname, object_id int, principal_id int, schema_id int, is_enabled bit",
    "sys.security_predicates": "object_id int, security_predicate_id int, target_object_id int",
    "sys.column_encryption_keys": "name sysname, column_encryption_key_id int",
    "sys.column_master_keys": "name sysname, column_master_key_id int",
    "sys.external_tables": OBJECT + ", data_source_id int, location nvarchar(4000)",
    "sys.external_data_sources": "data_source_id int, name sysname, location nvarchar(4000)",
    "sys.external_file_formats": "file_format_id int, name sysname",
    "sys.filetables": "object_id int, is_enabled bit, directory_name nvarchar(255)",
    "sys.event_notifications": "name sysname, object_id int, parent_class tinyint",
    "sys.events": "object_id int, type int, type_desc nvarchar(60), is_trigger_event bit",
    "sys.service_queues": OBJECT + ", max_readers smallint, is_activation_enabled bit, is_receive_enabled bit",
    "sys.services": "name sysname, service_id int, principal_id int, service_queue_id int",
    "sys.service_contracts": "name sysname, service_contract_id int",
    "sys.service_message_types": "name sysname, message_type_id int",
    "sys.plan_guides": "plan_guide_id int, name sysname, is_disabled bit, query_text nvarchar(max)",
    "sys.numbered_procedures": "object_id int, procedure_number smallint, definition nvarchar(max)",
    "sys.periods": "name sysname, period_type tinyint, object_id int, start_column_id int, end_column_id int",
    "sys.crypt_properties": "class tinyint, major_id int, thumbprint varbinary(32), crypt_type char(4)",
    "sys.query_store_runtime_stats": "runtime_stats_id bigint, plan_id bigint",
    "sys.dm_db_index_usage_stats": "database_id smallint, object_id int, index_id int, user_seeks bigint, "
    "user_scans bigint,"
    " user_lookups bigint, user_updates bigint, last_user_seek datetime, last_user_scan datetime",
    "sys.dm_db_missing_index_details": "index_handle int, database_id smallint, object_id int, statement "
    "nvarchar(4000)",
    "sys.dm_db_xtp_table_memory_stats": "object_id int, memory_allocated_for_table_kb bigint",
    "sys.dm_cdc_log_scan_sessions": "session_id int, start_time datetime",
    "sys.publications": "pubid int, name sysname",
    "sys.sensitivity_classifications": "class int, major_id int, minor_id int, label sysname, information_type sysname",
    "sys.database_audit_specifications": "database_specification_id int, name sysname, is_state_enabled bit",
    "sys.database_credentials": "credential_id int, name sysname",
    "sys.sysreferences": "constid int, fkeyid int, rkeyid int",
    "sys.column_type_usages": "object_id int, column_id int, user_type_id int",
}.items():
    empty(_name, _columns)
