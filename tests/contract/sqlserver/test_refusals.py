"""What SQL Server refuses, by its own numbers: the fake must refuse it as the adapter reports it."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

from runbook.errors import Cancelled, Refused, ServerError
from runbook.ports import DatabaseState, Login, ProofLevel, UserAccess
from tests.contract.sqlserver.test_port import empty, inside, moves, seed

HASH = "0x0200" + "AB" * 68


def refused(number, call, *args, **kwargs):
    with pytest.raises(ServerError) as caught:
        call(*args, **kwargs)
    assert caught.value.number == number, caught.value
    assert caught.value.in_doubt is False


@contextmanager
def somebody_inside(bench):
    """A client sits in the full database."""
    if bench.is_fake:
        yield
        return
    client = bench.connect("old", bench.full)
    yield
    client.close()


def notes(bench):
    """Somebody's file that is no backup; returns its path."""
    path = bench.path("notes.txt")
    if bench.is_fake:
        bench.world.disk.place("exchange").strangers["notes.txt"] = 12
    else:
        Path(path).write_text("some notes")
    return path


def restorable(bench):
    """A full backup of the full database that a chain continues."""
    old, new = seed(bench, bench.full)
    empty(old, bench.full)
    return old, new


# -- the chain


def test_a_copy_only_full_begins_no_chain(bench):
    """After a revert broke it, only a full backup of its own starts it again."""
    old = bench.server()
    old.backup_full(bench.full, bench.path("base.bak"), name="base", copy_only=False)
    old.create_snapshot(bench.full, f"{bench.full}_s")
    empty(old, bench.full)
    old.revert_to_snapshot(bench.full, f"{bench.full}_s")
    old.backup_full(bench.full, bench.path("extra.bak"), name="extra", copy_only=True)
    assert not old.log_chain_starts(bench.full)
    refused(4214, old.backup_log, bench.full, bench.path("l.trn"), name="l")
    old.backup_full(bench.full, bench.path("rebase.bak"), name="rebase", copy_only=False)
    assert old.log_chain_starts(bench.full)
    old.backup_log(bench.full, bench.path("l.trn"), name="l")


def test_no_gap_in_the_chain(bench):
    """4305 for a log too late; in order they fit; 3117 once it is open."""
    old, new = restorable(bench)
    for number in "12":
        old.backup_log(bench.full, bench.path(f"{number}.trn"), name=number)
    refused(4305, new.restore_log, bench.full, bench.path("2.trn"))
    new.restore_log(bench.full, bench.path("1.trn"))
    new.restore_log(bench.full, bench.path("2.trn"))
    new.recover(bench.full)
    refused(3117, new.restore_log, bench.full, bench.path("2.trn"))


def test_a_second_cut_fits_after_a_revert_of_the_first(bench):
    """The way back of the old side begins a recovery path that continues the first."""
    old, new = restorable(bench)
    old.cut_tail(bench.full, bench.path("1.trn"), name="1")
    new.restore_log(bench.full, bench.path("1.trn"))
    old.recover(bench.full)
    before = inside(old, bench.full)
    old.cut_tail(bench.full, bench.path("2.trn"), name="2")
    new.restore_log(bench.full, bench.path("2.trn"))
    new.recover(bench.full)
    assert inside(new, bench.full) == before


def test_a_copy_only_full_does_not_move_the_differential_base(bench):
    """The cut still fits the seed."""
    old, new = seed(bench, bench.simple)
    old.backup_full(bench.simple, bench.path("extra.bak"), name="extra", copy_only=True)
    old.cut_differential(bench.simple, bench.path("d.dif"), name="d")
    new.restore_differential(bench.simple, bench.path("d.dif"))


def test_a_strangers_full_moves_the_differential_base(bench):
    """3136: the nightly backup of somebody else came between seed and cut."""
    old, new = seed(bench, bench.simple)
    old.backup_full(bench.simple, bench.path("nightly.bak"), name="nightly", copy_only=False)
    old.cut_differential(bench.simple, bench.path("d.dif"), name="d")
    refused(3136, new.restore_differential, bench.simple, bench.path("d.dif"))


def test_a_restore_that_was_begun_may_begin_again(bench):
    """A database in restore is no obstacle to its own backup."""
    old, new = seed(bench, bench.full)
    place = moves(new, bench.full)[1](old.files(bench.full))
    new.restore_full(bench.full, bench.path(f"{bench.full}.bak"), moves=place)
    new.recover(bench.full)
    assert inside(new, bench.full) == inside(old, bench.full)


def test_a_file_that_is_no_backup(bench):
    """Not read as one, and not written over."""
    path = notes(bench)
    with pytest.raises(ServerError):
        bench.server().backup_header(path)
    with pytest.raises(Refused, match="there already"):
        bench.server().backup_full(bench.full, path, name="x", copy_only=True)


# -- states


def test_a_database_in_restore_is_closed(bench):
    """927 to read and to back up, 5052 to alter; its family is not told."""
    old = bench.server()
    old.backup_full(bench.full, bench.path("base.bak"), name="base", copy_only=False)
    empty(old, bench.full)
    old.cut_tail(bench.full, bench.path("t.trn"), name="t")
    assert old.database(bench.full).family_guid is None
    for call in (old.tables, old.positions, old.objects):
        refused(927, call, bench.full)
    refused(927, old.backup_full, bench.full, bench.path("f.bak"), name="f", copy_only=True)
    refused(5052, old.set_user_access, bench.full, UserAccess.MULTI_USER)
    refused(5052, old.set_online, bench.full)


