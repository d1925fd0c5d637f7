"""The plug is pulled at every durable write and every effect that has to do with containers; then once more.

Promise 1, where a new image starts on a copy of the volume: however often it is killed, one engine serves, old or new,
on its own volume, and what the run made and does not need is gone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.test_container import BAD_HEALTH, InContainer

pytestmark = pytest.mark.crash

SHARDS = 3
STRIDE = 13


def night(directory: Path, trouble: str) -> InContainer:
    """A night in which nothing goes wrong but the power, or in which the last check fails."""
    made = InContainer(directory, databases=("Contacts",))
    made.world.site.databases = ("Contacts",)
    if trouble == "fail":
        made.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    return made


def moments(directory: Path, trouble: str) -> list[int]:
    """Those of an undisturbed run that have to do with containers."""
    made = night(directory, trouble)
    made.open()
    first = len(made.world.effects)
    made.drive()
    seen = [str(effect) for effect in made.world.effects[first:]]
    words = ("container", "copy-volume", "db:", "turned-back")
    return [at for at, effect in enumerate(seen) if any(word in effect for word in words)]


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("trouble", ["none", "fail"])
def test_killed_at_every_moment_and_once_more_in_recovery(tmp_path: Path, trouble: str, shard: int) -> None:
    """Every such moment; for each, a further cut in the recovery."""
    chosen = moments(tmp_path, trouble)
    assert len(chosen) > 40, "there is something to interrupt"
    for at in chosen[shard::SHARDS]:
        made = night(tmp_path, trouble)
        made.open()
        ending, _ = made.drive_through([at, at * STRIDE % 60 + 1])
        made.assert_ending(ending)
