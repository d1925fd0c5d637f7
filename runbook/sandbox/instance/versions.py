"""The versions and editions of SQL Server that the sandbox can be."""

from __future__ import annotations

from dataclasses import dataclass

LOWEST_COMPATIBILITY = 100


@dataclass(frozen=True)
class Version:
    """One release at one cumulative update; ``internal`` is the version number inside a database file."""

    year: int
    major: int
    build: int
    revision: int
    internal: int
    compatibility: int
    update: str
    article: str
    built: str

    @property
    def product(self) -> str:
        """``major.minor.build.revision`` as SERVERPROPERTY('ProductVersion') gives it."""
        return f"{self.major}.0.{self.build}.{self.revision}"

    @property
    def levels(self) -> list[int]:
        """The compatibility levels this release accepts, lowest first."""
        return list(range(LOWEST_COMPATIBILITY, self.compatibility + 1, 10))

    def banner(self, edition: str) -> str:
        """The text of @@VERSION."""
        return (
            f"Microsoft SQL Server {self.year} (RTM-{self.update}) ({self.article}) - {self.product} (X64) \n"
            f"\t{self.built} \n\tCopyright (C) {self.built.split()[2]} Microsoft Corporation\n"
            f"\t{edition} on Linux (Sandbox) <X64>"
        )


VERSIONS: dict[str, Version] = {
    "2017": Version(2017, 14, 3456, 2, 869, 140, "CU31", "KB5016884", "Sep  2 2022 11:01:50"),
    "2019": Version(2019, 15, 4430, 1, 904, 150, "CU32", "KB5054833", "Feb 21 2025 17:28:58"),
    "2022": Version(2022, 16, 4265, 3, 957, 160, "CU26", "KB5093425", "Jul  8 2026 10:12:44"),
    "2025": Version(2025, 17, 4065, 4, 998, 170, "CU7", "KB5091234", "Jul 15 2026 09:30:12"),
}

EDITIONS: dict[str, tuple[str, int, int]] = {
    # name: (Edition, EngineEdition, EditionID)
    "Developer": ("Developer Edition (64-bit)", 3, -2117995310),
    "Enterprise": ("Enterprise Edition (64-bit)", 3, 1804890536),
    "Standard": ("Standard Edition (64-bit)", 2, -1534726760),
    "Express": ("Express Edition (64-bit)", 4, -1592396055),
}


def by_internal(internal: int) -> Version | None:
    """The release that writes files of this internal version."""
    return next((v for v in VERSIONS.values() if v.internal == internal), None)
