"""A maintenance file on a host: what IIS takes ``app_offline.htm`` for, and its kin elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from runbook.front import GateState, Rule
from runbook.hosting import FileKind, Host


def kept_file(host: Host, path: str, content: bytes, *, root: bool) -> dict[str, Any]:
    """What is needed to put the file back as it is: JSON-able."""
    info = host.stat(path, root=root)
    kept: dict[str, Any] = {"content": base64.b64encode(content).decode()}
    if info is not None and info.owner and info.group:
        kept |= {"mode": info.mode, "owner": f"{info.owner}:{info.group}"}
    return kept


def content_of(kept: Mapping[str, Any]) -> bytes:
    """The bytes that are kept."""
    return base64.b64decode(kept["content"])


def put_back(host: Host, path: str, kept: Mapping[str, Any] | None, *, root: bool) -> None:
    """The file as it was, or none."""
    if kept is None:
        host.remove(path, root=root)
    else:
        host.write(path, content_of(kept), mode=kept.get("mode"), owner=kept.get("owner"), root=root)


class PageDoor:
    """Implements :class:`runbook.adapters.front.fleet.Door`: while the file is there, users are kept out.

    A comment in it says which run put it there.
    """

    def __init__(self, host: Host, path: str, run_id: str, *, root: bool) -> None:
        self._host = host
        self._path = path
        self._mark = f"<!-- runbook: {run_id} -->"
        self._root = root

    def observe(self) -> GateState:
        """OPEN when nothing is there, CLOSED when this run's page is."""
        standing = self._standing()
        if standing is None:
            return GateState.OPEN
        return GateState.CLOSED if self._mark.encode() in standing else GateState.FOREIGN

    def earlier(self) -> Any:
        """A file that somebody else put there."""
        standing = self._standing()
        if standing is None or self._mark.encode() in standing:
            return None
        return kept_file(self._host, self._path, standing, root=self._root)

    def troubles(self) -> tuple[str, ...]:
        """A directory that is not there."""
        directory = self._path.replace("\\", "/").rpartition("/")[0] or "/"
        stands = self._host.stat(directory, root=self._root)
        is_there = stands is not None and stands.kind is FileKind.DIRECTORY
        return () if is_there else (f"the directory {directory} does not exist",)

    def differs(self, text: str, rules: Sequence[Rule]) -> tuple[str, ...]:
        """The path, when anything else stands there."""
        del rules
        return () if self._standing() == self._page(text) else (self._path,)

    def close(self, text: str, rules: Sequence[Rule]) -> None:
        """Put the page there."""
        if self.differs(text, rules):
            self._host.write(self._path, self._page(text), root=self._root)

    def open(self, earlier: Any) -> None:
        """Take it away, or put back what stood there."""
        put_back(self._host, self._path, earlier, root=self._root)

    def _standing(self) -> bytes | None:
        return self._host.read(self._path, root=self._root)

    def _page(self, text: str) -> bytes:
        return f"{text.rstrip()}\n{self._mark}\n".encode()
