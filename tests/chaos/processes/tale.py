"""What one night on real processes is made of, and how it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

WINDOW = 60.0
"""Seconds. Enough for both ways with their budgets, on a machine with other things to do."""
SHORT = 36.0
"""Seconds of a window whose end is awaited."""


@dataclass(frozen=True)
class Strike:
    """One thing that goes wrong. ``at``: a failpoint, or a regular expression for a statement or for a row of the
    journal (``kind step``); ``life``: which command it is meant for, 0 is ``execute``."""

    what: str
    at: str = ""
    whom: str = ""
    nth: int = 1
    life: int = 0

    def words(self) -> str:
        """One line."""
        times = f", time {self.nth}" if self.nth > 1 else ""
        life = f" (command {self.life})" if self.life else ""
        return f"{self.what} {self.whom} at {self.at}{times}{life}"


@dataclass(frozen=True)
class Tale:
    """A night. ``turn``: why it goes back, empty when it is meant to go forward."""

    strategy: str = "side-by-side"
    databases: int = 1
    guarded: bool = True
    elsewhere: bool = False
    """The first executor works under another machine's name, so that nobody here can kill it."""
    on_loss: str = "resume"
    journal_copy: str = "server"
    small_disk: bool = False
    """The journal lies on a disk of its own that can be filled up."""
    window: float = WINDOW
    turn: str = ""
    operators: int = 1
    """How many begin it, and resume it, at the same time."""
    strikes: tuple[Strike, ...] = ()

    def words(self) -> Iterator[str]:
        """What happens, line by line."""
        watch = "with a guard" if self.guarded else "without a guard"
        yield f"{self.strategy}, {self.databases} databases, a window of {self.window:.0f} s, {watch}"
        yield f"  on_loss: {self.on_loss}; journal_copy: {self.journal_copy}; operators: {self.operators}"
        if self.elsewhere:
            yield "  the first executor is on another machine"
        if self.small_disk:
            yield "  the journal has a disk of its own"
        if self.turn:
            yield f"  it goes back: {self.turn}"
        yield from (f"  {strike.words()}" for strike in self.strikes)

    def smaller(self) -> Iterator[Tale]:
        """The same with one piece left out."""
        for at in range(len(self.strikes)):
            yield replace(self, strikes=(*self.strikes[:at], *self.strikes[at + 1 :]))
        if self.databases > 1:
            yield replace(self, databases=1)
        if self.operators > 1:
            yield replace(self, operators=1)
        if self.turn:
            yield replace(self, turn="")

    def of(self, what: str) -> Iterator[Strike]:
        """The strikes of that sort."""
        return (strike for strike in self.strikes if strike.what == what)


# --- drawing -----------------------------------------------------------------------------------------------------

FORWARD = {
    "side-by-side": (
        "seed-backup",
        "seed-restore",
        "close-gate",
        "disable-jobs",
        "restrict-database",
        "drain-sessions",
        "prove-reference",
        "cut-database",
        "restore-tail",
        "recover-database",
        "carry-logins",
        "carry-jobs",
        "compare-proof",
        "repoint",
        "release-database",
        "open-gate",
        "enable-jobs",
    ),
    "scripts": (
        "backup-database",
        "close-gate",
        "disable-jobs",
        "restrict-database",
        "prove-reference",
        "create-snapshot",
        "run-scripts",
        "release-database",
        "open-gate",
        "enable-jobs",
    ),
}
UNDONE = {
    "side-by-side": ("close-gate", "disable-jobs", "restrict-database", "cut-database", "recover-database", "repoint"),
    "scripts": ("close-gate", "disable-jobs", "restrict-database", "create-snapshot", "run-scripts"),
}
STATEMENTS = {
    "side-by-side": (
        ("old", "BACKUP DATABASE"),
        ("old", "BACKUP LOG"),
        ("old", "RESTORE DATABASE"),
        ("old", "RESTRICTED_USER"),
        ("old", "MULTI_USER"),
        ("old", "sp_update_job"),
        ("old", "runbook_journal"),
        ("old", "runbook_marker"),
        ("new", "RESTORE DATABASE"),
        ("new", "WITH RECOVERY"),
        ("new", "runbook_marker"),
        ("new", "sp_add_job"),
        ("new", "CREATE LOGIN"),
    ),
    "scripts": (
        ("old", "BACKUP DATABASE"),
        ("old", "AS SNAPSHOT OF"),
        ("old", "FROM DATABASE_SNAPSHOT"),
        ("old", "ADD Consent"),
        ("old", "SET Consent"),
        ("old", "RESTRICTED_USER"),
        ("old", "MULTI_USER"),
        ("old", "sp_update_job"),
        ("old", "runbook_marker"),
        ("old", "runbook_journal"),
    ),
}
TURNS = {
    "side-by-side": ("a check fails", "corrupt", "a person wants it"),
    "scripts": ("a check fails", "a person wants it"),
}
POINTS = (
    ("journal.before-append", 2, 60),
    ("journal.before-commit", 1, 60),
    ("journal.after-append", 3, 60),
    ("effect.before", 3, 16),
    ("effect.after", 4, 16),
    ("file.before-replace", 1, 2),
    ("file.after-replace", 1, 2),
    ("copy.before-write", 1, 12),
    ("copy.after-write", 1, 12),
    ("lease.before-beat", 1, 2),
)
"""Failpoint, weight, and how often it may be reached before it strikes."""
SORTS = (
    ("kill", 30),
    ("kill guard", 12),
    ("kill both", 8),
    ("kill server", 8),
    ("restart server", 5),
    ("stop", 12),
    ("stop elsewhere", 8),
    ("term", 4),
    ("disk", 8),
    ("drop", 9),
    ("die", 7),
    ("server full", 6),
    ("fail", 4),
    ("lie", 5),
    ("hang", 2),
    ("two", 6),
    ("hold", 3),
)


