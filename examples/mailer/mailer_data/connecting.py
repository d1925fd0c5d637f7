"""How the demo reaches its servers: an ODBC driver, a connection string, a connection.

Nothing here is specific to the demo's company; an application of your own has something like it already.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyodbc

pyodbc.pooling = False  # sessions have to end when they are closed, or the databases never get quiet


class NoDriverError(Exception):
    """No ODBC driver for SQL Server on this machine."""


@cache
def driver() -> str:
    """Name or path of an ODBC driver: an installed one, else the one in the wheel ``mssql-python-odbc``."""
    installed = [name for name in pyodbc.drivers() if name.startswith("ODBC Driver 1") and name.endswith("SQL Server")]
    if installed:
        return str(max(installed))
    spec = importlib.util.find_spec("mssql_python_odbc")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        found = sorted(Path(root).glob("libs/linux/debian_ubuntu/x86_64/lib/libmsodbcsql-18*.so*"))
        if found:
            return str(found[-1])
    raise NoDriverError(
        "no ODBC driver for SQL Server found\nHINT: pip install mssql-python-odbc, or install msodbcsql18"
    )


@dataclass(frozen=True)
class Server:
    """Where a server listens and who calls."""

    host: str
    port: int
    user: str
    password: str

    @classmethod
    def from_json(cls, path: Path) -> Server:
        """From the ``server.json`` a simulated server writes when it is ready."""
        facts = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(facts.get("host", "127.0.0.1"), int(facts["port"]), facts["user"], facts["password"])

    def dsn(self, database: str, application: str) -> str:
        """An ODBC connection string, every value quoted."""
        parts = {
            "DRIVER": driver(),
            "SERVER": f"{self.host},{self.port}",
            "UID": self.user,
            "PWD": self.password,
            "DATABASE": database,
            "APP": application,
            "Encrypt": "optional",
            "TrustServerCertificate": "yes",
        }
        return ";".join(f"{key}={{{value.replace('}', '}}')}}}" for key, value in parts.items())

    def connect(self, database: str = "master", application: str = "mailer", *, timeout: int = 5) -> pyodbc.Connection:
        """A session in autocommit; ``timeout`` is for the login, in seconds. Raises ``pyodbc.Error``."""
        return pyodbc.connect(self.dsn(database, application), autocommit=True, timeout=timeout)
