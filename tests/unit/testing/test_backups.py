"""The fake refuses what SQL Server refuses about backups and restores, with its numbers."""

from __future__ import annotations

import pytest

from runbook.errors import Cancelled, Refused, ServerError
from runbook.ports import DatabaseState, UserAccess
from runbook.testing import FakeSqlServer, PowerCut, Stoppable, World


@pytest.fixture
def world():
    return World.mailer()


@pytest.fixture
def old(world):
    return FakeSqlServer(world, "old")


@pytest.fixture
def new(world):
    return FakeSqlServer(world, "new")


def refused(number, call, *args, **kwargs):
    with pytest.raises(ServerError) as caught:
        call(*args, **kwargs)
    assert caught.value.number == number, caught.value
    assert caught.value.in_doubt is False


def seed(old, new, name="Contacts", *, copy_only=False):
    old.backup_full(name, f"/exchange/{name}.bak", name="seed", copy_only=copy_only)
    new.restore_full(name, f"/exchange/{name}.bak", moves={})


def quiet(world, name="Contacts"):
    FakeSqlServer(world, "old").set_user_access(name, UserAccess.RESTRICTED_USER)


def test_what_is_restored_is_what_was_backed_up(world, old, new):
    """Content of the moment the backup ended, whatever is written afterwards."""
    world.users_write(text="before")
    old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    expected = world.data("old")["Contacts"]
    world.users_write(text="after")
    new.restore_full("Contacts", "/exchange/c.bak", moves={})
    new.recover("Contacts")
    assert world.data("new")["Contacts"] == expected


def test_a_write_while_the_backup_runs_is_in_it(world, old):
    """A backup holds what was there at its end."""
    world.durations["backup_full"] = 10
    world.later(5, world.users_write)
    old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    backup = world.disk.places["exchange"].backups["c.bak"]
    assert backup.content is world.servers["old"].get("Contacts").content


def test_the_whole_side_by_side_chain(world, old, new):
    """Full, log, tail: the new server has it all, the old one is fenced and comes back unchanged."""
    before = world.content("old")
    seed(old, new)
    world.users_write(text="meanwhile")
    old.backup_log("Contacts", "/exchange/c.1.trn", name="log")
    new.restore_log("Contacts", "/exchange/c.1.trn")
    world.users_write(text="last")
    quiet(world)
    old.cut_tail("Contacts", "/exchange/c.tail.trn", name="tail")
    assert old.database("Contacts").state is DatabaseState.RESTORING
    assert world.users_write("old", privileged=True) == ["old Campaigns dbo.Campaigns", "old Archive dbo.Archive"]
    new.restore_log("Contacts", "/exchange/c.tail.trn")
    new.recover("Contacts")
    content = world.data("old")["Contacts"]
    assert world.data("new")["Contacts"] == content
    assert [row[1] for row in content["tables"]["dbo.Contacts"]][-2:] == ["meanwhile", "last"]
    old.recover("Contacts")
    old.set_option("Contacts", "BROKER", "ON")  # a recovery switches it off
    old.set_user_access("Contacts", UserAccess.MULTI_USER)
    after = world.content("old")
    assert {**after["databases"]["Contacts"], **content} == {**before["databases"]["Contacts"], **content}


def test_a_differential_cut_closes_the_door_first(world, old, new):
    """SINGLE_USER, differential, OFFLINE; restored over its full, the content is complete."""
    seed(old, new, "Archive")
    world.users_write(text="last")
    old.cut_differential("Archive", "/exchange/a.dif", name="cut")
    assert old.database("Archive").state is DatabaseState.OFFLINE
    new.restore_differential("Archive", "/exchange/a.dif")
    new.recover("Archive")
    assert world.data("new")["Archive"] == world.data("old")["Archive"]
    assert new.database("Archive").user_access is UserAccess.SINGLE_USER
    assert world.trace[-5:-2] == [
        "old: ALTER DATABASE Archive SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
        "old: BACKUP DATABASE Archive WITH DIFFERENTIAL",
        "old: ALTER DATABASE Archive SET OFFLINE",
    ]


def test_nobody_takes_the_slot_during_a_differential_cut(world, old):
    """The connection stays inside: a pool that reconnects at once does not get in between."""
    world.servers["old"].reconnect_after = 0.01
    world.durations["cut_differential"] = 5
    written = []
    world.later(2, lambda: written.extend(world.users_write("old", privileged=True)))
    old.backup_full("Archive", "/exchange/a.bak", name="a", copy_only=False)
    old.cut_differential("Archive", "/exchange/a.dif", name="a")
    assert "old Archive dbo.Archive" not in written


