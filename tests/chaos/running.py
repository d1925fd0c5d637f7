"""Many stories on both cores: counted, judged, told again from their number, made smaller when one breaks a promise."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, cast

from tests.chaos.told import Told

KINDS = ("graphs", "nights")
"""Modules of this package that draw and tell stories in virtual time; ``real`` is one on processes (docs/chaos.md)."""
BATCH = 25
MOST_TRIES = 400
"""How often a smaller story is tried before the smallest so far is shown."""


class Tale(Protocol):
    """A story: what happens in words, and the same with pieces left out."""

    def words(self) -> Iterator[str]: ...
    def smaller(self) -> Iterator[Tale]: ...


class Teller(Protocol):
    """A module that draws stories and tells them."""

    def generate(self, draw: Random) -> Tale: ...
    def tell(self, tale: Tale) -> Told: ...


def teller(kind: str) -> Teller:
    """The module of that kind."""
    return cast("Teller", importlib.import_module(f"tests.chaos.{kind}"))


def tale_of(kind: str, seed: int, run: int) -> Tale:
    """The same numbers, the same story."""
    return teller(kind).generate(Random(f"{kind}/{seed}/{run}"))


@dataclass
class Tally:
    """What came of many."""

    runs: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    promised: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, int, list[str]]] = field(default_factory=list)
    """Kind, number and what was broken."""

    def add(self, kind: str, run: int, told: Told) -> None:
        """One more."""
        self.runs += 1
        self.endings[told.ending or "none"] += 1
        self.tried.update(told.tried)
        self.promised[told.promised] += 1
        if told.broken:
            self.broken.append((kind, run, told.broken))

    def merge(self, other: Tally) -> None:
        """All of them."""
        self.runs += other.runs
        self.endings.update(other.endings)
        self.tried.update(other.tried)
        self.promised.update(other.promised)
        self.broken += other.broken


def told_of(kind: str, seed: int, run: int) -> Told:
    """Tell one. Whatever escapes is a finding too: nothing may end the others."""
    tale = tale_of(kind, seed, run)
    try:
        return teller(kind).tell(tale)
    except Exception as error:  # noqa: BLE001
        return Told(ending="none", broken=[f"{type(error).__name__}: {error}"])


def batch(kind: str, seed: int, runs: range) -> Tally:
    """Tell some, in this process."""
    tally = Tally()
    for run in runs:
        tally.add(kind, run, told_of(kind, seed, run))
    return tally


def many(wanted: dict[str, int], seed: int, processes: int) -> Iterator[Tally]:
    """Tell them all; yields after every batch."""
    jobs = [
        (kind, seed, range(first, min(first + BATCH, count)))
        for kind, count in wanted.items()
        for first in range(0, count, BATCH)
    ]
    jobs.sort(key=lambda job: (job[2].start, job[0]))
    if processes <= 1:
        yield from (batch(*job) for job in jobs)
        return
    with ProcessPoolExecutor(processes) as pool:
        for future in [pool.submit(batch, *job) for job in jobs]:
            yield future.result()


def shrunk(kind: str, tale: Tale) -> tuple[Tale, Told]:
    """The smallest story found that still breaks a promise, by leaving out one piece after the other."""
    told, tries = teller(kind).tell(tale), 0
    if not told.broken:
        return tale, told
    found = True
    while found and tries < MOST_TRIES:
        found = False
        for smaller in tale.smaller():
            tries += 1
            again = _told(kind, smaller)
            if again is not None and again.broken:
                tale, told, found = smaller, again, True
                break
            if tries >= MOST_TRIES:
                break
    return tale, told


def _told(kind: str, tale: Tale) -> Told | None:
    try:
        return teller(kind).tell(tale)
    except Exception:  # noqa: BLE001  (a piece that cannot be left out)
        return None


def in_words(kind: str, seed: int, run: int, *, shrink: bool = True) -> str:
    """One story in words, what came of it, and how to see it again."""
    tale = tale_of(kind, seed, run)
    told: Any
    tale, told = shrunk(kind, tale) if shrink else (tale, told_of(kind, seed, run))
    lines = [
        f"--- {kind}, seed {seed}, run {run} ---",
        *tale.words(),
        "what happened:",
        *(f"  {one}" for one in told.trace),
    ]
    lines += [f"ended: {told.ending}; deadline: {told.promised}", *(f"BROKEN: {one}" for one in told.broken)]
    lines.append(f"again: make chaos SEED={seed} KIND={kind} RUN={run}")
    return "\n".join(lines)