def test_a_database_offline_is_closed(bench):
    """942; it is not dropped, its files would stay; online twice is as good as once."""
    old = bench.server()
    old.backup_full(bench.simple, bench.path("base.bak"), name="base", copy_only=False)
    old.cut_differential(bench.simple, bench.path("d.dif"), name="d")
    refused(942, old.tables, bench.simple)
    refused(942, old.backup_full, bench.simple, bench.path("f.bak"), name="f", copy_only=True)
    with pytest.raises(Refused, match="offline"):
        old.drop_database(bench.simple)
    old.set_online(bench.simple)
    old.set_online(bench.simple)
    assert old.database(bench.simple).state is DatabaseState.ONLINE


def test_what_is_not_there(bench):
    """911, 5011, 3701, 3201, 208, by what was asked."""
    old = bench.server()
    refused(911, old.backup_full, "no-such", bench.path("f.bak"), name="f", copy_only=True)
    refused(911, old.tables, "no-such")
    refused(5011, old.set_user_access, "no-such", UserAccess.MULTI_USER)
    refused(3701, old.drop_database, "no-such")
    refused(3701, old.drop_snapshot, "no-such")
    refused(3201, old.verify_backup, bench.path("none.bak"))
    refused(208, old.query, bench.full, "SELECT COUNT(*) FROM dbo.Nothing")
    assert old.files("no-such") == ()


def test_access_travels_in_the_backup(bench):
    """RESTRICTED_USER when it was backed up, RESTRICTED_USER in the copy; TRUSTWORTHY stays behind."""
    old = bench.server()
    old.set_option(bench.full, "TRUSTWORTHY", "ON")
    old.set_option(bench.full, "AUTO_SHRINK", "ON")
    old.set_user_access(bench.full, UserAccess.RESTRICTED_USER)
    _, new = seed(bench, bench.full)
    new.recover(bench.full)
    was, copy = old.database(bench.full), new.database(bench.full)
    assert copy.user_access is UserAccess.RESTRICTED_USER
    assert (copy.options["TRUSTWORTHY"], copy.options["AUTO_SHRINK"]) == ("OFF", "ON")
    assert (copy.compatibility_level, copy.family_guid) == (150, was.family_guid)
    assert copy.created_at != was.created_at


# -- clients and snapshots


def test_the_tail_waits_for_nobody(bench):
    """3101 while somebody is inside; a killed session is gone, killing it again is success."""
    old = bench.server()
    old.backup_full(bench.full, bench.path("base.bak"), name="base", copy_only=False)
    with somebody_inside(bench):
        (session,) = old.sessions(bench.full)
        refused(3101, old.cut_tail, bench.full, bench.path("t.trn"), name="t")
        old.kill(session.session_id)
        assert old.sessions(bench.full) == ()
        old.kill(session.session_id)
        old.cut_tail(bench.full, bench.path("t.trn"), name="t")


def test_snapshots_have_rules(bench):
    """1801 for a name twice, 3137 with a second snapshot, 3709 to drop what they hold; reads see the moment."""
    old = bench.server()
    before = inside(old, bench.full)[0]
    old.create_snapshot(bench.full, f"{bench.full}_1")
    bench.write("old", bench.full)
    assert inside(old, f"{bench.full}_1")[0] == before
    refused(1801, old.create_snapshot, bench.full, f"{bench.full}_1")
    old.create_snapshot(bench.full, f"{bench.full}_2")
    refused(3137, old.revert_to_snapshot, bench.full, f"{bench.full}_1")
    refused(3709, old.drop_database, bench.full)
    for name in (f"{bench.full}_1", f"{bench.full}_2"):
        old.drop_snapshot(name)
    assert old.snapshots(bench.full) == ()


# -- jobs and logins


def test_what_is_there_twice_or_not_at_all(bench):
    """15025 and 15151 for logins, 14262 for a job; dropping a login twice is as good as once."""
    old, name = bench.server(), f"login {bench.full}"
    login = Login(name, "S", "0x" + name.encode().hex().upper().ljust(32, "0")[:32], HASH, "master", True, False, False)
    old.create_login(login)
    assert [one for one in old.logins() if one.name == name] == [login]
    refused(15025, old.create_login, login)
    old.set_owner(bench.full, name)
    assert old.database(bench.full).owner == name
    old.set_owner(bench.full, "sa")
    old.drop_login(name)
    old.drop_login(name)
    refused(15151, old.set_owner, bench.full, name)
    refused(14262, old.set_job_enabled, "6F9619FF-8B86-D011-B42D-00C04FC964FF", enabled=True)


# -- record and cancellation


def test_effects_are_recorded_and_looks_are_none(bench):
    """Each with its end."""
    old = bench.server()
    bench.log.entries.clear()
    old.database(bench.full)
    old.tables(bench.full)
    assert bench.log.effects() == []
    old.set_option(bench.full, "AUTO_SHRINK", "ON")
    assert len(bench.log.effects()) == 1
    assert "running" not in {entry.said for entry in bench.log.entries}


def test_a_cancelled_run_changes_nothing_more(bench):
    """Told to stop, neither effect nor look is sent."""
    old = bench.server()
    (table, *_) = old.tables(bench.full)
    bench.stop.stop("the window closes")
    sent = len(bench.log.effects())
    with pytest.raises(Cancelled):
        old.set_user_access(bench.full, UserAccess.RESTRICTED_USER)
    with pytest.raises(Cancelled):
        old.prove_table(bench.full, table, ProofLevel.CONTENT)
    assert len(bench.log.effects()) == sent
