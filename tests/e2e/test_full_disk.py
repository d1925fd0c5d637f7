"""The disk under the journal really fills up in the middle: orderly, and nothing is done that was not recorded."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.disks import MIB, Disk, failing, mounted
from tests.e2e.system import System, is_stopped, wait_until

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")

CORRUPT = r"RESTORE DATABASE \[Contacts\] WITH RECOVERY"
OFFLINE = "journal.after-append~step-done close-gate"
CUT = r"effect.before~(?s)BACKUP LOG \[Billing\].*NORECOVERY"
UPGRADE = r"effect.after~RESTORE DATABASE \[Surveys\] WITH RECOVERY"
BACK = r"journal.after-append~undo-started cut-database\[Contacts\]"
PIVOT = "journal.after-append~step-done open-gate"

HARMLESS = (
    "SELECT", "SET ", "USE ", "RESTORE HEADERONLY", "RESTORE VERIFYONLY", "DBCC CHECKDB", "EXEC sys.sp_datatype_info",
    "BEGIN TRAN", "COMMIT TRAN", "ROLLBACK TRAN",
)  # fmt: skip
"""How what changes nothing by itself begins."""
BOOKKEEPING = ("msdb.dbo.runbook_marker", "msdb.dbo.runbook_journal", "applock @Resource = N'runbook'")
"""What being the only executor, and the second place of the journal, take; no step does it."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Under the journal."""
    with mounted(tmp_path / "small", 24 * MIB) as made:
        yield made


@pytest.fixture
def night(sandbox: System, disk: Disk) -> System:
    """The example system with its journal on that disk."""
    return _with_journal_on(sandbox, disk)


def _with_journal_on(system: System, disk: Disk) -> System:
    system.variables["RUNBOOK_JOURNAL"] = f"sqlite:///{disk.journal}"
    return system


def _execute_until(system: System, moment: str) -> subprocess.Popen[str]:
    return system.begin_and_stop(moment, "execute", str(system.plan), "--window", "10m", "--yes")


def _go_on(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGCONT)
    said = process.communicate(timeout=120)[0]
    assert "Traceback" not in said, said
    return process.returncode, said


# --- what was sent, and what was recorded before ---------------------------------------------------------------------


def _plain(text: str) -> str:
    """A statement without its line breaks, and without the password that one of both records has left out."""
    return " ".join(text.replace("0x<masked> HASHED", "'******' HASHED").split())


def _sent(system: System, role: str) -> dict[str, list[datetime]]:
    """What executors sent to a server that changes something -> when, by the server's own log."""
    found: dict[str, list[datetime]] = {}
    for entry in map(json.loads, system.servers.statements(role).splitlines()):
        text = _plain(entry["sql"])
        ours = entry["event"] == "start" and re.fullmatch(r"runbook \S+ [1-9]\d*", entry["app"])
        if ours and not text.startswith(HARMLESS) and not any(word in text for word in BOOKKEEPING):
            found.setdefault(text, []).append(datetime.fromisoformat(entry["at"]).astimezone())
    return found


def _recorded(system: System, role: str) -> list[tuple[str, datetime]]:
    """What is in the journal as about to be sent to a server, and when that was written."""
    rows = system.runbook("audit", "show", "--json").json
    rows = [row for row in rows if row["kind"] == "statement" and row["data"]["effect"]]
    return [
        (_plain(row["data"]["text"]), datetime.fromisoformat(row["at"]))
        for row in rows
        if row["data"]["server"] == role
    ]


