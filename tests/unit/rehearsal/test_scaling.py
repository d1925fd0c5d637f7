"""The model that carries rehearsed times over to real sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.rehearsal.scaling import BESIDES, PER_DOUBLING, Point, Prediction, fit, load, predict

MIB = 2**20


def made(fixed: float, per_mib: float, *loads: float, step: str = "") -> list[Point]:
    """Points on a line, each of a step of its own unless one is named; loads in MiB."""
    return [
        Point(step or f"s[{place}]", int(size * MIB), fixed + per_mib * size) for place, size in enumerate(loads)
    ]  # fmt: skip


def expected(points: list[Point], size: float, step: str = "s[new]") -> Prediction:
    return predict(points, step, int(size * MIB), grows=True)


def test_the_load_is_what_the_server_goes_through_until_a_database_is_done() -> None:
    """Of the larger ones as much as of this one, of the smaller ones all."""
    assert [load(size, (10, 100, 1000)) for size in (10, 100, 1000)] == [30, 210, 1110]


@given(
    fixed=st.floats(0.01, 10),
    per_mib=st.floats(0.0001, 1),
    loads=st.lists(st.integers(1, 500), min_size=2, unique=True),
    step=st.sampled_from(["", "s[one]"]),
)
def test_a_line_is_found(fixed: float, per_mib: float, loads: list[int], step: str) -> None:
    """Through one step's own points or through those of its kind; a hundred times the load is predicted from it."""
    points = made(fixed, per_mib, *loads, step=step)
    if max(loads) < min(loads) * 1.1:
        return
    found = expected(points, 100 * max(loads), step or "s[new]")
    assert found.seconds == pytest.approx(fixed + per_mib * 100 * max(loads), rel=0.02)


def test_a_step_keeps_what_is_its_own() -> None:
    """A database whose tables are many is slower from the first byte on."""
    points = [*made(1, 0.1, 10, 100, step="s[plain]"), *made(5, 0.1, 10, 100, step="s[many]")]
    assert expected(points, 1000, "s[plain]").seconds == pytest.approx(101)
    assert expected(points, 1000, "s[many]").seconds == pytest.approx(105)


def test_a_step_rises_half_like_itself_and_half_like_its_kind() -> None:
    """Two measurements are little to go by: one slow moment makes no step ten times as slow."""
    points = [*made(1, 0.1, 10, 100, step="s[a]"), *made(1, 0.3, 10, 100, step="s[b]")]
    found = expected(points, 1000, "s[b]").seconds
    assert found == pytest.approx(expected(points, 100, "s[b]").seconds + 900 * (0.3 + (0.1 + 0.3) / 2) / 2)


def test_neither_part_is_below_zero() -> None:
    """Noise does not make a step that gets faster the more there is to do, nor one that ends before it begins."""
    falling = fit([Point("s", 10 * MIB, 2.0), Point("s", 100 * MIB, 1.0)])
    assert (falling.per_byte, falling.fixed > 0) == (0.0, True)
    steep = fit([Point("s", 10 * MIB, 0.1), Point("s", 100 * MIB, 5.0)])
    assert (steep.fixed, steep.per_byte > 0) == (0.0, True)


def test_the_error_is_the_worst_point_and_grows_with_the_distance() -> None:
    """A budget holds what was seen."""
    points = [*made(1, 0.1, 10, 20, 40), Point("s[late]", 20 * MIB, 4.5)]
    near, far = expected(points, 40), expected(points, 160)
    assert near.error > 0.2
    assert far.error == pytest.approx(near.error + 2 * PER_DOUBLING)
    assert expected(points, 20).budget >= 4.5


def test_what_does_not_depend_on_sizes_takes_what_it_took() -> None:
    """The longest of them is in the budget."""
    found = predict([Point("s", MIB, 0.4), Point("s", MIB, 0.6)], "s", 1000 * MIB, grows=False)
    assert found.seconds == pytest.approx(0.5)
    assert found.budget == pytest.approx(0.6 + BESIDES)


def test_one_load_is_on_the_safe_side() -> None:
    """Up it grows with the load, down it does not shrink."""
    points = made(2, 0, 10, 10)
    assert expected(points, 100).seconds == pytest.approx(20.0)
    assert expected(points, 1).seconds == pytest.approx(2.0)
    assert expected(points, 100).error > 0.25


def test_what_took_no_time_takes_none() -> None:
    """Seconds are kept to three places; a step may have taken none of them, whatever the size."""
    found = expected(made(0, 0, 1, 10), 100)
    assert (found.seconds, found.budget) == (0.0, BESIDES)


def test_nothing_measured_is_an_error() -> None:
    """Not a budget of zero."""
    with pytest.raises(ValueError, match="nothing was measured"):
        expected([], 1)
