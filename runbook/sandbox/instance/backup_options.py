"""The WITH clauses of BACKUP and RESTORE, and the devices they name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.sandbox.errors import error, unsupported
from runbook.sandbox.instance.parse import Reader

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

FLAGS = {
    "COPY_ONLY",
    "DIFFERENTIAL",
    "CHECKSUM",
    "NO_CHECKSUM",
    "STOP_ON_ERROR",
    "CONTINUE_AFTER_ERROR",
    "COMPRESSION",
    "NO_COMPRESSION",
    "INIT",
    "NOINIT",
    "FORMAT",
    "NOFORMAT",
    "SKIP",
    "NOSKIP",
    "REWIND",
    "NOREWIND",
    "UNLOAD",
    "NOUNLOAD",
    "NORECOVERY",
    "NO_TRUNCATE",
    "RECOVERY",
    "REPLACE",
    "RESTART",
    "RESTRICTED_USER",
    "KEEP_REPLICATION",
    "KEEP_CDC",
    "ENABLE_BROKER",
    "NEW_BROKER",
    "ERROR_BROKER_CONVERSATIONS",
    "LOADHISTORY",
    "PARTIAL",
    "METADATA_ONLY",
}
VALUES = {
    "NAME",
    "DESCRIPTION",
    "MEDIANAME",
    "MEDIADESCRIPTION",
    "MAXTRANSFERSIZE",
    "BUFFERCOUNT",
    "BLOCKSIZE",
    "EXPIREDATE",
    "RETAINDAYS",
    "STANDBY",
    "FILE",
    "STOPAT",
}
UNSUPPORTED_OPTIONS = {"STANDBY", "STOPAT", "PARTIAL", "METADATA_ONLY", "KEEP_REPLICATION", "KEEP_CDC"}
CONFLICTS = (
    ("CHECKSUM", "NO_CHECKSUM"),
    ("INIT", "NOINIT"),
    ("FORMAT", "NOFORMAT"),
    ("COMPRESSION", "NO_COMPRESSION"),
    ("RECOVERY", "NORECOVERY"),
    ("NEW_BROKER", "ENABLE_BROKER"),
)
DEFAULT_STATS = 10


@dataclass
class Options:
    """What WITH says. ``stats`` is the step of progress messages in percent, 0 for none."""

    flags: set[str] = field(default_factory=set)
    values: dict[str, Any] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)
    stats: int = 0

    def __contains__(self, flag: str) -> bool:
        return flag in self.flags

    def text(self, name: str) -> str | None:
        """The text of an option, or None when it was not given."""
        value = self.values.get(name)
        return None if value is None else str(value)


def devices(instance: SandboxInstance, reader: Reader) -> list[str]:
    """DISK = '...' [, DISK = '...']; relative paths lie in the default backup directory."""
    found: list[str] = []
    while True:
        if reader.one_of("TAPE", "URL", "VIRTUAL_DEVICE") is not None:
            raise unsupported("a backup device other than DISK")
        if not reader.accept("DISK"):
            raise error(3206, reader.name())
        reader.expect_symbol("=")
        path = Path(reader.string())
        found.append(str(path if path.is_absolute() else instance.backup_directory / path))
        if not reader.symbol(","):
            break
    if len(found) > 64:
        raise error(3205)
    if len(found) > 1:
        raise unsupported("a backup striped over several devices")
    return found


def parse(reader: Reader) -> Options:
    """The WITH clause up to the end of the statement."""
    options = Options()
    if reader.accept("WITH"):
        while True:
            _one(reader, options)
            if not reader.symbol(","):
                break
    reader.end()
    for name in sorted(UNSUPPORTED_OPTIONS & (options.flags | set(options.values))):
        raise unsupported(f"the option {name} of BACKUP and RESTORE")
    for one, other in CONFLICTS:
        if one in options and other in options:
            raise error(3031, one, other)
    return options


def _one(reader: Reader, options: Options) -> None:
    word = reader.word()
    if word == "STATS":
        options.stats = min(100, max(1, reader.integer())) if reader.symbol("=") else DEFAULT_STATS
    elif word == "MOVE":
        name = reader.string()
        reader.expect("TO")
        options.moves[name.lower()] = reader.string()
        options.values.setdefault("MOVES", []).append(name)
    elif word in VALUES:
        reader.expect_symbol("=")
        options.values[word] = reader.value()
    elif word in FLAGS:
        options.flags.add(word)
        token = reader.peek()
        if word == "COMPRESSION" and token is not None and token.value == "(":
            reader.skip_parentheses()
    elif word in ("ENCRYPTION", "PASSWORD", "MEDIAPASSWORD", "CREDENTIAL", "STOPATMARK", "STOPBEFOREMARK"):
        raise unsupported(f"the option {word} of BACKUP and RESTORE")
    else:
        raise error(155, word, "BACKUP or RESTORE")
