"""Being the only executor on every instance of a plan: lock, marker, and the end of older executors.

An instance that does not answer when the run is taken up is claimed when it answers: at the latest right before the
first effect there, which asks :meth:`Claims.hold` for the marker that must stand there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial

from runbook.cancel import CancelToken
from runbook.errors import AlreadyRunning, Cancelled, FencedOut, JournalError, Refused, ServerError, Unreachable
from runbook.events import Draft, Kind
from runbook.journal.copying import Copier
from runbook.journal.log import RunLog, view_of
from runbook.journal.store import Store
from runbook.marker import Held, Instance, Marker, is_set_back, refuse_unless_free, refuse_unless_mine
from runbook.ports import Clock, Recorded, Recorder
from runbook.states import RunState

PATIENCE, LAST_PATIENCE = 3.0, 15.0
"""Seconds an instance is given to answer in the middle of a run, and at its end."""
ENDED_WITHIN = 90.0
"""Seconds in which sessions of an earlier executor have to be gone from one: they get a minute to roll back."""
LEFT_BEHIND = "what the executor that ended this run left on the servers"
TRIES = 5
"""Attempts to put the marker while others put theirs."""
NO_COPY = "journal_copy is none: when this journal is lost, what is needed to go back is lost with it"
ACCEPTED = "accepted"
"""In a note: hashes of claims of which a person said that their rows are lost (``recover --accept-gap``)."""
Instances = Mapping[str, Callable[[CancelToken], Instance]]
"""How to reach each server of a plan; what is asked there ends when the token is set."""


class JournalMemory:
    """What a store knows of claims; implements :class:`runbook.marker.Memory`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def knows(self, marker: Marker) -> bool:
        """Row and hash are there, or a person accepted that they are lost."""
        rows = self._store.rows(marker.run_id)
        if any(row.n == marker.position and row.hash == marker.row_hash for row in rows):
            return True
        notes = (json.loads(row.body) for row in rows if row.kind == Kind.NOTE)
        return any(marker.row_hash in note.get(ACCEPTED, ()) for note in notes)

    def has_ended(self, run_id: str) -> bool:
        """The run is here, and over."""
        return run_id in self._store.run_ids() and view_of(self._store, run_id).ending is not None


