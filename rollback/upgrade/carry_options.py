"""The way back of ``carry-options``: the new database belongs to whoever restored it."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, DatabaseInfo, Outcome, ReadContext, Undo, answers, is_open


@dataclass(frozen=True)
class ReturnOwner(Undo):
    """Give the new database back to its earlier owner, so that the carried login can go."""

    server: str
    database: str
    owner: str | None
    carried: str

    def run(self, ctx: Context) -> None:
        if not answers(ctx, self.server):
            return  # a new server that is gone must not keep the old one from coming back
        info = ctx.reader(self.server).database(self.database)
        if self._still_carried(info) and self.owner is not None:
            ctx.server(self.server).set_owner(self.database, self.owner)

    def _still_carried(self, info: DatabaseInfo | None) -> bool:
        return is_open(info) and info.owner == self.carried

    def verify(self, ctx: ReadContext) -> Outcome:
        if not answers(ctx, self.server):
            return Outcome.REACHED
        carried = self._still_carried(ctx.reader(self.server).database(self.database))
        return Outcome.UNTOUCHED if carried and self.owner is not None else Outcome.REACHED
