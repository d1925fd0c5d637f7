"""The sandbox's backup files.

A file begins with ``MAGIC`` and a media header; each backup set is a begin record, data blocks and an end record with
the complete header. A set without its end record is what a killed or cut BACKUP leaves behind: it is no valid backup.
All records are ``tag (4 bytes) + length (4 bytes, big-endian) + content``.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from runbook.sandbox.errors import error

MAGIC = b"RBTAPE01"
BLOCK = 1 << 20
DISK_FULL = "112(There is not enough space on the disk.)"
OS_ERRORS = {
    errno.ENOENT: "2(The system cannot find the file specified.)",
    errno.ENOTDIR: "3(The system cannot find the path specified.)",
    errno.EACCES: "5(Access is denied.)",
    errno.EPERM: "5(Access is denied.)",
    errno.EISDIR: "5(Access is denied.)",
    errno.EROFS: "19(The media is write protected.)",
    errno.EAGAIN: "32(The process cannot access the file because it is being used by another process.)",
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
}


def os_error(problem: OSError) -> str:
    """Windows wording of an operating system error, as SQL Server prints it on every platform."""
    return OS_ERRORS.get(problem.errno or 0, f"{problem.errno}({problem.strerror})")


@dataclass
class BackupSet:
    """One backup set of a file: where its blocks begin, and its header. ``complete`` false: the end is missing."""

    position: int
    header: dict[str, Any]
    blocks_at: int
    end_at: int
    complete: bool
    blocks_end: int = 0
    """Where the next set begins."""


@dataclass
class Media:
    """What a backup file holds."""

    path: str
    label: dict[str, Any]
    sets: list[BackupSet]


def label_end(file: BinaryIO) -> int:
    """Where the first backup set begins."""
    file.seek(len(MAGIC))
    _read_record(file)
    return file.tell()


@contextmanager
def opened(path: str, mode: str, *, exclusive: bool) -> Iterator[BinaryIO]:
    """Open a device, with the lock that makes a second writer see error 32. Raises SqlError 3201."""
    try:
        file = Path(path).open(mode)  # noqa: SIM115 - closed below, after the lock
    except OSError as problem:
        raise error(3201, path, _device_error(path, problem)) from None
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise error(3201, path, OS_ERRORS[errno.EAGAIN]) from None
    try:
        yield file  # type: ignore[misc]
    finally:
        file.close()


def _device_error(path: str, problem: OSError) -> str:
    if problem.errno == errno.ENOENT and not Path(path).parent.is_dir():
        return "3(The system cannot find the path specified.)"
    return os_error(problem)


def _record(tag: bytes, content: bytes) -> bytes:
    return tag + struct.pack(">I", len(content)) + content


def _read_record(file: BinaryIO) -> tuple[bytes, bytes] | None:
    head = file.read(8)
    if len(head) < 8:
        return None
    (length,) = struct.unpack(">I", head[4:])
    content = file.read(length)
    return None if len(content) < length else (head[:4], content)


def scan(file: BinaryIO, path: str) -> Media:
    """Read labels and headers of a file. Raises 3254 (empty), 3241 (not a backup, or damaged label)."""
    file.seek(0)
    magic = file.read(len(MAGIC))
    if not magic:
        raise error(3254, path)
    label = _read_record(file) if magic == MAGIC else None
    if label is None or label[0] != b"MLBL":
        raise error(3241, path)
    media = Media(path, _json(label[1], path), [])
    while True:
        begin = _read_record(file)
        if begin is None:
            return media
        if begin[0] != b"BSET":
            raise error(3241, path)
        media.sets.append(_scan_set(file, path, len(media.sets) + 1, begin[1]))
        if not media.sets[-1].complete:
            return media


def _scan_set(file: BinaryIO, path: str, position: int, begin: bytes) -> BackupSet:
    found = BackupSet(position, _json(begin, path), file.tell(), file.tell(), complete=False)
    size = os.fstat(file.fileno()).st_size
    while True:
        at = file.tell()
        head = file.read(8)
        if len(head) < 8:
            return found
        tag, (length,) = head[:4], struct.unpack(">I", head[4:])
        if at + 8 + length > size or tag not in (b"DATA", b"BEND"):
            return found
        if tag == b"BEND":
            found.header, found.end_at, found.complete = _json(file.read(length), path), at, True
            found.blocks_end = file.tell()
            return found
        file.seek(length, os.SEEK_CUR)


def _json(content: bytes, path: str) -> dict[str, Any]:
    try:
        return dict(json.loads(content))
    except ValueError:
        raise error(3241, path) from None


def write_label(file: BinaryIO, label: dict[str, Any]) -> None:
    """Begin a new media set; whatever the file held is gone."""
    file.seek(0)
    file.truncate()
    file.write(MAGIC + _record(b"MLBL", json.dumps(label).encode()))


class SetWriter:
    """Writes one backup set at the end of a device."""

    def __init__(self, file: BinaryIO, header: dict[str, Any], *, compress: bool) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._packer = zlib.compressobj(1) if compress else None
        self.written = 0
        file.write(_record(b"BSET", json.dumps(header).encode()))
        file.flush()

    def block(self, data: bytes) -> None:
        """Append content."""
        self._hash.update(data)
        packed = data if self._packer is None else self._packer.compress(data)
        self._put(packed)

    def _put(self, packed: bytes) -> None:
        if packed:
            self._file.write(_record(b"DATA", packed))
            self.written += len(packed)

    def finish(self, header: dict[str, Any]) -> dict[str, Any]:
        """Close the set: the end record makes it valid. Returns the final header."""
        if self._packer is not None:
            self._put(self._packer.flush())
        header = {**header, "stored_bytes": self.written, "sha256": self._hash.hexdigest()}
        self._file.write(_record(b"BEND", json.dumps(header).encode()))
        self._file.flush()
        os.fsync(self._file.fileno())
        return header


def read_set(
    file: BinaryIO, found: BackupSet, path: str, progress: Callable[[int], None], *, verify: bool
) -> Iterator[bytes]:
    """The content of a set. ``progress`` gets stored bytes read so far. Raises 3203, 3189 (damage was found)."""
    digest = hashlib.sha256()
    unpacker = zlib.decompressobj() if found.header.get("compressed") else None
    file.seek(found.blocks_at)
    done = 0
    while file.tell() < found.end_at:
        record = _read_record(file)
        if record is None or record[0] != b"DATA":
            raise error(3203, path, "38(Reached the end of the file.)")
        done += len(record[1])
        data = _unpack(record[1], unpacker)
        digest.update(data)
        yield data
        progress(done)
    if verify and digest.hexdigest() != found.header["sha256"]:
        raise error(3189)


def _unpack(data: bytes, unpacker: Any) -> bytes:
    if unpacker is None:
        return data
    try:
        return bytes(unpacker.decompress(data))
    except zlib.error:
        raise error(3189) from None


def choose(media: Media, position: int) -> BackupSet:
    """The set of that number. Raises 3287 (no such set), 3256 (incomplete)."""
    if not 1 <= position <= len(media.sets):
        raise error(3287, position, media.path)
    found = media.sets[position - 1]
    if not found.complete:
        raise error(3256, media.path)
    return found