class Claims:
    """The claims of one executor; :meth:`hold` is for every thread."""

    def __init__(
        self,
        log: RunLog,
        owner: str,
        instances: Instances,
        clock: Clock,
        copier: Copier | None = None,
    ) -> None:
        self._log = log
        self._clock = clock
        self._within = clock.within
        self._copier = copier
        self._owner = owner
        self._instances = instances
        self._memory = JournalMemory(log.store)
        self._over = ExitStack()
        self._locks: dict[str, Held] = {}
        self._one_at_a_time = {name: threading.Lock() for name in instances}
        self._held: set[str] = set()
        self._mine = self._announced()

    def take(self) -> None:
        """Claim every instance that answers; before the first one is touched, all are looked at."""
        answering = [name for name in self._instances if self._attempt(name, self._look)]
        self._begin_copy()
        self._log.append(Draft(Kind.NOTE, None, {"text": f"executor {self._log.fence} claims {_listed(answering)}"}))
        self._mine = self._announced()
        self._log.settle_copy(wholly=True)  # what a marker names must be found again
        for name in answering:
            self._attempt(name, self._claim)

    def hold(self, name: str) -> Marker:
        """The marker that must stand on that instance before anything is changed there; claims it first if that was
        not possible before. FencedOut when this executor may not act any more."""
        with self._one_at_a_time[name]:
            if name not in self._held:
                try:
                    self._claim(name)
                except Refused as error:
                    if type(error) is not Refused:
                        raise
                    raise FencedOut(error.message, hint=error.hint) from error  # a newer journal is at work
            elif not self._is_locked(name):
                self._lock_again(name)
        return self._mine

    def _is_locked(self, name: str) -> bool:
        """A server that says nothing is asked by the effect itself, which can be ended."""
        try:
            return self._within(PATIENCE, self._locks[name].is_held)
        except TimeoutError:
            return True

    def _lock_again(self, name: str) -> None:
        """The server was restarted, or the connection cut: the lock went with its session. What the instance knew of
        this run may have gone as well, where its files were put back meanwhile."""
        self._lock(name, instead_of=self._locks[name])
        text = f"{name}: the application lock was gone with its session, and was taken again"
        self._log.buffer(Draft(Kind.NOTE, None, {"text": text}))
        self._claim_again_if_set_back(name)
        if self._copier and name == self._copier.place.server:
            self._send_again()

    def _claim_again_if_set_back(self, name: str) -> None:
        """Put the marker in place of an older one of this very run; any other one is left to whoever looks next."""
        instance = self._instance(name)
        found = instance.marker()
        if not is_set_back(found, self._mine):
            return
        self._put(instance)
        instance.end_sessions_of(self._mine.run_id, self._mine.fence)
        fences = f"executor {found.fence if found else ''} -> {self._mine.fence}"
        text = f"{name}: the instance went back to an earlier state and was claimed again ({fences})"
        self._log.buffer(Draft(Kind.NOTE, None, {"text": text, "finding": True}))

    def _send_again(self) -> None:
        """Rows that were at the second place may be there no more."""
        assert self._copier is not None  # noqa: S101 - asked by the caller
        self._copier.look_again()
        self._log.settle_copy()

    def _lock(self, name: str, instead_of: Held | None = None) -> None:
        with self._answering(name, ENDED_WITHIN) as instance:
            lock = instance.application_lock(self._mine.run_id, instead_of=instead_of)
            self._locks[name] = self._over.enter_context(lock)

    def _instance(self, name: str) -> Instance:
        return self._instances[name](CancelToken(self._clock))

    @contextmanager
    def _answering(self, name: str, seconds: float = LAST_PATIENCE) -> Iterator[Instance]:
        """The same, to be claimed: one that takes connections and then says nothing counts as one that is away."""
        token = CancelToken(self._clock)
        why = f"{name} gave no answer within {seconds:.0f} s"
        alarm = self._clock.call_after(seconds, lambda: token.cancel(why))
        try:
            yield self._instances[name](token)
        except (Cancelled, ServerError) as error:
            if not token.is_set:
                raise
            raise Unreachable(why, hint="Look what keeps msdb there: sys.dm_exec_requests.") from error
        finally:
            alarm.cancel()

    def refuse_if_lost(self) -> None:
        """Raise FencedOut when an instance that answers is in other hands by now. For effects outside of the servers,
        which no session carries: between this look and the effect another executor may still come. An instance that
        does not answer is not waited for: the way back must not depend on the server that is left."""
        for name in sorted(self._held):
            with suppress(Unreachable, ServerError, TimeoutError):
                found = self._within(PATIENCE, self._instance(name).marker)
                if is_set_back(found, self._mine):
                    found = self._within(LAST_PATIENCE, partial(self.hold, name))
                refuse_unless_mine(name, found, self._mine)

    def give_back(self, *, remove: bool) -> list[str]:
        """Say on every instance that answers that this run does not need it any more; names of those that do not."""
        left = []
        for name in self._instances:
            try:
                end = partial(self._instance(name).end_marker, self._mine.run_id, self._mine.fence, remove=remove)
                self._within(LAST_PATIENCE, end)
            except (Unreachable, ServerError, TimeoutError):
                left.append(name)
        return left

    def release(self) -> None:
        """Let the locks go; those on a server that does not answer go with this process."""
        with suppress(TimeoutError):
            self._within(LAST_PATIENCE, self._over.close)

    def _begin_copy(self) -> None:
        if self._copier is None:
            self._note(NO_COPY)
            return
        self._copier.on_behind = self._lag
        with self._log.lock:
            finding = self._copier.begin(self._log.store, is_new=not self._log.view.executor)
            self._log.copier = self._copier
        if finding:
            self._note(finding)

    def _note(self, finding: str) -> None:
        self._log.buffer(Draft(Kind.NOTE, None, {"text": finding, "finding": True}))

    def _lag(self, newest: int, silent: bool) -> None:
        """Tell every instance that is held and answers that the copy of the journal lacks rows; not the one that the
        copy is on, if it gave no answer just now."""
        keeper = self._copier.place.server if self._copier and silent else ""
        for name in sorted(self._held - {keeper}):
            with suppress(Unreachable, ServerError, TimeoutError):
                self._within(PATIENCE, partial(self._lag_at, self._instance(name), newest))

    def _lag_at(self, instance: Instance, newest: int) -> None:
        if instance.marker() == self._mine:
            instance.lag_marker(self._mine, newest)

    def end_copy(self, *, remove: bool) -> bool:
        """Hand on what is left, or have the second place forget this run; False when it was noted that it could not."""
        finding = ""
        if self._copier is None or self._log.copier is None:
            return True
        with suppress(JournalError):  # a full disk, or another executor's run by now: what is there is there
            if not remove:
                self._copier.hurry()
                self._log.flush()
                self._log.settle_copy(wholly=True)
                self._log.flush()
            finding = self._copier.finish(remove=remove)
            self._log.copier = None
            if finding:
                self._note(finding)
                self._log.flush()
        return not finding

    def give_back_late(self, *, remove: bool) -> list[str]:
        """As at the end of a run, by another executor than the one that ended it; names of what did not answer. Refused
        when the second place knows of rows that this journal does not hold: then this is not the newest journal."""
        if self._copier:
            self._begin_copy()
        self._log.append(Draft(Kind.NOTE, None, {"text": f"executor {self._log.fence} gives back {LEFT_BEHIND}"}))
        kept = [] if self.end_copy(remove=remove) else [self._copier.place.name if self._copier else ""]
        return [*kept, *self.give_back(remove=remove)]

    def _announced(self) -> Marker:
        n, row_hash = self._log.last
        return Marker(self._log.view.run_id, self._owner, self._log.fence or 0, n, row_hash)

    def _attempt(self, name: str, act: Callable[[str], None]) -> bool:
        try:
            act(name)
        except (Unreachable, ServerError) as error:
            self._note(f"{name} could not be claimed yet: {error.message}")
            return False
        return True

    def _look(self, name: str) -> None:
        with self._answering(name) as instance:
            refuse_unless_free(instance, instance.marker(), self._mine, self._memory)

    def _claim(self, name: str) -> None:
        with self._answering(name) as instance:
            self._put(instance)
        with self._answering(name, ENDED_WITHIN) as instance:
            ended = instance.end_sessions_of(self._mine.run_id, self._mine.fence)
        if ended:
            text = f"{name}: {ended} sessions of an earlier executor were ended"
            self._log.buffer(Draft(Kind.NOTE, None, {"text": text}))
        self._lock(name)
        self._held.add(name)
        if self._copier and name == self._copier.place.server:
            self._copier.place.held_by(self._mine.fence)
        if self._copier and self._copier.is_behind:
            self._lag(self._copier.behind_at, self._copier.is_silent)

    def _put(self, instance: Instance) -> None:
        for _ in range(TRIES):
            found = instance.marker()
            refuse_unless_free(instance, found, self._mine, self._memory)
            if found == self._mine or instance.put_marker(self._mine, instead_of=found):
                return
        raise AlreadyRunning(
            f"{instance.role}: others claim this instance in this very moment",
            hint="Look who it is with: runbook status.",
        )


