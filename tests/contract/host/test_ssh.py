"""What only a connection can do to one: keys, passwords, profiles, jump hosts, cuts and silence. On a real sshd."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from paramiko import ProxyCommand, Transport

from runbook.adapters.host.opening import Hosts
from runbook.errors import Cancelled, HostAway, HostError, NotPermitted, Unreachable, WrongTarget
from runbook.plan.hosts import Host, name_hosts

# --- who is there -------------------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_refused_with_what_to_do(ssh, sshd):
    """The fingerprint to compare, and the exact line to add; with that line it works."""
    sshd.know(None)
    with pytest.raises(WrongTarget, match=r"web: the host key of \[127.0.0.1\]:\d+ is not known") as caught:
        ssh.host().run(["true"], timeout=20, effect=True)
    shown = subprocess.run(["ssh-keygen", "-lf", sshd.host_key], capture_output=True, text=True, check=True).stdout
    assert shown.split()[1] in caught.value.message
    subprocess.run(["sh", "-c", caught.value.hint.partition("then: ")[2]], check=True)
    assert ssh.reached().run(["true"], timeout=20, effect=True).exit_code == 0


def test_a_changed_host_key_is_refused_with_both(ssh, sshd):
    """Somebody else may stand there: it is never accepted, and both fingerprints are said."""
    other = sshd.new_key(f"other-{time.monotonic_ns()}")
    sshd.know(other)
    with pytest.raises(WrongTarget, match="shows another host key than it had") as caught:
        ssh.host().run(["true"], timeout=20, effect=True)
    for key in (other, sshd.host_key):
        shown = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True).stdout
        assert shown.split()[1] in caught.value.message


def test_a_jump_hosts_key_is_looked_at_as_well(ssh, sshd):
    """fabric would accept any key of a host on the way."""
    alias = f"Host inner\n HostName 127.0.0.1\n Port {sshd.port}\n"
    sshd.ssh_config.write_text(f"{alias}Host outer\n HostName localhost\n Port {sshd.port}\n")
    with pytest.raises(WrongTarget, match=r"the host key of \[localhost\]:\d+ is not known"):
        ssh.reached(host="inner", port=None, jump="outer").run(["true"], timeout=20, effect=True)


# --- who is asked for ---------------------------------------------------------------------------------------------


def test_a_password_prompt_is_named(ssh, sshd):
    """Nobody is there to answer; what to do instead is said."""
    sshd.restart("PasswordAuthentication yes")
    stranger = sshd.new_key(f"stranger-{time.monotonic_ns()}")
    with pytest.raises(NotPermitted, match=r"asks for a password \(offered: a key\)") as caught:
        ssh.reached(identity_file=stranger).run(["true"], timeout=20, effect=True)
    assert "ssh-copy-id" in caught.value.hint


def test_a_key_that_is_not_let_in_is_named(ssh, sshd):
    """And nothing was run."""
    stranger = sshd.new_key(f"stranger-{time.monotonic_ns()}")
    with pytest.raises(NotPermitted, match="does not let this account in"):
        ssh.reached(identity_file=stranger).run(["true"], timeout=20, effect=True)


def test_a_key_with_a_passphrase_is_named(ssh, sshd):
    """It is never asked for."""
    locked = sshd.new_key(f"locked-{time.monotonic_ns()}", passphrase="secret")
    with pytest.raises(NotPermitted, match="protected by a passphrase"):
        ssh.reached(identity_file=locked).run(["true"], timeout=20, effect=True)


def test_a_key_file_that_is_missing_is_named(ssh, tmp_path):
    """By its path."""
    with pytest.raises(NotPermitted, match="no-such-key cannot be read: no such file"):
        ssh.reached(identity_file=tmp_path / "no-such-key").run(["true"], timeout=20, effect=True)


# --- what the account is like -------------------------------------------------------------------------------------

SHELLS = {
    "noisy": 'echo Welcome to $(hostname); echo begin-of-the-day >&2; exec /bin/bash -c "$SSH_ORIGINAL_COMMAND"',
    "bash": 'exec /bin/bash -c "$SSH_ORIGINAL_COMMAND"',
    "fish": 'exec /usr/bin/fish -c "$SSH_ORIGINAL_COMMAND"',
    "csh": 'exec /bin/tcsh -c "$SSH_ORIGINAL_COMMAND"',
    "sh": 'exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"',
}


@pytest.mark.parametrize("shell", SHELLS)
def test_any_login_shell_and_a_noisy_profile_do(ssh, sshd, shell):
    """What it says before it obeys is no part of the answer, and nothing needs its way of quoting."""
    program = SHELLS[shell].split()[-3] if shell != "noisy" else "/bin/bash"
    if not Path(program).exists():
        pytest.skip(f"{program} is not installed")
    sshd.restart(f"ForceCommand {SHELLS[shell]}")
    text = 'it\'s "odd"\n!now \\ $HOME {a,b} ~ #x'
    for effect in (True, False, False):
        result = ssh.host().run(
            ["sh", "-c", 'printf %s "$1"; printf %s "$1" >&2; exit 7', "x", text], timeout=20, effect=effect
        )
        assert (result.exit_code, result.stdout, result.stderr) == (7, text, text)
    path = ssh.directory / 'it\'s "odd"'
    ssh.host().write(str(path), b"x")
    assert path.read_bytes() == b"x"


def test_an_account_that_may_not_log_in_is_named(ssh, sshd):
    """With what its shell says; not in doubt."""
    sshd.restart("ForceCommand /bin/echo 'This account is currently not available.'; exit 1")
    with pytest.raises(HostError, match=r"login shell of web ended with 1 before touch began.*not available") as caught:
        ssh.host().run(["touch", str(ssh.directory / "x")], timeout=20, effect=True)
    assert caught.value.in_doubt is False
    assert not (ssh.directory / "x").exists()


def test_another_language_changes_nothing(ssh, sshd):
    """Programs answer in English there, and bytes stay as they are."""
    sshd.restart("SetEnv LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 LANGUAGE=de")
    shown = ssh.host().run(["env"], timeout=20, effect=False).stdout.splitlines()
    assert "LC_ALL=C.UTF-8" in shown
    assert not [line for line in shown if line.startswith("LANGUAGE=")]
    assert ssh.host().read(str(ssh.directory / "nothing")) is None


class Account:
    """An account that is no root; made on this machine, and removed again."""

    def __init__(self) -> None:
        self.name = f"runbook-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
        self.rule = Path("/etc/sudoers.d") / self.name
        subprocess.run(["userdel", "--force", self.name], check=False, capture_output=True)  # of a run that was killed
        make = ["useradd", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", "--password", "*", self.name]
        subprocess.run(make, check=True)

    def allow(self) -> None:
        self.rule.write_text(f"{self.name} ALL=(ALL) NOPASSWD: ALL\n")
        self.rule.chmod(0o440)

    def set_password(self, word: str) -> None:
        subprocess.run(["chpasswd"], input=f"{self.name}:{word}\n", text=True, check=True)

    def remove(self) -> None:
        self.rule.unlink(missing_ok=True)
        subprocess.run(["pkill", "-KILL", "-u", self.name], check=False)
        subprocess.run(["userdel", "--force", self.name], check=True, capture_output=True)


@pytest.fixture
def account(sshd):
    """The authorized keys must be readable for it."""
    if os.getuid() != 0 or not Path("/usr/sbin/useradd").exists():
        pytest.skip("an account can be made by root only")
    sshd.directory.chmod(0o755)
    made = Account()
    yield made
    made.remove()


def needs_sudo():
    if not Path("/usr/bin/sudo").exists():
        pytest.skip("sudo is not installed; as root: apt-get install sudo, or: .ci/setup dev")


def test_a_sudo_that_asks_is_named(ssh, account):
    """It is never answered, nothing is run, and the rule to add is said."""
    needs_sudo()
    with pytest.raises(NotPermitted, match="sudo on web asks for a password") as caught:
        ssh.reached(user=account.name).run(["touch", "/tmp/never"], timeout=20, effect=True, root=True)
    assert "NOPASSWD" in caught.value.hint
    assert not Path("/tmp/never").exists()
    assert ssh.reached(user=account.name).facts().may_become_root is False


def test_sudo_that_does_not_ask_makes_root(ssh, account, tmp_path):
    """Commands, files and units; what is run is ended as root as well."""
    needs_sudo()
    account.allow()
    tmp_path.chmod(0o700)
    host = ssh.reached(user=account.name)
    assert host.run(["id", "-un"], timeout=20, effect=False).stdout == f"{account.name}\n"
    for _ in range(2):
        assert host.run(["id", "-un"], timeout=20, effect=False, root=True).stdout == "root\n"
    path = str(tmp_path / "it's root's")
    with pytest.raises(HostError, match="permission denied"):
        host.read(path)
    host.write(path, b"x", root=True, mode=0o600)
    assert host.read(path, root=True) == b"x"
    assert host.start_unit("who", ["id", "-un"]).phase
    assert ssh.wait_for("who", lambda state: state.has_ended).last_output == "root\n"
    host.start_unit("whoelse", ["id", "-un"], root=False)
    assert ssh.wait_for("whoelse", lambda state: state.has_ended).last_output == f"{account.name}\n"
    pid = tmp_path / "pid"
    with pytest.raises(HostError, match="was stopped"):
        host.run(["sh", "-c", f"echo $$ > {pid}; sleep 60"], timeout=2, effect=True, root=True)
    assert ends(int(pid.read_text()))


def test_a_plan_that_says_no_root_is_kept_to(ssh, account):
    """Even where sudo would be allowed."""
    account.allow()
    with pytest.raises(NotPermitted, match="may not become root on web: the plan says become: none"):
        ssh.reached(user=account.name, sudo=False).run(["true"], timeout=20, effect=True, root=True)


def test_a_password_is_taken_from_its_reference(ssh, sshd, account):
    """Read when it is needed; a wrong one is named and not repeated."""
    from runbook.secrets import Secret

    account.set_password("correct-horse")
    sshd.restart("PasswordAuthentication yes")
    known = {"user": account.name, "identity_file": None}
    host = ssh.reached(**known, password=lambda: Secret("correct-horse"))
    assert host.run(["id", "-un"], timeout=20, effect=False).stdout == f"{account.name}\n"
    with pytest.raises(NotPermitted, match="does not let this account in") as caught:
        ssh.reached(**known, password=lambda: Secret("wr0ng")).run(["true"], timeout=20, effect=False)
    assert "wr0ng" not in str(caught.value) + caught.value.hint


# --- the way there ------------------------------------------------------------------------------------------------


def test_the_ssh_configuration_is_honoured(ssh, sshd):
    """A host is called as ``ssh`` calls it."""
    sshd.ssh_config.write_text(
        f"Host shop\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n IdentityFile {sshd.identity}\n"
        f" UserKnownHostsFile {sshd.known_hosts}\n IdentityFile {sshd.directory}/not-there\n ConnectTimeout 1\n"
    )
    host = ssh.reached(host="shop", user=None, port=None, identity_file=None, known_hosts=None)
    assert host.run(["printf", "%s", "x"], timeout=20, effect=False).stdout == "x"


@pytest.mark.parametrize("how", ["plan", "ProxyJump", "ProxyCommand"])
def test_goes_through_a_jump_host(ssh, sshd, how):
    """Named in the plan or in the configuration."""
    named = {"plan": "", "ProxyJump": " ProxyJump outer\n", "ProxyCommand": by_command(sshd)}[how]
    through(sshd, named)
    jump = f"{sshd.user}@127.0.0.1:{sshd.port}" if how == "plan" else None
    host = ssh.reached(host="inner", port=None, jump=jump)
    assert host.run(["printf", "%s", "x"], timeout=20, effect=False).stdout == "x"
    assert len(sshd.children()) >= 2


def by_command(sshd):
    return f" ProxyCommand ssh -F {sshd.ssh_config} -W 127.0.0.1:{sshd.port} outer\n"


def through(sshd, named: str) -> None:
    outer = f"Host outer\n HostName 127.0.0.1\n Port {sshd.port}\n IdentityFile {sshd.identity}\n"
    sshd.ssh_config.write_text(
        f"{outer} UserKnownHostsFile {sshd.known_hosts}\nHost inner\n HostName 127.0.0.1\n Port {sshd.port}\n{named}"
        f"Host 127.0.0.1\n IdentityFile {sshd.identity}\n"
    )


def test_a_proxy_command_has_its_number_until_nobody_signals_it_any_more(ssh, sshd, monkeypatch):
    """paramiko signals it from a thread of its own, whoever has that number by then; here that thread is late."""
    through(sshd, by_command(sshd))
    assert ssh.reached(host="inner", port=None).run(["true"], timeout=20, effect=False).exit_code == 0
    signals, closed, is_gone = threading.Event(), threading.Event(), []
    on_time = ProxyCommand.close

    def late(self: ProxyCommand) -> None:
        signals.set()
        closed.wait(1)
        is_gone.append(self.process.returncode is not None)
        with suppress(ProcessLookupError):
            on_time(self)

    monkeypatch.setattr(ProxyCommand, "close", late)
    for pid in sshd.children():
        with suppress(ProcessLookupError):  # one takes the other with it
            os.kill(pid, signal.SIGKILL)
    assert signals.wait(20)
    ssh.links[-1].close()
    closed.set()
    for thread in threading.enumerate():
        if isinstance(thread, Transport):
            thread.join(20)
    assert is_gone
    assert not any(is_gone)


def test_hosts_are_reached_as_the_plan_says(ssh, sshd):
    """The keys of the plan lead there; this machine is a host as well; connections end with the run."""
    over_ssh = {"address": f"ssh://{sshd.user}@127.0.0.1:{sshd.port}", "identity_file": str(sshd.identity)}
    files = {"known_hosts": str(sshd.known_hosts), "ssh_config": str(sshd.ssh_config), "agent": False}
    planned = name_hosts(
        {"web": Host.model_validate({**over_ssh, **files}), "here": Host.model_validate({"address": "local"})}
    )
    hosts = Hosts(planned)
    facts = [hosts.open(name, ssh.stop, ssh.log, "r1").facts() for name in planned]
    assert facts[0].machine_id == facts[1].machine_id
    assert len(sshd.children()) == 1
    hosts.close()
    give_up_at = time.monotonic() + 10
    while sshd.children():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_calls_side_by_side_share_one_connection(ssh, sshd):
    """More of them than a server allows sessions: they take turns."""
    sshd.restart("MaxSessions 4")
    host, threads = ssh.host(), ThreadPoolExecutor(12)
    with threads:
        results = list(threads.map(lambda n: host.run(["printf", "%s", str(n)], timeout=60, effect=False), range(24)))
    assert [result.stdout for result in results] == [str(n) for n in range(24)]
    assert len(sshd.children()) == 1


# --- cuts and silence ---------------------------------------------------------------------------------------------


def begun(path: Path) -> int:
    give_up_at = time.monotonic() + 20
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < give_up_at, "it never began"
        time.sleep(0.01)
    return int(path.read_text())


def ends(pid: int) -> bool:
    give_up_at = time.monotonic() + 10
    while time.monotonic() < give_up_at:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def meanwhile(pid_file: Path, act) -> threading.Thread:
    """Act once the program has begun."""
    thread = threading.Thread(target=lambda: (begun(pid_file), act()))
    thread.start()
    return thread


def test_a_connection_cut_in_the_middle_is_in_doubt(ssh, sshd, tmp_path):
    """Not failed, not done: unknown. What was left there of an effect is ended, so that nothing happens later; the
    next call makes a new connection."""
    pid = tmp_path / "pid"
    cut = meanwhile(pid, lambda: sshd.signal_children(signal.SIGKILL))
    with pytest.raises(HostError, match="the connection to web was lost while sh ran") as caught:
        ssh.host().run(["sh", "-c", f"echo $$ > {pid}; sleep 30"], timeout=60, effect=True)
    cut.join()
    assert caught.value.in_doubt is True
    assert ends(begun(pid))
    assert ssh.host().run(["true"], timeout=20, effect=True).exit_code == 0


@pytest.mark.parametrize("times", [1, 3])
def test_a_question_whose_answer_was_lost_is_put_again(ssh, sshd, tmp_path, times):
    """It changed nothing; a connection that is lost every time is an error all the same, and no doubt."""
    asked = tmp_path / "asked"
    asked.mkdir()

    def cut() -> None:
        for time_ in range(1, times + 1):
            begun(asked / str(time_))
            sshd.signal_children(signal.SIGKILL)

    cutting = threading.Thread(target=cut)
    cutting.start()
    script = f"n=$(ls {asked} | wc -l); [ $n -ge {times} ] && exit 7; echo $$ > {asked}/$((n + 1)); sleep 30"
    if times == 1:
        assert ssh.host().ask(["sh", "-c", script], timeout=60).exit_code == 7
    else:
        with pytest.raises(HostError, match="the connection to web was lost while sh ran") as caught:
            ssh.host().ask(["sh", "-c", script], timeout=60)
        assert caught.value.in_doubt is False
    cutting.join()


@contextmanager
def relay(port: int, limit: int) -> Iterator[int]:
    """The port of somebody who passes on what sshd says, up to so many bytes, and then ends the connection."""

    def passed(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server, suppress(OSError):
            left = limit
            while left > 0:
                for one in select.select([client, server], [], [])[0]:
                    data = one.recv(left if one is server else 65536)
                    if not data:
                        return
                    (client if one is server else server).sendall(data)
                    left -= len(data) if one is server else 0

    def accepting() -> None:
        with suppress(OSError):
            while True:
                passed(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accepting, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("limit", [0, 20, 200, 1200, *range(1500, 2050, 25)])
def test_a_connection_that_ends_while_it_is_made_is_a_host_that_is_away(ssh, sshd, limit):
    """Wherever it ends, it is no word about keys or accounts, and such a host is waited for."""
    with relay(sshd.port, limit) as port:
        known = sshd.known_hosts.read_text().replace(f":{sshd.port} ", f":{port} ")
        elsewhere = sshd.known_hosts.with_name("relayed")
        elsewhere.write_text(known)
        with pytest.raises(HostAway) as caught:
            ssh.reached(port=port, known_hosts=elsewhere, connect=10.0).run(["true"], timeout=20, effect=True)
    assert "let this account in" not in caught.value.message


def test_a_restart_of_sshd_is_not_noticed_by_the_next_call(ssh, sshd):
    """A connection that was lost while nobody used it is made anew."""
    assert ssh.host().run(["true"], timeout=20, effect=True).exit_code == 0
    sshd.restart()
    assert ssh.host().run(["true"], timeout=20, effect=True).exit_code == 0


def test_a_unit_outlives_its_connection(ssh, sshd):
    """And is found, still running, over the next."""
    ssh.host().start_unit("pack", ssh.program(output="x", seconds=60))
    sshd.restart()
    state = ssh.host().unit("pack")
    assert (state.phase.value, state.last_output) == ("running", "x")


def test_a_host_that_hangs_in_the_middle_is_noticed(ssh, sshd, tmp_path):
    """The TCP connection stands and says nothing: it is given up long before the time is up."""
    pid, begin = tmp_path / "pid", time.monotonic()
    stop = meanwhile(pid, lambda: sshd.signal_children(signal.SIGSTOP))
    link = ssh.new_link(quiet=1.0, connect=3.0)
    with pytest.raises(HostError, match="the connection to web was lost while sh ran") as caught:
        ssh.host(link=link).run(["sh", "-c", f"echo $$ > {pid}; sleep 50"], timeout=50, effect=True)
    stop.join()
    assert caught.value.in_doubt is True
    assert time.monotonic() - begin < 30
    assert ends(begun(pid))


def test_a_command_that_only_takes_long_is_not_given_up(ssh):
    """Silence of the program is not silence of the host."""
    link = ssh.new_link(quiet=0.3)
    assert ssh.host(link=link).run(["sleep", "2"], timeout=30, effect=True).exit_code == 0


def test_a_host_that_takes_the_connection_and_says_nothing_is_named(ssh, sshd):
    """The kernel answers for a server that hangs; the time for connecting is kept all the same."""
    os.kill(sshd.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer in time"):
            ssh.reached(connect=1.5).run(["true"], timeout=60, effect=True)
        assert time.monotonic() - begin < 10
    finally:
        os.kill(sshd.pid, signal.SIGCONT)


def test_connecting_takes_no_longer_than_the_call_may(ssh, sshd):
    """The time that is left of the window is the limit."""
    os.kill(sshd.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer in time"):
            ssh.reached().run(["true"], timeout=1, effect=True)
        assert time.monotonic() - begin < 6
    finally:
        os.kill(sshd.pid, signal.SIGCONT)


def test_connecting_ends_when_told_to(ssh, sshd):
    """The turn-back point does not wait for a host that hangs."""
    os.kill(sshd.pid, signal.SIGSTOP)
    try:
        ssh.stop_after(0.5)
        begin = time.monotonic()
        with pytest.raises(Cancelled):
            ssh.reached().run(["true"], timeout=60, effect=True)
        assert time.monotonic() - begin < 5
    finally:
        os.kill(sshd.pid, signal.SIGCONT)


def test_a_name_that_leads_nowhere_is_named(ssh):
    """Before anything else is tried."""
    with pytest.raises(Unreachable, match=r"no-such-host.invalid:22 leads nowhere"):
        ssh.reached(host="no-such-host.invalid", port=22).run(["true"], timeout=20, effect=True)


def test_a_file_that_arrives_in_part_is_not_put_there(ssh, sshd, tmp_path):
    """The old content stays when the connection is cut while the new is on its way."""
    path = tmp_path / "page.html"
    path.write_bytes(b"old")
    cutter = threading.Timer(0.4, lambda: sshd.signal_children(signal.SIGKILL))
    host, much = ssh.host(), os.urandom(16 * 1024 * 1024)
    host.run(["true"], timeout=20, effect=False)
    cutter.start()
    with suppress(HostError):
        host.write(str(path), much)
    cutter.join()
    assert path.read_bytes() in {b"old", much}
    assert [one.name for one in tmp_path.iterdir() if one.name != path.name] in ([], [".page.html.runbook-new"])


# --- bounds -------------------------------------------------------------------------------------------------------


def test_output_is_bounded_and_the_end_is_kept(ssh):
    """A gigabyte of noise does not fill the memory; errors stand at the end."""
    result = ssh.host().run(["sh", "-c", "yes noise | head -c 3000000; echo the end"], timeout=60, effect=False)
    assert result.truncated
    assert len(result.stdout) <= 64 * 1024
    assert result.stdout.endswith("the end\n")


def test_a_daemon_left_behind_does_not_hold_it_up(ssh):
    """A service started by a command keeps the session's output open; the command has ended all the same."""
    begin = time.monotonic()
    result = ssh.host().run(["sh", "-c", "sleep 20 & echo started"], timeout=60, effect=True)
    assert (result.exit_code, result.stdout) == (0, "started\n")
    assert time.monotonic() - begin < 15


def test_told_to_stop_all_it_started_ends(ssh, tmp_path):
    """Children of children too, also those that left the group."""
    pid = tmp_path / "pid"
    told = meanwhile(pid, ssh.stop.stop)
    with pytest.raises(Cancelled):
        ssh.host().run(["sh", "-c", f"setsid sh -c 'echo $$ > {pid}; sleep 60' & wait"], timeout=60, effect=True)
    told.join()
    assert ends(begun(pid))


def test_ssh_is_loaded_only_when_a_host_is_spoken_to():
    """A quarter of a second that nobody without hosts should wait."""
    code = (
        "import sys, runbook.app, runbook.adapters.host.ssh; print('fabric' in sys.modules, 'paramiko' in sys.modules)"
    )
    done = subprocess.run([os.sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
