"""Why a host cannot be reached or does not let one in, in words that say what to do."""

from __future__ import annotations

import base64
import hashlib
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.adapters.host.target import SshTarget
from runbook.errors import HostAway, NotPermitted, RunbookError, Unreachable, WrongTarget

if TYPE_CHECKING:
    from paramiko import PKey


class UnknownKey(Exception):
    """The host showed a key that no known_hosts file holds."""

    def __init__(self, host: str, key: PKey) -> None:
        super().__init__(host)
        self.host = host
        self.key = key


def fingerprint(key: PKey) -> str:
    """As ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


class RefuseUnknown:
    """A policy for host keys that are not known; implements paramiko's ``MissingHostKeyPolicy``."""

    def missing_host_key(self, client: object, hostname: str, key: PKey) -> None:
        """Raises UnknownKey."""
        del client
        raise UnknownKey(hostname, key)


def methods(transport: Any, user: str) -> frozenset[str]:
    """The ways in that the host offers, as far as it can still be asked."""
    from paramiko import BadAuthenticationType, SSHException  # noqa: PLC0415 - heavy, and loaded by now

    try:
        if transport is not None and transport.is_active():
            transport.auth_none(user)
    except BadAuthenticationType as told:
        return frozenset(told.allowed_types)
    except (SSHException, OSError, EOFError):
        pass
    return frozenset()


def refusal(
    target: SshTarget, where: str, error: Exception, known_hosts: Path, wants: frozenset[str] = frozenset()
) -> RunbookError:
    """The error to raise instead of what the library raised. ``where`` is user, host and port as they were used,
    ``wants`` the ways in that the host offers."""
    text = str(error).lower()
    if isinstance(error, TimeoutError | EOFError) or any(word in text for word in SILENT):
        return silent(target, where)
    if CUT in text:
        return HostAway(
            f"{target.name}: the connection to {where} ended while it was made",
            hint="Look at the log of its sshd, and whether the host is about to go down.",
        )
    return _about_keys(target, error, known_hosts) or _about_the_way(target, where, error, wants)


SILENT = ("banner", "timeout", "timed out", "no existing session")
"""Parts of what paramiko says when nothing came."""
CUT = "saw eof"
"""Part of what paramiko says when the connection ended before the account was let in or not, as an error of that."""


def _about_keys(target: SshTarget, error: Exception, known_hosts: Path) -> RunbookError | None:
    from paramiko import BadHostKeyException, PasswordRequiredException  # noqa: PLC0415 - heavy, and loaded by now

    if isinstance(error, UnknownKey):
        return _unknown(target, error, known_hosts)
    if isinstance(error, BadHostKeyException):
        return _changed(target, error, known_hosts)
    if isinstance(error, PasswordRequiredException):
        return NotPermitted(
            f"{target.name}: the key file is protected by a passphrase",
            hint="Load it into ssh-agent before (ssh-add), or name a key without one as identity_file.",
        )
    return None


def _about_the_way(target: SshTarget, where: str, error: Exception, wants: frozenset[str]) -> RunbookError:
    from paramiko.ssh_exception import AuthenticationException, NoValidConnectionsError  # noqa: PLC0415 - as above

    if isinstance(error, AuthenticationException) or "No authentication methods" in str(error):
        return _not_let_in(target, where, wants)
    if isinstance(error, NoValidConnectionsError | ConnectionError):
        return HostAway(
            f"{target.name}: nobody answers at {where}",
            hint="Start the host and its sshd, or correct the address in the plan.",
        )
    if isinstance(error, socket.gaierror):
        return Unreachable(
            f"{target.name}: the name of {where} leads nowhere", hint="Correct the address, or the name server's."
        )
    if isinstance(error, OSError) and error.filename:
        return NotPermitted(
            f"{target.name}: {error.filename} cannot be read: {_lowered(Exception(error.strerror))}",
            hint="Correct identity_file or ssh_config in the plan, or the rights of the file.",
        )
    return HostAway(
        f"{target.name}: no connection to {where}: {_lowered(error)}", hint="Try it by hand: ssh -v " + where
    )


def silent(target: SshTarget, where: str) -> HostAway:
    """Somebody took the connection, or nobody did, and nothing came."""
    return HostAway(
        f"{target.name}: {where} does not answer in time",
        hint="Look whether the host hangs, is overloaded, or a firewall swallows what is sent to it.",
    )


def _unknown(target: SshTarget, error: UnknownKey, known_hosts: Path) -> WrongTarget:
    line = f"{error.host} {error.key.get_name()} {error.key.get_base64()}"
    kind = error.key.get_name().removeprefix("ssh-").partition("-")[0]
    return WrongTarget(
        f"{target.name}: the host key of {error.host} is not known: {error.key.get_name()} {fingerprint(error.key)}",
        hint=f"Compare it with the host's own (there: ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub), then: "
        f"echo {shlex.quote(line)} >> {shlex.quote(str(known_hosts))}",
    )


def _changed(target: SshTarget, error: Any, known_hosts: Path) -> WrongTarget:
    return WrongTarget(
        f"{target.name}: {error.hostname} shows another host key than it had: {error.key.get_name()} "
        f"{fingerprint(error.key)}, known is {error.expected_key.get_name()} {fingerprint(error.expected_key)}",
        hint="Another machine may stand there. If it was installed anew, compare the fingerprint there, then replace "
        f"its line in {known_hosts} (ssh-keygen -R).",
    )


def _not_let_in(target: SshTarget, where: str, wants: frozenset[str]) -> NotPermitted:
    tried = ["a key" if target.identity_file or target.agent else "", "a password" if target.password else ""]
    offered = " and ".join(filter(None, tried)) or "nothing"
    if target.password is None and wants & {"password", "keyboard-interactive"}:
        return NotPermitted(
            f"{target.name}: {where} asks for a password (offered: {offered})",
            hint="Nobody is there to answer: put a key there (ssh-copy-id) and name it as identity_file, or refer to "
            "the password in the plan: env:NAME or file:PATH.",
        )
    return NotPermitted(
        f"{target.name}: {where} does not let this account in (offered: {offered})",
        hint="Look at user, identity_file and password of this host in the plan, and at the log of its sshd.",
    )


def _lowered(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[0].lower() + text[1:].rstrip(".")
