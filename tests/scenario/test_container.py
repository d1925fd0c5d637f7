"""Upgrades of containers, whole nights on fakes: a machine with a container engine, one container is the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.states import RunState
from runbook.testing.containerhost import NEW, OLD, ContainerHost
from tests.scenario.night import Night

WINDOW = 4 * 3600.0
BAD_HEALTH = ("http://127.0.0.1:8090/health?bypass=1", (500, "no"))


class InContainer(Night):
    """Such a night; what must hold of the containers is asserted with what must hold of the data."""

    def __init__(self, directory: Path, **plan: object) -> None:
        super().__init__(directory, "container", window=WINDOW, **plan)
        assert self.container_host
        self.host: ContainerHost = self.container_host

    def assert_old(self) -> None:
        super().assert_old()
        self._assert_boxes({OLD: ("running", "unless-stopped")}, {f"{OLD}-data"})

    def assert_new(self) -> None:
        super().assert_new()
        boxes = {OLD: ("exited", "no"), NEW: ("running", "unless-stopped")}
        self._assert_boxes(boxes, {f"{OLD}-data", f"{NEW}-data"})
        for database in self.world.servers["old"].databases.values():
            assert database.internal_version == 957
        for database in self.host.files[f"{OLD}-data"]["databases"].values():
            assert database.internal_version == 904, "the way back was converted"

    def _assert_boxes(self, boxes: dict[str, tuple[str, str]], volumes: set[str]) -> None:
        assert {one.name: (one.status, one.restart) for one in self.host.boxes.values()} == boxes
        assert set(self.host.volumes) == volumes
        assert not self.host.wrote_foreign, "an engine ran while its volume was copied, or two did at once"


@pytest.fixture
def night(tmp_path: Path) -> InContainer:
    return InContainer(tmp_path)


def test_there(night: InContainer) -> None:
    """From 2019 to 2022: every database is converted, the data is what it was; the old container and its volume are
    there, untouched, and nothing starts them."""
    assert night.drive() is RunState.UPGRADED
    night.assert_new()


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda host: setattr(host, "copy_fails", True), "the copy of sql01-data on db failed (exit 1)"),
        (lambda host: setattr(host, "script_fails", True), "does not come up: "),
    ],
)
def test_what_goes_wrong_on_the_machine(night: InContainer, trouble: Callable[[ContainerHost], None], why: str) -> None:
    """It is named, and the old image on the old volume is back; of the new one nothing is left."""
    trouble(night.host)
    assert night.drive() is RunState.REVERTED
    night.assert_old()
    assert why in night.view.turned_back


def test_back_when_the_application_does_not_answer(night: InContainer) -> None:
    """What the new engine has converted is given up; the old volume is as it was when the old engine had stopped."""
    night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
    assert night.drive() is RunState.REVERTED
    night.assert_old()


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda host: host.images.pop("mssql:2022"), "does not have the image mssql:2022"),
        (lambda host: host.volumes.update({f"{NEW}-data": {}}), f"there is a volume {NEW}-data"),
        (lambda host: setattr(host.boxes[OLD], "host_name", "other"), "is the machine other"),
        (lambda host: host.boxes[OLD].volumes.update({"/var/opt/mssql": "x"}), "has x at /var/opt/mssql"),
        (
            lambda host: host.boxes[OLD].volumes.update({"/var/opt/mssql/data": "x"}),
            "of their own at /var/opt/mssql/data",
        ),
        (lambda host: setattr(host.boxes[OLD], "vanishes", True), "is removed as soon as it stops"),
    ],
)
def test_refused_before_anything_is_touched(
    night: InContainer, trouble: Callable[[ContainerHost], object], why: str
) -> None:
    """What would fail in the night is said before it."""
    trouble(night.host)
    assert night.drive() is RunState.REFUSED
    assert why in night.view.steps["check-container"].why
    assert not [text for text in night.world.trace if "docker" in text]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda host: host.volumes.update({f"{NEW}-data": {}}), f"{NEW}-data is not this run's on db"),
        (lambda host: host.boxes[NEW].volumes.update({"/var/opt/mssql/data": f"{OLD}-data"}), "would not run on"),
    ],
)
def test_what_somebody_puts_in_its_place_is_left_alone(
    night: InContainer, trouble: Callable[[ContainerHost], object], why: str
) -> None:
    """A volume that is not the run's is not emptied, and no new engine gets the old files to convert: it goes back."""
    acts = [lambda: trouble(night.host)]

    def look(_effect: object) -> bool:
        if night.host.boxes[OLD].status == "exited" and acts:
            acts.pop()()
        return False

    night.world.pull_plug_when(look)
    assert night.drive() is RunState.REVERTED
    assert not acts
    assert why in night.view.turned_back
    assert night.host.boxes[OLD].status == "running"
    assert f"{OLD}-data" in night.host.volumes
    assert not night.host.wrote_foreign


def test_a_reboot_while_it_copies(night: InContainer) -> None:
    """The copy is gone with the machine, and the old container is not started by the boot: it goes back, or on."""
    acts = [lambda: night.world.later(5, night.host.reboot)]

    def look(_effect: object) -> bool:
        if any(not box.year for box in night.host.boxes.values()) and acts:
            acts.pop()()
        return False

    night.world.pull_plug_when(look)
    night.assert_ending(night.drive())
    assert not acts
