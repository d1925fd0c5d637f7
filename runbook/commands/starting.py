"""``runbook init``: a first plan, from a live server when given one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from runbook.adapters import files
from runbook.adapters.clock import SystemClock
from runbook.adapters.sqlserver import ServerTarget, open_server
from runbook.cancel import CancelToken
from runbook.errors import RunbookError, UsageError
from runbook.home import Home
from runbook.plan.template import ServerFacts, render
from runbook.plan.types import ServerUrl
from runbook.recording import Unrecorded
from runbook.secrets import SecretRef

T = TypeVar("T")


_OPTIONS = {
    "user and password of servers.server": "--user and --password",
    "set trust_certificate of servers.server to true": "give --trust-certificate",
    "set encrypt of servers.server to false": "write the plan without --server and say encrypt: false in it",
    "servers.server": "the server",
}
"""What hints call the keys of a plan, and how somebody who has no plan yet gives the same."""


def init(
    home: Home,
    path: Path,
    *,
    server: str | None = None,
    user: str | None = None,
    password: str | None = None,
    trust_certificate: bool = False,
    strategy: Any = "side-by-side",
) -> None:
    """Write the plan; UsageError when the file exists, Unreachable and the like when the server cannot be asked."""
    if path.exists():
        raise UsageError(f"{path} exists already", hint="Name another file, or remove that one.")
    _refuse_unfit(server, user, password, trust_certificate)
    facts = None
    if server:
        reference = _parsed(SecretRef.parse, password, path.absolute().parent) if password else None
        facts = _look(home, server, user, reference, trust_certificate)
    files.write(path, render(facts, strategy).encode())


def _refuse_unfit(server: str | None, user: str | None, password: str | None, trust: bool) -> None:
    """What the plan could not say, or would be refused for."""
    if not server and (user or password or trust):
        raise UsageError("a login is given and no server", hint="Add --server URL, or write the login into the plan.")
    sandbox = server is not None and _parsed(ServerUrl.parse, server).scheme == "sandbox"
    if sandbox and (user or password or trust):
        hint = "Leave out --user, --password and --trust-certificate: a sandbox server has a login of its own."
        raise UsageError("a login is given for a sandbox server", hint=hint)
    if bool(user) != bool(password):
        missing = "password reference" if user else "user"
        hint = f"Add --{'password env:NAME or file:PATH' if user else 'user LOGIN'}, or neither for Windows."
        raise UsageError(f"a {'user' if user else 'password'} without a {missing}", hint=hint)


def _parsed(parse: Callable[..., T], *given: Any) -> T:
    try:
        return parse(*given)
    except (ValueError, ValidationError) as error:
        raise UsageError(
            str(error), hint="An address is mssql://HOST[:PORT], a password env:NAME or file:PATH."
        ) from error


def _look(home: Home, url: str, user: str | None, password: SecretRef | None, trust: bool) -> ServerFacts:
    target = ServerTarget(
        url=url,
        user=user,
        password=password.resolve if password else None,
        trust_certificate=trust,
        sandbox_home=home.sandbox,
    )
    try:
        handle = open_server("server", target, CancelToken(SystemClock()), Unrecorded(), "init", 0)
        identity = handle.identity()
        jobs = len(handle.jobs()) if handle.has_agent() else 0
        names = [name for name, info in handle.databases().items() if info.snapshot_of is None]
    except RunbookError as error:
        for key, option in _OPTIONS.items():
            error.hint = error.hint.replace(key, option)
        raise
    return ServerFacts(
        url=url,
        version=_year(identity.major) or ServerUrl.parse(url).version,
        server_name=identity.server_name,
        databases=names,
        jobs=jobs,
        user=user,
        password=str(password) if password else None,
        trust_certificate=trust,
    )


def _year(major: int) -> int | None:
    return {13: 2016, 14: 2017, 15: 2019, 16: 2022, 17: 2025}.get(major)
