"""``runbook sandbox``: the simulated servers of a plan, by the plan's own names for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runbook.adapters.clock import SystemClock
from runbook.commands.status import runs
from runbook.errors import Refused, UsageError
from runbook.home import Home
from runbook.plan.load import load_plan
from runbook.plan.models import Plan, Server
from runbook.sandbox import manage


def start(home: Home, plan_path: Path) -> list[str]:
    """Start every sandbox server of the plan; returns a line for each."""
    return _each(home, plan_path, _start)


def _start(server: Server, directory: Path) -> str:
    info = manage.start(directory, server.url.host, str(server.url.version))
    return f"{server.name}: {info.name} (SQL Server {info.version}) on 127.0.0.1:{info.port}"


def stop(home: Home, plan_path: Path) -> list[str]:
    """Stop them, data kept; returns a line for each."""
    return _each(
        home, plan_path, lambda server, at: f"{server.name}: {'stopped' if manage.stop(at) else 'was not running'}"
    )


def reset(home: Home, plan_path: Path) -> list[str]:
    """Stop them and delete their data; returns a line for each. Refused while a run that uses them has not ended."""
    _refuse_in_use(home, {server.url.text for server in _sandboxes(load_plan(plan_path))})

    def forget(server: Server, directory: Path) -> str:
        if directory.exists():
            manage.reset(directory)
        return f"{server.name}: empty"

    return _each(home, plan_path, forget)


def _refuse_in_use(home: Home, urls: set[str]) -> None:
    if home.journal_file and not home.journal_file.is_file():
        return
    for found in runs(home, SystemClock().now()):
        view = found.view
        if view.ending is None and urls & {str(one.get("url")) for one in view.opening["servers"].values()}:
            raise Refused(
                f"run {view.run_id} of {view.plan_name} has not ended ({found.state.value}), and it uses these servers",
                hint="End it first: runbook resume, runbook revert, or runbook declare if it can no longer go on.",
            )


def status(home: Home, plan_path: Path) -> list[dict[str, Any]]:
    """What each is, where it runs, and which faults are set."""

    def look(server: Server, directory: Path) -> dict[str, Any]:
        info = manage.status(directory)
        return {
            "server": server.name,
            "name": server.url.host,
            "version": server.url.version,
            "running": info is not None,
            "port": info.port if info else None,
            "pid": info.pid if info else None,
            "directory": str(directory),
            "faults": [str(fault) for fault in manage.list_faults(directory)] if directory.exists() else [],
        }

    return _each(home, plan_path, look)


def fault(
    home: Home,
    plan_path: Path,
    server: str,
    kind: str,
    *,
    match: str = "",
    seconds: float | None = None,
    times: int | None = None,
) -> str:
    """Set a fault on one server, or take all away (kind ``none``); returns a line."""
    plan = load_plan(plan_path)
    chosen = plan.server(server)
    directory = _directory(home, chosen)
    with _explained():
        if kind == "none":
            return f"{chosen.name}: {manage.clear_faults(directory)} faults taken away"
        if manage.status(directory) is None:
            manage.start(directory, chosen.url.host, str(chosen.url.version))
        set_ = manage.fault(directory, kind, match, seconds=seconds, times=times)
    return f"{chosen.name}: {set_}"


def _each(home: Home, plan_path: Path, do: Callable[[Server, Path], Any]) -> list[Any]:
    with _explained():
        return [do(server, _directory(home, server)) for server in _sandboxes(load_plan(plan_path))]


def _sandboxes(plan: Plan) -> list[Server]:
    found = [server for server in plan.servers.values() if server.url.scheme == "sandbox"]
    if not found:
        raise UsageError("this plan has no sandbox servers", hint="Their addresses begin with sandbox://.")
    return found


def _directory(home: Home, server: Server) -> Path:
    if server.url.scheme != "sandbox":
        raise UsageError(
            f"{server.name} is a real server: {server.url}", hint="Faults are for sandbox:// servers only."
        )
    return home.sandbox / server.url.host


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except manage.SandboxError as error:
        raise Refused(str(error), hint=error.hint) from error
