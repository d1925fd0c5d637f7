"""The fake refuses what SQL Server refuses about states, sessions, snapshots, logins and jobs."""

from __future__ import annotations

import pytest

from runbook.errors import AlreadyRunning, Refused, Unreachable, WrongTarget
from runbook.ports import DatabaseState, Login, ProofLevel, UserAccess
from runbook.testing import FakeSqlServer, PowerCut, World
from runbook.testing.content import Table
from runbook.testing.model import sample_job
from tests.unit.testing.test_backups import refused


@pytest.fixture
def world():
    return World.mailer()


@pytest.fixture
def old(world):
    return FakeSqlServer(world, "old")


def test_the_plugged_in_identity(old):
    """Version, edition and paths as a 2019 on Linux has them."""
    identity = old.identity()
    assert (identity.server_name, identity.major, identity.path_separator) == ("OLDSQL", 15, "/")


def test_restricting_throws_ordinary_clients_out_and_keeps_them_out(world, old):
    """ROLLBACK IMMEDIATE ends their sessions; 923 for who comes back; administrators stay."""
    admin = world.servers["old"].connect("Contacts", "dba", privileged=True)
    old.set_user_access("Contacts", UserAccess.RESTRICTED_USER)
    world.clock.advance(60)
    assert [session.session_id for session in old.sessions("Contacts")] == [admin.session_id]
    refused(923, world.servers["old"].connect, "Contacts")
    assert world.users_write() == ["old Campaigns dbo.Campaigns", "old Archive dbo.Archive"]


def test_a_pool_comes_back_when_the_door_opens(world, old):
    """A second after the door opened, the sessions are there again under new numbers."""
    before = old.sessions("Contacts")
    old.set_user_access("Contacts", UserAccess.RESTRICTED_USER)
    old.set_user_access("Contacts", UserAccess.MULTI_USER)
    assert old.sessions("Contacts") == ()
    world.clock.advance(2)
    after = old.sessions("Contacts")
    assert [one.login for one in after] == ["mailer_app"]
    assert after[0].session_id != before[0].session_id


def test_killing_without_closing_the_door_does_not_help(world, old):
    """A pool reconnects; a session that is gone is success."""
    session = old.sessions("Contacts")[0].session_id
    old.kill(session)
    assert old.sessions("Contacts") == ()
    world.clock.advance(2)
    assert len(old.sessions("Contacts")) == 1
    old.kill(session)


def test_the_single_user_slot_can_be_stolen(world, old):
    """Another client takes it; then 924 to enter and 5064 to change it, until its session is killed."""
    old.set_user_access("Contacts", UserAccess.SINGLE_USER)
    world.clock.advance(2)
    refused(924, old.tables, "Contacts")
    refused(5064, old.set_user_access, "Contacts", UserAccess.MULTI_USER)
    old.kill(old.sessions("Contacts")[0].session_id)
    old.set_user_access("Contacts", UserAccess.MULTI_USER)


def test_states_gate_everything(world, old):
    """Not open: 927 or 942 to read, 5052 to alter; identity that only an open database tells is None."""
    old.set_user_access("Contacts", UserAccess.RESTRICTED_USER)
    old.cut_tail("Contacts", "/exchange/c.trn", name="c")
    info = old.database("contacts")
    assert (info.state, info.family_guid, info.internal_version, info.collation) == ("RESTORING", None, None, None)
    for call in (old.tables, old.positions, old.objects, old.log_sequence, old.edition_features):
        refused(927, call, "Contacts")
    refused(5052, old.set_user_access, "Contacts", UserAccess.MULTI_USER)
    refused(5052, old.set_online, "Contacts")
    refused(5052, old.set_option, "Contacts", "BROKER", "ON")
    refused(5011, old.set_user_access, "Nowhere", UserAccess.MULTI_USER)
    old.cut_differential("Archive", "/exchange/a.dif", name="a")
    refused(942, old.tables, "Archive")
    old.set_online("Archive")
    old.set_online("Archive")
    assert old.database("Archive").user_access is UserAccess.SINGLE_USER


def test_proofs_see_content_and_not_order(world, old):
    """Content: every byte; sample: some rows; count: none. Order of rows never counts."""
    rows = {key: (key, f"row {key}") for key in range(1, 200)}
    table = Table("dbo.T", rows=rows)
    shuffled = Table("dbo.T", rows={1000 - key: row for key, row in reversed(rows.items())})
    for level in ProofLevel:
        assert table.proof(level) == shuffled.proof(level)
    changed = table.corrupted()
    assert table.proof(ProofLevel.CONTENT) != changed.proof(ProofLevel.CONTENT)
    assert table.proof(ProofLevel.COUNT) == changed.proof(ProofLevel.COUNT)
    assert table.proof(ProofLevel.COUNT).digest == ""
    info = old.tables("Contacts")[0]
    first = old.prove_table("Contacts", info, ProofLevel.CONTENT)
    world.users_write()
    assert old.prove_table("Contacts", info, ProofLevel.CONTENT) != first
    assert old.positions("Contacts")["identity dbo.Contacts"] == "6"


