"""The directory of a rehearsal: nobody takes away one that begins."""

from __future__ import annotations

import errno
import io
import signal
import subprocess
from pathlib import Path
from threading import Thread

import pytest

from runbook.adapters import detached
from runbook.errors import Refused
from runbook.home import Home
from runbook.rehearsal import clearing, commands, reaper
from runbook.rehearsal import place as place_of_rehearsal
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


def test_a_disk_that_fills_up_at_the_very_beginning(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left that the next rehearsal would stumble over."""

    def full(self: Path, *_: object, **__: object) -> None:
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    with monkeypatch.context() as once:
        once.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            Place.new(home, IDENTITY, "sandbox")
    assert list((home.directory / "rehearsals").iterdir()) == []


@pytest.mark.parametrize("said", ["", "cont", "\udcff"])
def test_one_that_does_not_say_what_it_is_on(home: Home, said: str) -> None:
    """Its disk was full, or it was killed as it wrote that: it is taken away like any other."""
    place = Place.new(home, IDENTITY, "sandbox")
    place.free()
    (place.directory / "on").write_bytes(said.encode("utf-8", "surrogateescape"))
    assert clearing.clear(home, lambda _: None) == 1
    assert list((home.directory / "rehearsals").iterdir()) == []


def test_one_that_cannot_be_taken_away(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is of another account: said, and the next one can begin."""
    place, told = Place.new(home, IDENTITY, "sandbox"), list[str]()
    place.free()

    def closed(self: Place, _provider: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self.directory))

    monkeypatch.setattr(Place, "clean", closed)
    assert clearing.clear(home, told.append) == 0
    assert told == [
        f"what is left of rehearsal {IDENTITY} cannot be taken away now: permission denied: {place.directory}"
    ]


def test_a_home_behind_a_link(home: Home, tmp_path: Path) -> None:
    """What still runs of a rehearsal is found by the directory it was started with, however the home is named."""
    link = tmp_path.with_name(f"{tmp_path.name}-link")
    link.symlink_to(tmp_path)
    place = Place.new(Home(link, "sqlite://"), IDENTITY, "sandbox")
    running = subprocess.Popen(["sleep", "600"], env=commands.environment(place.directory, place.directory))
    try:
        place.free()
        assert clearing.clear(Home(link, "sqlite://"), lambda _: None) == 1
        assert running.wait(10) == -signal.SIGKILL
    finally:
        running.kill()
        running.wait()


def test_names_of_nights_are_short(home: Home) -> None:
    """Each has a directory of its own, however long and odd a database is called; simple names stay as they are."""
    place, long = Place(home.directory / IDENTITY), "SharePoint_AdminContent_1d3b0d1a-0c60-4c0e-9d4b-0a0f5c1f3f7e"
    names = [
        "back",
        "kill:guard-too",
        f"fail:seed-backup[{long}]",
        f"fail:seed-backup[{long}2]",
        "data:" + "\U00020000" * 64,
    ]
    nights = [place.night(name).name for name in names]
    assert nights[:2] == ["back", "kill-guard-too"]
    assert len(set(nights)) == len(names)
    assert max(map(len, nights)) <= 32
    assert nights[2].startswith("fail-seed-backup")


def test_one_whose_process_is_gone(home: Home) -> None:
    """It is taken away, once."""
    place = Place.new(home, IDENTITY, "sandbox")
    place.free()
    said: list[str] = []
    assert [clean(home, said.append), clean(home, said.append)] == [1, 0]
    assert said == [f"rehearsal {IDENTITY} is gone"]
    assert list((home.directory / "rehearsals").iterdir()) == []


def test_evidence_is_nothing_to_clean(home: Home) -> None:
    """Whoever watches a rehearsal that ended as it should, with evidence kept, has nothing to do."""
    place = Place.new(home, IDENTITY, "sandbox")
    with reaper.reaping(place):
        place.keep(place.night("forward"))
        place.clean(OnSandbox())
        (place.directory / "note").write_text("a second clean would take it away", encoding="ascii")
    assert {path.name for path in place.directory.iterdir()} == {"evidence", "note"}


def test_who_is_killed_may_keep_its_lock_for_a_moment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes what a process had from it in no order: the lifeline may end before the lock is free."""
    place, looks = Place.new(home, IDENTITY, "sandbox"), []

    def is_in_use(self: Place) -> bool:
        looks.append(self.directory)
        return len(looks) < 3

    monkeypatch.setattr(Place, "is_in_use", property(is_in_use))
    monkeypatch.setattr(reaper, "AGAIN", 0)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    assert reaper.main(place.directory) == 0
    assert not place.directory.exists()


def test_a_clean_that_was_cut_off_is_gone_on_with(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is left says so until the very last: the next rehearsal takes it away."""
    place = Place.new(home, IDENTITY, "sandbox")
    place.free()
    (place.template / "home").mkdir(parents=True)
    really = place_of_rehearsal.shutil.rmtree

    def killed(path: Path, **how: bool) -> None:
        if not place.directory.is_relative_to(path) and path != place.template:
            return really(path, **how)
        (path / "rehearse.lock").unlink(missing_ok=True)  # what is in a directory goes in any order
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(place_of_rehearsal.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            place.clean(OnSandbox())
    assert clearing.clear(home, lambda _: None) == 1
    assert list((home.directory / "rehearsals").iterdir()) == []
