"""What the public reads while the gate is closed: true to the journal, and put right when somebody overwrites it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runbook.executor import Executor
from runbook.states import RunState
from runbook.testing.world import Effect
from tests.scenario.night import Night

FALSE = "Down for planned maintenance"


class Watched(Night):
    """A night in which the gate is looked after, on the virtual clock; ``seen``: what stood there, second by second."""

    def __init__(self, directory: Path, strategy: str = "side-by-side", *, window: float = 3600.0) -> None:
        super().__init__(directory, strategy, window=window)
        self.world.durations["check_database"] = 60.0
        self.seen: list[tuple[float, str | None]] = []
        self.hooks: dict[str, Callable[[], None]] = {}
        self.world.pull_plug_when(self._noticed)
        self._look_again()

    def executor(self) -> Executor:
        executor = super().executor()
        executor.gate_watch = self._on_timers
        return executor

    @contextmanager
    def _on_timers(self, work: Callable[[], None], seconds: float) -> Iterator[None]:
        clock = self.world.clock
        over = False

        def again() -> None:
            if not over:
                work()
                clock.call_after(seconds, again)

        clock.call_after(seconds, again)
        try:
            yield
        finally:
            over = True

    def when(self, effect: str, action: Callable[[], None]) -> None:
        """Once, in the moment of that effect."""
        self.hooks[effect] = action

    def _noticed(self, effect: Effect) -> bool:
        for name in [name for name in self.hooks if name in effect.name]:
            self.hooks.pop(name)()
        return False

    def _look_again(self) -> None:
        self.seen.append((self.world.clock.monotonic(), self.world.site.page))
        self.world.clock.later(1, self._look_again)

    def overwrite(self, text: str | None) -> None:
        """By hand, past the program."""
        self.world.site.page, self.world.site.page_by = text, ""

    def findings(self, word: str) -> list[str]:
        return [one for one in self.view.findings if word in one]

    def stood(self, text: str) -> float:
        """Seconds for which that text could be read."""
        return sum(1.0 for _, page in self.seen if page is not None and text in page)


@pytest.mark.parametrize("text", [FALSE, None])
def test_what_somebody_overwrites_is_put_right_within_ten_seconds(tmp_path: Path, text: str | None) -> None:
    """The false page of a default configuration, or none at all: it is gone within seconds, and the record says so."""
    night = Watched(tmp_path)
    night.when("new: recover[", lambda: night.overwrite(text))
    assert night.drive() is RunState.UPGRADED
    assert len(night.findings("it was put right")) == 1
    if text:
        assert 0 < night.stood(FALSE) < 10
    assert night.world.site.page is None
    night.assert_new()


@pytest.mark.parametrize("unit", ["cold-copy", "upgrade-packages"])
def test_it_is_put_right_while_the_engine_is_down(tmp_path: Path, unit: str) -> None:
    """In place the server that says whose run this is does not answer for a while; the public is told the truth all the
    same."""
    night = Watched(tmp_path, "in-place", window=4 * 3600.0)
    down: list[bool] = []

    def overwrite() -> None:
        assert night.engine_host
        down.append(not night.engine_host.running)
        night.overwrite(FALSE)

    night.when(f"db: start_unit[{unit}]", overwrite)
    assert night.drive() is RunState.UPGRADED
    assert down == [True]
    assert len(night.findings("it was put right")) == 1
    assert 0 < night.stood(FALSE) < 10
    night.assert_new()


def test_the_text_follows_the_run_when_it_turns_back(tmp_path: Path) -> None:
    """Nobody reads that all goes as planned while the earlier setup is brought back."""
    night = Watched(tmp_path)
    night.world.fault("new", "fail", "CHECKDB")
    night.world.durations["old: recover"] = 30.0
    assert night.drive() is RunState.REVERTED
    notes = [str(row.body) for row in night.store.rows(night.run_id) if row.kind == "note"]
    assert [text for text in notes if "the public is told: The planned maintenance is being rolled back" in text]
    assert night.findings("put right") == []
    assert night.stood("is being rolled back") > 0
    night.assert_old()


def test_an_open_gate_is_left_alone(tmp_path: Path) -> None:
    """A page that somebody puts up before this run closes the gate, or after it opened it, is none of its business."""
    night = Watched(tmp_path)
    night.world.durations["backup_full"] = 60.0
    night.when("old: backup", lambda: night.overwrite(FALSE))
    assert night.drive() is not RunState.UPGRADED
    assert night.findings("put right") == []
    assert night.world.site.page == FALSE


def test_a_night_without_trouble_says_nothing(tmp_path: Path) -> None:
    """Looks leave no trace."""
    night = Watched(tmp_path)
    assert night.drive() is RunState.UPGRADED
    assert night.findings("public") == []
    assert night.stood("planned maintenance, back by 11:00 UTC") > 30


def test_what_cannot_be_looked_after_is_told_once(tmp_path: Path) -> None:
    """A front end that does not answer for a while stops nobody, and does not fill the record."""
    night = Watched(tmp_path)
    night.when("new: recover[", lambda: void(night.world.fault("gate", "fail", "differs", times=5)))
    assert night.drive() is RunState.UPGRADED
    assert len(night.findings("cannot be looked after")) == 1


def void(_: object) -> None:
    """For hooks."""
