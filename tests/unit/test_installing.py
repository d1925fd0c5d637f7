"""``runbook guard --install``: units that systemd itself finds nothing wrong with."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from runbook.commands.installing import install
from runbook.errors import Refused
from runbook.home import Home
from runbook.journal.store import open_store
from tests.scenario.night import Night

AWKWARD = 'fifty %c "off" $HOME \\'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A run under way, with its plan where no name is simple."""
    directory = tmp_path / AWKWARD
    directory.mkdir()
    night = Night(directory)
    made = Home(directory, f"sqlite:///{directory / 'journal.db'}")
    night.store = open_store(made.journal_url)  # type: ignore[assignment]
    night.open()
    return made


def _units(directory: Path) -> dict[str, Path]:
    return {path.suffix: path for path in directory.iterdir()}


def test_systemd_finds_nothing_wrong(home: Home, tmp_path: Path) -> None:
    """``systemd-analyze verify`` is silent about service and timer."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here (Debian package systemd): nobody reads the units")
    install(home, None, None, tmp_path / "units")
    units = _units(tmp_path / "units")
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(units[".service"]), str(units[".timer"])],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_names_are_taken_as_they_are(home: Home, tmp_path: Path) -> None:
    """No specifier, variable or quote of a path means anything to systemd, in the command and in the environment."""
    install(home, None, None, tmp_path / "units")
    units = _units(tmp_path / "units")
    service = units[".service"].read_text(encoding="utf-8")
    assert 'fifty %%c \\"off\\" $$HOME \\\\/' in service
    assert f'RUNBOOK_HOME="{home.directory.parent}/fifty %c \\"off\\" \\$HOME \\\\"\n' in units[".env"].read_text(
        encoding="utf-8"
    )
    assert stat.S_IMODE(units[".env"].stat().st_mode) == 0o600, "a journal's URL may hold a password"


def test_a_plan_whose_secrets_are_in_this_environment_is_refused(home: Home, tmp_path: Path) -> None:
    """A service would not find them."""
    plan = next(home.directory.glob("*.yaml"))
    text = plan.read_text(encoding="utf-8")
    secret = text.replace(
        "backup_directory: /backup", "user: sa\n    password: env:SECRET\n    backup_directory: /backup"
    )
    assert secret != text
    secret = secret.replace("sandbox://OLDSQL?version=2019", "mssql://127.0.0.1")
    plan.write_text(secret, encoding="utf-8")
    with pytest.raises(Refused, match="env:SECRET"):
        install(home, None, None, tmp_path / "units")
    assert not (tmp_path / "units").exists()
