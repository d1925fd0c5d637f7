"""Plans of statements: bound once, kept with the statement, checked before each use."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import Database, SqlError
from runbook.sandbox.language.bind.bound import Plan
from runbook.sandbox.language.functions.binder import FunctionBinder
from runbook.sandbox.language.interpreter.environment import SessionEnvironment
from runbook.sandbox.language.interpreter.frame import StalePlan

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.frame import Frame
    from runbook.sandbox.language.session import LanguageSession


@dataclass
class Prepared:
    """A plan with what the statement made of it."""

    plan: Plan
    content: Any
    types: dict[str, Any]
    tables: dict[str, Any]


def mark_compile(error: SqlError) -> SqlError:
    """Say that the error arose while names were bound: it ends its scope, and its own TRY does not see it."""
    error.is_compile = True  # type: ignore[attr-defined]
    return error


def is_compile(error: SqlError) -> bool:
    """Whether an error arose while names were bound."""
    return bool(getattr(error, "is_compile", False)) or error.number in (134, 137, 1087)


def binder_for(frame: Frame, plan: Plan) -> FunctionBinder:
    """A binder for a frame, with the tables of its trigger."""
    binder = FunctionBinder(SessionEnvironment(frame), plan)
    binder.pseudo = frame.pseudo
    return binder


def prepare(
    frame: Frame, plans: dict[Any, Any] | None, slot: str, bind: Callable[[FunctionBinder, Plan], Any]
) -> Prepared:
    """The plan of a statement's part ``slot``; bound anew when something it depends on has changed."""
    session = frame.session
    images = tuple(table.table.phys for table in frame.pseudo.values())
    key = (slot, weakref.ref(session.instance), session.database, frame.schema, frame.procedure_id, images)
    kept: Prepared | None = None if plans is None else plans.get(key)
    if kept is not None and _fits(session, frame, kept):
        return kept
    plan = Plan()
    binder = binder_for(frame, plan)
    try:
        content = bind(binder, plan)
    except SqlError as error:
        raise mark_compile(error) from None
    found = Prepared(plan, content, dict(frame.types), dict(frame.tables))
    if plans is not None:
        plans[key] = found
    return found


def _fits(session: LanguageSession, frame: Frame, kept: Prepared) -> bool:
    if kept.types != frame.types or kept.tables != frame.tables:
        return False
    for name, stamp in kept.plan.databases.items():
        _, prefix, catalog = session.open(name)
        if (prefix, catalog.token) != stamp:
            return False
    try:
        for before in kept.plan.before:
            before(frame)
    except StalePlan:
        return False
    return True


@contextlib.contextmanager
def using(session: LanguageSession, plan: Plan) -> Iterator[None]:
    """Hold the databases of a plan for the time of the statement, and fill the catalog views it reads.

    StalePlan when a name stands for another file than when it was bound: nothing has been done then.
    """
    with databases(session, plan.databases) as held:
        for database, (prefix, _) in zip(held, plan.databases.values(), strict=True):
            if session.engine.attach(database) != prefix:
                raise StalePlan
        with session.transactions.reading(plan.databases, plan.locks):
            for relation in plan.loads:
                relation.load(session)
            yield


@contextlib.contextmanager
def databases(session: LanguageSession, names: Any) -> Iterator[list[Database]]:
    """Hold databases by name; they are attached."""
    with contextlib.ExitStack() as stack:
        found = []
        for name in names:
            database = stack.enter_context(session.instance.using(session, name))
            session.engine.attach(database)
            found.append(database)
        yield found


def parameters(plan: Plan, frame: Frame) -> dict[str, Any]:
    """Values of a plan's parameters now."""
    return {name: getter(frame) for name, getter in plan.params.items()}


@contextlib.contextmanager
def sequences(session: LanguageSession, plan: Plan) -> Iterator[None]:
    """Let the statement draw from the sequences it names; that writes their databases."""
    if not plan.sequences:
        yield
        return
    with session.transactions.writing(*sorted({name for name, _ in plan.sequences})):
        for name, sequence_id in plan.sequences:
            official, prefix, catalog = session.open(name)
            session.counters.load_sequence(official, prefix, catalog.objects[sequence_id])
        yield
