"""The server is killed at every file operation and every durable write; what it finds afterwards is never a lie.

A child process runs a scenario and ends itself, without any clean-up, at the n-th event; the parent starts a server on
what is left. n grows until the scenario gets through.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.sandbox.contract import SqlError
from runbook.sandbox.instance.store import Store
from tests.unit.sandbox.test_instance_fakes import FakeSession, connect, server

EVENTS = ("open", "os.rename", "os.remove", "os.symlink", "os.truncate", "os.mkdir")
DONE, CRASHED, BROKEN = 0, 9, 3
Scenario = Callable[[FakeSession], None]


class Countdown:
    """Ends the process at the n-th event."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.armed = False

    def tick(self) -> None:
        if self.armed:
            self.left -= 1
            if self.left == 0:
                os._exit(CRASHED)

    def arm(self) -> None:
        sys.addaudithook(lambda event, _: self.tick() if event in EVENTS else None)
        for name in ("put", "append", "remove"):
            setattr(Store, name, self._around(getattr(Store, name)))
        self.armed = True

    def _around(self, method: Any) -> Any:
        def run(*args: Any) -> Any:
            self.tick()
            result = method(*args)
            self.tick()
            return result

        return run


def crash_at(number: int, folder: Path, scenario: Scenario) -> int:
    """Run the scenario in a child that is ended at the n-th event; its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        session = connect(server(folder))
        countdown = Countdown(number)
        countdown.arm()
        scenario(session)
        os._exit(DONE)
    except BaseException:  # noqa: BLE001 - a child of pytest must never return into it
        traceback.print_exc()
        os._exit(BROKEN)


def sweep(
    tmp_path: Path,
    prepare: Scenario,
    scenario: Scenario,
    check: Callable[[FakeSession, bool, int], None],
    step: int = 1,
) -> None:
    """Crash at every ``step``-th event, restart, check. The check gets whether the scenario got through."""
    folder, template = tmp_path / "server", tmp_path / "template"
    first = server(folder)
    prepare(connect(first))
    first.stop()
    folder.rename(template)
    for number in range(1, 1000, step):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder, symlinks=True)
        status = crash_at(number, folder, scenario)
        assert status in (DONE, CRASHED), f"event {number}"
        again = server(folder)
        session = connect(again)
        try:
            check(session, status == DONE, number)
        finally:
            again.stop()
        if status == DONE:
            assert number > 2, "the countdown never hit anything"
            return
    raise AssertionError("the scenario never got through")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where possible: hundreds of servers start here, and a killed process does not need the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def numbers_of(session: FakeSession, sql: str) -> list[int]:
    """The numbers of the errors of a statement; none when it succeeded."""
    try:
        session.run(sql)
    except SqlError as problem:
        return [problem.number, *(p.number for p in problem.also)]
    return []


def prepare(session: FakeSession) -> None:
    session.run("CREATE DATABASE db")
    session.write("db", "one")
    session.run("BACKUP DATABASE db TO DISK = 'f.bak' WITH CHECKSUM")
    session.write("db", "two")


def test_killed_in_a_tail_log_backup(tmp_path: Path) -> None:
    """Afterwards either the database is open and no valid tail claims to fence it, or it is RESTORING and recovery
    gives everything back; a valid tail file implies RESTORING."""

    def check(session: FakeSession, done: bool, number: int) -> None:
        path = session.instance.backup_directory / "t.trn"
        valid = path.exists() and numbers_of(session, "RESTORE VERIFYONLY FROM DISK = 't.trn' WITH CHECKSUM") == []
        state = session.state("db")
        assert state == "RESTORING" if valid else state in ("ONLINE", "RESTORING"), number
        assert not done or valid
        if state == "RESTORING":
            session.run("RESTORE DATABASE db WITH RECOVERY")
        assert session.read("db") == ["one", "two"], number

    sweep(
        tmp_path, prepare, lambda s: s.run("BACKUP LOG db TO DISK = 't.trn' WITH NORECOVERY, CHECKSUM") and None, check
    )


def test_killed_in_a_log_backup(tmp_path: Path) -> None:
    """A log backup that was completed but not recorded does not spoil the chain: together with the next one it
    restores every row."""

    def check(session: FakeSession, done: bool, number: int) -> None:
        path = session.instance.backup_directory / "l.trn"
        valid = path.exists() and numbers_of(session, "RESTORE VERIFYONLY FROM DISK = 'l.trn' WITH CHECKSUM") == []
        assert not done or valid
        session.write("db", "three")
        session.run("BACKUP LOG db TO DISK = 'next.trn' WITH NORECOVERY")
        session.run("RESTORE DATABASE db FROM DISK = 'f.bak' WITH NORECOVERY, REPLACE")
        if valid:
            session.run("RESTORE LOG db FROM DISK = 'l.trn' WITH NORECOVERY")
        session.run("RESTORE LOG db FROM DISK = 'next.trn'")
        assert session.read("db") == ["one", "two", "three"], number

    sweep(tmp_path, prepare, lambda s: s.run("BACKUP LOG db TO DISK = 'l.trn' WITH CHECKSUM") and None, check)


def test_killed_in_a_restore_over_the_database(tmp_path: Path) -> None:
    """Untouched, or RESTORING and not to be recovered half-done, or complete; a second RESTORE always succeeds."""

    def check(session: FakeSession, done: bool, number: int) -> None:
        state = session.state("db")
        if state == "ONLINE":
            assert session.read("db") == (["one"] if done else session.read("db")), number
            assert session.read("db") in (["one"], ["one", "two"]), number
        else:
            assert state == "RESTORING", number
            record = session.instance.find("db")
            assert record is not None
            if record.redo is None:
                assert session.fails("RESTORE DATABASE db WITH RECOVERY") == [4333, 3013], number
        session.run("RESTORE DATABASE db FROM DISK = 'f.bak' WITH REPLACE")
        assert session.read("db") == ["one"], number

    sweep(tmp_path, prepare, lambda s: s.run("RESTORE DATABASE db FROM DISK = 'f.bak' WITH REPLACE") and None, check)


def test_killed_in_a_log_restore(tmp_path: Path) -> None:
    """The sequence can always be continued: the log is applied or can be applied again."""

    def start(session: FakeSession) -> None:
        prepare(session)
        session.run("BACKUP LOG db TO DISK = 'l.trn' WITH CHECKSUM")
        session.run("RESTORE DATABASE db FROM DISK = 'f.bak' WITH REPLACE, NORECOVERY")

    def check(session: FakeSession, done: bool, number: int) -> None:
        if session.state("db") == "RESTORING":
            numbers = numbers_of(session, "RESTORE LOG db FROM DISK = 'l.trn' WITH NORECOVERY")
            assert numbers in ([], [4326, 3013]), number
            session.run("RESTORE DATABASE db WITH RECOVERY")
        assert session.read("db") == ["one", "two"], number

    sweep(tmp_path, start, lambda s: s.run("RESTORE LOG db FROM DISK = 'l.trn' WITH RECOVERY") and None, check)


def test_killed_in_a_revert(tmp_path: Path) -> None:
    """Untouched, or completed by the restart: never RESTORING for ever, never a mixture; the snapshot is there."""

    def start(session: FakeSession) -> None:
        prepare(session)
        path = session.instance.data_directory / "s.ss"
        session.run(f"CREATE DATABASE s ON (NAME = db, FILENAME = '{path}') AS SNAPSHOT OF db")
        session.write("db", "three")

    def check(session: FakeSession, done: bool, number: int) -> None:
        assert (session.state("db"), session.state("s")) == ("ONLINE", "ONLINE"), number
        found = session.read("db")
        assert found == ["one", "two"] or (not done and found == ["one", "two", "three"]), number
        session.run("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 's'")
        assert session.read("db") == ["one", "two"], number

    sweep(tmp_path, start, lambda s: s.run("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 's'") and None, check)


@pytest.mark.parametrize(
    "statement", ["DROP DATABASE db", "ALTER DATABASE db MODIFY NAME = fresh", "CREATE DATABASE x"]
)
def test_killed_in_small_statements(tmp_path: Path, statement: str) -> None:
    """Done or not done; the statement can be given again, or the opposite of it."""

    def check(session: FakeSession, done: bool, number: int) -> None:
        names = {r["name"] for r in session.view("sys.databases")}
        if statement.startswith("DROP"):
            assert done <= ("db" not in names)
            session.run("DROP DATABASE IF EXISTS db")
            session.run("CREATE DATABASE db")
        elif statement.startswith("ALTER"):
            assert len(names & {"db", "fresh"}) == 1, number
            assert session.read(*(names & {"db", "fresh"})) == ["one", "two"], number
        else:
            if "x" not in names:
                session.run("CREATE DATABASE x")
            session.write("x", "works")
            session.run("DROP DATABASE x")

    sweep(tmp_path, prepare, lambda s: s.run(statement) and None, check)
