"""Going back from behind the pivot: only when a person has accepted the loss, and never more than that."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook.commands import runs
from runbook.errors import IllegalTransition, Refused, UsageError
from runbook.events import Draft, Kind
from runbook.journal.log import RunLog
from runbook.states import RunState
from runbook.testing import FakeSqlServer, PowerCut
from runbook.testing.model import sample_job
from tests.scenario.losing import BOTH, TWO, accept, asides, go_back, night_of, serving, upgraded, weighed, when, write

# --- counting ---------------------------------------------------------------------------------------------------------


@BOTH
def test_what_was_written_since_is_counted_per_table(tmp_path: Path, strategy: str) -> None:
    """Rows that came or went, other content with as many rows; what nobody touched is not named."""
    night = upgraded(tmp_path, strategy, writes=0)
    assert weighed(night).loss.total == 0
    assert weighed(night).loss.tables == ()
    write(night, "one", "Contacts")
    write(night, "two", "Contacts")
    archive = night.world.servers[serving(night)].get("Archive")
    archive.write(archive.content.corrupted())
    loss = weighed(night).loss
    assert [str(one) for one in loss.tables] == ["Contacts.dbo.Contacts: 2 added", "Archive.dbo.Archive: changed"]
    assert loss.total == 3


def test_what_cannot_be_counted_is_named(tmp_path: Path) -> None:
    """A table that cannot be read counts as one row; a server that is gone, as one for each of its tables."""
    night = upgraded(tmp_path, "side-by-side")
    night.world.fault("new", "fail", "PROVE Contacts dbo.Contacts ")
    (broken,) = [one for one in weighed(night).loss.tables if one.uncounted]
    assert (broken.table, broken.rows) == ("dbo.Contacts", 1)
    night.world.kill_server("new")
    gone = weighed(night).loss
    assert all(one.uncounted for one in gone.tables)
    assert {one.database for one in gone.tables} == set(TWO)


def test_jobs_and_logins_made_since_are_named(tmp_path: Path) -> None:
    """They stay where they are, but nobody will look for them there."""
    night = upgraded(tmp_path, "side-by-side", writes=0)
    new = night.world.servers["new"]
    new.logins["newcomer"] = replace(new.logins["mailer_app"], name="newcomer", sid="0x0A09")
    new.add_job(sample_job("weekly", "Contacts", enabled=True))
    assert weighed(night).loss.others == ("job weekly: new", "login newcomer: new")


# --- the way back -----------------------------------------------------------------------------------------------------


@BOTH
def test_back_with_what_was_accepted(tmp_path: Path, strategy: str) -> None:
    """The old setup exactly as before, in service; what is lost is in a file of this run, named at the end."""
    night = upgraded(tmp_path, strategy)
    night.world.clock.advance(5 * 86400)
    assert go_back(night) is RunState.REVERTED
    night.assert_old()
    view = night.view
    assert view.accepted is not None
    assert view.accepted["total"] == 2
    assert "accepted the loss of 2 rows: it is slow" in view.turned_back
    kept = asides(night)
    assert len(kept) == len(TWO)
    for path, content in kept.items():
        assert any(path in finding for finding in view.findings), "its path is told"
        assert "since 0" in content


@BOTH
def test_users_are_out_before_it_is_counted_again(tmp_path: Path, strategy: str) -> None:
    """The gate closes and says why, jobs are disabled, everybody is out; only then anything is put back."""
    night = upgraded(tmp_path, strategy)
    seen: list[str] = []

    def look() -> None:
        seen.extend([night.world.public(), night.world.site.page or ""])
        seen.extend(name for name in TWO if night.world.users_write(serving(night), name))
        seen.extend(name for name, on in night.world.content(serving(night))["jobs"].items() if on)
        seen.extend(one.login for one in FakeSqlServer(night.world, serving(night)).sessions("Contacts"))

    night.world.servers[serving(night)].connect("Contacts", login="sa", privileged=True)
    accept(night)
    executor = when(night, Kind.UNDO_DONE, "expect-loss", look)
    assert executor.drive(night.run_id, night.plan) is RunState.REVERTED
    assert seen[0] == "closed"
    assert "the earlier setup returns" in seen[1]
    assert "Nothing is lost" not in seen[1]
    assert seen[2:] == [], "nobody gets in, no job is enabled, administrators are out too"
    night.assert_old()


@BOTH
def test_more_than_was_accepted_is_not_lost(tmp_path: Path, strategy: str) -> None:
    """Users wrote on until the gate closed: the new setup is in service again, and a person is told how much it is."""
    night = upgraded(tmp_path, strategy)
    jobs, pivot_at = night.world.content(serving(night))["jobs"], night.view.pivot_at
    accept(night)
    executor = when(night, Kind.TURNED_BACK, "", lambda: write(night, "late", "Contacts"))
    assert executor.drive(night.run_id, night.plan) is RunState.HELD
    view = night.view
    assert "3 rows instead of 2: Contacts.dbo.Contacts: 2 added" in view.held
    assert (view.gate, view.accepted, night.world.public()) == ("open", None, serving(night))
    assert night.world.content(serving(night))["jobs"] == jobs
    assert view.pivot_at == pivot_at
    assert night.world.users_write(serving(night), "Contacts"), "they go on working"
    assert weighed(night).loss.total == 4, "counted since the first opening"
    assert runs.resume(night.executor(), night.run_id)[1] is RunState.UPGRADED


@BOTH
def test_the_larger_loss_can_be_accepted_then(tmp_path: Path, strategy: str) -> None:
    """After it was shown."""
    night = upgraded(tmp_path, strategy)
    accept(night)
    executor = when(night, Kind.TURNED_BACK, "", lambda: write(night, "late", "Contacts"))
    assert executor.drive(night.run_id, night.plan) is RunState.HELD
    assert go_back(night) is RunState.REVERTED
    night.assert_old()


@BOTH
def test_as_many_more_as_were_accepted_may_come(tmp_path: Path, strategy: str) -> None:
    """On a system that is written to all the time no exact number would ever be met."""
    night = upgraded(tmp_path, strategy)
    accept(night, more=1)
    executor = when(night, Kind.TURNED_BACK, "", lambda: write(night, "late", "Contacts"))
    assert executor.drive(night.run_id, night.plan) is RunState.REVERTED
    night.assert_old()


def test_other_rows_than_those_accepted_are_more(tmp_path: Path) -> None:
    """As many rows as were accepted, but not the same ones: somebody has written since."""
    night = upgraded(tmp_path, "side-by-side")

    def swap() -> None:
        found = night.world.servers["new"].get("Contacts")
        found.write(found.content.corrupted())

    accept(night)
    assert when(night, Kind.TURNED_BACK, "", swap).drive(night.run_id, night.plan) is RunState.HELD
    assert night.world.public() == "new"


def test_back_although_the_new_server_is_gone(tmp_path: Path) -> None:
    """The loss is what nobody can count; the old setup is in service all the same."""
    night = upgraded(tmp_path, "side-by-side")
    night.world.kill_server("new")
    state = go_back(night)
    assert night.world.public() == "old"
    assert state in (RunState.REVERTED, RunState.HELD)
    night.world.start_server("new")
    if state is RunState.HELD:
        assert runs.resume(night.executor(), night.run_id)[1] is RunState.REVERTED
    night.assert_old()
    assert len(asides(night)) == len(TWO)


def test_the_new_server_dies_once_the_loss_was_accepted(tmp_path: Path) -> None:
    """What cannot be counted any more is more than was accepted, however many rows more might have come."""
    night = upgraded(tmp_path, "side-by-side")
    accept(night, more=1000)
    executor = when(night, Kind.TURNED_BACK, "", lambda: night.world.kill_server("new"))
    assert executor.drive(night.run_id, night.plan) is RunState.HELD
    assert night.world.pointed_at() == "new", "nothing was put back"
    assert night.view.accepted is None
    go_back(night)
    night.world.start_server("new")
    if night.view.ending is None:
        assert runs.resume(night.executor(), night.run_id)[1] is RunState.REVERTED
    night.assert_old()


def test_an_executor_at_work_turns_back(tmp_path: Path) -> None:
    """The loss is accepted from another terminal while first backups are taken; what has not begun does not begin."""
    night = night_of(tmp_path, "side-by-side")
    night.world.durations["backup_full"] = 5.0
    night.open()
    executor = when(night, Kind.STEP_STARTED, "first-backup[Contacts]", lambda: accept(night))
    assert executor.drive(night.run_id, night.plan) is RunState.REVERTED
    night.assert_old()


@BOTH
def test_an_acceptance_that_meets_the_ending_comes_first(tmp_path: Path, strategy: str) -> None:
    """Recorded while the executor is about to record that the run is upgraded: it goes back all the same."""
    night = night_of(tmp_path, strategy)
    executor = night.open()
    last = [row.step for row in upgraded(tmp_path, strategy).store.rows(night.run_id) if row.step][-1]

    def meddle(event: Any) -> None:
        if event.step == last and event.kind in (Kind.STEP_DONE, Kind.STEP_PASSED) and not night.view.accepted:
            accept(night)

    executor.listeners.append(meddle)
    assert executor.drive(night.run_id, night.plan) is RunState.REVERTED
    night.assert_old()


@BOTH
def test_every_statement_of_the_way_back_refused_once(tmp_path: Path, strategy: str) -> None:
    """Whatever is refused on the way: it ends old, at the latest when a person resumes."""
    first = upgraded(tmp_path, strategy)
    begun = len(first.world.trace)
    assert go_back(first) is RunState.REVERTED
    sent = sorted({line.split("!")[0].strip() for line in first.world.trace[begun:]})
    assert len(sent) > 10
    for line in sent:
        where, _, text = line.partition(": ")
        night = upgraded(tmp_path, strategy)
        night.world.fault(where, "fail", re.escape(text))
        state = go_back(night)
        if state is RunState.HELD:
            state = runs.resume(night.executor(), night.run_id)[1]
        assert state is RunState.REVERTED, f"{line}: {night.view.held}"
        night.assert_old()


def test_a_gate_that_does_not_close_holds_before_anything_is_put_back(tmp_path: Path) -> None:
    """Somebody's page stands there: it is not taken away, nothing is lost, and the run says so."""
    night = upgraded(tmp_path, "side-by-side")
    night.world.site.page = "an emergency"
    assert go_back(night) is RunState.HELD
    assert "did not put there" in night.view.held
    assert night.world.pointed_at() == "new"
    night.world.site.page = None
    assert runs.resume(night.executor(), night.run_id)[1] is RunState.REVERTED
    night.assert_old()


