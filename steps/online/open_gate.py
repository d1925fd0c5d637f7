"""The point of no return."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.online.open_gate import CloseGateAgain
from runbook.api import (
    OF_EVERY_SERVER,
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    GateBefore,
    GateOpened,
    GateState,
    Outcome,
    Phase,
    ReadContext,
    ServerError,
    Sizes,
    Step,
    Unreachable,
    gate_is_gone,
    hosts_of,
    noted,
    source_of,
    target_of,
)


@dataclass(frozen=True)
class Facts:
    """What the gate says, and what stood there before this run closed it."""

    state: GateState
    earlier: str = ""
    kind: str = "file"


@dataclass(frozen=True)
class Goal:
    """The gate is open, as it was before the run."""

    earlier: str


class OpenGate(Step):
    """Open the gate: users come in, and from here nothing goes back by itself."""

    phase = Phase.ONLINE
    after = ("last-look", "probe-impacts", "recheck-services", "recount-held")
    pivot = True
    irreversible = True
    undoes_with = (CloseGateAgain,)
    Intent = Goal

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(5.0 if hosts_of(self.plan.gate) else 0.5)

    def observe(self, ctx: ReadContext) -> Facts:
        before = ctx.find_kept("close-gate", GateBefore)
        if gate_is_gone(ctx):
            ctx.note("the gate stood open already when it was to be opened: somebody took it away a moment before")
        noted(ctx, _left_running(ctx))
        earlier = "" if before is None else before.earlier
        gate = ctx.gate_reader
        facts = Facts(gate.observe(), earlier, ctx.plan.gate.kind)
        noted(ctx, gate.missing())
        return facts

    def decide(self, facts: Facts) -> Decision:
        if facts.state is GateState.FOREIGN:
            return Block(
                "something stands at the gate that this run did not put there",
                "Somebody keeps users out on purpose: talk to them, then start again.",
            )
        return Apply(Goal(facts.earlier), CloseGateAgain(facts.kind), keep=GateOpened(facts.earlier))

    def apply(self, ctx: Context, intent: Goal) -> None:
        gate = ctx.gate
        gate.open(intent.earlier)
        noted(ctx, gate.missing())

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:  # noqa: ARG002  (the gate says it all)
        state = ctx.gate_reader.observe()
        return {GateState.OPEN: Outcome.REACHED, GateState.CLOSED: Outcome.UNTOUCHED}.get(state, Outcome.PARTIAL)


def _left_running(ctx: ReadContext) -> tuple[str, ...]:
    """What to say of jobs that somebody made or enabled on the old server after all of them were disabled: a word in
    time is all they are worth, so whatever keeps them from being read is said as well and stops nobody."""
    if ctx.plan.strategy != "side-by-side":
        return ()
    source, target = source_of(ctx.plan), target_of(ctx.plan)
    try:
        jobs = ctx.reader(source).jobs()
        enabled = [job.name for job in jobs if job.enabled and job.name not in OF_EVERY_SERVER]
        carried = {job.name.casefold() for job in ctx.reader(target).jobs()} if enabled else set()
    except (ServerError, Unreachable) as error:
        return (f"whether a job is enabled on {source} cannot be told: {error.message}; look there yourself",)
    return tuple(
        f"job {name} is enabled on {source} again, by somebody else: disable it there, or it runs on both servers"
        if name.casefold() in carried
        else f"job {name} is enabled on {source} and not on {target}, since somebody made it after the others were"
        f" disabled: create it on {target} if it is needed, and disable it on {source}"
        for name in enabled
    )
