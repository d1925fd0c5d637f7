"""The model that carries rehearsed times over to real sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.rehearsal.scaling import BESIDES, PER_DOUBLING, Point, fit, predict

MIB = 2**20


def made(fixed: float, per_mib: float, *sizes: float) -> list[Point]:
    """Points on a line; sizes in MiB."""
    return [Point(int(size * MIB), fixed + per_mib * size) for size in sizes]


@given(
    fixed=st.floats(0.01, 10),
    per_mib=st.floats(0.0001, 1),
    sizes=st.lists(st.integers(1, 500), min_size=2, unique=True),
)
def test_a_line_is_found(fixed: float, per_mib: float, sizes: list[int]) -> None:
    """And a hundred times the size is predicted from it."""
    points = made(fixed, per_mib, *sizes)
    if max(sizes) < min(sizes) * 1.1:
        return
    found = predict(points, 100 * max(sizes) * MIB, grows=True)
    assert found.seconds == pytest.approx(fixed + per_mib * 100 * max(sizes), rel=0.02)


def test_neither_part_is_below_zero() -> None:
    """Noise does not make a step that gets faster the more there is to do, nor one that ends before it begins."""
    falling = fit([Point(10 * MIB, 2.0), Point(100 * MIB, 1.0)])
    assert (falling.per_byte, falling.fixed > 0) == (0.0, True)
    steep = fit([Point(10 * MIB, 0.1), Point(100 * MIB, 5.0)])
    assert (steep.fixed, steep.per_byte > 0) == (0.0, True)


def test_the_error_is_the_worst_point_and_grows_with_the_distance() -> None:
    """A budget holds what was seen."""
    points = [*made(1, 0.1, 10, 20, 40), Point(20 * MIB, 4.5)]
    near, far = predict(points, 40 * MIB, grows=True), predict(points, 160 * MIB, grows=True)
    assert near.error > 0.2
    assert far.error == pytest.approx(near.error + 2 * PER_DOUBLING)
    assert predict(points, 20 * MIB, grows=True).budget >= 4.5


def test_what_does_not_depend_on_sizes_takes_what_it_took() -> None:
    """The longest of them is in the budget."""
    found = predict([Point(MIB, 0.4), Point(MIB, 0.6)], 1000 * MIB, grows=False)
    assert found.seconds == pytest.approx(0.5)
    assert found.budget == pytest.approx(0.6 + BESIDES)


def test_one_size_is_on_the_safe_side() -> None:
    """Up it grows with the size, down it does not shrink."""
    points = [Point(10 * MIB, 2.0), Point(10 * MIB, 2.0)]
    assert predict(points, 100 * MIB, grows=True).seconds == pytest.approx(20.0)
    assert predict(points, MIB, grows=True).seconds == pytest.approx(2.0)
    assert predict(points, 100 * MIB, grows=True).error > 0.25


def test_what_took_no_time_takes_none() -> None:
    """Seconds are kept to three places; a step may have taken none of them, whatever the size."""
    found = predict([Point(MIB, 0.0), Point(10 * MIB, 0.0)], 100 * MIB, grows=True)
    assert (found.seconds, found.budget) == (0.0, BESIDES)


def test_nothing_measured_is_an_error() -> None:
    """Not a budget of zero."""
    with pytest.raises(ValueError, match="nothing was measured"):
        predict([], MIB, grows=True)