def _assert_nothing_unrecorded(system: System) -> None:
    """Each statement with effect was in the journal as often as it was sent, and each time before it was."""
    rows = system.runbook("audit", "show", "--json").json
    notes = [row["data"]["text"] for row in rows if row["kind"] == "note"]
    for role in ("old", "new"):
        recorded = _recorded(system, role)
        sent = _sent(system, role)
        if any(re.fullmatch(rf"{role}: \d+ sessions of an earlier executor were ended", note) for note in notes):
            # Where one was slow to go, whoever took over ended it: noted with their number, no step of the run.
            sent = {text: instants for text, instants in sent.items() if not re.search(r"\bKILL \d+$", text)}
        assert sent, "nothing was sent: there is nothing to compare"
        for text, instants in sent.items():
            known = sorted(at for whole, at in recorded if text in whole)
            for at in sorted(instants):
                assert known, f"{role} was sent what is not in the journal: {text}"
                first = known.pop(0)
                assert first.replace(microsecond=first.microsecond // 1000 * 1000) <= at, f"sent too early: {text}"


def _assert_whole(system: System, state: str, before: object, jobs: object) -> None:
    """Old or new, in service, with a record that holds and lacks nothing."""
    found = system.status()
    assert found["state"] == state, found["reason"]
    role, name = ("new", "NEWSQL") if state == "upgraded" else ("old", "OLDSQL")
    assert (system.serves_from(), system.get("/")[0]) == (name, 200)
    assert (system.content(role), system.jobs(role)) == (before, jobs)
    assert set(system.states(role).values()) == {("ONLINE", "MULTI_USER")}
    assert system.runbook("audit", "verify").code == 0
    _assert_nothing_unrecorded(system)


# --- under the journal -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [OFFLINE, CUT, UPGRADE], ids=["offline", "cut", "upgrade"])
def test_going_forward_it_turns_back(night: System, disk: Disk, moment: str) -> None:
    """The room that was kept is enough for the record of the whole way back: exit 10, and the reason is named."""
    before, jobs = night.content("old"), night.jobs("old")
    process = _execute_until(night, moment)
    disk.fill()
    code, said = _go_on(process)
    assert code == 10, said
    assert "the disk under the journal is full" in night.status()["reason"]
    _assert_whole(night, "reverted", before, jobs)


def test_on_the_way_back_it_goes_on_with_that(night: System, disk: Disk) -> None:
    """It began to go back for another reason: it arrives."""
    before, jobs = night.content("old"), night.jobs("old")
    night.servers.fault("new", "corrupt", CORRUPT, times=1)
    process = _execute_until(night, BACK)
    disk.fill()
    code, said = _go_on(process)
    assert code == 10, said
    _assert_whole(night, "reverted", before, jobs)


def test_after_the_pivot_it_goes_on_with_that(night: System, disk: Disk) -> None:
    """Nothing reverts by itself any more: it ends as new."""
    before, jobs = night.content("old"), night.jobs("old")
    process = _execute_until(night, PIVOT)
    disk.fill()
    code, said = _go_on(process)
    assert code == 0, said
    _assert_whole(night, "upgraded", before, jobs)


GREEDY = {
    "offline": (OFFLINE, ("revert", "--yes"), {10}),
    "upgrade": (UPGRADE, ("resume",), {0, 10}),  # the wish to go back was the last thing recorded, or was not
    "back": (BACK, ("resume",), {10}),
    "pivot": (PIVOT, ("resume",), {0}),
}


@pytest.mark.parametrize("moment", GREEDY)
def test_somebody_takes_that_room_as_well(night: System, disk: Disk, moment: str) -> None:
    """Nothing can be recorded any more, so nothing is done: exit 40 and a named reason, whoever tries again is told the
    same, and ``status`` answers. With room again, what a person decides finishes."""
    failpoint, command, endings = GREEDY[moment]
    before, jobs = night.content("old"), night.jobs("old")
    if moment == "back":
        night.servers.fault("new", "corrupt", CORRUPT, times=1)
    process = _execute_until(night, failpoint)
    disk.fill(greedily=True)
    stopped, said = _go_on(process)
    assert (stopped, "the journal cannot be written" in said, "HINT: Make room" in said) == (40, True, True), said
    assert night.status()["state"] == "interrupted"
    sent = {role: _sent(night, role) for role in ("old", "new")}
    again = night.runbook(*command)
    assert again.code in (30, 40), again.err
    assert re.search("the journal .*cannot be (opened|written).*\n.*HINT: .*room", again.err), again.err
    assert {role: _sent(night, role) for role in ("old", "new")} == sent
    disk.clear()
    done = night.runbook(*command)
    assert done.code in endings, done.out + done.err
    _assert_whole(night, "reverted" if done.code else "upgraded", before, jobs)


def test_the_guard_waits_for_room_and_finishes(night: System, disk: Disk) -> None:
    """What it says goes to the full disk as well. It tries, and tries again; when there is room, nobody has to touch a
    key."""
    before, jobs = night.content("old"), night.jobs("old")
    (disk.root / "guard").mkdir()
    (night.home / "guard").symlink_to(disk.root / "guard")
    night.guarded = True
    night.variables["RUNBOOK_GUARD_FAILPOINTS"] = "guard.before-take-over=stop@2"
    process = _execute_until(night, UPGRADE)
    wait_until(lambda: bool(night.guards()))
    [log] = disk.root.glob("guard/*.log")
    wait_until(lambda: "watches run" in log.read_text(encoding="utf-8"))
    with log.open("ab") as file:
        file.write(b" " * (-log.stat().st_size % 4096))  # else it could still write to the end of the page
    disk.fill(greedily=True)
    code, said = _go_on(process)
    assert (code, "the journal cannot be written" in said) == (40, True), said
    [guard] = night.guards()
    wait_until(lambda: is_stopped(guard), 120)
    assert night.status()["state"] == "interrupted"
    disk.clear()
    os.kill(guard, signal.SIGCONT)
    wait_until(night.has_ended, 120)
    _assert_whole(night, night.status()["state"], before, jobs)


def test_a_guard_that_takes_over_on_a_full_disk_turns_back(night: System, disk: Disk) -> None:
    """The executor is killed, and nobody else needs the room that was kept."""
    before, jobs = night.content("old"), night.jobs("old")
    night.guarded = True
    process = _execute_until(night, UPGRADE)
    wait_until(lambda: bool(night.guards()))
    disk.fill()
    process.kill()
    wait_until(night.has_ended, 120)
    assert re.search("the disk under the journal is (nearly )?full", night.status()["reason"])
    _assert_whole(night, "reverted", before, jobs)


# --- read-only -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [UPGRADE, PIVOT], ids=["upgrade", "pivot"])
def test_it_becomes_read_only(sandbox: System, tmp_path: Path, moment: str) -> None:
    """The kernel does that when it finds an error: exit 40, nothing more is done, everybody may still look; mended, a
    resume finishes."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    with failing(tmp_path / "small", 64 * MIB) as disk:
        night = _with_journal_on(sandbox, disk)
        process = _execute_until(night, moment)
        disk.fail()
        code, said = _go_on(process)
        assert (code, "the journal cannot be written" in said) == (40, True), said
        assert night.status()["state"] == "interrupted"
        assert night.runbook("audit", "verify").code == 0
        sent = {role: _sent(night, role) for role in ("old", "new")}
        again = night.runbook("resume")
        assert (again.code, "the journal" in again.err, "HINT" in again.err) == (40, True, True), again.err
        assert {role: _sent(night, role) for role in ("old", "new")} == sent
        disk.mend()
        done = night.runbook("resume")
        assert done.code == 0, done.out + done.err
        _assert_whole(night, "upgraded", before, jobs)


# --- full from the beginning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["no journal", "a journal", "its reserve"])
def test_full_from_the_beginning(night: System, disk: Disk, kept: str) -> None:
    """Refused, with the place named, and nothing was touched: with no journal yet, with one, and with the room that was
    kept, which is for the way back of nights that have begun."""
    if kept != "no journal":
        assert night.runbook("runs").code in (0, 2)
        refused = night.execute("1s")
        assert refused.code == 30, "too short a window: it only makes the journal"
    if kept == "a journal":
        disk.reserve.path.unlink()
    disk.fill()
    done = night.execute()
    assert done.code == 30, done.out + done.err
    assert str(disk.root) in done.err
    assert "HINT" in done.err
    assert [_sent(night, role) for role in ("old", "new")] == [{}, {}]
    assert night.get("/")[0] == 200


# --- elsewhere -------------------------------------------------------------------------------------------------------


def test_under_the_second_place_of_the_journal(sandbox: System) -> None:
    """It is named, and the night goes on without; the copy that is there can be read."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    with mounted(sandbox.plan.parent / "share", 8 * MIB) as disk:
        sandbox.plan = sandbox.another_plan("shared.yaml", ("\nwindow:", "\njournal_copy: share\nwindow:"))
        process = _execute_until(sandbox, UPGRADE)
        disk.fill()
        code, said = _go_on(process)
        assert code == 0, said
        [finding] = [one for one in sandbox.status()["findings"] if "second place of the journal" in one]
        assert str(disk.root) in finding
        assert "No space left" in finding
        for line in next(disk.root.glob("*.journal")).read_text(encoding="utf-8").splitlines():
            json.loads(line)
        _assert_whole(sandbox, "upgraded", before, jobs)


def test_under_the_backups_of_the_old_server(sandbox: System) -> None:
    """The tail of a log cannot be written: exit 10, the reason says of which database and why."""
    before, jobs = sandbox.content("old"), sandbox.jobs("old")
    with mounted(sandbox.servers.directory("old") / "backup", 256 * MIB) as disk:
        process = _execute_until(sandbox, CUT)
        disk.fill()
        code, said = _go_on(process)
        assert code == 10, said
        reason = sandbox.status()["reason"]
        assert "cut-database" in reason
        assert "There is not enough space on the disk" in reason
        _assert_whole(sandbox, "reverted", before, jobs)
