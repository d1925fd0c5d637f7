"""A generated mailer night: what stands on the servers, what goes wrong, what others do meanwhile; and drawing one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from tests.chaos.story import Life

NAMES = ("Contacts", "Campaigns", "Archive", "Billing", "Audit", "Events")


@dataclass(frozen=True)
class Database:
    """One database of the old server."""

    name: str
    rows: int
    tables: int
    simple: bool


@dataclass(frozen=True)
class Wrong:
    """A fault. It lies in wait for a statement, or, with ``moment``, strikes what comes next from there."""

    where: str
    kind: str
    match: str = ""
    times: int = 1
    seconds: float = 0.0
    moment: int = -1

    def words(self) -> str:
        """One line."""
        when = f"from moment {self.moment}" if self.moment >= 0 else f"at {self.match}"
        return (
            f"{self.where}: {self.kind} {when}, {self.times} times{f', {self.seconds:.0f} s' if self.seconds else ''}"
        )


@dataclass(frozen=True)
class Meanwhile:
    """What others do: at a moment of the world (durable writes and effects, counted), or after a row of the journal."""

    what: str
    """``write``, ``administrator writes``, ``log backup``, ``clock``."""
    database: str = ""
    moment: int = -1
    after: str = ""
    number: float = 0.0

    def words(self) -> str:
        """One line."""
        when = f"at moment {self.moment}" if self.moment >= 0 else f"after {self.after}"
        return f"{when}: {self.what} {self.database}{f' {self.number:+.0f} s' if self.number else ''}"


@dataclass(frozen=True)
class Night:
    """All of it."""

    strategy: str
    databases: tuple[Database, ...]
    jobs: tuple[bool, ...]
    window: float
    workers: int = 8
    wrongs: tuple[Wrong, ...] = ()
    meanwhile: tuple[Meanwhile, ...] = ()
    lives: tuple[Life, ...] = ()
    lingering: bool = False
    seconds: float = 0.1
    order: int = 0

    def words(self) -> Iterator[str]:
        """What happens, line by line."""
        yield f"{self.strategy}, a window of {self.window:.0f} s, {self.workers} workers, {len(self.jobs)} jobs"
        for one in self.databases:
            yield f"  {one.name}: {one.tables} tables of {one.rows} rows{', SIMPLE' if one.simple else ''}"
        if self.lingering:
            yield "  servers go on with what a dead process told them"
        for listed in (self.wrongs, self.meanwhile, self.lives):
            yield from (f"  {one.words()}" for one in listed)

    def smaller(self) -> Iterator[Night]:
        """The same with one piece left out."""
        for name in ("wrongs", "lives", "meanwhile", "jobs"):
            listed = getattr(self, name)
            for at in range(len(listed)):
                yield replace(self, **{name: (*listed[:at], *listed[at + 1 :])})
        if len(self.databases) > 1:
            yield replace(self, databases=self.databases[:-1])
        if self.lingering:
            yield replace(self, lingering=False)
        if self.workers > 1:
            yield replace(self, workers=1)


# --- drawing one -----------------------------------------------------------------------------------------------------

SPOTS = {
    "side-by-side": (
        "seed-backup",
        "seed-restore",
        "restrict-database",
        "drain-sessions",
        "restore-logs",
        "cut-database",
        "restore-tail",
        "recover-database",
        "release-database",
    ),
    "scripts": ("backup-database", "restrict-database", "create-snapshot", "run-scripts", "release-database"),
}
STATEMENTS = {
    "side-by-side": (
        ("old", "BACKUP DATABASE"),
        ("new", "RESTORE DATABASE"),
        ("old", "BACKUP LOG"),
        ("new", "RESTORE LOG"),
        ("new", "WITH RECOVERY"),
        ("old", "WITH RECOVERY"),
        ("old", "RESTRICTED_USER"),
        ("old", "MULTI_USER"),
        ("new", "MULTI_USER"),
        ("new", "LOGIN"),
        ("new", "job"),
        ("old", "job"),
        ("new", "DROP"),
        ("old", "DIFFERENTIAL"),
        ("old", "ONLINE"),
        ("old", "OFFLINE"),
        ("new", "CHECKDB"),
    ),
    "scripts": (
        ("old", "BACKUP DATABASE"),
        ("old", "SNAPSHOT"),
        ("old", "ALTER TABLE"),
        ("old", "UPDATE"),
        ("old", "RESTRICTED_USER"),
        ("old", "MULTI_USER"),
        ("old", "job"),
        ("old", "RESTORE"),
        ("old", "CHECKDB"),
    ),
}
AROUND = (("gate", "close"), ("gate", "open"), ("pointer", "forward"), ("pointer", "back"), ("gate", ""), ("web", ""))
SERVER_KINDS = ("fail", "fail", "hang", "slow", "lie", "lost", "drop", "disk-full", "kill")
AROUND_KINDS = {"gate": ("fail", "hang", "slow", "lie", "lost", "drop"), "web": ("fail", "hang", "slow")}


def generate(draw: Random) -> Night:
    """One night."""
    strategy = draw.choice(("side-by-side", "side-by-side", "scripts"))
    count = draw.choice((1, 1, 2, 2, 3, 4, 6))
    simple = draw.random() < 0.4
    databases = tuple(
        Database(name, draw.choice((0, 1, 5, 20)), draw.randint(1, 4), simple and draw.random() < 0.5)
        for name in NAMES[:count]
    )
    moments = 110 + 110 * count
    return Night(
        strategy,
        (replace(databases[0], rows=max(1, databases[0].rows)), *databases[1:]),
        tuple(draw.random() < 0.7 for _ in range(draw.choice((0, 0, 1, 3)))),
        window=draw.choice((150.0, 300.0, 300.0, 600.0)),
        workers=draw.choice((1, 3, 8)),
        wrongs=tuple(_wrong(draw, strategy, moments) for _ in range(draw.choice((0, 0, 1, 1, 2, 3)))),
        meanwhile=tuple(_meanwhile(draw, strategy, databases, moments) for _ in range(draw.choice((0, 1, 2, 4, 8)))),
        lives=tuple(_life(draw, moments) for _ in range(draw.choice((0, 0, 1, 1, 2, 3, 4)))),
        lingering=draw.random() < 0.3,
        seconds=draw.choice((0.1, 0.1, 0.5)),
        order=draw.randrange(2**32),
    )


def _wrong(draw: Random, strategy: str, moments: int) -> Wrong:
    around = draw.random() < 0.2
    where, match = draw.choice(AROUND if around else STATEMENTS[strategy])
    if around and strategy == "scripts" and where == "pointer":
        where, match = "gate", "open"
    kind = draw.choice(AROUND_KINDS.get(where, AROUND_KINDS["gate"]) if around else SERVER_KINDS)
    if (where, match) == ("new", "WITH RECOVERY") and draw.random() < 0.3:
        kind = "corrupt"
    times = draw.choice((1, 1, 1, 2, 4))
    moment = draw.randrange(moments) if kind != "corrupt" and draw.random() < 0.4 else -1
    return Wrong(
        where, kind, "" if moment >= 0 else match, times, draw.choice((5.0, 40.0)) if kind == "slow" else 0.0, moment
    )


def _meanwhile(draw: Random, strategy: str, databases: tuple[Database, ...], moments: int) -> Meanwhile:
    what = draw.choice(("write", "write", "write", "write", "administrator writes", "log backup", "clock"))
    database = draw.choice(databases).name
    number = draw.choice((-3600.0, -30.0, 30.0, 3600.0)) if what == "clock" else draw.choice((0.0, 0.0, 1.0))
    if what != "clock" and draw.random() < 0.6:
        return Meanwhile(what, database, after=f"step-done({draw.choice(SPOTS[strategy])}[{database}])", number=number)
    return Meanwhile(what, database if what != "clock" else "", moment=draw.randrange(moments), number=number)


def _life(draw: Random, moments: int) -> Life:
    gap = draw.choice((3.0, 16.0, 16.0, 20.0, 60.0, 2000.0))
    return Life("cut", draw.randrange(draw.choice((10, 60, moments))), gap=gap)