def test_a_run_that_has_not_ended(tmp_path: Path) -> None:
    """Killed right after the gate opened: it can go back from there as well."""
    night = night_of(tmp_path, "side-by-side")
    night.world.pull_plug_when(lambda effect: "set_job_enabled" in str(effect) and "new" in str(effect))
    with pytest.raises(PowerCut):
        night.drive()
    night.next_process()
    write(night, "since")
    assert go_back(night) is RunState.REVERTED
    night.assert_old()


# --- what is refused --------------------------------------------------------------------------------------------------


@BOTH
def test_nothing_goes_back_without_a_loss_that_was_weighed(tmp_path: Path, strategy: str) -> None:
    """Refused, exit 30, nothing touched, nothing recorded."""
    night = upgraded(tmp_path, strategy)
    rows, trace = len(night.store.rows(night.run_id)), list(night.world.trace)
    with pytest.raises(Refused, match="past the pivot"):
        runs.revert(night.executor(), night.run_id, "")
    weighed(night)
    assert len(night.store.rows(night.run_id)) == rows
    assert night.world.trace == trace
    assert night.view.ending is RunState.UPGRADED


def test_a_restore_point_that_is_gone_is_found_before_anything_is_touched(tmp_path: Path) -> None:
    """Users stay in."""
    night = upgraded(tmp_path, "scripts")
    old = night.world.servers["old"]
    snapshot = next(name for name, one in list(old.databases.items()) if one.snapshot_of and "Archive" in one.name)
    old.remove(old.databases[snapshot])
    with pytest.raises(Refused, match="snapshot"):
        weighed(night)
    assert night.world.public() == "old"


