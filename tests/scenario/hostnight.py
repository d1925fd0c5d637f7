"""A night with services on two web hosts and held work on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runbook.states import RunState
from runbook.testing.servicehost import FakeService, HeldQueue, ServiceHost
from tests.scenario.night import Night

APP = "http://127.0.0.1:8090/health?bypass=1"
HOSTS = """\
  web1: {address: "ssh://deploy@web1"}
  web2: {address: "ssh://deploy@web2"}
"""
PLAN = """\
services:
  - {{name: mailer, kind: systemd, unit: mailer.service, hosts: [web1, web2], start: before-checks, {policy}}}
  - {{name: worker, kind: systemd, unit: worker.service, hosts: [web1, web2], during: {during}, {policy}}}
  - {{name: reports, kind: container, container: reports, hosts: [web1, web2], during: disabled,
     {policy}}}
held:
  - {{name: sends, host: web1, hold: [q, hold, sends], release: [q, release, sends], probe: [q, is-held, sends],
     count: [q, count, sends], first: [q, first, sends]}}
  - {{name: replies, host: local, hold: [q, hold, replies], release: [q, release, replies],
     probe: [q, is-held, replies], count: [q, count, replies]}}
impacts:
  - {{name: replies, impact: held, held: replies, paths: [/replies]}}
"""


class HostNight(Night):
    """The world has two web hosts and two queues, and what they were like is remembered."""

    def __init__(
        self,
        directory: Path,
        strategy: str = "side-by-side",
        *,
        during: str = "stopped",
        policy: str = "unreachable: refuse",
        more: str = "",
        **plan: Any,
    ) -> None:
        text = PLAN.format(during=during, policy=policy) + more
        super().__init__(directory, strategy, more=text, hosts=HOSTS, **plan)
        self.hosts = {name: ServiceHost.on(self.world.add_host(name)) for name in ("web1", "web2")}
        local = self.world.add_host("local")
        for host in self.hosts.values():
            host.services |= {"mailer": FakeService(), "worker": FakeService(), "reports": FakeService(start="always")}
        self.hosts["web2"].services["reports"].running = False  # stands by: it stays so
        self.replies = HeldQueue.on(local, "replies")
        self.replies.opt_outs, self.replies.has_first = 0, False  # none of it is sent to anybody
        self.sends = HeldQueue.on(self.hosts["web1"].machine, "sends")
        self.as_it_was = self.services()

    def all_mail(self) -> tuple[int, int]:
        """Done or waiting, of each queue: none of it may be lost."""
        return self.replies.done + self.replies.waiting, self.sends.done + self.sends.waiting

    def services(self) -> dict[str, dict[str, tuple[bool, str]]]:
        """Every service of every host."""
        return {name: host.state() for name, host in self.hosts.items()}

    def mail_comes_in(self, text: str, more: int = 3) -> None:
        """While this is recorded, work comes in on both queues."""
        came = [False]

        def arrives(effect: object) -> bool:
            if text in str(effect) and not came[0]:
                came[0] = True
                self.replies.arrive(more)
                self.sends.arrive(more)
            return False

        self.world.pull_plug_when(arrives)

    def assert_ending(self, ending: RunState) -> None:
        """As always; and services as they were, and held work released, once, and after the opt-outs."""
        super().assert_ending(ending)
        assert self.services() == self.as_it_was
        for queue in (self.replies, self.sends):
            assert not queue.held
            assert queue.releases == queue.holds
            assert not queue.released_twice
            assert not queue.sent_too_early
