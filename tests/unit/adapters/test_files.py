"""Files are either the old or the new content."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from runbook.adapters import files
from runbook.errors import HostError


def test_writes_and_reads_back_exactly(tmp_path):
    """Bytes are bytes: no line ending is changed."""
    path = tmp_path / "a.html"
    files.write(path, b"a\r\nb\x00\xff")
    assert files.read(path) == b"a\r\nb\x00\xff"


def test_a_new_file_can_be_read_by_a_web_server(tmp_path):
    """Mode 0644 whatever the umask."""
    earlier = os.umask(0o077)
    try:
        files.write(tmp_path / "a", b"x")
    finally:
        os.umask(earlier)
    assert files.mode_of(tmp_path / "a") == 0o644


def test_an_existing_file_keeps_mode_and_owner(tmp_path):
    """A configuration file with a password stays private, and its owner's."""
    path = tmp_path / "a.ini"
    path.write_bytes(b"old")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    owner = (path.stat().st_uid, path.stat().st_gid)
    files.write(path, b"new")
    assert (path.read_bytes(), files.mode_of(path)) == (b"new", 0o640)
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_a_symbolic_link_stays_one(tmp_path):
    """The file it points to changes, the link does not become a file."""
    real, link = tmp_path / "real.ini", tmp_path / "link.ini"
    real.write_bytes(b"old")
    link.symlink_to(real)
    files.write(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_what_was_prepared_and_dropped_is_put_nowhere(tmp_path):
    """A process that slept between asking and putting finds nothing to put: the file of its successor stays."""
    path = tmp_path / "a"
    with files.prepared(path, b"stale") as put:
        files.drop_unfinished(path)
        path.write_bytes(b"newer")
        with pytest.raises(HostError):
            put()
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("a", b"newer")]


def test_what_was_prepared_and_not_put_leaves_nothing(tmp_path):
    """Whoever is refused in between has changed nothing."""
    with files.prepared(tmp_path / "a", b"x"):
        pass
    assert not list(tmp_path.iterdir())


def test_is_durable_before_it_is_visible(tmp_path, monkeypatch):
    """fsync of the file, then the rename, then fsync of the directory."""
    seen = []
    fsync, replace = os.fsync, Path.replace

    def spying_fsync(descriptor):
        seen.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spying_fsync)
    monkeypatch.setattr(Path, "replace", lambda self, target: (seen.append("rename"), replace(self, target)))
    files.write(tmp_path / "a", b"x")
    assert seen == ["file", "rename", "directory"]


def test_a_left_over_of_a_killed_run_is_no_obstacle(tmp_path):
    """The temporary file of a killed run is replaced, and none is left behind."""
    (tmp_path / ".a.runbook-new").write_bytes(b"half")
    files.write(tmp_path / "a", b"whole")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
    """Disk full: the old content stands, no temporary file stays, the error says what to look at."""
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match=r"cannot write .*: no space left on device") as caught:
        files.write(path, b"new")
    assert "disk" in caught.value.hint
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_missing_directory_is_named_and_not_made(tmp_path):
    """A typo in a path must not go unnoticed."""
    with pytest.raises(HostError, match="nowhere does not exist") as caught:
        files.write(tmp_path / "nowhere" / "a", b"x")
    assert caught.value.hint
    assert not (tmp_path / "nowhere").exists()


def test_removing_twice_is_no_error(tmp_path):
    """Convergent, also when the directory is gone."""
    (tmp_path / "a").write_bytes(b"x")
    files.remove(tmp_path / "a")
    files.remove(tmp_path / "a")
    files.remove(tmp_path / "gone" / "a")
    assert files.read(tmp_path / "a") is None


def test_a_directory_in_the_place_of_a_file_is_a_clear_error(tmp_path):
    """No traceback, a reason."""
    with pytest.raises(HostError, match=r"cannot read .*: is a directory"):
        files.read(tmp_path)
    with pytest.raises(HostError, match="cannot remove"):
        files.remove(tmp_path)
