"""Where state lives: journal, sandbox servers and logs, all in one directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """``RUNBOOK_HOME`` and the journal's URL."""

    directory: Path
    journal_url: str

    @classmethod
    def find(cls, journal: str | None = None) -> Home:
        """From the environment: RUNBOOK_HOME (default: the platform's user state directory), RUNBOOK_JOURNAL."""
        configured = os.environ.get("RUNBOOK_HOME")
        if configured:
            directory = Path(configured).expanduser().absolute()
        else:
            from platformdirs import user_state_path  # noqa: PLC0415  (import cost only where it is needed)

            directory = user_state_path("runbook")
        url = journal or os.environ.get("RUNBOOK_JOURNAL") or f"sqlite:///{directory / 'journal.db'}"
        prefix = "sqlite:///"
        if url.startswith(prefix):  # whoever is started from here may be elsewhere
            url = prefix + str(Path(url.removeprefix(prefix)).absolute())
        return cls(directory, url)

    @property
    def journal_file(self) -> Path | None:
        """The journal's file when it is SQLite, else None."""
        prefix = "sqlite:///"
        return Path(self.journal_url.removeprefix(prefix)) if self.journal_url.startswith(prefix) else None

    @property
    def sandbox(self) -> Path:
        """Directories of the sandbox servers, one each, by instance name."""
        return self.directory / "sandbox"
