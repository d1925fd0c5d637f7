"""Sets the demo's application up between two servers, and starts and stops it.

render_config(state / "app", old_server_json, new_server_json, 8095)
app = start_app(state / "app", 8095)
...
stop_app(app)
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from mailer_data.connecting import Server  # noqa: E402
from mailer_data.logins import APP  # noqa: E402

APP_PORT = 8095
"""The port the plans name in their probes and checks."""
BYPASS_TOKEN = "look-inside"  # noqa: S105 (the plans name it too; it opens nothing but /health of the demo)
PLAN_FILES = ("runbook.yaml", "schema-upgrade.yaml", "maintenance.html")


class RunningApp(NamedTuple):
    """A started application."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"


class AppError(Exception):
    """The application did not start; the message holds what it said."""


def render_config(
    directory: Path, old_server_json: Path, new_server_json: Path | None, app_port: int = APP_PORT
) -> None:
    """Write ``database.ini`` (pointing to the old server) and ``app.ini`` into ``directory``, which is made.

    The JSON files are those the simulated servers write when they are ready; only host and port are taken from them,
    the login is the application's own. Without a new server, as a scripts upgrade has none, its section is left out.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    sections = ["# Which server the mailer uses. One word decides; the application reads it at every request.\n"]
    sections.append("[mailer]\nactive = old\n")
    for name, path in (("old", old_server_json), ("new", new_server_json)):
        if path is not None:
            server = Server.from_json(Path(path))
            login = f"user = {APP.name}\npassword = {APP.password}\n"
            sections.append(f"[{name}]\nhost = {server.host}\nport = {server.port}\n{login}")
    _write(directory / "database.ini", "\n".join(sections))
    _write(
        directory / "app.ini",
        "[app]\n"
        "# While this file exists, everybody gets its text and nothing else.\n"
        "maintenance_file = maintenance.html\n"
        "retry_after = 1800\n"
        f"bypass_token = {BYPASS_TOKEN}\n"
        f"port = {app_port}\n",
    )


def start_app(directory: Path, port: int = APP_PORT, *, timeout: float = 15.0) -> RunningApp:
    """Start the application on the configuration in ``directory`` and wait until it takes requests.

    ``port`` 0 takes a free one. Raises :class:`AppError` after ``timeout`` seconds or when it ends by itself. Its
    messages go to ``app.log`` in the same folder.
    """
    directory = Path(directory)
    port_file = directory / "app.port"
    port_file.unlink(missing_ok=True)
    log = directory / "app.log"
    command = [sys.executable, str(HERE / "app.py"), "--config", str(directory), "--port", str(port)]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
    give_up_at = time.monotonic() + timeout
    while time.monotonic() < give_up_at and process.poll() is None:
        if port_file.exists():
            return RunningApp(process, int(port_file.read_text(encoding="ascii")))
        time.sleep(0.02)
    ended = process.poll() is not None
    process.kill()
    process.wait()
    said = log.read_text(encoding="utf-8", errors="replace").strip()[-1000:]
    raise AppError(f"the mailer {'ended at once' if ended else 'did not become ready'}: {said}")


def stop_app(app: RunningApp, *, timeout: float = 10.0) -> None:
    """End the application; its sessions are closed when this returns."""
    app.process.terminate()
    try:
        app.process.wait(timeout)
    except subprocess.TimeoutExpired:
        app.process.kill()
        app.process.wait()


def lay_out(directory: Path, *, app_port: int = APP_PORT) -> Path:
    """Copy the plans and what they need into ``directory``, for a checkout that cannot be written or another port.

    Returns the folder the plans expect the application's configuration in (``state/app``).
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name in PLAN_FILES:
        text = (HERE / name).read_text(encoding="utf-8")
        _write(directory / name, text.replace(f"127.0.0.1:{APP_PORT}", f"127.0.0.1:{app_port}"))
    shutil.copytree(HERE / "sql", directory / "sql", dirs_exist_ok=True)
    app = directory / "state" / "app"
    app.mkdir(parents=True, exist_ok=True)
    return app


def _write(path: Path, text: str) -> None:
    waiting = path.with_name(path.name + ".tmp")
    waiting.write_text(text, encoding="utf-8")
    waiting.replace(path)


def main() -> int:
    """The command line: what a rehearsal runs for each of its nights, in a copy of the plan's files."""
    parser = argparse.ArgumentParser(description="Write the application's configuration.")
    parser.add_argument("--directory", type=Path, default=Path("state/app"), help="where (default: state/app)")
    parser.add_argument("--old", type=Path, required=True, help="JSON with host and port of the old server")
    parser.add_argument("--new", type=Path, help="the same of the new one")
    parser.add_argument("--port", type=int, default=APP_PORT, help="where the application will answer")
    options = parser.parse_args()
    render_config(options.directory, options.old, options.new, options.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
