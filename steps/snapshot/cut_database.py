"""The cut: the last changes leave the old server, and nothing can be written there any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rollback.snapshot.cut_database import ReturnSource
from runbook.api import (
    BACKUP_MIB_S,
    BUSY,
    TAIL_SHARE,
    Apply,
    Block,
    Budget,
    Context,
    DatabaseBefore,
    DatabaseInfo,
    DatabaseState,
    DatabaseStep,
    Decision,
    KeptBackup,
    KeptCut,
    KeptLogs,
    LogBackup,
    Outcome,
    Phase,
    QuietMark,
    ReadContext,
    RecoveryModel,
    ServerError,
    Sizes,
    SqlServer,
    UserAccess,
    backup_file,
    backup_name,
    end_sessions,
    exchange_of,
    free_path,
    header_of,
    is_backup,
    is_open,
    named_lines,
    named_logs,
    preview_path,
    seconds,
    source_of,
)

TRIES = 5
"""How often the cut is tried while somebody keeps coming back."""


@dataclass(frozen=True)
class Facts:
    """The database before the cut; ``tail`` and ``differential`` are paths where no file is."""

    server: str
    database: str
    info: DatabaseInfo | None
    tail: KeptBackup
    differential: KeptBackup
    seeded_files: tuple[str, ...]
    late: tuple[LogBackup, ...] = ()
    """Log backups somebody else took that the new server does not have."""


@dataclass(frozen=True)
class Goal:
    """The file that will be there, the database fenced behind it."""

    server: str
    database: str
    kind: Literal["log", "differential"]
    path: str
    name: str
    family_guid: str | None = None


class CutDatabase(DatabaseStep):
    """Take the last changes and fence the old database in one move."""

    phase = Phase.SNAPSHOT
    after = ("prove-reference", "restore-logs")
    strategies = frozenset({"side-by-side"})
    undoes_with = (ReturnSource,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(seconds(sizes, self.key, BACKUP_MIB_S, TAIL_SHARE), 1.0)

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        source = source_of(self.plan)
        path = preview_path(self.plan, source, self.key, "tail")
        server(source).cut_tail(self.key, path, name=backup_name("RUN", "tail"))

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        reader = ctx.reader(server)
        info = reader.database(self.key)
        self._compare_log(ctx, info)
        seed = ctx.kept(f"seed-backup[{self.key}]", KeptBackup)
        return Facts(
            server=server,
            database=self.key,
            info=info,
            tail=self._new(ctx, "tail"),
            differential=self._new(ctx, "diff"),
            seeded_files=seed.files,
            late=self._late(ctx, info, seed),
        )

    def _late(self, ctx: ReadContext, info: DatabaseInfo | None, seed: KeptBackup) -> tuple[LogBackup, ...]:
        if info is None or not is_open(info) or info.recovery_model is RecoveryModel.SIMPLE:
            return ()
        reader = ctx.reader(source_of(ctx.plan))
        shipped = ctx.find_kept(f"restore-logs[{self.key}]", KeptLogs)
        header = None if shipped else header_of(reader, seed.path)
        reached = shipped.last_lsn if shipped else header.last_lsn if header else ""
        return reader.log_backups_since(self.key, reached) if reached else ()

    def _new(self, ctx: ReadContext, kind: Literal["tail", "diff"]) -> KeptBackup:
        reader = ctx.reader(source_of(ctx.plan))
        path = free_path(reader, exchange_of(ctx).source, backup_file(ctx.run_id, self.key, kind))
        files = tuple(file.logical_name for file in reader.files(self.key))
        return KeptBackup(path, backup_name(ctx.run_id, kind), "log" if kind == "tail" else "differential", files)

    def _compare_log(self, ctx: ReadContext, info: DatabaseInfo | None) -> None:
        """The log also moves by itself; what counts is the content, which is compared on the new server."""
        quiet = ctx.find_kept(f"prove-quiet[{self.key}]", QuietMark)
        if quiet is None or not is_open(info):
            return
        now = ctx.reader(source_of(ctx.plan)).log_sequence(self.key)
        if now != quiet.log_sequence:
            ctx.note(f"the log of {self.key} moved on since everybody was out: {quiet.log_sequence} -> {now}")

    def decide(self, facts: Facts) -> Decision:
        info = facts.info
        if info is None or not is_open(info):
            state = "not there" if info is None else info.state
            return Block(f"{facts.database} on {facts.server} is {state}", "Something else changed it: look first.")
        if facts.late:
            return Block(
                f"the log of {facts.database} was backed up by something else a moment ago: {named_logs(facts.late)}",
                "The new server does not have it, so the cut would leave a gap: pause those backups, then start again.",
            )
        backup = facts.differential if info.recovery_model is RecoveryModel.SIMPLE else facts.tail
        added = sorted(set(backup.files) ^ set(facts.seeded_files))
        if added:
            return Block(
                f"{facts.database} has other files than when it was seeded: {named_lines(added)}",
                "Start again: a file added since would be restored to the path it has on the old server.",
            )
        intent = Goal(
            server=facts.server,
            database=info.name,
            kind="differential" if backup.kind == "differential" else "log",
            path=backup.path,
            name=backup.name,
            family_guid=info.family_guid,
        )
        undo = ReturnSource(facts.server, info.name, backup.path, dict(info.options))
        return Apply(intent, undo, keep=KeptCut(backup, DatabaseBefore.of(info)))

    def apply(self, ctx: Context, intent: Goal) -> None:
        if self.verify(ctx, intent) is Outcome.REACHED:
            return
        for _ in range(TRIES - 1):
            if self._is_cut(ctx, intent):
                return
            end_sessions(ctx, intent.server, intent.database)
        self._cut(ctx, intent)

    def _is_cut(self, ctx: Context, intent: Goal) -> bool:
        """An administrator's tool that is back before the cut keeps it from happening: 3101, and nothing changed."""
        try:
            self._cut(ctx, intent)
        except ServerError as error:
            if error.number not in BUSY or error.in_doubt:
                raise
            return False
        return True

    def _cut(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        cut = server.cut_tail if intent.kind == "log" else server.cut_differential
        cut(intent.database, intent.path, name=intent.name)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        reader = ctx.reader(intent.server)
        info = reader.database(intent.database)
        fenced = DatabaseState.RESTORING if intent.kind == "log" else DatabaseState.OFFLINE
        if info is not None and info.state is fenced:
            header = header_of(reader, intent.path)
            sound = is_backup(
                header, name=intent.name, kind=intent.kind, database=intent.database, family_guid=intent.family_guid
            )
            return Outcome.REACHED if sound else Outcome.PARTIAL
        untouched = info is not None and is_open(info) and info.user_access is not UserAccess.SINGLE_USER
        return Outcome.UNTOUCHED if untouched else Outcome.PARTIAL
