"""The Debian package ``mssql-server`` in two major versions, each in an apt repository of its own.

The package's version decides what the engine is. It carries the project's sandbox with the libraries that needs, so
that a host holds nothing of the project but what apt has put there. Repositories are flat directories, mounted
read-only into the hosts at ``MOUNT``; a line for apt's sources is ``source(year)``.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runbook.sandbox.instance.versions import VERSIONS
from tests.hosts import image
from tests.hosts.engine import Docker, Missing, locked

MOUNT = "/srv/repo"
KEY = f"{MOUNT}/key.gpg"
"""What signs the repositories; a host that does not name it refuses them."""
YEARS = ("2019", "2022")
LIBRARIES = ("apsw", "sqlglot")
"""What the sandbox imports besides the standard library."""
PAYLOAD = Path(__file__).parent / "payload" / "mssql-server"
PROJECT = Path(__file__).parents[2] / "runbook"
LIB = "opt/mssql/lib/mssql-server"
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def version(year: str) -> str:
    """The package's version, as Microsoft numbers them: ``15.0.4430.1-1``."""
    return f"{VERSIONS[year].product}-1"


def source(year: str) -> str:
    """The line for ``/etc/apt/sources.list.d``."""
    return f"deb [arch=amd64 signed-by={KEY}] file:{MOUNT}/mssql-server-{year} ./"


def repositories(docker: Docker) -> Path:
    """The directory with one repository a version, built anew when the sandbox or the packaging has changed."""
    for program in ("dpkg-deb", "gpg", "gpg-agent"):
        if shutil.which(program) is None:
            raise Missing(f"{program} is not installed; as root: apt-get install {program}, or: .ci/hosts")
    place = _cache() / _stamp()
    with locked("packages", fcntl.LOCK_EX):
        if not place.exists():
            _clear(_cache())
            with tempfile.TemporaryDirectory(prefix=".building", dir=_cache()) as folder:
                _build(docker, Path(folder))
                Path(folder, "done").rename(place)
    return place


def _cache() -> Path:
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runbook-hosts"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _clear(cache: Path) -> None:
    """A few generations are enough, other checkouts may use theirs now."""
    kept = sorted((p for p in cache.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for old in kept[:-3]:
        shutil.rmtree(old, ignore_errors=True)


def _sources() -> Iterator[tuple[Path, Path]]:
    """Files of the project that the sandbox is made of, and what they are called in the package."""
    files = [PROJECT / "__init__.py", *(PROJECT / "sandbox").rglob("*.py")]
    for path in sorted(files):
        yield path, path.relative_to(PROJECT.parent)


def _stamp() -> str:
    found = hashlib.sha256(image.tag().encode())
    for path in (Path(__file__), *sorted(PAYLOAD.iterdir()), *(path for path, _ in _sources())):
        found.update(f"{path.name}\n".encode() + path.read_bytes())
    for library in LIBRARIES:
        found.update(f"{library}=={importlib.metadata.version(library)}\n".encode())
    return found.hexdigest()[:16]


def _build(docker: Docker, folder: Path) -> None:
    tree, done = folder / "tree", folder / "done"
    lib = tree / LIB
    for path, name in _sources():
        (lib / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, lib / name)
    _libraries(lib)
    _compile(docker, lib)
    _install(tree)
    for year in YEARS:
        repository = done / f"mssql-server-{year}"
        repository.mkdir(parents=True)
        _package(tree, year, repository)
        _index(repository)
    _sign(folder / "keys", done)
    for place in (done, *done.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)  # apt reads them as account _apt


def _libraries(lib: Path) -> None:
    """For the hosts' Python, which need not be the one that runs this."""
    wanted = [f"{library}=={importlib.metadata.version(library)}" for library in LIBRARIES]
    platforms = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-compile", "--only-binary=:all:", "--python-version", image.PYTHON, "--target", str(lib)]
    command += [f"--platform={platform}" for platform in platforms]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise Missing(f"the package mssql-server cannot be built: {lines[-1]}")
    for waste in (*lib.glob("*.dist-info"), lib / "bin", *lib.rglob("tests")):
        shutil.rmtree(waste, ignore_errors=True)


def _compile(docker: Docker, lib: Path) -> None:
    """By the hosts' Python, so that an engine starts as fast as it can."""
    command = ["python3", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "/lib-in"]
    bind = f"{lib}:/lib-in"
    docker.run("run", "--rm", "--network=none", "-v", bind, "--entrypoint", command[0], image.tag(), *command[1:])


def _install(tree: Path) -> None:
    (tree / "opt/mssql/bin").mkdir(parents=True)
    for name in ("sqlservr", "mssql-conf"):
        shutil.copyfile(PAYLOAD / name, tree / "opt/mssql/bin" / name)
        (tree / "opt/mssql/bin" / name).chmod(0o755)
    unit = tree / "lib/systemd/system/mssql-server.service"
    unit.parent.mkdir(parents=True)
    shutil.copyfile(PAYLOAD / unit.name, unit)
    (tree / "DEBIAN").mkdir()
    for name in SCRIPTS:
        shutil.copyfile(PAYLOAD / name, tree / "DEBIAN" / name)
        (tree / "DEBIAN" / name).chmod(0o755)


def _package(tree: Path, year: str, repository: Path) -> None:
    (tree / LIB / "VERSION").write_text(f"{year}\n", encoding="ascii")
    control = tree / "DEBIAN" / "control"
    control.write_text(_control(year), encoding="utf-8")
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(repository)]
    _said(command)


def _control(year: str) -> str:
    fields = {
        "Package": "mssql-server",
        "Version": version(year),
        "Architecture": "amd64",
        "Maintainer": "The tests <nobody@example.invalid>",
        "Depends": f"python3 (>= {image.PYTHON}), passwd",
        "Section": "database",
        "Priority": "extra",
        "Description": f"Microsoft SQL Server {year} Relational Database Engine (sandbox)",
    }
    return "".join(f"{name}: {is_}\n" for name, is_ in fields.items())


def _index(repository: Path) -> None:
    entries = []
    for package in sorted(repository.glob("*.deb")):
        fields = _said(["dpkg-deb", "--field", str(package)])
        content = package.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        entries.append(f"{fields}\nFilename: ./{package.name}\nSize: {len(content)}\nSHA256: {digest}\n")
    index = "\n".join(entries)
    (repository / "Packages").write_text(index, encoding="utf-8")
    said = f" {hashlib.sha256(index.encode()).hexdigest()} {len(index)} Packages"
    (repository / "Release").write_text(f"Origin: tests\nSHA256:\n{said}\n", encoding="utf-8")


def _sign(keys: Path, done: Path) -> None:
    """With a key that is forgotten afterwards."""
    keys.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(keys), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        _said([*gpg, "--quick-generate-key", "tests <nobody@example.invalid>", "ed25519", "sign", "never"])
        _said([*gpg, "--output", str(done / "key.gpg"), "--export"])
        for release in done.glob("*/Release"):
            _said([*gpg, "--output", str(release.with_name("InRelease")), "--clear-sign", str(release)])
    finally:
        subprocess.run(["gpgconf", "--homedir", str(keys), "--kill", "all"], check=False, capture_output=True)


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{shlex.join(command)} failed ({done.returncode}): {done.stderr.strip()}"
    return done.stdout.strip()
