"""The contract of the port SqlServer, on the fake and on the sandbox through the real adapter and driver."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from runbook.errors import AlreadyRunning, Cancelled, Refused, ServerError
from runbook.ports import DatabaseState, Login, ProofLevel, RecoveryModel, UserAccess
from runbook.testing.model import sample_job


@pytest.fixture
def old(servers):
    return servers.open("old")


@pytest.fixture
def new(servers):
    return servers.open("new")


def refused(number, call, *args, **kwargs):
    with pytest.raises(ServerError) as caught:
        call(*args, **kwargs)
    assert caught.value.number == number, caught.value
    assert caught.value.in_doubt is False


def moves(new, old, name):
    """Every file under the same name in the directory of the new server."""
    directory = new.identity().data_path
    return {one.logical_name: directory + one.path.replace("\\", "/").rsplit("/", 1)[-1] for one in old.files(name)}


def seed(servers, old, new, name, *, copy_only=False):
    path = servers.path("full.bak")
    old.backup_full(name, path, name="seed", copy_only=copy_only)
    new.restore_full(name, path, moves=moves(new, old, name))


def content(server, name):
    return [server.prove_table(name, table, ProofLevel.CONTENT) for table in server.tables(name)]


# -- who and what is there


def test_says_who_it_is(old, new):
    """Name, version and paths; the clock is UTC; this login may do everything."""
    assert [(one.server_name, one.major) for one in (old.identity(), new.identity())] == [
        ("OLDSQL", 15),
        ("NEWSQL", 16),
    ]
    identity = old.identity()
    assert identity.data_path.endswith(identity.path_separator)
    assert identity.backup_path
    assert old.utcnow().tzinfo is UTC
    assert old.missing_permissions() == ()
    assert old.has_agent() is True


def test_describes_a_database(servers, old):
    """State, access, recovery model, identity and options; None for one that is not there."""
    name = servers.make("a")
    info = old.database(name)
    assert (info.name, info.state, info.user_access) == (name, DatabaseState.ONLINE, UserAccess.MULTI_USER)
    assert (info.recovery_model, info.compatibility_level, info.internal_version) == (RecoveryModel.FULL, 150, 904)
    assert (info.owner, info.snapshot_of, info.is_read_only) == ("sa", None, False)
    assert info.family_guid
    assert info.created_at
    assert info.options["PAGE_VERIFY"] == "CHECKSUM"
    assert info.options["TRUSTWORTHY"] == "OFF"
    assert info.size_bytes >= info.used_bytes > 0
    assert old.databases()[name] == info
    assert old.database("no-such-database") is None


def test_knows_files_and_volumes(servers, old):
    """Data and log file by kind, and the volume they lie on."""
    name = servers.make("a")
    assert sorted(file.kind for file in old.files(name)) == ["LOG", "ROWS"]
    assert old.files("no-such-database") == ()
    volumes = old.volumes([old.identity().data_path])
    assert all(volume.available_bytes > 0 for volume in volumes)


def test_counts_tables_positions_and_objects(servers, old):
    """What a proof is made of; a row moves the position, a batch changes the objects."""
    name = servers.make("a", "b")
    (table,) = old.tables(name)
    assert (table.name, table.rows, [column for column, _ in table.columns]) == ("dbo.Item", 2, ["Id", "Text"])
    positions, objects = old.positions(name), old.objects(name)
    assert positions == {"identity dbo.Item": "2"}
    assert {"view dbo.vItem", "column dbo.Item.Text"} <= set(objects)
    servers.insert(name, "c")
    assert old.positions(name) == {"identity dbo.Item": "3"}
    assert old.objects(name) == objects
    old.run_batch(name, "CREATE TABLE dbo.Fresh (Id int NOT NULL)")
    assert old.objects(name) != objects


def test_the_log_moves_with_every_change(servers, old):
    """For: nothing was written since."""
    name = servers.make("a")
    before = old.log_sequence(name)
    assert old.log_sequence(name) == before
    servers.insert(name, "b")
    assert old.log_sequence(name) != before


# -- proofs


def test_equal_content_has_equal_proofs_on_both_versions(servers, old, new):
    """Also after the trip through a backup onto a newer server."""
    name = servers.make("Zoë", "", "trailing  ", "漢字 ✓", "O'Hara")
    seed(servers, old, new, name)
    new.recover(name)
    assert content(old, name) == content(new, name)


def test_a_change_is_seen_at_its_level(servers, old):
    """Content sees an update, a count does not; both see a row more."""
    name = servers.make("a", "b", "c")
    (table,) = old.tables(name)
    before = {level: old.prove_table(name, table, level) for level in ProofLevel}
    assert before[ProofLevel.COUNT].digest == ""
    assert [one.rows for one in before.values()] == [3, 3, 3]
    servers.insert(name, "d")
    after = {level: old.prove_table(name, table, level) for level in ProofLevel}
    assert after[ProofLevel.CONTENT].digest != before[ProofLevel.CONTENT].digest
    assert [one.rows for one in after.values()] == [4, 4, 4]


def test_queries_answer_and_refuse(servers, old):
    """The plan's own checks: the first result set, bounded; 208 for a table that is not there."""
    name = servers.make("a", "b")
    assert old.query(name, "SELECT COUNT(*) FROM dbo.Item").rows == ((2,),)
    refused(208, old.query, name, "SELECT COUNT(*) FROM dbo.Nothing")


