"""The way back of ``carry-logins``: the new server has the logins it had."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, LoginMark, Outcome, ReadContext, ServerError, Undo, login_marks

LOGGED_IN = 15434
"""*Could not drop login as the user is currently logged in*."""
TRIES = 10
PAUSE = 0.5
"""Seconds between tries: clients that were thrown out take a moment to be gone."""


@dataclass(frozen=True)
class DropCarriedLogins(Undo):
    """Drop exactly the logins this run created on the new server."""

    server: str
    logins: tuple[LoginMark, ...]

    def run(self, ctx: Context) -> None:
        for mark in self._left(ctx):
            self._drop(ctx, mark.name)

    def _left(self, ctx: ReadContext) -> tuple[LoginMark, ...]:
        """Those that are there, under the name they have there."""
        existing = login_marks(ctx.reader(self.server))
        return tuple(one for one in existing if any(mark.same(one) for mark in self.logins))

    def _drop(self, ctx: Context, name: str) -> None:
        for attempt in range(TRIES):
            try:
                return ctx.server(self.server).drop_login(name)
            except ServerError as error:
                if error.number != LOGGED_IN or attempt == TRIES - 1:
                    raise
            ctx.sleep(PAUSE)
        return None

    def verify(self, ctx: ReadContext) -> Outcome:
        left = len(self._left(ctx))
        if not left:
            return Outcome.REACHED
        return Outcome.UNTOUCHED if left == len(self.logins) else Outcome.PARTIAL
