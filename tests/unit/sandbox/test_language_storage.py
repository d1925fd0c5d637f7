"""Database files as the instance sees them."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from runbook.sandbox.language import storage
from tests.unit.sandbox.test_language_support import Client, FakeInstance


@pytest.fixture
def instance(tmp_path: Path) -> FakeInstance:
    """An instance with a table of people."""
    made = FakeInstance(tmp_path)
    client = Client(made)
    client.ok(
        "CREATE TABLE p(id int IDENTITY PRIMARY KEY, name nvarchar(50), n int); INSERT p(name, n) SELECT TOP (5000) N'row', 1 FROM sys.all_columns a CROSS JOIN sys.all_columns b"
    )
    client.session.close()
    return made


def path_of(instance: FakeInstance) -> str:
    """The file of the main database."""
    return instance.databases["contacts"].path


def test_properties_live_in_the_file(instance: FakeInstance, tmp_path: Path) -> None:
    """They are copied with it."""
    storage.set_property(path_of(instance), "owner", "sa")
    storage.set_property(path_of(instance), "owner", "me")
    copy = str(tmp_path / "copy.mdf")
    storage.copy_file(path_of(instance), copy)
    assert storage.get_property(copy, "owner") == "me"
    assert storage.get_property(copy, "nope") is None


def test_a_copy_is_one_state(instance: FakeInstance, tmp_path: Path) -> None:
    """Writers go on while the copy is made; it holds what was committed when it began."""
    client = Client(instance)
    client.ok("BEGIN TRAN; UPDATE p SET n = 2")
    stop = threading.Event()

    def write() -> None:
        writer = Client(instance, "Other")
        writer.ok("CREATE TABLE o(i int)")
        while not stop.is_set():
            writer.ok("INSERT o VALUES (1)")
        writer.session.close()

    thread = threading.Thread(target=write)
    thread.start()
    seen: list[float] = []
    copy = str(tmp_path / "copy.mdf")
    storage.copy_file(path_of(instance), copy, seen.append)
    stop.set()
    thread.join()
    client.ok("COMMIT")
    instance.databases["contacts"].path, instance.databases["contacts"].generation = copy, 2
    assert Client(instance).rows("SELECT SUM(n), COUNT(*) FROM p") == [(5000, 5000)]
    assert client.rows("SELECT SUM(n) FROM p") == [(5000,)]
    assert seen[-1] == 1.0
    assert seen == sorted(seen)


def test_a_stopped_copy_leaves_nothing(instance: FakeInstance, tmp_path: Path) -> None:
    """``check`` may raise; the target goes."""

    def check() -> None:
        raise KeyboardInterrupt

    copy = tmp_path / "copy.mdf"
    with pytest.raises(KeyboardInterrupt):
        storage.copy_file(path_of(instance), str(copy), check=check)
    assert not copy.exists()


def test_damage_is_found(instance: FakeInstance) -> None:
    """A sound file has no errors; one with overwritten pages has."""
    assert storage.integrity_errors(path_of(instance)) == []
    assert storage.checksum_tables(path_of(instance))[0][:2] == ("dbo.p", 5000)
    storage.settle(path_of(instance))
    with Path(path_of(instance)).open("r+b") as file:
        file.seek(4096 * 12)
        file.write(b"\xff" * 4096)
    assert storage.integrity_errors(path_of(instance))


def test_damage_seen_by_a_query(instance: FakeInstance) -> None:
    """A query over a damaged page is error 824, not wrong rows."""
    storage.settle(path_of(instance))
    with Path(path_of(instance)).open("r+b") as file:
        for page in range(11, 40):
            file.seek(4096 * page)
            file.write(b"\xff" * 4096)
    answer = None
    client = Client(instance)
    try:
        answer = client.run("SELECT SUM(CAST(n AS bigint)), COUNT(DISTINCT name) FROM p")
    except BaseException:  # noqa: BLE001 - severity 24 cuts the connection
        answer = None
    assert answer is None or answer.numbers == [824]


def test_corrupting_one_row(instance: FakeInstance) -> None:
    """One value of one row changes, the same one each time; the file stays sound."""
    assert storage.corrupt_one_row(path_of(instance)) == "dbo.p"
    rows = Client(instance).rows("SELECT id, name FROM p WHERE name <> N'row' OR n <> 1")
    assert rows == [(1, "~ow")]
    assert storage.integrity_errors(path_of(instance)) == []


def test_users_of_a_file(instance: FakeInstance) -> None:
    """Users with their sids and all roles, nested ones too."""
    client = Client(instance)
    client.ok("CREATE USER u WITHOUT LOGIN; CREATE ROLE r; ALTER ROLE r ADD MEMBER u; ALTER ROLE db_owner ADD MEMBER r")
    found = {name: (sid, kind, roles) for name, sid, kind, roles in storage.users(path_of(instance))}
    assert found["dbo"][0] == b"\x01"
    assert found["u"][1:] == ("S", ["r", "db_owner"])


def test_sessions_follow_a_replaced_file(instance: FakeInstance, tmp_path: Path) -> None:
    """Another path and generation: the session reads the new file; closing the old one harms nothing."""
    client, other = Client(instance), Client(instance)
    client.ok("SELECT COUNT(*) FROM p")
    other.ok("SELECT COUNT(*) FROM p")
    copy = str(tmp_path / "x.g2.mdf")
    storage.copy_file(path_of(instance), copy)
    Client(instance).ok("DELETE p WHERE id > 10")
    database = instance.databases["contacts"]
    database.path, database.generation = copy, 2
    assert client.value("SELECT COUNT(*) FROM p") == 5000
    other.session.close()
    client.ok("DELETE p WHERE id > 100")
    assert Client(instance).value("SELECT COUNT(*) FROM p") == 100


def test_a_killed_process_loses_only_what_was_open(instance: FakeInstance) -> None:
    """What is committed is in the file or its log; an open transaction is not."""
    client = Client(instance)
    client.ok("INSERT p(name, n) VALUES (N'kept', 1); BEGIN TRAN; INSERT p(name, n) VALUES (N'lost', 1)")
    raw = sqlite3.connect(f"file:{path_of(instance)}?mode=ro", uri=True)
    try:
        table = raw.execute("SELECT name FROM sqlite_schema WHERE name LIKE 't\\_%' ESCAPE '\\'").fetchone()[0]
        names = {r[0] for r in raw.execute(f"SELECT c2 FROM {table} WHERE c2 <> 'row' COLLATE BINARY")}
    finally:
        raw.close()
    assert names == {"kept"}