# -- the side-by-side chain


def test_full_log_and_tail_carry_everything_and_the_way_back_loses_nothing(servers, old, new):
    """The old one is fenced with the cut, and comes back as it was cut."""
    name = servers.make("a")
    seed(servers, old, new, name)
    servers.insert(name, "b")
    log, tail = servers.path("1.trn"), servers.path("tail.trn")
    old.backup_log(name, log, name="log")
    new.restore_log(name, log)
    servers.insert(name, "c")
    proof = content(old, name)
    old.cut_tail(name, tail, name="tail of the run")
    assert old.database(name).state is DatabaseState.RESTORING
    assert new.database(name).state is DatabaseState.RESTORING
    new.restore_log(name, tail)
    new.recover(name)
    assert content(new, name) == proof
    assert new.database(name).internal_version == 957
    old.recover(name)
    assert content(old, name) == proof
    assert (old.database(name).state, old.log_chain_starts(name)) == (DatabaseState.ONLINE, True)


def test_a_differential_cut_carries_everything_and_fences(servers, old, new):
    """For SIMPLE recovery: offline afterwards, and online again as it was."""
    name = servers.make("a", simple=True)
    seed(servers, old, new, name)
    servers.insert(name, "b")
    proof = content(old, name)
    path = servers.path("cut.dif")
    old.cut_differential(name, path, name="cut")
    assert old.database(name).state is DatabaseState.OFFLINE
    new.restore_differential(name, path)
    new.recover(name)
    new.set_user_access(name, UserAccess.MULTI_USER)
    assert content(new, name) == proof
    old.set_online(name)
    old.set_online(name)
    old.set_user_access(name, UserAccess.MULTI_USER)
    assert content(old, name) == proof


def test_headers_tell_what_a_backup_is(servers, old):
    """By name, kind, database and family; None without a file, an error for what is no backup."""
    name = servers.make("a")
    full, log, notes = servers.path("f.bak"), servers.path("l.trn"), servers.path("notes.txt")
    assert old.backup_header(full) is None
    old.backup_full(name, full, name="seed of the run", copy_only=True)
    old.backup_log(name, log, name="log of the run")
    header = old.backup_header(full)
    assert (header.name, header.kind, header.database) == ("seed of the run", "full", name)
    assert (header.has_checksums, header.is_damaged, header.is_copy_only) == (True, False, True)
    assert (header.software_major, header.sets) == (15, 1)
    assert header.family_guid == old.database(name).family_guid
    assert (old.backup_header(log).name, old.backup_header(log).kind) == ("log of the run", "log")
    old.verify_backup(full)
    servers.stranger(notes)
    with pytest.raises(ServerError):
        old.backup_header(notes)


