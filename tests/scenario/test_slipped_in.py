"""What somebody does behind the run's back: whatever slipped in is kept in a file or named, never lost in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runbook.events import Kind
from runbook.ports import ServerSession
from runbook.states import RunState
from runbook.testing import FakeSqlServer, Moment, PowerCut
from runbook.testing.model import sample_job
from runbook.testing.refusals import refusal
from tests.scenario.night import Night

# --- the way back of the scripts -------------------------------------------------------------------------------------


def failing(directory: Path) -> Night:
    """A night of scripts that turns back at the first batch of Contacts."""
    night = Night(directory, "scripts")
    night.world.fault("old", "fail", "UPDATE dbo.Contacts")
    return night


def asides(night: Night) -> dict[str, str]:
    """The files beside, and what they hold."""
    shelves = night.world.disk.places.values()
    found = {path: made for shelf in shelves for path, made in shelf.backups.items() if "Contacts-aside" in path}
    return {path: str(made.content.plain()) for path, made in sorted(found.items())}


def write(night: Night, text: str = "slipped in") -> None:
    """An administrator's tool writes a row."""
    assert night.world.users_write("old", "Contacts", privileged=True, text=text)


@contextmanager
def after_each_look_at_sessions(night: Night, action: Callable[[], object]) -> Iterator[None]:
    """Once a file beside is there, that happens whenever the way back has seen that nobody is in the database."""
    look = FakeSqlServer.sessions

    def sessions(self: FakeSqlServer, database: str) -> tuple[ServerSession, ...]:
        found = look(self, database)
        if database == "Contacts" and not found and asides(night):
            action()
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FakeSqlServer, "sessions", sessions)
        yield


def once(action: Callable[[], object]) -> Callable[[], object]:
    """Only the first call counts."""
    calls = [action]
    return lambda: calls.pop()() if calls else None


def findings(night: Night) -> str:
    """All that the run found worth keeping."""
    return "\n".join(night.view.findings)


