"""The mailer's web application: small, but it really lives on its databases.

    python app.py --config DIR --port 8095

DIR holds ``app.ini`` (where the maintenance file is, the token that lets a check look inside) and ``database.ini``
(which server is in use). Both are read again at every request, so nothing has to be restarted when they change.
While the maintenance file exists, everybody gets its text with status 503; a request for ``/health`` that knows
the token gets through. A database that does not answer is said to be away, in plain words.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

import pyodbc  # noqa: E402
from mailer_web import pages  # noqa: E402
from mailer_web.config import AppConfig, ConfigError  # noqa: E402
from mailer_web.pool import Pool  # noqa: E402

LARGEST_BODY = 65_536
AWAY = "The mailer cannot reach its database at the moment. Nothing you did was saved; please try again shortly.\n"


class Mailer(ThreadingHTTPServer):
    """The server, its configuration folder and its few open sessions."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, directory: Path) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.directory = directory
        self.pool = Pool()

    def service_actions(self) -> None:
        """What ``serve_forever`` does between requests."""
        self.pool.sweep()


class Handler(BaseHTTPRequestHandler):
    """One connection of a browser."""

    server: Mailer
    protocol_version = "HTTP/1.1"
    server_version = "Mailer"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Every page."""
        self._answer()

    def do_HEAD(self) -> None:
        """A page without its text."""
        self._answer()

    def do_POST(self) -> None:
        """A new contact, an unsubscribe."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet: the front end keeps the access log."""

    def _answer(self) -> None:
        try:
            length = min(int(self.headers.get("Content-Length") or 0), LARGEST_BODY)
        except ValueError:
            length = 0
        body = self.rfile.read(length) if length > 0 else b""
        self._send(self._reply(body.decode("utf-8", "replace")))

    def _reply(self, body: str) -> pages.Reply:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        try:
            config = AppConfig.read(self.server.directory)
            notice = config.notice()
            if notice is not None and not self._may_look_inside(config, url.path, query):
                return pages.maintenance(notice, config.retry_after)
            form = parse_qs(body) if self.command == "POST" else {}
            request = pages.Request(self.command, url.path, query, form, notice is not None)
            return pages.respond(request, self.server.pool.using(config.server, config.active))
        except ConfigError as error:
            return pages.plain(500, f"The mailer is not configured: {error}\n")
        except pyodbc.Error as error:
            print(f"database: {error}", file=sys.stderr, flush=True)
            return pages.plain(503, AWAY, {"Retry-After": "30"})

    def _may_look_inside(self, config: AppConfig, path: str, query: dict[str, list[str]]) -> bool:
        given = [*query.get("bypass", []), self.headers.get("X-Bypass", "")]
        return path == "/health" and bool(config.bypass_token) and config.bypass_token in given

    def _send(self, reply: pages.Reply) -> None:
        data = reply.body.encode("utf-8")
        try:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


def serve(directory: Path, port: int) -> int:
    """Serve until SIGTERM or SIGINT; ``app.port`` in the folder says where, as soon as requests are taken."""
    try:
        mailer = Mailer(port, directory)
    except OSError as error:
        print(f"cannot listen on port {port}: {error.strerror}\nHINT: choose another with --port", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=mailer.shutdown).start())
    bound = mailer.server_address[1]
    port_file = directory / "app.port"
    waiting = port_file.with_suffix(".tmp")
    waiting.write_text(f"{bound}\n", encoding="ascii")
    waiting.replace(port_file)
    print(f"mailer ready on http://127.0.0.1:{bound}/", flush=True)
    try:
        mailer.serve_forever(poll_interval=0.1)
    finally:
        port_file.unlink(missing_ok=True)
        mailer.server_close()
        mailer.pool.close()
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="The mailer's web application.")
    parser.add_argument("--config", type=Path, required=True, help="folder with app.ini and database.ini")
    parser.add_argument("--port", type=int, default=8095, help="port on 127.0.0.1; 0 takes a free one")
    options = parser.parse_args(arguments)
    try:
        AppConfig.read(options.config)
    except ConfigError as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 2
    return serve(options.config, options.port)


if __name__ == "__main__":
    sys.exit(main())
