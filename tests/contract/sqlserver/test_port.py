"""The contract of the port SqlServer, on the fake and on the adapter with the sandbox behind it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from runbook.errors import AlreadyRunning, Cancelled, Refused, ServerError, WrongTarget
from runbook.ports import (
    DatabaseState,
    JobDefinition,
    JobSchedule,
    JobStep,
    Login,
    ProofLevel,
    RecoveryModel,
    UserAccess,
)

SCHEDULE = JobSchedule("nightly", True, 4, 1, 1, 0, 0, 0, 20200101, 99991231, 13000, 235959)


def moves(server, database, role="new"):
    """Where the files of a copy go: next to the server's own, named as the copy."""
    home = server.identity().data_path.rstrip("/\\")
    return home, lambda files: {
        file.logical_name: f"{home}/{database}_{role}_{number}" for number, file in enumerate(files)
    }


def seed(bench, database):
    """A full backup of the source, restored and waiting on the target."""
    old, new = bench.server("old"), bench.server("new")
    old.backup_full(database, bench.path(f"{database}.bak"), name=f"seed {database}", copy_only=False)
    place = moves(new, database)[1](old.files(database))
    new.restore_full(database, bench.path(f"{database}.bak"), moves=place)
    return old, new


def empty(old, database):
    """Nobody is in the database, nobody gets in."""
    old.set_user_access(database, UserAccess.RESTRICTED_USER)
    for session in old.sessions(database):
        old.kill(session.session_id)


def proofs(server, database, level=ProofLevel.CONTENT):
    return [server.prove_table(database, table, level) for table in server.tables(database)]


def inside(server, database):
    """All that is compared of a database."""
    return proofs(server, database), server.positions(database), server.objects(database)


def test_who_answers(bench):
    """Name, version and paths; the clock is aware UTC."""
    identity = bench.server("old").identity()
    assert (identity.server_name, identity.major) == ("OLDSQL", 15)
    assert identity.data_path
    assert identity.backup_path
    assert bench.server("old").utcnow().tzinfo is UTC
    assert bench.server("new").identity().major == 16
    assert bench.server("old").missing_permissions() == ()


def test_a_database_is_described(bench):
    """State, model, identity and sizes of what is open; None for what is not there."""
    found = bench.server().databases()[bench.full]
    assert found == bench.server().database(bench.full)
    assert (found.state, found.user_access) == (DatabaseState.ONLINE, UserAccess.MULTI_USER)
    assert found.recovery_model is RecoveryModel.FULL
    assert bench.server().databases()[bench.simple].recovery_model is RecoveryModel.SIMPLE
    assert found.family_guid
    assert found.created_at
    assert found.size_bytes > 0
    assert found.used_bytes > 0
    assert found.options["PAGE_VERIFY"] == "CHECKSUM"
    assert found.snapshot_of is None
    assert bench.server().database("no such database") is None


def test_files_and_volumes(bench):
    """A data file and a log; the volume they lie on has room."""
    files = bench.server().files(bench.full)
    assert sorted(file.kind for file in files) == ["LOG", "ROWS"]
    volumes = bench.server().volumes([file.path.rpartition("/")[0] for file in files])
    assert len(volumes) == 1
    assert 0 < volumes[0].available_bytes <= volumes[0].total_bytes


def test_a_backup_says_what_it_is(bench):
    """Header and verification of a full backup; the file is never written over."""
    old = bench.server()
    path = bench.path("one.bak")
    assert old.backup_header(path) is None
    old.backup_full(bench.full, path, name="one", copy_only=False)
    header = old.backup_header(path)
    assert (header.name, header.kind, header.database, header.sets) == ("one", "full", bench.full, 1)
    assert header.has_checksums
    assert not header.is_damaged
    assert header.software_major == 15
    assert header.family_guid.upper() == old.database(bench.full).family_guid.upper()
    old.verify_backup(path)
    with pytest.raises(Refused):
        old.backup_full(bench.full, path, name="two", copy_only=True)
    assert old.backup_header(path).name == "one"


