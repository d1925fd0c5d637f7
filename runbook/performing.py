"""The order of writing: intent and undo, effect, look, outcome.

Every public method performs one move for one step on a worker thread and leaves exactly one new state in the
journal, or none when it was stopped before it touched anything. What a look shows counts, not what a call
returned: a reply that was lost is no failure, a success without effect is no success.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from runbook import failpoints, policy
from runbook.cancel import CancelToken
from runbook.codec import from_json, to_json, undo_from_json, undo_to_json
from runbook.context import Services, StepContext, StepReadContext
from runbook.errors import (
    Away,
    Cancelled,
    FencedOut,
    JournalCorrupt,
    JournalError,
    JournalUnwritable,
    LossExceeded,
    RunbookError,
)
from runbook.events import Draft, Kind
from runbook.journal.log import RunLog
from runbook.looking import Looks, Progress
from runbook.states import StepState
from runbook.step import Apply, Block, Decision, Outcome, Pass, Skip, Step, Undo


@dataclass(frozen=True)
class Trouble:
    """Why something did not work, as it is recorded."""

    why: str
    hint: str = ""
    in_doubt: bool = False
    """The answer was lost: a look decides, and what was not done may be done again."""
    exceeds: bool = False
    """More would be lost than a person accepted."""
    away: bool = False
    """A host or a server gave no answer."""

    @classmethod
    def of(cls, error: BaseException) -> Trouble:
        """From whatever was raised; an error that is not ours is named as what it is: a defect."""
        if isinstance(error, RunbookError):
            in_doubt = bool(getattr(error, "in_doubt", False))
            return cls(error.message, error.hint, in_doubt, isinstance(error, LossExceeded), isinstance(error, Away))
        if isinstance(error, Cancelled):
            return cls(f"stopped: {error.reason}")
        return cls(f"unexpected {type(error).__name__}: {error}", "This is a defect of the step; please report it.")

    def data(self) -> dict[str, str | bool]:
        """For the journal."""
        said: dict[str, str | bool] = {"why": self.why, "hint": self.hint}
        return {**said, "exceeds": True} if self.exceeds else said


class Performer:
    """Performs moves; one object per executor, used by all its worker threads."""

    def __init__(
        self,
        log: RunLog,
        steps: Mapping[str, Step],
        undos: Mapping[str, type[Undo]],
        services: Services,
        now: Callable[[], datetime],
        progress: dict[str, Progress],
    ) -> None:
        self._log = log
        self._steps = steps
        self._undos = undos
        self._services = services
        self._now = now
        self._looks = Looks(log, services, now, progress)

    # --- forward -----------------------------------------------------------------------------------------------

    def do(self, identity: str, token: CancelToken) -> None:
        """Look, decide, touch, look again."""
        step = self._steps[identity]
        self._log.buffer(Draft(Kind.STEP_LOOKING, identity))
        try:
            failpoints.reach("step.before-look", identity, token.sleep)
            decision = self._decision(step, token)
        except Cancelled:
            return
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001  (a step must not be able to end the executor)
            if token.is_set and isinstance(error, Away):
                return  # nobody waits for it any more
            self._append(Kind.STEP_BLOCKED, identity, **Trouble.of(error).data())
            return
        match decision:
            case Skip(reason):
                self._append(Kind.STEP_SKIPPED, identity, why=reason)
            case Pass(reason, keep):
                self._append(Kind.STEP_PASSED, identity, why=reason, keep=to_json(keep))
            case Block(reason, hint):
                self._append(Kind.STEP_BLOCKED, identity, why=reason, hint=hint)
            case Apply():
                self._apply(step, decision, token)

    def _decision(self, step: Step, token: CancelToken) -> Decision:
        """What the first look leads to. Once something was touched, who is away is waited for: going back needs it as
        well."""

        def look(own: CancelToken) -> Decision:
            return step.decide(step.observe(self._reading(step.id, own)))

        if not self._log.view.touched:
            return look(token)
        return self._looks.answered(step.id, look, partial(self._looks.for_itself, step.id, token), token)

    def _apply(self, step: Step, decision: Apply, token: CancelToken) -> None:
        record = {
            "intent": to_json(decision.intent),
            "undo": undo_to_json(decision.undo),
            "keep": to_json(decision.keep),
            "version": step.version,
        }
        with self._log.lock:
            first = self._log.view.pivot_at is None
            begun = not token.is_set and self._log.append(
                Draft(Kind.STEP_STARTED, step.id, record),
                unless=lambda run: policy.is_called_back(run, step.id, self._now()),
            )
        if not begun:
            return
        with self._in_time(step.id, token, first=first) as own:
            trouble = self._try(lambda: self._touch(step, decision.intent, own))
            stopped = own.is_set
        self._look_again(step, decision.intent, token, trouble, stopped=stopped)

    def _touch(self, step: Step, intent: object, token: CancelToken) -> None:
        failpoints.reach("step.before-effect", step.id, token.sleep)
        step.apply(self._touching(step.id, token), intent)

    @contextmanager
    def _in_time(self, identity: str, token: CancelToken, *, first: bool) -> Iterator[CancelToken]:
        """The pivot is stopped at the turn-back point like any other step, and then looked at. Nobody else does it: on
        record it is begun, and past the pivot there is no turning back. ``first``: nobody can be in yet."""
        view = self._log.view
        if not (first and view.graph[identity].pivot):
            yield token
            return
        left = (view.turn_back_at - self._now()).total_seconds()
        with token.child() as own:
            alarm = token.clock.call_after(left, lambda: own.cancel("the turn-back point is reached"))
            try:
                yield own
            finally:
                alarm.cancel()

    def _look_again(
        self, step: Step, intent: object, token: CancelToken, trouble: Trouble | None, *, stopped: bool
    ) -> None:
        """What became of it. At the pivot users may be in: nothing stops that look but its own end."""
        try:
            alone = trouble is None and not self._log.view.graph[step.id].pivot
            how = self._looks.for_itself if alone else self._looks.in_time
            outcome = self._looks.answered(
                step.id,
                lambda own: step.verify(self._reading(step.id, own), intent),
                partial(how, step.id, token),
                token,
            )
        except JournalError:
            raise
        except (Exception, Cancelled) as error:  # noqa: BLE001  (not being able to look is a state of its own)
            unseen = Trouble.of(error)
            why = f"{trouble.why}; and the look at it failed: {unseen.why}" if trouble else unseen.why
            self._append(Kind.STEP_FAILED, step.id, why=why, hint=(trouble or unseen).hint)
            return
        if outcome is Outcome.REACHED:
            self._append(Kind.STEP_DONE, step.id, **({"why": f"reached, although: {trouble.why}"} if trouble else {}))
            return
        if trouble and trouble.in_doubt and not (stopped or token.is_set):
            kind, _ = self._settled(step.id, outcome)
        else:
            kind = Kind.STEP_UNTOUCHED if outcome is Outcome.UNTOUCHED else Kind.STEP_FAILED
        trouble = trouble or Trouble(f"it reported success, but a look shows it {outcome.value}")
        self._append(kind, step.id, **trouble.data())

    # --- after an executor was lost ----------------------------------------------------------------------------

    def settle(self, identity: str, token: CancelToken) -> None:
        """Look what became of a step whose executor was lost."""
        step, record = self._steps[identity], self._log.view.steps[identity]
        try:
            intent = None if step.Intent is None else from_json(step.Intent, record.intent)
            looking = partial(self._looks.in_time, identity, token)
            outcome = self._looks.answered(
                identity, lambda own: step.verify(self._reading(identity, own), intent), looking, token
            )
        except (FencedOut, JournalUnwritable, JournalCorrupt):
            raise  # says nothing about the step, and it is not this executor's to record any more
        except (Exception, Cancelled) as error:  # noqa: BLE001  (as above)
            why = f"its executor was lost and the look at it failed: {Trouble.of(error).why}"
            self._append(Kind.STEP_FAILED, identity, why=why, hint=Trouble.of(error).hint)
            return
        self._append(*self._settled(identity, outcome), why=f"its executor was lost; a look shows it {outcome.value}")

    def _settled(self, identity: str, outcome: Outcome) -> tuple[Kind, str]:
        if outcome is Outcome.REACHED:
            return Kind.STEP_DONE, identity
        worn_out = self._log.view.steps[identity].tries >= policy.ATTEMPTS
        if outcome is Outcome.PARTIAL:
            return (Kind.STEP_FAILED if worn_out else Kind.STEP_PARTIAL), identity
        back = bool(self._log.view.turned_back)
        return (Kind.STEP_UNTOUCHED if worn_out or back else Kind.STEP_RESET), identity

    # --- the way back ------------------------------------------------------------------------------------------

    def undo(self, identity: str, token: CancelToken) -> None:
        """Put one step back."""
        step = self._log.view.steps[identity]
        failed = step.why if step.state is StepState.STUCK else ""
        self._append(Kind.UNDO_STARTED, identity)
        self._go_back(identity, token, failed)

    def undo_again(self, identity: str, token: CancelToken) -> None:
        """Put one step back that a lost executor had begun to put back."""
        self._go_back(identity, token)

    def _go_back(self, identity: str, token: CancelToken, failed: str = "") -> None:
        record = self._log.view.steps[identity].undo
        assert record is not None, "only what owes an undo is undone"  # noqa: S101
        try:
            undo = undo_from_json(record, self._undos)
        except JournalError as error:
            self._append(Kind.UNDO_FAILED, identity, **Trouble.of(error).data())
            return
        outcome, trouble = self._put_back(identity, undo, token, failed)
        if trouble and trouble.away and outcome is not None and outcome is not Outcome.REACHED and not token.is_set:
            outcome, trouble = self._put_back(identity, undo, token, failed)  # its host is there again
        outcome = outcome or Outcome.PARTIAL
        if outcome is Outcome.REACHED and trouble is None:
            self._append(Kind.UNDO_DONE, identity)
            return
        trouble = trouble or Trouble(f"it was put back, but a look shows it {outcome.value}")
        if outcome is Outcome.REACHED:
            self._append(Kind.UNDO_DONE, identity, why=f"back, although: {trouble.why}")
        elif not token.is_set:
            self._append(Kind.UNDO_FAILED, identity, **trouble.data())

    def _put_back(
        self, identity: str, undo: Undo, token: CancelToken, failed: str
    ) -> tuple[Outcome | None, Trouble | None]:
        """What a look shows of it then, None when none was possible; and what went wrong."""
        with self._overdue(identity, token) as own:
            ctx = self._touching(identity, own)
            ctx.failed_before = failed
            trouble = self._try(lambda: self._run(identity, undo, ctx))
        try:
            looking, reading = partial(self._looks.bounded, identity, token), partial(self._reading, identity)
            found = self._looks.answered(identity, lambda own: undo.verify(reading(own)), looking, token, back=True)
        except JournalError:
            raise
        except (Exception, Cancelled) as error:  # noqa: BLE001  (as above)
            return None, trouble or Trouble.of(error)
        return found, trouble

    def _run(self, identity: str, undo: Undo, ctx: StepContext) -> None:
        failpoints.reach("undo.before-effect", identity, ctx.sleep)
        undo.run(ctx)

    @contextmanager
    def _overdue(self, identity: str, token: CancelToken) -> Iterator[CancelToken]:
        """A token of its own for an undo: set by whatever stops the executor, and when the undo seems to hang."""
        limit = policy.patience(self._log.view, identity)
        with token.child() as own:
            if limit is None:
                yield own
                return
            alarm = token.clock.call_after(limit, lambda: own.cancel(f"it took longer than {limit:.0f} s"))
            try:
                yield own
            finally:
                alarm.cancel()

    # --- pieces ------------------------------------------------------------------------------------------------

    def _try(self, act: Callable[[], None]) -> Trouble | None:
        try:
            act()
        except JournalError:
            raise
        except (Exception, Cancelled) as error:  # noqa: BLE001  (what became of it is found by looking)
            return Trouble.of(error)
        return None

    def _append(self, kind: Kind, identity: str, **data: object) -> None:
        self._log.append(Draft(kind, identity, {key: value for key, value in data.items() if value not in ("", None)}))

    def _reading(self, identity: str, token: CancelToken) -> StepReadContext:
        return StepReadContext(identity, self._log, self._services, token, self._now, self._looks.report(identity))

    def _touching(self, identity: str, token: CancelToken) -> StepContext:
        return StepContext(identity, self._log, self._services, token, self._now, self._looks.report(identity))
