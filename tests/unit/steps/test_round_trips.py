"""Every step: done and seen, done twice, put back and seen, put back twice; whole nights there and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.api import Apply, DatabaseState, Outcome, UserAccess
from runbook.testing.world import differences
from tests.unit.steps.night import AFTERWARDS, SCRIPTS, SIDE_BY_SIDE, Night

ALL = ("Contacts", "Archive")
"""One in FULL, one in SIMPLE recovery."""


@pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])
def test_there(tmp_path: Path, strategy: str) -> None:
    """Every step of the way forward reaches what it intends; users end up on the upgraded databases."""
    night = Night.of(tmp_path, strategy, databases=ALL)
    night.world.site.databases = ALL
    night.until("", inclusive=True)
    for name in AFTERWARDS:
        night.do(*(identity for identity in night.ids(name)))

    assert night.world.public() == ("new" if strategy == "side-by-side" else "old")
    serving = night.world.servers["new" if strategy == "side-by-side" else "old"]
    enabled = {job.definition.name: job.enabled for job in serving.jobs.values()}
    assert enabled == {"scheduled-sends": True, "nightly-rollup": True, "old-import": False}


@pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])
def test_and_back(tmp_path: Path, strategy: str) -> None:
    """From the last moment before the pivot everything is put back: both servers are what they were."""
    night = Night.of(tmp_path, strategy, databases=ALL)
    quiet = _when_offline(night)
    new = night.world.content("new")
    night.until("", inclusive=True)

    night.back()

    assert not differences(quiet, night.world.content("old"))
    assert not differences(new, night.world.content("new"))
    assert night.world.pointed_at() == "old"


def _when_offline(night: Night) -> dict[str, object]:
    """The old server as it is once the offline phase is through, without having gone there."""
    other = Night(type(night.world).mailer(), night.plan)
    other.go_offline()
    return other.world.content("old")


def names(strategy: str) -> list[str]:
    order = SIDE_BY_SIDE if strategy == "side-by-side" else SCRIPTS
    return [name for name in order if name != "OFFLINE"]


@pytest.mark.parametrize(
    ("strategy", "name"),
    [(strategy, name) for strategy in ("side-by-side", "scripts") for name in names(strategy)],
)
@pytest.mark.parametrize("database", ALL)
def test_each_step_alone(tmp_path: Path, strategy: str, name: str, database: str) -> None:
    """A step that touches something: untouched or reached, never in doubt; applied twice it ends the same; undone
    (twice) nothing of it is left; done again after that, it is reached again."""
    night = Night.of(tmp_path, strategy, databases=(database,))
    night.until(name)
    identity = night.ids(name)[0]
    step = night.step(identity)
    before = {role: night.world.content(role) for role in night.world.servers}
    decision = night.bench.begin(step)
    if not isinstance(decision, Apply):
        return
    first = night.bench.verify(step)
    step.apply(night.ctx, decision.intent)
    assert night.bench.verify(step) is Outcome.REACHED
    once = {role: night.world.content(role) for role in night.world.servers}
    step.apply(night.ctx, decision.intent)
    assert night.bench.verify(step) is Outcome.REACHED
    assert name in {"seed-restore"} or not differences(once, {r: night.world.content(r) for r in night.world.servers})
    assert first is (Outcome.REACHED if name in {"prove-reference", "expect-return"} else Outcome.UNTOUCHED)
    if decision.undo is None:
        return
    night.bench.undo(step)
    if name not in {"recover-database", "carry-options"}:  # what these leave is dropped by seed-restore's way back
        after = {role: night.world.content(role) for role in night.world.servers}
        assert not differences(before, after)
    night.crash()
    night.do(identity)


def test_the_seed_is_not_recovered_before_the_cut(tmp_path: Path) -> None:
    """Until the last changes are there, the new database stays RESTORING."""
    night = Night.of(tmp_path).until("recover-database")
    assert night.world.servers["new"].get("Contacts").state is DatabaseState.RESTORING


def test_the_upgraded_database_opens_to_administrators_only(tmp_path: Path) -> None:
    """Nobody slips in between recovery and validation."""
    night = Night.of(tmp_path).until("carry-options")
    assert night.world.servers["new"].get("Contacts").settings.user_access is UserAccess.RESTRICTED_USER
