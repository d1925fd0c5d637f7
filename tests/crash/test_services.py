"""The plug is pulled at every durable write and every effect of a night with services and held work.

Promises 1 and 5: however often it is killed, every service ends as it was, held work is released once and after what
must come first, and none of it is lost.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.hostnight import APP, HostNight

pytestmark = pytest.mark.crash

SHARDS = 4
STRIDE = 13
MAIL = 3


def night(directory: Path, trouble: str) -> HostNight:
    """A night in which nothing goes wrong but the power, or in which the last check fails."""
    made = HostNight(directory, during="disabled", databases=("Contacts",))
    made.world.site.databases = ("Contacts",)
    if trouble == "fail":
        made.world.site.overrides[APP] = (500, "no")
    return made


def moments(directory: Path, trouble: str) -> list[int]:
    """Those of an undisturbed run that have to do with services, held work and the gate."""
    made = night(directory, trouble)
    made.open()
    first = len(made.world.effects)
    made.drive()
    seen = [str(effect) for effect in made.world.effects[first:]]
    words = ("web1", "web2", "local", "services", "held", "hold-work", "release-work", "-gate", "gate:", "turned-back")
    return [at for at, effect in enumerate(seen) if any(word in effect for word in words)]


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("trouble", ["none", "fail"])
def test_killed_at_every_moment_and_once_more_in_recovery(tmp_path: Path, trouble: str, shard: int) -> None:
    """Every such moment; for each, a further cut in the recovery."""
    chosen = moments(tmp_path, trouble)
    assert len(chosen) > 60, "there is something to interrupt"
    for at in chosen[shard::SHARDS]:
        cuts = [at, at * STRIDE % (chosen[-1] - at + 10)]
        made = night(tmp_path, trouble)
        made.open()
        made.world.later(5.0, lambda made=made: (made.replies.arrive(MAIL), made.sends.arrive(MAIL)))  # type: ignore[misc]
        try:
            ending, _ = made.drive_through(cuts)
            made.world.clock.advance(60)
            made.assert_ending(ending)
            assert made.all_mail() == (2 + MAIL, 2 + MAIL)
        except Exception as error:
            where = [str(effect) for effect in made.world.effects if effect.number in cuts]
            raise AssertionError(f"cut at {cuts} {where}: {error}") from error
