"""A program that is loaded once and forked for each line of standard input: a second of imports, once for many.

A line is a JSON object: ``words`` of the command line, ``directory``, ``environment`` and ``out``, the file to which is
added what it says; or it has ``signal`` and ``pid``, for one that has not ended. Told on standard output, a line each:
``{"pid": n}`` in the order of the requests, and ``{"pid": n, "code": c}`` when one has ended, below zero for a signal.
Ends with its standard input; what it started goes on.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

CHUNK = 1 << 16


def preloaded(load: Callable[[], None], program: Callable[[], None]) -> None:
    """Load, fork as asked; in each fork go on as the program. ``load`` starts no thread and opens nothing."""
    load()
    gc.collect()
    gc.freeze()  # what is shared stays shared
    request = _serve()
    if request is None:
        return
    _become(request)
    program()


def _tell(**told: Any) -> None:
    os.write(1, json.dumps(told).encode() + b"\n")


def _serve() -> Mapping[str, Any] | None:
    """Fork for each line of standard input until it closes. Returns None then, and in each fork its request."""
    hear, wake = os.pipe()
    os.set_blocking(hear, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    rest, running = b"", set[int]()
    with selectors.DefaultSelector() as heard:
        heard.register(0, selectors.EVENT_READ)
        heard.register(hear, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in heard.select()}
            if hear in ready:
                os.read(hear, CHUNK)
                _tell_ended(running)
            if 0 in ready:
                chunk = os.read(0, CHUNK)
                if not chunk:
                    return None
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    request: Mapping[str, Any] = json.loads(line)
                    if "signal" in request:
                        if request["pid"] in running:  # whoever has ended keeps its number until it is out of there
                            os.kill(request["pid"], request["signal"])
                        continue
                    if not (pid := os.fork()):
                        return request
                    running.add(pid)
                    _tell(pid=pid)


def _tell_ended(running: set[int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        running.remove(pid)
        _tell(pid=pid, code=os.waitstatus_to_exitcode(status))


def _become(request: Mapping[str, Any]) -> None:
    """In the fork: what a new process of this program would be."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for source, number in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.argv[1:] = request["words"]
