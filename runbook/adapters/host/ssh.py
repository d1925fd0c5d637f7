"""Calls over SSH: a session each, felt by the clock and by who tells it to stop, ended over there and not only here."""

from __future__ import annotations

import re
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from runbook.adapters.clock import SystemClock
from runbook.adapters.host.link import Link, Session
from runbook.adapters.host.shell import Call, Dialect, Heard, Question
from runbook.adapters.lifeline import GRACE
from runbook.cancel import CancelToken
from runbook.errors import Cancelled, HostError, RunbookError
from runbook.hosting import CommandResult
from runbook.ports import Cancellation

if TYPE_CHECKING:
    from paramiko import Channel

AT_ONCE = 64 * 1024
"""Bytes that a session takes without being read: more is sent by a thread of its own."""
NEAR = 1024
"""Bytes at the end of a stream in which the end of an answer is looked for."""
ASKED_AGAIN = 2
"""Times that a question is put once more when its answer was lost with the connection: it changed nothing."""


class Lost(Exception):
    """The connection is gone, the outcome unknown."""


class Late(Exception):
    """The time is up."""


class _NotHeard(HostError):
    """What a caller is told when the connection, or the shell over there, was lost."""


class _NoSuchShell(Exception):
    """This account has no shell that takes questions; one of its own for the call says why."""


class SshShell:
    """Implements :class:`runbook.adapters.host.shell.Shell`. One a step: it feels that step's end."""

    def __init__(self, link: Link, cancellation: Cancellation, dialect: Dialect) -> None:
        self.sudo = link.target.sudo
        self._link = link
        self._cancellation = cancellation
        self._dialect = dialect
        self._name = link.target.name

    def call(self, call: Call) -> CommandResult:
        """Carry it out there; what only looks is asked again over a new connection when its own was lost."""
        for _ in range(0 if call.effect else ASKED_AGAIN):
            with suppress(_NotHeard):
                return self._called(call)
        return self._called(call)

    def _called(self, call: Call) -> CommandResult:
        self._cancellation.checkpoint()
        question = self._dialect.asked(call)
        if question is not None:
            with suppress(_NoSuchShell):
                return self._dialect.understood(call, self._answered(call, question), self._name)
        payload = self._dialect.spoken(call)
        with self._link.session(self._dialect.begin, call.timeout, self._cancellation) as session:
            conversation = _Conversation(session, call, self._link)
            try:
                heard = conversation.held(payload, self._cancellation)
            except Cancelled:
                self._end(call)
                conversation.wait_for_the_end()
                raise
            except Lost:
                raise self._lost(call, session) from None
            except Late:
                raise self._late(call, conversation) from None
        return self._dialect.understood(call, heard, self._name)

    def _answered(self, call: Call, question: Question) -> Heard:
        """Over the shell that stands, or a new one. _NoSuchShell when that gives no answer at all."""
        link, cancellation = self._link, self._cancellation
        with link.standing(self._dialect.begin, question.opening, call.timeout, cancellation) as session:
            conversation = _Answer(session, call, link)
            try:
                return conversation.held(question.line, cancellation)
            except Cancelled:
                self._end(call)
                raise
            except Lost:
                if not session.opening and session.transport.is_active():
                    raise _NoSuchShell from None
                raise self._lost(call, session) from None
            except Late:
                raise self._late(call, conversation) from None

    def _late(self, call: Call, conversation: _Conversation) -> HostError:
        ended = self._end(call)
        conversation.wait_for_the_end()
        return HostError(
            f"{call.name} did not end within {call.timeout:g} s on {self._name} and "
            f"{'was stopped' if ended else 'could not be stopped: it may still run there'}",
            host=self._name,
            in_doubt=call.effect,
            hint="Raise its timeout in the plan, or find out what it waits for.",
        )

    def _lost(self, call: Call, session: Session) -> _NotHeard:
        what = f"the shell of {call.name} was killed on {self._name}"
        if not session.transport.is_active():
            what = f"the connection to {self._name} was lost while {call.name} ran"
        ended = call.effect and self._end(call)
        return _NotHeard(
            f"{what}; what was left of it there was ended" if ended else what,
            host=self._name,
            in_doubt=call.effect,
            hint="Look what became of it there before it is done again.",
        )

    def _end(self, call: Call) -> bool:
        """Over a session of its own, whatever became of the first; over a new connection if need be."""
        end, never = self._dialect.end(call), CancelToken(SystemClock())
        try:
            with self._link.session(self._dialect.begin, end.timeout, never, urgent=True) as session:
                heard = _Conversation(session, end, self._link).held(self._dialect.spoken(end), never)
        except (Lost, Late, RunbookError):
            return False
        return heard.exit_code == 0


