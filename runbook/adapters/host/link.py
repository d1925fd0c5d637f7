"""One SSH connection to one host, for everybody in this process who calls it.

It is made when it is first needed and made anew when it was lost; calls run side by side in sessions of their own.
fabric reads the configuration and connects; what it leaves open is closed here: unknown host keys are refused (it
accepts them, also those of jump hosts), every wait has an end (opening a session has none), and a host that hangs is
noticed (a TCP connection to it stays as it is).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from runbook.adapters.clock import SystemClock
from runbook.adapters.host.refusing import RefuseUnknown, methods, refusal, silent
from runbook.adapters.host.room import Room
from runbook.adapters.host.target import SshTarget
from runbook.adapters.host.waiting import patiently
from runbook.errors import HostError, NotPermitted, RunbookError
from runbook.patience import within
from runbook.ports import Cancellation

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import Channel, Transport

PAUSE = 0.05
"""Seconds between two attempts to get a session from a host that has no more to give."""
ENDING = 5.0
"""Seconds that paramiko's thread is given to let go of a connection that was cut."""
SSH_CONFIGS = (Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config"))
KNOWN_HOSTS = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


def _nothing() -> None:
    """Nothing was taken."""


@dataclass(frozen=True)
class Session:
    """A shell that waits for its script."""

    channel: Channel
    transport: Transport
    release: Callable[[], None] = _nothing
    opening: bytes = b""
    """What its shell was told, when it takes questions."""

    def close(self) -> None:
        """Whatever still runs in it goes on."""
        with suppress(Exception):
            self.channel.close()
        self.release()


class _Refused(Exception):
    """The host has no session left."""


class Link:
    """The connection; every method is for every thread."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self._clock = SystemClock()
        self._turn = Lock()
        self._asking = Lock()
        self._room = Room(target.sessions)
        self._stand = Lock()
        self._idle: dict[bytes, Session] = {}
        """Shells that wait for a question, by what they were told."""
        self._connection: Connection | None = None
        self._where = target.host

    @contextmanager
    def session(
        self, line: str, seconds: float, cancellation: Cancellation, *, urgent: bool = False
    ) -> Iterator[Session]:
        """A session in which ``line`` was given to the login shell, within so many seconds; ``urgent`` takes one of
        those kept in reserve. Unreachable, WrongTarget, NotPermitted or HostError: nothing was run."""
        opened = self._opened(line, self._clock.monotonic() + seconds, cancellation, urgent=urgent)
        try:
            yield opened
        finally:
            opened.close()

    @contextmanager
    def standing(self, line: str, opening: bytes, seconds: float, cancellation: Cancellation) -> Iterator[Session]:
        """A session whose shell takes questions since it was told ``opening``; whoever leaves it with an error ends it.
        Between two questions it takes nobody's place: it is let go of when the host refuses another."""
        opened = self._standing(opening, seconds, cancellation) or self._opened(
            line, self._clock.monotonic() + seconds, cancellation, urgent=False
        )
        try:
            if not opened.opening:
                with suppress(OSError, EOFError):  # nobody is there any more: no answer will come
                    opened.channel.sendall(opening)
            yield opened
        except BaseException:
            opened.close()
            raise
        opened.release()
        with self._stand:
            former = self._idle.pop(opening, None)
            self._idle[opening] = replace(opened, release=_nothing, opening=opening)
        if former is not None:
            former.close()

    def _standing(self, opening: bytes, seconds: float, cancellation: Cancellation) -> Session | None:
        if not self._idle.get(opening):
            return None
        if not self._room.take(self._clock.monotonic() + seconds, cancellation):
            raise self._full()
        with self._stand:
            idle = self._idle.pop(opening, None)
        if idle is not None and idle.transport.is_active() and not idle.channel.closed:
            return replace(idle, release=self._room.give)
        self._room.give()
        return None

    def _let_go(self) -> bool:
        """End the shells that nobody asks anything; whether there was one."""
        with self._stand:
            idle, self._idle = self._idle, {}
        for one in idle.values():
            one.close()
        return bool(idle)

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

    def _opened(self, line: str, deadline: float, cancellation: Cancellation, *, urgent: bool) -> Session:
        """Waits for its turn as long as the call may take, for the host as long as connecting may."""
        while True:
            if not urgent and not self._room.take(deadline, cancellation):
                raise self._full()
            limit = min(max(deadline - self._clock.monotonic(), PAUSE), self.target.connect)
            try:
                return self._attempted(line, limit, cancellation, _nothing if urgent else self._room.give)
            except _Refused as error:
                if self._let_go():
                    if not urgent:
                        self._room.give()
                    continue
                if self._clock.monotonic() + PAUSE > deadline:
                    raise self._full() from error
                if urgent or not self._room.refused():
                    cancellation.sleep(PAUSE)

    def _attempted(self, line: str, limit: float, cancellation: Cancellation, release: Callable[[], None]) -> Session:
        """A session, or _Refused with its place still taken, or any other error with its place given back."""
        try:
            opened = patiently(lambda: self._open(line, limit), Session.close, limit, cancellation)
        except _Refused:
            raise
        except TimeoutError:
            release()
            if limit == self.target.connect:  # it had all the time there is
                self.drop()
            raise silent(self.target, self._where) from None
        except BaseException:
            release()
            raise
        return replace(opened, release=release)

    def _open(self, line: str, limit: float) -> Session:
        from paramiko import SSHException  # noqa: PLC0415 - heavy: only for who speaks to a host

        deadline = self._clock.monotonic() + limit
        while True:
            transport, is_new = self._transport(deadline)
            try:
                channel = transport.open_session(timeout=max(deadline - self._clock.monotonic(), PAUSE))
                channel.exec_command(line)
            except (SSHException, EOFError, OSError) as error:
                if transport.is_active() and "Timeout" not in str(error):
                    raise _Refused from error
                self.drop()
                if is_new or self._clock.monotonic() + PAUSE > deadline:
                    raise refusal(self.target, self._where, error, self._known_hosts()[0]) from error
                # It was lost while nobody used it: nothing was run, and once more is no risk.
            else:
                return Session(channel, transport)

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
        from paramiko import SSHException  # noqa: PLC0415 - heavy: only for who speaks to a host

        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        logging.getLogger("paramiko").propagate = False
        try:
            connection = self._made(max(seconds, PAUSE))
        except (OSError, SSHException) as error:
            raise refusal(self.target, self._where, error, self._known_hosts()[0]) from error
        self._where = f"{connection.user}@{connection.host}:{connection.port}"
        try:
            connection.open()
        except RunbookError:
            _close(connection)
            raise
        except Exception as error:
            wants = methods(connection.client.get_transport(), connection.user)
            _close(connection)
            raise refusal(self.target, self._where, error, self._known_hosts(connection)[0], wants) from error
        with suppress(OSError, AttributeError):  # through a jump host it is no socket
            connection.transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.transport.set_keepalive(max(1, int(self.target.quiet)))
        return connection

    def _made(self, seconds: float) -> Connection:
        from fabric import Connection  # noqa: PLC0415 - 0.26 s: only for who speaks to a host

        target = self.target
        config = _settings(target.ssh_config).clone()  # while one thread looks into it, another would change it
        password = target.password().reveal() if target.password is not None else None
        keys = self._keys(password)
        jump = Connection(target.jump, config=config, connect_kwargs=dict(keys)) if target.jump else None
        connection = Connection(
            target.host, user=target.user, port=target.port, config=config, gateway=jump, connect_kwargs=dict(keys)
        )
        if password is not None:
            connection.connect_kwargs["password"] = password
        for one in _chain(connection):
            self._tighten(one, seconds)
        return connection

    def _keys(self, password: str | None = None) -> dict[str, Any]:
        """The key is loaded here: given its file, paramiko tries it as every kind of key and tells of the last."""
        from paramiko import PasswordRequiredException, PKey, UnknownKeyType  # noqa: PLC0415 - as above

        own = self.target.identity_file
        if own is None:
            return {}
        try:
            return {"pkey": PKey.from_path(own, password.encode() if password else None)}
        except TypeError:
            raise PasswordRequiredException from None
        except (ValueError, UnknownKeyType) as error:
            raise NotPermitted(
                f"{self.target.name}: {own} is no private key that can be used",
                hint="Correct identity_file in the plan; it names the private half, of type ed25519, ECDSA or RSA.",
            ) from error

    def _tighten(self, connection: Connection, seconds: float) -> None:
        connection.client.set_missing_host_key_policy(RefuseUnknown())
        for file in self._known_hosts(connection):
            if file.is_file():
                connection.client.load_system_host_keys(str(file))
        keys = connection.connect_kwargs.get("key_filename", [])
        connection.connect_timeout = None  # whole seconds, and 0 means for ever
        connection.connect_kwargs = {
            **connection.connect_kwargs,
            "key_filename": [key for key in keys if Path(key).is_file()],
            "allow_agent": self.target.agent,
            "look_for_keys": self.target.agent,
            **dict.fromkeys(("timeout", "banner_timeout", "auth_timeout", "channel_timeout"), seconds),
            "transport_factory": _light_transport,
        }

    def _known_hosts(self, connection: Connection | None = None) -> list[Path]:
        if self.target.known_hosts is not None:
            return [self.target.known_hosts]
        settings = connection.ssh_config if connection is not None else {}
        named = settings.get("userknownhostsfile", "").split() + settings.get("globalknownhostsfile", "").split()
        return [Path(one).expanduser() for one in (named or KNOWN_HOSTS)]


def _light_transport(sock: Any, **options: Any) -> Transport:
    """Prefers a cipher that needs no checksum of its own: that one is compared byte by byte in Python."""
    from paramiko import Transport as Plain  # noqa: PLC0415 - see above

    transport = Plain(sock, **options)
    security = transport.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
    return transport


def _settings(path: Path | None) -> Any:
    """The configuration of ssh as it is now; read once for all hosts, and again when it was changed."""
    files = [path] if path else SSH_CONFIGS
    return _settings_as_of(path, tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files))


