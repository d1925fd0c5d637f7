"""An nginx that the tests start themselves: Debian's program as a process of theirs, on 127.0.0.1 only.

Its configuration and everything it writes are in a directory of its own; nothing of the machine's own ``/etc/nginx`` is
read. Where there is no nginx, the tests are skipped with what is missing.
"""

from __future__ import annotations

import getpass
import http.client
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.ports import free_port

PROGRAM = "/usr/sbin/nginx"
CONFIG = """daemon off; worker_processes 1; error_log {d}/error.log; pid {d}/pid;{user}
events {{ }}
http {{
    access_log off; types {{ text/html html; }}
    client_body_temp_path {d}/b; proxy_temp_path {d}/x; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u;
    scgi_temp_path {d}/s;
    server {{
        listen 127.0.0.1:{port};
        error_page 503 /own503;
        include {d}/inc/mailer*.conf;
        location / {{ return 200 "app $request_method $uri $arg_q"; }}
        location /api/ {{ return 200 "api"; }}
        location ~ \\.gif$ {{ return 200 "gif"; }}
    }}
}}
"""


def program() -> str:
    """Where nginx is; the test is skipped where it is not."""
    if not Path(PROGRAM).exists():
        pytest.skip("nginx is not installed; as root: apt-get install nginx-light, or: .ci/setup dev")
    return PROGRAM


class Nginx:
    """One server that answers for an application; ``include`` is where its gate's configuration belongs."""

    def __init__(self) -> None:
        self._program = program()
        self.directory = Path(tempfile.mkdtemp(prefix="runbook-nginx-"))
        self.directory.chmod(0o755)
        (self.directory / "inc").mkdir(mode=0o755)
        self.include = self.directory / "inc" / "mailer.conf"
        self.port = free_port()
        user = " user root;" if getpass.getuser() == "root" else ""
        self.config = self.directory / "nginx.conf"
        self.config.write_text(CONFIG.format(d=self.directory, port=self.port, user=user))
        self._own = [
            self._program,
            "-p",
            str(self.directory),
            "-c",
            str(self.config),
            "-e",
            f"{self.directory}/error.log",
        ]
        self.test, self.reload = [*self._own, "-t"], [*self._own, "-s", "reload"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        switch = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        self._process = subprocess.Popen([*switch, *self._own], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_until(lambda: self.get("/")[0] == 200)

    def wait_until(self, condition: Callable[[], object], seconds: float = 10) -> None:
        """Until it holds."""
        give_up_at = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            assert time.monotonic() < give_up_at, (self.directory / "error.log").read_text()
            time.sleep(0.02)

    def workers(self) -> set[str]:
        """The processes that answer, those of an earlier configuration included."""
        assert self._process is not None
        pid = self._process.pid
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def get(
        self, path: str, host: str = "a", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            body = b"x" if method == "POST" else None
            connection.request(method, path, headers={"Host": host, **(headers or {})}, body=body)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def stop(self) -> None:
        """End it and forget its files."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)