def test_a_file_beside_that_is_not_there_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server reports success and writes nothing: what slipped in does not go before it is in a file."""
    night = failing(tmp_path)
    backup = FakeSqlServer.backup_full
    lied: list[str] = []

    def lies(self: FakeSqlServer, database: str, path: str, **more: Any) -> None:
        if "Contacts-aside" in path and not lied:
            lied.append(path)
            write(night)
            night.world.fault("old", "lie", "BACKUP DATABASE Contacts")
        backup(self, database, path, **more)

    monkeypatch.setattr(FakeSqlServer, "backup_full", lies)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert "slipped in" in "".join(asides(night).values())
    assert all(path in findings(night) for path in asides(night))


def test_written_while_nobody_ran(tmp_path: Path) -> None:
    """The executor dies right before the revert, a client writes, ``resume`` goes on: the row is in a file of its own,
    the earlier file is what it was."""
    night = failing(tmp_path)
    night.open()
    night.world.pull_plug(name="revert_to_snapshot", moment=Moment.BEFORE)
    with pytest.raises(PowerCut):
        night.drive()
    earlier = asides(night)
    assert len(earlier) == 1
    night.next_process()
    write(night)

    assert night.drive() is RunState.REVERTED

    night.assert_old()
    kept = asides(night)
    assert earlier.items() <= kept.items()
    assert ["slipped in" in content for content in kept.values()].count(True) == 1
    assert all(path in findings(night) for path in kept)


def test_written_between_the_backup_and_the_revert(tmp_path: Path) -> None:
    """The log has moved since the file beside was written: another one is taken before the revert."""
    night = failing(tmp_path)
    with after_each_look_at_sessions(night, once(lambda: write(night))):
        assert night.drive() is RunState.REVERTED
    night.assert_old()
    kept = asides(night)
    assert ["slipped in" in content for content in kept.values()] == [True, False]  # -aside-2.bak sorts before .bak
    assert all(path in findings(night) for path in kept)


def test_written_between_two_tries(tmp_path: Path) -> None:
    """The first revert is refused because somebody got in: what they wrote is kept before the second."""
    night = failing(tmp_path)
    revert = FakeSqlServer.revert_to_snapshot
    refused: list[str] = []

    def too_late(self: FakeSqlServer, database: str, snapshot: str) -> None:
        if not refused:
            write(night)
            refused.append(database)
            raise refusal(3101)
        revert(self, database, snapshot)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FakeSqlServer, "revert_to_snapshot", too_late)
        assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert refused
    assert any("slipped in" in content for content in asides(night).values())


def test_a_log_that_never_rests(tmp_path: Path) -> None:
    """Three files, then the way back goes on and says that it could not wait for the log to stand still."""
    night = failing(tmp_path)
    with after_each_look_at_sessions(night, lambda: write(night)):
        assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert len(asides(night)) == 3
    assert "the log of Contacts kept moving" in findings(night)


def test_nothing_written_one_file(tmp_path: Path) -> None:
    """A quiet way back takes one backup beside, and says nothing of a log that moved."""
    night = failing(tmp_path)
    assert night.drive() is RunState.REVERTED
    assert len(asides(night)) == 1
    assert "moved" not in findings(night)
    assert "moving" not in findings(night)


def test_killed_after_the_revert(tmp_path: Path) -> None:
    """Reverted, but the new chain has not begun: what was written meanwhile is kept before all of it is done again."""
    night = failing(tmp_path)
    night.open()
    night.world.pull_plug(name="revert_to_snapshot", moment=Moment.AFTER)
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    write(night)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert any("slipped in" in content for content in asides(night).values())


# --- jobs that somebody enabled --------------------------------------------------------------------------------------


def disturbed(night: Night, step: str, action: Callable[[], object]) -> RunState:
    """Drive the night; that happens as soon as the step is done."""
    executor = night.open()

    def meanwhile(event: Any) -> None:
        if (getattr(event, "kind", ""), getattr(event, "step", "")) == (Kind.STEP_DONE, step):
            action()

    executor.listeners.append(meanwhile)
    return executor.drive(night.run_id, night.plan)


def where_said(night: Night, words: str) -> list[str]:
    """The steps that found it."""
    rows = [row for row in night.store.rows(night.run_id) if row.kind == Kind.NOTE.value]
    return [row.step for row in rows if words in row.body]


@pytest.mark.parametrize("after", ["disable-jobs", "repoint"])
def test_a_job_made_on_the_old_server_is_named(tmp_path: Path, after: str) -> None:
    """Enabled there by somebody after all jobs were disabled: nobody carries it, so it is named at the last look."""
    night = Night(tmp_path)
    old = night.world.servers["old"]
    ending = disturbed(night, after, lambda: old.add_job(sample_job("their-export", "Contacts")))
    assert ending is RunState.UPGRADED
    assert where_said(night, "job their-export is enabled on old and not on new") == ["open-gate"]


def test_a_job_enabled_again_on_the_old_server_is_named(tmp_path: Path) -> None:
    """It would run on both servers."""
    night = Night(tmp_path)
    jobs = night.world.servers["old"].jobs.values()

    def enable() -> None:
        next(job for job in jobs if job.definition.name == "nightly-rollup").enabled = True

    assert disturbed(night, "repoint", enable) is RunState.UPGRADED
    assert where_said(night, "job nightly-rollup is enabled on old again") == ["open-gate"]


def test_jobs_of_the_only_server_need_no_word(tmp_path: Path) -> None:
    """With scripts nothing is left behind."""
    night = Night(tmp_path, "scripts")
    old = night.world.servers["old"]
    ending = disturbed(night, "disable-jobs", lambda: old.add_job(sample_job("their-export", "Contacts")))
    assert ending is RunState.UPGRADED
    assert not where_said(night, "their-export")


def test_jobs_that_cannot_be_read_stop_nobody(tmp_path: Path) -> None:
    """The old server is gone by the time the gate opens: that is said, and the night goes on."""
    night = Night(tmp_path)
    ending = disturbed(night, "repoint", lambda: night.world.kill_server("old"))
    assert ending is RunState.UPGRADED
    assert where_said(night, "whether a job is enabled on old cannot be told") == ["open-gate"]
