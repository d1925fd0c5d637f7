"""What a step and an undo are.

A step looks, decides, touches, and looks again. Its way back is an :class:`Undo`, data built from what was
seen *before* the effect and durable before the effect. The saga literature calls it a compensation.

Life of a step::

    observe -> decide -> Skip | Pass                          nothing changes, recorded as such
                      -> Block                                the run does not go on from here
                      -> Apply(intent, undo) -> [recorded] -> apply -> verify -> done

After a crash, a lost connection or a cancellation the outcome is unknown; ``verify`` is asked, nothing is
assumed: REACHED is done, UNTOUCHED may be done again, PARTIAL is undone first.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar

from runbook.front import Gate, GateState, Rule
from runbook.hosting import Host, HostReader
from runbook.plan.models import Plan
from runbook.ports import Pointer, SqlServer, SqlServerReader, Web

T = TypeVar("T")
R = TypeVar("R")


class Phase(StrEnum):
    """The folder a step lives in. Order between steps comes from ``after`` alone."""

    PREFLIGHT = "preflight"
    OFFLINE = "offline"
    SNAPSHOT = "snapshot"
    UPGRADE = "upgrade"
    VALIDATE = "validate"
    ONLINE = "online"


class Outcome(StrEnum):
    """What a look at the target says of an action."""

    REACHED = "reached"
    UNTOUCHED = "untouched"
    PARTIAL = "partial"


@dataclass(frozen=True)
class Skip:
    """There is nothing to do, and why."""

    reason: str


@dataclass(frozen=True)
class Pass:
    """A check that holds. ``keep``: a frozen dataclass that other steps may read (``ctx.kept``); journalled."""

    reason: str
    keep: Any = None


@dataclass(frozen=True)
class Block:
    """The run must not go on: ``reason`` says what was found (lowercase, no full stop), ``hint`` what to do (a
    sentence). Before anything was touched the run is refused, later it turns back."""

    reason: str
    hint: str


@dataclass(frozen=True)
class Apply:
    """Do it. ``intent``: a frozen dataclass with all that ``apply`` and ``verify`` need. ``undo``: the way back, or
    None for an irreversible step or one that only waits. ``keep`` as in Pass."""

    intent: Any
    undo: Undo | None
    keep: Any = None


Decision = Skip | Pass | Block | Apply


@dataclass(frozen=True)
class Budget:
    """Longest expected durations in seconds: of the step, and of its undo."""

    do: float
    undo: float = 0.0


@dataclass(frozen=True)
class Sizes:
    """Bytes in use per database, as surveyed before the run (lower-case names)."""

    used: Mapping[str, int] = field(default_factory=dict)

    def gib(self, database: str | None) -> float:
        """Size in GiB; without a name, of all databases together."""
        if database is None:
            return sum(self.used.values()) / 2**30
        return self.used.get(database.lower(), 0) / 2**30


class GateReader(Protocol):
    """The gate, looked at."""

    def observe(self) -> GateState: ...
    def earlier(self) -> str: ...
    def troubles(self) -> tuple[str, ...]: ...
    def missing(self) -> tuple[str, ...]: ...
    def differs(self, text: str, rules: Sequence[Rule] = ()) -> tuple[str, ...]: ...


class PointerReader(Protocol):
    """The pointer, looked at."""

    def observe(self) -> str: ...
    def earlier(self) -> str: ...


class ReadContext(Protocol):
    """What ``observe`` and ``verify`` may use: everything that looks, nothing that changes."""

    @property
    def run_id(self) -> str: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def closes_at(self) -> datetime: ...
    @property
    def sizes(self) -> Sizes: ...
    @property
    def accepted_loss(self) -> Mapping[str, Any] | None:
        """What a person accepted to lose by going back from behind the pivot (JSON); None on any other way."""

    @property
    def web(self) -> Web: ...
    @property
    def gate_reader(self) -> GateReader: ...
    @property
    def pointer_reader(self) -> PointerReader: ...
    def now(self) -> datetime: ...
    def reader(self, server: str) -> SqlServerReader:
        """A read-only handle on a server of the plan, by the plan's name for it."""

    def host_reader(self, host: str) -> HostReader:
        """A read-only handle on a host of the plan, by the plan's name for it."""

    def kept(self, step_id: str, shape: type[T]) -> T:
        """What an earlier step kept; KeyError when it kept nothing."""

    def find_kept(self, step_id: str, shape: type[T]) -> T | None:
        """As ``kept``, None when there is nothing."""

    def checkpoint(self) -> None:
        """Between units of work: raises Cancelled when this step should stop."""

    def sleep(self, seconds: float) -> None:
        """Wait; woken by cancellation."""

    def interrupting(self, cancel: Callable[[], None]) -> AbstractContextManager[None]:
        """Around a blocking call: ``cancel`` is called from another thread if this step should stop."""

    def together(self, work: Callable[[R], T], items: Sequence[R], limit: int) -> list[T]:
        """``work`` for every item, up to ``limit`` at a time, in the order given; the first error ends it."""

    def progress(self, done: float, total: float, what: str = "") -> None:
        """How far this step is, for the live view; not recorded."""

    def note(self, text: str) -> None:
        """A finding worth keeping: recorded with the step, shown in status and audit."""


