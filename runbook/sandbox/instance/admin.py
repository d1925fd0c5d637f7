"""Which administrative statement is done where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import apsw

from runbook.sandbox.contract import LanguageSession, Sink, Token
from runbook.sandbox.errors import error
from runbook.sandbox.instance import (
    alter,
    backup,
    create,
    dbcc,
    drop,
    logins,
    restore,
    restore_info,
    server_statements,
)
from runbook.sandbox.instance.parse import Reader

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

Handler = Callable[["SandboxInstance", LanguageSession, Reader, Sink], None]

STATEMENTS: tuple[tuple[tuple[str, ...], Handler], ...] = (
    (("BACKUP", "DATABASE"), backup.backup_database),
    (("BACKUP", "LOG"), backup.backup_log),
    (("RESTORE", "HEADERONLY"), restore_info.headeronly),
    (("RESTORE", "FILELISTONLY"), restore_info.filelistonly),
    (("RESTORE", "LABELONLY"), restore_info.labelonly),
    (("RESTORE", "VERIFYONLY"), restore_info.verifyonly),
    (("RESTORE", "DATABASE"), restore.restore_database),
    (("RESTORE", "LOG"), restore.restore_log),
    (("CREATE", "DATABASE"), create.create_database),
    (("DROP", "DATABASE"), drop.drop_database),
    (("ALTER", "DATABASE"), alter.alter_database),
    (("CREATE", "LOGIN"), logins.create_login),
    (("ALTER", "LOGIN"), logins.alter_login),
    (("DROP", "LOGIN"), logins.drop_login),
    (("ALTER", "SERVER", "ROLE"), logins.alter_server_role),
    (("ALTER", "AUTHORIZATION", "ON"), alter.alter_authorization),
    (("DBCC",), dbcc.run),
    (("KILL",), server_statements.kill),
    (("CHECKPOINT",), server_statements.checkpoint),
    (("RECONFIGURE",), server_statements.reconfigure),
    (("SHUTDOWN",), server_statements.shutdown),
)
PERMISSIONS = ("GRANT", "DENY", "REVOKE")


def run(instance: SandboxInstance, session: LanguageSession, text: str, tokens: Sequence[Token], sink: Sink) -> None:
    """Run one administrative statement. Raises SqlError; what the sandbox does not do is refused by name."""
    reader = Reader(session, text, tokens)
    if any(reader.is_word(word) for word in PERMISSIONS):
        logins.permission(instance, session, reader, sink)
        return
    for words, handler in STATEMENTS:
        if reader.accept(*words):
            _refuse_in_transaction(session, words)
            try:
                handler(instance, session, reader, sink)
            except apsw.FullError:
                instance.book.reload()
                raise error(1105, "server catalog", "master") from None
            return
    first = " ".join(t.value for t in reader.tokens[:3])
    raise reader.refuse(f"the statement {first}")


def _refuse_in_transaction(session: LanguageSession, words: tuple[str, ...]) -> None:
    """What may not run in a transaction is refused before anything is read."""
    if not session.trancount:
        return
    if words[0] in ("BACKUP", "RESTORE"):
        raise error(3021, also=(error(3013, f"{words[0]} {words[1]}"),))
    if words in (("CREATE", "DATABASE"), ("ALTER", "DATABASE"), ("DROP", "DATABASE")):
        raise error(226, f"{words[0]} {words[1]}", state=6)
    if words == ("KILL",):
        raise error(6115)


__all__ = ["STATEMENTS", "run"]
