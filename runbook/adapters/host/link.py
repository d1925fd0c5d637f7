"""One SSH connection to one host, for everybody in this process who calls it.

It is made when it is first needed and made anew when it was lost; calls run side by side in sessions of their own.
fabric reads the configuration and connects; what it leaves open is closed here: unknown host keys are refused (it
accepts them, also those of jump hosts), every wait has an end (opening a session has none), and a host that hangs is
noticed (a TCP connection to it stays as it is).
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock
from typing import TYPE_CHECKING, Any

from runbook.adapters.clock import SystemClock
from runbook.adapters.host.refusing import RefuseUnknown, refusal, silent
from runbook.adapters.host.target import SshTarget
from runbook.adapters.host.waiting import patiently
from runbook.errors import HostError, RunbookError
from runbook.patience import within
from runbook.ports import Cancellation

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import Channel, Transport

PAUSE = 0.05
"""Seconds between two attempts to get a session from a host that has no more to give."""
KNOWN_HOSTS = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


@dataclass(frozen=True)
class Session:
    """A shell that waits for its script."""

    channel: Channel
    transport: Transport
    release: Callable[[], None]

    def close(self) -> None:
        """Whatever still runs in it goes on."""
        with suppress(Exception):
            self.channel.close()
        self.release()


class Link:
    """The connection; every method is for every thread."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self._clock = SystemClock()
        self._turn = Lock()
        self._asking = Lock()
        self._room = BoundedSemaphore(target.sessions)
        self._connection: Connection | None = None
        self._where = target.host

    @contextmanager
    def session(
        self, line: str, seconds: float, cancellation: Cancellation, *, urgent: bool = False
    ) -> Iterator[Session]:
        """A session in which ``line`` was given to the login shell, within so many seconds; ``urgent`` takes one of
        those kept in reserve. Unreachable, WrongTarget, NotPermitted or HostError: nothing was run."""
        limit = min(seconds, self.target.connect)
        try:
            opened = patiently(lambda: self._open(line, limit, urgent), Session.close, limit, cancellation)
        except TimeoutError:
            if limit == self.target.connect:  # it had all the time there is
                self.drop()
            raise silent(self.target, self._where) from None
        try:
            yield opened
        finally:
            opened.close()

    def answers(self) -> bool:
        """Whether the host says something when it is asked. A connection on which it does not is given up."""
        with self._asking:
            transport = self._transport_now()
            if transport is None:
                return False
            try:
                within(self.target.quiet, lambda: transport.global_request("keepalive@openssh.com", wait=True))
            except (TimeoutError, EOFError, OSError):
                self.drop()
            return bool(transport.is_active())

    def drop(self) -> None:
        """Give the connection up, without waiting for the other side."""
        with self._turn:
            connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection)

    close = drop

    def _open(self, line: str, seconds: float, urgent: bool) -> Session:
        deadline = self._clock.monotonic() + seconds
        if not urgent and not self._room.acquire(timeout=seconds):
            raise HostError(
                f"{self.target.name} is busy with {self.target.sessions} other calls", host=self.target.name
            )
        release: Callable[[], None] = _nothing if urgent else self._room.release
        try:
            return self._attempt(line, deadline, release)
        except BaseException:
            release()
            raise

    def _attempt(self, line: str, deadline: float, release: Callable[[], None]) -> Session:
        from paramiko import ChannelException, SSHException  # noqa: PLC0415 - heavy: only for who speaks to a host

        while True:
            transport, is_new = self._transport(deadline)
            left = deadline - self._clock.monotonic()
            try:
                channel = transport.open_session(timeout=max(left, PAUSE))
                channel.exec_command(line)
            except ChannelException as error:
                if left < PAUSE:
                    raise self._full() from error
                self._clock.wait(Event(), PAUSE)
            except (SSHException, EOFError, OSError) as error:
                self.drop()
                if is_new or left < PAUSE:
                    raise refusal(self.target, self._where, error, self._known_hosts()[0]) from error
                # It was lost while nobody used it: nothing was run, and once more is no risk.
            else:
                return Session(channel, transport, release)

    def _full(self) -> HostError:
        return HostError(
            f"{self.target.name} refuses another session",
            host=self.target.name,
            hint="Raise MaxSessions in its sshd_config, or find out who uses them up.",
        )

    def _transport_now(self) -> Transport | None:
        connection = self._connection
        return None if connection is None else connection.transport

    def _transport(self, deadline: float) -> tuple[Transport, bool]:
        left = deadline - self._clock.monotonic()
        if not self._turn.acquire(timeout=max(left, PAUSE)):
            raise silent(self.target, self._where)
        try:
            if self._connection is not None and self._connection.is_connected:
                return self._connection.transport, False
            if self._connection is not None:
                _close(self._connection)
            self._connection = None
            self._connection = self._connected(deadline - self._clock.monotonic())
            return self._connection.transport, True
        finally:
            self._turn.release()

    def _connected(self, seconds: float) -> Connection:
        import paramiko  # noqa: F401, PLC0415 - heavy: only for who speaks to a host

        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        logging.getLogger("paramiko").propagate = False
        connection = self._made(max(seconds, PAUSE))
        self._where = f"{connection.user}@{connection.host}:{connection.port}"
        try:
            connection.open()
        except RunbookError:
            _close(connection)
            raise
        except Exception as error:
            _close(connection)
            raise refusal(self.target, self._where, error, self._known_hosts(connection)[0]) from error
        with suppress(OSError, AttributeError):  # through a jump host it is no socket
            connection.transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.transport.set_keepalive(max(1, int(self.target.quiet)))
        return connection

    def _made(self, seconds: float) -> Connection:
        from fabric import Config, Connection  # noqa: PLC0415 - 0.26 s: only for who speaks to a host

        target = self.target
        given = {"runtime_ssh_path": str(target.ssh_config)} if target.ssh_config else {}
        config = Config(lazy=True, **given)  # lazy: no fabric.yaml of anybody, no FABRIC_* variables
        config.load_ssh_config()
        gateway = None
        if target.jump:
            gateway = Connection(target.jump, config=config.clone(), connect_kwargs=self._keys())
        connection = Connection(
            target.host, user=target.user, port=target.port, config=config, gateway=gateway, connect_kwargs=self._keys()
        )
        if target.password is not None:
            connection.connect_kwargs["password"] = target.password().reveal()
        for one in _chain(connection):
            self._tighten(one, seconds)
        return connection

    def _keys(self) -> dict[str, Any]:
        own = self.target.identity_file
        return {"key_filename": [str(own)]} if own else {}

    def _tighten(self, connection: Connection, seconds: float) -> None:
        connection.client.set_missing_host_key_policy(RefuseUnknown())
        for file in self._known_hosts(connection):
            if file.is_file():
                connection.client.load_system_host_keys(str(file))
        keys = connection.connect_kwargs.get("key_filename", [])
        own = str(self.target.identity_file)
        connection.connect_timeout = None  # whole seconds, and 0 means for ever
        connection.connect_kwargs = {
            **connection.connect_kwargs,
            "key_filename": [key for key in keys if key == own or Path(key).is_file()],
            "allow_agent": self.target.agent,
            "look_for_keys": self.target.agent,
            **dict.fromkeys(("timeout", "banner_timeout", "auth_timeout", "channel_timeout"), seconds),
        }

    def _known_hosts(self, connection: Connection | None = None) -> list[Path]:
        if self.target.known_hosts is not None:
            return [self.target.known_hosts]
        settings = connection.ssh_config if connection is not None else {}
        named = settings.get("userknownhostsfile", "").split() + settings.get("globalknownhostsfile", "").split()
        return [Path(one).expanduser() for one in (named or KNOWN_HOSTS)]


def _nothing() -> None:
    """Nothing was taken."""


def _chain(connection: Any) -> Iterator[Connection]:
    """The connection and the hosts it goes through."""
    while connection is not None and not isinstance(connection, str):
        yield connection
        connection = connection.gateway


def _close(connection: Connection) -> None:
    for one in _chain(connection):
        transport = one.client.get_transport()
        if transport is not None:
            with suppress(OSError):  # what hangs is not waited for
                transport.sock.settimeout(0)
            with suppress(OSError, AttributeError):
                transport.sock.shutdown(socket.SHUT_RDWR)
        with suppress(Exception):
            one.client.close()
