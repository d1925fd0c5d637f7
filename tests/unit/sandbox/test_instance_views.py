"""Views, functions and procedures of the server: types fit, values agree with each other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from runbook.sandbox.contract import SqlError
from runbook.sandbox.instance import views
from runbook.sandbox.instance.instance import SandboxInstance
from tests.unit.sandbox.test_instance_fakes import FakeSession, connect, server

KINDS: dict[str, tuple[type, ...]] = {
    "bit": (bool,),
    "tinyint": (int,),
    "smallint": (int,),
    "int": (int,),
    "bigint": (int,),
    "numeric": (int,),
    "real": (float,),
    "nvarchar": (str,),
    "nchar": (str,),
    "char": (str,),
    "varbinary": (bytes,),
    "binary": (bytes,),
    "datetime": (datetime,),
    "uniqueidentifier": (UUID,),
}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[SandboxInstance]:
    found = server(tmp_path, "HOST\\OLD")
    yield found
    found.stop()


@pytest.fixture
def sa(instance: SandboxInstance) -> FakeSession:
    session = connect(instance)
    session.run("CREATE DATABASE db")
    session.run("BACKUP DATABASE db TO DISK = 'f.bak'")
    session.call("sp_add_job", **{"@job_name": "j"})
    session.call("sp_add_jobstep", **{"@job_name": "j", "@step_name": "s", "@command": "CHECKPOINT"})
    session.call("sp_add_jobschedule", **{"@job_name": "j", "@name": "n", "@freq_type": 4, "@freq_interval": 1})
    session.call("sp_add_jobserver", **{"@job_name": "j"})
    return session


def test_every_view_keeps_its_types(sa: FakeSession, instance: SandboxInstance) -> None:
    """Each value has the Python type of its column, and columns that cannot be NULL are not."""
    for name in views.names():
        found = instance.rows(name, sa, (1, 1))
        assert found is not None
        assert instance.columns(name) == found[0]
        for row in found[1]:
            for column, value in zip(found[0], row, strict=True):
                where = f"{name}.{column.name}: {value!r}"
                if value is None:
                    assert column.nullable, where
                else:
                    assert isinstance(value, KINDS[column.type.name]), where
                    assert column.type.name == "bit" or not isinstance(value, bool), where


def test_names_of_views_are_understood_in_every_form(instance: SandboxInstance, sa: FakeSession) -> None:
    """With a database in front, in brackets, in any case; what is not the server's is None."""
    for name in ("sys.databases", "master.sys.databases", "[master].[sys].[DATABASES]", "msdb..sysjobs"):
        assert instance.rows(name, sa), name
    for name in ("sys.tables", "dbo.sysjobs", "db.dbo.sysjobs", "nonsense"):
        assert instance.rows(name, sa) is None, name
        assert instance.columns(name) is None, name


def test_server_properties(instance: SandboxInstance, sa: FakeSession) -> None:
    """Version, edition, names; an unknown key is NULL; a function of somebody else is KeyError."""

    def prop(key: str) -> Any:
        return instance.function("SERVERPROPERTY", sa, [key])

    assert prop("ProductVersion") == "15.0.4430.1"
    assert (prop("ProductMajorVersion"), prop("Edition"), prop("EngineEdition")) == (
        "15",
        "Developer Edition (64-bit)",
        3,
    )
    assert (prop("ServerName"), prop("MachineName"), prop("InstanceName")) == ("HOST\\OLD", "HOST", "OLD")
    assert prop("NoSuchKey") is None
    assert prop("InstanceDefaultBackupPath") == str(instance.backup_directory)
    assert "15.0.4430.1 (X64)" in instance.function("@@VERSION", sa, [])
    with pytest.raises(KeyError):
        instance.function("GETDATE", sa, [])


