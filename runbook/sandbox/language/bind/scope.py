"""What names mean: the sources in FROM and their columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language.bind.bound import Bound


@dataclass(slots=True)
class SourceColumn:
    """A column that expressions can name."""

    name: str
    bound: Bound


@dataclass(slots=True)
class Source:
    """A table source. ``alias`` is what qualifies its columns, ``parts`` its full name for longer qualifiers."""

    alias: str
    columns: list[SourceColumn]
    parts: tuple[str, ...] = ()
    sql_alias: str = ""
    relation: Any = None

    def find(self, name: str) -> Bound | None:
        """The column of that name, case-insensitive."""
        folded = name.casefold()
        for column in self.columns:
            if column.name.casefold() == folded:
                return column.bound
        return None

    def answers_to(self, qualifier: tuple[str, ...]) -> bool:
        """Whether ``qualifier`` (without the column) names this source."""
        if len(qualifier) == 1:
            return self.alias.casefold() == qualifier[0].casefold()
        if not self.parts or self.alias.casefold() != self.parts[-1].casefold():
            return False
        wanted = [q.casefold() for q in qualifier]
        mine = [p.casefold() for p in self.parts[-len(wanted) :]]
        return len(mine) == len(wanted) and all(w in (m, "") for w, m in zip(wanted, mine, strict=True))


@dataclass(slots=True)
class Scope:
    """Sources of one query block, inside the scopes of the blocks around it.

    ``groups`` holds the texts of GROUP BY expressions once grouping is on: outside aggregates only those may be used.
    """

    parent: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    groups: set[str] | None = None
    in_aggregate: int = 0
    has_aggregate: bool = False
    has_window: bool = False
    allows_aggregate: bool = True
    clause: str = ""
    correlated: bool = False
    sequences: set[int] = field(default_factory=set)

    def resolve(self, parts: tuple[str, ...]) -> tuple[Bound, Scope]:
        """The column a name means and the scope that has it; errors 207, 209, 4104."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.local(parts)
            if found is not None:
                crossed: Scope | None = self
                while crossed is not scope and crossed is not None:
                    crossed.correlated = True
                    crossed = crossed.parent
                return found, scope
            scope = scope.parent
        if len(parts) == 1:
            raise SqlError(207, f"Invalid column name '{parts[0]}'.")
        if self._knows(parts[:-1]):
            raise SqlError(207, f"Invalid column name '{parts[-1]}'.")
        raise SqlError(4104, f'The multi-part identifier "{".".join(parts)}" could not be bound.')

    def local(self, parts: tuple[str, ...]) -> Bound | None:
        """The column in this block alone; error 209 when two sources have it."""
        qualifier, name = parts[:-1], parts[-1]
        sources = self.sources if not qualifier else [s for s in self.sources if s.answers_to(qualifier)]
        matches = [b for b in (s.find(name) for s in sources) if b is not None]
        if len(matches) > 1:
            raise SqlError(209, f"Ambiguous column name '{name}'.")
        return matches[0] if matches else None

    def _knows(self, qualifier: tuple[str, ...]) -> bool:
        scope: Scope | None = self
        while scope is not None:
            if any(s.answers_to(qualifier) for s in scope.sources):
                return True
            scope = scope.parent
        return False

    def add(self, source: Source) -> None:
        """Add a source; error 1011 or 1013 when the name is taken."""
        folded = source.alias.casefold()
        for other in self.sources:
            if folded and other.alias.casefold() == folded and other.parts == source.parts:
                raise SqlError(
                    1011 if not source.parts else 1013,
                    f"The correlation name '{source.alias}' is specified multiple times in a FROM clause."
                    if not source.parts
                    else f'The objects "{".".join(source.parts)}" and "{".".join(other.parts)}" in the FROM clause '
                    "have the same exposed names. Use correlation names to distinguish them.",
                )
        self.sources.append(source)
