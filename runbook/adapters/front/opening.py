"""The gate of a plan as its hosts have it."""

from __future__ import annotations

from collections.abc import Callable

from runbook.adapters.front.fleet import Door, FleetGate, Together
from runbook.adapters.front.haproxy import HaproxyDoor
from runbook.adapters.front.nginxdoor import NginxDoor
from runbook.adapters.front.page import PageDoor
from runbook.hosting import Host
from runbook.plan.gates import FileGate, HaproxyGate, IisGate, NginxGate
from runbook.plan.models import Plan
from runbook.ports import Cancellation

OFFLINE = "app_offline.htm"
"""The file that IIS looks for."""
HostGate = FileGate | NginxGate | HaproxyGate | IisGate


def fleet_gate(
    plan: Plan,
    gate: HostGate,
    run_id: str,
    host: Callable[[str], Host],
    together: Together,
    cancellation: Cancellation,
) -> FleetGate:
    """The gate on all its hosts. ``host`` opens a handle by name; nothing is sent yet."""

    def door(name: str) -> Door:
        planned = plan.hosts[name]
        root = planned.become == "sudo" and planned.shell == "posix"
        handle = host(name)
        match gate:
            case NginxGate():
                return NginxDoor(
                    handle,
                    gate.include,
                    run_id,
                    test=gate.test,
                    reload=gate.reload,
                    root=root,
                    sleep=cancellation.sleep,
                )
            case HaproxyGate():
                return HaproxyDoor(handle, gate.socket, gate.backends, root=root)
            case IisGate():
                return PageDoor(handle, f"{gate.directory.rstrip(chr(92))}\\{OFFLINE}", run_id, root=root)
            case FileGate():
                return PageDoor(handle, gate.path.as_posix(), run_id, root=root)

    return FleetGate({name: door(name) for name in gate.hosts}, together, accepts=gate.unreachable == "accept")
