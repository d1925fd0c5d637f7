"""The two servers the end-to-end tests run on: the sandbox, or any two SQL Servers named by the environment, which are
containers with ``RUNBOOK_TEST_ON=container`` (:mod:`tests.e2e.throwaway`).

``RUNBOOK_TEST_OLD`` and ``RUNBOOK_TEST_NEW`` (``mssql://host:port``) with ``RUNBOOK_TEST_OLD_PASSWORD``,
``RUNBOOK_TEST_NEW_PASSWORD`` (login sa) and ``RUNBOOK_TEST_EXCHANGE`` (a directory both see) point the same tests at
them. Faults can be set on the sandbox only.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyodbc

from examples.mailer.mailer_data.connecting import Server
from examples.mailer.seed import drop_all
from runbook.sandbox import manage

NAMES = {"old": ("OLDSQL", "2019"), "new": ("NEWSQL", "2022")}


@dataclass
class SandboxServers:
    """Two sandbox servers in one directory."""

    home: Path
    is_sandbox = True

    def directory(self, role: str) -> Path:
        """Where a server keeps everything."""
        return self.home / "sandbox" / NAMES[role][0]

    def start(self, role: str) -> Server:
        """Start it, or find it running."""
        name, version = NAMES[role]
        info = manage.start(self.directory(role), name, version)
        return Server("127.0.0.1", info.port, info.user, info.password)

    def server(self, role: str) -> Server:
        """How to reach it, started or not."""
        return self.start(role)

    def json(self, role: str) -> Path:
        """The file that says where it listens."""
        self.start(role)
        return self.directory(role) / "server.json"

    def statements(self, role: str) -> str:
        """Everything it was sent, with times."""
        return (self.directory(role) / "statements.log").read_text(encoding="utf-8")

    def fault(self, role: str, kind: str, match: str, **options: Any) -> None:
        """Make it go wrong."""
        manage.fault(self.directory(role), kind, match, **options)

    def clear_faults(self) -> None:
        """Make all well again."""
        for role in NAMES:
            manage.clear_faults(self.directory(role))

    def stop(self) -> None:
        """End both."""
        for role in NAMES:
            if self.directory(role).exists():
                manage.stop(self.directory(role))

    def copy_from(self, template: Path) -> None:
        """Begin with the data of another pair."""
        shutil.copytree(template / "sandbox", self.home / "sandbox")

    def plan(self, text: str) -> str:
        """The example's plan as it is."""
        return text


@dataclass
class NamedServers:
    """Two SQL Servers from the environment."""

    home: Path
    is_sandbox = False

    @staticmethod
    def configured() -> bool:
        """The environment names them."""
        return bool(os.environ.get("RUNBOOK_TEST_OLD") and os.environ.get("RUNBOOK_TEST_NEW"))

    def server(self, role: str) -> Server:
        """How to reach it."""
        host, _, port = os.environ[f"RUNBOOK_TEST_{role.upper()}"].removeprefix("mssql://").partition(":")
        return Server(host, int(port or 1433), "sa", os.environ[f"RUNBOOK_TEST_{role.upper()}_PASSWORD"])

    def start(self, role: str) -> Server:
        """It runs already."""
        return self.server(role)

    def json(self, role: str) -> Path:
        """A file that says where it listens, as the example reads it."""
        import json

        path, server = self.home / f"{role}.json", self.server(role)
        path.write_text(json.dumps(vars(server)), encoding="utf-8")
        return path

    def wipe(self) -> None:
        """Take away what earlier tests left on both; a database that is dropped while OFFLINE would leave its files."""
        for role in NAMES:
            with self.server(role).connect() as cnx:
                for name, state in rows(cnx, "SELECT name, state_desc FROM sys.databases WHERE database_id > 4"):
                    if state == "OFFLINE":
                        cnx.execute(f"ALTER DATABASE [{name}] SET ONLINE")
                drop_all(cnx)

    def stop(self) -> None:
        """They are not ours."""

    def plan(self, text: str) -> str:
        """The example's plan, pointed at them."""
        for role, (name, version) in NAMES.items():
            url = os.environ[f"RUNBOOK_TEST_{role.upper()}"]
            reference = f"env:RUNBOOK_TEST_{role.upper()}_PASSWORD"
            login = f"{url}\n    user: sa\n    password: {reference}\n    trust_certificate: true"
            text = text.replace(f"sandbox://{name}?version={version}", login)
            text = text.replace(f"server_name: {name}, ", "")
            with self.server(role).connect() as cnx:
                actual = cnx.execute("SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(128))").fetchval()
            text = text.replace(f"contains: {name}", f"contains: {actual}")
        exchange = os.environ.get("RUNBOOK_TEST_EXCHANGE")
        side_by_side = "strategy: side-by-side" in text
        return text + (f"exchange: {{source: {exchange}, target: {exchange}}}\n" if exchange and side_by_side else "")


Servers = SandboxServers | NamedServers


def rows(cnx: pyodbc.Connection, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return [tuple(row) for row in cnx.execute(sql).fetchall()]