def test_a_log_backup_needs_a_chain(bench):
    """4214 before the first full backup, 4208 in SIMPLE recovery."""
    old = bench.server()
    if not bench.is_fake:  # the fake's databases have been backed up before
        assert not old.log_chain_starts(bench.full)
        with pytest.raises(ServerError) as caught:
            old.backup_log(bench.full, bench.path("early.trn"), name="early")
        assert caught.value.number == 4214
    old.backup_full(bench.full, bench.path("base.bak"), name="base", copy_only=False)
    assert old.log_chain_starts(bench.full)
    old.backup_log(bench.full, bench.path("log.trn"), name="log")
    assert old.backup_header(bench.path("log.trn")).kind == "log"
    assert not old.log_chain_starts(bench.simple)
    with pytest.raises(ServerError) as caught:
        old.backup_log(bench.simple, bench.path("simple.trn"), name="no")
    assert caught.value.number == 4208


def test_the_history_of_log_backups(bench):
    """Whoever took them, in the order in which they are restored; later than a position only; of that database only."""
    old, new = seed(bench, bench.full)
    reached = old.backup_header(bench.path(f"{bench.full}.bak")).last_lsn
    assert old.log_backups_since(bench.full, reached) == ()
    for file in ("1.trn", "2.trn"):
        bench.write("old", bench.full)
        old.backup_log(bench.full, bench.path(file), name=file)
    found = old.log_backups_since(bench.full, reached)
    assert [(one.path, one.device, one.position) for one in found] == [
        (bench.path("1.trn"), "disk", 1),
        (bench.path("2.trn"), "disk", 1),
    ]
    assert found[0].last_lsn == found[1].first_lsn
    assert int(found[0].first_lsn) <= int(reached)
    assert old.backup_header(found[0].path, 1).last_lsn == found[0].last_lsn
    assert old.backup_header(found[0].path, 2) is None
    assert old.log_backups_since(bench.full, found[0].last_lsn) == found[1:]
    assert old.log_backups_since(bench.simple, "0") == ()
    for one in found:
        new.restore_log(bench.full, one.path, one.position)
    new.recover(bench.full)
    assert inside(new, bench.full) == inside(old, bench.full)


def test_moving_a_database_with_its_tail(bench):
    """What was written up to the cut is on the other side, and the old side takes nothing more."""
    old, new = seed(bench, bench.full)
    assert new.database(bench.full).state is DatabaseState.RESTORING
    assert new.database(bench.full).family_guid is None
    bench.write("old", bench.full)
    before = inside(old, bench.full)
    empty(old, bench.full)
    old.cut_tail(bench.full, bench.path("tail.trn"), name="tail")
    assert old.database(bench.full).state is DatabaseState.RESTORING
    new.restore_log(bench.full, bench.path("tail.trn"))
    new.recover(bench.full)
    found = new.database(bench.full)
    assert found.state is DatabaseState.ONLINE
    assert found.internal_version > (old.databases()[bench.simple].internal_version or 0)
    assert inside(new, bench.full) == before
    with pytest.raises(ServerError) as caught:
        old.tables(bench.full)
    assert caught.value.number == 927


def test_the_way_back_after_the_cut(bench):
    """Recovery on the old side brings back exactly what was cut."""
    old, _ = seed(bench, bench.full)
    bench.write("old", bench.full)
    before, identity = inside(old, bench.full), old.database(bench.full)
    empty(old, bench.full)
    old.cut_tail(bench.full, bench.path("tail.trn"), name="tail")
    old.recover(bench.full)
    old.set_user_access(bench.full, UserAccess.MULTI_USER)
    assert inside(old, bench.full) == before
    assert old.database(bench.full).family_guid == identity.family_guid
    assert old.database(bench.full).state is DatabaseState.ONLINE


def test_moving_a_simple_database(bench):
    """A final differential and an old side that is closed, on one connection."""
    old, new = seed(bench, bench.simple)
    bench.write("old", bench.full if bench.is_fake else bench.simple)
    before = inside(old, bench.simple)
    empty(old, bench.simple)
    old.cut_differential(bench.simple, bench.path("diff.bak"), name="diff")
    assert old.database(bench.simple).state is DatabaseState.OFFLINE
    assert old.backup_header(bench.path("diff.bak")).kind == "differential"
    until = old.backup_header(bench.path("diff.bak")).last_lsn
    assert new.restored_until(bench.simple) not in ("", until)
    new.restore_differential(bench.simple, bench.path("diff.bak"))
    assert new.restored_until(bench.simple) == until
    with pytest.raises(ServerError) as twice:
        new.restore_differential(bench.simple, bench.path("diff.bak"))
    assert twice.value.number == 3136
    new.recover(bench.simple)
    new.set_user_access(bench.simple, UserAccess.MULTI_USER)
    assert inside(new, bench.simple) == before
    old.set_online(bench.simple)
    old.set_user_access(bench.simple, UserAccess.MULTI_USER)
    assert inside(old, bench.simple) == before


