"""Gates over several hosts, on played ones: what all of them say together, and one that does not answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runbook.adapters.front.opening import fleet_gate
from runbook.errors import HostError, Unreachable
from runbook.front import Gate, GateState
from runbook.plan.load import load_plan
from runbook.testing import FakeHost, Machine, Program, StatementLog, Stoppable, World
from tests.unit.plan.test_good_plans import GOOD

RUN = "20260321-100000-0001"
PATH = "/srv/offline.html"
GATE = """gate:
  kind: file
  hosts: [web1, web2]
  path: /srv/offline.html
  text: "planned"
"""


class Fleet:
    """Two web hosts and their gate."""

    def __init__(self, directory, gate: str = GATE) -> None:
        text = (GOOD / "nginx" / "runbook.yaml").read_text(encoding="utf-8")
        path = directory / "runbook.yaml"
        path.write_text(text[: text.index("gate:")] + gate, encoding="utf-8")
        self.plan = load_plan(path)
        self.world = World()
        self.log = StatementLog()
        self.stop = Stoppable(self.world.clock)
        self.machines: dict[str, Machine] = {name: self.world.add_host(name) for name in self.plan.hosts}

    def gate(self, run_id: str = RUN) -> Gate:
        def host(name: str) -> FakeHost:
            return FakeHost(self.world, name, self.stop, self.log, run_id)

        def together(work: Callable, items, limit):
            return [work(item) for item in items[:limit]]

        return fleet_gate(self.plan, self.plan.gate, run_id, host, together, self.stop)

    def standing(self, name: str, path: str = PATH) -> str | None:
        file = self.machines[name].files.get(path)
        return None if file is None else file.content.decode()


def test_closed_is_closed_on_all(tmp_path):
    """Some closed and some not is neither: users may come in."""
    fleet = Fleet(tmp_path)
    assert (fleet.gate().observe(), fleet.gate().earlier()) == (GateState.OPEN, "")
    fleet.gate().close("planned")
    assert fleet.gate().observe() is GateState.CLOSED
    assert "planned" in (fleet.standing("web1") or "")
    assert fleet.gate().differs("planned") == ()
    del fleet.machines["web2"].files[PATH]
    assert fleet.gate().observe() is GateState.PARTIAL
    assert fleet.gate().differs("planned") == (f"web2:{PATH}",)
    fleet.gate().open("")
    assert (fleet.gate().observe(), fleet.standing("web1")) == (GateState.OPEN, None)


def test_a_strangers_page_on_one_host_comes_back_there(tmp_path):
    """What stood on each host is kept host by host, with mode and owner."""
    fleet = Fleet(tmp_path)
    host = FakeHost(fleet.world, "web2", fleet.stop, fleet.log, "x")
    host.write(PATH, "Zoë".encode(), mode=0o600, owner="www-data:www-data")
    before = fleet.machines["web2"].files[PATH]
    assert fleet.gate().observe() is GateState.FOREIGN
    earlier = fleet.gate().earlier()
    fleet.gate().close("planned")
    assert fleet.gate().observe() is GateState.CLOSED
    fleet.gate().open(earlier)
    assert fleet.machines["web2"].files[PATH] == before
    assert fleet.standing("web1") is None


def test_a_host_that_does_not_answer_is_refused(tmp_path):
    """By default: nobody knows whom it lets in. The other is done all the same."""
    fleet = Fleet(tmp_path)
    fleet.machines["web1"].down = True
    with pytest.raises(Unreachable):
        fleet.gate().close("planned")
    assert fleet.standing("web2") is not None
    with pytest.raises(Unreachable):
        fleet.gate().observe()


def test_a_host_that_need_not_answer_is_named_and_done_when_it_does(tmp_path):
    """With ``accept`` the others count, and it is told; when it is back it is seen that it is open."""
    fleet = Fleet(tmp_path, GATE + "  unreachable: accept\n")
    fleet.machines["web1"].down = True
    gate = fleet.gate()
    gate.close("planned")
    assert gate.observe() is GateState.CLOSED
    (told,) = gate.missing()
    assert told.startswith("the gate on web1 is as it was left")
    fleet.machines["web1"].down = False
    assert gate.observe() is GateState.PARTIAL
    assert gate.missing() == ()
    assert gate.differs("planned") == (f"web1:{PATH}",)
    fleet.machines["web1"].down = fleet.machines["web2"].down = True
    with pytest.raises(Unreachable):
        gate.observe()


IIS = """gate:
  kind: iis
  hosts: [iis1]
  directory: C:\\inetpub\\mailer
  text: planned
"""


def test_iis_gets_its_file(tmp_path):
    """app_offline.htm in the directory of the application, and away again."""
    fleet = Fleet(tmp_path, IIS)
    fleet.machines["iis1"].directories.add("")
    fleet.gate().close("planned")
    assert "planned" in (fleet.standing("iis1", "C:\\inetpub\\mailer\\app_offline.htm") or "")
    assert fleet.gate().observe() is GateState.CLOSED
    fleet.gate().open("")
    assert fleet.machines["iis1"].files == {}


HAPROXY = """gate:
  kind: haproxy
  hosts: [web1]
  backends: [mailer]
"""
STATES = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight
3 mailer 1 a 10.0.0.1 2 {a} 1
3 mailer 2 b 10.0.0.2 0 {b} 1

"""


class Haproxy:
    """What is behind the runtime socket: it answers as HAProxy does."""

    def __init__(self, machine: Machine) -> None:
        self.bits = {"a": 0, "b": 1}
        self.machine = machine
        self.argv = ("socat", "-t", "5", "-", "UNIX-CONNECT:/run/haproxy/admin.sock")
        machine.programs[self.argv] = self

    seconds, exit_code, stderr = 0.0, 0, ""

    def effect(self) -> None:
        """Told by what it reads."""

    def result(self, stdin: bytes):
        words = stdin.decode().split()
        if words[:3] == ["show", "servers", "state"]:
            known = words[3] == "mailer"
            return Program(stdout=STATES.format(**self.bits) if known else "Can't find backend.\n").result(b"")
        assert words[:2] == ["set", "server"]
        self.bits[words[2].partition("/")[2]] = {"maint": 1, "drain": 8, "ready": 0}[words[4]]
        return Program().result(b"")


def test_haproxys_servers_come_back_as_they_were(tmp_path):
    """One that was in maint before stays there; the other gets users again, and lost ones are seen."""
    fleet = Fleet(tmp_path, HAPROXY)
    behind = Haproxy(fleet.machines["web1"])
    earlier = fleet.gate().earlier()
    assert fleet.gate().observe() is GateState.OPEN
    fleet.gate().close("planned")
    assert (fleet.gate().observe(), behind.bits) == (GateState.CLOSED, {"a": 1, "b": 1})
    behind.bits["a"] = 0
    assert fleet.gate().differs("planned") == ("web1:mailer/a",)
    fleet.gate().close("planned")
    fleet.gate().open(earlier)
    assert (behind.bits, fleet.gate().earlier()) == ({"a": 0, "b": 1}, earlier)


def test_a_backend_that_haproxy_does_not_know_is_named(tmp_path):
    """The words of HAProxy, and where in the plan to look."""
    fleet = Fleet(tmp_path, HAPROXY.replace("[mailer]", "[other]"))
    Haproxy(fleet.machines["web1"])
    with pytest.raises(HostError, match=r"knows no servers of other: Can't find backend"):
        fleet.gate().observe()
