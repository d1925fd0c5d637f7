"""Held work: held, counted, and released once, after what must come first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runbook.errors import HostError, NotPermitted, StepFailed, Unreachable, WrongTarget
from runbook.hosting import UnitPhase
from runbook.plan.held import Held
from runbook.plan.models import Plan
from runbook.step import Context, Outcome, ReadContext
from runbook.toolkit.enginehost import await_host, begin_anew, carry_out
from runbook.toolkit.findings import Finding
from runbook.toolkit.probes import await_silence
from runbook.toolkit.proof import named_lines
from runbook.toolkit.serviceseen import as_root


@dataclass(frozen=True)
class HeldSeen:
    """One held work as it is found; ``trouble`` and ``remedy`` when it does not tell."""

    name: str
    is_held: bool = False
    count: int = 0
    trouble: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class HeldCounts:
    """How much waits, by name. Kept by ``hold-work`` (before it was held), ``count-held`` (when it was) and
    ``release-work`` (when it is released); by ``await-released``, empty, once it was."""

    counts: Mapping[str, int] = field(default_factory=dict)


def held_of(plan: Plan, names: Iterable[str]) -> tuple[Held, ...]:
    """Those of the plan, in its order."""
    wanted = set(names)
    return tuple(held for held in plan.held if held.name in wanted)


def see_held(ctx: ReadContext) -> tuple[HeldSeen, ...]:
    """Everything that the plan holds."""
    return tuple(_see(ctx, held) for held in ctx.plan.held)


def _see(ctx: ReadContext, held: Held) -> HeldSeen:
    try:
        return HeldSeen(held.name, is_held(ctx, held), count_of(ctx, held))
    except (HostError, Unreachable, NotPermitted, WrongTarget) as error:
        return HeldSeen(held.name, trouble=error.message, remedy=error.hint or "Run it there by hand.")


def is_held(ctx: ReadContext, held: Held) -> bool:
    """What the probe says: exit 0 held, 1 not held."""
    found = ctx.host_reader(held.host).ask(held.probe, timeout=_seconds(held), root=as_root(ctx.plan, held.host))
    if found.exit_code not in {0, 1}:
        raise HostError(
            f"the probe of {held.name} on {held.host} ended with {found.exit_code}: {found.said()}",
            host=held.host,
            hint="It must end with 0 when the work is held, with 1 when it is not.",
        )
    return found.exit_code == 0


def count_of(ctx: ReadContext, held: Held) -> int:
    """How much waits: the one number that its command prints."""
    found = ctx.host_reader(held.host).ask(held.count, timeout=_seconds(held), root=as_root(ctx.plan, held.host))
    said = found.stdout.strip()
    if found.exit_code or not said.isascii() or not said.isdigit():
        raise HostError(
            f"the count of {held.name} on {held.host} ended with {found.exit_code}: {said[:80] or found.said()}",
            host=held.host,
            hint="It must print one number, how much waits, and end with 0.",
        )
    return int(said)


def untold(seen: Iterable[HeldSeen]) -> Iterator[Finding]:
    """Those that do not tell how they stand."""
    return (Finding(one.trouble, one.remedy) for one in seen if one.trouble)


def losses(seen: Iterable[HeldSeen], before: Mapping[str, int]) -> Iterator[Finding]:
    """Held work of which there is less than when it was held, with both numbers."""
    for one in seen:
        held = before.get(one.name)
        if not one.trouble and held is not None and one.count < held:
            yield Finding(
                f"{one.name}: {one.count} wait, and {held} did when it was held: {held - one.count} are gone",
                "Find out what took them; nothing is released before. Release it by hand when that is known, then: "
                "runbook resume.",
            )


# --- holding ---------------------------------------------------------------------------------------------------------


def hold(ctx: Context, names: Iterable[str]) -> None:
    """Hold each that is not held yet, and see that it is. What came first at an earlier release does not count for the
    next one: it is forgotten before."""
    for held in held_of(ctx.plan, names):
        if not is_held(ctx, held):
            if held.first is not None and ctx.host(held.host).unit(_unit(held)).phase is not UnitPhase.ABSENT:
                begin_anew(ctx, held.host, _unit(held))
            _run(ctx, held, held.hold)
        if not is_held(ctx, held):
            raise StepFailed(
                f"{held.name} on {held.host} was told to hold, and its probe says that it does not",
                hint="Look at its commands hold and probe in the plan.",
            )


def holding(ctx: ReadContext, names: Iterable[str], *, wanted: bool) -> Outcome:
    """Whether all of them are held (or none is, as wanted)."""
    done = [is_held(ctx, held) is wanted for held in held_of(ctx.plan, names)]
    if all(done):
        return Outcome.REACHED
    return Outcome.PARTIAL if any(done) else Outcome.UNTOUCHED


# --- releasing -------------------------------------------------------------------------------------------------------


def release(ctx: Context, names: Sequence[str], at_hold: Mapping[str, int]) -> None:
    """Count, run what comes first, release what is still held. StepFailed before anything was released when less waits
    than when it was held (``at_hold``), or when what comes first failed."""
    due = tuple(held for held in held_of(ctx.plan, names) if is_held(ctx, held))
    gone = tuple(losses((_counted(ctx, held) for held in due), at_hold))
    if gone:
        raise StepFailed(named_lines([one.what for one in gone]), hint=gone[0].remedy)
    for held in due:
        _first(ctx, held)
    for held in due:
        if is_held(ctx, held):
            _run(ctx, held, held.release)
        if is_held(ctx, held):
            raise StepFailed(
                f"{held.name} on {held.host} was told to go on, and its probe says that it is held",
                hint="Look at its commands release and probe in the plan, then: runbook resume.",
            )


def _counted(ctx: ReadContext, held: Held) -> HeldSeen:
    return HeldSeen(held.name, is_held=True, count=count_of(ctx, held))


def _first(ctx: Context, held: Held) -> None:
    """What must have run before anything is released: once, also when an executor is lost meanwhile."""
    if held.first is None or ctx.host(held.host).unit(_unit(held)).succeeded:
        return
    try:
        carry_out(ctx, held.host, _unit(held), held.first)
    except StepFailed as error:
        raise StepFailed(
            f"what must run before {held.name} is released did not, so that all held work stays held: {error.message}",
            hint=f"Mend it, then: runbook resume. {error.hint}",
        ) from None


def _unit(held: Held) -> str:
    return f"first-{held.name}"


def left_waiting(ctx: ReadContext, levels: Mapping[str, int]) -> tuple[str, ...]:
    """Wait until no more waits than before it was held; what is left then, with both numbers."""
    left: list[str] = []
    for held in held_of(ctx.plan, levels):
        left += await_silence(ctx, lambda held=held: _above(ctx, held, levels[held.name]), held.drains.total_seconds())  # type: ignore[misc]  # mypy does not infer a lambda with a default
    return tuple(left)


def _above(ctx: ReadContext, held: Held, level: int) -> tuple[str, ...]:
    found = count_of(ctx, held)
    return (f"{held.name}: {found} still wait, {level} did before it was held",) if found > level else ()


def await_hosts_of(ctx: ReadContext, names: Iterable[str]) -> None:
    """Wait for their machines, as long as a reboot takes."""
    for host in dict.fromkeys(held.host for held in held_of(ctx.plan, names)):
        await_host(ctx, host)


def _run(ctx: Context, held: Held, argv: Sequence[str]) -> None:
    done = ctx.host(held.host).run(argv, timeout=_seconds(held), effect=True, root=as_root(ctx.plan, held.host))
    if done.exit_code:
        raise StepFailed(
            f"{' '.join(argv[:3])} on {held.host} ended with {done.exit_code}: {done.said()}",
            hint=f"Look there; it belongs to {held.name} under held in the plan.",
        )


def _seconds(held: Held) -> float:
    return held.timeout.total_seconds()
