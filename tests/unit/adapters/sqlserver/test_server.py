"""What the adapter makes of answers, and in which order it sends what; on a wire without a driver."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from runbook.adapters.sqlserver import catalog
from runbook.adapters.sqlserver.client import Client
from runbook.adapters.sqlserver.server import Server
from runbook.errors import NotSupported, Refused, ServerError, WrongTarget
from runbook.ports import ServerIdentity, Volume
from runbook.testing.clock import FakeClock
from runbook.testing.control import StatementLog, Unstoppable
from tests.unit.adapters.sqlserver import wire
from tests.unit.adapters.sqlserver.wire import odbc_error

WHO = "SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(260)) AS server_name,\n       CAST"
"""Beginning of the question who the server is."""
WHICH = "SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(260)) AS server_name,\n       CONVERT"
"""Beginning of the question which database that is."""
IDENTITY = {
    "server_name": "OLDSQL",
    "machine_name": "OLDSQL",
    "version": "15.0.4430.1",
    "edition": "Developer Edition (64-bit)",
    "collation": "SQL_Latin1_General_CP1_CI_AS",
    "path_separator": "/",
    "data_path": "/data/",
    "log_path": "/data/",
    "backup_path": "/backup",
    "engine_edition": 3,
}
HEADER = {
    "BackupName": "seed",
    "BackupType": 1,
    "DatabaseName": "Contacts",
    "FamilyGUID": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "FirstLSN": Decimal("37000000012300001"),
    "LastLSN": Decimal("37000000012300002"),
    "DatabaseBackupLSN": None,
    "HasBackupChecksums": True,
    "IsDamaged": False,
    "IsCopyOnly": True,
    "SoftwareVersionMajor": 15,
    "BackupSize": Decimal(4096),
    "BackupFinishDate": datetime(2026, 3, 21, 10, 0),  # noqa: DTZ001 - local to the server
    "Position": 1,
}
TARGET = {
    "server_name": "OLDSQL",
    "family_guid": "AA",
    "created_at": "2020",
    "state_desc": "ONLINE",
    "source_database_id": None,
}


class Bench:
    def __init__(self, **answers: wire.Reply) -> None:
        clock = FakeClock()
        self.wire = wire.Server(clock)
        self.log = StatementLog()
        self.server = Server(Client(self.wire, Unstoppable(clock), self.log), "r")
        self.tell(
            {
                WHO: [IDENTITY],
                WHICH: [TARGET],
                "SELECT CAST(SERVERPROPERTY('ServerName')": [{"server_name": "OLDSQL"}],
                "SELECT h.host_platform": [{"host_platform": "Linux"}],
            }
        )

    def tell(self, answers: dict[str, Any]) -> Bench:
        self.wire.answers = {
            **answers,
            **{key: value for key, value in self.wire.answers.items() if key not in answers},
        }
        return self

    def effects(self) -> list[str]:
        return [entry.text.replace("\n", " ") for entry in self.log.entries if entry.effect]


def refusal(number: int, text: str = "no") -> Exception:
    return odbc_error("42000", f"[SQL Server]{text} ({number}) (SQLExecDirectW)")


def one_after_the_other(*answers: Any) -> Any:
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_a_read_is_repeated_an_effect_is_not() -> None:
    """A broken connection: the read is done again on another, the statement with an effect is not."""
    bench = Bench().tell({"SELECT IS_SRVROLEMEMBER": one_after_the_other(wire.BROKEN, [{"is_sysadmin": 1}])})
    assert bench.server.missing_permissions() == ()
    bench.tell({"RESTORE DATABASE": one_after_the_other(wire.BROKEN, None)})
    with pytest.raises(ServerError) as caught:
        bench.server.recover("Contacts")
    assert caught.value.in_doubt
    assert bench.effects() == ["RESTORE DATABASE [Contacts] WITH RECOVERY"]


def test_a_lost_deadlock_is_repeated() -> None:
    """1205 says that nothing happened: the effect is sent again, each time recorded."""
    bench = Bench().tell({"ALTER DATABASE": one_after_the_other(refusal(1205), refusal(1205), None)})
    bench.server.set_online("Contacts")
    assert bench.effects() == ["ALTER DATABASE [Contacts] SET ONLINE"] * 3


def test_versions_before_2016_are_refused() -> None:
    """HASHBYTES there takes 8,000 bytes only: no proof, no run."""
    old = {**IDENTITY, "version": "12.0.6449.1"}
    bench = Bench().tell({WHO: [old]})
    with pytest.raises(NotSupported, match=r"12\.0\.6449\.1"):
        bench.server.identity()


def test_a_backup_path_that_is_not_told() -> None:
    """Before 2019 the registry knows it; where that fails too, the data path does."""
    old = {**IDENTITY, "version": "14.0.3456.2", "backup_path": None}
    bench = Bench().tell({WHO: [old]})
    bench.tell({"DECLARE @path": [{"backup_path": "D:\\Backup"}]})
    assert bench.server.identity().backup_path == "D:\\Backup"
    bench.tell({"DECLARE @path": refusal(2812)})
    assert bench.server.identity().backup_path == "/data/"


def test_the_newest_set_of_a_backup_file() -> None:
    """Columns by name, the last position, how many sets there are."""
    newer = {**HEADER, "Position": 2, "BackupName": "second", "BackupType": 5}
    found = Bench().tell({"RESTORE HEADERONLY": [newer, HEADER]}).server.backup_header("/b/x")
    assert found is not None
    assert (found.name, found.kind, found.sets) == ("second", "differential", 2)
    assert found.family_guid == "0F8FAD5B-D9CB-469F-A165-70867728950E"
    assert (found.first_lsn, found.database_backup_lsn) == ("37000000012300001", "")
    assert found.finished_at == "2026-03-21T10:00:00"


@pytest.mark.parametrize("code", ["2(The system cannot find the file specified.)", "3(The path.)"])
def test_no_such_file_is_no_backup(code: str) -> None:
    """Operating system errors 2 and 3 inside 3201."""
    answer = refusal(3201, f"Cannot open backup device '/b/x'. Operating system error {code}.")
    assert Bench().tell({"RESTORE HEADERONLY": answer}).server.backup_header("/b/x") is None


@pytest.mark.parametrize("answer", [[HEADER], refusal(3241), refusal(3254)])
def test_a_file_that_is_there_is_not_written_over(answer: wire.Reply) -> None:
    """A backup, or anything else."""
    bench = Bench().tell({"RESTORE HEADERONLY": answer})
    with pytest.raises(Refused, match="is there already"):
        bench.server.backup_full("Contacts", "/b/x", name="n", copy_only=False)
    assert bench.effects() == []


def test_a_file_that_cannot_be_looked_at_is_told() -> None:
    """Access denied is neither there nor missing."""
    answer = refusal(3201, "Cannot open backup device '/b/x'. Operating system error 5(Access is denied.).")
    with pytest.raises(ServerError) as caught:
        Bench().tell({"RESTORE HEADERONLY": answer}).server.backup_log("Contacts", "/b/x", name="n")
    assert caught.value.number == 3201


MISSING = refusal(3201, "Operating system error 2(no file).")


def test_the_simple_cut_never_leaves_the_database() -> None:
    """SINGLE_USER, BACKUP and OFFLINE on one connection inside the database; an error that comes with OFFLINE is
    looked into: what counts is the state."""
    bench = Bench().tell({"RESTORE HEADERONLY": MISSING, "ALTER DATABASE [Archive] SET OFFLINE": refusal(5069)})
    with pytest.raises(ServerError):
        bench.server.cut_differential("Archive", "/b/x", name="n")
    bench.tell({WHICH: [{**TARGET, "state_desc": "OFFLINE"}]})
    bench.wire.sent.clear()
    bench.server.cut_differential("Archive", "/b/x", name="n")
    session = next(number for number, sql in bench.wire.sent if sql == "USE [Archive]")
    sent = [sql.split("\n")[0] for number, sql in bench.wire.sent if number == session and not sql.startswith("S")]
    assert sent == [
        "USE [Archive]",
        "ALTER DATABASE [Archive] SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
        "BACKUP DATABASE [Archive] TO DISK = N'/b/x'",
        "ALTER DATABASE [Archive] SET OFFLINE WITH ROLLBACK IMMEDIATE",
    ]


@pytest.mark.parametrize(("state", "sent"), [("ONLINE", 2), ("RESTORING", 1)])
def test_dropping_a_database(state: str, sent: int) -> None:
    """Who is in an open one is ended first."""
    bench = Bench().tell({WHICH: [{**TARGET, "state_desc": state}]})
    bench.server.drop_database("Contacts")
    assert len(bench.effects()) == sent
    assert bench.effects()[-1].endswith("DROP DATABASE [Contacts]")


def test_an_offline_database_is_not_dropped() -> None:
    """Its files would stay behind and be in the way of the next restore."""
    bench = Bench().tell({WHICH: [{**TARGET, "state_desc": "OFFLINE"}]})
    with pytest.raises(Refused, match="offline"):
        bench.server.drop_database("Contacts")
    assert bench.effects() == []


def identity(name: str = "OLDSQL") -> ServerIdentity:
    return ServerIdentity(**{**IDENTITY, "server_name": name, "platform": "Linux"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pin", "row", "holds"),
    [
        (("AA", "2020"), TARGET, True),
        (("aa", "2019"), TARGET, True),
        (("BB", "2020"), TARGET, False),
        (("AA", "2020"), {**TARGET, "family_guid": None}, True),
        (("AA", "2019"), {**TARGET, "family_guid": None}, False),
        ((None, "2020"), TARGET, True),
        ((None, "2019"), TARGET, False),
        (("AA", "2020"), {**TARGET, "server_name": "OTHER"}, False),
    ],
)
def test_pins(pin: tuple[str | None, str], row: dict[str, Any], holds: bool) -> None:
    """An open database is known by its family, a closed one by name and creation; the server always by name."""
    bench = Bench().tell({WHICH: [row]})
    bench.server.pin(identity(), {"contacts": pin})
    if holds:
        bench.server.recover("Contacts")
    else:
        with pytest.raises(WrongTarget):
            bench.server.recover("Contacts")
    assert len(bench.effects()) == int(holds)


def test_the_look_and_the_change_share_a_connection() -> None:
    """Nothing can come between who was looked at and who is changed."""
    bench = Bench()
    bench.server.pin(identity(), {})
    bench.server.set_online("Contacts")
    (looked,) = [number for number, sql in bench.wire.sent if "create_date" in sql]
    (changed,) = [number for number, sql in bench.wire.sent if sql.startswith("ALTER DATABASE")]
    assert looked == changed


@pytest.mark.parametrize("change", ["set_job_enabled", "delete_job", "drop_login", "kill", "drop_snapshot", "stop_job"])
def test_changes_without_a_database_check_the_server(change: str) -> None:
    """Jobs, logins and sessions belong to the instance: its name is compared."""
    bench = Bench()
    bench.server.pin(identity("OTHER"), {})
    guid = "0F8FAD5B-D9CB-469F-A165-70867728950E"
    act = {
        "set_job_enabled": lambda: bench.server.set_job_enabled(guid, enabled=True),
        "stop_job": lambda: bench.server.stop_job(guid),
        "delete_job": lambda: bench.server.delete_job("x"),
        "drop_login": lambda: bench.server.drop_login("x"),
        "kill": lambda: bench.server.kill(55),
        "drop_snapshot": lambda: bench.server.drop_snapshot("x"),
    }[change]
    with pytest.raises(WrongTarget, match="OTHER"):
        act()
    assert bench.effects() == []


STEP = {
    "step_id": 1,
    "step_name": "s",
    "subsystem": "TSQL",
    "command": "x",
    "database_name": None,
    "on_success_action": 1,
    "on_fail_action": 2,
    "retry_attempts": 0,
    "retry_interval": 0,
    "proxy_id": None,
    "output_file_name": None,
}


@pytest.mark.parametrize("odd", [{"on_fail_action": 4}, {"proxy_id": 3}, {"output_file_name": "/tmp/x"}])
def test_jobs_that_cannot_be_carried_are_refused(odd: dict[str, object]) -> None:
    """Better no copy than one that does something else."""
    job = {"name": "j", "enabled": 1, "description": "", "start_step_id": 1, "owner": "sa"}
    bench = Bench().tell({"SELECT j.name": [job], "SELECT s.step_id": [{**STEP, **odd}]})
    with pytest.raises(NotSupported, match="step 1 of job j"):
        bench.server.job_definition("0F8FAD5B-D9CB-469F-A165-70867728950E")


VOLUMES = (Volume("/", 100, 1), Volume("/var/opt/mssql", 100, 2), Volume("E:\\", 0, 3), Volume("E:\\Mount\\", 100, 4))


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/var/opt/mssql/data", "/var/opt/mssql"),
        ("/var/opt/mssql", "/var/opt/mssql"),
        ("/var/opt/mssql2/x", "/"),
        ("e:\\mount\\backup", "E:\\Mount\\"),
        ("E:\\Mountain", "E:\\"),
        ("F:\\x", None),
    ],
)
def test_which_volume_holds_a_path(path: str, mount: str | None) -> None:
    """The longest mount that is a parent; Windows does not tell cases apart."""
    found = catalog._volume_of(path, VOLUMES)
    assert (found.mount if found else None) == mount
