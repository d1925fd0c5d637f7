"""The directory of a rehearsal: nobody takes away one that begins."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from runbook.adapters import detached
from runbook.errors import Refused
from runbook.home import Home
from runbook.rehearsal import clearing
from runbook.rehearsal.clearing import clean
from runbook.rehearsal.onsandbox import OnSandbox
from runbook.rehearsal.place import Place

IDENTITY = "20260321-100000-abcdef"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """On a machine without a container engine."""
    monkeypatch.setattr(clearing, "PROVIDERS", {"sandbox": OnSandbox})
    return Home(tmp_path, "sqlite://")


def test_a_clean_while_one_begins(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks when the directory is there already and the lock is not had yet: that one is not taken away."""
    said: list[str] = []
    cleaner = Thread(target=clean, args=(home, said.append))
    really = detached.Place.take

    def take(self: detached.Place) -> bool:
        cleaner.start()
        cleaner.join(0.5)  # it may look now, or wait until there is something to see
        return really(self)

    monkeypatch.setattr(detached.Place, "take", take)
    place = Place.new(home, IDENTITY, "sandbox")
    cleaner.join()
    assert said == []
    assert place.on == "sandbox"
    assert Place(place.directory).is_in_use


def test_a_lock_that_cannot_be_had(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that knows none the next rehearsal would take this one away: said, and nothing is left."""
    monkeypatch.setattr(detached, "_lock", lambda _: False)
    with pytest.raises(Refused, match=f"the lock of the rehearsal cannot be had: .*{IDENTITY}"):
        Place.new(home, IDENTITY, "sandbox")
    assert list((home.directory / "rehearsals").iterdir()) == []


def test_one_whose_process_is_gone(home: Home) -> None:
    """It is taken away, once."""
    place = Place.new(home, IDENTITY, "sandbox")
    place._lock.free()
    said: list[str] = []
    assert [clean(home, said.append), clean(home, said.append)] == [1, 0]
    assert said == [f"rehearsal {IDENTITY} is gone"]
    assert list((home.directory / "rehearsals").iterdir()) == []
