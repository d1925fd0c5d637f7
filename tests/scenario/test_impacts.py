"""What each service's users meet during a night, seen from outside: proven before, during, right before the gate opens,
and after."""

from __future__ import annotations

from pathlib import Path

from runbook.states import RunState
from runbook.testing.world import Effect
from tests.scenario.night import Night

URL = "http://127.0.0.1:8090"
IMPACTS = f"""impacts:
  - name: images in sent mails
    impact: unaffected
    probes: [{{url: "{URL}/images/a.gif", during: {{status: 200}}, after: {{status: 200}}}}]
"""


def night_with_images(directory: Path) -> Night:
    """The images are served whatever the gate does."""
    night = Night(directory, more=IMPACTS)
    night.world.site.overrides[f"{URL}/images/a.gif"] = (200, "GIF")
    return night


def test_the_unaffected_stays_unaffected(tmp_path: Path) -> None:
    """Looked at while the gate is closed, before it opens, and after."""
    night = night_with_images(tmp_path)
    assert night.drive() is RunState.UPGRADED
    assert night.state("probe-impacts") == "passed"
    night.assert_new()


def test_a_service_that_was_to_stay_and_did_not_stops_the_night_at_once(tmp_path: Path) -> None:
    """The gate turns away more than the plan says: the earlier setup is back before anybody has to ask."""
    night = night_with_images(tmp_path)

    def closing(effect: Effect) -> bool:
        if "gate: close" in effect.name:
            night.world.site.overrides.pop(f"{URL}/images/a.gif", None)
        if "gate: open" in effect.name:
            night.world.site.overrides[f"{URL}/images/a.gif"] = (200, "GIF")
        return False

    night.world.pull_plug_when(closing)
    assert night.drive() is RunState.REVERTED
    assert "images in sent mails (unaffected)" in night.view.steps["probe-closed"].why
    night.assert_old()


def test_a_service_that_goes_down_in_the_window_is_seen_before_the_pivot(tmp_path: Path) -> None:
    """Broken by what was upgraded: users are not let in to a system of which a part is missing."""
    night = night_with_images(tmp_path)

    def checked(effect: Effect) -> bool:
        if "check_database" in effect.name:
            night.world.site.overrides[f"{URL}/images/a.gif"] = (500, "gone")
        if "gate: open" in effect.name:
            night.world.site.overrides[f"{URL}/images/a.gif"] = (200, "GIF")
        return False

    night.world.pull_plug_when(checked)
    assert night.drive() is RunState.REVERTED
    assert "images in sent mails (unaffected)" in night.view.steps["probe-impacts"].why
    night.assert_old()


def test_a_service_that_is_down_before_refuses_the_night(tmp_path: Path) -> None:
    """Nothing is begun on a system that is not as the plan says."""
    night = night_with_images(tmp_path)
    night.world.site.overrides[f"{URL}/images/a.gif"] = (404, "")
    assert night.drive() is RunState.REFUSED
    night.assert_old()
