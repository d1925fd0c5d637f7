"""Throwaway servers of a rehearsal are forked from a process that has loaded the server already."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.errors import Refused
from runbook.rehearsal import commands
from runbook.rehearsal.onsandbox import NAME, OnSandbox, server_name
from runbook.rehearsal.place import working_for
from runbook.rehearsal.providing import Wanted
from runbook.sandbox import manage

OLD = {"old": Wanted("old", "OLDSQL", 2019)}
NEWER = {"old": Wanted("old", "OLDSQL", 2022)}


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[OnSandbox]:
    """At work for a rehearsal in that directory."""
    provider = OnSandbox()
    with provider.working(commands.environment(tmp_path, tmp_path / "home")):
        yield provider
    provider.discard(tmp_path / "home")


def server(home: Path) -> manage.ServerInfo:
    found = manage.status(home / "sandbox" / "OLDSQL")
    assert found
    return found


def test_it_is_a_server_like_any_other(provider: OnSandbox, tmp_path: Path) -> None:
    """It has the mark of the rehearsal and a session of its own, answers, and can be stopped and started again with
    what it holds."""
    home = tmp_path / "home"
    made = provider.start(home, OLD)["old"]
    first = server(home)
    assert first.pid in working_for(tmp_path)
    assert os.getsid(first.pid) == first.pid
    assert (first.name, first.version, first.port) == ("OLDSQL", "2019", made.facts["port"])
    provider.stop(home)
    assert manage.status(home / "sandbox" / "OLDSQL") is None
    assert provider.start(home, OLD)["old"].facts == made.facts
    assert server(home).pid != first.pid


def test_one_that_was_killed_comes_up_again(provider: OnSandbox, tmp_path: Path) -> None:
    """With ``kill -9``, which nobody but the server noticed."""
    made = provider.start(tmp_path / "home", OLD)["old"]
    os.kill(server(tmp_path / "home").pid, signal.SIGKILL)
    assert provider.start(tmp_path / "home", OLD)["old"].facts == made.facts


def test_one_that_does_not_come_up_says_why(provider: OnSandbox, tmp_path: Path) -> None:
    """In its own words."""
    provider.start(tmp_path / "home", NEWER)
    provider.stop(tmp_path / "home")
    with pytest.raises(Refused, match="downgrade path is not supported"):
        provider.start(tmp_path / "home", OLD)


@pytest.mark.parametrize(
    "servers",
    [
        {"production-server-2019": "", "production-server-2022": ""},
        {"sql-1": "", "sql_1": ""},
        {"old": "SQL01", "new": "sql01"},
        {"old": "", "new": "ROLD"},
    ],
    ids=lambda servers: " ".join(servers),
)
def test_no_two_servers_have_one_name(servers: dict[str, str]) -> None:
    """However long, odd or alike the names are that they have in the plan or give themselves."""
    made: list[str] = []
    for role, wanted in servers.items():
        made.append(server_name(wanted, role, made))
    assert len({name.upper() for name in made}) == 2
    assert all(NAME.fullmatch(name) for name in made)


def test_who_forks_is_killed(provider: OnSandbox, tmp_path: Path) -> None:
    """Nobody waits for a server for ever."""
    (who,) = working_for(tmp_path)
    os.kill(who, signal.SIGKILL)
    os.waitid(os.P_PID, who, os.WEXITED | os.WNOWAIT)
    with pytest.raises(Refused, match=r"does not start: the process that starts .* is gone"):
        provider.start(tmp_path / "home", OLD)
