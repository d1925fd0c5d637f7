"""The offline phase on fakes: done and seen, done twice, put back twice, cut off anywhere and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runbook.api import (
    AccessBefore,
    Apply,
    Block,
    DatabaseState,
    GateBefore,
    JobsBefore,
    Outcome,
    Pass,
    QuietMark,
    ServerError,
    Step,
    StepFailed,
    UserAccess,
)
from runbook.errors import Cancelled
from runbook.testing.world import differences
from steps.offline.close_gate import CloseGate
from steps.offline.disable_jobs import DisableJobs
from steps.offline.drain_sessions import DrainSessions
from steps.offline.probe_closed import ProbeClosed
from steps.offline.prove_quiet import ProveQuiet
from steps.offline.restrict_database import RestrictDatabase
from steps.offline.stop_jobs import StopJobs
from tests.unit.steps.evening import BUSY, OFFLINE, Evening

ACTING = (CloseGate, DisableJobs, StopJobs, RestrictDatabase, DrainSessions)
WITH_A_WAY_BACK = (CloseGate, DisableJobs, RestrictDatabase)
STRATEGIES = ("side-by-side", "scripts")
MOST_MOMENTS = 40


def everything(evening: Evening) -> dict[str, Any]:
    """What the phase can change, as plain data."""
    return {"old": evening.world.content("old"), "page": evening.world.site.page}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_there_and_back(tmp_path: Path, strategy: str) -> None:
    """Users are out, jobs and databases quiet; put back, everything is what it was."""
    evening = Evening.of(tmp_path, strategy, databases=("Contacts", "Campaigns", "Archive"))
    before = everything(evening)

    evening.do(*OFFLINE)
    assert evening.world.public() == "closed"
    assert not any(evening.enabled().values())
    assert not evening.world.users_write("old")
    assert not evening.old.clients

    evening.back()
    assert not differences(before, everything(evening))
    assert evening.world.public() == "old"


@pytest.mark.parametrize("kind", ACTING)
def test_each_step_alone(tmp_path: Path, kind: type[Step]) -> None:
    """Not begun it is seen as not begun, done it is seen as done, done twice it ends the same."""
    evening = Evening.busy(tmp_path).until(kind)
    if kind is DrainSessions:
        evening.old.connect("Contacts", "boss", privileged=True)
    step = evening.step(kind)
    decision = evening.bench.begin(step)
    assert isinstance(decision, Apply)
    assert evening.bench.verify(step) is not Outcome.REACHED
    step.apply(evening.ctx, decision.intent)
    assert evening.bench.verify(step) is Outcome.REACHED
    once = everything(evening)
    step.apply(evening.ctx, decision.intent)
    assert evening.bench.verify(step) is Outcome.REACHED
    assert not differences(once, everything(evening))


@pytest.mark.parametrize("kind", WITH_A_WAY_BACK)
def test_undone_it_is_as_it_was_and_can_be_done_again(tmp_path: Path, kind: type[Step]) -> None:
    """Undone (twice) nothing of it is left; another process does it again."""
    evening = Evening.busy(tmp_path).until(kind)
    before = everything(evening)
    evening.do(kind)
    evening.bench.undo(evening.step(kind))
    assert not differences(before, everything(evening))
    evening.crash()
    evening.do(kind)


@pytest.mark.parametrize("kind", WITH_A_WAY_BACK)
def test_undone_before_it_was_begun(tmp_path: Path, kind: type[Step]) -> None:
    """Its record is written, nothing is touched yet: the way back changes nothing."""
    evening = Evening.busy(tmp_path).until(kind)
    before = everything(evening)
    evening.bench.begin(evening.step(kind))
    evening.bench.undo(evening.step(kind))
    assert not differences(before, everything(evening))


@pytest.mark.parametrize("kind", WITH_A_WAY_BACK)
def test_cut_off_at_any_moment(tmp_path: Path, kind: type[Step]) -> None:
    """Wherever the plug is pulled, the next process sees what is so, and puts back what was."""
    for at in range(MOST_MOMENTS):
        evening = Evening.busy(tmp_path).until(kind)
        before, step = everything(evening), evening.step(kind)
        decision = evening.bench.begin(step)
        assert isinstance(decision, Apply)
        goal = decision.intent
        if not evening.cut_off(lambda step=step, goal=goal, evening=evening: step.apply(evening.ctx, goal), at):
            assert at > 1
            return
        seen = evening.bench.verify(step)
        touched = bool(differences(before, everything(evening)))
        assert touched or seen is Outcome.UNTOUCHED
        assert not touched or seen is not Outcome.UNTOUCHED
        evening.bench.undo(step)
        assert not differences(before, everything(evening))
    raise AssertionError("the step never ends")


@pytest.mark.parametrize("kind", WITH_A_WAY_BACK)
def test_the_way_back_cut_off_at_any_moment(tmp_path: Path, kind: type[Step]) -> None:
    """A way back that was killed is gone again to its end by the next process."""
    for at in range(MOST_MOMENTS):
        evening = Evening.busy(tmp_path).until(kind)
        before, step = everything(evening), evening.step(kind)
        evening.do(kind)
        back = evening.bench.undos[step.id]
        cut = evening.cut_off(lambda back=back, evening=evening: back.run(evening.ctx), at)
        evening.bench.undo(step)
        assert not differences(before, everything(evening))
        if not cut:
            return
    raise AssertionError("the way back never ends")


@pytest.mark.parametrize("kind", [StopJobs, DrainSessions])
def test_what_has_no_way_back_is_done_again(tmp_path: Path, kind: type[Step]) -> None:
    """Cut off anywhere, another process does it again and reaches it."""
    for at in range(MOST_MOMENTS):
        evening = Evening.busy(tmp_path, more="jobs: {running: stop}\n").until(kind)
        evening.old.connect("Contacts", "boss", privileged=True)
        step = evening.step(kind)
        decision = evening.bench.begin(step)
        assert isinstance(decision, Apply)
        goal = decision.intent
        if not evening.cut_off(lambda step=step, goal=goal, evening=evening: step.apply(evening.ctx, goal), at):
            return
        evening.do(kind)
    raise AssertionError("the step never ends")


def test_what_later_steps_read(tmp_path: Path) -> None:
    """Each step keeps what others build on."""
    evening = Evening.of(tmp_path)
    evening.do(*OFFLINE)
    kept = evening.ctx.kept
    assert kept("close-gate", GateBefore) == GateBefore("")
    assert {job.name for job in kept("disable-jobs", JobsBefore).enabled} == {"scheduled-sends", "nightly-rollup"}
    assert kept("restrict-database[Contacts]", AccessBefore) == AccessBefore(UserAccess.MULTI_USER)
    sequence = evening.ctx.reader("old").log_sequence("Contacts")
    assert kept("prove-quiet[Contacts]", QuietMark) == QuietMark(sequence)


# --- the gate


def test_the_gate_opens_only_when_users_are_served(tmp_path: Path) -> None:
    """A page that does not answer is no service: the way back fails, loudly, and works once the page does."""
    evening = Evening.of(tmp_path)
    evening.do(CloseGate)
    step = evening.step(CloseGate)
    back = evening.bench.undos[step.id]
    evening.world.site.down = True
    with pytest.raises(StepFailed, match=r"users are not served: .* answers 502, not 200"):
        back.run(evening.ctx)
    assert back.verify(evening.ctx) is Outcome.PARTIAL
    evening.world.site.down = False
    evening.bench.undo(step)


def test_the_application_gets_time_to_find_its_databases(tmp_path: Path) -> None:
    """The way back waits while the application still starts."""
    evening = Evening.of(tmp_path)
    evening.do(CloseGate)
    evening.world.site.down = True
    evening.world.later(20, lambda: setattr(evening.world.site, "down", False))
    evening.bench.undo(evening.step(CloseGate))
    assert evening.world.public() == "old"


def test_a_default_page_that_came_back_is_taken_away(tmp_path: Path) -> None:
    """Something else put its own page over ours: users must not be told something untrue for ever."""
    evening = Evening.of(tmp_path)
    evening.do(CloseGate)
    evening.world.site.page, evening.world.site.page_by = "down for planned maintenance", "somebody"
    assert evening.bench.verify(evening.step(CloseGate)) is Outcome.PARTIAL
    assert evening.bench.undos["close-gate"].verify(evening.ctx) is Outcome.PARTIAL
    evening.bench.undo(evening.step(CloseGate))
    assert evening.world.public() == "old"
    assert any("it was taken away" in note for note in evening.ctx.notes)


def test_a_strangers_page_blocks(tmp_path: Path) -> None:
    """What this run did not put there is not touched."""
    evening = Evening.of(tmp_path)
    evening.world.site.page, evening.world.site.page_by = "closed for stocktaking", "somebody"
    assert isinstance(evening.bench.look(evening.step(CloseGate)), Block)


def test_without_a_gate_nothing_is_closed(tmp_path: Path) -> None:
    """A plan that says it has no gate goes on without one, and later steps find what they read."""
    evening = Evening.of(tmp_path)
    evening.plan = _without_gate(evening)
    decision = evening.do(CloseGate, ProbeClosed, DisableJobs, StopJobs, RestrictDatabase, DrainSessions, ProveQuiet)
    assert isinstance(decision, Pass)
    assert evening.world.site.page is None
    assert evening.ctx.kept("close-gate", GateBefore) == GateBefore("")


def _without_gate(evening: Evening) -> Any:
    gate = type("Gate", (), {"kind": "none"})()
    plan = evening.plan.model_copy(update={"gate": gate})
    evening.ctx.plan = plan
    return plan


def test_users_that_still_get_in_turn_the_run_back(tmp_path: Path) -> None:
    """The gate says closed, the page from outside says otherwise."""
    evening = Evening.of(tmp_path)
    evening.do(CloseGate)
    evening.world.site.overrides["http://127.0.0.1:8090/"] = (200, "Mailer")
    found = evening.bench.look(evening.step(ProbeClosed))
    assert isinstance(found, Block)
    assert "answers 200, not 503" in found.reason


def test_a_front_end_may_take_a_moment(tmp_path: Path) -> None:
    """The closed gate is noticed a few seconds later."""
    evening = Evening.of(tmp_path)
    evening.do(CloseGate)
    evening.world.site.overrides["http://127.0.0.1:8090/"] = (200, "Mailer")
    evening.world.later(6, evening.world.site.overrides.clear)
    assert isinstance(evening.do(ProbeClosed), Pass)


# --- jobs


def test_jobs_disabled_beforehand_stay_disabled(tmp_path: Path) -> None:
    """Exactly what was enabled is enabled again, whatever was done to the others meanwhile."""
    evening = Evening.of(tmp_path)
    evening.do(DisableJobs)
    evening.job("old-import").enabled = False
    evening.bench.undo(evening.step(DisableJobs))
    assert evening.enabled() == {"scheduled-sends": True, "nightly-rollup": True, "old-import": False}


def test_a_job_deleted_meanwhile_is_noted(tmp_path: Path) -> None:
    """Nobody can enable what is not there; the others come back."""
    evening = Evening.of(tmp_path)
    evening.do(DisableJobs)
    gone = evening.job("scheduled-sends")
    del evening.old.jobs[gone.job_id]
    evening.bench.undo(evening.step(DisableJobs))
    assert evening.enabled() == {"nightly-rollup": True, "old-import": False}
    assert any("scheduled-sends was deleted" in note for note in evening.ctx.notes)


def test_half_disabled_is_partial(tmp_path: Path) -> None:
    """One of two: neither untouched nor reached."""
    evening = Evening.of(tmp_path)
    evening.bench.begin(evening.step(DisableJobs))
    evening.job("scheduled-sends").enabled = False
    assert evening.bench.verify(evening.step(DisableJobs)) is Outcome.PARTIAL


def test_a_job_that_ends_by_itself_is_not_stopped(tmp_path: Path) -> None:
    """The plan says wait: nothing is sent to the Agent."""
    evening = Evening.of(tmp_path)
    evening.run_job("nightly-rollup", 60)
    evening.do(StopJobs)
    assert not any("STOP JOB" in line for line in evening.world.trace)


def test_a_job_that_does_not_end_is_stopped_and_named(tmp_path: Path) -> None:
    """After the wait it is stopped; the record says which."""
    evening = Evening.of(tmp_path, more="jobs: {running: wait, wait: 10s}\n")
    evening.run_job("nightly-rollup", 3600)
    began = evening.world.clock.monotonic()
    evening.do(StopJobs)
    assert 10 <= evening.world.clock.monotonic() - began < 20
    assert [line for line in evening.world.trace if "STOP JOB" in line] == ["old: STOP JOB nightly-rollup"]
    assert any("nightly-rollup on old was stopped" in note for note in evening.ctx.notes)


def test_stop_means_at_once(tmp_path: Path) -> None:
    """The plan says stop: nobody waits."""
    evening = Evening.of(tmp_path, more="jobs: {running: stop, wait: 10m}\n")
    evening.run_job("nightly-rollup", 3600)
    began = evening.world.clock.monotonic()
    evening.do(StopJobs)
    assert evening.world.clock.monotonic() - began < 5


def test_a_job_that_cannot_be_stopped_fails_the_step(tmp_path: Path) -> None:
    """The Agent says yes and nothing happens: the step fails and names it."""
    evening = Evening.of(tmp_path, more="jobs: {running: stop}\n")
    evening.run_job("nightly-rollup", 36000)
    evening.world.fault("old", "lie", "STOP JOB", times=-1)
    with pytest.raises(StepFailed, match="jobs on old do not stop: nightly-rollup"):
        evening.do(StopJobs)
    assert evening.bench.verify(evening.step(StopJobs)) is Outcome.UNTOUCHED


def test_waiting_for_a_job_ends_when_the_run_turns_back(tmp_path: Path) -> None:
    """The turn-back point is felt in the middle of the wait."""
    evening = Evening.of(tmp_path)
    evening.run_job("nightly-rollup", BUSY)
    evening.world.later(7, lambda: evening.ctx.token.cancel("the turn-back point is reached"))
    began = evening.world.clock.monotonic()
    with pytest.raises(Cancelled):
        evening.do(StopJobs)
    assert evening.world.clock.monotonic() - began < 8


# --- databases and sessions


def test_access_comes_back_as_it_was(tmp_path: Path) -> None:
    """A database that only administrators could enter is not opened to everybody by the way back."""
    evening = Evening.of(tmp_path)
    evening.old.clients.clear()
    evening.old.waiting.clear()
    evening.old.get("Contacts").set(user_access=UserAccess.RESTRICTED_USER)
    assert isinstance(evening.do(RestrictDatabase), Pass)
    assert "restrict-database[Contacts]" not in evening.bench.undos


def test_access_waits_for_the_database_to_be_open(tmp_path: Path) -> None:
    """While the database is not online there is nobody to let in: the way back says so instead of pretending."""
    evening = Evening.of(tmp_path)
    evening.do(RestrictDatabase)
    evening.old.get("Contacts").state = DatabaseState.RESTORING
    back = evening.bench.undos["restrict-database[Contacts]"]
    with pytest.raises(StepFailed, match="not online"):
        back.run(evening.ctx)
    assert back.verify(evening.ctx) is Outcome.UNTOUCHED


def test_the_one_place_is_taken_back(tmp_path: Path) -> None:
    """Somebody sits in a database left in single-user mode: the way back ends that session first (5064)."""
    evening = Evening.of(tmp_path)
    evening.do(RestrictDatabase)
    evening.old.get("Contacts").set(user_access=UserAccess.SINGLE_USER)
    evening.old.connect("Contacts", "boss", privileged=True)
    evening.bench.undo(evening.step(RestrictDatabase))
    assert evening.old.get("Contacts").settings.user_access is UserAccess.MULTI_USER


def test_an_effect_that_did_not_happen_is_seen(tmp_path: Path) -> None:
    """The server says yes and nothing happens: the look shows it untouched."""
    evening = Evening.of(tmp_path)
    evening.world.fault("old", "lie", "RESTRICTED_USER")
    with pytest.raises(AssertionError, match="untouched"):
        evening.do(RestrictDatabase)


def test_a_lost_answer_is_settled_by_looking(tmp_path: Path) -> None:
    """It happened, the answer was lost: the look shows it reached."""
    evening = Evening.of(tmp_path)
    evening.world.fault("old", "lost", "RESTRICTED_USER")
    step = evening.step(RestrictDatabase)
    decision = evening.bench.begin(step)
    assert isinstance(decision, Apply)
    with pytest.raises(ServerError):
        step.apply(evening.ctx, decision.intent)
    assert evening.bench.verify(step) is Outcome.REACHED


def test_sessions_get_their_grace(tmp_path: Path) -> None:
    """Who leaves within the grace is not killed."""
    evening = Evening.of(tmp_path, more="sessions: {grace: 8s}\n").until(DrainSessions)
    guest = evening.old.connect("Contacts", "boss", privileged=True)
    evening.world.later(5, lambda: evening.old.clients.remove(guest))
    evening.do(DrainSessions)
    assert not any("KILL" in line for line in evening.world.trace)


def test_sessions_that_stay_are_killed_and_named(tmp_path: Path) -> None:
    """After the grace they are ended; the record says whose they were."""
    evening = Evening.of(tmp_path, more="sessions: {grace: 3s}\n").until(DrainSessions)
    evening.old.connect("Contacts", "boss", privileged=True)
    evening.do(DrainSessions, ProveQuiet)
    assert sum("KILL" in line for line in evening.world.trace) == 1
    assert any("boss (mailer on webhost" in note for note in evening.ctx.notes)


def test_a_session_that_cannot_be_ended_fails_the_step(tmp_path: Path) -> None:
    """Nobody pretends the database is empty."""
    evening = Evening.of(tmp_path).until(DrainSessions)
    evening.old.connect("Contacts", "boss", privileged=True).unkillable = True
    with pytest.raises(StepFailed, match="cannot be ended: boss"):
        evening.do(DrainSessions)
    assert evening.bench.verify(evening.step(DrainSessions)) is Outcome.PARTIAL


def test_a_monitor_that_looks_in_does_not_turn_the_run_back(tmp_path: Path) -> None:
    """A privileged session that is gone a moment later is waited for."""
    evening = Evening.of(tmp_path).until(ProveQuiet)
    guest = evening.old.connect("Contacts", "monitor", privileged=True)
    evening.world.later(2, lambda: evening.old.clients.remove(guest))
    assert isinstance(evening.do(ProveQuiet), Pass)


def test_somebody_who_stays_does(tmp_path: Path) -> None:
    """A session that came after the drain is named, and the run goes no further."""
    evening = Evening.of(tmp_path).until(ProveQuiet)
    evening.old.connect("Contacts", "boss", privileged=True)
    evening.run_job("old-import", 60)
    evening.job("scheduled-sends").enabled = True
    found = evening.bench.look(evening.step(ProveQuiet))
    assert isinstance(found, Block)
    for what in (
        "boss (mailer on webhost) is in Contacts",
        "job old-import runs",
        "scheduled-sends on old was enabled",
    ):
        assert what in found.reason