class Guarded:
    """A recorder for what is changed outside of the servers (gate, pointer): only while the instances are held."""

    def __init__(self, recorder: Recorder, claims: Claims) -> None:
        self._recorder = recorder
        self._claims = claims

    def statement(self, server: str, text: str, *, effect: bool, session: str = "") -> AbstractContextManager[Recorded]:
        """See :class:`runbook.ports.Recorder`."""
        if effect:
            self._claims.refuse_if_lost()
        return self._recorder.statement(server, text, effect=effect, session=session)


@contextmanager
def claimed(
    log: RunLog,
    owner: str,
    instances: Instances,
    clock: Clock,
    copier: Copier | None = None,
) -> Iterator[Claims]:
    """Hold the instances while the block runs, and give them back when the run has come to its ending.

    A run that nobody ever drove gives them back as well when it cannot be: it will be refused. One that is interrupted
    or held keeps its markers, so that nothing else begins on its instances before it has ended.
    """
    claims = Claims(log, owner, instances, clock, copier)
    leave_no_trace = False
    try:
        claims.take()
        yield claims
    except Refused as error:
        leave_no_trace = not log.view.executor
        if leave_no_trace and not isinstance(error, AlreadyRunning):
            log.append(Draft(Kind.RUN_FINISHED, None, {"ending": RunState.REFUSED.value, "reason": error.message}))
        raise
    finally:
        leave_no_trace |= log.view.ending not in (None, RunState.UPGRADED)
        claims.end_copy(remove=leave_no_trace)
        if leave_no_trace or log.view.ending:
            claims.give_back(remove=leave_no_trace)
        claims.release()


def give_back(
    log: RunLog,
    owner: str,
    instances: Instances,
    clock: Clock,
    copier: Copier | None = None,
) -> list[str]:
    """What :func:`claimed` does at the end of a run, for one whose executor died before it could, or that a person
    declared ended; names of what did not answer."""
    claims = Claims(log, owner, instances, clock, copier)
    return claims.give_back_late(remove=log.view.ending is not RunState.UPGRADED)


def _listed(names: list[str]) -> str:
    return ", ".join(names) if names else "no instance: none answers"