def test_the_slot_of_one_database_does_not_depend_on_another(world, old):
    """Two cuts side by side: the end of one lets nobody into the other."""
    with old._in_the_slot("archive"):
        with old._in_the_slot("contacts"):
            pass
        old.set_user_access("Archive", UserAccess.SINGLE_USER)
        archive = world.servers["old"].get("Archive")
        assert world.servers["old"].admits(archive, privileged=True) == 924
    assert world.servers["old"].admits(archive, privileged=True) == 0


def test_log_backups_need_a_full_one_and_a_model(world, old):
    """4214 without a full, 4208 in SIMPLE; a copy-only full starts no chain."""
    world.servers["old"].get("Contacts").log_backup_lsn = None
    refused(4214, old.backup_log, "Contacts", "/exchange/c.trn", name="c")
    old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    assert old.log_chain_starts("Contacts") is False
    refused(4214, old.backup_log, "Contacts", "/exchange/c.trn", name="c")
    old.backup_full("Contacts", "/exchange/c2.bak", name="c", copy_only=False)
    assert old.log_chain_starts("Contacts") is True
    old.backup_log("Contacts", "/exchange/c.trn", name="c")
    refused(4208, old.backup_log, "Archive", "/exchange/a.trn", name="a")
    refused(4208, old.cut_tail, "Archive", "/exchange/a.trn", name="a")


def test_a_differential_needs_its_own_base(world, old, new):
    """3035 without a base; 3136 onto another full, also when a stranger's full came between."""
    seed(old, new, "Archive")
    old.backup_full("Archive", "/exchange/stranger.bak", name="nightly", copy_only=False)
    old.cut_differential("Archive", "/exchange/a.dif", name="cut")
    refused(3136, new.restore_differential, "Archive", "/exchange/a.dif")
    world.servers["old"].get("Contacts").diff_base = None
    refused(3035, old.cut_differential, "Contacts", "/exchange/c.dif", name="cut")


def test_a_copy_only_full_does_not_move_the_base(old, new):
    """The differential still fits the full before it."""
    seed(old, new, "Archive")
    old.backup_full("Archive", "/exchange/extra.bak", name="extra", copy_only=True)
    old.cut_differential("Archive", "/exchange/a.dif", name="cut")
    new.restore_differential("Archive", "/exchange/a.dif")


def test_a_gap_in_the_log_chain_is_refused(world, old, new):
    """4305 for a log too late, 4326 for one too early or applied already."""
    seed(old, new)
    for number in (1, 2):
        world.users_write()
        old.backup_log("Contacts", f"/exchange/{number}.trn", name="log")
    refused(4305, new.restore_log, "Contacts", "/exchange/2.trn")
    new.restore_log("Contacts", "/exchange/1.trn")
    refused(4326, new.restore_log, "Contacts", "/exchange/1.trn")
    new.restore_log("Contacts", "/exchange/2.trn")


def test_a_log_of_another_recovery_path_is_refused(world, old, new):
    """Both sides were recovered and went on: their logs do not fit each other any more (4330)."""
    seed(old, new)
    quiet(world)
    old.cut_tail("Contacts", "/exchange/tail.trn", name="tail")
    new.restore_log("Contacts", "/exchange/tail.trn")
    new.recover("Contacts")
    new.cut_tail("Contacts", "/exchange/new.trn", name="new")
    old.recover("Contacts")
    world.users_write("old", privileged=True)
    old.backup_log("Contacts", "/exchange/old.trn", name="old")
    refused(4330, new.restore_log, "Contacts", "/exchange/old.trn")


def test_after_a_revert_of_the_cut_a_second_cut_fits(world, old, new):
    """Recovering the old side begins a new path that continues the old one."""
    seed(old, new)
    quiet(world)
    old.cut_tail("Contacts", "/exchange/t1.trn", name="t1")
    new.restore_log("Contacts", "/exchange/t1.trn")
    old.recover("Contacts")
    old.cut_tail("Contacts", "/exchange/t2.trn", name="t2")
    new.restore_log("Contacts", "/exchange/t2.trn")
    new.recover("Contacts")


def test_rolling_forward_needs_a_database_in_restore(old, new):
    """3117 when online, 3118 when there is none, 3153 when recovered already, 4333 when nothing was restored."""
    seed(old, new)
    old.backup_log("Contacts", "/exchange/c.trn", name="c")
    refused(3118, new.restore_log, "Nowhere", "/exchange/c.trn")
    new.recover("Contacts")
    refused(3117, new.restore_log, "Contacts", "/exchange/c.trn")
    refused(3153, new.recover, "Contacts")
    refused(911, new.recover, "Nowhere")


