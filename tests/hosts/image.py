"""``python -m tests.hosts.image``: the image every host of the tests boots from, made of Debian's own packages.

It is named after its recipe, so that it is built once and found afterwards; ``--remove`` removes all of them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.hosts.engine import Docker, Missing, held

NAME = "runbook-host"
SUITE = "bookworm"
PYTHON = "3.11"
"""Of that suite; what the package mssql-server carries is chosen for it."""
PACKAGES = (
    "dbus",
    "haproxy",
    "iproute2",
    "locales",
    "nginx-light",
    "openssh-server",
    "openssl",
    "procps",
    "python3",
    "python3-pyodbc",
    "socat",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tdsodbc",
)
KEPT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
KEPT = ("/usr/share/locale/de/*",)
CUSTOMIZE = Path(__file__).parent / "payload" / "customize"
BOOT = 'ENTRYPOINT ["/usr/local/sbin/boot"]'


def tag() -> str:
    """The image's name; another recipe has another one."""
    recipe = repr((SUITE, PACKAGES, KEPT_OUT, KEPT, BOOT)).encode() + CUSTOMIZE.read_bytes()
    return f"{NAME}:{hashlib.sha256(recipe).hexdigest()[:12]}"


def ready(docker: Docker) -> str:
    """The image's name, built when it is not there yet. Raises Missing."""
    name = tag()
    if docker.run("image", "inspect", name, check=False).returncode:
        _build(docker, name)
    return name


def _build(docker: Docker, name: str) -> None:
    program = shutil.which("mmdebstrap")
    if program is None:
        raise Missing("mmdebstrap is not installed; as root: apt-get install mmdebstrap, or: .ci/hosts")
    with tempfile.TemporaryDirectory(prefix="runbook-host-") as folder:
        tar, log = Path(folder) / "root.tar", Path(folder) / "log"
        with log.open("wb") as said:
            done = subprocess.run([program, *_options(), SUITE, str(tar)], stdout=said, stderr=said, check=False)
        if done.returncode:
            raise Missing(f"the host image cannot be built: {_reason(log)}")
        docker.run("import", "-c", BOOT, "-c", "ENV container=docker", str(tar), name, timeout=300)


def _reason(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() or ["mmdebstrap said nothing"]
    return next((line for line in lines if line.startswith("E:") or "Err:" in line), lines[-1])


def _options() -> list[str]:
    """The smallest system with apt; kept-out paths must come before those kept after all."""
    mode = "root" if os.getuid() == 0 else "unshare"
    options = [f"--mode={mode}", "--variant=apt", f"--include={','.join(PACKAGES)}", "--format=tar"]
    options += [f"--dpkgopt=path-exclude={path}" for path in KEPT_OUT]
    options += [f"--dpkgopt=path-include={path}" for path in KEPT]
    options += ['--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io"]
    return [*options, f'--customize-hook=sh "{CUSTOMIZE}" "$1"']


def main(arguments: list[str] | None = None) -> int:
    """Build or remove; says how long it took and how big it is."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts.image", description=__doc__)
    parser.add_argument("--remove", action="store_true", help="remove every host image instead")
    chosen = parser.parse_args(arguments)
    try:
        with held() as docker:
            return _remove(docker) if chosen.remove else _show(docker)
    except Missing as problem:
        sys.stderr.write(f"error: {problem}\n")
        return 1


def _show(docker: Docker) -> int:
    began = time.monotonic()
    name = ready(docker)
    size = int(docker.text("image", "inspect", "--format", "{{.Size}}", name))
    sys.stdout.write(f"{name}  {size / 1e6:.0f} MB  {time.monotonic() - began:.1f} s\n")
    return 0


def _remove(docker: Docker) -> int:
    names = docker.text("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", NAME).split()
    if names:
        docker.run("image", "rm", "-f", *names)
    sys.stdout.write("".join(f"{name} removed\n" for name in names) or "there is none\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
