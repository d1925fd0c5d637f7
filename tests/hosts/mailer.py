"""The mailer on three hosts: two web hosts behind nginx, one database host whose packages are upgraded.

Every night begins with a database host of its own, made from one that was installed once as a person would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyodbc

from runbook.adapters.sqlserver.driver import find_driver, odbc
from tests.hosts import package
from tests.hosts.host import LOOPBACK, Fleet, Host
from tests.hosts.load import Load

ROOT = Path(__file__).parents[2]
PAYLOAD = Path(__file__).parent / "payload" / "mailer"
SOURCES = "/etc/apt/sources.list.d/mssql-server.list"
SA = "Aa1.of-the-tests"
WEBS = ("web1", "web2")
UNITS = ("nginx.service", "mailer.service", "mailer-worker.service", "mailer-sender.service", "mssql-server.service")
TABLES = {
    "Contacts": (
        "CREATE TABLE dbo.Person (Id int NOT NULL PRIMARY KEY, Name nvarchar(40) NOT NULL)",
        "CREATE TABLE dbo.OptOut (Who nvarchar(40) NOT NULL PRIMARY KEY)",
        "CREATE TABLE dbo.Reply (Id varchar(32) NOT NULL PRIMARY KEY, Who nvarchar(40) NOT NULL, Mailed bit NOT NULL)",
    ),
    "Tracking": ("CREATE TABLE dbo.Opened (Id varchar(36) NOT NULL PRIMARY KEY)",),
}
PEOPLE = 2000
AFTER = """[Unit]
After=mailer.service
[Service]
ExecStartPre=/bin/sh -c 'until ss -Hltn sport = 8000 | grep -q LISTEN; do sleep 0.1; done'
"""
"""At boot nginx takes no request before the application does."""
PAGE = "<h1>Mailer</h1>\n<p>{message}</p>\n"


def install_engine(host: Host) -> None:
    """SQL Server 2019 from its repository, set up, with the mailer's databases, checked."""
    host.write(SOURCES, package.source("2019") + "\n")
    host.root("apt-get", "update", "-q")
    wanted = f"mssql-server={package.version('2019')}"
    host.root("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", wanted)
    host.root("sh", "-c", f"export ACCEPT_EULA=Y MSSQL_SA_PASSWORD='{SA}'; exec /opt/mssql/bin/mssql-conf -n setup")
    host.wait(lambda: answers(host), "answers as SQL Server")
    with connect(host) as cnx:
        for database, tables in TABLES.items():
            cnx.execute(f"CREATE DATABASE {database}")
            cnx.execute(f"USE {database}")
            for table in tables:
                cnx.execute(table)
        cnx.execute("USE Contacts")
        for first in range(1, PEOPLE, 500):
            values = ", ".join(f"({n}, N'Person {n}')" for n in range(first, first + 500))
            cnx.execute(f"INSERT INTO dbo.Person (Id, Name) VALUES {values}")
        for database in TABLES:
            cnx.execute(f"DBCC CHECKDB ({database}) WITH NO_INFOMSGS")


def install_web(host: Host) -> None:
    """nginx in front of the application. The first host keeps the queue of replies and their worker for both; on the
    second one nobody has started what sends mails."""
    first = host.name == WEBS[0]
    host.write("/etc/mailer/password", SA + "\n", mode="600")
    for name in ("mailer", "mailer-worker", "database.py"):
        host.write(f"/opt/mailer/{name}", (PAYLOAD / name).read_text(encoding="utf-8"), mode="755")
    for name in ("mailer.service", "mailer-worker.service"):
        host.write(f"/etc/systemd/system/{name}", (PAYLOAD / name).read_text(encoding="utf-8"))
    site = (
        (PAYLOAD / "site.conf").read_text(encoding="utf-8").replace("@QUEUE@", "127.0.0.1:8000" if first else WEBS[0])
    )
    host.write("/etc/nginx/sites-enabled/default", site)
    host.write("/usr/lib/systemd/system/mailer-sender.service", (PAYLOAD / "mailer-sender.service").read_text("utf-8"))
    host.write("/srv/www/images/logo.svg", (PAYLOAD / "logo.svg").read_text(encoding="utf-8"))
    host.write("/etc/systemd/system/nginx.service.d/after.conf", AFTER)
    host.root("install", "-d", "/etc/nginx/runbook")
    host.root("systemctl", "daemon-reload")
    host.enable("mailer", "nginx", *(["mailer-worker", "mailer-sender"] if first else []))


