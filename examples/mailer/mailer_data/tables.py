"""The list of generated tables: a generator says which table it fills, and the loader asks for its rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from uuid import UUID

from mailer_data.literal import Value, values

Row = tuple[Value, ...]
EPOCH = datetime(2024, 5, 1, 5, 30)  # noqa: DTZ001 (most columns know no zone, so neither do the rows)
"""All generated instants lie before this morning peak, except those that are meant to be due later."""


@dataclass(frozen=True)
class Sizes:
    """How many of the things that other things refer to."""

    accounts: int
    contacts: int
    lists: int
    per_list: int
    campaigns: int
    links: int
    deliveries: int
    visits: int
    surveys: int
    responses: int
    invoices: int
    old_campaigns: int
    scale: float

    @classmethod
    def of(cls, scale: float) -> Sizes:
        """Sizes at a scale; 1.0 makes about 230,000 rows in all. Nothing shrinks to none."""

        def at(full: int, least: int) -> int:
            return max(least, math.ceil(full * scale))

        return cls(
            accounts=at(60, 8),
            contacts=at(10_000, 60),
            lists=at(180, 12),
            per_list=min(at(220, 5), at(10_000, 60)),
            campaigns=at(400, 12),
            links=at(1_600, 30),
            deliveries=at(38_000, 100),
            visits=at(4_000, 30),
            surveys=at(30, 3),
            responses=at(1_400, 20),
            invoices=at(1_500, 20),
            old_campaigns=at(300, 10),
            scale=scale,
        )

    def some(self, full: int, least: int = 10) -> int:
        """A number of rows that nothing else refers to."""
        return max(least, math.ceil(full * self.scale))


Generator = Callable[[Random, Sizes], Iterator[Row]]


@dataclass(frozen=True)
class Table:
    """A table whose rows are made here. ``batch`` is the number of rows in one INSERT, at most 1000."""

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

    def statements(self, sizes: Sizes) -> Iterator[str]:
        """INSERT ... VALUES, batch by batch."""
        rows = self.generate(sizes)
        while batch := list(islice(rows, self.batch)):
            yield f"INSERT INTO {self.name} ({self.columns}) VALUES\n" + ",\n".join([values(row) for row in batch])


@dataclass(frozen=True)
class Bulk:
    """A large table of plain rows, which the server makes from numbers: several times faster than sending them."""

    database: str
    name: str
    columns: str
    select: str
    count: Callable[[Sizes], int]
    identity: bool

    @property
    def full_name(self) -> str:
        """``Campaigns.send.Delivery``."""
        return f"{self.database}.{self.name}"

    def statements(self, sizes: Sizes) -> Iterator[str]:
        """INSERT ... SELECT over ten thousand numbers each; ``x.n`` begins at 0."""
        count = self.count(sizes)
        select = self.select.format(**asdict(sizes))
        for low in range(0, count, 10_000):
            yield (
                f"INSERT INTO {self.name} ({self.columns})\n{select}\n"
                f"FROM ({_NUMBERS.format(low=low)}) AS x\nWHERE x.n < {count}"
            )


_DIGITS = "(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))"
_NUMBERS = (
    "SELECT {low} + a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n\n"
    f"FROM {_DIGITS} AS a (d) CROSS JOIN {_DIGITS} AS b (d)\n"
    f"CROSS JOIN {_DIGITS} AS c (d) CROSS JOIN {_DIGITS} AS e (d)"
)
REGISTRY: list[Table | Bulk] = []
"""In the order of loading: a table stands after those it refers to."""


def table(
    database: str, name: str, columns: str, *, identity: bool = False, batch: int = 1000
) -> Callable[[Generator], Generator]:
    """Register a generator. ``identity``: the rows bring their own identity values."""

    def register(rows: Generator) -> Generator:
        REGISTRY.append(Table(database, name, columns, rows, identity, batch))
        return rows

    return register


def bulk(
    database: str, name: str, columns: str, select: str, count: Callable[[Sizes], int], *, identity: bool = False
) -> None:
    """Register a SELECT over numbers; ``{contacts}`` and the like in it stand for the sizes."""
    REGISTRY.append(Bulk(database, name, columns, select, count, identity))


def guid(rng: Random) -> UUID:
    """A reproducible GUID."""
    return UUID(int=rng.getrandbits(128), version=4)


def before(rng: Random, days: float) -> datetime:
    """An instant in the given number of days before :data:`EPOCH`, to the millisecond."""
    return EPOCH - timedelta(milliseconds=rng.randrange(int(days * 86_400_000)))
