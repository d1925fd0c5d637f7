"""The hosts of a plan as they are reached: one connection each, made when it is first needed, for all steps."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from runbook.adapters.clock import SystemClock
from runbook.adapters.host.link import Link
from runbook.adapters.host.local import LocalShell
from runbook.adapters.host.posix import Posix
from runbook.adapters.host.powershell import PowerShell
from runbook.adapters.host.scripts import POSIX
from runbook.adapters.host.shellhost import ShellHost
from runbook.adapters.host.ssh import SshShell
from runbook.adapters.host.target import SshTarget
from runbook.adapters.host.windows import WINDOWS
from runbook.cancel import CancelToken
from runbook.errors import FencedOut, RunbookError
from runbook.plan.hosts import Host as PlanHost
from runbook.plan.services import LOCAL
from runbook.ports import Cancellation, Recorder
from runbook.recording import Unrecorded

_THIS_MACHINE = PlanHost.model_validate({"address": LOCAL}).named(LOCAL)


class Hosts:
    """Handles on hosts; every method is for every thread."""

    def __init__(self, planned: Mapping[str, PlanHost]) -> None:
        self._planned = {LOCAL: _THIS_MACHINE, **planned}
        self._links = {name: Link(target_of(name, host)) for name, host in planned.items() if not host.address.is_local}

    def open(self, name: str, cancellation: Cancellation, recorder: Recorder, run_id: str, fence: int = 0) -> ShellHost:
        """A handle for one step: it feels that step's end and carries its record. Nothing is sent yet.

        ``fence`` is the executor's number: the host refuses effects once it has seen a higher one."""
        planned = self._planned[name]
        sudo = planned.become == "sudo"
        if planned.address.is_local:
            return ShellHost(name, LocalShell(name, cancellation, sudo=sudo), recorder, run_id, POSIX, fence=fence)
        link = self._links[name]
        if planned.shell == "powershell":
            return ShellHost(name, SshShell(link, cancellation, PowerShell()), recorder, run_id, WINDOWS, fence=fence)
        return ShellHost(name, SshShell(link, cancellation, Posix(sudo=sudo)), recorder, run_id, POSIX, fence=fence)

    def fence(self, run_id: str, number: int) -> dict[str, str]:
        """Tell every host which executor acts from now on; names of those that could not be told, and why."""
        with ThreadPoolExecutor(max(1, len(self._planned)), thread_name_prefix="fence") as pool:
            told = {name: pool.submit(self._fence, name, run_id, number) for name in self._planned}
            errors = {name: future.exception() for name, future in told.items()}
        for error in errors.values():
            if isinstance(error, FencedOut) or not isinstance(error, RunbookError | None):
                raise error
        return {name: error.message for name, error in errors.items() if isinstance(error, RunbookError)}

    def _fence(self, name: str, run_id: str, number: int) -> None:
        host = self.open(name, CancelToken(SystemClock()), Unrecorded(), run_id, number)
        host.say_who_acts()

    def close(self) -> None:
        """Let all connections go; whatever still runs over there goes on."""
        for link in self._links.values():
            link.close()


def target_of(name: str, host: PlanHost) -> SshTarget:
    """How the plan says a host is reached."""
    return SshTarget(
        name,
        host.address.host,
        user=host.address.user,
        port=host.address.port,
        identity_file=host.identity_file,
        known_hosts=host.known_hosts,
        ssh_config=host.ssh_config,
        jump=host.jump,
        password=host.password.resolve if host.password else None,
        agent=host.agent,
        sudo=host.become == "sudo",
    )