def connect(host: Host) -> pyodbc.Connection:
    """To the engine on the host, from outside."""
    return odbc().connect(
        f"DRIVER={{{find_driver().name}}};SERVER={LOOPBACK},{host.ports[1433]};DATABASE=master;UID=sa;PWD={{{SA}}};"
        "Encrypt=yes;TrustServerCertificate=yes;ConnectRetryCount=0",
        autocommit=True,
        timeout=5,
    )


def answers(host: Host) -> bool:
    """Does the engine let somebody in?"""
    try:
        return asked(host, "SELECT 1") == [(1,)]
    except pyodbc.Error:
        return False


def asked(host: Host, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a query's answer."""
    connection = connect(host)
    try:
        return [tuple(row) for row in connection.execute(sql).fetchall()]
    finally:
        connection.close()


@dataclass
class Mailer:
    """One night's system."""

    db: Host
    webs: Mapping[str, Host]
    folder: Path
    changes: Sequence[tuple[str, str]] = ()
    load: Load = field(init=False)

    def __post_init__(self) -> None:
        self.load = Load({name: host.ports[80] for name, host in self.webs.items()})
        for name in ("copies", "home"):
            (self.folder / name).mkdir()
        self.folder.joinpath("known_hosts").write_text("".join(h.known_hosts for h in self.hosts), encoding="ascii")
        self.folder.joinpath("maintenance.html").write_text(PAGE, encoding="utf-8")
        self.plan.write_text(self._plan(), encoding="utf-8")

    @property
    def hosts(self) -> list[Host]:
        """All three."""
        return [self.db, *self.webs.values()]

    @property
    def plan(self) -> Path:
        """The plan of the night."""
        return self.folder / "runbook.yaml"

    def _plan(self) -> str:
        text = (PAYLOAD / "runbook.yaml").read_text(encoding="utf-8")
        given = {
            "@FROM@": json.dumps({"version": package.version("2019"), "source": package.source("2019")}),
            "@TO@": json.dumps({"version": package.version("2022"), "source": package.source("2022")}),
            "@SQL@": f"{LOOPBACK}:{self.db.ports[1433]}",
            "@KEY@": str(self.db.keys.private),
        }
        for name, host in {"db": self.db, **self.webs}.items():
            given[f"@{name}@"] = f"{LOOPBACK}:{host.ssh_port}"
        for name, host in self.webs.items():
            given[f"@{name}.http@"] = f"{LOOPBACK}:{host.ports[80]}"
        for one, other in (*given.items(), *self.changes):
            assert one in text, one
            text = text.replace(one, other)
        return text

    # --- the program ---------------------------------------------------------------------------------------

    @contextmanager
    def execute(self, window: str = "20m", **variables: str) -> Iterator[subprocess.Popen[str]]:
        """The night; ended with the block."""
        words = ("execute", str(self.plan), "--window", window, "--yes", "--unrehearsed", "a test")
        environment = {**self._environment, "SA_PASSWORD": SA, **variables}
        with self.folder.joinpath("said").open("a", encoding="utf-8") as said:
            run = subprocess.Popen(
                [sys.executable, "-m", "runbook", *words],
                env=environment, cwd=self.folder, stdout=said, stderr=said, stdin=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        try:
            yield run
        finally:
            run.kill()
            run.wait()

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "RUNBOOK_HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT)}

    def said(self) -> str:
        """What it printed so far."""
        return self.folder.joinpath("said").read_text(encoding="utf-8")

    def wait_for(self, words: str) -> None:
        """Until it prints them; AssertionError with all it said when it ended without."""

        def heard() -> bool:
            said = self.said()
            assert words in said or "exit code" not in said, f"ended without {words}\n{said}"
            return words in said

        self.db.wait(heard, f"says {words}", 120)

    def asked_for(self, *words: str) -> Any:
        """The JSON a command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "runbook", *words, "--json"],
            env=self._environment, cwd=self.folder, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def ending(self) -> int:
        """How a run ends that others bring to its end, as an exit code."""
        endings = {"upgraded": 0, "reverted": 10}
        self.db.wait(lambda: self.asked_for("status")["state"] in endings, "sees the run end", 300)
        return endings[self.asked_for("status")["state"]]

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Rows of the record."""
        return [row for row in self.asked_for("audit", "show") if row["kind"] == kind]

    # --- looked at past the program ------------------------------------------------------------------------

    def picture(self) -> dict[str, object]:
        """Everything of the hosts that a night must leave as it was."""
        found: dict[str, object] = {}
        for host in self.hosts:
            for unit in UNITS:
                state = host.text("systemctl", "show", "-p", "LoadState,ActiveState,UnitFileState", unit)
                found[f"{host.name} {unit}"] = state
            found[f"{host.name} files"] = host.text("sh", "-c", "ls -A /etc/nginx/runbook /etc/mailer 2>&1; true")
        return found

    def people(self) -> list[tuple[Any, ...]]:
        """What no user changes."""
        return asked(self.db, "SELECT Id, Name FROM Contacts.dbo.Person ORDER BY Id")

    def assert_engine(self, year: str) -> None:
        """The package of that year, whole; the file of sources to the byte."""
        told = self.db.text("dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Version}", "mssql-server")
        assert told == f"ii |{package.version(year)}"
        assert self.db.text("dpkg", "--audit") == ""
        assert self.db.read(SOURCES) == package.source(year) + "\n"
        internal = asked(self.db, "SELECT DISTINCT CAST(DATABASEPROPERTYEX(name, 'Version') AS int) FROM sys.databases")
        assert internal == [({"2019": 904, "2022": 957}[year],)]

    def assert_replies(self) -> None:
        """What was accepted is in the database, once; nobody was mailed who said no before it was released, and
        everybody who never did."""
        web = self.webs[WEBS[0]]
        web.wait(lambda: web.text("/opt/mailer/mailer-worker", "count") == "0", "takes in all replies", 120)
        mailed = dict(asked(self.db, "SELECT Id, Mailed FROM Contacts.dbo.Reply"))
        lost = [name for name in self.load.replies if name not in mailed]
        assert not lost, f"{len(lost)} replies of {len(self.load.replies)} that were accepted are lost"
        held = [seconds(row) for row in self.rows("step-done") if row["step"] == "hold-work"]
        ends = ("step-started", "release-work"), ("undo-started", "hold-work")
        released = [seconds(row) for kind, step in ends for row in self.rows(kind) if row["step"] == step]
        refused = {who for who, at in self.load.optouts.items() if at < released[0] - 2}
        waited = {n: who for n, (who, at) in self.load.replies.items() if held[0] + 1 < at < released[0] - 1}
        assert set(waited.values()) & refused, "nobody who said no had a reply waiting: nothing was tried"
        assert not [name for name, who in waited.items() if who in refused and mailed[name]]
        willing = [name for name, (who, _) in self.load.replies.items() if who not in self.load.optouts]
        assert willing
        assert all(mailed[name] for name in willing)


def seconds(row: Mapping[str, Any]) -> float:
    """When a row was written, of the clock that everybody reads."""
    return datetime.fromisoformat(row["at"]).timestamp()


def stock(fleet: Fleet) -> str:
    """The image of a database host with the engine of 2019 and its databases."""
    host = fleet.start("db", ports=(1433,))
    install_engine(host)
    host.stop()
    name = fleet.keep(host)
    fleet.remove(host)
    return name