def test_a_restore_replaces_nothing(bench):
    """A database of that name stays as it is."""
    old, new = seed(bench, bench.full)
    new.recover(bench.full)
    with pytest.raises(Refused):
        new.restore_full(bench.full, bench.path(f"{bench.full}.bak"), moves={})
    with pytest.raises(Refused):
        old.restore_full(bench.full, bench.path(f"{bench.full}.bak"), moves={})
    assert old.database(bench.full).state is DatabaseState.ONLINE


def test_there_is_no_way_down(bench):
    """A backup of the newer version is refused by the older (3169)."""
    old, new = seed(bench, bench.full)
    new.recover(bench.full)
    new.backup_full(bench.full, bench.path("newer.bak"), name="newer", copy_only=True)
    old.drop_database(bench.full)
    with pytest.raises(ServerError) as caught:
        old.restore_full(bench.full, bench.path("newer.bak"), moves={})
    assert caught.value.number == 3169


def test_a_missing_backup(bench):
    """3201 names the file that is not there."""
    with pytest.raises(ServerError) as caught:
        bench.server("new").restore_full("Nothing1", bench.path("none.bak"), moves={})
    assert caught.value.number == 3201


def test_a_snapshot_brings_back_what_was(bench):
    """A batch changes the database, the revert undoes it; the log chain has to be begun anew."""
    old = bench.server()
    old.backup_full(bench.full, bench.path("base.bak"), name="base", copy_only=False)
    before = inside(old, bench.full)
    snapshot = f"{bench.full}_run1"
    old.create_snapshot(bench.full, snapshot)
    assert old.snapshots(bench.full) == (snapshot,)
    assert old.database(snapshot).snapshot_of == bench.full
    old.run_batch(bench.full, "ALTER TABLE dbo.Contact ADD Consent bit NULL")
    assert inside(old, bench.full) != before
    old.set_user_access(bench.full, UserAccess.RESTRICTED_USER)
    old.revert_to_snapshot(bench.full, snapshot)
    old.drop_snapshot(snapshot)
    assert old.database(snapshot) is None
    old.set_user_access(bench.full, UserAccess.MULTI_USER)
    assert inside(old, bench.full) == before
    assert not old.log_chain_starts(bench.full)
    with pytest.raises(ServerError) as caught:
        old.backup_log(bench.full, bench.path("after.trn"), name="after")
    assert caught.value.number == 4214


def test_dropping_a_snapshot_never_drops_a_database(bench):
    """The name of a database is refused."""
    with pytest.raises(Refused):
        bench.server().drop_snapshot(bench.full)
    assert bench.server().database(bench.full) is not None


def test_jobs(bench):
    """A job is created disabled with all its parts, enabled, disabled and deleted."""
    new = bench.server("new")
    definition = JobDefinition(
        name=f"send {bench.full}",
        enabled=True,
        description="it's\na job",
        owner="sa",
        start_step_id=1,
        steps=(
            JobStep(1, "first", "TSQL", "SELECT 'a'", "master", 3, 2, 1, 2),
            JobStep(2, "second", "TSQL", "SELECT 2", "master"),
        ),
        schedules=(replace(SCHEDULE, name=f"nightly {bench.full}"),),
    )
    new.create_job(definition)
    (job,) = [job for job in new.jobs() if job.name == definition.name]
    assert not job.enabled
    assert not job.running
    if not bench.is_fake:
        assert new.job_definition(job.job_id) == replace(definition, enabled=False)
    new.set_job_enabled(job.job_id, enabled=True)
    assert [job.enabled for job in new.jobs() if job.name == definition.name] == [True]
    new.stop_job(job.job_id)
    new.delete_job(definition.name)
    new.delete_job(definition.name)
    assert definition.name not in [job.name for job in new.jobs()]


