"""sys.configurations and sp_configure."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.sandbox.errors import error
from runbook.sandbox.instance.store import Store


@dataclass(frozen=True)
class Setting:
    """A server option: its id, range and default; ``dynamic`` ones take effect with RECONFIGURE."""

    number: int
    name: str
    low: int
    high: int
    default: int
    description: str
    dynamic: bool = True
    advanced: bool = True


BIG = 2_147_483_647
SETTINGS = (
    Setting(101, "recovery interval (min)", 0, 32767, 0, "Maximum recovery interval in minutes"),
    Setting(102, "allow updates", 0, 1, 0, "Allow updates to system tables", advanced=False),
    Setting(103, "user connections", 0, 32767, 0, "Number of user connections allowed", dynamic=False),
    Setting(106, "locks", 5000, BIG, 0, "Number of locks for all users", dynamic=False),
    Setting(109, "fill factor (%)", 0, 100, 0, "Default fill factor percentage", dynamic=False),
    Setting(114, "disallow results from triggers", 0, 1, 0, "Disallow returning results from triggers"),
    Setting(115, "nested triggers", 0, 1, 1, "Allow triggers to be invoked within triggers", advanced=False),
    Setting(117, "remote access", 0, 1, 1, "Allow remote access", dynamic=False, advanced=False),
    Setting(124, "default language", 0, 9999, 0, "default language", advanced=False),
    Setting(400, "cross db ownership chaining", 0, 1, 0, "Allow cross db ownership chaining", advanced=False),
    Setting(503, "max worker threads", 128, 65535, 0, "Maximum worker threads"),
    Setting(505, "network packet size (B)", 512, 32767, 4096, "Network packet size"),
    Setting(518, "show advanced options", 0, 1, 0, "show advanced options", advanced=False),
    Setting(1505, "remote proc trans", 0, 1, 0, "Create DTC transaction for remote procedures", advanced=False),
    Setting(1517, "priority boost", 0, 1, 0, "Priority boost", dynamic=False),
    Setting(1519, "remote login timeout (s)", 0, BIG, 10, "remote login timeout", advanced=False),
    Setting(1520, "remote query timeout (s)", 0, BIG, 600, "remote query timeout", advanced=False),
    Setting(1531, "cursor threshold", -1, BIG, -1, "cursor threshold"),
    Setting(1534, "user options", 0, 32767, 0, "user options", advanced=False),
    Setting(1538, "cost threshold for parallelism", 0, 32767, 5, "cost threshold for parallelism"),
    Setting(1539, "max degree of parallelism", 0, 32767, 0, "maximum degree of parallelism"),
    Setting(1540, "min memory per query (KB)", 512, BIG, 1024, "minimum memory per query (kBytes)"),
    Setting(1543, "min server memory (MB)", 0, BIG, 0, "Minimum size of server memory (MB)"),
    Setting(1544, "max server memory (MB)", 128, BIG, BIG, "Maximum size of server memory (MB)"),
    Setting(1547, "scan for startup procs", 0, 1, 0, "scan for startup stored procedures", dynamic=False),
    Setting(1562, "clr enabled", 0, 1, 0, "CLR user code execution enabled in the server", advanced=False),
    Setting(1568, "default trace enabled", 0, 1, 1, "Enable or disable the default trace"),
    Setting(1569, "blocked process threshold (s)", 0, 86400, 0, "Blocked process reporting threshold"),
    Setting(
        1576,
        "remote admin connections",
        0,
        1,
        0,
        "Dedicated Admin Connections are allowed from remote clients",
        advanced=False,
    ),
    Setting(1579, "backup compression default", 0, 1, 0, "Enable compression of backups by default", advanced=False),
    Setting(1580, "filestream access level", 0, 2, 0, "Sets the FILESTREAM access level", advanced=False),
    Setting(
        1581,
        "optimize for ad hoc workloads",
        0,
        1,
        0,
        "When this option is set, plan cache size is further reduced for single-use adhoc OLTP workload.",
    ),
    Setting(1584, "backup checksum default", 0, 1, 0, "Enable checksum of backups by default", advanced=False),
    Setting(16384, "Agent XPs", 0, 1, 1, "Enable or disable Agent XPs"),
    Setting(16386, "Database Mail XPs", 0, 1, 0, "Enable or disable Database Mail XPs"),
    Setting(16388, "Ole Automation Procedures", 0, 1, 0, "Enable or disable Ole Automation Procedures"),
    Setting(16390, "xp_cmdshell", 0, 1, 0, "Enable or disable command shell"),
    Setting(16391, "Ad Hoc Distributed Queries", 0, 1, 0, "Enable or disable Ad Hoc Distributed Queries"),
    Setting(
        16393,
        "contained database authentication",
        0,
        1,
        0,
        "Enables contained databases and contained authentication",
        advanced=False,
    ),
)


class Configuration:
    """The server options. A configured value takes effect with RECONFIGURE, some only at the next start."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._in_use = {s.name: self.configured(s.name) for s in SETTINGS}

    def configured(self, name: str) -> int:
        """The value that was set."""
        found = self._store.get("configuration", name)
        return next(s.default for s in SETTINGS if s.name == name) if found is None else int(found)

    def in_use(self, name: str) -> int:
        """The value the server runs with."""
        return self._in_use[name]

    def find(self, text: str) -> Setting:
        """The option with that name or unique beginning. Raises 15123."""
        exact = [s for s in SETTINGS if s.name.lower() == text.lower()]
        found = exact or [s for s in SETTINGS if s.name.lower().startswith(text.lower())]
        if len(found) != 1 or (found[0].advanced and not self.in_use("show advanced options")):
            raise error(15123, text)
        return found[0]

    def set(self, setting: Setting, value: int) -> int:
        """Configure a value and return the former one. Raises 15129."""
        if not setting.low <= value <= setting.high:
            raise error(15129, value, setting.name)
        former = self.configured(setting.name)
        self._store.put("configuration", setting.name, value)
        return former

    def reconfigure(self) -> None:
        """Let dynamic options take effect."""
        for setting in SETTINGS:
            if setting.dynamic:
                self._in_use[setting.name] = self.configured(setting.name)
