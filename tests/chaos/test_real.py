"""A slice of the nights on real processes that ``make chaos`` tells; see docs/chaos.md."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.chaos.processes.tale import Strike, Tale
from tests.chaos.running import in_words, tale_of, told_of
from tests.chaos.test_chaos import DRAWN

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="nights on real processes need Linux: /proc and SIGSTOP"),
]


@pytest.mark.parametrize("run", range(3))
def test_drawn_nights(run: int) -> None:
    """Whatever was drawn: old or new, nothing lost, in time where that is promised, nothing left running."""
    told = told_of("real", DRAWN, run)
    assert not told.broken, "\n".join([in_words("real", DRAWN, run, shrink=False), *told.broken, *told.trace[-1:]])


AT_THE_CUT = r"RESTORE DATABASE \[Alpha\] WITH RECOVERY"
NIGHTS = {
    "killed, and the guard too": (
        Tale(
            strikes=(
                Strike("failpoint", f"effect.after~{AT_THE_CUT}=kill", "command"),
                Strike("failpoint", "file.after-replace~database.ini=kill", "guard"),
            )
        ),
        {"kill -9 of the executor", "kill -9 of the guard"},
    ),
    "stopped elsewhere, woken when all is over": (
        Tale(
            guarded=False,
            elsewhere=True,
            strikes=(Strike("failpoint", f"effect.before~{AT_THE_CUT}=stop", "command"),),
        ),
        {"SIGSTOP of the executor", "stopped, woken when all was over"},
    ),
    "scripts that fail, and a server that dies": (
        Tale(
            strategy="scripts",
            turn="a check fails",
            strikes=(Strike("event", "undo-started run-scripts", "kill server old"),),
        ),
        {"kill -9 of the old server"},
    ),
}


@pytest.mark.parametrize("name", NIGHTS)
def test_told_on_purpose(name: str) -> None:
    """What was meant to strike did, and it ended well all the same."""
    from tests.chaos.real import tell

    tale, expected = NIGHTS[name]
    told = tell(tale)
    assert not told.broken, "\n".join([*tale.words(), *told.trace])
    assert set(told.tried) >= expected, told.trace
    assert told.ending == ("reverted" if tale.turn else "upgraded")


def test_the_same_numbers_draw_the_same_night() -> None:
    """And all sorts of faults are drawn often enough to be met in two hundred nights."""
    assert list(tale_of("real", 5, 3).words()) == list(tale_of("real", 5, 3).words())
    tales = [tale_of("real", 5, run) for run in range(200)]
    drawn = Counter(f"{one.what} {one.whom}" for tale in tales for one in tale.strikes)  # type: ignore[attr-defined]
    assert min(drawn.values()) >= 1
    for wanted in ("failpoint command", "failpoint guard", "event both", "event kill server old", "event disk"):
        assert drawn[wanted] > 3, drawn
