"""Where a server is and how to log in: from the plan's words to an ODBC connection string."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runbook.adapters.sqlserver.driver import Driver
from runbook.errors import NotSupported, Refused, Unreachable
from runbook.plan.types import ServerUrl
from runbook.secrets import Secret

SPECIAL = frozenset("[]{}(),;?*=!@")
"""Characters that end or change an unquoted value of a connection string."""
LOGIN_TIMEOUT = 15
"""Seconds until a server that does not answer counts as unreachable."""


@dataclass(frozen=True)
class Address:
    """A server that is there: ``server`` as the driver's keyword wants it, ``user`` None for Windows authentication."""

    server: str
    port: int | None
    user: str | None
    password: Secret | None
    encrypt: bool = True
    trust_certificate: bool = False

    def __str__(self) -> str:
        return f"{self.server}:{self.port}" if self.port else self.server


@dataclass(frozen=True)
class ServerTarget:
    """A server as the plan names it.

    ``url`` is ``mssql://host[:port]``, ``mssql://host\\INSTANCE`` or ``sandbox://NAME?version=2019``. ``password`` is
    called when a connection is opened, so the secret is never kept. ``sandbox_home`` is the directory under which each
    sandbox server has a directory of its own name; needed for sandbox servers alone.
    """

    url: str
    user: str | None = None
    password: Callable[[], Secret] | None = None
    encrypt: bool = True
    trust_certificate: bool = False
    sandbox_home: Path | None = None

    def locate(self) -> Address:
        """Say where the server is; a sandbox server that does not run is started."""
        url = ServerUrl.parse(self.url)
        if url.scheme == "sandbox":
            return self._start_sandbox(url)
        host = f"{url.host}\\{url.instance}" if url.instance else url.host
        password = self.password() if self.password else None
        port = url.port if url.instance is None else None
        return Address(host, port, self.user, password, self.encrypt, self.trust_certificate)

    def _start_sandbox(self, url: ServerUrl) -> Address:
        if self.sandbox_home is None:
            raise Refused("no directory is known for the sandbox", hint="Set RUNBOOK_HOME to a directory.")
        from runbook.sandbox import manage  # noqa: PLC0415 - only plans with sandbox servers need it

        try:
            info = manage.start(self.sandbox_home / url.host, url.host, str(url.version))
        except manage.SandboxError as e:
            raise Unreachable(str(e), hint=sentence(e.hint)) from None
        return Address(info.host, info.port, info.user, Secret(info.password), encrypt=False)


def sentence(hint: str) -> str:
    """Return a hint as the sentence it is shown as."""
    return f"{hint[:1].upper()}{hint[1:].rstrip('.')}." if hint else ""


def connection_string(address: Address, driver: Driver, program: str, database: str = "master") -> str:
    """Return the connection string; it holds the password, so it must not be shown.

    ``ConnectRetryCount=0``: a session that the driver reopens silently has lost its place in a single-user database
    and its lock.
    """
    keywords = _freetds(address) if driver.is_freetds else _microsoft(address)
    known = {"DRIVER": driver.name, **keywords, "DATABASE": database, "APP": program, **_login(address)}
    quoted = _bare if driver.is_freetds else _braced
    return ";".join(f"{key}={quoted(value)}" for key, value in known.items())


def _microsoft(address: Address) -> Mapping[str, str]:
    server = f"tcp:{address.server},{address.port}" if address.port else address.server
    return {
        "SERVER": server,
        "Encrypt": _yes(address.encrypt),
        "TrustServerCertificate": _yes(address.trust_certificate),
        "ConnectRetryCount": "0",
        "MARS_Connection": "no",
    }


def _freetds(address: Address) -> Mapping[str, str]:
    port = {"PORT": str(address.port)} if address.port else {}
    level = "require" if address.encrypt else "off"
    return {"SERVER": address.server, **port, "TDS_Version": "7.4", "Encryption": level}


def _login(address: Address) -> Mapping[str, str]:
    if address.user is None:
        return {"Trusted_Connection": "yes"}
    return {"UID": address.user, "PWD": address.password.reveal() if address.password else ""}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _braced(value: str) -> str:
    if value == value.strip() and not SPECIAL.intersection(value):
        return value
    return "{" + value.replace("}", "}}") + "}"


def _bare(value: str) -> str:
    """FreeTDS takes braces for a part of the value."""
    if ";" in value:
        raise NotSupported(
            "FreeTDS takes no value with a semicolon",
            hint="Use a password without one, or install Microsoft's ODBC driver.",
        )
    return value
