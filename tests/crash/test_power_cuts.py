"""The plug is pulled at every durable write and every effect, before, in the middle and after; then once more.

Promise 1: however the run is killed, once resumed it ends new, validated and open, or old, equal to before and
open. Both strategies, the way forward and the way back.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.night import Night

pytestmark = pytest.mark.crash

CASES = [
    pytest.param("side-by-side", "none", id="side-by-side-forward"),
    pytest.param("side-by-side", "fail", id="side-by-side-back"),
    pytest.param("scripts", "none", id="scripts-forward"),
    pytest.param("scripts", "fail", id="scripts-back"),
]
SHARDS = 6
SHARED = 3
STRIDE = 13
"""Recovery from moment n is cut at its own moment 13 n modulo what is left: over all n, early, midway and late."""


def night(directory: Path, strategy: str, trouble: str) -> Night:
    """A night in which nothing goes wrong but the power, or in which the last check fails."""
    made = Night(directory, strategy, databases=("Contacts", "Archive"))
    made.world.site.databases = ("Contacts", "Archive")
    if trouble == "fail":
        made.world.site.overrides["http://127.0.0.1:8090/health?bypass=1"] = (500, "no")
    return made


def moments(directory: Path, strategy: str, trouble: str) -> tuple[list[int], int]:
    """The moments to pull the plug at, and how many an undisturbed run has.

    All of them; only on the way to a turn that is shared with the undisturbed night, which tries all of those itself,
    every third.
    """
    made = night(directory, strategy, trouble)
    made.open()
    first = len(made.world.effects)
    made.drive()
    seen = [str(effect) for effect in made.world.effects[first:]]
    turn = next((at for at, effect in enumerate(seen) if "writing turned-back" in effect), 0)
    return [at for at in range(len(seen)) if at >= turn or at % SHARED == 0], len(seen)


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize(("strategy", "trouble"), CASES)
def test_killed_at_every_moment_and_once_more_in_recovery(
    tmp_path: Path, strategy: str, trouble: str, shard: int
) -> None:
    """Every moment of the run; for each, a further cut at moments of the recovery."""
    chosen, total = moments(tmp_path, strategy, trouble)
    assert total > 100, "there is something to interrupt"
    for at in chosen[shard::SHARDS]:
        # what is left of the run, and a little for the settling; a second cut past its end never comes
        _cut(tmp_path, strategy, trouble, [at, at * STRIDE % (total - at + 10)])


def _cut(directory: Path, strategy: str, trouble: str, cuts: list[int]) -> None:
    """Run it with these cuts and check the ending."""
    made = night(directory, strategy, trouble)
    made.open()
    try:
        ending, _ = made.drive_through(cuts)
        made.assert_ending(ending)
    except Exception as error:
        where = [str(effect) for effect in made.world.effects if effect.number in cuts]
        raise AssertionError(f"cut at {cuts} {where}: {error}") from error