class _Conversation:
    """What is said in one session."""

    def __init__(self, session: Session, call: Call, link: Link) -> None:
        self._channel: Channel = session.channel
        self._call = call
        self._link = link
        self._quiet = link.target.quiet
        self._clock = SystemClock()
        self._out, self._err = _Kept(call.limit), _Kept(call.limit)
        self._woken = Event()

    def held(self, payload: bytes, cancellation: Cancellation) -> Heard:
        """The answer. Cancelled, Late, Lost."""
        stopped = Event()

        def stop() -> None:
            stopped.set()
            self._woken.set()

        self._channel.status_event = _Both(self._woken)
        self._channel.in_buffer.set_event(self._woken)
        self._channel.in_stderr_buffer.set_event(self._woken)
        with cancellation.interrupting(stop):
            self._tell(payload)
            self._listen(stopped)
        if stopped.is_set():
            cancellation.checkpoint()
            raise Cancelled("told to stop")
        return self._heard()

    def _heard(self) -> Heard:
        code = self._channel.recv_exit_status()
        return Heard(code, self._out.text(), self._err.text(), self._out.truncated or self._err.truncated)

    def wait_for_the_end(self) -> None:
        """A moment for what was ended to be gone."""
        self._clock.wait(self._channel.status_event, GRACE)

    def _tell(self, payload: bytes) -> None:
        if len(payload) <= AT_ONCE:
            self._send(payload)
        else:
            Thread(target=self._send, args=(payload,), name="input", daemon=True).start()

    def _send(self, payload: bytes) -> None:
        with suppress(OSError, EOFError):  # nobody reads any more; how it ended says why
            self._channel.sendall(payload)
            self._end_input()

    def _end_input(self) -> None:
        self._channel.shutdown_write()

    def _listen(self, stopped: Event) -> None:
        deadline = self._clock.monotonic() + self._call.timeout
        while not stopped.is_set():
            self._woken.clear()
            self._drain()
            if self._is_over():
                return
            if stopped.is_set():
                return
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise Late
            if not self._clock.wait(self._woken, min(left, self._quiet)) and left > self._quiet:
                self._still_there()

    def _is_over(self) -> bool:
        if not self._channel.exit_status_ready():
            return False
        self._hear_the_rest()
        return True

    def _hear_the_rest(self) -> None:
        """It has ended; what it left behind may hold its output open, and is waited for a moment only."""
        if self._channel.exit_status < 0:
            raise Lost
        until = self._clock.monotonic() + GRACE
        while not self._channel.eof_received and (left := until - self._clock.monotonic()) > 0:
            self._woken.clear()
            self._drain()
            if not self._channel.eof_received:
                self._clock.wait(self._woken, left)
        self._drain()

    def _still_there(self) -> None:
        if not self._link.answers() and not self._channel.exit_status_ready():
            raise Lost

    def _drain(self) -> None:
        while self._channel.recv_ready():
            self._out.add(self._channel.recv(32768))
        while self._channel.recv_stderr_ready():
            self._err.add(self._channel.recv_stderr(32768))


class _Answer(_Conversation):
    """One question to a shell that stands, and what it answers."""

    def _end_input(self) -> None:
        """More questions will come."""

    def _is_over(self) -> bool:
        if self._code() is not None and self._err.after(self._mark) is not None:
            return True
        if self._channel.exit_status_ready() or self._channel.closed:
            raise Lost
        return False

    @property
    def _mark(self) -> bytes:
        return f"end-{self._call.token}".encode()

    def _code(self) -> int | None:
        told = re.match(rb" (\d+)\n", self._out.after(self._mark) or b"")
        return int(told[1]) if told else None

    def _heard(self) -> Heard:
        code = self._code()
        if code is None:
            raise Lost
        out, err = (kept.text().rpartition(self._mark.decode())[0] for kept in (self._out, self._err))
        return Heard(code, out, err, self._out.truncated or self._err.truncated)


class _Both(Event):
    """An event that wakes who waits for another one as well."""

    def __init__(self, other: Event) -> None:
        super().__init__()
        self._other = other

    def set(self) -> None:
        super().set()
        self._other.set()


class _Kept:
    """The end of what came."""

    def __init__(self, limit: int) -> None:
        self.truncated = False
        self._limit = limit
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > self._limit:
            self.truncated = True
            del self._kept[: -self._limit]

    def after(self, mark: bytes) -> bytes | None:
        """What came after the mark, if it is near the end."""
        at = self._kept.rfind(mark, max(0, len(self._kept) - NEAR))
        return bytes(self._kept[at + len(mark) :]) if at >= 0 else None

    def text(self) -> str:
        return bytes(self._kept).decode("utf-8", "replace")
