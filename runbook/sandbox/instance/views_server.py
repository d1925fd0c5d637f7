"""What the server says about itself and its host."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runbook.sandbox import errors
from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.configuration import SETTINGS

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Rows = list[dict[str, Any]]

HOST = (
    "host_platform nvarchar(256) not null",
    "host_distribution nvarchar(256)",
    "host_release nvarchar(256)",
    "host_service_pack_level nvarchar(256)",
    "host_sku int",
    "os_language_version int",
    "host_architecture nvarchar(256)",
)


def host(_: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Rows:  # noqa: ARG001
    """sys.dm_os_host_info."""
    return [
        {
            "host_platform": "Linux",
            "host_distribution": "Sandbox",
            "host_release": platform.release(),
            "host_service_pack_level": "",
            "os_language_version": 1033,
            "host_architecture": "X64",
        }
    ]


SYSTEM = (
    "cpu_count int not null",
    "physical_memory_kb bigint not null",
    "committed_kb bigint not null",
    "committed_target_kb bigint not null",
    "max_workers_count int not null",
    "scheduler_count int not null",
    "ms_ticks bigint not null",
    "sqlserver_start_time datetime not null",
    "virtual_machine_type int not null",
    "virtual_machine_type_desc nvarchar(60) not null",
    "container_type int not null",
    "container_type_desc nvarchar(60) not null",
)


def system(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.dm_os_sys_info."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    uptime = clock.now() - instance.started
    return [
        {
            "cpu_count": os.cpu_count() or 1,
            "physical_memory_kb": memory,
            "committed_kb": memory // 4,
            "committed_target_kb": memory // 2,
            "max_workers_count": 512,
            "scheduler_count": os.cpu_count() or 1,
            "ms_ticks": int(uptime.total_seconds() * 1000),
            "sqlserver_start_time": instance.started,
            "virtual_machine_type": 0,
            "virtual_machine_type_desc": "NONE",
            "container_type": 0,
            "container_type_desc": "NONE",
        }
    ]


SERVICES = (
    "servicename nvarchar(256) not null",
    "startup_type int",
    "startup_type_desc nvarchar(256) not null",
    "status int",
    "status_desc nvarchar(256) not null",
    "process_id int",
    "last_startup_time datetime",
    "service_account nvarchar(256) not null",
    "filename nvarchar(256) not null",
    "is_clustered nvarchar(1) not null",
    "cluster_nodename nvarchar(256)",
    "instant_file_initialization_enabled nvarchar(1) not null",
)


def services(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.dm_server_services."""
    names = ["SQL Server (MSSQLSERVER)"]
    if instance.agent.is_present:
        names.append("SQL Server Agent (MSSQLSERVER)")
    return [
        {
            "servicename": name,
            "startup_type": 2,
            "startup_type_desc": "Automatic",
            "status": 4,
            "status_desc": "Running",
            "process_id": os.getpid(),
            "last_startup_time": instance.started,
            "service_account": "mssql",
            "filename": "",
            "is_clustered": "N",
            "instant_file_initialization_enabled": "Y",
        }
        for name in names
    ]


CONFIGURATIONS = (
    "configuration_id int not null",
    "name nvarchar(35) not null",
    "value int",
    "minimum int",
    "maximum int",
    "value_in_use int",
    "description nvarchar(255) not null",
    "is_dynamic bit not null",
    "is_advanced bit not null",
)


def configurations(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.configurations."""
    options = instance.configuration
    return [
        {
            "configuration_id": s.number,
            "name": s.name,
            "value": options.configured(s.name),
            "minimum": s.low,
            "maximum": s.high,
            "value_in_use": options.in_use(s.name),
            "description": s.description,
            "is_dynamic": s.dynamic,
            "is_advanced": s.advanced,
        }
        for s in SETTINGS
    ]


SERVERS = (
    "server_id int not null",
    "name sysname not null",
    "product sysname not null",
    "provider sysname not null",
    "data_source nvarchar(4000)",
    "is_linked bit not null",
    "is_remote_login_enabled bit not null",
    "is_rpc_out_enabled bit not null",
    "is_data_access_enabled bit not null",
    "modify_date datetime not null",
)


def servers(instance: SandboxInstance, _: LanguageSession, __: Sequence[Any]) -> Rows:
    """sys.servers: the server itself, no linked ones."""
    return [
        {
            "server_id": 0,
            "name": instance.name,
            "product": "SQL Server",
            "provider": "SQLNCLI",
            "data_source": instance.name,
            "is_linked": False,
            "is_remote_login_enabled": True,
            "is_rpc_out_enabled": True,
            "is_data_access_enabled": False,
            "modify_date": instance.started,
        }
    ]


ENDPOINTS = (
    "name sysname not null",
    "endpoint_id int not null",
    "principal_id int",
    "protocol tinyint not null",
    "protocol_desc nvarchar(60)",
    "type tinyint not null",
    "type_desc nvarchar(60)",
    "state tinyint",
    "state_desc nvarchar(60)",
    "is_admin_endpoint bit not null",
)


def endpoints(_: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Rows:  # noqa: ARG001
    """sys.endpoints: the default TCP endpoint."""
    return [
        {
            "name": "TSQL Default TCP",
            "endpoint_id": 4,
            "principal_id": 1,
            "protocol": 2,
            "protocol_desc": "TCP",
            "type": 2,
            "type_desc": "TSQL",
            "state": 0,
            "state_desc": "STARTED",
            "is_admin_endpoint": False,
        }
    ]


MESSAGES_VIEW = (
    "message_id int not null",
    "language_id smallint not null",
    "severity tinyint",
    "is_event_logged bit not null",
    "text nvarchar(2048) not null",
)


def messages(_: SandboxInstance, session: LanguageSession, args: Sequence[Any]) -> Rows:  # noqa: ARG001
    """sys.messages: those the sandbox raises; no user-defined ones."""
    return [
        {"message_id": number, "language_id": 1033, "severity": severity, "is_event_logged": False, "text": message}
        for number, (severity, message) in sorted(errors.MESSAGES.items())
    ]


VIEWS: dict[str, tuple[Sequence[str], Callable[..., Rows]]] = {
    "sys.dm_os_host_info": (HOST, host),
    "sys.dm_os_sys_info": (SYSTEM, system),
    "sys.dm_server_services": (SERVICES, services),
    "sys.configurations": (CONFIGURATIONS, configurations),
    "sys.servers": (SERVERS, servers),
    "sys.endpoints": (ENDPOINTS, endpoints),
    "sys.messages": (MESSAGES_VIEW, messages),
}
