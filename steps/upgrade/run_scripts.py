"""The upgrade itself, where it is a set of scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rollback.upgrade.run_scripts import RevertScripts
from runbook.api import (
    BACKUP_MIB_S,
    PROOF_MIB_S,
    RESTORE_MIB_S,
    Apply,
    Batch,
    Block,
    Budget,
    Context,
    DatabaseInfo,
    Decision,
    KeptBackup,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Script,
    ServerError,
    Sizes,
    SqlServer,
    StepFailed,
    WitnessedStep,
    backup_file,
    exchange_of,
    free_path,
    is_open,
    read_script,
    seconds,
    snapshot_name,
    source_of,
    unchanged,
)


@dataclass(frozen=True)
class Facts:
    """The database, its restore point, and the scripts as they are now."""

    server: str
    database: str
    info: DatabaseInfo | None
    snapshots: tuple[str, ...]
    log_sequence: str
    scripts: tuple[Script, ...]
    wrong: str
    undo: RevertScripts


@dataclass(frozen=True)
class Goal:
    """These very scripts have run. ``log_sequence`` is that of the untouched database."""

    server: str
    database: str
    scripts: tuple[Script, ...]
    log_sequence: str


class RunScripts(WitnessedStep):
    """Run the upgrade scripts, batch by batch."""

    phase = Phase.UPGRADE
    after = ("expect-return",)
    strategies = frozenset({"scripts"})
    undoes_with = (RevertScripts,)
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """The databases that have scripts."""
        scripted = {one.database.casefold() for one in plan.scripts}
        return tuple(one.name for one in plan.databases if one.name.casefold() in scripted)

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:
        # Nobody can tell what a script does. Until rehearsed or stated: every page is rewritten once, and put back.
        back = 2 * seconds(sizes, self.key, BACKUP_MIB_S) + seconds(sizes, self.key, RESTORE_MIB_S)
        return Budget(2.0 + seconds(sizes, self.key, PROOF_MIB_S), back)

    def preview(self, server: Callable[[str], SqlServer]) -> None:
        for path in self._files():
            for batch in read_script(path)[1]:
                server(source_of(self.plan)).run_batch(self.key, batch.sql)

    def _files(self) -> list[Path]:
        mine = (one for one in self.plan.scripts if one.database.casefold() == self.key.casefold())
        return [path for one in mine for path in one.files]

    def observe(self, ctx: ReadContext) -> Facts:
        server = source_of(ctx.plan)
        reader = ctx.reader(server)
        info = reader.database(self.key)
        scripts, wrong = self._read()
        log_sequence = reader.log_sequence(self.key) if is_open(info) else ""
        return Facts(
            server=server,
            database=self.key,
            info=info,
            snapshots=reader.snapshots(self.key),
            log_sequence=log_sequence,
            scripts=scripts,
            wrong=wrong,
            undo=self._undo(ctx, log_sequence),
        )

    def _read(self) -> tuple[tuple[Script, ...], str]:
        try:
            return tuple(read_script(path)[0] for path in self._files()), ""
        except StepFailed as error:
            return (), error.message

    def _undo(self, ctx: ReadContext, log_sequence: str) -> RevertScripts:
        server, directory = source_of(ctx.plan), exchange_of(ctx).source
        reader = ctx.reader(server)
        return RevertScripts(
            server=server,
            database=self.key,
            snapshot=snapshot_name(self.key, ctx.run_id),
            log_sequence=log_sequence,
            # Free now, so what is there later was written by this very way back.
            aside=free_path(reader, directory, backup_file(ctx.run_id, self.key, "aside")),
            rebase=free_path(reader, directory, backup_file(ctx.run_id, self.key, "rebase")),
            backup=ctx.kept(f"backup-database[{self.key}]", KeptBackup).path,
        )

    def decide(self, facts: Facts) -> Decision:
        if facts.wrong:
            return Block(facts.wrong, "Mend the script, then start a new run.")
        if facts.info is None or not is_open(facts.info):
            state = "not there" if facts.info is None else facts.info.state
            return Block(f"{facts.database} on {facts.server} is {state}", "Something else changed it: look first.")
        if [name.casefold() for name in facts.snapshots] != [facts.undo.snapshot.casefold()]:
            found = ", ".join(facts.snapshots) or "none"
            return Block(
                f"{facts.database} has not this run's snapshot and no other: {found}",
                "Without it nothing can be reverted: drop the others, then start again.",
            )
        return Apply(Goal(facts.server, facts.info.name, facts.scripts, facts.log_sequence), facts.undo)

    def apply(self, ctx: Context, intent: Goal) -> None:
        if self.has_seen(intent):
            return
        files = [(script, unchanged(script)) for script in intent.scripts]
        total = sum(batch.count for _, batches in files for batch in batches)
        done = 0
        for script, batches in files:
            name = Path(script.path).name
            with ctx.server(intent.server).script(intent.database) as run:
                for batch in (one for one in batches for _ in range(one.count)):
                    ctx.checkpoint()
                    _run(run, name, batch)
                    done += 1
                    ctx.progress(done, total, f"{name}:{batch.line}")
        self.saw(intent)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        reader = ctx.reader(intent.server)
        info = reader.database(intent.database)
        if not is_open(info):
            return Outcome.PARTIAL
        if self.has_seen(intent):
            return Outcome.REACHED
        # Nothing is left in the database that would say how far another process came: unless it is untouched for
        # certain it is reverted, and the scripts begin again.
        untouched = bool(intent.log_sequence) and reader.log_sequence(intent.database) == intent.log_sequence
        return Outcome.UNTOUCHED if untouched else Outcome.PARTIAL


def _run(run: Callable[[str], None], file: str, batch: Batch) -> None:
    try:
        run(batch.sql)
    except ServerError as error:
        raise ServerError(
            f"{file}: batch at line {batch.line}: {error.message}",
            number=error.number,
            severity=error.severity,
            statement=error.statement,
            in_doubt=error.in_doubt,
            hint=error.hint or "The line numbers of SQL Server count from the first line of the batch.",
        ) from error