def test_a_restore_point_is_never_written_over(servers, old):
    """Neither a backup nor somebody's notes."""
    name = servers.make("a")
    full, notes = servers.path("f.bak"), servers.path("notes.txt")
    old.backup_full(name, full, name="first", copy_only=True)
    servers.stranger(notes)
    for path in (full, notes):
        with pytest.raises(Refused, match="there already"):
            old.backup_full(name, path, name="second", copy_only=True)
    assert old.backup_header(full).name == "first"


def test_a_database_is_never_restored_over(servers, old, new):
    """Refused while it is open; a restore that was begun may begin again."""
    name = servers.make("a")
    path = servers.path("f.bak")
    old.backup_full(name, path, name="seed", copy_only=True)
    where = moves(new, old, name)
    new.restore_full(name, path, moves=where)
    new.restore_full(name, path, moves=where)
    new.recover(name)
    with pytest.raises(Refused, match="there already"):
        new.restore_full(name, path, moves=where)


def test_a_copy_differs_as_documented(servers, old, new):
    """TRUSTWORTHY stays behind, compatibility and family travel."""
    name = servers.make("a")
    old.set_option(name, "TRUSTWORTHY", "ON")
    old.set_option(name, "AUTO_SHRINK", "ON")
    assert old.database(name).options["TRUSTWORTHY"] == "ON"
    seed(servers, old, new, name)
    new.recover(name)
    was, copy = old.database(name), new.database(name)
    assert (copy.options["TRUSTWORTHY"], copy.options["AUTO_SHRINK"]) == ("OFF", "ON")
    assert (copy.compatibility_level, copy.family_guid) == (150, was.family_guid)
    assert copy.created_at != was.created_at


# -- what is refused, by the server's numbers


def test_no_log_backup_without_a_full_one(servers, old):
    """4214, also after a copy-only full; and the chain says so beforehand."""
    name = servers.make("a", backed_up=False)
    assert old.log_chain_starts(name) is False
    refused(4214, old.backup_log, name, servers.path("l.trn"), name="l")
    old.backup_full(name, servers.path("f.bak"), name="f", copy_only=False)
    assert old.log_chain_starts(name) is True
    old.backup_log(name, servers.path("l.trn"), name="l")


def test_no_log_backup_in_simple_recovery(servers, old):
    """4208."""
    name = servers.make("a", simple=True)
    refused(4208, old.backup_log, name, servers.path("l.trn"), name="l")
    refused(4208, old.cut_tail, name, servers.path("l.trn"), name="l")


def test_no_differential_without_its_base(servers, old, new):
    """3136 when a stranger's full backup came between."""
    name = servers.make("a", simple=True)
    seed(servers, old, new, name)
    old.backup_full(name, servers.path("nightly.bak"), name="nightly", copy_only=False)
    path = servers.path("cut.dif")
    old.cut_differential(name, path, name="cut")
    refused(3136, new.restore_differential, name, path)


def test_no_gap_in_the_chain(servers, old, new):
    """4305 for a log too late."""
    name = servers.make("a")
    seed(servers, old, new, name)
    first, second = servers.path("1.trn"), servers.path("2.trn")
    servers.insert(name, "b")
    old.backup_log(name, first, name="1")
    servers.insert(name, "c")
    old.backup_log(name, second, name="2")
    refused(4305, new.restore_log, name, second)
    new.restore_log(name, first)
    new.restore_log(name, second)
    new.recover(name)
    refused(3117, new.restore_log, name, second)


def test_no_way_down(servers, old, new):
    """3169: what a 2022 wrote a 2019 does not read."""
    name = servers.make("a")
    seed(servers, old, new, name)
    new.recover(name)
    path = servers.path("down.bak")
    new.backup_full(name, path, name="down", copy_only=True)
    refused(3169, old.restore_full, f"{name}Down", path, moves={})


