"""The services of a plan on their hosts: looked at, stopped, and put back exactly as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from runbook.errors import HostError, StepFailed, Unreachable
from runbook.plan.models import Plan
from runbook.plan.services import Service
from runbook.step import Context, Outcome, ReadContext
from runbook.toolkit.fleet import on_all
from runbook.toolkit.proof import named_lines
from runbook.toolkit.servicekinds import Argv, Doing, Handling, ServiceState, handling
from runbook.toolkit.serviceseen import ServiceMark, ServicesBefore, ServiceSeen, as_root, optional_hosts

T = TypeVar("T")
SHORT = 60.0
"""Seconds a command may take beyond what the service itself takes."""
POLL = 1.0
"""Seconds between two looks at one that is on its way."""
AWAY, ACCEPTED_AWAY = 300.0, 30.0
"""Seconds a host gets to answer again on a way back: as long as a reboot takes; less where the plan can do without."""


# --- looking ---------------------------------------------------------------------------------------------------------


def look_at_service(ctx: ReadContext, service: Service, host: str) -> ServiceState:
    """One look; HostError when it is not known there, or does not tell."""
    kind = handling(service)
    root = as_root(ctx.plan, host)
    answer = ctx.host_reader(host).ask(kind.show(), timeout=SHORT, root=root)
    try:
        found = kind.read(answer)
    except HostError as error:
        raise HostError(
            f"{host} does not tell how {service.name} stands: {error.message}",
            host=host,
            hint=f"Ask it there yourself: {' '.join(kind.show()[:2])}.",
        ) from None
    if found is None:
        raise HostError(
            f"{host} knows no {_what(service)}", host=host, hint=f"Correct services in the plan ({service.name})."
        )
    return found


def _what(service: Service) -> str:
    named = {"systemd": "unit", "windows-service": "service", "iis-site": "site", "iis-pool": "pool"}
    key = named.get(service.kind, "container" if service.kind == "container" else "name")
    return f"{service.kind} {getattr(service, key)}"


def see_services(ctx: ReadContext) -> tuple[ServiceSeen, ...]:
    """Every service on every host of it, side by side."""
    return tuple(one for service in ctx.plan.services for one in _seen_of(ctx, service))


def _seen_of(ctx: ReadContext, service: Service) -> Iterator[ServiceSeen]:
    found = on_all(ctx, service.hosts, partial(look_at_service, ctx, service))
    some_answer = any(one.trouble is None for one in found)
    for one in found:
        if one.trouble is not None:
            may = _may_be_missing(ctx.plan, service, one.host)
            accepted = may and isinstance(one.trouble, Unreachable) and some_answer
            yield ServiceSeen(
                service.name,
                one.host,
                service.during,
                trouble=one.trouble.message,
                remedy=one.trouble.hint or "Look at that host.",
                may_be_missing=accepted,
            )
        else:
            state = one.must()
            barred = _is_barred(handling(service), state)
            yield ServiceSeen(service.name, one.host, service.during, state, barred)


def _is_barred(kind: Handling, state: ServiceState) -> bool:
    return state.start == kind.barred or (kind.barred == "masked" and state.start.startswith("masked"))


def marks_due(ctx: ReadContext, when: str) -> tuple[ServiceMark, ...]:
    """What was stopped of those that come back then (``before-checks`` or ``after-opening``)."""
    before = ctx.kept("stop-services", ServicesBefore)
    return tuple(mark for mark in before.marks if service_of(ctx.plan, mark.service).start == when)


# --- stopping --------------------------------------------------------------------------------------------------------


def stop_services(ctx: Context, marks: Sequence[ServiceMark], *, patient: bool = False) -> None:
    """Stop them in the order of the plan, each on all its hosts at once; StepFailed naming those that do not stop.
    ``patient``: on a way back, where a host that is away is waited for."""
    for service, hosts in _grouped(ctx.plan, marks):
        _everywhere(ctx, service, hosts, partial(_stop, ctx, service, patient=patient))
    again = running_again(ctx, marks)
    if again:
        raise StepFailed(
            f"stopped, and running again: {named_lines(again)}",
            hint="Something starts it: a watchdog, a timer, a socket. Name that too, or say during: disabled.",
        )


def _stop(ctx: Context, service: Service, host: str, *, patient: bool) -> None:
    kind = handling(service)
    if patient:
        _await_host(ctx, service, host)
    state = look_at_service(ctx, service, host)
    if state.doing is not Doing.STOPPED:
        _tell(ctx, service, host, kind.stop(), Doing.STOPPED)
        state = _await(ctx, service, host, Doing.STOPPED)
    if service.during == "disabled" and not _is_barred(kind, state):
        for argv in kind.set_start(state.start, kind.barred):
            _tell(ctx, service, host, argv)


def running_again(ctx: ReadContext, marks: Sequence[ServiceMark]) -> tuple[str, ...]:
    """Those that run, or are on their way, by name; hosts that do not answer run nothing that is known of."""
    found = []
    for service, hosts in _grouped(ctx.plan, marks):
        for one in on_all(ctx, hosts, partial(look_at_service, ctx, service)):
            if one.found is not None and one.found.doing is not Doing.STOPPED:
                found.append(f"{service.name} on {one.host} ({one.found.told})")
    return tuple(found)


def are_stopped(ctx: ReadContext, marks: Sequence[ServiceMark]) -> Outcome:
    """All stopped, and barred where that is wanted: REACHED; none of them: UNTOUCHED."""
    done = [_is_as_wanted(ctx, mark) for mark in marks]
    if all(done):
        return Outcome.REACHED
    return Outcome.PARTIAL if any(done) or not _as_before(ctx, marks) else Outcome.UNTOUCHED


def _is_as_wanted(ctx: ReadContext, mark: ServiceMark) -> bool:
    service = service_of(ctx.plan, mark.service)
    state = _look_if_there(ctx, service, mark.host)
    if state is None:
        return True
    return state.doing is Doing.STOPPED and (service.during == "stopped" or _is_barred(handling(service), state))


# --- putting back ----------------------------------------------------------------------------------------------------


def put_services_back(ctx: Context, marks: Sequence[ServiceMark]) -> None:
    """Each as it was, the last in the plan first; a host that is away is waited for. What is wrong with one does not
    keep the others from coming back."""
    wrong: list[StepFailed] = []
    for service, hosts in reversed(_grouped(ctx.plan, marks)):
        before = {mark.host: mark for mark in marks if mark.service == service.name}
        work = partial(_put_back_by_host, ctx, service, before)
        try:
            _everywhere(ctx, service, hosts, work)
        except StepFailed as error:
            wrong.append(error)
    if wrong:
        raise StepFailed(named_lines([error.message for error in wrong]), hint=wrong[0].hint)


def _put_back_by_host(ctx: Context, service: Service, before: Mapping[str, ServiceMark], host: str) -> None:
    _put_back(ctx, service, before[host])


def _put_back(ctx: Context, service: Service, mark: ServiceMark) -> None:
    kind = handling(service)
    _await_host(ctx, service, mark.host)
    state = look_at_service(ctx, service, mark.host)
    if state.doing is Doing.BETWEEN:
        state = _settled(ctx, service, mark.host)
    if mark.running and state.doing is not Doing.RUNNING:
        if _is_barred(kind, state):
            for argv in kind.set_start(state.start, kind.startable(mark.start)):
                _tell(ctx, service, mark.host, argv)
        _tell(ctx, service, mark.host, kind.begin(), Doing.RUNNING)
        state = _await(ctx, service, mark.host, Doing.RUNNING)
    for argv in kind.set_start(state.start, mark.start):
        _tell(ctx, service, mark.host, argv)


def are_back(ctx: ReadContext, marks: Sequence[ServiceMark]) -> Outcome:
    """All as they were: REACHED; none of them: UNTOUCHED."""
    back = [_is_back(ctx, mark) for mark in marks]
    if all(back):
        return Outcome.REACHED
    return Outcome.PARTIAL if any(back) else Outcome.UNTOUCHED


def _as_before(ctx: ReadContext, marks: Sequence[ServiceMark]) -> bool:
    return all(_is_back(ctx, mark) for mark in marks)


def _is_back(ctx: ReadContext, mark: ServiceMark) -> bool:
    service = service_of(ctx.plan, mark.service)
    state = _look_if_there(ctx, service, mark.host)
    if state is None:
        return True  # as the plan accepts; it was named
    runs = state.doing is Doing.RUNNING if mark.running else True
    return runs and not handling(service).set_start(state.start, mark.start)


# --- pieces ----------------------------------------------------------------------------------------------------------


def service_of(plan: Plan, name: str) -> Service:
    """A service of the plan."""
    found = next((one for one in plan.services if one.name == name), None)
    if found is None:
        raise StepFailed(f"the plan has no service {name}", hint="Put it back into the plan.")
    return found


def _may_be_missing(plan: Plan, service: Service, host: str) -> bool:
    """The plan accepts that the host does not answer, and nothing else has to be done there: what has to be waits for
    it, and then the service is not left behind."""
    return service.unreachable == "accept" and host in optional_hosts(plan)


def _grouped(plan: Plan, marks: Sequence[ServiceMark]) -> list[tuple[Service, tuple[str, ...]]]:
    """Services in the order of the plan, with the hosts that are meant."""
    hosts = {service.name: tuple(m.host for m in marks if m.service == service.name) for service in plan.services}
    for mark in marks:
        service_of(plan, mark.service)
    return [(service, hosts[service.name]) for service in plan.services if hosts[service.name]]


def _everywhere(ctx: ReadContext, service: Service, hosts: Sequence[str], work: Callable[[str], object]) -> None:
    """Do it on all; StepFailed that names every host on which it did not work."""

    def one(host: str) -> bool:
        work(host)
        return True

    wrong = []
    for found in on_all(ctx, hosts, one):
        if found.trouble is None:
            continue
        if isinstance(found.trouble, Unreachable) and _may_be_missing(ctx.plan, service, found.host):
            ctx.note(f"{found.trouble.message}; the plan accepts that: {service.name} there is left as it is")
        else:
            wrong.append(found.trouble)
    if wrong:
        hint = next((trouble.hint for trouble in wrong if trouble.hint), "Look at those hosts, then: runbook resume.")
        raise StepFailed(named_lines([trouble.message for trouble in wrong]), hint=hint)


def _tell(ctx: Context, service: Service, host: str, argv: Argv, wanted: Doing | None = None) -> None:
    """One command; that it was refused is no trouble when what it was to bring about is there."""
    timeout = service.within.total_seconds() + SHORT
    done = ctx.host(host).run(argv, timeout=timeout, effect=True, root=as_root(ctx.plan, host))
    if done.exit_code == 0 or (wanted and look_at_service(ctx, service, host).doing is wanted):
        return
    raise HostError(
        f"{host} does not do {' '.join(argv[:3])} ({service.name}): exit {done.exit_code}: {done.said()}",
        host=host,
        hint="Do it there by hand and see what it says.",
    )


def _await(ctx: ReadContext, service: Service, host: str, wanted: Doing) -> ServiceState:
    state = _settled(ctx, service, host, wanted)
    if state.doing is wanted:
        return state
    verb, within = ("stop" if wanted is Doing.STOPPED else "start"), service.within.total_seconds()
    raise HostError(
        f"{service.name} on {host} did not {verb} within {within:g} s: {state.told}",
        host=host,
        hint=f"Look there what keeps it; give it longer with within: under services ({service.name}).",
    )


def _settled(ctx: ReadContext, service: Service, host: str, wanted: Doing | None = None) -> ServiceState:
    """Look until it is as wanted (or at least no longer between), for as long as the plan gives it."""
    waited, within = 0.0, service.within.total_seconds()
    while True:
        state = look_at_service(ctx, service, host)
        there = state.doing is wanted if wanted else state.doing is not Doing.BETWEEN
        if there or waited >= within:
            return state
        ctx.sleep(POLL)
        waited += POLL


def _await_host(ctx: ReadContext, service: Service, host: str) -> None:
    """Wait for a host that does not answer; raises Unreachable when it stays away."""
    away, most = 0.0, ACCEPTED_AWAY if _may_be_missing(ctx.plan, service, host) else AWAY
    while True:
        try:
            look_at_service(ctx, service, host)
        except Unreachable:
            if away >= most:
                raise
        else:
            return
        ctx.sleep(POLL)
        away += POLL


def _look_if_there(ctx: ReadContext, service: Service, host: str) -> ServiceState | None:
    """None when it does not answer, and the plan accepts that."""
    try:
        return look_at_service(ctx, service, host)
    except Unreachable:
        if _may_be_missing(ctx.plan, service, host):
            return None
        raise
