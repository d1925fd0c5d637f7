"""Whatever is backed up and restored in whatever order: what the fake accepts, a real log could have replayed."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook.errors import Refused, ServerError
from runbook.ports import RecoveryModel
from runbook.testing import FakeSqlServer, World
from runbook.testing.content import Content, Table
from runbook.testing.disk import Settings

MOVES = ("write", "write", "full", "copy", "log", "snapshot", "revert", "cut and back", "restore full", "restore log")


class Lives:
    """The writes of the source in order, and what each file holds of them: an oracle apart from the fake's LSNs."""

    def __init__(self) -> None:
        self.world = World()
        for role, year in (("old", 2019), ("new", 2022)):
            self.world.add_server(role, f"{role.upper()}SQL", year)
        content = Content(tables={"dbo.T": Table("dbo.T")})
        self.world.servers["old"].create_database("D", content, Settings(recovery_model=RecoveryModel.FULL))
        self.old, self.new = FakeSqlServer(self.world, "old"), FakeSqlServer(self.world, "new")
        self.written: tuple[int, ...] = ()
        self.at_snapshot: tuple[int, ...] | None = None
        self.chain_from = 0
        self.fulls: dict[str, tuple[int, ...]] = {}
        self.logs: dict[str, tuple[tuple[int, ...], int]] = {}
        self.restored: tuple[int, ...] | None = None
        self.number = 0

    def next(self) -> int:
        self.number += 1
        return self.number

    def write(self) -> None:
        number = self.next()
        database = self.world.servers["old"].opened("D")
        database.write(database.content.with_row("dbo.T", str(number)))
        self.written = (*self.written, number)

    def back_up_full(self, *, copy_only: bool) -> None:
        path = f"/exchange/{self.next()}.bak"
        fresh = not self.old.log_chain_starts("D")
        self.old.backup_full("D", path, name="f", copy_only=copy_only)
        self.fulls[path] = self.written
        if fresh and not copy_only:
            self.chain_from = len(self.written)

    def back_up_log(self, *, tail: bool = False) -> None:
        path = f"/exchange/{self.next()}.trn"
        (self.old.cut_tail if tail else self.old.backup_log)("D", path, name="l")
        self.logs[path] = (self.written, self.chain_from)
        self.chain_from = len(self.written)

    def snapshot(self) -> None:
        self.old.create_snapshot("D", "S")
        self.at_snapshot = self.written

    def revert(self) -> None:
        self.old.revert_to_snapshot("D", "S")
        self.old.drop_snapshot("S")
        self.written = self.at_snapshot or ()

    def cut_and_back(self) -> None:
        self.back_up_log(tail=True)
        self.old.recover("D")

    def restore_full(self, choice: int) -> None:
        if self.fulls:
            path = sorted(self.fulls)[choice % len(self.fulls)]
            self.new.restore_full("D", path, moves={})
            self.restored = self.fulls[path]

    def restore_log(self, choice: int) -> None:
        if self.logs:
            path = sorted(self.logs)[choice % len(self.logs)]
            self.new.restore_log("D", path)
            end, begin = self.logs[path]
            have = self.restored
            assert have is not None
            assert have == end[: len(have)], "applied to another history"
            assert len(have) >= begin, "applied over a gap"
            self.restored = end

    def check(self) -> None:
        """Rows on the new server are exactly the writes of what was restored."""
        if self.restored is not None:
            rows = self.world.servers["new"].get("D").content.tables["dbo.T"].rows.values()
            assert tuple(int(text) for _, text in rows) == self.restored


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 5)), max_size=30))
def test_nothing_is_accepted_that_a_log_could_not_replay(moves: list[tuple[str, int]]) -> None:
    """Random orders of writes, backups, reverts and restores; refusals are fine, wrong content is not."""
    lives = Lives()
    acts = {
        "write": lambda _: lives.write(),
        "full": lambda _: lives.back_up_full(copy_only=False),
        "copy": lambda _: lives.back_up_full(copy_only=True),
        "log": lambda _: lives.back_up_log(),
        "snapshot": lambda _: lives.snapshot(),
        "revert": lambda _: lives.revert(),
        "cut and back": lambda _: lives.cut_and_back(),
        "restore full": lives.restore_full,
        "restore log": lives.restore_log,
    }
    for move, choice in moves:
        with suppress(ServerError, Refused):
            acts[move](choice)
        lives.check()