def test_a_database_in_restore_is_closed(servers, old):
    """927 to read and to back up, 5052 to alter."""
    name = servers.make("a")
    old.cut_tail(name, servers.path("t.trn"), name="t")
    assert old.database(name).family_guid is None
    for call in (old.tables, old.positions, old.objects):
        refused(927, call, name)
    refused(927, old.backup_full, name, servers.path("f.bak"), name="f", copy_only=True)
    refused(5052, old.set_user_access, name, UserAccess.MULTI_USER)
    refused(5052, old.set_online, name)


def test_a_database_offline_is_closed(servers, old):
    """942; and it is not dropped, its files would stay."""
    name = servers.make("a", simple=True)
    old.cut_differential(name, servers.path("d.dif"), name="d")
    refused(942, old.tables, name)
    refused(942, old.backup_full, name, servers.path("f.bak"), name="f", copy_only=True)
    with pytest.raises(Refused, match="offline"):
        old.drop_database(name)


def test_what_is_not_there_is_refused(servers, old):
    """911, 3701, 3201, 5011 by what was asked."""
    refused(911, old.backup_full, "no-such-database", servers.path("f.bak"), name="f", copy_only=True)
    refused(911, old.tables, "no-such-database")
    refused(3701, old.drop_database, "no-such-database")
    refused(3701, old.drop_snapshot, "no-such-snapshot")
    refused(3201, old.verify_backup, servers.path("none.bak"))
    refused(5011, old.set_user_access, "no-such-database", UserAccess.MULTI_USER)


# -- clients


def test_sessions_are_seen_and_ended(servers, old):
    """The tail waits for nobody: 3101 while somebody is inside; killing one that is gone is success."""
    name = servers.make("a")
    with servers.client(name):
        sessions = old.sessions(name)
        assert len(sessions) == 1
        refused(3101, old.cut_tail, name, servers.path("t.trn"), name="t")
        old.kill(sessions[0].session_id)
        assert old.sessions(name) == ()
        old.kill(sessions[0].session_id)
    old.cut_tail(name, servers.path("t.trn"), name="t")


def test_access_is_set_and_survives_the_trip(servers, old, new):
    """RESTRICTED_USER in the backup is RESTRICTED_USER in the copy."""
    name = servers.make("a")
    old.set_user_access(name, UserAccess.RESTRICTED_USER)
    assert old.database(name).user_access is UserAccess.RESTRICTED_USER
    seed(servers, old, new, name)
    new.recover(name)
    assert new.database(name).user_access is UserAccess.RESTRICTED_USER
    old.set_user_access(name, UserAccess.MULTI_USER)
    assert old.database(name).user_access is UserAccess.MULTI_USER


# -- snapshots


def test_a_revert_brings_the_moment_back_and_breaks_the_chain(servers, old):
    """Content as it was; 4214 until a full backup; the snapshot stays until it is dropped."""
    name = servers.make("a", "b")
    proof, objects = content(old, name), old.objects(name)
    old.create_snapshot(name, f"{name}_snap")
    assert old.snapshots(name) == (f"{name}_snap",)
    assert old.database(f"{name}_snap").snapshot_of == name
    servers.insert(name, "c")
    old.run_batch(name, "CREATE TABLE dbo.Fresh (Id int NOT NULL)")
    assert content(old, f"{name}_snap") == proof
    old.revert_to_snapshot(name, f"{name}_snap")
    assert (content(old, name), old.objects(name)) == (proof, objects)
    assert old.log_chain_starts(name) is False
    refused(4214, old.backup_log, name, servers.path("l.trn"), name="l")
    old.drop_snapshot(f"{name}_snap")
    assert old.snapshots(name) == ()
    old.backup_full(name, servers.path("rebase.bak"), name="rebase", copy_only=False)
    old.backup_log(name, servers.path("l.trn"), name="l")


