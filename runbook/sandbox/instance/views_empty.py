"""Views of features the sandbox does not have: present, with the columns tools read, and empty."""

from __future__ import annotations

VIEWS: dict[str, tuple[str, ...]] = {
    "sys.availability_groups": (
        "group_id uniqueidentifier", "name sysname", "resource_id nvarchar(40)", "resource_group_id nvarchar(40)",
        "failure_condition_level int", "health_check_timeout int", "automated_backup_preference tinyint",
        "automated_backup_preference_desc nvarchar(60)", "is_distributed bit",
    ),
    "sys.availability_replicas": (
        "replica_id uniqueidentifier", "group_id uniqueidentifier", "replica_server_name nvarchar(256)",
        "endpoint_url nvarchar(128)", "availability_mode tinyint", "availability_mode_desc nvarchar(60)",
        "failover_mode tinyint", "failover_mode_desc nvarchar(60)",
    ),
    "sys.availability_databases_cluster": (
        "group_id uniqueidentifier", "group_database_id uniqueidentifier", "database_name sysname",
    ),
    "sys.availability_group_listeners": (
        "group_id uniqueidentifier", "listener_id nvarchar(36)", "dns_name nvarchar(63)", "port int",
    ),
    "sys.dm_hadr_database_replica_states": (
        "database_id int", "group_id uniqueidentifier", "replica_id uniqueidentifier",
        "group_database_id uniqueidentifier", "is_local bit", "is_primary_replica bit",
        "synchronization_state tinyint", "synchronization_state_desc nvarchar(60)", "database_state tinyint",
        "database_state_desc nvarchar(60)", "is_suspended bit",
    ),
    "sys.dm_hadr_availability_replica_states": (
        "replica_id uniqueidentifier", "group_id uniqueidentifier", "is_local bit", "role tinyint",
        "role_desc nvarchar(60)", "operational_state tinyint", "connected_state tinyint",
        "synchronization_health tinyint",
    ),
    "sys.dm_hadr_cluster": ("cluster_name nvarchar(128)", "quorum_type tinyint", "quorum_state tinyint"),
    "sys.dm_database_encryption_keys": (
        "database_id int", "encryption_state int", "create_date datetime", "key_algorithm nvarchar(32)",
        "key_length int", "encryptor_thumbprint varbinary(20)", "encryptor_type nvarchar(32)", "percent_complete real",
        "encryption_state_desc nvarchar(32)",
    ),
    "sys.certificates": (
        "name sysname", "certificate_id int", "principal_id int", "pvt_key_encryption_type char(2)",
        "issuer_name nvarchar(442)", "subject nvarchar(4000)", "expiry_date datetime", "start_date datetime",
        "thumbprint varbinary(32)", "pvt_key_last_backup_date datetime",
    ),
    "sys.linked_logins": (
        "server_id int", "local_principal_id int", "uses_self_credential bit", "remote_name nvarchar(128)",
        "modify_date datetime",
    ),
    "sys.credentials": (
        "credential_id int", "name sysname", "credential_identity nvarchar(4000)", "create_date datetime",
        "modify_date datetime", "target_type nvarchar(100)", "target_id int",
    ),
    "sys.server_triggers": (
        "name sysname", "object_id int", "parent_class tinyint", "type char(2)", "type_desc nvarchar(60)",
        "create_date datetime", "modify_date datetime", "is_ms_shipped bit", "is_disabled bit",
    ),
    "sys.server_audits": ("audit_id int", "name sysname", "is_state_enabled bit", "type char(2)"),
    "sys.backup_devices": ("name sysname", "type tinyint", "type_desc nvarchar(60)", "physical_name nvarchar(260)"),
    "sys.traces": ("id int", "status int", "path nvarchar(260)", "is_default bit"),
    "sys.dm_server_registry": ("registry_key nvarchar(256)", "value_name nvarchar(256)", "value_data nvarchar(1000)"),
    "sys.dm_server_suspend_status": (
        "db_id int", "db_name sysname", "suspend_session_id smallint", "suspend_time_ms bigint",
        "is_diffmap_cleared bit", "is_writeio_frozen bit",
    ),
    "sys.dm_tran_active_transactions": (
        "transaction_id bigint", "name nvarchar(32)", "transaction_begin_time datetime", "transaction_type int",
        "transaction_state int",
    ),
    "sys.dm_os_performance_counters": (
        "object_name nchar(128)", "counter_name nchar(128)", "instance_name nchar(128)", "cntr_value bigint",
        "cntr_type int",
    ),
    "sys.dm_xe_sessions": ("address varbinary(8)", "name nvarchar(256)", "create_time datetime"),
    "sys.dm_os_waiting_tasks": (
        "session_id smallint", "exec_context_id int", "wait_duration_ms bigint", "wait_type nvarchar(60)",
        "blocking_session_id smallint", "resource_description nvarchar(3072)",
    ),
    "msdb.dbo.suspect_pages": (
        "database_id int", "file_id int", "page_id bigint", "event_type int", "error_count int",
        "last_update_date datetime",
    ),
    "msdb.dbo.sysoperators": ("id int", "name sysname", "enabled tinyint", "email_address nvarchar(100)"),
    "msdb.dbo.sysalerts": ("id int", "name sysname", "enabled tinyint", "message_id int", "severity int"),
    "msdb.dbo.sysproxies": ("proxy_id int", "name sysname", "credential_id int", "enabled tinyint"),
    "msdb.dbo.restorefile": (
        "restore_history_id int", "file_number numeric(10,0)", "destination_phys_drive nvarchar(260)",
        "destination_phys_name nvarchar(260)",
    ),
    "msdb.dbo.restorefilegroup": ("restore_history_id int", "filegroup_name nvarchar(128)"),
    "msdb.dbo.log_shipping_primary_databases": ("primary_id uniqueidentifier", "primary_database sysname"),
    "msdb.dbo.log_shipping_secondary_databases": (
        "secondary_database sysname", "secondary_id uniqueidentifier", "restore_delay int",
    ),
    "msdb.dbo.sysmail_profile": ("profile_id int", "name sysname"),
}
