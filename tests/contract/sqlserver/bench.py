"""Two SQL Servers with a little in them, for the suite that the fake and the real adapter both pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pyodbc

from runbook.adapters.clock import SystemClock
from runbook.adapters.sqlserver import Idle, Patience, ServerTarget, open_server
from runbook.adapters.sqlserver.driver import find_driver
from runbook.adapters.sqlserver.target import connection_string
from runbook.ports import SqlServer
from runbook.sandbox import manage
from runbook.testing import FakeSqlServer, StatementLog, Stoppable, World

VERSIONS = {"old": "2019", "new": "2022"}
NUMBERS = itertools.count(1)
HASTE = Patience(attention=0.5, kill=5.0)

SCHEMA = """
CREATE TABLE dbo.Contact (Id int IDENTITY(1,1) NOT NULL PRIMARY KEY, Name nvarchar(50) NOT NULL, Mail varchar(80) NULL)
GO
INSERT INTO dbo.Contact (Name, Mail) VALUES (N'Ann', 'ann@example.org'), (N'Zoë', NULL), (N'漢字', '')
GO
CREATE VIEW dbo.Names AS SELECT Name FROM dbo.Contact
"""


class FakeBench:
    """The fake: databases Contacts (FULL) and Archive (SIMPLE), users that are connected."""

    is_fake = True

    def __init__(self) -> None:
        self.world = World.mailer()
        self.full, self.simple, self.restored = "Contacts", "Archive", "Contacts"
        self.log = StatementLog()
        self.stop = Stoppable(self.world.clock)

    def server(self, role: str = "old", *, fence: int = 1) -> SqlServer:
        return FakeSqlServer(self.world, role, self.stop, self.log)

    def path(self, file: str) -> str:
        return f"/exchange/{file}"

    def write(self, role: str, database: str) -> None:
        assert self.world.users_write(role)

    def table(self, database: str) -> str:
        return next(iter(self.world.servers["old"].get(database).content.tables))

    def hang(self, role: str, match: str) -> None:
        self.world.fault(role, "hang", match)

    def stop_soon(self) -> None:
        self.world.clock.later(5, self.stop.stop)

    def next_process(self) -> None:
        self.world.next_process()

    def close(self) -> None: ...


@dataclass
class SandboxServers:
    """Both servers of a test session and the directory they exchange backups through."""

    directory: Path
    exchange: Path = field(init=False)

    def __post_init__(self) -> None:
        self.exchange = self.directory / "exchange"
        self.exchange.mkdir()
        self.targets = {
            role: ServerTarget(f"sandbox://{role.upper()}SQL?version={version}", sandbox_home=self.directory)
            for role, version in VERSIONS.items()
        }

    def home(self, role: str) -> Path:
        return self.directory / f"{role.upper()}SQL"

    def stop(self) -> None:
        for role in self.targets:
            manage.stop(self.home(role))


class RealBench:
    """The adapter on sandbox servers; every test has databases of its own."""

    is_fake = False

    def __init__(self, servers: SandboxServers) -> None:
        self.servers = servers
        self.serial = next(NUMBERS)
        self.full, self.simple = f"Contacts{self.serial}", f"Archive{self.serial}"
        self.log = StatementLog()
        self.stop = Stoppable(SystemClock())
        self.clients: list[Any] = []
        self.idle: dict[tuple[str, int], Idle] = {}
        self.run_id = f"run{self.serial}"
        for name, model in ((self.full, "FULL"), (self.simple, "SIMPLE")):
            self.sql("old", "master", f"CREATE DATABASE [{name}]\nGO\nALTER DATABASE [{name}] SET RECOVERY {model}")
            self.sql("old", name, SCHEMA)

    def server(self, role: str = "old", *, fence: int = 1) -> Any:
        idle = self.idle.setdefault((role, fence), Idle(SystemClock().monotonic))
        return open_server(role, self.servers.targets[role], self.stop, self.log, self.run_id, fence, HASTE, idle)

    def path(self, file: str) -> str:
        return str(self.servers.exchange / f"{self.serial}-{file}")

    def connect(self, role: str, database: str, program: str = "mailer", user: str = "", password: str = "") -> Any:
        """A client's own connection."""
        address = self.servers.targets[role].locate()
        text = connection_string(address, find_driver(), program, database)
        if user:
            text += f";UID={user};PWD={password}"
        client = pyodbc.connect(text, autocommit=True, timeout=5)
        self.clients.append(client)
        return client

    def sql(self, role: str, database: str, script: str) -> list[tuple[Any, ...]]:
        """Run batches as somebody else; the rows of the last one."""
        client, rows = self.connect(role, database), []
        cursor = client.cursor()
        for batch in script.split("\nGO\n"):
            cursor.execute(batch)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            while cursor.nextset():
                pass
        cursor.close()
        client.close()
        self.clients.remove(client)
        return rows

    def write(self, role: str, database: str) -> None:
        self.sql(role, database, "INSERT INTO dbo.Contact (Name) VALUES (N'slipped in')")

    def table(self, database: str) -> str:
        return "dbo.Contact"

    def hang(self, role: str, match: str) -> None:
        manage.fault(self.servers.home(role), "hang", match, times=1)

    def stop_soon(self) -> None:
        Timer(0.5, self.stop.stop).start()

    def next_process(self) -> None: ...

    @contextmanager
    def fault(self, role: str, kind: str, match: str, **how: Any) -> Iterator[None]:
        manage.fault(self.servers.home(role), kind, match, **how)
        try:
            yield
        finally:
            manage.clear_faults(self.servers.home(role))

    def close(self) -> None:
        for idle in self.idle.values():
            idle.close()
        for client in self.clients:
            with suppress(pyodbc.Error):  # some tests close theirs
                client.close()
        for role in VERSIONS:
            manage.clear_faults(self.servers.home(role))
        self._drop_databases()

    def _drop_databases(self) -> None:
        for role in VERSIONS:
            for table in ("runbook_marker", "runbook_journal"):
                self.sql(role, "msdb", f"IF OBJECT_ID(N'dbo.{table}', N'U') IS NOT NULL DROP TABLE dbo.{table}")
            for (name,) in self.sql(
                role,
                "master",
                f"SELECT name FROM sys.databases WHERE name LIKE N'%{self.serial}%' ORDER BY source_database_id DESC",
            ):
                self.sql(role, "master", f"DROP DATABASE [{name}]")


def wait(seconds: float) -> None:
    Event().wait(seconds)
