"""The gate on a host with a real nginx: closed and open as its processes have it, and nothing left behind."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from runbook.adapters.clock import SystemClock
from runbook.adapters.front import nginxdoor
from runbook.adapters.front.fleet import FleetGate
from runbook.adapters.front.nginxdoor import NginxDoor
from runbook.adapters.host.local import LocalShell
from runbook.adapters.host.scripts import POSIX
from runbook.adapters.host.shellhost import ShellHost
from runbook.errors import HostError
from runbook.front import Answer, GateState, Rule
from runbook.testing import StatementLog, Stoppable
from tests.nginx import Nginx

LET_THROUGH = Rule("images", ("/images/",))


def rules(text: str) -> tuple[Rule, ...]:
    return LET_THROUGH, Rule("the rest", answer=Answer(503, text.encode(), "text/html; charset=utf-8", 60))


class Bench:
    """One web host."""

    def __init__(self, nginx: Nginx) -> None:
        self.nginx = nginx
        self.stop = Stoppable(SystemClock())
        self.log = StatementLog()

    def gate(self, run_id: str = "20260321-100000-0001") -> FleetGate:
        host = ShellHost("web1", LocalShell("web1", self.stop, sudo=False), self.log, run_id, POSIX)
        door = NginxDoor(
            host,
            str(self.nginx.include),
            run_id,
            test=self.nginx.test,
            reload=self.nginx.reload,
            root=False,
            sleep=self.stop.sleep,
        )
        return FleetGate({"web1": door}, lambda work, items, limit: [work(item) for item in items[:limit]])

    def close(self, text: str) -> None:
        self.gate().close(text, rules(text))

    def shown(self) -> tuple[int, str]:
        status, _, body = self.nginx.get("/")
        return status, body.decode()

    def files(self) -> list[str]:
        return sorted(path.name for path in self.nginx.include.parent.iterdir())


@pytest.fixture
def web() -> Iterator[Bench]:
    nginx = Nginx()
    try:
        nginx.start()
        yield Bench(nginx)
    finally:
        nginx.stop()


def test_closed_is_closed_for_everybody_at_once(web: Bench) -> None:
    """When it says closed, no process of an earlier configuration answers any more; open again, nothing is left."""
    web.close("planned maintenance")
    assert [web.shown() for _ in range(20)] == [(503, "planned maintenance")] * 20
    assert web.nginx.get("/images/a")[0] == 200
    assert (web.gate().observe(), web.gate().earlier()) == (GateState.CLOSED, "")
    web.gate().open("")
    assert {web.shown()[0] for _ in range(20)} == {200}
    assert (web.gate().observe(), web.files()) == (GateState.OPEN, [])


def test_another_text_is_another_page_and_no_reload(web: Bench) -> None:
    """The text follows the run without a new configuration; where it stands already nothing is touched."""
    web.close("planned maintenance")
    workers = web.nginx.workers()
    web.close("taken back")
    assert web.shown() == (503, "taken back")
    assert web.nginx.workers() == workers
    web.log.entries.clear()
    web.close("taken back")
    assert web.log.effects() == []


def test_what_somebody_overwrote_is_seen_and_put_right(web: Bench) -> None:
    """The page, the include, and an include that is gone: each is named, and closing again mends it."""
    web.close("planned maintenance")
    page = next(path for path in web.nginx.include.parent.iterdir() if path.suffix == ".page")
    gate = web.gate()
    for path, spoil in (
        (page, lambda: page.write_text("Down for ever")),
        (web.nginx.include, web.nginx.include.unlink),
    ):
        spoil()
        assert gate.differs("planned maintenance", rules("planned maintenance")) == (f"web1:{path}",)
        web.close("planned maintenance")
        assert gate.differs("planned maintenance", rules("planned maintenance")) == ()
        assert (web.shown(), gate.observe()) == ((503, "planned maintenance"), GateState.CLOSED)


def test_what_nginx_refuses_is_never_loaded(web: Bench) -> None:
    """Somebody's half-edited configuration: it is said in nginx's words, and what stood there stands there again."""
    other = web.nginx.include.with_name("mailer-extra.conf")
    other.write_text("no such directive;\n")
    with pytest.raises(HostError, match='configuration: unknown directive "no"'):
        web.close("planned maintenance")
    assert (web.shown()[0], web.gate().observe()) == (200, GateState.OPEN), "there is nothing to take back"
    assert web.files() == ["mailer-extra.conf"]
    web.gate().open("")
    other.unlink()
    web.close("planned maintenance")
    assert web.gate().observe() is GateState.CLOSED


def test_a_gate_that_nginx_does_not_let_open_is_still_closed(web: Bench) -> None:
    """Somebody broke the site meanwhile: users stay out, which is what is said; mended, it opens."""
    web.close("planned maintenance")
    other = web.nginx.include.with_name("mailer-extra.conf")
    other.write_text("no such directive;\n")
    with pytest.raises(HostError, match="does not take the configuration"):
        web.gate().open("")
    assert (web.shown()[0], web.gate().observe()) == (503, GateState.CLOSED)
    other.unlink()
    web.gate().open("")
    assert (web.gate().observe(), web.files(), web.shown()[0]) == (GateState.OPEN, [], 200)


def test_a_full_disk_keeps_nobody_out(web: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, a gate that cannot close is as open as before, and a closed one opens."""
    write, suffixes = ShellHost.write, [""]

    def full(host: ShellHost, path: str, content: bytes, **more: Any) -> None:
        if path.endswith(tuple(suffixes)):
            raise HostError(f"no space left on web1:{path}", host="web1")
        write(host, path, content, **more)

    monkeypatch.setattr(ShellHost, "write", full)
    for suffix in (".page", ".conf", ".state"):
        suffixes[:] = [suffix]
        with pytest.raises(HostError, match="no space left"):
            web.close("planned maintenance")
        assert (web.gate().observe(), web.files(), web.shown()[0]) == (GateState.OPEN, [], 200)
    suffixes.clear()
    web.close("planned maintenance")
    suffixes[:] = [""]
    web.gate().open("")
    assert (web.gate().observe(), web.files(), web.shown()[0]) == (GateState.OPEN, [], 200)