@lru_cache(maxsize=8)
def _settings_as_of(path: Path | None, changed_at: tuple[int, ...]) -> Any:
    del changed_at
    from fabric import Config  # noqa: PLC0415 - see above

    given = {"runtime_ssh_path": str(path)} if path else {}
    config = Config(lazy=True, **given)  # lazy: no fabric.yaml of anybody, no FABRIC_* variables
    config.load_ssh_config()
    return config


def _chain(connection: Any) -> Iterator[Connection]:
    """The connection and the hosts it goes through."""
    while connection is not None and not isinstance(connection, str):
        yield connection
        connection = connection.gateway


def _close(connection: Connection) -> None:
    for one in _chain(connection):
        transport = one.client.get_transport()
        if transport is not None:
            _cut(transport.sock)
        with suppress(Exception):
            one.client.close()
        if transport is not None:
            _reap(transport)


def _cut(sock: Any) -> None:
    """What hangs is not waited for. A socket, a session through a jump host, or a ProxyCommand with its process."""
    with suppress(OSError):
        sock.settimeout(0)
    with suppress(OSError, AttributeError):
        sock.shutdown(socket.SHUT_RDWR)
    process = getattr(sock, "process", None)
    if process is not None and process.returncode is None:
        with suppress(OSError):  # not Popen.kill, which would take its number from it when it has ended already
            os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _reap(transport: Transport) -> None:
    """When paramiko's thread has signalled the process as well, which it does without asking whether it is there: until
    then nothing else may get its number."""
    process = getattr(transport.sock, "process", None)
    if process is None:
        return
    with suppress(RuntimeError):  # never started
        transport.join(ENDING)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        with suppress(OSError):
            stream.close()
