"""Script upgrade: what a newer engine does at its first start over the system databases of an older one.

The databases are converted before, when they are recovered. While the scripts run every login is refused with 18401.
A script that fails leaves 912 and 3417 in the error log and ends the server; the next start runs them again. Faults
strike here as in statements: their ``match`` is searched in ``UPGRADE SCRIPT msdb110_upgrade.sql``; ``slow``, ``hang``,
``fail`` and ``kill`` act.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

from runbook.sandbox.contract import INJECTED, SqlError

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

SCRIPTS = ("sqlagent100_msdb_upgrade.sql", "msdb110_upgrade.sql", "SSIS_hotfix_install.sql")
KEY = ("place", "script level")


class ScriptUpgrade:
    """The scripts of one start: ``due`` until they have run, ``running`` from ``begin`` on."""

    def __init__(self, instance: SandboxInstance) -> None:
        self._instance = instance
        self.due = self.running = False

    def look(self, found: int) -> None:
        """Before the databases are converted: ``found`` is master's internal version as it lies on disk."""
        level = self._instance.store.get(*KEY) or found
        self.due = level < self._instance.version.internal
        if level != self._instance.store.get(*KEY):
            self._instance.store.put(*KEY, level)

    def begin(self) -> None:
        """Before the first client is let in."""
        self.running = self.due

    def admit(self, user: str) -> None:
        """Raise 18401 while the scripts run."""
        if self.running:
            text = "Reason: Server is in script upgrade mode. Only administrator can connect at this time."
            self._instance.errorlog.write("Error: 18401, Severity: 14, State: 1.", "Logon")
            self._instance.errorlog.write(f"Login failed for user '{user}'. {text}", "Logon")
            raise SqlError(18401, f"Login failed for user '{user}'. {text}", 14)

    def run(self, stop: threading.Event) -> bool:
        """Run what is due; False: a script failed or the server is to stop, it must end now."""
        if not self.running:
            return True
        if not all(self._script(name, stop) for name in SCRIPTS):
            return False
        self._instance.store.put(*KEY, self._instance.version.internal)
        self.due = self.running = False
        self._log("Recovery is complete. This is an informational message only. No user action is required.")
        return True

    def _script(self, name: str, stop: threading.Event) -> bool:
        target = self._instance.version.major << 24
        self._log(f"Database 'master' is upgrading script '{name}' from level {target - (1 << 24)} to level {target}.")
        for fault in self._instance.faults.hits(f"UPGRADE SCRIPT {name}"):
            if fault.kind == "fail":
                self._fail(name)
                return False
            if fault.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if fault.kind in ("slow", "hang"):
                stop.wait(fault.seconds if fault.kind == "slow" else None)
        return not stop.is_set()

    def _fail(self, name: str) -> None:
        self._log("Error: 912, Severity: 21, State: 2.")
        self._log(
            f"Script level upgrade for database 'master' failed because upgrade step '{name}' encountered error "
            f"{INJECTED}, state 1, severity 16. This is a serious error condition which might interfere with regular "
            "operation and the database will be taken offline. If the error happened during upgrade of the 'master' "
            "database, it will prevent the entire SQL Server instance from starting. Examine the previous errorlog "
            "entries for errors, take the appropriate corrective actions and re-start the database so that the script "
            "upgrade steps run to completion."
        )
        self._log("Error: 3417, Severity: 21, State: 3.")
        self._log(
            "Cannot recover the master database. SQL Server is unable to run. Restore master from a full backup, "
            "repair it, or rebuild it."
        )

    def _log(self, line: str) -> None:
        self._instance.errorlog.write(line, "spid5s")
