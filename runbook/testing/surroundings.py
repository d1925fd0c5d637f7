"""The fakes of everything that is no SQL Server: gate, pointer, web, commands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runbook.errors import HostError
from runbook.front import GateState, Rule
from runbook.hosting import CommandResult
from runbook.ports import WebAnswer
from runbook.testing.errors import ImpossibleWorld
from runbook.testing.faults import Kind
from runbook.testing.handle import Action, Handle, at_once
from runbook.testing.world import World

NO_ANSWER = "connection refused"


@dataclass(eq=False)
class FakeGate(Handle):
    """Implements ``runbook.front.Gate``: the page of the world's site."""

    where: str = "gate"
    run_id: str = "run"

    def observe(self) -> GateState:
        self.look("observe", "observe")
        site = self.world.site
        if site.page is None:
            return GateState.OPEN
        return GateState.CLOSED if site.page_by == self.run_id else GateState.FOREIGN

    def earlier(self) -> str:
        self.look("earlier", "earlier")
        site = self.world.site
        ours = site.page_by == self.run_id
        return "" if site.page is None or ours else json.dumps({"page": site.page, "by": site.page_by})

    def troubles(self) -> tuple[str, ...]:
        return self.world.site.troubles

    def missing(self) -> tuple[str, ...]:
        return ()

    def differs(self, text: str, rules: Sequence[Rule] = ()) -> tuple[str, ...]:  # noqa: ARG002  (the fake has one page)
        self.look("differs", "differs")
        site = self.world.site
        return () if (site.page, site.page_by) == (text, self.run_id) else ("the page",)

    def close(self, text: str, rules: Sequence[Rule] = ()) -> None:  # noqa: ARG002  (the fake has one page)
        def change() -> None:
            self.world.site.page, self.world.site.page_by = text, self.run_id

        self.perform(Action("close", "", "close", at_once(change)))

    def open(self, earlier: str) -> None:
        def change() -> None:
            kept: dict[str, Any] = json.loads(earlier) if earlier else {"page": None, "by": ""}
            self.world.site.page, self.world.site.page_by = kept["page"], kept["by"]

        self.perform(Action("open", "", "open", at_once(change)))


@dataclass(eq=False)
class FakePointer(Handle):
    """Implements ``runbook.ports.Pointer``: the one line of the world's configuration file."""

    where: str = "pointer"
    source: str = "server = old"
    target: str = "server = new"

    def observe(self) -> str:
        self.look("observe", "observe")
        config = self.world.site.config
        counts = config.count(self.source), config.count(self.target)
        return {(1, 0): "source", (0, 1): "target"}.get(counts, "unknown")

    def earlier(self) -> str:
        self.look("earlier", "earlier")
        return json.dumps({"config": self.world.site.config})

    def forward(self) -> None:
        def check() -> None:
            if (self.world.site.config.count(self.source), self.world.site.config.count(self.target)) not in {
                (1, 0),
                (0, 1),
            }:
                raise HostError("the configuration file is not what it was", host=self.where)

        def change() -> None:
            self.world.site.config = self.world.site.config.replace(self.source, self.target)

        self.perform(Action("forward", "", "forward", at_once(change, check)))

    def back(self, earlier: str) -> None:
        kept = str(json.loads(earlier)["config"])

        def check() -> None:
            if self.world.site.config not in {kept, kept.replace(self.source, self.target)}:
                raise HostError("the configuration file was edited meanwhile", host=self.where)

        def change() -> None:
            self.world.site.config = kept

        self.perform(Action("back", "", "back", at_once(change, check)))


@dataclass(eq=False)
class FakeWeb(Handle):
    """Implements ``runbook.ports.Web``: what the site would answer, seen from outside.

    The gate's page (503) while it stands, unless the query says ``bypass=``; else the application, which answers
    from the server its configuration names (``/health`` with its name as JSON, other pages with ``Mailer``), or 503
    with an honest text when it does not get into its databases.
    """

    where: str = "web"

    def get(self, url: str, *, timeout: float = 10.0) -> WebAnswer:
        self._alive()
        self.control.checkpoint()
        fault = self.world.fault_for(self.where, url, effect=False)
        kind = None if fault is None else fault.kind
        self.world.pass_time(min(timeout, self.world.duration(self.where, "get", url, 0.0)), self.control)
        if kind in {Kind.HANG, Kind.SLOW, Kind.DROP}:
            self.world.pass_time(timeout, self.control)
            return WebAnswer(0, {}, f"no answer within {timeout:g} s")
        if kind is Kind.FAIL or not url.startswith(self.world.site.url):
            return WebAnswer(0, {}, NO_ANSWER)
        return self._answer(self.world, url)

    def _answer(self, world: World, url: str) -> WebAnswer:
        site = world.site
        if url in site.overrides:
            status, body = site.overrides[url]
            return WebAnswer(status, {}, body)
        if site.page is not None and "bypass=" not in url:
            return WebAnswer(503, {"retry-after": "600"}, site.page)
        if site.down:
            return WebAnswer(502, {}, "bad gateway")
        if not world.application_works():
            return WebAnswer(503, {}, "the application cannot reach its databases")
        name = world.servers[world.pointed_at()].server_name
        if "/health" in url:
            return WebAnswer(200, {"content-type": "application/json"}, json.dumps({"server": name}))
        return WebAnswer(200, {"content-type": "text/html"}, f"<title>Mailer</title> served by {name}")


@dataclass(eq=False)
class FakeCommands(Handle):
    """The interface of ``runbook.adapters.commands.Commands``; what a command does is in ``world.commands``."""

    where: str = "commands"

    def run(self, argv: Sequence[str], *, timeout: float, effect: bool) -> CommandResult:
        """Run what the world knows under this argument list."""
        argv = tuple(argv)
        if argv not in self.world.commands:
            raise ImpossibleWorld(f"teach it with world.commands: {argv}")
        result: list[tuple[int, str]] = []
        text = " ".join(argv)
        if not effect:
            self.look("run", text, argv[0])
            result.append(self.world.commands[argv]())
        else:
            seconds = self.world.duration(self.where, "run", argv[0], 0.1)
            work = at_once(lambda: result.append(self.world.commands[argv]()))
            self.perform(Action("run", argv[0], text, work, duration=min(seconds, timeout)))
        code, output = result[0] if result else (0, "")
        return CommandResult(code, output, "")