def test_database_properties(instance: SandboxInstance, sa: FakeSession) -> None:
    """Version is NULL while a database is not open; LastGoodCheckDbTime moves with a clean CHECKDB only."""

    def prop(key: str) -> Any:
        return instance.function("DATABASEPROPERTYEX", sa, ["db", key])

    assert (prop("Status"), prop("Version"), prop("Recovery")) == ("ONLINE", 904, "FULL")
    assert prop("LastGoodCheckDbTime") == "1900-01-01 00:00:00.000"
    sa.run("DBCC CHECKDB ('db') WITH NO_INFOMSGS")
    assert datetime.fromisoformat(prop("LastGoodCheckDbTime")) > datetime.fromisoformat("2020-01-01")
    sa.run("ALTER DATABASE db SET OFFLINE")
    assert (prop("Status"), prop("Version")) == ("OFFLINE", None)
    assert instance.function("DB_ID", sa, ["nowhere"]) is None


def test_checkdb_is_silent_when_clean_and_loud_when_damaged(instance: SandboxInstance, sa: FakeSession) -> None:
    """NO_INFOMSGS: nothing at all; a page overwritten on disk: 8939 and 8989 as errors, the same as rows with
    TABLERESULTS, and the last good check stays where it was."""
    sa.write("db", "x" * 50_000)
    said = sa.run("DBCC CHECKDB (N'db') WITH NO_INFOMSGS, ALL_ERRORMSGS, DATA_PURITY")
    assert (said.infos, said.errors, said.sets) == ([], [], [])
    record = instance.find("db")
    assert record is not None
    good = record.last_good_check
    sa.run("ALTER DATABASE db SET OFFLINE")
    content = bytearray(Path(record.path).read_bytes())
    content[-6000:-2000] = b"\xff" * 4000
    Path(record.path).write_bytes(content)
    sa.run("ALTER DATABASE db SET ONLINE")
    said = sa.run("DBCC CHECKDB ('db') WITH NO_INFOMSGS")
    assert {e.number for e in said.errors} == {8939}
    assert said.infos[0][0] == 8989
    rows = sa.run("DBCC CHECKDB ('db') WITH NO_INFOMSGS, TABLERESULTS").dicts()
    assert {r["Level"] for r in rows} == {16, 10}
    assert record.last_good_check == good


def test_dbinfo_tells_version_and_last_check(sa: FakeSession) -> None:
    """DBCC DBINFO WITH TABLERESULTS has dbi_version and dbi_dbccLastKnownGood."""
    fields = {r["Field"]: r["VALUE"] for r in sa.run("DBCC DBINFO ('db') WITH TABLERESULTS").dicts()}
    assert fields["dbi_version"] == "904"
    assert fields["dbi_dbccLastKnownGood"].startswith("1900-01-01")


def test_unknown_dbcc_is_refused_by_name(sa: FakeSession) -> None:
    """Never a pretended success."""
    with pytest.raises(SqlError, match="DBCC SHRINKDATABASE is not supported"):
        sa.run("DBCC SHRINKDATABASE (db)")
    assert sa.fails("DBCC CHECKDB ('db', REPAIR_ALLOW_DATA_LOSS)") == [50999]
    assert sa.fails("DBCC CHECKDB ('nowhere')") == [2520]


def test_volumes_and_files_are_real(instance: SandboxInstance, sa: FakeSession) -> None:
    """Free space is that of the disk; sizes are those of the files."""
    volume = sa.view("sys.dm_os_volume_stats", instance.function("DB_ID", sa, ["db"]), 1)
    assert len(volume) == 1
    real = shutil.disk_usage(instance.data_directory)
    assert volume[0]["total_bytes"] == real.total
    assert abs(volume[0]["available_bytes"] - real.free) < 500_000_000
    record = instance.find("db")
    assert record is not None
    stats = sa.view("sys.dm_io_virtual_file_stats", record.id, 1)[0]
    assert stats["size_on_disk_bytes"] == Path(record.path).stat().st_size
    shown = next(r for r in sa.view("sys.master_files") if r["name"] == "db")
    assert Path(shown["physical_name"]).exists()
    sa.call("xp_fileexist", shown["physical_name"])
    assert sa.said.sets[-1][1] == [(1, 0, 1)]


