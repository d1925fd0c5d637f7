"""What is seen of services, what is kept of them, and what speaks against a night: judgement, nothing is asked here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runbook.plan.models import Plan
from runbook.plan.services import LOCAL
from runbook.toolkit.findings import Finding
from runbook.toolkit.servicekinds import Doing, ServiceState


@dataclass(frozen=True)
class ServiceMark:
    """One service on one host as it was before this run stopped or barred it."""

    service: str
    host: str
    running: bool
    start: str = ""


@dataclass(frozen=True)
class ServicePlace:
    """A service on a host that did not answer, as the plan accepts."""

    service: str
    host: str


@dataclass(frozen=True)
class ServicesBefore:
    """Kept by ``stop-services``: all that it set out to change, and where it could not look."""

    marks: tuple[ServiceMark, ...] = ()
    missing: tuple[ServicePlace, ...] = ()


@dataclass(frozen=True)
class ServiceSeen:
    """One service on one host as it was found; ``trouble`` and ``remedy`` when it was not."""

    service: str
    host: str
    during: str = "stopped"
    state: ServiceState | None = None
    barred: bool = False
    """Nothing starts it by itself."""
    trouble: str = ""
    remedy: str = ""
    may_be_missing: bool = False

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.service} on {self.host}"

    @property
    def is_missing(self) -> bool:
        """Its host does not answer, and the plan accepts that."""
        return bool(self.trouble) and self.may_be_missing


def as_root(plan: Plan, host: str) -> bool:
    """Whether what is told to a host is told as root; this machine is as a host that the plan says nothing of."""
    planned = plan.hosts.get(host)
    return planned is None or (planned.become == "sudo" and planned.shell == "posix")


def optional_hosts(plan: Plan) -> frozenset[str]:
    """Hosts that need not answer: something on them may be missing, and nothing on them may not."""
    gate_hosts = getattr(plan.gate, "hosts", ())
    uses = [(host, getattr(plan.gate, "unreachable", "refuse") == "accept") for host in gate_hosts]
    uses += [(host, service.unreachable == "accept") for service in plan.services for host in service.hosts]
    uses += [(held.host, False) for held in plan.held]
    uses += [(one.host, False) for one in plan.standby if one.kind == "command"]
    uses += [(plan.engine_upgrade.host, False)] if plan.engine_upgrade else []
    needed = {host for host, accepted in uses if not accepted}
    return frozenset(host for host, _ in uses if host not in needed and host != LOCAL)


def unsettled(seen: Iterable[ServiceSeen]) -> Iterator[Finding]:
    """What keeps services from being stopped and put back: no answer, or neither running nor stopped."""
    for one in seen:
        if one.trouble and not one.may_be_missing:
            yield Finding(one.trouble, one.remedy)
        elif one.state is not None and one.state.doing is Doing.BETWEEN:
            yield Finding(
                f"{one.label} is neither running nor stopped: {one.state.told}",
                "Wait until it has settled, or find out why it does not.",
            )


def missing_notes(seen: Iterable[ServiceSeen]) -> Iterator[str]:
    """What to say of hosts that the plan can do without."""
    for one in seen:
        if one.is_missing:
            yield f"{one.trouble}; the plan accepts that: {one.service} there is as it is, and is looked at again"


def started_meanwhile(seen: Iterable[ServiceSeen], before: ServicesBefore) -> Iterator[Finding]:
    """Services that run although none should, and hosts that do not answer any more. One whose host did not answer when
    the others were stopped is known to run there, and named elsewhere."""
    missing = {(place.service, place.host) for place in before.missing}
    stopped = {(mark.service, mark.host) for mark in before.marks if mark.running}
    for one in seen:
        if one.trouble and not one.may_be_missing:
            yield Finding(one.trouble, one.remedy)
        elif one.state is None or (one.service, one.host) in missing or one.state.doing is Doing.STOPPED:
            continue
        else:
            again = "runs again" if (one.service, one.host) in stopped else "was started by somebody"
            yield Finding(
                f"{one.label} {again}: {one.state.told}",
                "Find what starts it (a watchdog, a timer, a person); name that too, or say during: disabled.",
            )


def came_back(seen: Iterable[ServiceSeen], missing: Iterable[ServicePlace]) -> Iterator[str]:
    """What to say of hosts that did not answer when their services were stopped, and do now."""
    places = {(one.service, one.host) for one in missing}
    for one in seen:
        if (one.service, one.host) in places and one.state is not None:
            yield f"{one.host} answers again: {one.service} there is {one.state.doing}, this run did not touch it"
