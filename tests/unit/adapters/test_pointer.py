"""What only the real pointers do; the common contract is in tests/contract."""

from __future__ import annotations

import pytest

from runbook.adapters.clock import SystemClock
from runbook.adapters.commands import Commands
from runbook.adapters.pointer import CommandPointer, FilePointer, Replacement
from runbook.errors import HostError
from runbook.testing import StatementLog, Stoppable

STOP = Stoppable(SystemClock())


def pointer(path, *pairs):
    return FilePointer(path, [Replacement(*pair) for pair in pairs or [("old,1433", "new,1533")]], STOP, StatementLog())


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("server=old,1433", "source"),
        ("server=new,1533", "target"),
        ("server=third", "unknown"),
        ("old,1433 old,1433", "unknown"),
        ("old,1433 new,1533", "unknown"),
        ("", "unknown"),
    ],
)
def test_each_text_occurs_exactly_once_in_one_form(tmp_path, content, form):
    """Anything else is unknown, and nothing is written then."""
    path = tmp_path / "c.ini"
    path.write_text(content)
    assert pointer(path).observe() == form


def test_mixed_forms_are_unknown(tmp_path):
    """One replacement done by hand, the other not."""
    path = tmp_path / "c.ini"
    path.write_text("host=new port=1433")
    assert pointer(path, ("host=old", "host=new"), ("port=1433", "port=1533")).observe() == "unknown"


@pytest.mark.parametrize(("source", "target"), [("db", "db2"), ("db2", "db")])
def test_one_text_may_contain_the_other(tmp_path, source, target):
    """``db`` in ``db2`` is not an occurrence of ``db``."""
    path = tmp_path / "c.ini"
    path.write_text(f"server={source};")
    one = pointer(path, (source, target))
    earlier = one.earlier()
    assert one.observe() == "source"
    one.forward()
    assert (one.observe(), path.read_text()) == ("target", f"server={target};")
    one.back(earlier)
    assert path.read_text() == f"server={source};"


def test_bytes_mode_and_line_ends_come_back_exactly(tmp_path):
    """Latin-1 bytes, CR LF and a private mode survive both ways."""
    path = tmp_path / "c.ini"
    path.write_bytes(b"# caf\xe9\r\nserver=old,1433\r\n")
    path.chmod(0o640)
    one = pointer(path)
    earlier = one.earlier()
    one.forward()
    assert path.read_bytes() == b"# caf\xe9\r\nserver=new,1533\r\n"
    one.back(earlier)
    assert path.read_bytes() == b"# caf\xe9\r\nserver=old,1433\r\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_utf16_file_is_understood(tmp_path):
    """As some editors on Windows save them."""
    path = tmp_path / "c.config"
    path.write_bytes(b"\xff\xfe" + "server=old,1433".encode("utf-16-le"))
    one = pointer(path)
    one.forward()
    assert path.read_bytes() == b"\xff\xfe" + "server=new,1533".encode("utf-16-le")


def test_what_is_kept_holds_no_content(tmp_path):
    """Such files hold passwords, and what is kept goes into the journal."""
    path = tmp_path / "c.ini"
    path.write_text("server=old,1433\npassword=hunter2\n")
    log = StatementLog()
    one = FilePointer(path, [Replacement("old,1433", "new,1533")], STOP, log)
    earlier = one.earlier()
    one.forward()
    one.back(earlier)
    assert "hunter2" not in earlier + repr(log.entries)
    assert path.read_text() == "server=old,1433\npassword=hunter2\n"


def test_a_missing_file_is_a_clear_error(tmp_path):
    """Named, with what to correct."""
    with pytest.raises(HostError, match=r"c\.ini does not exist") as caught:
        pointer(tmp_path / "c.ini").observe()
    assert "repoint" in caught.value.hint


def test_a_probe_with_another_exit_code_is_unknown():
    """Neither source nor target."""
    runner = Commands(STOP, StatementLog())
    one = CommandPointer(runner, forward=["true"], back=["true"], probe=["sh", "-c", "exit 7"], timeout=5)
    assert one.observe() == "unknown"


def test_a_failed_command_is_in_doubt():
    """It may have moved clients all the same."""
    runner = Commands(STOP, StatementLog())
    one = CommandPointer(runner, forward=["false"], back=["true"], probe=["true"], timeout=5)
    with pytest.raises(HostError, match="false ended with 1: no output") as caught:
        one.forward()
    assert caught.value.in_doubt
