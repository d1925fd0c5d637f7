"""Whole nights on hosts: the in-place upgrade behind nginx, with users on both web hosts from before to after.

Whatever strikes, a night ends new (0) or old (10): the data proven, every service as it was, no accepted reply lost,
and no user told anything but what the plan says.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts import mailer
from tests.hosts.host import Fleet, Host
from tests.hosts.load import BACK, PLANNED
from tests.hosts.mailer import WEBS, Mailer

Night = Callable[..., Mailer]
Run = subprocess.Popen[str]
Strike = Callable[[Run], object]


@pytest.fixture(scope="module")
def stock(hosts: Fleet) -> str:
    """What every night's database host begins as."""
    return mailer.stock(hosts)


@pytest.fixture(scope="module")
def webs(hosts: Fleet) -> Iterator[dict[str, Host]]:
    """Both web hosts."""
    made = {name: hosts.create(name, ports=(80,)) for name in WEBS}
    hosts.start_all(list(made.values()))
    for host in made.values():
        mailer.install_web(host)
    yield made
    for host in made.values():
        hosts.remove(host)


@pytest.fixture
def night(hosts: Fleet, stock: str, webs: dict[str, Host], tmp_path: Path) -> Iterator[Night]:
    """Makes a system in service, its plan changed by pairs of texts."""
    made: list[Host] = []

    def make(*changes: tuple[str, str]) -> Mailer:
        db = hosts.create("db", ports=(1433,), like=stock)
        made.append(db)
        db.start()
        db.wait(lambda: mailer.answers(db), "answers as SQL Server")
        return Mailer(db, webs, tmp_path, changes)

    yield make
    for db in made:
        hosts.remove(db)
    hosts.start_all(list(webs.values()))


def through(
    system: Mailer,
    capsys: pytest.CaptureFixture[str],
    strike: Strike = lambda run: None,
    *,
    window: str = "20m",
    away: tuple[str, ...] = (),
    false: str = "",
) -> int:
    """The night with its users; ``strike`` is what happens meanwhile. What any night must keep is asserted."""
    before, people = system.picture(), system.people()
    with system.load.running(), system.execute(window) as run:
        strike(run)
        code = run.wait(400)
        if code == -signal.SIGKILL:
            code = system.ending()
    with capsys.disabled():
        sys.stdout.write(f"\n{system.load.account()}\n")
    assert code in (0, 10), system.said()
    found = system.asked_for("status")
    assert found["ended_at"] <= found["closes_at"]
    assert system.load.wrong(away=away, false=false) == [], system.said()
    assert system.picture() == before, system.said()
    assert system.people() == people
    system.assert_engine("2019" if code else "2022")
    system.assert_replies()
    _assert_told(system)
    return code


def _assert_told(system: Mailer) -> None:
    """Users were told of the way back when there was one and not before; until then that all goes as planned."""
    turned = [mailer.seconds(row) for row in system.rows("turned-back")]
    told = system.load.told(BACK)
    assert system.load.told(PLANNED)
    assert bool(turned) >= bool(told)
    if turned and told:
        assert told[0] > turned[0] - 0.5
        assert system.load.told(PLANNED)[-1] < turned[0] + 10


def test_upgraded(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """2019 to 2022; every request of the night got what the plan says, and everything is as it was."""
    assert through(night(), capsys) == 0


def test_the_script_upgrade_fails(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """912 and 3417 are named; the night ends old."""
    system = night()
    fault = [{"kind": "fail", "match": "UPGRADE SCRIPT msdb110"}]
    system.db.write("/var/opt/mssql/faults.json", json.dumps(fault), owner="mssql:mssql")
    assert through(system, capsys) == 10
    assert "912" in system.said()
    assert "3417" in system.said()
    assert system.load.told(BACK)


def test_the_installation_hangs(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """dpkg waits for something that never comes: the night turns back in time, and ends old."""
    system = night()
    system.db.write("/run/mssql-server-hang", "2022")
    assert through(system, capsys, window="150s") == 10
    assert system.load.told(BACK)


def test_the_connection_is_cut(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """The database host cannot be reached for twenty seconds while packages are upgraded: it goes on, and ends new."""
    system = night()

    def cut(_: Run) -> None:
        system.wait_for("upgrade-packages begun")
        system.db.cut()
        time.sleep(20)  # how long it is away is the very thing
        system.db.mend()

    assert through(system, capsys, cut) == 0


def test_connections_are_ended(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """Every SSH connection to every host ends, again and again: it goes on, and ends new."""
    system = night()

    def hang_up(_: Run) -> None:
        for moment in ("close-gate begun", "cold-copy begun", "upgrade-packages begun", "start-engine begun"):
            system.wait_for(moment)
            for host in system.hosts:
                host.hang_up()

    assert through(system, capsys, hang_up) == 0


@pytest.mark.parametrize("moment", ["cold-copy", "upgrade-packages", "start-engine"])
def test_the_database_host_reboots(night: Night, capsys: pytest.CaptureFixture[str], moment: str) -> None:
    """In the middle, without warning: the night ends new, or old, and says why."""
    system = night()

    def reboot(_: Run) -> None:
        system.wait_for(f"{moment} begun")
        system.db.kill()
        system.db.start()

    code = through(system, capsys, reboot)
    assert code == 0 or system.load.told(BACK)


@pytest.mark.parametrize("moment", ["close-gate", "upgrade-packages"])
def test_the_executor_is_killed(night: Night, capsys: pytest.CaptureFixture[str], moment: str) -> None:
    """kill -9, with the gate half closed or packages half installed: its guard brings the night to its end."""
    system = night()

    def kill(run: Run) -> None:
        system.wait_for(f"{moment} begun")
        run.kill()

    assert through(system, capsys, kill) == 0
    assert [row["fence"] for row in system.rows("executor-started")] == [1, 2]


def test_a_web_host_dies(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan accepts that: it is a finding, the night ends new, and the host is as it was when it is back."""
    system = night(("unreachable: refuse", "unreachable: accept"))

    def die(_: Run) -> None:
        system.wait_for("cold-copy begun")
        system.webs["web2"].kill()
        system.wait_for("start-engine begun")
        system.webs["web2"].start()

    assert through(system, capsys, die, away=("web2",)) == 0


def test_the_page_is_overwritten(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody puts up the page of another maintenance: it is put right in less than ten seconds, and recorded."""
    system = night()
    false = "Our planned maintenance of next Sunday"

    def overwrite(_: Run) -> None:
        system.wait_for("stop-engine begun")
        for page in system.webs["web1"].text("sh", "-c", "ls /etc/nginx/runbook/*.page").split():
            system.webs["web1"].write(page, f"<h1>Mailer</h1>\n<p>{false}</p>\n")

    assert through(system, capsys, overwrite, false=false) == 0
    told = system.load.told(false)
    assert told
    assert told[-1] - told[0] < 10
    assert [row for row in system.rows("note") if "it was put right" in row["data"]["text"]]
