"""Every step, the plug pulled at every moment of it: the next process looks, and the night still ends well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runbook.api import Outcome
from runbook.testing import PowerCut
from runbook.testing.world import differences
from tests.unit.steps.night import SCRIPTS, SIDE_BY_SIDE, Night

MOST_MOMENTS = 60


def names(strategy: str) -> list[str]:
    order = SIDE_BY_SIDE if strategy == "side-by-side" else SCRIPTS
    return [name for name in order if name != "OFFLINE"]


def offline(night: Night) -> dict[str, Any]:
    """Both servers as they are once users are out and nothing else has happened."""
    other = Night(type(night.world).mailer(), night.plan)
    other.go_offline()
    return {role: other.world.content(role) for role in other.world.servers}


def settle(night: Night, identity: str) -> str:
    """What the engine does with a step whose executor was lost; returns what it saw."""
    step = night.step(identity)
    if identity not in night.bench.intents:
        night.do(identity)
        return "not begun"
    outcome = night.bench.verify(step)
    if outcome is Outcome.PARTIAL and identity in night.bench.undos:
        night.bench.undo(step)
    if outcome is not Outcome.REACHED:
        night.do(identity)
    return outcome.value


def slip_in(night: Night, role: str, database: str) -> None:
    """Somebody writes a row past the gate."""
    found = night.world.servers[role].get(database)
    found.write(found.content.with_row(next(iter(found.content.tables)), "slipped in"))


def cut_off(night: Night, identity: str, moment: int) -> bool:
    """Do a step with the plug pulled at its n-th moment; False when it has fewer."""
    night.world.pull_plug(moment)
    try:
        night.do(identity)
    except PowerCut:
        night.crash()
        return True
    night.world.pull_plug_when(lambda _: False)
    return False


WRITERS = {"seed-backup", "cut-database", "backup-database", "run-scripts"}
"""Steps that leave files, and so can leave half a file."""
ALL_STEPS = [
    pytest.param(strategy, name, leftovers, id=f"{name} of {strategy}{', half a file left' if leftovers else ''}")
    for strategy in ("side-by-side", "scripts")
    for name in names(strategy)
    for leftovers in ((False, True) if name in WRITERS else (False,))
]


@pytest.mark.parametrize("database", ["Contacts", "Archive"])
@pytest.mark.parametrize(("strategy", "name", "leftovers"), ALL_STEPS)
def test_forward_after_a_crash(tmp_path: Path, strategy: str, name: str, database: str, leftovers: bool) -> None:
    """Whatever moment the process died at, a new one settles the step and finishes the night."""
    for moment in range(MOST_MOMENTS):
        night = Night.of(tmp_path, strategy, databases=(database,))
        night.world.site.databases = (database,)
        night.world.partial_files = leftovers
        night.until(name)
        identity = night.ids(name)[0]
        if not cut_off(night, identity, moment):
            return
        settle(night, identity)
        rest = night.order[night.order.index(name) + 1 :]
        for one in rest:
            if one == "OFFLINE":
                night.go_offline()
            else:
                night.do(*night.ids(one))
        night.do("open-gate", "probe-open", "enable-jobs")
        assert night.world.public() == ("new" if strategy == "side-by-side" else "old")
    raise AssertionError("more moments than expected")


@pytest.mark.parametrize("database", ["Contacts", "Archive"])
@pytest.mark.parametrize(("strategy", "name", "leftovers"), ALL_STEPS)
def test_back_after_a_crash(tmp_path: Path, strategy: str, name: str, database: str, leftovers: bool) -> None:
    """Whatever moment the process died at, a new one puts everything back; both servers are what they were."""
    for moment in range(MOST_MOMENTS):
        night = Night.of(tmp_path, strategy, databases=(database,))
        night.world.partial_files = leftovers
        before = offline(night)
        night.until(name)
        identity = night.ids(name)[0]
        if not cut_off(night, identity, moment):
            return
        if "OFFLINE" in night.order[night.order.index(name) :]:
            night.go_offline()
        untouched = identity in night.bench.intents and night.bench.verify(night.step(identity)) is Outcome.UNTOUCHED
        if untouched:  # as the engine has it: what is untouched owes nothing
            night.bench.undos.pop(identity, None)
        night.back()
        after = {role: night.world.content(role) for role in night.world.servers}
        assert not differences(before, after), f"cut off at moment {moment}"
    raise AssertionError("more moments than expected")


@pytest.mark.parametrize("leftovers", [False, True], ids=["", "partial files"])
@pytest.mark.parametrize("database", ["Contacts", "Archive"])
@pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])
def test_a_way_back_that_is_killed(tmp_path: Path, strategy: str, database: str, leftovers: bool) -> None:
    """The way back, cut off at any moment and begun again, ends where it would have ended."""
    for moment in range(MOST_MOMENTS):
        night = Night.of(tmp_path, strategy, databases=(database,))
        night.world.partial_files = leftovers
        before = offline(night)
        night.until("", inclusive=True)
        slip_in(night, "new" if strategy == "side-by-side" else "old", database)
        night.world.pull_plug(moment)
        try:
            night.back()
        except PowerCut:
            night.crash()
            night.back()
            after = {role: night.world.content(role) for role in night.world.servers}
            assert not differences(before, after), f"cut off at moment {moment}"
            continue
        return
    raise AssertionError("more moments than expected")
