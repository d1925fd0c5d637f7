"""The way back of ``switch-repository``: the file has the bytes it had."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from runbook.api import Context, Outcome, ReadContext, Undo, await_host


@dataclass(frozen=True)
class SwitchBack(Undo):
    """Let apt take packages from where it took them before."""

    host: str
    path: str
    earlier: str
    """In base64."""

    def run(self, ctx: Context) -> None:
        await_host(ctx, self.host)
        ctx.host(self.host).write(self.path, base64.b64decode(self.earlier), root=True)

    def verify(self, ctx: ReadContext) -> Outcome:
        found = ctx.host_reader(self.host).read(self.path, root=True)
        return Outcome.REACHED if found == base64.b64decode(self.earlier) else Outcome.UNTOUCHED
