"""The second place of the journal: the adapter on the sandbox, and what it shares with a directory and the fake."""

from __future__ import annotations

import json
from time import monotonic

import pytest

from runbook.adapters.sqlserver import open_copies
from runbook.adapters.sqlserver.copies import ServerCopies
from runbook.errors import FencedOut, JournalCorrupt, ServerError, Unreachable, WrongTarget
from runbook.journal.copying import Directory, RowsLost
from runbook.journal.reading import Row
from runbook.marker import Marker
from runbook.testing import World
from runbook.testing.copies import FakeCopies

HASHES = [f"{n:064x}" for n in range(20)]


def row(n: int, body: str = "{}", run: str = "r", digest: str = "") -> Row:
    at = "2026-03-21T10:00:00.000000+00:00"
    return Row(run, n, at, "note", "step[O'Hara]", "zoë@host/1", 3, body, HASHES[n - 1], digest or HASHES[n])


@pytest.fixture
def copies(real):
    place = open_copies("old", real.servers.targets["old"], real.stop, real.run_id, 1, "OLDSQL")
    yield place
    place.close()


@pytest.fixture(params=["fake", "directory", "server"])
def place(request, tmp_path):
    """Each kind of second place."""
    if request.param == "fake":
        return FakeCopies(World.mailer(), "old")
    return Directory(tmp_path) if request.param == "directory" else request.getfixturevalue("copies")


def test_rows_are_kept_as_they_are(place):
    """Any text, any length; in order, by run."""
    kept = [row(1, '{"plan":"' + "x" * 20000 + "漢 'quoted' \\\\\\n" + '"}'), row(2, "a\\\nb"), row(3)]
    assert (place.newest("r"), place.rows("r"), place.run_ids()) == (None, [], [])
    place.add(kept[:2])
    place.add(kept[2:])
    place.add([row(1, run="s")])
    assert place.rows("r") == kept
    assert place.newest("r") == (3, HASHES[3])
    assert place.run_ids() == ["r", "s"]
    place.remove("r")
    assert (place.rows("r"), place.run_ids()) == ([], ["s"])


@pytest.mark.parametrize("kind", ["fake", "server"])
def test_no_gap_is_ever_kept(kind, request):
    """A server that was put back to an earlier state has lost rows: later ones are not taken, and it is told."""
    place = FakeCopies(World.mailer(), "old") if kind == "fake" else request.getfixturevalue("copies")
    with pytest.raises(RowsLost):
        place.add([row(4)])
    place.add([row(1), row(2)])
    with pytest.raises(RowsLost):
        place.add([row(4), row(5)])
    assert place.newest("r") == (2, HASHES[2])
    place.add([row(3), row(4)])
    assert place.rows("r") == [row(1), row(2), row(3), row(4)]


def test_rows_that_are_there_are_left_and_others_refused(copies):
    """Sent again after a lost reply: no harm. Another row under the same number: told, and not overwritten."""
    copies.add([row(1), row(2)])
    copies.add([row(1), row(2), row(3)])
    with pytest.raises(JournalCorrupt, match="row 3"):
        copies.add([row(3, digest="f" * 64)])
    assert copies.rows("r") == [row(1), row(2), row(3)]


def test_many_rows_at_once(place):
    """A whole night in batches, some of them again with more behind: an answer was lost."""
    many = [Row("r", n, "at", "note", "", "me", 1, "{}", "", f"{n:064x}") for n in range(1, 401)]
    place.add(many[:200])
    place.add(many[100:300])
    place.add(many[200:])
    assert place.rows("r") == many


def test_the_server_plans_it_once(copies, real):
    """The same text for all rows but the first, whatever is in them: hundreds in a night fill no cache of plans. Nor is
    anything else sent with it."""
    log = real.servers.home("old") / "statements.log"
    copies.add([row(1)])
    before = log.stat().st_size
    for n in range(2, 6):
        copies.add([row(n, f"{{'{n}'}}")])
    sent = [json.loads(line)["sql"] for line in log.read_bytes()[before:].splitlines()]
    assert sorted(sql.split()[0] for sql in set(sent)) == ["INSERT", "SELECT"]


def test_msdb_is_left_as_it_was(copies, real):
    """The table is gone with the last run; another run's rows stay."""
    there = "SELECT OBJECT_ID(N'msdb.dbo.runbook_journal', N'U')"
    copies.add([row(1)])
    copies.add([row(1, run="s")])
    copies.remove("r")
    assert (copies.rows("r"), copies.rows("s")) == ([], [row(1, run="s")])
    copies.remove("s")
    assert real.sql("old", "master", there) == [(None,)]
    copies.remove("s")
    copies.add([row(1)])
    assert copies.rows("r") == [row(1)]


def test_a_server_that_hangs_is_not_waited_for(real, copies):
    """The night goes on after the patience stated; later rows go through on another connection."""
    copies.add([row(1)])
    hasty = ServerCopies(copies._connector, patience=0.5)
    begun = monotonic()
    with (
        real.fault("old", "hang", "INSERT INTO msdb.dbo.runbook_journal"),
        pytest.raises(ServerError, match="no answer"),
    ):
        hasty.add([row(2)])
    assert monotonic() - begun < 3
    hasty.add([row(2), row(3)])
    assert copies.rows("r") == [row(1), row(2), row(3)]
    hasty.close()


def test_an_executor_that_was_overtaken_leaves_no_rows(real, copies):
    """Rows are taken only while the marker names it; what another one wrote stays."""
    server = real.server()
    server.put_marker(Marker("r", "me", 1, 1, "aa"), instead_of=None)
    copies.held_by(1)
    copies.add([row(1)])
    server.put_marker(Marker("r", "newer", 2, 2, "bb"), instead_of=server.marker())
    with pytest.raises(FencedOut):
        copies.add([row(2)])
    copies.remove("r")
    copies._create()
    with pytest.raises(FencedOut):
        copies.add([row(1)])
    assert copies.rows("r") == []


def test_a_lost_connection_is_replaced(real, copies):
    """The session was killed: told once, and the next rows go through."""
    copies.add([row(1)])
    session = copies._connection.session_id
    real.sql("old", "master", f"KILL {session}")
    with pytest.raises(ServerError):
        copies.add([row(2)])
    copies.add([row(2)])
    assert copies.rows("r") == [row(1), row(2)]


def test_a_stranger_gets_no_rows(real):
    """Another server answers at that address: nothing is written there."""
    place = open_copies("old", real.servers.targets["new"], real.stop, real.run_id, 1, "OLDSQL")
    with pytest.raises(WrongTarget, match="NEWSQL"):
        place.add([row(1)])
    assert real.sql("new", "master", "SELECT OBJECT_ID(N'msdb.dbo.runbook_journal', N'U')") == [(None,)]


def test_a_server_that_is_away_is_told(real):
    """Unreachable, with the server's name."""
    from runbook.adapters.sqlserver import ServerTarget

    place = open_copies("old", ServerTarget("mssql://127.0.0.1:1"), real.stop, real.run_id, 1)
    with pytest.raises(Unreachable, match="old"):
        place.newest("r")