def test_objects_include_columns_and_users(old):
    """A definition, a column and a user's SID each have a digest."""
    names = old.objects("Contacts")
    assert {"view dbo.vContacts", "table dbo.Contacts", "column dbo.Contacts.Id", "user mailer_app"} <= set(names)


def test_snapshots_hold_the_moment(world, old):
    """Reads from it see the moment; a revert brings content and settings back and breaks the log chain."""
    before = world.content("old")["databases"]["Contacts"]
    old.create_snapshot("Contacts", "Contacts_run1")
    world.users_write()
    old.set_option("Contacts", "TRUSTWORTHY", "OFF")
    old.run_batch("Contacts", "ALTER TABLE dbo.Contacts ADD X int")
    assert old.snapshots("Contacts") == ("Contacts_run1",)
    assert old.prove_table("Contacts_run1", old.tables("Contacts_run1")[0], ProofLevel.CONTENT).rows == 5
    old.revert_to_snapshot("Contacts", "Contacts_run1")
    assert world.content("old")["databases"]["Contacts"] == before
    assert old.log_chain_starts("Contacts") is False
    refused(4214, old.backup_log, "Contacts", "/exchange/c.trn", name="c")
    old.drop_snapshot("Contacts_run1")
    assert old.snapshots("Contacts") == ()


def test_snapshots_refuse_what_the_server_refuses(world, old):
    """1801, 1821, 1822, 3137 with a second one, 3709 to drop the source, 3701 unknown, and no database by mistake."""
    old.create_snapshot("Contacts", "S1")
    refused(1801, old.create_snapshot, "Campaigns", "S1")
    refused(1821, old.create_snapshot, "S1", "S2")
    refused(5093, old.set_user_access, "S1", UserAccess.SINGLE_USER)
    refused(3906, old.run_batch, "S1", "DELETE dbo.Contacts")
    refused(3002, old.backup_full, "S1", "/exchange/s.bak", name="s", copy_only=True)
    refused(3137, old.revert_to_snapshot, "Campaigns", "S1")
    refused(3709, old.drop_database, "Contacts")
    refused(3701, old.drop_snapshot, "S9")
    with pytest.raises(Refused, match="not a snapshot"):
        old.drop_snapshot("Campaigns")
    old.set_user_access("Contacts", UserAccess.MULTI_USER)
    old.create_snapshot("Contacts", "S2")
    refused(3137, old.revert_to_snapshot, "Contacts", "S1")
    old.cut_differential("Archive", "/exchange/a.dif", name="a")
    refused(1822, old.create_snapshot, "Archive", "S3")


def test_a_revert_cut_off_is_in_restore_until_repeated(world, old):
    """After a crash the revert can be repeated; nothing else brings the database back."""
    before = world.data("old")["Contacts"]
    old.create_snapshot("Contacts", "S1")
    world.users_write()
    world.pull_plug(name="revert", moment="middle")
    with pytest.raises(PowerCut):
        old.revert_to_snapshot("Contacts", "S1")
    world.next_process()
    old = FakeSqlServer(world, "old")
    assert old.database("Contacts").state is DatabaseState.RESTORING
    refused(4333, old.recover, "Contacts")
    old.revert_to_snapshot("Contacts", "S1")
    assert world.data("old")["Contacts"] == before


def test_dropping_ends_who_is_inside_and_spares_what_is_offline(world, old):
    """As the adapter: sessions are ended first; an offline database would leave its files behind."""
    old.drop_database("Contacts")
    assert old.database("Contacts") is None
    refused(3701, old.drop_database, "Contacts")
    old.cut_differential("Archive", "/exchange/a.dif", name="a")
    with pytest.raises(Refused, match="offline"):
        old.drop_database("Archive")


def test_logins(world, old):
    """15025 and 15433 for duplicates, 15151 for the unknown, an owner without login is None."""
    login = Login("x", "S", "0x99", "0x0200", "master", False, True, False)
    old.create_login(login)
    refused(15025, old.create_login, login)
    refused(15433, old.create_login, Login("y", "S", "0x99", "0x0200", "master", False, True, False))
    old.set_owner("Contacts", "x")
    assert old.database("Contacts").owner == "x"
    old.drop_login("x")
    assert old.database("Contacts").owner is None
    old.drop_login("x")
    refused(15151, old.set_owner, "Contacts", "x")
    refused(15434, old.drop_login, "mailer_app")
    refused(15151, old.map_user, "Contacts", "nobody", "report_reader")
    before = old.objects("Contacts")
    refused(15063, old.map_user, "Contacts", "mailer_app", "report_reader")
    refused(15110, old.set_owner, "Contacts", "report_reader")
    old.map_user("Contacts", "mailer_app", "old_admin")
    assert old.objects("Contacts")["user mailer_app"] != before["user mailer_app"]


