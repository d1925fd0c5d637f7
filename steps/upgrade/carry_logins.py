"""The logins, with the same SID and password, so that users inside the databases find theirs."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.upgrade.carry_logins import DropCarriedLogins
from runbook.api import (
    Apply,
    Block,
    Budget,
    Context,
    Decision,
    LoginMark,
    Outcome,
    Phase,
    ReadContext,
    Sizes,
    Skip,
    Step,
    StepFailed,
    clash,
    is_local,
    login_marks,
    named_lines,
    source_of,
    target_of,
    with_default,
)


@dataclass(frozen=True)
class Facts:
    """The logins of both servers; ``machine`` is the source's."""

    source: str
    target: str
    machine: str
    wanted: bool
    logins: tuple[LoginMark, ...]
    existing: tuple[LoginMark, ...]


@dataclass(frozen=True)
class Goal:
    """These logins exist on the target. Their hashes are read when they are made and recorded nowhere."""

    source: str
    target: str
    logins: tuple[LoginMark, ...]
    left: tuple[str, ...] = ()
    """Accounts of the old machine itself, which mean nothing elsewhere."""


class CarryLogins(Step):
    """Create the missing logins on the new server, with their SIDs and passwords."""

    phase = Phase.UPGRADE
    # The default databases of logins must be there, if only RESTORING.
    after = ("pin-exchange", "seed-restore")
    strategies = frozenset({"side-by-side"})
    undoes_with = (DropCarriedLogins,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (source_of(self.plan), target_of(self.plan))

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(1.0, 1.0)

    def observe(self, ctx: ReadContext) -> Facts:
        source, target = source_of(ctx.plan), target_of(ctx.plan)
        return Facts(
            source=source,
            target=target,
            machine=ctx.reader(source).identity().machine_name,
            wanted=ctx.plan.carry.logins,
            logins=login_marks(ctx.reader(source)),
            existing=login_marks(ctx.reader(target)),
        )

    def decide(self, facts: Facts) -> Decision:
        if not facts.wanted:
            return Skip("the plan carries no logins")
        left = tuple(login.name for login in facts.logins if is_local(login, facts.machine))
        carried = [login for login in facts.logins if login.name not in left]
        clashes = [why for login in carried if (why := clash(login, facts.existing))]
        if clashes:
            return Block(
                f"logins of {facts.source} clash with those of {facts.target}: {named_lines(clashes)}",
                "Drop or rename the login on the new server, or carry logins yourself (carry: {logins: false}).",
            )
        missing = tuple(one for one in carried if not any(one.same(other) for other in facts.existing))
        if not missing:
            also = f"; accounts of {facts.machine} itself stay behind: {named_lines(left)}" if left else ""
            return Skip(f"every login is on {facts.target} already{also}")
        goal = Goal(facts.source, facts.target, missing, left)
        return Apply(goal, DropCarriedLogins(facts.target, missing))

    def apply(self, ctx: Context, intent: Goal) -> None:
        target = ctx.server(intent.target)
        known = {login.name: login for login in ctx.reader(intent.source).logins()}
        existing = login_marks(target)
        databases = tuple(target.databases())
        for mark in intent.logins:
            ctx.checkpoint()
            if any(mark.same(other) for other in existing):
                continue
            if mark.name not in known:
                raise StepFailed(f"{mark.name} is gone from {intent.source}", hint="Start again without it.")
            target.create_login(with_default(known[mark.name], databases))
        if intent.left:
            ctx.note(f"accounts of the old machine itself stay behind: {named_lines(intent.left)}")

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        existing = login_marks(ctx.reader(intent.target))
        made = sum(any(mark.same(other) for other in existing) for mark in intent.logins)
        if made == len(intent.logins):
            return Outcome.REACHED
        return Outcome.PARTIAL if made else Outcome.UNTOUCHED
