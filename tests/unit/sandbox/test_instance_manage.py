"""Server processes: started once, found again, stopped, killed, reset."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.sandbox import manage
from tests.unit.sandbox.test_instance_fakes import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "server"
    if (tmp_path / "server").exists():
        manage.stop(tmp_path / "server")


def accepts(info: manage.ServerInfo) -> bool:
    with socket.socket() as client:
        return client.connect_ex((info.host, info.port)) == 0


def test_start_is_idempotent_and_stop_is_clean(folder: Path) -> None:
    """The second start returns the same process; after stop nothing listens; a stopped server is not stopped twice."""
    first = manage.start(folder, "OLD", "2019")
    assert accepts(first)
    assert manage.start(folder, "OLD", "2019") == first == manage.status(folder)
    assert manage.stop(folder) is True
    assert manage.status(folder) is None
    assert not accepts(first)
    assert manage.stop(folder) is False
    assert not (folder / "server.json").exists()


def test_restart_after_a_kill_keeps_port_and_password(folder: Path) -> None:
    """kill -9 leaves server.json behind; nobody is fooled by it, and clients find the restarted server again."""
    first = manage.start(folder, "OLD", "2019")
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: manage.status(folder) is None)
    assert (folder / "server.json").exists()
    second = manage.start(folder, "OLD", "2019")
    assert second.pid != first.pid
    assert (second.port, second.password) == (first.port, first.password)


@pytest.fixture
def stopped_in_the_middle(folder: Path) -> Iterator[int]:
    """A process that holds the lock of a start and was stopped with it."""
    folder.mkdir()
    code = (
        "import os, signal; from pathlib import Path; from runbook.sandbox import manage\n"
        f"with manage._start_lock(Path({str(folder)!r}), 5): os.kill(os.getpid(), signal.SIGSTOP)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    yield process.pid
    process.kill()
    process.wait()


def test_a_starter_that_was_stopped_is_named_and_not_waited_for(folder: Path, stopped_in_the_middle: int) -> None:
    """SIGSTOP while it held the lock: another start says who holds it, it does not hang."""
    with pytest.raises(manage.SandboxError, match=f"process {stopped_in_the_middle} has been starting") as caught:
        manage.start(folder, "OLD", "2019", timeout=0.3)
    assert "end it" in caught.value.hint


def test_a_running_server_is_found_past_a_starter_that_was_stopped(folder: Path, stopped_in_the_middle: int) -> None:
    """Which needs no lock: the server is there."""
    assert stopped_in_the_middle
    running = manage._spawn(folder, "OLD", "2019", "Developer", 0, 30)
    assert manage.start(folder, "OLD", "2019", timeout=0.3) == running


def test_two_callers_at_once_start_one_server(folder: Path) -> None:
    """Four threads and one other process get the same server."""
    found: list[int] = []
    code = f"from runbook.sandbox import manage; print(manage.start({str(folder)!r}, 'OLD').pid)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    threads = [threading.Thread(target=lambda: found.append(manage.start(folder, "OLD").pid)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out, _ = other.communicate(timeout=60)
    assert {*found, int(out)} == {found[0]}


def test_another_name_or_version_is_refused(folder: Path) -> None:
    """A running server is not mistaken for the one that was asked for; a stopped one may be upgraded, never back."""
    manage.start(folder, "OLD", "2019")
    with pytest.raises(manage.SandboxError, match="is OLD"):
        manage.start(folder, "NEW", "2019")
    manage.stop(folder)
    assert manage.start(folder, "OLD", "2022").version == "2022"
    manage.stop(folder)
    with pytest.raises(manage.SandboxError, match="downgrade path is not supported"):
        manage.start(folder, "OLD", "2019")


def test_secrets_are_for_the_owner_only(folder: Path) -> None:
    """Files with the password have mode 0600; it is in no other file, not in the arguments, not in repr."""
    info = manage.start(folder, "OLD")
    holders = set()
    for path in folder.rglob("*"):
        if path.is_file() and info.password.encode() in path.read_bytes():
            holders.add(path.name)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert holders == {"server.json", "settings.json"}
    assert info.password not in Path(f"/proc/{info.pid}/cmdline").read_text()
    assert info.password not in repr(info)
    assert json.loads((folder / "server.json").read_text())["password"] == info.password


def test_reset_deletes_only_what_is_a_servers(folder: Path, tmp_path: Path) -> None:
    """Everything is gone, the server too; a directory with other things in it is refused."""
    info = manage.start(folder, "OLD")
    manage.reset(folder)
    assert not accepts(info)
    assert [p.name for p in folder.iterdir()] == [".start.lock"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(manage.SandboxError, match="no sandbox server"):
        manage.reset(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_server_dies_with_its_parent_when_asked(folder: Path) -> None:
    """--until-stdin-closes ends the server when the pipe ends."""
    command = [sys.executable, "-m", "runbook.sandbox", "serve", "--dir", str(folder), "--name", "X"]
    process = subprocess.Popen([*command, "--until-stdin-closes"], stdin=subprocess.PIPE)
    eventually(lambda: manage.status(folder) is not None, 30)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0


def test_second_server_on_one_directory_is_refused(folder: Path) -> None:
    """The lock of the running one keeps it out."""
    manage.start(folder, "OLD")
    command = [sys.executable, "-m", "runbook.sandbox", "serve", "--dir", str(folder), "--name", "OLD"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "another server runs" in done.stderr


def test_copied_directory_is_a_server_of_its_own(folder: Path, tmp_path: Path) -> None:
    """A copy of a stopped server's directory has its own files: the original is not touched by it."""
    manage.start(folder, "OLD")
    manage.stop(folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    try:
        first, second = manage.start(folder, "OLD"), manage.start(copy, "OLD")
        assert first.port != second.port
        names = {str(handle.readlink()) for handle in Path(f"/proc/{second.pid}/fd").iterdir()}
        assert not any(name.startswith(f"{folder}/") for name in names)
    finally:
        manage.stop(copy)


def test_faults_from_outside(folder: Path) -> None:
    """Set, listed, cleared one by one and all; a wrong kind or expression has a hint."""
    folder.mkdir()
    one = manage.fault(folder, "hang", "RESTORE LOG")
    manage.fault(folder, "slow", "BACKUP", seconds=2, times=1)
    assert [f.kind for f in manage.list_faults(folder)] == ["hang", "slow"]
    assert manage.clear_faults(folder, one.id) == 1
    assert manage.clear_faults(folder) == 1
    for kind, match in (("explode", ""), ("fail", "(")):
        with pytest.raises(manage.SandboxError) as refused:
            manage.fault(folder, kind, match)
        assert refused.value.hint
    with pytest.raises(manage.SandboxError):
        manage.fault(folder / "nowhere", "fail")
