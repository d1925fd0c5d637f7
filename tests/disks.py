"""File systems of a test's own that can really be full, or really go read-only. Root may mount them, on Linux."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runbook.journal.reserve import Reserve

MIB = 1024 * 1024
FILLER = """
import os, sys, time
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
said, size = False, 65536
while True:
    try:
        os.write(file, bytes(size))
    except OSError:
        if size > 1:
            size //= 16
            continue
        if not said:
            print("full", flush=True)
            said = True
        if len(sys.argv) < 3:
            break
        time.sleep(0.002)
        size = 4096
"""
"""Takes all the room there is, to the last byte; with a second argument also what becomes free later."""


@dataclass
class Disk:
    """A file system at ``root``."""

    root: Path
    fillers: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        """Where a test puts one."""
        return self.root / "home" / "journal.db"

    @property
    def reserve(self) -> Reserve:
        """The room that is kept beside it."""
        return Reserve(self.journal)

    @property
    def image(self) -> Path:
        """The file that one is in that can be :func:`failing`."""
        return self.root.with_name(f"{self.root.name}.image")

    @property
    def filler(self) -> Path:
        """What takes the room."""
        return self.root / "filler"

    def fill(self, *, greedily: bool = False) -> None:
        """Another process takes all room there is; ``greedily``: and whatever becomes free from then on. What SQLite
        holds in stock in its log goes too, so that the next row needs room."""
        if self.journal.exists():
            with closing(sqlite3.connect(self.journal)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        words = [sys.executable, "-S", "-c", FILLER, str(self.filler), *(["on"] if greedily else [])]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.fillers.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "full\n"
        if not greedily:
            process.wait()

    def clear(self) -> None:
        """Somebody made room."""
        for process in self.fillers:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.fillers.clear()
        with suppress(OSError):
            self.filler.unlink(missing_ok=True)

    def free(self) -> int:
        """Bytes."""
        return shutil.disk_usage(self.root).free

    def fail(self) -> None:
        """An error is found on it: it is read-only from now on, also for who has files open. One that is
        :func:`failing` only."""
        device = self.root.stat().st_dev
        name = (Path("/sys/dev/block") / f"{os.major(device)}:{os.minor(device)}").resolve().name
        trigger = Path("/sys/fs/ext4") / name / "trigger_fs_error"
        try:
            trigger.write_text("a test\n", encoding="ascii")
        except OSError as error:
            pytest.skip(f"disk of its own: {trigger} cannot be written here: {error.strerror}")

    def mend(self) -> None:
        """What :meth:`fail` did is over: checked, and mounted anew."""
        subprocess.run(["umount", str(self.root)], check=True)
        subprocess.run(["e2fsck", "-fy", str(self.image)], check=False, capture_output=True)
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.root)], check=True)


def _run_or_skip(*words: str) -> None:
    if sys.platform != "linux" or shutil.which(words[0]) is None or os.getuid() != 0:
        pytest.skip("disk of its own: only root may mount one, on Linux")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"disk of its own: {words[0]} is not permitted here: {done.stderr.strip()}")


@contextmanager
def mounted(root: Path, size: int) -> Iterator[Disk]:
    """A small one in memory, ``size`` bytes, with what was in the directory before; the test is skipped where that is
    not permitted."""
    root.mkdir(exist_ok=True)
    kept = root.with_name(f"{root.name}-before")
    shutil.copytree(root, kept)
    _run_or_skip("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(root))
    shutil.copytree(kept, root, dirs_exist_ok=True)
    with _in_use(root) as disk:
        yield disk


@contextmanager
def failing(root: Path, size: int) -> Iterator[Disk]:
    """One in a file, which the kernel makes read-only at once, whoever writes there, when an error is found on it."""
    root.mkdir()
    image = Disk(root).image
    with image.open("wb") as file:
        file.truncate(size)
    _run_or_skip("mkfs.ext4", "-q", "-F", "-e", "remount-ro", str(image))
    _run_or_skip("mount", "-o", "loop", str(image), str(root))
    with _in_use(root) as disk:
        yield disk


@contextmanager
def _in_use(root: Path) -> Iterator[Disk]:
    disk = Disk(root)
    try:
        yield disk
    finally:
        disk.clear()
        subprocess.run(["umount", "-l", str(root)], check=True)
