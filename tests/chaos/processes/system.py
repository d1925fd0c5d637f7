"""The small system a night happens to: two sandbox servers, an application with users, jobs, and a plan."""

from __future__ import annotations

import fcntl
import itertools
import json
import multiprocessing.util
import os
import shutil
import subprocess
import tempfile
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyodbc

from examples.mailer.mailer_data.connecting import Server
from runbook.sandbox import manage
from tests.chaos.processes.plan import SCRIPT, plan_text
from tests.chaos.processes.tale import Tale

NAMES = {"old": ("OLDSQL", "2019"), "new": ("NEWSQL", "2022")}
DATABASES = ("Alpha", "Beta")
USER, WORD = "mailer_app", "Nobody.knows.1"
JOBS = {"Sends": 1, "Reports": 0}
ROWS = 12
FIRST_PORT = 23200
"""Each process that tells nights has ten of its own from here on."""
Picture = dict[str, Any]


def _sql(cnx: pyodbc.Connection, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    cursor = cnx.execute(statement, *values)
    found = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    while cursor.nextset():
        pass
    return found


def _fill(cnx: pyodbc.Connection) -> None:
    _sql(cnx, f"CREATE LOGIN {USER} WITH PASSWORD = N'{WORD}'")
    for database in DATABASES:
        _sql(cnx, f"CREATE DATABASE {database}")
        _sql(cnx, f"CREATE TABLE {database}.dbo.Item (Id int NOT NULL PRIMARY KEY, Name nvarchar(40) NOT NULL)")
        for number in range(ROWS):
            _sql(cnx, f"INSERT INTO {database}.dbo.Item (Id, Name) VALUES ({number}, N'row {number}')")
        _sql(cnx, f"USE {database}; CREATE USER {USER} FOR LOGIN {USER}")
        for role in ("db_datareader", "db_datawriter"):
            _sql(cnx, f"USE {database}; ALTER ROLE {role} ADD MEMBER {USER}")
        _sql(cnx, f"USE master; DBCC CHECKDB ([{database}]) WITH NO_INFOMSGS")
    for job, enabled in JOBS.items():
        _sql(cnx, f"EXEC msdb.dbo.sp_add_job @job_name = N'{job}', @enabled = {enabled}, @owner_login_name = N'sa'")
        command = "@database_name = N'Alpha', @command = N'SELECT 1', @on_success_action = 1"
        step = f"@job_name = N'{job}', @step_id = 1, @step_name = N'one', @subsystem = N'TSQL', {command}"
        _sql(cnx, f"EXEC msdb.dbo.sp_add_jobstep {step}")
        _sql(cnx, f"EXEC msdb.dbo.sp_add_jobserver @job_name = N'{job}', @server_name = N'(local)'")


@cache
def template() -> tuple[Path, dict[str, Picture]]:
    """Both servers as they are before any night, made once in each process; and what they hold."""
    made = Path(tempfile.mkdtemp(prefix="runbook-chaos-template-"))
    multiprocessing.util.Finalize(None, shutil.rmtree, (made, True), exitpriority=1)
    port = FIRST_PORT + 10 * _slot()
    found = {}
    for at, (role, (name, version)) in enumerate(NAMES.items()):
        directory = made / "sandbox" / name
        info = _started(directory, name, version, port + at)
        try:
            with Server("127.0.0.1", info.port, info.user, info.password).connect() as cnx:
                if role == "old":
                    _fill(cnx)
                found[role] = picture(cnx)
        finally:
            manage.stop(directory)
        (directory / "statements.log").write_text("", encoding="utf-8")
    return made, found


def forget_template() -> None:
    """Delete it, for a process that ends without being asked."""
    if template.cache_info().currsize:
        shutil.rmtree(template()[0], ignore_errors=True)


def _started(directory: Path, name: str, version: str, port: int) -> manage.ServerInfo:
    """At that port from now on, unless somebody else has it."""
    try:
        return manage.start(directory, name, version, port=port)
    except manage.SandboxError:
        return manage.start(directory, name, version)


@cache
def _slot() -> int:
    """A number that no other process on this machine has meanwhile, from a lock that ends with this process."""
    for number in itertools.count():
        handle = os.open(Path(tempfile.gettempdir()) / f"runbook-chaos-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            continue
        return number
    raise AssertionError


def picture(cnx: pyodbc.Connection) -> Picture:
    """What must be as before where nothing remains of a run: databases with their options, rows, jobs, logins, msdb."""
    databases = {row[0]: row[1:] for row in _sql(cnx, DATABASE_OPTIONS)}
    rows = {
        name: dict(_sql(cnx, f"SELECT Id, Name FROM [{name}].dbo.Item"))
        for name, options in databases.items()
        if options[0] == "ONLINE"
    }
    columns = {name: len(_sql(cnx, f"SELECT name FROM [{name}].sys.columns WHERE object_id = "
                                   f"OBJECT_ID(N'[{name}].dbo.Item')")) for name in rows}  # fmt: skip
    return {
        "databases": databases,
        "rows": rows,
        "columns": columns,
        "jobs": {name: bool(on) for name, on in _sql(cnx, "SELECT name, enabled FROM msdb.dbo.sysjobs")},
        "logins": sorted(row[0] for row in _sql(cnx, "SELECT name FROM sys.server_principals WHERE type = 'S'")),
        "msdb": sorted(row[0] for row in _sql(cnx, "SELECT name FROM msdb.sys.tables WHERE name LIKE 'runbook%'")),
    }


DATABASE_OPTIONS = """\
SELECT name, state_desc, user_access_desc, recovery_model_desc, is_read_only, compatibility_level,
       SUSER_SNAME(owner_sid) AS owner_name
FROM sys.databases WHERE database_id > 4"""


class Page(BaseHTTPRequestHandler):
    """The application as users see it: its notice while the gate's file is there, else which server it uses."""

    def do_GET(self) -> None:
        """Every page; /health looks past the gate."""
        app: Path = self.server.app  # type: ignore[attr-defined]
        closed = (app / "maintenance.html").exists() and not self.path.startswith("/health")
        text = "planned maintenance" if closed else "Mailer, " + (app / "database.ini").read_text(encoding="utf-8")
        body = text.encode()
        self.send_response(503 if closed else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


class System:
    """One night's: a copy of the template with an application, users and a plan. ``end`` ends everything of it."""

    def __init__(self, tale: Tale) -> None:
        made, self.before = template()
        self.tale = tale
        self.home = Path(tempfile.mkdtemp(prefix="runbook-chaos-"))
        self.databases = DATABASES[: tale.databases]
        self.roles = ("old", "new") if tale.strategy == "side-by-side" else ("old",)
        for role in self.roles:
            shutil.copytree(made / "sandbox" / NAMES[role][0], self.directory(role))
        self.journal = self.home / "journal" / "journal.db"
        self.journal.parent.mkdir()
        (self.home / "copies").mkdir()
        self.is_mounted = tale.small_disk and _mounted(self.journal.parent)
        (self.home / "database.ini").write_text("server = old\n", encoding="utf-8")
        for name in self.databases:
            (self.home / f"{name}.sql").write_text(SCRIPT, encoding="utf-8")
        self.web = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.web.app = self.home  # type: ignore[attr-defined]
        threading.Thread(target=self.web.serve_forever, args=(0.1,), daemon=True).start()
        self.plan = self.home / "runbook.yaml"
        self.plan.write_text(plan_text(tale, self.databases, self.web.server_address[1]), encoding="utf-8")
        self.server("old")

    def directory(self, role: str) -> Path:
        """Where a server keeps everything."""
        return self.home / "sandbox" / NAMES[role][0]

    def server(self, role: str) -> Server:
        """How to reach it; it is started when it does not run."""
        name, version = NAMES[role]
        info = manage.start(self.directory(role), name, version)
        return Server("127.0.0.1", info.port, info.user, info.password)

    def kill_server(self, role: str) -> bool:
        """``kill -9``; False when it does not run."""
        info = manage.status(self.directory(role))
        if info is None:
            return False
        os.kill(info.pid, 9)
        return True

    def picture(self, role: str) -> Picture:
        """As it is now."""
        with self.server(role).connect() as cnx:
            return picture(cnx)

    @property
    def is_open(self) -> bool:
        """Whether the gate lets users in."""
        return not (self.home / "maintenance.html").exists()

    @property
    def points_to(self) -> str:
        """Which server the application uses."""
        return (self.home / "database.ini").read_text(encoding="utf-8").split()[-1]

    def log(self, role: str) -> list[dict[str, Any]]:
        """What a server was sent, in order."""
        lines = (self.directory(role) / "statements.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def fill_disk(self) -> bool:
        """The disk under the journal is full from now on; False when it has none of its own."""
        if not self.is_mounted:
            return False
        ballast = os.open(self.journal.parent / "ballast", os.O_WRONLY | os.O_CREAT)
        try:
            os.posix_fallocate(ballast, 0, max(4096, shutil.disk_usage(self.journal.parent).free))
        except OSError:
            with open(ballast, "wb", closefd=False) as file:
                while file.raw.write(bytes(4096)):
                    pass
        finally:
            os.close(ballast)
        return True

    def mend(self) -> None:
        """A person takes every fault away and makes room."""
        for role in self.roles:
            manage.clear_faults(self.directory(role))
        (self.journal.parent / "ballast").unlink(missing_ok=True)

    def end(self, *, keep: bool) -> None:
        """Servers, application and disk; its files too, unless they are to be looked at."""
        self.web.shutdown()
        self.web.server_close()
        for role in self.roles:
            manage.stop(self.directory(role))
        if self.is_mounted:
            if keep:
                shutil.copytree(self.journal.parent, self.home / "journal-kept")
            subprocess.run(["umount", "-l", str(self.journal.parent)], check=False, capture_output=True)
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)


def _mounted(where: Path) -> bool:
    """A small disk of its own there; False where this account or machine cannot have one."""
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(where)]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
