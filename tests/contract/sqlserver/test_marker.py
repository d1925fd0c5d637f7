"""Who may act on an instance, as the instance knows it: on the fake and on the adapter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from runbook.errors import FencedOut, Refused, ServerError
from runbook.marker import Marker
from runbook.ports import DatabaseState, UserAccess
from tests.contract.sqlserver.bench import wait

FIRST = Marker("run-1", "o'hara@here/1", 1, 40, "aa")
SECOND = Marker("run-1", "somebody@there/2", 2, 90, "bb")
OTHER = Marker("run-2", "else@where/3", 1, 2, "cc")


def test_the_first_marker_wins(bench):
    """Of two that found none, one stands; the other is told."""
    server = bench.server()
    assert server.marker() is None
    assert server.put_marker(FIRST, instead_of=None)
    assert not server.put_marker(OTHER, instead_of=None)
    assert server.marker() == FIRST


def test_a_marker_is_replaced_only_when_it_is_still_the_one_that_was_seen(bench):
    """Compare and set: a third that came in between is not overwritten."""
    server = bench.server()
    server.put_marker(FIRST, instead_of=None)
    assert server.put_marker(SECOND, instead_of=FIRST)
    assert not server.put_marker(OTHER, instead_of=FIRST)
    assert server.marker() == SECOND


def test_of_many_at_once_one_puts_its_marker(real):
    """Ten sessions in the same moment, no table yet: one True, and it is that one that stands."""
    markers = [Marker("run-1", f"executor {fence}", fence, 1, f"{fence:02}") for fence in range(1, 11)]
    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(lambda one: real.server().put_marker(one, instead_of=None), markers))
    assert [outcomes.count(True), real.server().marker()] == [1, markers[outcomes.index(True)]]


def test_giving_back_leaves_nothing_or_an_ended_marker(bench):
    """Removed without a trace, or kept as ended; never by an older executor of the run."""
    server = bench.server()
    server.put_marker(SECOND, instead_of=None)
    server.end_marker("run-1", 1, remove=True)
    server.end_marker("run-2", 9, remove=True)
    assert server.marker() == SECOND
    server.end_marker("run-1", 2, remove=False)
    ended = server.marker()
    assert ended is not None
    assert ended.ended
    assert server.put_marker(OTHER, instead_of=ended)
    server.end_marker("run-2", 1, remove=True)
    assert server.marker() is None
    server.end_marker("run-2", 1, remove=True)


def test_msdb_is_left_as_it_was(real):
    """The table is gone with its last row."""
    server = real.server()
    there = "SELECT OBJECT_ID(N'msdb.dbo.runbook_marker', N'U')"
    server.put_marker(FIRST, instead_of=None)
    assert real.sql("old", "master", there) != [(None,)]
    server.end_marker("run-1", 1, remove=True)
    assert real.sql("old", "master", there) == [(None,)]


def test_the_statement_that_clears_a_marker_does(real):
    """What a person is told to run works as it stands."""
    server = real.server()
    server.put_marker(FIRST, instead_of=None)
    real.sql("old", "master", server.clearing("run-1"))
    assert server.marker() is None


@pytest.mark.parametrize(
    ("stands", "said"),
    [(SECOND, "executor 2"), (OTHER, "run run-2 of else@where/3"), (None, "taken away")],
    ids=["newer executor", "another run", "none"],
)
def test_an_effect_is_refused_when_another_marker_stands(bench, stands, said):
    """Whoever is not named changes nothing, whichever way the change goes; reading goes on."""
    server = bench.server()
    if stands:
        server.put_marker(stands, instead_of=None)
    server.claimed_by(lambda: FIRST)
    path = bench.path("a.bak")
    effects = [
        lambda: server.set_user_access(bench.full, UserAccess.RESTRICTED_USER),
        lambda: server.backup_full(bench.full, path, name="n", copy_only=False),
        lambda: server.run_batch(bench.full, "PRINT 'x'"),
        lambda: server.drop_login("nobody"),
        lambda: server.create_snapshot(bench.full, "snap"),
    ]
    for effect in effects:
        with pytest.raises(FencedOut, match=said):
            effect()
    assert server.database(bench.full).user_access is UserAccess.MULTI_USER
    assert server.backup_header(path) is None


def test_an_effect_is_done_while_the_own_marker_stands(bench):
    """Named, it may act; pinned or not."""
    server = bench.server()
    server.put_marker(FIRST, instead_of=None)
    server.claimed_by(lambda: FIRST)
    server.set_user_access(bench.full, UserAccess.RESTRICTED_USER)
    server.pin(server.identity(), {})
    server.set_user_access(bench.full, UserAccess.MULTI_USER)
    assert server.database(bench.full).user_access is UserAccess.MULTI_USER


def test_a_session_from_before_the_raise_is_ended_and_one_from_after_it_refused(real):
    """Both halves of the argument: no effect of the older executor comes after the claim of the newer one."""
    older, newer = real.server(fence=1), real.server(fence=2)
    older.put_marker(FIRST, instead_of=None)
    older.claimed_by(lambda: FIRST)
    slow = "WAITFOR DELAY '00:00:20'; INSERT INTO dbo.Contact (Name) VALUES (N'too late')"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(older.run_batch, real.full, slow)
        wait(0.3)
        assert newer.put_marker(SECOND, instead_of=FIRST)
        assert newer.end_sessions_of(real.run_id, 2) == 1
        assert isinstance(running.exception(5), ServerError)
    with pytest.raises(FencedOut):
        older.run_batch(real.full, "INSERT INTO dbo.Contact (Name) VALUES (N'too late')")
    assert real.sql("old", real.full, "SELECT COUNT(*) FROM dbo.Contact WHERE Name = N'too late'") == [(0,)]


@pytest.mark.parametrize("kind", ["full", "log", "tail", "differential"])
def test_no_kind_of_backup_overwrites_a_restore_point(bench, kind):
    """Whatever the retry tries, an earlier run's file is there afterwards as it was, and the database as well."""
    server, path = bench.server(), bench.path(f"earlier-{kind}.bak")
    database = bench.simple if kind == "differential" else bench.full
    server.backup_full(database, bench.path(f"base-{kind}.bak"), name="base", copy_only=False)
    server.backup_full(bench.full, path, name="runbook earlier full", copy_only=True)
    earlier = server.backup_header(path)
    retries = {
        "full": lambda: server.backup_full(database, path, name="retry", copy_only=True),
        "log": lambda: server.backup_log(database, path, name="retry"),
        "tail": lambda: server.cut_tail(database, path, name="retry"),
        "differential": lambda: server.cut_differential(database, path, name="retry"),
    }
    with pytest.raises(Refused, match="is there already"):
        retries[kind]()
    assert server.backup_header(path) == earlier
    found = server.database(database)
    assert (found.state, found.user_access) == (DatabaseState.ONLINE, UserAccess.MULTI_USER)
