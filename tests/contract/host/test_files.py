"""The contract of the port Host: files, on the fake, on this machine and over a real sshd."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.errors import HostError
from runbook.hosting import FileKind

PLAYED = {"fake", "powershell"}
PATHS = ["plain.conf", "with a blank", 'it\'s "quoted" & $HOME', "-n", "Zoë\nnext"]


@pytest.mark.parametrize("name", PATHS)
def test_what_was_written_is_read(hosts, tmp_path, name):
    """To the byte, whatever the path is called."""
    path, host = str(tmp_path / name), hosts.host()
    assert host.read(path) is None
    assert host.stat(path) is None
    content = bytes(range(256)) * 500
    host.write(path, content)
    assert host.read(path) == content
    host.remove(path)
    assert host.read(path) is None


def test_a_new_file_can_be_read_by_a_web_server(hosts, tmp_path):
    """Unless another mode is asked for; an empty file is a file."""
    host, path = hosts.host(), str(tmp_path / "page.html")
    host.write(path, b"")
    found = host.stat(path)
    assert (found.kind, found.size) == (FileKind.FILE, 0)
    if hosts.kind == "powershell":
        with pytest.raises(HostError, match="mode and owner are not for Windows"):
            host.write(path, b"12", mode=0o600)
        return
    assert found.mode == 0o644
    host.write(path, b"12", mode=0o600)
    assert (host.stat(path).mode, host.stat(path).size) == (0o600, 2)


def test_a_file_that_is_replaced_keeps_its_mode(hosts, tmp_path):
    """What somebody set up stays set up."""
    if hosts.kind == "powershell":
        pytest.skip("Windows has no mode; Replace keeps the access list")
    host, path = hosts.host(), str(tmp_path / "secret.conf")
    host.write(path, b"old", mode=0o640)
    host.write(path, b"new")
    assert (host.read(path), host.stat(path).mode) == (b"new", 0o640)


def test_leaves_nothing_beside_it(hosts, tmp_path):
    """A web server that lists its directory sees one file."""
    hosts.host().write(str(tmp_path / "page.html"), b"x")
    if hosts.kind in PLAYED:
        pytest.skip("the fake has no file beside it")
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_a_link_keeps_pointing_where_it_does(hosts, tmp_path):
    """``sites-enabled`` is full of them."""
    host, path, link = hosts.host(), str(tmp_path / "available"), str(tmp_path / "enabled")
    host.write(path, b"old")
    if hosts.kind in PLAYED:
        hosts.machine.links[link] = path
    else:
        Path(link).symlink_to(path)
    assert host.stat(link).kind is FileKind.LINK
    host.write(link, b"new")
    assert (host.read(path), host.read(link)) == (b"new", b"new")
    assert host.stat(link).kind is FileKind.LINK


def test_taking_away_what_is_not_there_is_no_error(hosts, tmp_path):
    """Convergent: twice is the same as once."""
    host = hosts.host()
    host.remove(str(tmp_path / "nothing"))
    host.remove(str(tmp_path / "nothing"))


def test_a_directory_that_is_missing_is_not_made(hosts, tmp_path):
    """A typo would go unnoticed."""
    with pytest.raises(HostError, match=r"cannot write .*/no-such/x on web: no such directory"):
        hosts.host().write(str(tmp_path / "no-such" / "x"), b"x")
    assert not (tmp_path / "no-such").exists()


def test_a_full_disk_is_named_and_nothing_is_lost(hosts):
    """Where, and on which host; the old content stays."""
    directory = hosts.fill_the_disk()
    host, path = hosts.host(), str(directory / "page.html")
    if hosts.kind not in PLAYED:
        host.write(path, b"old")
    with pytest.raises(HostError, match=f"no space left on web:{path}"):
        host.write(path, b"x" * 40_000)
    if hosts.kind not in PLAYED:
        assert host.read(path) == b"old"
        assert sorted(one.name for one in directory.iterdir()) == ["filler", "page.html"]


def test_knows_the_space(hosts, tmp_path):
    """Of the volume a path lives on."""
    space = hosts.host().space(str(tmp_path))
    assert 0 < space.available_bytes <= space.total_bytes
    assert str(tmp_path).startswith(space.mount)


def test_every_change_is_recorded_and_no_content_is(hosts, tmp_path):
    """A setting may hold a password: the record has path, length and digest."""
    host, path = hosts.host(), str(tmp_path / "x.conf")
    host.write(path, b"password=s3cret")
    host.remove(path)
    host.read(path)
    effects = [entry.text for entry in hosts.log.entries if entry.effect]
    assert len(effects) == 2
    assert effects[0].startswith(f"write {path}")
    assert "s3cret" not in str(hosts.log.entries)