def test_a_later_run_comes_first(tmp_path: Path) -> None:
    """What it made of the servers this one does not know."""
    night = upgraded(tmp_path, "scripts")
    first = night.run_id
    night.run_id = ""
    night.next_process()
    night.open()
    night.run_id = first
    with pytest.raises(Refused, match="came after"):
        weighed(night)


def test_a_run_that_was_reverted_or_declared_is_over(tmp_path: Path) -> None:
    """There is nothing to go back from."""
    night = upgraded(tmp_path, "side-by-side")
    assert go_back(night) is RunState.REVERTED
    assert runs.weigh(night.executor(), night.run_id) is None
    with pytest.raises(UsageError, match="has ended"):
        runs.revert(night.executor(), night.run_id, "")
    log = RunLog.load(night.store, night.run_id, actor="x", now=night.world.clock.now)
    with pytest.raises(IllegalTransition):
        log.append(Draft(Kind.LOSS_ACCEPTED, None, {"loss": {}, "total": 0, "more": 0, "reason": ""}))


@BOTH
def test_nothing_is_put_back_before_the_loss_is_weighed(tmp_path: Path, strategy: str) -> None:
    """Every way back that a night owes keeps users out or waits for the second count: a new step's too."""
    night = upgraded(tmp_path, strategy)
    graph = night.view.graph
    owing = {identity.split("[")[0] for identity, step in night.view.steps.items() if step.owes}
    before, todo = set[str](), ["expect-loss"]
    while todo:
        found = set(graph[todo.pop()].after) - before
        before |= found
        todo += found
    others = {node.id.split("[")[0] for node in graph if node.id not in before} & owing
    assert others == {"expect-loss", "release-database", "open-gate", "enable-jobs"}
