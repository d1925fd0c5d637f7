"""``runbook init``: a first plan, from a live server when given one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runbook.adapters import files
from runbook.adapters.clock import SystemClock
from runbook.adapters.sqlserver import ServerTarget, open_server
from runbook.cancel import CancelToken
from runbook.errors import UsageError
from runbook.home import Home
from runbook.plan.template import ServerFacts, render
from runbook.plan.types import ServerUrl
from runbook.recording import Unrecorded
from runbook.secrets import SecretRef


def init(
    home: Home,
    path: Path,
    *,
    server: str | None = None,
    user: str | None = None,
    password: str | None = None,
    strategy: Any = "side-by-side",
) -> None:
    """Write the plan; UsageError when the file exists, Unreachable and the like when the server cannot be asked."""
    if path.exists():
        raise UsageError(f"{path} exists already", hint="Name another file, or remove that one.")
    facts = _look(home, server, user, password) if server else None
    files.write(path, render(facts, strategy).encode())


def _look(home: Home, url: str, user: str | None, password: str | None) -> ServerFacts:
    try:
        known = ServerUrl.parse(url)
        reference = SecretRef.parse(password, Path.cwd()) if password else None
    except (ValueError, ValidationError) as error:
        raise UsageError(
            str(error), hint="An address is mssql://HOST[:PORT], a password env:NAME or file:PATH."
        ) from error
    target = ServerTarget(
        url=url,
        user=user,
        password=reference.resolve if reference else None,
        trust_certificate=True,
        sandbox_home=home.sandbox,
    )
    handle = open_server("server", target, CancelToken(SystemClock()), Unrecorded(), "init", 0)
    identity = handle.identity()
    jobs = len(handle.jobs()) if handle.has_agent() else 0
    names = [name for name, info in handle.databases().items() if info.snapshot_of is None]
    return ServerFacts(
        url=url, version=_year(identity.major) or known.version, server_name=identity.server_name,
        databases=names, jobs=jobs, user=user,
    )  # fmt: skip


def _year(major: int) -> int | None:
    return {13: 2016, 14: 2017, 15: 2019, 16: 2022, 17: 2025}.get(major)
