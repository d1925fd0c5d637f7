"""``python -m tests.containers.image``: images that stand for SQL Server's own, made of Debian's packages.

They run the sandbox behind the same port, variables and places: 1433, ``ACCEPT_EULA``, ``MSSQL_SA_PASSWORD``,
``MSSQL_PID``, ``/var/opt/mssql``, account 10001. Named after what is in them, so that each is built once.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from tests.hosts import image, package
from tests.hosts.engine import Docker, Missing, held

NAME = "runbook-mssql"
PAYLOAD = Path(__file__).parent / "payload"
PREPARE = """set -e
groupadd --system mssql
useradd --system --uid 10001 --gid mssql --home-dir /var/opt/mssql --no-create-home mssql
dpkg -i /srv/repo/mssql-server-{year}/*.deb >/dev/null
install -m 755 /payload/start /opt/mssql/bin/start
rm -rf /var/opt/mssql && install -d -o 10001 -g root -m 770 /var/opt/mssql"""


def ready(docker: Docker, year: str) -> str:
    """The image's name, built when it is not there yet. Raises Missing."""
    base = image.ready(docker)
    repositories = package.repositories(docker)
    name = f"{NAME}:{year}-{repositories.name}-{_stamp()}"
    if docker.run("image", "inspect", name, check=False).returncode:
        _build(docker, base, repositories, year, name)
    return name


def _stamp() -> str:
    return hashlib.sha256(PREPARE.encode() + (PAYLOAD / "start").read_bytes()).hexdigest()[:8]


def _build(docker: Docker, base: str, repositories: Path, year: str, name: str) -> None:
    binds = ("-v", f"{repositories}:/srv/repo:ro", "-v", f"{PAYLOAD}:/payload:ro")
    script = PREPARE.format(year=year)
    made = docker.text(
        "create", "--network=none", *binds, "--entrypoint", "/bin/sh", base, "-c", script, timeout=60
    )  # fmt: skip
    try:
        docker.run("start", "--attach", made, timeout=300)
        changes = ('ENTRYPOINT ["/opt/mssql/bin/start"]', "CMD []", "EXPOSE 1433")
        docker.run("commit", *(word for change in changes for word in ("--change", change)), made, name, timeout=300)
    finally:
        docker.run("rm", "-f", "-v", made, check=False)


def main() -> int:
    """Build both; says what they are called."""
    try:
        with held() as docker:
            for year in package.YEARS:
                sys.stdout.write(f"{year} {ready(docker, year)}\n")
    except Missing as problem:
        sys.stderr.write(f"error: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
