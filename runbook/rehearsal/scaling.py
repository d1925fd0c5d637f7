"""From what a rehearsal took to what the real system will take: the model, and how far it may be off.

A step whose computed budget does not depend on sizes takes as long as it took. For the others, the steps of one kind
on databases of several sizes give a line: seconds = fixed + seconds per byte, both at least zero, by least squares.
Where all rehearsed databases are of one size the two cannot be told apart: up, the whole is taken to grow with the
size; down, not to shrink at all. Both are on the safe side.

The error is how far the worst rehearsed point lies above the line, in ratio, plus ``PER_DOUBLING`` for each time that
the real size is twice the largest rehearsed one. A budget is the prediction with its error, and a bit for what the
machine does besides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PER_DOUBLING = 0.03
"""Ratio added to the error for each doubling beyond the largest rehearsed size."""
UNKNOWN = 0.25
"""Ratio: the error of a line through one size, which nothing supports."""
BESIDES = 1.0
"""Seconds: whatever is not about the data (a connection, a poll)."""
SAME_SIZE = 0.02
"""Ratio within which two sizes count as one."""


@dataclass(frozen=True)
class Point:
    """One thing that was done: ``size`` in bytes."""

    size: int
    seconds: float


@dataclass(frozen=True)
class Prediction:
    """``seconds`` as expected; ``error`` in ratio; ``sizes``: how many sizes speak for it."""

    seconds: float
    error: float
    sizes: int

    @property
    def budget(self) -> float:
        """Seconds that are granted."""
        return self.seconds * (1 + self.error) + BESIDES


@dataclass(frozen=True)
class Line:
    """``fixed`` in seconds, ``per_byte`` in seconds."""

    fixed: float
    per_byte: float

    def at(self, size: float) -> float:
        """Seconds."""
        return self.fixed + self.per_byte * size


def predict(points: Sequence[Point], size: int, *, grows: bool) -> Prediction:
    """How long it will take for so many bytes. ValueError without a point."""
    if not points:
        raise ValueError("nothing was measured")
    if not grows:
        longest = max(point.seconds for point in points)
        usual = sum(point.seconds for point in points) / len(points)
        return Prediction(usual, longest / usual - 1 if usual else 0.0, 1)
    sizes = distinct(points)
    if len(sizes) == 1:
        return _from_one(points, sizes[0], size)
    line = fit(points)
    largest = max(sizes)
    doublings = max(0.0, math.log2(size / largest)) if size and largest else 0.0
    return Prediction(line.at(size), _spread(points, line) + PER_DOUBLING * doublings, len(sizes))


def distinct(points: Sequence[Point]) -> list[int]:
    """The sizes that were rehearsed, those that are nearly the same counted once."""
    found: list[int] = []
    for size in sorted({point.size for point in points}):
        if not found or size > found[-1] * (1 + SAME_SIZE):
            found.append(size)
    return found


def fit(points: Sequence[Point]) -> Line:
    """The line with the least squares of relative errors, neither part of it below zero."""
    weights = [1 / max(point.seconds, 0.001) ** 2 for point in points]
    total = sum(weights)
    x = sum(w * p.size for w, p in zip(weights, points, strict=True)) / total
    y = sum(w * p.seconds for w, p in zip(weights, points, strict=True)) / total
    square = sum(w * (p.size - x) ** 2 for w, p in zip(weights, points, strict=True))
    cross = sum(w * (p.size - x) * (p.seconds - y) for w, p in zip(weights, points, strict=True))
    per_byte = max(0.0, cross / square) if square else 0.0
    fixed = y - per_byte * x
    if fixed >= 0:
        return Line(fixed, per_byte)
    through = sum(w * p.size * p.seconds for w, p in zip(weights, points, strict=True))
    return Line(0.0, through / sum(w * p.size**2 for w, p in zip(weights, points, strict=True)))


def _from_one(points: Sequence[Point], rehearsed: int, size: int) -> Prediction:
    usual = sum(point.seconds for point in points) / len(points)
    longest = max(point.seconds for point in points)
    if size <= rehearsed * (1 + SAME_SIZE):
        return Prediction(usual, longest / usual - 1 if usual else 0.0, 1)
    times = size / rehearsed if rehearsed else 1.0
    return Prediction(usual * times, UNKNOWN + PER_DOUBLING * math.log2(times) if times > 1 else UNKNOWN, 1)


def _spread(points: Sequence[Point], line: Line) -> float:
    """How far the worst point lies above the line."""
    over = (point.seconds / line.at(point.size) - 1 for point in points if line.at(point.size) > 0)
    return max(0.0, max(over, default=0.0))
