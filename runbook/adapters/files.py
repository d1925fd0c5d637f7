"""Files that are either the old or the new content, also when the power goes."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runbook import failpoints
from runbook.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PUBLIC = 0o644
"""Mode of a new file: a web server under another account must be able to read it."""


def read(path: Path) -> bytes | None:
    """Content of a file; None when nothing is there. HostError when it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed("read", path, error) from error


def write(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Put ``data`` at ``path`` in one move; see :func:`prepared`."""
    with prepared(path, data, mode=mode) as put:
        put()


@contextmanager
def prepared(path: Path, data: bytes, *, mode: int | None = None) -> Iterator[Callable[[], None]]:
    """Have ``data`` ready beside ``path``, on the disk; the call that is yielded puts it there in one move.

    Whoever writes under a lease asks whether it is still theirs between the two. A process that is stopped right after
    it asked finds nothing to put when it wakes up, once its successor called :func:`drop_unfinished`.

    A file that is there keeps its owner, its mode (unless ``mode`` is given) and its extended attributes; a symbolic
    link keeps pointing where it does. Raises HostError with nothing changed.
    """
    target = path.resolve()
    if not target.parent.is_dir():
        raise HostError(
            f"the directory {target.parent} does not exist",
            hint="Create it, or correct the path in the plan; it is not created because a typo would go unnoticed.",
        )
    beside = _beside(target)

    def put() -> None:
        try:
            failpoints.reach("file.before-replace", str(target))
            beside.replace(target)
            failpoints.reach("file.after-replace", str(target))
            _sync_directory(target.parent)
        except OSError as error:
            raise _failed("write", path, error) from error

    try:
        try:
            with _new_file(beside) as descriptor:
                _write_all(descriptor, data)
                _take_after(target, descriptor, mode)
                os.fsync(descriptor)
        except OSError as error:
            raise _failed("write", path, error) from error
        yield put
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def drop_unfinished(path: Path) -> None:
    """Take away what a process prepared for ``path`` and did not put there: should it only have been stopped, it can
    put it there no more. A directory that is not there or cannot be written is no error: nothing was prepared in it."""
    with suppress(OSError):
        _beside(path.resolve()).unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Take a file away; one that is not there is no error."""
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _sync_directory(path.parent)
    except OSError as error:
        raise _failed("remove", path, error) from error


def mode_of(path: Path) -> int | None:
    """Permission bits of a file; None when nothing is there."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed("read", path, error) from error


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.runbook-new")


@contextmanager
def _new_file(path: Path) -> Iterator[int]:
    # A left-over of a killed run is replaced; O_EXCL after that, so that nobody's link is followed.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _take_after(target: Path, descriptor: int, mode: int | None) -> None:
    """Give the new file the owner, attributes and mode of the one it replaces."""
    if os.name != "posix":
        return
    try:
        old = target.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, PUBLIC if mode is None else mode)
        return
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    _copy_attributes(target, descriptor)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) if mode is None else mode)


def _copy_attributes(target: Path, descriptor: int) -> None:
    if not hasattr(os, "listxattr"):
        return
    with suppress(OSError):  # a file system without them, or one that is not ours to set: not worth failing for
        for name in os.listxattr(target):
            os.setxattr(descriptor, name, os.getxattr(target, name))


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return  # Windows cannot open a directory for this; the rename itself is journalled by NTFS
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(verb: str, path: Path, error: OSError) -> HostError:
    reason = error.strerror or type(error).__name__
    hint = f"Look at {path}: its permissions, its owner, the space and the state of its disk."
    if isinstance(error, PermissionError):
        hint = f"Run as the owner of {path}, or give this account the right to {verb} it and to write its directory."
    return HostError(f"cannot {verb} {path}: {reason[0].lower()}{reason[1:]}", hint=hint)