def test_snapshots_have_rules(servers, old):
    """1801 for a name twice, 3137 with a second snapshot, 3709 to drop the source; no database is taken for one."""
    name = servers.make("a")
    old.create_snapshot(name, f"{name}_1")
    refused(1801, old.create_snapshot, name, f"{name}_1")
    old.create_snapshot(name, f"{name}_2")
    refused(3137, old.revert_to_snapshot, name, f"{name}_1")
    refused(3709, old.drop_database, name)
    with pytest.raises(Refused, match="not a snapshot"):
        old.drop_snapshot(name)


# -- jobs, logins, owners


def test_jobs_are_carried_disabled_and_come_back_exactly(servers, old, new):
    """A definition read, created elsewhere and read there is the same, but for being disabled."""
    name = f"job-{servers.make('a')}"
    definition = replace(sample_job(name, "master"), description="Zoë's job")
    new.create_job(definition)
    refused(14261, new.create_job, definition)
    (job,) = [one for one in new.jobs() if one.name == name]
    assert (job.enabled, job.running, job.owner) == (False, False, "sa")
    assert replace(new.job_definition(job.job_id), enabled=True) == definition
    new.set_job_enabled(job.job_id, enabled=True)
    assert [one.enabled for one in new.jobs() if one.name == name] == [True]
    new.stop_job(job.job_id)
    new.delete_job(name)
    new.delete_job(name)
    assert [one for one in new.jobs() if one.name == name] == []


def test_logins_are_carried_with_sid_and_hash(servers, old):
    """So that users in restored databases find them; 15025 and 15151."""
    name = f"login-{servers.make('a')}"
    sid = "0x" + name.encode().hex().upper().ljust(32, "0")[:32]
    login = Login(name, "S", sid, "0x0200" + "AB" * 68, "master", True, False, False)
    old.create_login(login)
    assert [one for one in old.logins() if one.name == name] == [login]
    refused(15025, old.create_login, login)
    old.drop_login(name)
    refused(15151, old.drop_login, name)
    assert [one for one in old.logins() if one.name == name] == []


def test_owners_are_logins(servers, old):
    """15151 for a login that is not there; an owner whose login is gone is None."""
    name = servers.make("a")
    refused(15151, old.set_owner, name, "nobody-of-that-name")
    login = Login(f"owner-{name}", "S", "0x" + "5A" * 16, "0x0200" + "AB" * 68, "master", False, False, False)
    old.create_login(login)
    old.set_owner(name, login.name)
    assert old.database(name).owner == login.name
    old.set_owner(name, "sa")
    old.drop_login(login.name)


# -- checks, record, cancellation, one executor


def test_a_sound_database_is_found_sound(servers, old):
    """And when is remembered."""
    name = servers.make("a")
    assert old.check_database(name) == ()
    assert old.last_good_checkdb(name) is not None


def test_effects_are_recorded_and_looks_are_none(servers, old):
    """Each with its end."""
    name = servers.make("a")
    servers.log.entries.clear()
    old.database(name)
    assert servers.log.effects() == []
    old.set_option(name, "AUTO_SHRINK", "ON")
    assert len(servers.log.effects()) == 1
    assert all(entry.said == "ok" for entry in servers.log.entries)


def test_a_cancelled_run_changes_nothing_more(servers, old):
    """Told to stop, nothing is sent."""
    name = servers.make("a")
    servers.stop.stop("the window closes")
    with pytest.raises(Cancelled):
        old.set_user_access(name, UserAccess.RESTRICTED_USER)
    servers.stop = type(servers.stop)(servers.stop._clock)
    assert servers.open("old").database(name).user_access is UserAccess.MULTI_USER


def test_one_executor_on_an_instance(servers, old):
    """A second one is refused, until the first lets go."""
    with old.application_lock("run-1"), pytest.raises(AlreadyRunning), old.application_lock("run-2"):
        pass
    with old.application_lock("run-2"):
        pass