def generate(draw: Random) -> Tale:
    """Draw one."""
    strategy = draw.choice(("side-by-side", "side-by-side", "scripts"))
    tale = Tale(
        strategy,
        databases=draw.choice((1, 1, 2)),
        guarded=draw.random() < 0.65,
        on_loss=draw.choice(("resume", "resume", "resume", "revert", "alarm")),
        journal_copy=draw.choice(("server", "server", "copies", "none")),
        turn=draw.choice(TURNS[strategy]) if draw.random() < 0.35 else "",
    )
    if tale.turn == "corrupt":
        tale = _more(tale, Strike("fault corrupt", r"RESTORE DATABASE \[Alpha\] WITH RECOVERY", "new"))
    if tale.turn == "a person wants it":
        tale = _more(tale, Strike("event", f"step-done {draw.choice(FORWARD[strategy][:-2])}", "revert"))
    names, weights = zip(*SORTS, strict=True)
    for sort in draw.choices(names, weights, k=draw.choice((1, 1, 2, 2, 3))):
        tale = _add(tale, sort, draw)
    return tale


def _add(tale: Tale, sort: str, draw: Random) -> Tale:
    """The tale with one more thing that goes wrong."""
    life = len([one for one in tale.strikes if one.what == "failpoint" and one.whom == "command"])
    if sort == "two":
        return replace(tale, operators=2)
    if sort == "disk":
        at = draw.choice((_row(tale, draw), f"journal.before-append=full@{draw.randint(2, 60)}"))
        if "=" in at:
            return _more(tale, Strike("failpoint", at, "command", life=life))
        return _more(replace(tale, small_disk=True), Strike("event", at, "disk"))
    if sort in ("kill both", "kill server", "restart server", "term", "hold"):
        whom = {"kill both": "both", "term": "term", "hold": "hold"}.get(sort) or f"{sort} {_server(tale, draw)}"
        window = SHORT if sort == "term" and tale.guarded and draw.random() < 0.2 else tale.window
        return _more(replace(tale, window=window), Strike("event", _row(tale, draw), whom))
    if sort in ("kill", "kill guard", "stop", "stop elsewhere"):
        return _against_a_process(tale, sort, life, draw)
    return _against_a_server(tale, sort, draw)


def _against_a_process(tale: Tale, sort: str, life: int, draw: Random) -> Tale:
    if sort == "stop elsewhere":
        if life:
            return _against_a_process(tale, "kill", life, draw)
        tale = replace(tale, elsewhere=True, guarded=False)
    if sort == "kill guard":
        if not tale.guarded:
            return _against_a_process(tale, "kill", life, draw)
        if not life:
            tale, life = _against_a_process(tale, "kill", 0, draw), 1
        return _more(tale, Strike("failpoint", _failpoint(tale, "kill", draw, least=4), "guard"))
    action = "kill" if sort == "kill" else "stop"
    return _more(tale, Strike("failpoint", _failpoint(tale, action, draw), "command", life=life))


def _failpoint(tale: Tale, action: str, draw: Random, least: int = 1) -> str:
    name = draw.choices([one[0] for one in POINTS], [one[1] for one in POINTS])[0]
    most = next(one[2] for one in POINTS if one[0] == name)
    if name.startswith("journal.") and draw.random() < 0.5:
        return f"{name}~{_row(tale, draw)}={action}"
    if name.startswith("effect.") and draw.random() < 0.5:
        return f"{name}~{draw.choice(STATEMENTS[tale.strategy])[1]}={action}"
    return f"{name}={action}@{draw.randint(min(least, most), most)}"


def _row(tale: Tale, draw: Random) -> str:
    """A row of the journal that such a night has."""
    if tale.turn and draw.random() < 0.5:
        kind, steps = draw.choice(("undo-started", "undo-done")), UNDONE[tale.strategy]
    else:
        kind, steps = draw.choice(("step-started", "step-done")), FORWARD[tale.strategy]
    return f"{kind} {draw.choice(steps)}"


def _server(tale: Tale, draw: Random) -> str:
    return draw.choice(("old", "new")) if tale.strategy == "side-by-side" else "old"


def _against_a_server(tale: Tale, sort: str, draw: Random) -> Tale:
    role, text = draw.choice(STATEMENTS[tale.strategy])
    kind = {"die": "kill", "server full": "disk-full"}.get(sort, sort)
    if sort == "hang":
        tale = replace(tale, window=SHORT)
    return _more(tale, Strike(f"fault {kind}", text, role, nth=draw.choice((1, 1, 2)) if sort != "lie" else 1))


def _more(tale: Tale, strike: Strike) -> Tale:
    return replace(tale, strikes=(*tale.strikes, strike))
