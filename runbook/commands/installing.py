"""``runbook guard --install``: the watch as a service of the machine, so that a reboot does not end it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from runbook.adapters import files
from runbook.adapters.clock import SystemClock
from runbook.commands.guarding import refuse_environment
from runbook.commands.runs import plan_of
from runbook.commands.status import status
from runbook.errors import UsageError
from runbook.home import Home

SYSTEM = Path("/etc/systemd/system")
SECRET = 0o600

_SERVICE = """\
[Unit]
Description=runbook guard of run {run}
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
EnvironmentFile={environment}
ExecStart={command}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2 10 20 30
KillMode=process
"""

_TIMER = """\
[Unit]
Description=runbook guard of run {run}, again after a reboot

[Timer]
OnBootSec=10
OnUnitInactiveSec=60
AccuracySec=1

[Install]
WantedBy=timers.target
"""


def install(home: Home, run: str | None, plan_file: Path | None, directory: Path | None) -> list[str]:
    """Write a systemd service and timer for a run and enable the timer; returns what to tell, line by line.

    As root they go to the system, else to the user's own manager (which needs ``loginctl enable-linger`` to outlive the
    session). ``directory``: write them there and enable nothing. Refused for a plan whose secrets are in this
    environment: a service does not see it. On Windows only the command that makes the same is told.
    """
    view = status(home, run, SystemClock().now()).view
    if view.ending:
        raise UsageError(f"run {view.run_id} has ended: {view.ending}", hint="There is nothing left to watch.")
    plan = plan_of(view, plan_file)
    refuse_environment(plan)
    command = [sys.executable, "-m", "runbook", "guard", view.run_id, "--plan", str(plan.path)]
    windows = [f"on Windows: {_scheduled_task(home, view.run_id, command)}"]
    if sys.platform == "win32":
        return windows
    units = directory or (SYSTEM if os.geteuid() == 0 else _of_user())
    units.mkdir(parents=True, exist_ok=True)
    name = f"runbook-guard-{view.run_id}"
    environment = units / f"{name}.env"
    files.write(environment, _environment(home).encode(), mode=SECRET)
    command_line = " ".join(map(_word, command))
    filled = {"run": view.run_id, "environment": str(environment).replace("%", "%%"), "command": command_line}
    files.write(units / f"{name}.service", _SERVICE.format(**filled).encode())
    files.write(units / f"{name}.timer", _TIMER.format(**filled).encode())
    told = [f"wrote {name}.service, .timer and .env to {units}"]
    told += ["enable it with: systemctl enable --now " + f"{name}.timer"] if directory else _enable(name)
    remove = f"systemctl {_scope()}disable --now {name}.timer; rm {units / name}.*"
    return [*told, f"when the run has ended: {remove}", *windows]


def _environment(home: Home) -> str:
    """Read by systemd alone: a journal's URL may hold a password, and that must not be in a unit everybody can read."""
    return f"RUNBOOK_HOME={_value(home.directory)}\nRUNBOOK_JOURNAL={_value(home.journal_url)}\n"


def _word(text: str) -> str:
    """A word of ExecStart: quoted, nothing in it is a specifier or a variable (systemd.service(5), COMMAND LINES)."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{quoted}"'


def _value(text: object) -> str:
    """A value of an EnvironmentFile: quoted, with a backslash before what means something there (systemd.exec(5))."""
    return '"' + re.sub(r'(["\\`$])', r"\\\1", str(text)) + '"'


def _of_user() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _scope() -> str:
    return "" if sys.platform == "win32" or os.geteuid() == 0 else "--user "


def _enable(name: str) -> list[str]:
    systemctl = shutil.which("systemctl")
    if systemctl is None or not Path("/run/systemd/system").is_dir():
        return [f"systemd does not run here: nothing is enabled; where it does: systemctl enable --now {name}.timer"]
    scope = _scope().split()
    for verb in (["daemon-reload"], ["enable", "--now", f"{name}.timer"]):
        done = subprocess.run([systemctl, *scope, *verb], capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            return [f"systemctl {' '.join([*scope, *verb])} failed: {done.stderr.strip() or done.returncode}"]
    return [f"enabled {name}.timer"]


def _scheduled_task(home: Home, run_id: str, command: list[str]) -> str:
    """The journal's URL is given by RUNBOOK_JOURNAL of that account, not here: a task's command is for all to read."""
    line = subprocess.list2cmdline(command).replace('"', '\\"')
    return (
        f'schtasks /Create /TN "runbook guard {run_id}" /SC ONSTART /RU SYSTEM /RL HIGHEST /TR '
        f'"cmd /c set RUNBOOK_HOME={home.directory}&& {line}"'
    )
