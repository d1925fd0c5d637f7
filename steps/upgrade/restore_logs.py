"""The log backups that others took since the seed: without them the new server could not take the last changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from runbook.api import (
    RESTORE_MIB_S,
    TAIL_SHARE,
    Apply,
    BackupHeader,
    Block,
    Budget,
    Context,
    DatabaseInfo,
    DatabaseState,
    Decision,
    KeptBackup,
    KeptLogs,
    LogBackup,
    Outcome,
    Phase,
    ReadContext,
    RecoveryModel,
    Sizes,
    Skip,
    SqlServer,
    WitnessedStep,
    applied_once,
    as_target_sees,
    exchange_of,
    header_of,
    named_logs,
    rolled_forward,
    same_file,
    seconds,
    source_of,
    target_of,
)


@dataclass(frozen=True)
class Found:
    """A log backup in the history of the source, and the same as the target sees it (None: it does not)."""

    log: LogBackup
    path: str
    header: BackupHeader | None

    @property
    def is_there(self) -> bool:
        """The target can read the very set the history speaks of."""
        header = self.header
        return header is not None and header.kind == "log" and header.last_lsn == self.log.last_lsn


@dataclass(frozen=True)
class Facts:
    """The database on both servers, where the seed ended, and what was taken of the log since."""

    server: str
    database: str
    model: RecoveryModel | None
    info: DatabaseInfo | None
    seed: BackupHeader | None
    logs: tuple[Found, ...] = ()


@dataclass(frozen=True)
class LogFile:
    """A set of a file, as the target sees it."""

    path: str
    position: int


@dataclass(frozen=True)
class Goal:
    """The database rolled forward through these, in this order."""

    server: str
    database: str
    files: tuple[LogFile, ...]


class RestoreLogs(WitnessedStep):
    """Restore the log backups that somebody else took since the seed."""

    phase = Phase.UPGRADE
    after = ("seed-restore", "prove-quiet")
    strategies = frozenset({"side-by-side"})
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (target_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(seconds(sizes, self.key, RESTORE_MIB_S, TAIL_SHARE))

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        server(target_of(self.plan)).restore_log(self.key, "<each log backup that others took since the seed>")

    def observe(self, ctx: ReadContext) -> Facts:
        server, places = target_of(ctx.plan), exchange_of(ctx)
        source, target = ctx.reader(source_of(ctx.plan)), ctx.reader(server)
        before = source.database(self.key)
        model = None if before is None else before.recovery_model
        backup = ctx.kept(f"seed-backup[{self.key}]", KeptBackup)
        seed = header_of(target, same_file(backup.path, places.target))
        logs: list[Found] = []
        if seed is not None and model is not RecoveryModel.SIMPLE:
            for log in source.log_backups_since(self.key, seed.last_lsn):
                path = as_target_sees(log.path, places) if log.path else ""
                logs.append(Found(log, path, header_of(target, path, log.position) if path else None))
        return Facts(server, self.key, model, target.database(self.key), seed, tuple(logs))

    def decide(self, facts: Facts) -> Decision:
        if facts.model is RecoveryModel.SIMPLE:
            return Skip("in SIMPLE recovery there are no log backups")
        if facts.seed is None:
            return Block(
                f"{facts.server} does not find the seed backup of {facts.database} any more",
                "Look whether the exchange directory can still be reached from both servers.",
            )
        if not facts.logs:
            return Skip("nobody backed the log up since the seed")
        missing = [one.log for one in facts.logs if not one.is_there]
        if missing:
            return Block(
                f"the log of {facts.database} was backed up by something else since the seed, and {facts.server} "
                f"cannot read that: {named_logs(missing)}",
                "Pause those backups until the night is over, or let them go to the exchange directory, where both "
                "servers see them; then start again.",
            )
        if facts.info is None or facts.info.state is not DatabaseState.RESTORING:
            state = "not there" if facts.info is None else facts.info.state
            return Block(
                f"{facts.database} on {facts.server} is {state}, so nothing can be restored into it",
                "Something else changed it: look at the new server first.",
            )
        files = tuple(LogFile(one.path, one.log.position) for one in facts.logs)
        # Its way back is that of seed-restore: the database is dropped whole.
        return Apply(Goal(facts.server, facts.info.name, files), undo=None, keep=KeptLogs(facts.logs[-1].log.last_lsn))

    def apply(self, ctx: Context, intent: Goal) -> None:
        server = ctx.server(intent.server)
        for done, file in enumerate(intent.files, start=1):
            ctx.checkpoint()
            restore = partial(server.restore_log, intent.database, file.path, file.position)
            applied_once(restore)
            ctx.progress(done, len(intent.files), "log backups")
        self.saw(intent)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        return rolled_forward(ctx.reader(intent.server).database(intent.database), seen=self.has_seen(intent))
