"""Database snapshots, reverting to them, and what forbids it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.sandbox.instance.instance import SandboxInstance
from tests.unit.sandbox.test_instance_fakes import FakeSession, connect, server


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[SandboxInstance]:
    found = server(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def sa(instance: SandboxInstance) -> FakeSession:
    session = connect(instance)
    session.run("CREATE DATABASE db")
    session.write("db", "before")
    return session


def snap(session: FakeSession, name: str = "snap", source: str = "db") -> None:
    path = session.instance.data_directory / f"{name}.ss"
    session.run(f"CREATE DATABASE {name} ON (NAME = {source}, FILENAME = '{path}') AS SNAPSHOT OF {source}")


def test_revert_brings_back_the_moment_of_the_snapshot(sa: FakeSession) -> None:
    """Later writes and later options are gone; the snapshot stays and can be used again."""
    snap(sa)
    for _ in range(2):
        sa.write("db", "after")
        sa.run("ALTER DATABASE db SET RECOVERY SIMPLE, AUTO_CLOSE ON")
        assert sa.read("snap") == ["before"]
        sa.run("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 'snap'")
        assert sa.read("db") == ["before"]
        row = next(r for r in sa.view("sys.databases") if r["name"] == "db")
        assert (row["state_desc"], row["recovery_model_desc"], row["is_auto_close_on"]) == ("ONLINE", "FULL", False)
    source = next(r for r in sa.view("sys.databases") if r["name"] == "snap")["source_database_id"]
    assert source == row["database_id"]


def test_revert_breaks_the_log_chain(sa: FakeSession, tmp_path: Path) -> None:
    """The next BACKUP LOG is 4214 until a full backup."""
    sa.run(f"BACKUP DATABASE db TO DISK = '{tmp_path}/f.bak'")
    snap(sa)
    sa.run(f"BACKUP LOG db TO DISK = '{tmp_path}/1.trn'")
    sa.run("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 'snap'")
    assert sa.fails(f"BACKUP LOG db TO DISK = '{tmp_path}/2.trn'") == [4214, 3013]
    sa.run(f"BACKUP DATABASE db TO DISK = '{tmp_path}/g.bak'")
    sa.run(f"BACKUP LOG db TO DISK = '{tmp_path}/2.trn'")


def test_revert_needs_the_only_snapshot_and_nobody_inside(instance: SandboxInstance, sa: FakeSession) -> None:
    """3137 with two snapshots or a foreign one; 3101 with somebody in the source or in the snapshot; 3102 for the
    session's own context."""
    snap(sa)
    snap(sa, "second")
    assert sa.fails("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 'snap'") == [3137, 3013]
    sa.run("DROP DATABASE second")
    assert sa.fails("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 'nowhere'") == [3137, 3013]
    for place in ("db", "snap"):
        other = connect(instance, database=place)
        assert sa.fails("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 'snap'") == [3101, 3013]
        assert other.fails("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 'snap'") == [3102, 3013]
        other.close()
    sa.run("RESTORE DATABASE db FROM DATABASE_SNAPSHOT = 'snap'")


def test_what_a_snapshot_forbids(sa: FakeSession, tmp_path: Path) -> None:
    """DROP and RESTORE of the source 3709; BACKUP and ALTER of the snapshot 3002 and 5093; snapshot of a snapshot 1821,
    of master 1816."""
    base = tmp_path / "f.bak"
    sa.run(f"BACKUP DATABASE db TO DISK = '{base}'")
    snap(sa)
    assert sa.fails("DROP DATABASE db") == [3709]
    assert sa.fails(f"RESTORE DATABASE db FROM DISK = '{base}' WITH REPLACE") == [3709, 3013]
    assert sa.fails(f"BACKUP DATABASE snap TO DISK = '{base}'") == [3002, 3013]
    assert sa.fails("ALTER DATABASE snap SET OFFLINE") == [5093, 5069]
    assert sa.fails(f"CREATE DATABASE s2 ON (NAME = db, FILENAME = '{tmp_path}/s2') AS SNAPSHOT OF snap") == [1821]
    assert sa.fails(f"CREATE DATABASE s2 ON (NAME = x, FILENAME = '{tmp_path}/s2') AS SNAPSHOT OF master") == [1816]
    sa.run("DROP DATABASE snap")
    sa.run("DROP DATABASE db")


def test_snapshot_names_every_data_file(sa: FakeSession, tmp_path: Path) -> None:
    """A missing file is 5127, the log file 5114, a missing folder 5133; the failed attempt leaves nothing."""
    data = sa.instance.data_directory
    sa.run(
        f"CREATE DATABASE two ON PRIMARY (NAME = a, FILENAME = '{data}/a.mdf'), (NAME = b, FILENAME = '{data}/b.ndf') "
        f"LOG ON (NAME = l, FILENAME = '{data}/l.ldf')"
    )
    one = f"(NAME = a, FILENAME = '{tmp_path}/a.ss')"
    assert sa.fails(f"CREATE DATABASE s ON {one} AS SNAPSHOT OF two") == [5127]
    assert sa.fails(f"CREATE DATABASE s ON {one}, (NAME = l, FILENAME = '{tmp_path}/l') AS SNAPSHOT OF two") == [5114]
    lost = "(NAME = b, FILENAME = '/nowhere/at/all/b.ss')"
    assert sa.fails(f"CREATE DATABASE s ON {one}, {lost} AS SNAPSHOT OF two") == [5133, 1802]
    assert sa.instance.find("s") is None
    sa.run(f"CREATE DATABASE s ON {one}, (NAME = b, FILENAME = '{tmp_path}/b.ss') AS SNAPSHOT OF two")


def test_snapshot_survives_a_restart(tmp_path: Path) -> None:
    """After a restart the snapshot still has the content of its moment."""
    first = server(tmp_path / "s")
    session = connect(first)
    session.run("CREATE DATABASE db")
    session.write("db", "before")
    snap(session)
    session.write("db", "after")
    first.stop()
    second = server(tmp_path / "s")
    session = connect(second)
    assert (session.read("snap"), session.read("db")) == (["before"], ["before", "after"])
    second.stop()
