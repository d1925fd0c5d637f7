"""``app.ini`` and ``database.ini``, as they stand at this moment."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

from mailer_data.connecting import Server


class ConfigError(Exception):
    """A file is missing or says something that makes no sense."""


@dataclass(frozen=True)
class AppConfig:
    """What the application needs to know for one request."""

    maintenance_file: Path
    bypass_token: str
    retry_after: int
    active: str
    server: Server

    @classmethod
    def read(cls, directory: Path) -> AppConfig:
        """Read both files. Raises :class:`ConfigError`."""
        app = _parse(directory / "app.ini")
        database = _parse(directory / "database.ini")
        try:
            active = database.get("mailer", "active")
            return cls(
                maintenance_file=directory / app.get("app", "maintenance_file"),
                bypass_token=app.get("app", "bypass_token", fallback=""),
                retry_after=app.getint("app", "retry_after", fallback=1800),
                active=active,
                server=Server(
                    database.get(active, "host"),
                    database.getint(active, "port"),
                    database.get(active, "user"),
                    database.get(active, "password"),
                ),
            )
        except (configparser.Error, ValueError) as error:
            raise ConfigError(str(error)) from error

    def notice(self) -> str | None:
        """The text of the maintenance file, or None when there is none."""
        try:
            return self.maintenance_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"cannot read {self.maintenance_file.name}: {error.strerror}") from error


def _parse(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path.name}: {error.strerror}") from error
    except configparser.Error as error:
        raise ConfigError(f"{path.name}: {error.message}") from error
    return parser
