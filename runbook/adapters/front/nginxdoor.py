"""nginx on one host: an include and its pages are put there, judged, and loaded without losing a request.

A file beside the include says how far that came: what was interrupted is seen and done again. It is written before
anything else, and says *closed* only when the processes of nginx that answer have read this very include.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runbook.adapters.front.nginx import include, pages
from runbook.adapters.front.page import content_of, kept_file, put_back
from runbook.errors import HostError
from runbook.front import Answer, GateState, Rule
from runbook.hosting import CommandResult, FileKind, Host

LOADING = 30.0
"""Seconds that a test or a reload may take."""
PATIENCE, DRAINING, PAUSE = 10.0, 5.0, 0.1
"""Seconds: until new processes answer, until the old ones have gone, and between two looks at them."""
LOOK = """for f in $(grep -slzx "nginx: worker process$1" /proc/[0-9]*/cmdline); do
cut -d" " -f1,4 "${f%cmdline}stat" 2>/dev/null; done; :"""
"""The processes that answer, each with the one that loads the configuration: more than one nginx may be on the host."""
LEAVING = " is shutting down"
CHANGING = b"changing\n"
LOGGED = re.compile(r"^\d+#\d+: ")
"""The process that says it, as nginx begins its lines: of one that only tested."""


class NginxDoor:
    """Implements :class:`runbook.adapters.front.fleet.Door`."""

    def __init__(
        self,
        host: Host,
        path: str,
        run_id: str,
        *,
        test: Sequence[str],
        reload: Sequence[str],
        root: bool,
        sleep: Callable[[float], None],
    ) -> None:
        self._host = host
        self._path = path
        self._mark = f"runbook: {run_id}"
        self._stem = f"{path.removesuffix('.conf')}.{run_id}"
        self._state = f"{self._stem}.state"
        self._test, self._reload = tuple(test), tuple(reload)
        self._root = root
        self._sleep = sleep

    # --- looking -----------------------------------------------------------------------------------------------

    def observe(self) -> GateState:
        """By the include, and by how far it came."""
        standing, state = self._read(self._path), self._read(self._state)
        if standing is not None and not self._is_ours(standing):
            return GateState.FOREIGN
        if standing is None and state is None:
            return GateState.OPEN
        return GateState.CLOSED if standing is not None and state == _closed(standing) else GateState.PARTIAL

    def earlier(self) -> Any:
        """An include that somebody else put there."""
        standing = self._read(self._path)
        if standing is None or self._is_ours(standing):
            return None
        return kept_file(self._host, self._path, standing, root=self._root)

    def differs(self, text: str, rules: Sequence[Rule]) -> tuple[str, ...]:
        """The files that are not as they should be."""
        wanted = self._files(text, rules)
        wanted[self._state] = _closed(wanted[self._path])
        return tuple(path for path, content in wanted.items() if self._read(path) != content)

    def troubles(self) -> tuple[str, ...]:
        """A directory that is not there, a configuration that nginx does not take as it is, an include nobody reads."""
        directory = self._path.rpartition("/")[0]
        stands = self._host.stat(directory, root=self._root)
        if stands is None or stands.kind is not FileKind.DIRECTORY:
            return (f"the directory {directory} does not exist",)
        try:
            judged = self._host.run(self._test, timeout=LOADING, effect=False, root=self._root)
        except HostError as error:
            return (error.message,)
        if judged.exit_code != 0:
            return (f"nginx does not take its configuration as it is: {_emergency(judged)}",)
        return () if "-t" not in self._test else self._unread()

    def _unread(self) -> tuple[str, ...]:
        dump = tuple("-T" if word == "-t" else word for word in self._test)
        told = self._host.run(dump, timeout=LOADING, effect=False, root=self._root)
        if told.exit_code or told.truncated:
            return ()  # it cannot be seen
        read = re.findall(r"^[^#]*\binclude\s+[\"']?([^\s;\"']+)", told.stdout, re.MULTILINE)
        if any(fnmatch.fnmatchcase(self._path, pattern) for pattern in read):
            return ()
        wanted = f"{self._path.removesuffix('.conf')}*.conf"
        return (f"no server block reads {self._path}: say include {wanted}; in each that is to be closed",)

    # --- changing ----------------------------------------------------------------------------------------------

    def close(self, text: str, rules: Sequence[Rule]) -> None:
        """Pages first, then the include; another text in the same places needs no reload."""
        wanted = self._files(text, rules)
        new = wanted.pop(self._path)
        standing, state = self._read(self._path), self._read(self._state)
        is_loaded = standing == new and state == _closed(new)
        try:
            if not is_loaded:
                self._write(self._state, CHANGING)
            for path, content in wanted.items():
                if self._read(path) != content:
                    self._write(path, content)
            if is_loaded:
                return
            kept = None if standing is None else kept_file(self._host, self._path, standing, root=self._root)
            if standing != new:
                self._write(self._path, new)
            self._judge(kept)
        except HostError:
            self._as_it_was(standing, state)
            raise
        self._load()
        self._write(self._state, _closed(new))

    def _as_it_was(self, standing: bytes | None, state: bytes | None) -> None:
        """Nothing was loaded: the file that tells how far it came says again what it said, so that a gate that stands
        open is not taken for one that has to be opened."""
        if self._read(self._path) != standing or self._read(self._state) == state:
            return
        if state is not None:
            self._write(self._state, state)
            return
        for path in self._pages():
            self._host.remove(path, root=self._root)
        self._host.remove(self._state, root=self._root)

    def open(self, earlier: Any) -> None:
        """What stood there is there again and loaded; then the pages go, when nobody can ask for them any more."""
        standing, state = self._read(self._path), self._read(self._state)
        wanted = None if earlier is None else content_of(earlier)
        if standing == wanted and state is None:
            return
        # What the file beside it says is not what stands there from here on: no word more is needed, and none is
        # written, as a disk that is full must not keep users out.
        kept = None if standing is None else kept_file(self._host, self._path, standing, root=self._root)
        put_back(self._host, self._path, earlier, root=self._root)
        self._judge(kept)
        loading = self._load()
        self._await(lambda: not loading & set(self._workers(LEAVING).values()), DRAINING)
        for path in self._pages():
            self._host.remove(path, root=self._root)
        self._host.remove(self._state, root=self._root)

    def _judge(self, kept: Any) -> None:
        """What nginx does not like is taken back before it can do harm: ``kept`` is there again."""
        judged = self._host.run(self._test, timeout=LOADING, effect=False, root=self._root)
        if judged.exit_code == 0:
            return
        put_back(self._host, self._path, kept, root=self._root)
        raise HostError(
            f"nginx on {self._host.name} does not take the configuration: {_emergency(judged)}",
            host=self._host.name,
            hint=f"What stood there before stands there again. Look there: {' '.join(self._test)}",
        )

    def _load(self) -> set[str]:
        """Reload, and see that it was; returns the processes that did."""
        before = self._workers()
        loaded = self._host.run(self._reload, timeout=LOADING, effect=True, root=self._root)
        if loaded.exit_code != 0:
            raise HostError(
                f"{self._reload[0]} on {self._host.name} ended with {loaded.exit_code}: {loaded.said() or 'no output'}",
                host=self._host.name,
                in_doubt=True,
                hint="Look whether nginx runs there.",
            )
        if not self._await(lambda: self._has_loaded(before), PATIENCE):
            raise HostError(
                f"nginx on {self._host.name} goes on with its earlier configuration",
                host=self._host.name,
                in_doubt=True,
                hint="Look at its error log: a reload that fails is told there.",
            )
        return {loader for worker, loader in self._workers().items() if worker not in before}

    def _has_loaded(self, before: Mapping[str, str]) -> bool:
        """New processes answer, and none of those that they took over from."""
        now = self._workers()
        loaded = {loader for worker, loader in now.items() if worker not in before}
        return bool(loaded) and not any(worker in before and loader in loaded for worker, loader in now.items())

    def _await(self, condition: Callable[[], bool], seconds: float) -> bool:
        waited = 0.0
        while not condition():
            if waited >= seconds:
                return False
            self._sleep(PAUSE)
            waited += PAUSE
        return True

    # --- pieces ------------------------------------------------------------------------------------------------

    def _workers(self, how: str = "") -> dict[str, str]:
        """Process -> the one that started it."""
        look = ("sh", "-c", LOOK, "sh", how)
        answer = self._host.run(look, timeout=LOADING, effect=False, root=self._root)
        return dict(line.split() for line in answer.stdout.splitlines())

    def _files(self, text: str, rules: Sequence[Rule]) -> dict[str, bytes]:
        """Pages, then the include."""
        rules = rules or [Rule("all", answer=Answer(503, text.encode(), "text/html; charset=utf-8"))]
        told = include(rules, mark=self._mark, stem=self._stem)
        return {**pages(rules, self._stem), self._path: told.encode()}

    def _pages(self) -> list[str]:
        """The pages of this run, however many it had put there."""
        directory, _, name = self._stem.rpartition("/")
        look = ("find", directory or "/", "-maxdepth", "1", "-name", f"{name}.*.page")
        return self._host.run(look, timeout=LOADING, effect=False, root=self._root).stdout.splitlines()

    def _is_ours(self, standing: bytes) -> bool:
        return standing.startswith(f"# {self._mark}\n".encode())

    def _read(self, path: str) -> bytes | None:
        return self._host.read(path, root=self._root)

    def _write(self, path: str, content: bytes) -> None:
        self._host.write(path, content, mode=0o644, root=self._root)


def _emergency(judged: CommandResult) -> str:
    """Why nginx says no, in its own words."""
    said = next((line for line in judged.stderr.splitlines() if "[emerg]" in line), judged.said())
    return LOGGED.sub("", said.partition("[emerg] ")[2] or said)


def _closed(standing: bytes) -> bytes:
    return f"closed {hashlib.sha256(standing).hexdigest()}\n".encode()
