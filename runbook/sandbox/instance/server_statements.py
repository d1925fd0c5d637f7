"""KILL, CHECKPOINT, RECONFIGURE and SHUTDOWN."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

from runbook.sandbox.contract import LanguageSession, Sink
from runbook.sandbox.errors import error, text, unsupported
from runbook.sandbox.instance import sessions
from runbook.sandbox.instance.parse import Reader

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance


def kill(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """KILL spid [WITH STATUSONLY]. Raises 6101, 6102, 6104, 6106, 6107, 6120."""
    if reader.is_word("STATS") or reader.is_word("QUERY"):
        raise unsupported("KILL STATS JOB and KILL QUERY NOTIFICATION")
    spid = reader.integer()
    status_only = reader.accept("WITH", "STATUSONLY")
    reader.end()
    if not instance.logins.has_role(session.login, "processadmin"):
        raise error(6102)
    if not 0 < spid <= 32767:
        raise error(6101, spid)
    if spid == session.spid:
        raise error(6104)
    entry = instance.registry.get(spid)
    if entry is None:
        raise error(6106, spid)
    if status_only:
        if not entry.killed:
            raise error(6120, spid)
        sink.info(6109, text(6109, spid, 0, 0))
    elif not entry.killed:
        instance.errorlog.write(
            f"Process ID {spid} was killed by hostname {session.host}, host process ID {os.getpid()}.",
            f"spid{session.spid}",
        )
        sessions.kill([entry])
    sink.done()


def checkpoint(_: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:  # noqa: ARG001
    """CHECKPOINT: everything committed is durable anyway."""
    if not reader.done:
        reader.integer()
    reader.end()
    sink.done()


def reconfigure(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """RECONFIGURE [WITH OVERRIDE]."""
    reader.accept("WITH", "OVERRIDE")
    reader.end()
    if not instance.logins.has_role(session.login, "serveradmin"):
        raise error(15247)
    instance.configuration.reconfigure()
    sink.done()


def shutdown(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """SHUTDOWN [WITH NOWAIT]: the process ends as with SIGTERM."""
    reader.accept("WITH", "NOWAIT")
    reader.end()
    if not instance.logins.has_role(session.login, "serveradmin"):
        raise error(15247)
    instance.errorlog.write(text(6006, "request", session.login), f"spid{session.spid}")
    sink.info(6005, text(6005))
    sink.done()
    sink.flush()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