def test_logins_are_carried_with_hash_and_sid(bench):
    """What one server says of a login is what another makes of it; its password goes along unseen."""
    old, new = bench.server("old"), bench.server("new")
    if not bench.is_fake:
        name = f"app{bench.serial}"
        bench.sql("old", "master", f"CREATE LOGIN [{name}] WITH PASSWORD = N'Sm0ke!Signal', CHECK_POLICY = OFF")
    else:
        name = "mailer_app"
    (login,) = [login for login in old.logins() if login.name == name]
    new.create_login(login)
    assert [one for one in new.logins() if one.name == name] == [login]
    assert isinstance(login, Login)
    with pytest.raises(ServerError) as caught:
        new.create_login(login)
    assert caught.value.number == 15025
    new.drop_login(name)
    assert name not in [one.name for one in new.logins()]
    assert not [entry for entry in bench.log.entries if str(login.password_hash)[4:] in entry.text]


def test_options_owner_and_users(bench):
    """What a restore elsewhere does not carry can be put back."""
    old = bench.server()
    for option, value in (("TRUSTWORTHY", "ON"), ("DB_CHAINING", "ON"), ("AUTO_CLOSE", "OFF"), ("PAGE_VERIFY", "NONE")):
        old.set_option(bench.full, option, value)
        assert old.database(bench.full).options[option] == value
    old.set_owner(bench.full, "sa")
    assert old.database(bench.full).owner == "sa"


def test_the_log_moves_with_every_write(bench):
    """Nothing written, the same number; a row, another one."""
    old = bench.server()
    first = old.log_sequence(bench.full)
    assert old.log_sequence(bench.full) == first
    bench.write("old", bench.full)
    assert old.log_sequence(bench.full) != first


@pytest.mark.parametrize("level", ProofLevel)
def test_a_row_more_is_noticed(bench, level):
    """On every level a proof sees a row that slipped in; unchanged tables have equal proofs."""
    old = bench.server()
    before = proofs(old, bench.full, level)
    assert proofs(old, bench.full, level) == before
    assert all(proof.level is level for proof in before)
    bench.write("old", bench.full)
    assert proofs(old, bench.full, level) != before


def test_a_query_of_the_plan(bench):
    """Columns and rows of the first result."""
    found = bench.server().query(bench.full, f"SELECT COUNT(*) FROM {bench.table(bench.full)}")
    assert len(found.rows) == 1
    assert found.rows[0][0] > 0


def test_a_clean_database(bench):
    """DBCC CHECKDB finds nothing, and the server remembers that it looked."""
    old = bench.server()
    assert old.check_database(bench.full) == ()
    assert old.last_good_checkdb(bench.full) is not None


def test_somebody_elses_server_is_not_touched(bench):
    """A pinned name or family that does not answer stops every change."""
    old = bench.server()
    identity, found = old.identity(), old.database(bench.full)
    old.pin(identity, {bench.full: (found.family_guid, found.created_at)})
    old.set_user_access(bench.full, UserAccess.RESTRICTED_USER)
    old.pin(replace(identity, server_name="OTHER"), {})
    with pytest.raises(WrongTarget):
        old.set_user_access(bench.full, UserAccess.MULTI_USER)
    old.pin(identity, {bench.full: ("0F8FAD5B-D9CB-469F-A165-70867728950E", found.created_at)})
    with pytest.raises(WrongTarget):
        old.drop_database(bench.full)
    old.pin(identity, {})
    old.set_user_access(bench.full, UserAccess.MULTI_USER)


def test_one_run_holds_an_instance(bench):
    """A second executor is refused while the first holds the lock, and not afterwards."""
    first, second = bench.server(fence=1), bench.server(fence=2)
    with first.application_lock("run"), pytest.raises(AlreadyRunning), second.application_lock("run"):
        pass
    with second.application_lock("run"):
        pass


def test_a_hanging_statement_is_ended(bench):
    """Cancelled while it hangs: it is over on the server when the call returns."""
    bench.hang("old", "BACKUP DATABASE")
    bench.stop_soon()
    with pytest.raises(Cancelled):
        bench.server().backup_full(bench.full, bench.path("hung.bak"), name="hung", copy_only=True)