class Context(ReadContext, Protocol):
    """What ``apply`` and ``Undo.run`` may use in addition."""

    failed_before: str
    """Why this way back failed the last time it was gone; empty at the first try, and when an executor was lost."""

    @property
    def gate(self) -> Gate: ...
    @property
    def pointer(self) -> Pointer: ...
    def server(self, server: str) -> SqlServer:
        """A handle that can change the server: its identity is re-read before each destructive call, and every
        statement is recorded before it is sent."""

    def host(self, host: str) -> Host:
        """A handle that can change the host; every command is recorded before it is sent."""

    def public_text(self) -> str:
        """The text for the public, true to the journal's state: planned, overrunning, reverting."""

    def public_rules(self) -> tuple[Rule, ...]:
        """The same, service by service."""

    def shield(self) -> AbstractContextManager[None]:
        """Work that must not be cut in half: cancellation is felt after the block."""


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


class Undo(ABC):
    """A way back. Subclasses are frozen dataclasses in ``rollback/``, found again by ``name`` when a run resumes.

    ``run`` is idempotent and puts back the recorded earlier values, never defaults.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = cls.__dict__.get("name", _kebab(cls.__name__))

    @abstractmethod
    def run(self, ctx: Context) -> None:
        """Put it back."""

    @abstractmethod
    def verify(self, ctx: ReadContext) -> Outcome:
        """REACHED: the earlier state is back."""

    def describe(self) -> str:
        """One line for ``runbook plan`` and ``status``: what the way back does."""
        return (type(self).__doc__ or self.name).strip().splitlines()[0]


class Step(ABC):
    """One thing done to the world, with a way back."""

    name: ClassVar[str]
    """Kebab-case, from the class name; stable for ever."""
    phase: ClassVar[Phase]
    after: ClassVar[tuple[str, ...]] = ()
    """Names of steps that come first. A name of keyed steps means the one with the same key if this step has a key
    and such a one exists, else all of them. Names that the plan's strategy does not use are ignored."""
    strategies: ClassVar[frozenset[str]] = frozenset({"side-by-side", "scripts", "in-place", "container"})
    pivot: ClassVar[bool] = False
    """The point of no return: the gate opening."""
    irreversible: ClassVar[bool] = False
    """Has no way back; stands after the pivot."""
    version: ClassVar[int] = 1
    undoes_with: ClassVar[tuple[type[Undo], ...]] = ()
    """The undo classes ``decide`` may return, for ``runbook plan``."""
    Intent: ClassVar[type[Any] | None] = None
    """The dataclass of its intent, needed to read it back from the journal."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = cls.__dict__.get("name", _kebab(cls.__name__))

    def __init__(self, plan: Plan, key: str | None = None) -> None:
        self.plan = plan
        self.key = key

    @property
    def id(self) -> str:
        """``name`` or ``name[key]``."""
        return self.name if self.key is None else f"{self.name}[{self.key}]"

    @property
    def servers(self) -> tuple[str, ...]:
        """The plan's names of the servers it works on (for the limits per server)."""
        return ()

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """The keys it is needed for in this plan; ``(None,)`` for one without a key."""
        return (None,)

    def budget(self, sizes: Sizes) -> Budget:
        """Computed from size, when nothing was measured or stated."""
        return Budget(1.0, 1.0 if self.undoes_with else 0.0)

    def describe(self) -> str:
        """One line: what it does."""
        return (type(self).__doc__ or self.name).strip().splitlines()[0]

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        """Call what ``apply`` will call, as far as the plan alone tells, on servers that write the T-SQL down instead
        of sending it (``runbook plan --sql``)."""

    @abstractmethod
    def observe(self, ctx: ReadContext) -> Any:
        """Look. Changes nothing; returns frozen facts."""

    @abstractmethod
    def decide(self, facts: Any) -> Decision:
        """Judge the facts. Pure: no context, no clock."""

    def apply(self, ctx: Context, intent: Any) -> None:
        """Do it. Convergent: applied twice it ends in the same state."""
        raise TypeError(f"{self.id} returned Apply but has no apply()")

    def verify(self, ctx: ReadContext, intent: Any) -> Outcome:
        """Is the intent reached? Also the answer after a crash."""
        raise TypeError(f"{self.id} returned Apply but has no verify()")


class DatabaseStep(Step):
    """A step for each database of the plan; ``key`` is the database's name."""

    key: str

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Every database of the plan."""
        return tuple(database.name for database in plan.databases)

    @property
    def database(self) -> str:
        """The database's name."""
        return self.key
