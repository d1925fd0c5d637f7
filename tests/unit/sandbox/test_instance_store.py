"""The memory of the server itself: a write is safe from a kill (test_instance_crash) and does not wait for the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from runbook.sandbox.instance.store import Store


class Syncs(apsw.VFS):  # type: ignore[misc]
    """Files that count how often they are brought to the disk."""

    def __init__(self) -> None:
        super().__init__("counted", "", makedefault=True)
        self.count = 0

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _Counted(self, name, flags)


class _Counted(apsw.VFSFile):  # type: ignore[misc]
    def __init__(self, syncs: Syncs, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._syncs = syncs

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._syncs.count += 1
        super().xSync(flags)


@pytest.fixture
def syncs() -> Iterator[Syncs]:
    found = Syncs()
    yield found
    found.unregister()


def test_a_write_does_not_wait_for_the_disk(tmp_path: Path, syncs: Syncs) -> None:
    store = Store(str(tmp_path / "instance.db"))
    store.put("login", "first", {})
    before = syncs.count
    for number in range(10):
        store.put("login", str(number), {})
        store.next("principal")
    assert syncs.count == before
