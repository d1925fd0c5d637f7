"""Between this program and a command it runs: a process of its own that ends the command when the program is gone.

Run as a script, by its path, with the plainest interpreter there is (``-I -S``), so that it stands in some 20 ms; it
imports nothing of the program. Standard input is the lifeline: nobody but the program holds its other end, so the end
of file means that the program is gone, whatever ended it. Then the command's process group is killed, at once. A byte
on the lifeline asks the group to end; what is left of it when the command itself has ended is killed.

Out of reach are processes that left the group (``setsid``, job control), those that a command left running when it
ended by itself, and those that this user may not signal. When the supervisor is killed as well (``killall -9``), the
kernel ends the command on Linux, though not what the command had started.

Windows has no process groups to signal: the command itself is killed there, which is all that ``Popen.kill`` can do.
"""

from __future__ import annotations

import os
import select
import signal
import sys

NOT_STARTED = 0x52420000
"""Windows: this exit code, plus the error's number, says that the command could not be started."""
LIFELINE = 0
DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of ``prctl``."""


def main(arguments: list[str]) -> int:
    """``REPORT INPUT LC_CTYPE COMMAND...``: the numbers of the pipe to report on and of the one that the command reads
    (-1: it reads nothing), the locale the program was started with.

    What is reported: ``pid N`` before the command is started, ``errno N`` when it cannot be, ``exit N`` at its end,
    negative for a signal. No ``exit``: nobody saw the end. On Windows the exit code is the report.
    """
    report, given, locale, argv = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3:]
    # Python may have set it to get at UTF-8 (PEP 538): no business of the command.
    os.environ.pop("LC_CTYPE", None)
    if locale:
        os.environ["LC_CTYPE"] = locale
    if sys.platform == "win32":
        return watch_by_thread(argv)
    os.set_inheritable(report, False)
    ends = _hear_signals()
    if _ready(LIFELINE, timeout=0):
        return 0  # gone, or no longer wanted, before it began
    try:
        child = os.fork()
        if child == 0:
            _become(argv, report, given)
        if given >= 0:
            os.close(given)
    except OSError as error:
        _say(report, "errno", error.errno or 0)
        return 0
    code = _watch(child, ends)
    try:
        _say(report, "exit", code)
    except BrokenPipeError:
        return 1  # nobody is left to hear it
    return 0


def watch_by_thread(argv: list[str]) -> int:
    """What Windows gets: no signals, no groups, no ``select`` on pipes. The exit code as a signed number."""
    import subprocess  # noqa: PLC0415 - half the time a supervisor takes to start, for nothing elsewhere
    import threading  # noqa: PLC0415

    try:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)  # noqa: S603 - an argument list from the plan
    except OSError as error:
        return NOT_STARTED + (error.errno or 0)

    def kill_when_alone() -> None:
        while os.read(LIFELINE, 1):
            pass
        child.kill()

    threading.Thread(target=kill_when_alone, daemon=True).start()
    code = child.wait()
    return code - 2**32 if code >= 2**31 else code


def _hear_signals() -> int:
    """A pipe that tells of ended children. Polite signals do nothing: the lifeline alone decides.

    Handlers, not SIG_IGN: the command would inherit that.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _nothing)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _nothing)
    return reading


def _nothing(number: int, frame: object) -> None:
    del number, frame


def _ready(*descriptors: int, timeout: float | None = None) -> list[int]:
    return select.select(descriptors, [], [], timeout)[0]


def _become(argv: list[str], report: int, given: int) -> None:
    """The child turns into the command: a session of its own, its own standard input, signals as they were."""
    try:
        os.setsid()
        _die_with(os.getppid())
        os.dup2(given if given >= 0 else os.open(os.devnull, os.O_RDONLY), LIFELINE)
        if given >= 0:
            os.close(given)
        # Without a reader this fails: nobody is there any more who wants it started.
        _say(report, "pid", os.getpid())
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
            signal.signal(number, signal.SIG_DFL)
        os.execvp(argv[0], argv)  # noqa: S606 - an argument list from the plan, no shell
    except OSError as error:
        _say(report, "errno", error.errno or 0)
    finally:
        os._exit(127)


def _die_with(parent: int) -> None:
    """The kernel's second line, for when the supervisor itself is killed. Linux only; a setuid command loses it."""
    if sys.platform != "linux":
        return
    try:
        import ctypes  # noqa: PLC0415 - there are interpreters without it

        ctypes.CDLL(None).prctl(DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(127)


def _watch(child: int, ends: int) -> int:
    """Until the command has ended, by itself or by force: its exit code, negative for a signal."""
    asked = False
    while True:
        ready = _ready(ends, LIFELINE)
        if ends in ready and signal.SIGCHLD in os.read(ends, 512):
            if asked:
                break
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
        if LIFELINE in ready:
            if not os.read(LIFELINE, 16):
                break
            asked = True
            _signal_group(child, signal.SIGTERM)
    # Before the child is waited for: until then nobody else can have its number.
    _signal_group(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _signal_group(child: int, number: signal.Signals) -> None:
    try:
        os.killpg(child, number)
    except ProcessLookupError:
        os.kill(child, number)  # no group of its own yet
    except PermissionError:
        return  # a command that became another user: it is waited for


def _say(report: int, word: str, number: int) -> None:
    os.write(report, f"{word} {number}\n".encode())


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