def test_configuration_takes_effect_with_reconfigure(instance: SandboxInstance, sa: FakeSession) -> None:
    """value changes at once, value_in_use with RECONFIGURE; advanced options are hidden; out of range is 15129."""

    def now() -> tuple[int, int]:
        row = next(r for r in sa.view("sys.configurations") if r["name"] == "max degree of parallelism")
        return row["value"], row["value_in_use"]

    with pytest.raises(SqlError, match="15123"):
        sa.call("sp_configure", "max degree of parallelism", 4)
    sa.call("sp_configure", "show advanced options", 1)
    sa.run("RECONFIGURE")
    sa.call("sp_configure", "max degree of parallelism", 4)
    assert now() == (4, 0)
    sa.run("RECONFIGURE WITH OVERRIDE")
    assert now() == (4, 4)
    with pytest.raises(SqlError, match="15129"):
        sa.call("sp_configure", "max degree of parallelism", 99999)


def test_error_log_is_readable_and_searchable(instance: SandboxInstance, sa: FakeSession) -> None:
    """Two search strings must both occur; the log of the last start is number 1."""
    sa.run("ALTER DATABASE db SET AUTO_CLOSE ON")
    sa.call("xp_readerrorlog", 0, 1, "AUTO_CLOSE", "'db'")
    assert len(sa.said.dicts()) == 1
    sa.call("sp_readerrorlog", 0, 1, "Recovery is complete")
    assert len(sa.said.dicts()) == 1
    sa.call("sp_cycle_errorlog")
    sa.call("xp_readerrorlog", 1, 1, "AUTO_CLOSE")
    assert len(sa.said.dicts()) == 1


def test_small_procedures(instance: SandboxInstance, sa: FakeSession) -> None:
    """sp_who lists the session, sp_helpdb one database or all, unknown ones are 15010; others are not ours."""
    sa.call("sp_who")
    assert sa.said.dicts()[0]["spid"] == sa.spid
    sa.call("sp_helpdb", "db")
    assert sa.said.dicts()[0]["compatibility_level"] == 150
    with pytest.raises(SqlError, match="15010"):
        sa.call("sp_helpdb", "nowhere")
    assert instance.procedure("sp_help") is None
    assert instance.procedure("[sys].[sp_who]") is not None


def test_agent_is_missing_on_express(tmp_path: Path) -> None:
    """No Agent session, sp_start_job refused, no Agent service."""
    found = server(tmp_path / "x", "X", edition="Express")
    session = connect(found)
    session.call("sp_add_job", **{"@job_name": "j"})
    assert session.view("msdb.dbo.syssessions") == []
    assert len(session.view("sys.dm_server_services")) == 1
    with pytest.raises(SqlError, match="22022"):
        session.call("sp_start_job", "j")
    session.run("CREATE DATABASE db")
    assert session.fails("BACKUP DATABASE db TO DISK = 'x.bak' WITH COMPRESSION") == [1844, 3013]
    found.stop()


def test_a_database_that_is_being_created_is_not_in_the_log_statistics_yet(tmp_path: Path) -> None:
    """Its record is there before its file: a session that looks in between gets the others, and no error."""
    instance = server(tmp_path)
    try:
        session = connect(instance)
        session.run("CREATE DATABASE here")
        session.run("CREATE DATABASE coming")
        coming = next(record for record in instance.databases() if record.name == "coming")
        Path(coming.path).rename(f"{coming.path}.later")
        found = {row["database_id"] for row in session.view("sys.dm_db_log_stats")}
        Path(f"{coming.path}.later").rename(coming.path)
        assert coming.id not in found
        assert next(r.id for r in instance.databases() if r.name == "here") in found
    finally:
        instance.stop()
