"""Find an ODBC driver for SQL Server; pyodbc is loaded here and nowhere else, when it is first needed.

Order: ``ODBC Driver 18 for SQL Server`` where it is installed, else the library of that driver that the package
``mssql-python-odbc`` carries, else Driver 17, else FreeTDS. ``RUNBOOK_ODBC_DRIVER`` (a name or a path) overrides it.
"""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from runbook.errors import NotSupported

OVERRIDE = "RUNBOOK_ODBC_DRIVER"
INSTALLED = "ODBC Driver 18 for SQL Server"
OLDER = "ODBC Driver 17 for SQL Server"
FREETDS = "FreeTDS"
WHEEL = "mssql_python_odbc"


@dataclass(frozen=True)
class Driver:
    """A driver by its registered name or by the path of its library."""

    name: str

    @property
    def is_freetds(self) -> bool:
        """FreeTDS takes other keywords and cannot cancel from another thread."""
        return "freetds" in self.name.lower() or "tdsodbc" in self.name.lower()


@cache
def odbc() -> ModuleType:
    """Load pyodbc. Raises NotSupported where unixODBC, which it needs, is missing."""
    try:
        import pyodbc  # noqa: PLC0415 - the commands that need no server must not pay for it
    except ImportError as e:
        raise NotSupported(
            f"the ODBC driver manager cannot be loaded: {e}",
            hint="Install unixODBC: `apt-get install unixodbc` on Debian and Ubuntu, `dnf install unixODBC` on RHEL.",
        ) from None
    pyodbc.pooling = False  # a pooled connection stays in its database after it was closed
    module: ModuleType = pyodbc
    return module


@cache
def find_driver() -> Driver:
    """Return the driver to use. Raises NotSupported when there is none."""
    return choose(odbc().drivers(), bundled(), os.environ.get(OVERRIDE, ""))


def choose(registered: Sequence[str], in_wheel: Path | None, override: str = "") -> Driver:
    """Decide between what is there."""
    if override:
        return Driver(override)
    if INSTALLED in registered:
        return Driver(INSTALLED)
    if in_wheel is not None:
        return Driver(str(in_wheel))
    for name in (OLDER, FREETDS):
        if name in registered:
            return Driver(name)
    raise NotSupported(
        "no ODBC driver for SQL Server was found",
        hint=f"Install Microsoft's {INSTALLED}, or the Python package mssql-python-odbc next to this program.",
    )


def bundled() -> Path | None:
    """The driver's library in the wheel for this system, if it is installed and can be loaded by path."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None or platform.system() == "Windows":
        return None  # on Windows a driver must be registered
    libraries = Path(spec.origin).parent / "libs"
    return next(_candidates(libraries), None)


def _candidates(libraries: Path) -> Iterator[Path]:
    found = sorted(libraries.rglob("libmsodbcsql*18*"), key=lambda path: (not _fits_distribution(path), str(path)))
    return (path for path in found if _fits_machine(path) and path.suffix not in (".rll", ".txt"))


def _fits_machine(path: Path) -> bool:
    machine = platform.machine().lower()
    wanted = {"x86_64", "amd64"} if machine in ("x86_64", "amd64") else {"arm64", "aarch64"}
    return bool(wanted.intersection(path.parts)) and (path.suffix == ".dylib") == (platform.system() == "Darwin")


def _fits_distribution(path: Path) -> bool:
    wanted = "debian_ubuntu" if Path("/etc/debian_version").exists() else "rhel"
    return wanted in path.parts
