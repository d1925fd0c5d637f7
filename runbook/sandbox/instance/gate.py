"""Who uses which database, and who may have it alone.

A session uses a database while its context is there, while a statement touches it, and while its open transaction
has written in it. An operation that needs the database alone *claims* it: newcomers wait from then on, users already
inside go on, and the claim is granted when they have left.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.errors import error
from runbook.sandbox.instance.records import DatabaseRecord

POLL = 0.01
"""Seconds between two looks at the cancel flag of a waiting session; bounds how late a cancel is felt."""


class Busy(Exception):
    """The database is in use and the claim may not wait."""


class Gate:
    """Use-locks of all databases of an instance."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._context: dict[int, DatabaseRecord] = {}
        self._statements: dict[DatabaseRecord, Counter[int]] = {}
        self._written: dict[int, set[DatabaseRecord]] = {}
        self._claims: dict[DatabaseRecord, int] = {}
        self._waiting: dict[int, set[int]] = {}

    def users(self, database: DatabaseRecord) -> set[int]:
        """Session ids that use the database now."""
        with self.changed:
            inside = {spid for spid, where in self._context.items() if where is database}
            inside |= {spid for spid, count in self._statements.get(database, Counter()).items() if count > 0}
            inside |= {spid for spid, where in self._written.items() if database in where}
            return inside

    def context(self, spid: int) -> DatabaseRecord | None:
        """The database a session stands in."""
        with self.changed:
            return self._context.get(spid)

    def written(self, spid: int) -> set[DatabaseRecord]:
        """The databases in which the open transaction of a session has written."""
        with self.changed:
            return set(self._written.get(spid, ()))

    def locks(self) -> list[tuple[DatabaseRecord, int, str, str]]:
        """(database, session, mode S or X, GRANT or WAIT) of every use-lock."""
        with self.changed:
            databases = set(self._context.values()) | set(self._statements) | set(self._claims)
            for written in self._written.values():
                databases |= written
            found = []
            for database in databases:
                found += [(database, spid, "S", "GRANT") for spid in self.users(database)]
                if database in self._claims:
                    alone = self.users(database) <= {self._claims[database]}
                    found.append((database, self._claims[database], "X", "GRANT" if alone else "WAIT"))
            return found

    def blockers(self, spid: int) -> set[int]:
        """The sessions a waiting session waits for; empty when it does not wait here."""
        with self.changed:
            return set(self._waiting.get(spid, ()))

    def wait(
        self,
        session: LanguageSession,
        ready: Callable[[], bool],
        timeout: float | None = None,
        blockers: Callable[[], set[int]] = set,
    ) -> bool:
        """Wait until ``ready()``, ``changed`` being held; False after ``timeout`` seconds. Raises Cancelled."""
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while not ready():
                if deadline is not None and time.monotonic() >= deadline:
                    return False
                self._waiting[session.spid] = blockers()
                self.changed.wait(POLL)
                session.check()
        finally:
            self._waiting.pop(session.spid, None)
        return True

    def admit(
        self,
        session: LanguageSession,
        database: DatabaseRecord,
        check: Callable[[], None],
        timeout: float | None = None,
    ) -> None:
        """Wait behind another session's claim, then run ``check``, which raises when the state forbids entering.

        Nobody waits for the end of a restore: 927 is the answer.
        """
        with self.changed:
            if not self.wait(
                session,
                lambda: self._may_pass(session.spid, database) or database.state == "RESTORING",
                timeout,
                lambda: {self._claims.get(database, session.spid)},
            ):
                raise error(952, database.name)
            check()

    def _may_pass(self, spid: int, database: DatabaseRecord) -> bool:
        holder = self._claims.get(database)
        return holder is None or holder == spid or spid in self.users(database)

    def stand(self, spid: int, database: DatabaseRecord | None) -> None:
        """Set or clear the context of a session."""
        with self.changed:
            if database is None:
                self._context.pop(spid, None)
            else:
                self._context[spid] = database
            self.changed.notify_all()

    @contextmanager
    def statement(self, spid: int, database: DatabaseRecord) -> Iterator[None]:
        """Use the database for the time of one statement."""
        with self.changed:
            self._statements.setdefault(database, Counter())[spid] += 1
        try:
            yield
        finally:
            with self.changed:
                counts = self._statements[database]
                counts[spid] -= 1
                if counts[spid] <= 0:
                    del counts[spid]
                self.changed.notify_all()

    def set_written(self, spid: int, databases: set[DatabaseRecord]) -> None:
        """Replace the set of databases the session's open transaction has written in."""
        with self.changed:
            if databases:
                self._written[spid] = databases
            else:
                self._written.pop(spid, None)
            self.changed.notify_all()

    def forget(self, spid: int) -> None:
        """The session is gone: it uses nothing any more."""
        with self.changed:
            self._context.pop(spid, None)
            self._written.pop(spid, None)
            for counts in self._statements.values():
                counts.pop(spid, None)
            for database in [d for d, holder in self._claims.items() if holder == spid]:
                del self._claims[database]
            self.changed.notify_all()

    @contextmanager
    def alone(
        self,
        session: LanguageSession,
        database: DatabaseRecord,
        *,
        wait: bool,
        evict: Callable[[set[int]], None] | None = None,
        tolerate: Callable[[int], bool] = lambda _: False,
    ) -> Iterator[None]:
        """Have the database alone. ``wait`` false: raise Busy when others are inside. ``evict`` is called with the
        sessions in the way, again and again, until they are gone. Sessions that ``tolerate`` accepts may stay."""
        with self.changed:
            if not self._claim(session, database, wait=wait):
                raise Busy
        try:
            self._empty(session, database, wait=wait, evict=evict, tolerate=tolerate)
            yield
        finally:
            with self.changed:
                if self._claims.get(database) == session.spid:
                    del self._claims[database]
                self.changed.notify_all()

    def _claim(self, session: LanguageSession, database: DatabaseRecord, *, wait: bool) -> bool:
        def free() -> bool:
            return self._claims.get(database, session.spid) == session.spid

        if not free() and not wait:
            return False
        self.wait(session, free)
        self._claims[database] = session.spid
        return True

    def _empty(
        self,
        session: LanguageSession,
        database: DatabaseRecord,
        *,
        wait: bool,
        evict: Callable[[set[int]], None] | None,
        tolerate: Callable[[int], bool],
    ) -> None:
        def others() -> set[int]:
            return {s for s in self.users(database) if s != session.spid and not tolerate(s)}

        if others() and not wait and evict is None:
            raise Busy
        evicted: set[int] = set()
        while found := others():
            if evict is not None and found - evicted:
                evict(found - evicted)
                evicted |= found
            self._wait_for_less(session, others, evicted, evicting=evict is not None)

    def _wait_for_less(
        self, session: LanguageSession, others: Callable[[], set[int]], evicted: set[int], *, evicting: bool
    ) -> None:
        """Until nobody is left, or somebody new has come who has to be evicted as well."""
        with self.changed:
            self.wait(session, lambda: not others() or (evicting and bool(others() - evicted)), blockers=others)
