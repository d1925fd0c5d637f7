"""The list of generated tables: a generator says which table it fills, and the loader asks for its rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from mailer_data.literal import Value

Row = tuple[Value, ...]
EPOCH = datetime(2024, 5, 1, 5, 30)  # noqa: DTZ001 (most columns know no zone, so neither do the rows)
"""All generated instants lie before this morning peak, except those that are meant to be due later."""


@dataclass(frozen=True)
class Sizes:
    """How many of the things that other things refer to."""

    accounts: int
    contacts: int
    lists: int
    campaigns: int
    links: int
    deliveries: int
    visits: int
    surveys: int
    responses: int
    invoices: int
    scale: float

    @classmethod
    def of(cls, scale: float) -> Sizes:
        """Sizes at a scale; 1.0 makes about 250,000 rows in all. Nothing shrinks to none."""

        def at(full: int, least: int) -> int:
            return max(least, math.ceil(full * scale))

        return cls(
            accounts=at(60, 8),
            contacts=at(24_000, 60),
            lists=at(180, 12),
            campaigns=at(400, 12),
            links=at(1_600, 30),
            deliveries=at(40_000, 100),
            visits=at(4_000, 30),
            surveys=at(30, 3),
            responses=at(2_000, 20),
            invoices=at(1_500, 20),
            scale=scale,
        )

    def some(self, full: int, least: int = 10) -> int:
        """A number of rows that nothing else refers to."""
        return max(least, math.ceil(full * self.scale))


Generator = Callable[[Random, Sizes], Iterator[Row]]


@dataclass(frozen=True)
class Table:
    """One table and where its rows come from. ``batch`` is the number of rows in one INSERT."""

    database: str
    name: str
    columns: str
    rows: Generator
    identity: bool
    batch: int

    @property
    def full_name(self) -> str:
        """``Contacts.dbo.Contact``, as row counts are reported."""
        return f"{self.database}.{self.name}"

    def generate(self, sizes: Sizes) -> Iterator[Row]:
        """The rows, the same ones at every call: the table's name is the seed."""
        return self.rows(Random(self.full_name), sizes)


REGISTRY: list[Table] = []
"""In the order of loading: a table stands after those it refers to."""


def table(
    database: str, name: str, columns: str, *, identity: bool = False, batch: int = 1000
) -> Callable[[Generator], Generator]:
    """Register a generator. ``identity``: the rows bring their own identity values."""

    def register(rows: Generator) -> Generator:
        REGISTRY.append(Table(database, name, columns, rows, identity, batch))
        return rows

    return register


def guid(rng: Random) -> UUID:
    """A reproducible GUID."""
    return UUID(int=rng.getrandbits(128), version=4)


def before(rng: Random, days: float) -> datetime:
    """An instant in the given number of days before :data:`EPOCH`, to the millisecond."""
    return EPOCH - timedelta(milliseconds=rng.randrange(int(days * 86_400_000)))
