"""Two SQL Servers to hold to the contract: fakes, or sandbox processes behind the real adapter and driver."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from runbook.adapters.clock import SystemClock
from runbook.adapters.sqlserver import ServerTarget, open_server
from runbook.adapters.sqlserver.driver import find_driver, odbc
from runbook.adapters.sqlserver.target import connection_string
from runbook.ports import RecoveryModel, SqlServer
from runbook.secrets import Secret
from runbook.testing import FakeSqlServer, StatementLog, Stoppable, World
from runbook.testing.content import Content, Table
from runbook.testing.disk import Settings

RUN = "20260321-100000-7f3a"
COLUMNS = (("Id", "int"), ("Text", "nvarchar(200)"))
_numbers = itertools.count(1)


class Servers(Protocol):
    """``old`` is a 2019, ``new`` a 2022; databases made here hold one table, ``dbo.Item``."""

    log: StatementLog
    stop: Stoppable

    def open(self, role: str) -> SqlServer: ...
    def make(self, *texts: str, simple: bool = False, backed_up: bool = True) -> str:
        """A database on ``old`` with these rows; returns its name, which is new."""

    def insert(self, database: str, text: str) -> None: ...
    def client(self, database: str) -> AbstractContextManager[object]:
        """A session that stays in the database."""

    def path(self, name: str) -> str:
        """A file in a directory both servers see, of which there is none yet."""

    def stranger(self, path: str) -> None:
        """Somebody's file that is no backup."""


def fresh(prefix: str) -> str:
    return f"{prefix}{next(_numbers)}"


class FakeServers:
    def __init__(self) -> None:
        self.world = World()
        self.world.add_server("old", "OLDSQL", 2019)
        self.world.add_server("new", "NEWSQL", 2022)
        self.log = StatementLog()
        self.stop = Stoppable(self.world.clock)

    def open(self, role: str) -> SqlServer:
        return FakeSqlServer(self.world, role, self.stop, self.log)

    def make(self, *texts: str, simple: bool = False, backed_up: bool = True) -> str:
        name = fresh("Db")
        rows = {key: (key, text) for key, text in enumerate(texts, 1)}
        content = Content(
            tables={"dbo.Item": Table("dbo.Item", COLUMNS, rows)},
            positions={"identity dbo.Item": str(len(texts))},
            definitions={"view dbo.vItem": "CREATE VIEW dbo.vItem AS SELECT Id FROM dbo.Item"},
        )
        model = RecoveryModel.SIMPLE if simple else RecoveryModel.FULL
        self.world.servers["old"].create_database(name, content, Settings(recovery_model=model), backed_up=backed_up)
        return name

    def insert(self, database: str, text: str) -> None:
        found = self.world.servers["old"].opened(database)
        found.write(found.content.with_row("dbo.Item", text))

    @contextmanager
    def client(self, database: str) -> Iterator[object]:
        yield self.world.servers["old"].connect(database, "sa", privileged=True)

    def path(self, name: str) -> str:
        return f"/exchange/{fresh('f')}{name}"

    def stranger(self, path: str) -> None:
        self.world.disk.place("exchange").strangers[Path(path).name] = 12


class SandboxServers:
    """Real processes, the real driver, real files; started once for all tests."""

    def __init__(self, directory: Path) -> None:
        from runbook.sandbox import manage  # only where it is used: the sandbox may not be there

        self.manage = manage
        self.directory = directory
        self.exchange = directory / "exchange"
        self.exchange.mkdir()
        self.info: dict[str, Any] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.begin()
        try:
            self._start("old", "OLDSQL", "2019")
            self._start("new", "NEWSQL", "2022")
            self._query("old", "master", "SELECT 1")
        except BaseException:
            self.shut_down()
            raise

    def _start(self, role: str, name: str, version: str) -> None:
        """It ends with the tests, also when they are killed: its standard input closes then."""
        directory = self.directory / name
        directory.mkdir()
        command = [sys.executable, "-m", "runbook.sandbox", "serve", "--dir", str(directory), "--name", name]
        command += ["--version", version, "--port", "0", "--until-stdin-closes"]
        with (directory / "output").open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
        self.processes.append(process)
        deadline = time.monotonic() + 20
        while (found := self.manage.status(directory)) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((directory / "output").read_text().strip() or f"{name} did not come up")
            time.sleep(0.02)
        self.info[role] = found

    def begin(self) -> None:
        self.log = StatementLog()
        self.stop = Stoppable(SystemClock())

    def shut_down(self) -> None:
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _target(self, role: str) -> ServerTarget:
        info = self.info[role]
        return ServerTarget(f"mssql://{info.host}:{info.port}", info.user, lambda: Secret(info.password), encrypt=False)

    def open(self, role: str) -> SqlServer:
        return open_server(role, self._target(role), self.stop, self.log, RUN, 1)

    def make(self, *texts: str, simple: bool = False, backed_up: bool = True) -> str:
        name = fresh("Db")
        values = ", ".join("(N'" + text.replace("'", "''") + "')" for text in texts)
        self._query("old", "master", f"CREATE DATABASE [{name}]")
        self._query("old", "master", f"ALTER DATABASE [{name}] SET RECOVERY {'SIMPLE' if simple else 'FULL'}")
        self._query("old", name, "CREATE TABLE dbo.Item (Id int IDENTITY PRIMARY KEY, Text nvarchar(200) NULL)")
        self._query("old", name, "CREATE VIEW dbo.vItem AS SELECT Id FROM dbo.Item")
        if texts:
            self._query("old", name, f"INSERT INTO dbo.Item (Text) VALUES {values}")
        if backed_up:
            self._query("old", "master", f"BACKUP DATABASE [{name}] TO DISK = N'{self.path('base.bak')}'")
        return name

    def insert(self, database: str, text: str) -> None:
        self._query("old", database, f"INSERT INTO dbo.Item (Text) VALUES (N'{text}')")

    @contextmanager
    def client(self, database: str) -> Iterator[object]:
        with closing(self._connect("old", database)) as connection:
            yield connection

    def path(self, name: str) -> str:
        return str(self.exchange / f"{fresh('f')}{name}")

    def stranger(self, path: str) -> None:
        Path(path).write_text("some notes")

    def _connect(self, role: str, database: str) -> Any:
        text = connection_string(self._target(role).locate(), find_driver(), "mailer", database)
        return odbc().connect(text, autocommit=True, timeout=5)

    def _query(self, role: str, database: str, sql: str) -> None:
        with closing(self._connect(role, database)) as connection:
            cursor = connection.execute(sql)
            while cursor.nextset():
                pass
