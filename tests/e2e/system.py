"""The example system as a whole, on real processes: servers, data, application, and the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examples.mailer import prepare
from runbook.adapters.clock import SystemClock
from runbook.adapters.detached import Place
from runbook.commands.status import Status
from runbook.commands.status import status as read_status
from runbook.errors import UsageError
from runbook.home import Home
from tests.e2e.servers import Servers, rows
from tests.statements import COPY, changes_nothing, offers_rows

ROOT = Path(__file__).resolve().parents[2]
DATABASES = ("Contacts", "Campaigns", "Tracking", "Surveys", "Billing", "Archive")


@dataclass
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, read."""
        assert self.out, self.err
        return json.loads(self.out)


@dataclass
class System:
    """One test's system. ``plan`` is the plan file that commands get."""

    home: Path
    servers: Servers
    plan: Path
    port: int
    app: prepare.RunningApp
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    guarded: bool = False
    """Whether commands start a guard, as they do when nobody says otherwise."""
    variables: dict[str, str] = field(default_factory=dict)
    """More of the environment of commands."""

    # --- the command line ----------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """State of its own."""
        return {**os.environ, "RUNBOOK_HOME": str(self.home), "PYTHONPATH": str(ROOT), "COLUMNS": "200",
                **self.variables}  # fmt: skip

    def words(self, arguments: tuple[str, ...]) -> list[str]:
        unguarded = not self.guarded and arguments[0] in ("execute", "resume", "revert")
        more = ["--no-guard"] if unguarded else []
        if arguments[0] == "execute" and "mssql://" in Path(arguments[1]).read_text(encoding="utf-8"):
            more += ["--unrehearsed", "a test"]
        return [sys.executable, "-m", "runbook", *arguments, *more]

    def runbook(self, *arguments: str, timeout: float = 240) -> Outcome:
        """Run a command to its end."""
        done = subprocess.run(
            self.words(arguments),
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    def execute(self, window: str = "10m", plan: Path | None = None) -> Outcome:
        """The night."""
        return self.runbook("execute", str(plan or self.plan), "--window", window, "--yes")

    def another_plan(self, name: str, *changes: tuple[str, str]) -> Path:
        """The plan with pieces of its text replaced, in a file beside it."""
        text = self.plan.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = self.plan.with_name(name)
        path.write_text(text, encoding="utf-8")
        return path

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        process = subprocess.Popen(
            self.words(arguments),
            env=self.environment,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def begin_and_stop(self, failpoint: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and wait until it stands still at a failpoint (``NAME~PATTERN``); SIGCONT lets it go on."""
        self.variables["RUNBOOK_FAILPOINTS"] = f"{failpoint}=stop"
        process = self.begin(*arguments)
        del self.variables["RUNBOOK_FAILPOINTS"]
        wait_until(lambda: process.poll() is not None or is_stopped(process.pid), 120)
        assert process.poll() is None, process.communicate()[0]
        return process

    def kill_when(self, process: subprocess.Popen[str], condition: Callable[[], bool], timeout: float = 120) -> None:
        """``kill -9`` once the condition holds."""
        wait_until(lambda: condition() or process.poll() is not None, timeout)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def status(self) -> dict[str, Any]:
        """The newest run."""
        found: dict[str, Any] = self.runbook("status", "--json").json
        return found

    def step(self, identity: str) -> str:
        """Where a step of the newest run stands; empty while there is none."""
        found = self._look()
        return found.view.steps[identity].state.value if found and identity in found.view.steps else ""

    def has_ended(self) -> bool:
        """Whether the newest run has; asked again and again, and so without a process of its own."""
        found = self._look()
        return found is not None and found.view.ending is not None

    def _look(self) -> Status | None:
        journal = self.variables.get("RUNBOOK_JOURNAL", f"sqlite:///{self.home / 'journal.db'}")
        try:
            return read_status(Home(self.home, journal), None, SystemClock().now())
        except UsageError:
            return None

    # --- the world -----------------------------------------------------------------------------------------------

    def get(self, path: str) -> tuple[int, str]:
        """What a user sees."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def serves_from(self) -> str:
        """``@@SERVERNAME`` of the server the application uses."""
        return str(json.loads(self.get(f"/health?bypass={prepare.BYPASS_TOKEN}")[1])["server"])

    def jobs(self, role: str) -> dict[str, bool]:
        """Agent jobs -> enabled."""
        with self.servers.server(role).connect() as cnx:
            return {name: bool(on) for name, on in rows(cnx, "SELECT name, enabled FROM msdb.dbo.sysjobs")}

    def sql(self, role: str, statement: str, database: str = "master") -> list[tuple[Any, ...]]:
        """Ask (or tell) a server something as its administrator."""
        cnx = self.servers.server(role).connect(database, "somebody else")
        try:
            cursor = cnx.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            cnx.close()

    def content(self, role: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table but those that Agent jobs write by themselves."""
        found = {}
        cnx = self.servers.server(role).connect()
        cnx.add_output_converter(DATETIMEOFFSET, bytes)
        try:
            for database in DATABASES:
                names = rows(cnx, f"SELECT s.name, t.name FROM {database}.sys.tables t "
                                  f"JOIN {database}.sys.schemas s ON s.schema_id = t.schema_id")  # fmt: skip
                for schema, table in names:
                    if table.lower() not in WRITTEN_BY_JOBS:
                        found[f"{database}.{schema}.{table}"] = sorted(
                            map(repr, rows(cnx, f"SELECT * FROM [{database}].[{schema}].[{table}]"))
                        )
        finally:
            cnx.close()
        return found  # type: ignore[return-value]

    def sent_by(self, fence: int) -> Counter[str]:
        """What sessions of that executor of the newest run sent to either server that could have changed something,
        from the servers' own logs, and the newest row that the copy of the journal in msdb has. Rows offered to that
        copy change nothing by themselves: it takes them only while the marker names who offers them."""
        app = f"runbook {self.status()['run']} {fence}"
        lines = [json.loads(line) for role in ("old", "new") for line in self.servers.statements(role).splitlines()]
        started = [line["sql"] for line in lines if line["app"] == app and line["event"] == "start"]
        assert started, f"no server has heard of {app}"
        kept = self.sql("old", f"IF OBJECT_ID(N'{COPY}', N'U') IS NOT NULL SELECT MAX(k.last_n) FROM {COPY} AS k")
        sent = [sql for sql in started if not changes_nothing(sql) and not offers_rows(sql)]
        return Counter(sent + [f"row {row}" for row in kept])

    def states(self, role: str) -> dict[str, tuple[str, str]]:
        """Database -> (state, user access)."""
        found = self.sql(role, "SELECT name, state_desc, user_access_desc FROM sys.databases")
        return {name: (state, access) for name, state, access in found if name in DATABASES}

    def guards(self) -> list[int]:
        """Processes that watch a run on this machine."""
        locks = sorted((self.home / "guard").glob("*.lock"))
        return [int(lock.read_text()) for lock in locks if Place(lock).is_taken()]

    def end_guards(self) -> None:
        """``kill -9`` them."""
        for number in self.guards():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def close(self) -> None:
        """End everything."""
        self.end_guards()
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        prepare.stop_app(self.app)
        self.servers.stop()


def is_stopped(pid: int) -> bool:
    """By SIGSTOP, or at a failpoint."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return stat.rpartition(")")[2].split()[0] == "T"


DATETIMEOFFSET = -155
"""ODBC's number of a type pyodbc does not read by itself."""
WRITTEN_BY_JOBS = frozenset({"heartbeat", "agentheartbeat", "jobheartbeat"})


def wait_until(condition: Callable[[], bool], timeout: float = 60) -> None:
    """Await a condition; AssertionError when it does not come."""
    give_up_at = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.05)
