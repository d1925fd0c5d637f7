"""The ``corrupt`` fault: one row of one user table changes after a statement succeeded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from runbook.sandbox.instance.sessions import Entry

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance


class Corrupter:
    """Carries the fault out when the session has no open transaction, whose write lock would be in the way."""

    def __init__(self, instance: SandboxInstance) -> None:
        self._instance = instance

    def target(self, entry: Entry) -> str:
        """Name of the database the running statement concerns."""
        request = entry.request
        if request is not None and request.concerns is not None:
            return str(request.concerns.name)
        return entry.session.database

    def strike(self, entry: Entry, write: Callable[..., None]) -> None:
        """Change one row in each database that waits for it."""
        waiting, entry.corrupt = entry.corrupt, []
        for name in waiting:
            record = self._instance.find(name)
            table = None if record is None else self._instance.storage.corrupt_one_row(record.path)
            write("corrupted", database=name, table=table)

    def strike_later(self, entry: Entry) -> None:
        """The session ended with a row still to be changed."""
        if entry.corrupt:
            log = self._instance.statement_log
            threading.Thread(
                target=self.strike,
                args=(entry, lambda event, **more: log.write({"spid": entry.spid}, "", {"event": event, **more})),
                daemon=True,
            ).start()