def test_jobs(world, old):
    """Created disabled, deleted by name, stopped a moment after being asked to."""
    assert {job.name: job.enabled for job in old.jobs()} == {
        "scheduled-sends": True,
        "nightly-rollup": True,
        "old-import": False,
    }
    job = old.jobs()[0]
    old.set_job_enabled(job.job_id, enabled=False)
    assert old.jobs()[0].enabled is False
    old.stop_job(job.job_id)
    world.servers["old"].jobs[job.job_id].running_until = world.clock.now().replace(year=2030)
    assert old.jobs()[0].running
    old.stop_job(job.job_id)
    world.clock.advance(2)
    assert not old.jobs()[0].running
    old.create_job(sample_job("fresh", "Contacts"))
    refused(14261, old.create_job, sample_job("fresh", "Contacts"))
    assert [one.enabled for one in old.jobs() if one.name == "fresh"] == [False]
    definition = old.job_definition(next(one.job_id for one in old.jobs() if one.name == "fresh"))
    assert definition.steps[0].command == "EXEC dbo.fresh"
    old.delete_job("fresh")
    old.delete_job("fresh")
    refused(14262, old.set_job_enabled, "no-such-id", enabled=True)


def test_batches_leave_a_mark_and_show_when_run_twice(world, old):
    """A batch nobody taught is seen in the definitions, once for each time; a taught one does what it does."""
    old.run_batch("Contacts", "EXEC dbo.upgrade")
    once = world.data("old")["Contacts"]
    old.run_batch("Contacts", "EXEC dbo.upgrade")
    assert world.data("old")["Contacts"] != once
    world.batches["INSERT 1"] = lambda content: content.with_row("dbo.Contacts", "from the batch")
    old.run_batch("Contacts", "INSERT 1")
    assert world.data("old")["Contacts"]["tables"]["dbo.Contacts"][-1] == [6, "from the batch"]


def test_queries_are_counted_taught_or_refused(world, old):
    """SELECT COUNT(*) is understood, others must be taught: never a pretended answer."""
    assert old.query("Contacts", "SELECT COUNT(*) FROM [dbo].[Contacts]").rows == ((5,),)
    world.answers["SELECT 1"] = (("one",), ((1,), (2,)))
    assert old.query("Contacts", "SELECT 1", max_rows=1).rows == ((1,),)
    refused(50999, old.query, "Contacts", "SELECT 2")
    refused(208, old.query, "Contacts", "SELECT COUNT(*) FROM dbo.Nothing")


def test_checkdb_tells_what_is_broken(world, old):
    """Findings as they are; a clean one is remembered with its date."""
    world.clock.advance(1000)
    assert old.check_database("Contacts") == ()
    assert old.last_good_checkdb("Contacts") == world.clock.now()
    world.servers["old"].get("Campaigns").findings = ("table error: object 5",)
    assert old.check_database("Campaigns") == ("table error: object 5",)


def test_a_pinned_server_refuses_to_be_another(world, old):
    """The right target, looked at before every change."""
    info = old.database("Contacts")
    old.pin(old.identity(), {"Contacts": (info.family_guid, info.created_at)})
    old.set_option("Contacts", "AUTO_CLOSE", "ON")
    world.servers["old"].get("Contacts").family_guid = "ANOTHER"
    with pytest.raises(WrongTarget):
        old.set_option("Contacts", "AUTO_CLOSE", "OFF")
    world.servers["old"].server_name = "ELSEWHERE"
    with pytest.raises(WrongTarget):
        old.set_job_enabled("x", enabled=True)


def test_one_executor_at_a_time(world, old):
    """The lock of a dead process is gone with it."""
    with old.application_lock("run-1"), pytest.raises(AlreadyRunning):
        old.application_lock("run-2").__enter__()
    lock = old.application_lock("run-1")
    lock.__enter__()
    world.next_process()
    with FakeSqlServer(world, "old").application_lock("run-2"):
        pass


def test_volumes_count_what_lies_on_them(world, old):
    """Databases and backups take space on the volume they lie on."""
    before = old.volumes(["/exchange"])[0].available_bytes
    old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    after = old.volumes(["/exchange"])[0].available_bytes
    assert before - after == old.database("Contacts").used_bytes
    assert old.volumes(["/nowhere"]) == ()
    assert len(old.volumes(["/exchange", "/backup", "/var/opt/mssql/backup"])) == 2


def test_a_server_that_is_down_answers_nothing(world, old):
    """Nothing is sent, so nothing is in doubt; clients are gone; it comes back as it was."""
    world.kill_server("old")
    with pytest.raises(Unreachable):
        old.databases()
    with pytest.raises(Unreachable):
        old.set_owner("Contacts", "sa")
    assert world.public() == "broken"
    world.start_server("old")
    assert len(old.databases()) == 3