def test_a_reload_that_loads_nothing_is_not_taken_for_closed(web: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processes of the earlier configuration go on, users are still let in, and it is said."""
    monkeypatch.setattr(nginxdoor, "PATIENCE", 0.5)
    web.nginx.reload = ["true"]
    with pytest.raises(HostError, match="goes on with its earlier configuration"):
        web.close("planned maintenance")
    assert web.gate().observe() is GateState.PARTIAL


def test_what_stood_there_comes_back_exactly(web: Bench) -> None:
    """An include of somebody else is kept with its bytes and mode, and is in force again."""
    web.nginx.include.write_bytes(b"# \xff by hand\nreturn 418;\n")
    web.nginx.include.chmod(0o640)
    gate = web.gate()
    assert gate.observe() is GateState.FOREIGN
    earlier = gate.earlier()
    gate.close("planned maintenance", rules("planned maintenance"))
    assert web.shown()[0] == 503
    web.gate().open(json.dumps(json.loads(earlier)))
    assert web.shown()[0] == 418
    assert (web.nginx.include.read_bytes(), web.nginx.include.stat().st_mode & 0o777) == (
        b"# \xff by hand\nreturn 418;\n",
        0o640,
    )
    assert web.files() == ["mailer.conf"]


def test_what_was_interrupted_is_neither_open_nor_closed(web: Bench) -> None:
    """Killed between the include and the reload: nothing says that users are kept out, and both ways go on."""
    web.close("planned maintenance")
    state = next(path for path in web.nginx.include.parent.iterdir() if path.suffix == ".state")
    state.write_text("changing\n")
    assert web.gate().observe() is GateState.PARTIAL
    web.close("planned maintenance")
    assert web.gate().observe() is GateState.CLOSED
    state.write_text("changing\n")
    web.nginx.include.unlink()
    assert web.gate().observe() is GateState.PARTIAL
    web.gate().open("")
    assert (web.gate().observe(), web.files(), web.shown()[0]) == (GateState.OPEN, [], 200)


def test_no_request_is_lost_or_answered_wrongly_while_it_closes_and_opens(web: Bench) -> None:
    """Under load from outside: every answer is the application's or the page, whole."""
    seen: Counter[tuple[int, str]] = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.005):
            try:
                status, body = web.shown()
                seen[status, body[:7]] += 1
            except OSError as error:
                seen[0, str(error)] += 1

    users = [threading.Thread(target=ask) for _ in range(3)]
    for user in users:
        user.start()
    try:
        for _ in range(2):
            web.close("planned maintenance")
            web.gate().open("")
    finally:
        over.set()
        for user in users:
            user.join()
    assert set(seen) == {(200, "app GET"), (503, "planned")}


def test_what_would_keep_it_from_being_closed_is_seen_before(web: Bench) -> None:
    """By a check in business hours, and not when users are to be kept out; nothing is changed by looking."""
    before, config = web.files(), web.nginx.config
    assert web.gate().troubles() == ()
    whole = config.read_text(encoding="utf-8")
    config.write_text(whole.replace(f"include {web.nginx.directory}/inc/", "# include "), encoding="utf-8")
    (trouble,) = web.gate().troubles()
    assert trouble.startswith(f"web1: no server block reads {web.nginx.include}: say include ")
    config.write_text(whole + "nonsense;", encoding="utf-8")
    (trouble,) = web.gate().troubles()
    assert "nginx does not take its configuration as it is: unknown directive" in trouble
    config.write_text(whole, encoding="utf-8")
    assert web.files() == before
    web.nginx.include.parent.rename(web.nginx.directory / "elsewhere")
    (trouble,) = web.gate().troubles()
    assert trouble == f"web1: the directory {web.nginx.include.parent} does not exist"


def test_a_test_that_is_no_program_is_seen_before(web: Bench) -> None:
    """It is named, with the host."""
    web.nginx.test = ["/no/nginx", "-t"]
    (trouble,) = web.gate().troubles()
    assert trouble == "web1: cannot start /no/nginx on web1: no such file, or it may not be executed"