def test_nothing_is_backed_up_that_is_not_open(world, old):
    """927 in restore, 942 offline, 911 unknown."""
    quiet(world)
    old.cut_tail("Contacts", "/exchange/c.trn", name="c")
    refused(927, old.backup_full, "Contacts", "/exchange/c.bak", name="c", copy_only=True)
    old.cut_differential("Archive", "/exchange/a.dif", name="a")
    refused(942, old.backup_full, "Archive", "/exchange/a.bak", name="a", copy_only=True)
    refused(911, old.backup_full, "Nowhere", "/exchange/n.bak", name="n", copy_only=True)


def test_the_tail_needs_the_database_alone(old):
    """3101 while a client is in it."""
    refused(3101, old.cut_tail, "Contacts", "/exchange/c.trn", name="c")


def test_a_backup_never_goes_down_a_version(old, new):
    """3169: what 2022 wrote 2019 cannot read."""
    seed(old, new)
    new.recover("Contacts")
    assert new.database("Contacts").internal_version == 957
    new.backup_full("Contacts", "/exchange/down.bak", name="down", copy_only=True)
    refused(3169, old.restore_full, "Other", "/exchange/down.bak", moves={})


def test_a_restore_point_is_never_overwritten(world, old):
    """Neither a backup nor a stranger's file; and a directory must exist (3201)."""
    old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    world.disk.place("exchange").strangers["notes.txt"] = 12
    for path in ("/exchange/c.bak", "/exchange/notes.txt"):
        with pytest.raises(Refused, match="is there already"):
            old.backup_full("Campaigns", path, name="x", copy_only=True)
    refused(3201, old.backup_full, "Contacts", "/nowhere/c.bak", name="c", copy_only=True)


def test_an_existing_database_is_never_restored_over(old, new):
    """Refused while it is open; 3154 when it is another family in restore."""
    seed(old, new)
    old.backup_full("Campaigns", "/exchange/g.bak", name="g", copy_only=True)
    refused(3154, new.restore_full, "Contacts", "/exchange/g.bak", moves={})
    new.restore_full("Contacts", "/exchange/Contacts.bak", moves={})
    new.recover("Contacts")
    with pytest.raises(Refused, match="is there already"):
        new.restore_full("Contacts", "/exchange/Contacts.bak", moves={})


def test_files_go_where_there_is_room_for_them(world, old, new):
    """5133 for a directory that is not there, 1834 for a file of another database, 3257 and 3202 for no space."""
    old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    refused(5133, new.restore_full, "Contacts", "/exchange/c.bak", moves={"Contacts": "/nowhere/c.mdf"})
    new.restore_full("Contacts", "/exchange/c.bak", moves={})
    refused(1834, new.restore_full, "Copy", "/exchange/c.bak", moves={})
    elsewhere = {"Contacts": "/backup/c.mdf", "Contacts_log": "/var/opt/mssql/data/x.ldf"}
    world.disk.place("new data").used_elsewhere = 100 * 2**30
    refused(3257, new.restore_full, "Copy", "/exchange/c.bak", moves=elsewhere)
    world.disk.place("exchange").used_elsewhere = 100 * 2**30
    refused(3202, old.backup_full, "Contacts", "/exchange/c2.bak", name="c", copy_only=True)


def test_damage_is_found_by_verifying_and_by_restoring(world, old, new):
    """3189 and 3183; the header does not tell; the half restored database stays in restore."""
    old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    world.disk.damage("exchange", "c.bak")
    assert old.backup_header("/exchange/c.bak").is_damaged is False
    refused(3189, old.verify_backup, "/exchange/c.bak")
    refused(3183, new.restore_full, "Contacts", "/exchange/c.bak", moves={})
    assert new.database("Contacts").state is DatabaseState.RESTORING
    refused(4333, new.recover, "Contacts")
    new.drop_database("Contacts")
    assert new.database("Contacts") is None


def test_headers_say_what_a_file_is(world, old):
    """None without a file, 3241 for what is no backup."""
    assert old.backup_header("/exchange/none.bak") is None
    world.disk.place("exchange").strangers["notes.txt"] = 12
    refused(3241, old.backup_header, "/exchange/notes.txt")
    old.backup_full("Contacts", "/exchange/c.bak", name="seed of run 1", copy_only=True)
    header = old.backup_header("/exchange/c.bak")
    assert (header.name, header.kind, header.database) == ("seed of run 1", "full", "Contacts")
    assert (header.is_copy_only, header.software_major) == (True, 15)
    assert header.family_guid == old.database("Contacts").family_guid


