"""``python -m runbook.sandbox serve --dir DIR ...``: the server process."""

from __future__ import annotations

import argparse
import fcntl
import functools
import gc
import json
import os
import secrets
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from runbook.sandbox import manage
from runbook.sandbox.contract import SqlError
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.versions import EDITIONS, VERSIONS

HOST = "127.0.0.1"
YOUNG = 50_000
"""Objects between two looks for garbage: most of them are classes and statements that stay."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status is 0 after a clean stop, 1 when the server could not come up."""
    options = _parser().parse_args(arguments)
    directory = Path(options.dir).resolve()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chdir("/")
    lock = manage.take_server_lock(directory)
    if lock is None:
        sys.stderr.write(f"another server runs in {directory}\nHINT: stop it first, or use its server.json\n")
        return 1
    try:
        return _serve(directory, options)
    except SqlError as problem:
        sys.stderr.write("\n".join(str(p) for p in (problem, *problem.also)) + "\n")
        return 1
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runbook.sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="be a simulated SQL Server until SIGTERM")
    serve.add_argument("--dir", required=True, help="everything the server keeps; made when missing")
    serve.add_argument("--name", required=True, help="what @@SERVERNAME says")
    serve.add_argument("--version", choices=sorted(VERSIONS), default="2019")
    serve.add_argument("--edition", choices=sorted(EDITIONS), default="Developer")
    serve.add_argument("--port", type=int, default=0, help="0: the port of the last time if it is free, else any")
    serve.add_argument("--host", default=HOST, help=f"the address to listen on, {HOST} unless said otherwise")
    serve.add_argument("--errorlog", type=Path, help="in place of DIR/errorlog")
    serve.add_argument("--catalog", type=Path, help="logins, jobs, list of databases; in place of DIR/instance.db")
    serve.add_argument("--until-stdin-closes", action="store_true", help="stop when the parent is gone")
    return parser


def load() -> None:
    """What a server needs, or its first statements wait for it; nothing is opened."""
    import runbook.sandbox.instance.instance  # noqa: PLC0415
    import runbook.sandbox.language.session  # noqa: PLC0415
    import runbook.sandbox.wire.server  # noqa: F401, PLC0415


def _serve(directory: Path, options: argparse.Namespace) -> int:
    gc.set_threshold(YOUNG)
    load()  # after the arguments were checked
    from runbook.sandbox.instance.instance import open_instance  # noqa: PLC0415
    from runbook.sandbox.wire.server import serve  # noqa: PLC0415

    (directory / manage.SERVER).unlink(missing_ok=True)
    kept = _kept(directory)
    instance = open_instance(
        directory,
        options.name,
        options.version,
        options.edition,
        kept["password"],
        errorlog=options.errorlog,
        catalog=options.catalog,
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    instance.upgrade.begin()
    listener = _listen(functools.partial(serve, instance, options.host), options.port, kept.get("port", 0))
    instance.port = listener.port
    _keep(directory / manage.SETTINGS, {**kept, "port": listener.port})
    if not instance.upgrade.run(stop):
        listener.stop()
        instance.stop()
        return _gave_up(stop)
    _keep(
        directory / manage.SERVER,
        {
            "pid": os.getpid(),
            "host": options.host,
            "port": listener.port,
            "name": options.name,
            "version": options.version,
            "edition": options.edition,
            "user": "sa",
            "password": kept["password"],
            "started": clock.stamp(),
        },
    )
    if options.until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
    stop.wait()
    (directory / manage.SERVER).unlink(missing_ok=True)
    listener.stop()
    instance.stop()
    return 0


def _gave_up(stop: threading.Event) -> int:
    if stop.is_set():
        return 0
    sys.stderr.write("script upgrade failed, the error log says which script, with 912 and 3417\n")
    return 1


def _listen(serve: Any, wanted: int, last: int) -> Any:
    """The wanted port, or the one of the last time so that clients find a restarted server, or any."""
    if wanted or not last:
        return serve(wanted)
    try:
        return serve(last)
    except OSError:
        return serve(0)


def _kept(directory: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((directory / manage.SETTINGS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        kept = {"password": f"{secrets.token_urlsafe(18)}.Aa1"}
        _keep(directory / manage.SETTINGS, kept)
        return kept


def _keep(path: Path, content: dict[str, Any]) -> None:
    """Write a file that holds a secret: readable by its owner only, complete or not there."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    fresh.replace(path)


def _watch_stdin(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
