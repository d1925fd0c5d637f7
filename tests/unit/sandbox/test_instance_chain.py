"""BACKUP and RESTORE: what is restored is what was backed up, and the chain rules are SQL Server's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sandbox.test_instance_fakes import connect, server


class World:
    """An old 2019 and a new 2022 server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.old_server = server(root / "old", "OLD", "2019")
        self.new_server = server(root / "new", "NEW", "2022")
        self.old, self.new = connect(self.old_server), connect(self.new_server)

    def move(self, name: str = "db") -> str:
        data = self.root / "new" / "data"
        return f"MOVE N'{name}' TO N'{data}/{name}.mdf', MOVE N'{name}_log' TO N'{data}/{name}.ldf'"

    def file(self, name: str) -> str:
        return str(self.root / name)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.old_server.stop()
    found.new_server.stop()


def full(world: World, file: str = "full.bak", more: str = "") -> str:
    path = world.file(file)
    world.old.run(f"BACKUP DATABASE db TO DISK = N'{path}' WITH CHECKSUM{more}")
    return path


def log(world: World, file: str, more: str = "") -> str:
    path = world.file(file)
    world.old.run(f"BACKUP LOG db TO DISK = N'{path}' WITH CHECKSUM{more}")
    return path


def test_tail_log_carries_the_last_commit_and_fences_the_source(world: World) -> None:
    """After a tail-log backup the old side refuses everybody, the new side has every row, and recovery gives the old
    side exactly its own content back."""
    world.old.run("CREATE DATABASE db")
    world.old.write("db", "before full")
    base = full(world)
    world.old.write("db", "before tail")
    tail = log(world, "tail.trn", ", NORECOVERY")
    assert world.old.state("db") == "RESTORING"
    assert world.old.fails("USE db") == [927]
    world.new.run(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH NORECOVERY, {world.move()}")
    world.new.run(f"RESTORE LOG db FROM DISK = N'{tail}' WITH RECOVERY")
    assert world.new.read("db") == ["before full", "before tail"]
    world.old.run("RESTORE DATABASE db WITH RECOVERY")
    assert world.old.read("db") == ["before full", "before tail"]


def test_tail_log_needs_the_database_alone(world: World) -> None:
    """Somebody inside: 3101; the session's own context there: 3102; the database stays ONLINE."""
    world.old.run("CREATE DATABASE db")
    full(world)
    other = connect(world.old_server, database="db")
    statement = f"BACKUP LOG db TO DISK = N'{world.file('t.trn')}' WITH NORECOVERY"
    assert world.old.fails(statement) == [3101, 3013]
    assert other.fails(statement) == [3102, 3013]
    assert world.old.state("db") == "ONLINE"


def test_first_log_backup_needs_a_full_backup(world: World) -> None:
    """4214 before the first full and after SIMPLE; 4208 in SIMPLE; a COPY_ONLY full does not start the chain."""
    world.old.run("CREATE DATABASE db")
    log_statement = f"BACKUP LOG db TO DISK = N'{world.file('x.trn')}'"
    assert world.old.fails(log_statement) == [4214, 3013]
    full(world, "copy.bak", ", COPY_ONLY")
    assert world.old.fails(log_statement) == [4214, 3013]
    full(world)
    world.old.run(log_statement)
    world.old.run("ALTER DATABASE db SET RECOVERY SIMPLE")
    assert world.old.fails(log_statement) == [4208, 3013]
    world.old.run("ALTER DATABASE db SET RECOVERY FULL")
    assert world.old.fails(log_statement) == [4214, 3013]


def test_logs_are_applied_in_order_only(world: World) -> None:
    """A gap is 4305, an old log 4326, a log of another database 3154, a log on an ONLINE database 3117."""
    world.old.run("CREATE DATABASE db")
    world.old.run("CREATE DATABASE other")
    base = full(world)
    first, second = log(world, "1.trn"), log(world, "2.trn")
    foreign = world.file("other.trn")
    world.old.run(f"BACKUP DATABASE other TO DISK = N'{world.file('o.bak')}'")
    world.old.run(f"BACKUP LOG other TO DISK = N'{foreign}'")
    world.new.run(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH NORECOVERY, {world.move()}")
    assert world.new.fails(f"RESTORE LOG db FROM DISK = N'{second}' WITH NORECOVERY") == [4305, 3013]
    assert world.new.fails(f"RESTORE LOG db FROM DISK = N'{foreign}' WITH NORECOVERY") == [3154, 3013]
    world.new.run(f"RESTORE LOG db FROM DISK = N'{first}' WITH NORECOVERY")
    assert world.new.fails(f"RESTORE LOG db FROM DISK = N'{first}' WITH NORECOVERY") == [4326, 3013]
    world.new.run(f"RESTORE LOG db FROM DISK = N'{second}' WITH RECOVERY")
    assert world.new.fails(f"RESTORE LOG db FROM DISK = N'{second}'") == [3117, 3013]


def test_log_after_recovery_is_on_another_fork(world: World) -> None:
    """A log taken after the old side was recovered cannot be applied where the sequence went another way."""
    world.old.run("CREATE DATABASE db")
    base = full(world)
    tail = log(world, "tail.trn", ", NORECOVERY")
    world.new.run(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH NORECOVERY, {world.move()}")
    world.new.run(f"RESTORE LOG db FROM DISK = N'{tail}'")
    world.old.run("RESTORE DATABASE db WITH RECOVERY")
    again = log(world, "again.trn")
    late = log(world, "late.trn")
    path = world.file("new.bak")
    world.new.run(f"BACKUP DATABASE db TO DISK = N'{path}'")
    world.new.run(f"RESTORE DATABASE db FROM DISK = N'{path}' WITH NORECOVERY, REPLACE")
    assert world.new.fails(f"RESTORE LOG db FROM DISK = N'{late}' WITH NORECOVERY")[0] in (4305, 4330)
    assert world.new.fails(f"RESTORE LOG db FROM DISK = N'{again}' WITH NORECOVERY")[0] in (4326, 4330)


def test_differential_belongs_to_its_base(world: World) -> None:
    """3035 without a base; a COPY_ONLY full does not move the base; another base is 3136."""
    world.old.run("CREATE DATABASE db")
    diff = world.file("d.dif")
    assert world.old.fails(f"BACKUP DATABASE db TO DISK = N'{diff}' WITH DIFFERENTIAL") == [3035, 3013]
    base = full(world)
    copy = full(world, "copy.bak", ", COPY_ONLY")
    world.old.write("db", "later")
    world.old.run(f"BACKUP DATABASE db TO DISK = N'{diff}' WITH DIFFERENTIAL")
    world.new.run(f"RESTORE DATABASE db FROM DISK = N'{copy}' WITH NORECOVERY, {world.move()}")
    assert world.new.fails(f"RESTORE DATABASE db FROM DISK = N'{diff}'") == [3136, 3013]
    world.new.run(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH NORECOVERY, REPLACE, {world.move()}")
    world.new.run(f"RESTORE DATABASE db FROM DISK = N'{diff}' WITH RECOVERY")
    assert world.new.read("db") == ["later"]


def test_restore_over_a_database_is_guarded(world: World) -> None:
    """3159 while the tail is not backed up, 3154 for another database; REPLACE overrides both; the owner's own
    context in it is 3102, somebody else's 3101."""
    world.old.run("CREATE DATABASE db")
    world.old.run("CREATE DATABASE other")
    base = full(world)
    assert world.old.fails(f"RESTORE DATABASE db FROM DISK = N'{base}'") == [3159, 3013]
    assert world.old.fails(f"RESTORE DATABASE other FROM DISK = N'{base}'")[0] == 3154
    other = connect(world.old_server, database="db")
    assert world.old.fails(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH REPLACE") == [3101, 3013]
    other.close()
    inside = connect(world.old_server, database="db")
    assert inside.fails(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH REPLACE") == [3102, 3013]
    inside.close()
    world.old.write("db", "lost on purpose")
    world.old.run(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH REPLACE")
    assert world.old.read("db") == []


def test_newer_backup_never_restores_on_an_older_server(world: World) -> None:
    """3169 with product versions on 2019; compatibility level and content travel the other way."""
    world.new.run("CREATE DATABASE db")
    path = world.file("new.bak")
    world.new.run(f"BACKUP DATABASE db TO DISK = N'{path}'")
    with pytest.raises(Exception, match=r"16\.00\.4265.*15\.00\.4430"):
        world.old.run(f"RESTORE DATABASE db FROM DISK = N'{path}'")
    assert world.old.fails(f"RESTORE DATABASE db FROM DISK = N'{path}'") == [3169, 3013]
    assert world.old_server.find("db") is None


def test_conversion_happens_at_the_final_recovery(world: World) -> None:
    """944 and one 951 a step come with RECOVERY, not with NORECOVERY; the compatibility level stays."""
    world.old.run("CREATE DATABASE db")
    base = full(world)
    said = world.new.run(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH NORECOVERY, {world.move()}").infos
    assert {n for n, _ in said} == {4035, 3014}
    numbers = [n for n, _ in world.new.run("RESTORE DATABASE db WITH RECOVERY").infos]
    assert numbers[0] == 944
    assert numbers.count(951) == 957 - 904
    assert numbers[-1] == 3014
    row = next(r for r in world.new.view("sys.databases") if r["name"] == "db")
    assert row["compatibility_level"] == 150
    assert world.new_server.function("DATABASEPROPERTYEX", world.new, ["db", "Version"]) == 957


def test_restored_database_has_the_restorer_as_owner_and_no_trust(world: World) -> None:
    """TRUSTWORTHY, DB_CHAINING and the broker are off, the owner is the restoring login, other options travel."""
    world.old.run("CREATE DATABASE db")
    for option in ("TRUSTWORTHY ON", "DB_CHAINING ON", "PAGE_VERIFY NONE", "AUTO_CLOSE ON", "RESTRICTED_USER"):
        world.old.run(f"ALTER DATABASE db SET {option}")
    base = full(world)
    world.new.run("CREATE LOGIN mover WITH PASSWORD = 'x'")
    world.new.run("ALTER SERVER ROLE dbcreator ADD MEMBER mover")
    mover = connect(world.new_server, "mover", "x")
    mover.run(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH {world.move()}")
    row = next(r for r in world.new.view("sys.databases") if r["name"] == "db")
    login = world.new_server.logins.find("mover")
    assert login is not None
    assert row["owner_sid"].hex() == login.sid
    assert (row["is_trustworthy_on"], row["is_db_chaining_on"], row["is_broker_enabled"]) == (False, False, False)
    assert (row["page_verify_option_desc"], row["is_auto_close_on"]) == ("NONE", True)
    assert row["user_access_desc"] == "RESTRICTED_USER"


def test_files_need_a_place_of_their_own(world: World) -> None:
    """A wrong logical name is 3234, a missing folder 5133, another database's file 1834, a live file of another
    server 3634; nothing is created by the attempt."""
    world.old.run("CREATE DATABASE db")
    world.new.run("CREATE DATABASE taken")
    base = full(world)
    taken = world.root / "new" / "data" / "taken.mdf"
    cases = {
        "MOVE 'nope' TO '/x/y.mdf'": 3234,
        f"MOVE 'db' TO '{world.root}/missing/db.mdf'": 5133,
        f"MOVE 'db' TO '{taken}', MOVE 'db_log' TO '{world.root}/l.ldf'": 1834,
        "STATS = 10": 3634,
    }
    for clause, number in cases.items():
        assert world.new.fails(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH {clause}")[0] == number, clause
    assert world.new_server.find("db") is None


def test_damage_is_found_by_verifyonly_and_by_restore(world: World) -> None:
    """One byte changed in a set with checksums: VERIFYONLY and RESTORE refuse it (3189); a set without cannot be
    verified WITH CHECKSUM (3187)."""
    world.old.run("CREATE DATABASE db")
    base = Path(full(world))
    plain = world.file("plain.bak")
    world.old.run(f"BACKUP DATABASE db TO DISK = N'{plain}'")
    assert world.old.run(f"RESTORE VERIFYONLY FROM DISK = N'{base}' WITH CHECKSUM").infos[-1][0] == 3262
    assert world.old.fails(f"RESTORE VERIFYONLY FROM DISK = N'{plain}' WITH CHECKSUM") == [3187, 3013]
    content = bytearray(base.read_bytes())
    content[len(content) // 2] ^= 1
    base.write_bytes(content)
    assert world.old.fails(f"RESTORE VERIFYONLY FROM DISK = N'{base}'") == [3189, 3013]
    assert world.new.fails(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH {world.move()}") == [3189, 3013]
    assert world.new.state("db") == "RESTORING"
    assert world.new.fails("RESTORE DATABASE db WITH RECOVERY") == [4333, 3013]


def test_truncated_file_is_no_backup(world: World) -> None:
    """What a killed BACKUP leaves behind: HEADERONLY says incomplete, VERIFYONLY and RESTORE say 3256."""
    world.old.run("CREATE DATABASE db")
    base = Path(full(world))
    base.write_bytes(base.read_bytes()[:-100])
    header = world.old.run(f"RESTORE HEADERONLY FROM DISK = N'{base}'").dicts()[0]
    assert (header["BackupName"], header["IsDamaged"]) == ("*** INCOMPLETE ***", True)
    assert world.old.fails(f"RESTORE VERIFYONLY FROM DISK = N'{base}'") == [3256, 3013]
    assert world.new.fails(f"RESTORE DATABASE db FROM DISK = N'{base}'") == [3256, 3013]


def test_sets_are_appended_unless_init(world: World) -> None:
    """NOINIT appends, FILE = n chooses, INIT overwrites; an incomplete last set is cut away by the next BACKUP."""
    world.old.run("CREATE DATABASE db")
    path = full(world)
    world.old.write("db", "second")
    full(world)
    header = world.old.run(f"RESTORE HEADERONLY FROM DISK = N'{path}'").dicts()
    assert [h["Position"] for h in header] == [1, 2]
    world.new.run(f"RESTORE DATABASE db FROM DISK = N'{path}' WITH FILE = 2, {world.move()}")
    assert world.new.read("db") == ["second"]
    Path(path).write_bytes(Path(path).read_bytes()[:-50])
    full(world)
    assert len(world.old.run(f"RESTORE HEADERONLY FROM DISK = N'{path}'").dicts()) == 2
    full(world, more=", INIT")
    assert len(world.old.run(f"RESTORE HEADERONLY FROM DISK = N'{path}'").dicts()) == 1


def test_devices_that_cannot_be_used(world: World) -> None:
    """3201 with Windows' words for a missing folder and a missing file; 3254 and 3241 for files that are none."""
    world.old.run("CREATE DATABASE db")
    with pytest.raises(Exception, match=r"Operating system error 3\(The system cannot find the path"):
        world.old.run(f"BACKUP DATABASE db TO DISK = N'{world.root}/missing/x.bak'")
    with pytest.raises(Exception, match=r"Operating system error 2\(The system cannot find the file"):
        world.old.run(f"RESTORE HEADERONLY FROM DISK = N'{world.root}/missing.bak'")
    (world.root / "empty.bak").touch()
    (world.root / "text.bak").write_text("no backup at all")
    assert world.old.fails(f"RESTORE HEADERONLY FROM DISK = N'{world.root}/empty.bak'") == [3254, 3013]
    assert world.old.fails(f"RESTORE HEADERONLY FROM DISK = N'{world.root}/text.bak'") == [3241, 3013]


def test_history_in_msdb(world: World) -> None:
    """backupset and restorehistory have a row each, of the right type, with growing LSNs."""
    world.old.run("CREATE DATABASE db")
    base = full(world)
    log(world, "1.trn")
    rows = world.old.view("msdb.dbo.backupset")
    assert [r["type"] for r in rows] == ["D", "L"]
    assert rows[1]["first_lsn"] <= rows[0]["last_lsn"] < rows[1]["last_lsn"]
    world.new.run(f"RESTORE DATABASE db FROM DISK = N'{base}' WITH NORECOVERY, {world.move()}")
    restored = world.new.view("msdb.dbo.restorehistory")[0]
    assert (restored["restore_type"], restored["recovery"]) == ("D", False)
    assert world.new.view("msdb.dbo.backupset")[0]["backup_set_id"] == restored["backup_set_id"]


def test_backup_is_refused_in_a_transaction(world: World) -> None:
    """3021 for BACKUP and RESTORE, 226 for CREATE and ALTER DATABASE, 6115 for KILL."""
    world.old.run("CREATE DATABASE db")
    world.old.trancount = 1
    assert world.old.fails(f"BACKUP DATABASE db TO DISK = N'{world.file('x')}'") == [3021, 3013]
    assert world.old.fails("RESTORE DATABASE db WITH RECOVERY") == [3021, 3013]
    assert world.old.fails("CREATE DATABASE x") == [226]
    assert world.old.fails("ALTER DATABASE db SET RECOVERY SIMPLE") == [226]
    assert world.old.fails("KILL 60") == [6115]


def test_progress_is_told_in_steps_and_ends_with_100(world: World) -> None:
    """STATS = 25 gives 25, 50, 75, 100 in this order, then pages, then 3014."""
    world.old.run("CREATE DATABASE db")
    said = world.old.run(f"BACKUP DATABASE db TO DISK = N'{world.file('x.bak')}' WITH STATS = 25").infos
    assert [n for n, _ in said] == [3211] * 4 + [4035, 4035, 3014]
    assert [m.split()[0] for n, m in said if n == 3211] == ["25", "50", "75", "100"]


def test_detached_file_attaches_on_a_newer_server_and_never_on_an_older_one(world: World) -> None:
    """sp_detach_db leaves a real file; FOR ATTACH on the new server converts it; back on the old one: 1813 and 948."""
    world.old.run("CREATE DATABASE db")
    world.old.write("db", "kept")
    world.old.call("sp_detach_db", "db")
    source = world.root / "old" / "data" / "db.mdf"
    target = world.root / "new" / "data" / "moved.mdf"
    assert not source.is_symlink()
    source.rename(target)
    said = world.new.run(f"CREATE DATABASE moved ON (FILENAME = N'{target}') FOR ATTACH").infos
    assert said[0][0] == 944
    assert world.new.read("moved") == ["kept"]
    world.new.call("sp_detach_db", "moved")
    target.rename(source)
    attach = f"CREATE DATABASE db ON (FILENAME = N'{source}') FOR ATTACH"
    assert world.old.fails(attach) == [1813, 948]
    assert source.exists(), "the refused file is still there"