def test_a_restored_copy_differs_as_on_a_real_server(old, new):
    """Owner, TRUSTWORTHY and broker are the new server's; compatibility and family are the old one's."""
    seed(old, new)
    new.recover("Contacts")
    was, copy = old.database("Contacts"), new.database("Contacts")
    assert (was.owner, copy.owner) == ("old_admin", "sa")
    assert (was.options["TRUSTWORTHY"], copy.options["TRUSTWORTHY"], copy.options["BROKER"]) == ("ON", "OFF", "OFF")
    assert copy.compatibility_level == was.compatibility_level == 150
    assert copy.family_guid == was.family_guid
    assert copy.created_at != was.created_at


# -- cut off


@pytest.mark.parametrize("partial", [False, True])
def test_a_backup_cut_off_leaves_no_valid_file(world, old, partial):
    """The executor's death ends it: no file, or one that nothing accepts."""
    world.partial_files = partial
    world.pull_plug(name="backup_full", moment="middle")
    with pytest.raises(PowerCut):
        old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    world.next_process()
    old = FakeSqlServer(world, "old")
    if partial:
        refused(3241, old.backup_header, "/exchange/c.bak")
        refused(3256, old.verify_backup, "/exchange/c.bak")
    else:
        assert old.backup_header("/exchange/c.bak") is None
    assert world.trace[-1] == "old: BACKUP DATABASE Contacts WITH COPY_ONLY !power cut"


def test_a_tail_cut_off_leaves_the_database_open(world, old):
    """The fence falls with the file or not at all."""
    quiet(world)
    world.pull_plug(name="cut_tail", moment="middle")
    with pytest.raises(PowerCut):
        old.cut_tail("Contacts", "/exchange/c.trn", name="c")
    world.next_process()
    old = FakeSqlServer(world, "old")
    assert old.database("Contacts").state is DatabaseState.ONLINE
    old.cut_tail("Contacts", "/exchange/c.trn", name="c")


@pytest.mark.parametrize(
    ("cut", "state", "access"),
    [
        ("before old: cut_differential.single_user", "ONLINE", "MULTI_USER"),
        ("after old: cut_differential.single_user", "ONLINE", "SINGLE_USER"),
        ("middle old: cut_differential[", "ONLINE", "SINGLE_USER"),
        ("after old: cut_differential[", "ONLINE", "SINGLE_USER"),
        ("after old: cut_differential.offline", "OFFLINE", "SINGLE_USER"),
    ],
)
def test_a_differential_cut_stops_between_its_steps(world, old, cut, state, access):
    """Every point in between is a world an undo must know."""
    world.pull_plug_when(lambda effect: cut in str(effect))
    with pytest.raises(PowerCut):
        old.cut_differential("Archive", "/exchange/a.dif", name="a")
    world.next_process()
    info = FakeSqlServer(world, "old").database("Archive")
    assert (info.state, info.user_access) == (state, access)


def test_a_restore_cut_off_leaves_restoring_without_files(world, old, new):
    """It can be restored again from the beginning or dropped, not rolled forward."""
    old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    old.backup_log("Contacts", "/exchange/c.trn", name="c")
    world.pull_plug(name="restore_full", moment="middle")
    with pytest.raises(PowerCut):
        new.restore_full("Contacts", "/exchange/c.bak", moves={})
    world.next_process()
    new = FakeSqlServer(world, "new")
    assert new.database("Contacts").state is DatabaseState.RESTORING
    refused(3117, new.restore_log, "Contacts", "/exchange/c.trn")
    new.restore_full("Contacts", "/exchange/c.bak", moves={})
    new.restore_log("Contacts", "/exchange/c.trn")
    new.recover("Contacts")


def test_a_log_cut_off_can_be_applied_again(world, old, new):
    """Rolling forward begins again where it began."""
    seed(old, new)
    old.backup_log("Contacts", "/exchange/c.trn", name="c")
    world.pull_plug(name="restore_log", moment="middle")
    with pytest.raises(PowerCut):
        new.restore_log("Contacts", "/exchange/c.trn")
    world.next_process()
    FakeSqlServer(world, "new").restore_log("Contacts", "/exchange/c.trn")


def test_a_cancelled_backup_ends_when_it_is_told_to(world):
    """The watchdog fires in the middle; the server takes the attention and removes the file."""
    stop = Stoppable(world.clock)
    old = FakeSqlServer(world, "old", cancellation=stop)
    world.durations["backup_full[Contacts]"] = 3600
    begun = world.clock.now()
    world.clock.later(90, stop.stop)
    with pytest.raises(Cancelled):
        old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    assert (world.clock.now() - begun).total_seconds() == 90
    assert world.disk.places["exchange"].backups == {}
    assert world.trace[-1].endswith("!cancelled")
