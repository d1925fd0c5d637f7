"""From what a rehearsal took to what the real system will take: the model, and how far it may be off.

A step whose computed budget does not depend on sizes takes as long as it took. For the others counts the *load*:
steps of one kind are at work on all databases at the same time and share the server, so until one of them is over, as
much of every other database was gone through as it has itself, or all of that one: the sum of min(own size, its size).

Seconds are a line of the load, fixed + seconds per byte, both at least zero, by least squares. A step that was
measured under several loads (``--grow``, several rehearsals, real runs) has a line of its own; as that rests on
little, it rises by the mean of its own slope and that of its kind. The others follow the line through their kind.

Where all was measured under one load the two parts cannot be told apart: up, the whole is taken to grow with the load;
down, not to shrink at all. Both are on the safe side.

The error is how far the worst measured point lies above the line, in ratio, plus ``PER_DOUBLING`` for each time that
the real load is twice the largest measured one. A budget is the prediction with its error, and a bit for what the
machine does besides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

PER_DOUBLING = 0.03
"""Ratio added to the error for each doubling beyond the largest measured load."""
UNKNOWN = 0.25
"""Ratio: the error of a line through one load, which nothing supports."""
BESIDES = 1.0
"""Seconds: whatever is not about the data (a connection, a poll)."""
FAR = 10.0
"""Times the largest measured load, beyond which no line is trusted alone."""
SAME = 0.02
"""Ratio within which two loads count as one."""


@dataclass(frozen=True)
class Point:
    """One thing that was done: ``load`` in bytes."""

    step: str
    load: int
    seconds: float


@dataclass(frozen=True)
class Prediction:
    """``seconds`` as expected; ``error`` in ratio; ``loads``: how many of them speak for it; ``far``: none of
    them comes near what is asked."""

    seconds: float
    error: float
    loads: int
    far: bool = False

    @property
    def budget(self) -> float:
        """Seconds that are granted."""
        return self.seconds * (1 + self.error) + BESIDES


@dataclass(frozen=True)
class Line:
    """``fixed`` in seconds, ``per_byte`` in seconds for each byte of load."""

    fixed: float
    per_byte: float

    def at(self, load: float) -> float:
        """Seconds."""
        return self.fixed + self.per_byte * load


def load(own: int, of_all: Iterable[int]) -> int:
    """Of a step on a database of ``own`` bytes, when steps on all of these are at work."""
    return sum(min(own, size) for size in of_all)


def predict(points: Sequence[Point], step: str, load: int, *, grows: bool) -> Prediction:
    """How long a step will take under that load, in bytes, by what it and others of its kind took. ValueError without a
    point."""
    if not points:
        raise ValueError("nothing was measured")
    loads = distinct(point.load for point in points)
    if not grows:
        return _as_ever(points)
    if len(loads) == 1:
        return _from_one(points, loads[0], load)
    kind = _Kind(points)
    said = [(point.seconds, kind.at(point.step, point.load)) for point in points]
    over = max((seconds / line - 1 for seconds, line in said if line > 0), default=0.0)
    largest = max(loads)
    doublings = max(0.0, math.log2(load / largest)) if load and largest else 0.0
    return Prediction(
        kind.at(step, load), max(0.0, over) + PER_DOUBLING * doublings, len(loads), far=load > FAR * largest
    )  # fmt: skip


class _Kind:
    """Steps of one kind, measured under several loads."""

    def __init__(self, points: Sequence[Point]) -> None:
        by_step: dict[str, list[Point]] = {}
        for point in points:
            by_step.setdefault(point.step, []).append(point)
        several = {
            step: of_it for step, of_it in by_step.items() if len(distinct(point.load for point in of_it)) > 1
        }  # fmt: skip
        slopes = {step: slope(of_it) for step, of_it in several.items()}
        usual = max(0.0, mean(slopes.values())) if slopes else 0.0
        self._own = {step: through(of_it, max(0.0, (slopes[step] + usual) / 2)) for step, of_it in several.items()}
        self._line = fit(points)

    def at(self, step: str, load: int) -> float:
        """Seconds."""
        return self._own.get(step, self._line).at(load)


def distinct(loads: Iterable[int]) -> list[int]:
    """Those that were measured, the ones that are nearly the same counted once."""
    found: list[int] = []
    for size in sorted(set(loads)):
        if not found or size > found[-1] * (1 + SAME):
            found.append(size)
    return found


def fit(points: Sequence[Point]) -> Line:
    """The line with the least squares of relative errors, neither part of it below zero."""
    return through(points, max(0.0, slope(points)))


def slope(points: Sequence[Point]) -> float:
    """Seconds per byte of the line with the least squares of relative errors; zero where all loads are the same."""
    weights, (x, y) = _weights(points), _middle(points)
    square = sum(w * (point.load - x) ** 2 for w, point in zip(weights, points, strict=True))
    cross = sum(w * (point.load - x) * (point.seconds - y) for w, point in zip(weights, points, strict=True))
    return cross / square if square else 0.0


def through(points: Sequence[Point], per_byte: float) -> Line:
    """The line of that slope through the middle of the points; where it would begin below zero, the one that begins at
    zero and comes nearest to them."""
    x, y = _middle(points)
    if (fixed := y - per_byte * x) >= 0:
        return Line(fixed, per_byte)
    weighted = list(zip(_weights(points), points, strict=True))
    together = sum(w * point.load * point.seconds for w, point in weighted)
    return Line(0.0, together / sum(w * point.load**2 for w, point in weighted))


def _weights(points: Sequence[Point]) -> list[float]:
    return [1 / max(point.seconds, 0.001) ** 2 for point in points]


def _middle(points: Sequence[Point]) -> tuple[float, float]:
    weights = _weights(points)
    return (
        sum(w * point.load for w, point in zip(weights, points, strict=True)) / sum(weights),
        sum(w * point.seconds for w, point in zip(weights, points, strict=True)) / sum(weights),
    )


def _as_ever(points: Sequence[Point]) -> Prediction:
    longest = max(point.seconds for point in points)
    usual = mean(point.seconds for point in points)
    return Prediction(usual, longest / usual - 1 if usual else 0.0, 1)


def _from_one(points: Sequence[Point], measured: int, load: int) -> Prediction:
    found = _as_ever(points)
    if load <= measured * (1 + SAME):
        return found
    times = load / measured if measured else 1.0
    error = UNKNOWN + PER_DOUBLING * math.log2(times) if times > 1 else UNKNOWN
    return Prediction(found.seconds * times, error, 1, far=times > FAR)
