"""What is done on an engine's machine as one piece of long work: POSIX shell, coreutils, findutils, apt and dpkg."""

from __future__ import annotations

_DOWN = """\
set -eu
export LC_ALL=C.UTF-8
down() {
    case $(systemctl show --property=ActiveState --value "$1") in
        inactive | failed) ;;
        *) echo "$1 runs: nothing is copied under a running engine" >&2; exit 70 ;;
    esac
}
tree() { find . -printf '%P|%y|%m|%U|%G|%l\\n' | sort; }
"""

COPY = (
    _DOWN
    + """\
data=$1 kept=$2 service=$3
down "$service"
mkdir -p -m 700 "$kept"
rm -rf "$kept/data" "$kept/data.part" "$kept/manifest" "$kept/tree"
trap 'rm -rf "$kept/data.part"' EXIT
cp -a --reflink=auto -T "$data" "$kept/data.part"
cd "$data"
find . -type f -print0 | sort -z | xargs -0 -r sha256sum -b > "$kept/manifest"
tree > "$kept/tree"
cd "$kept/data.part"
sha256sum --check --quiet --strict "$kept/manifest"
tree | cmp - "$kept/tree"
down "$service"
sync -f "$kept"
mv -T "$kept/data.part" "$kept/data"
sync -f "$kept"
"""
)
"""$1 data, $2 the run's directory, $3 the service. ``data`` there is whole or not there: it gets its name last.
What it came to when it fails goes: the engine that is started again needs the room."""

PUT_BACK = (
    _DOWN
    + """\
data=$1 kept=$2 service=$3
down "$service"
cd "$kept/data"
sha256sum --check --quiet --strict "$kept/manifest"
tree | cmp - "$kept/tree"
mkdir -p "$data"
cd /
find "$data" -mindepth 1 ! -type d -delete
find "$data" -mindepth 1 -depth -type d -empty -delete 2>/dev/null || :
cp -a --reflink=auto -T "$kept/data" "$data"
sync -f "$data"
cd "$data"
sha256sum --check --quiet --strict "$kept/manifest"
tree | cmp - "$kept/tree"
down "$service"
"""
)
"""As above, the other way. Begun again it begins from the start: the copy stays what it is."""

_APT = """\
set -eu
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive ACCEPT_EULA=Y
"""

FETCH = (
    _APT
    + """\
kept=$1 package=$2 old=$3 new=$4
apt() {
    side=$1 && shift
    mkdir -p "$kept/$side/lists/partial" "$kept/$side/archives/partial"
    apt-get -q -o Dir::Etc::sourcelist="$kept/$side.list" -o Dir::Etc::sourceparts=- \\
        -o Dir::State::lists="$kept/$side/lists" -o Dir::Cache::archives="$kept/$side/archives" \\
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@"
}
rm -rf "$kept/old" "$kept/new" "$kept/fetched"
apt old update
apt new update
apt new -s install "$package=$new" > "$kept/simulated"
mkdir "$kept/old/package" "$kept/new/package"
cd "$kept/old/package" && apt old download "$package=$old"
cd "$kept/new/package" && apt new download "$package=$new"
cd "$kept" && sha256sum -b old/package/*.deb new/package/*.deb > "$kept/fetched.part"
sync -f "$kept"
mv -T "$kept/fetched.part" "$kept/fetched"
"""
)
"""$1 the run's directory, with ``old.list`` and ``new.list`` in it, $2 the package, $3 and $4 its versions. Lists and
caches are the run's own: what the machine knows of packages stays as it is."""

INSTALL = (
    _APT
    + """\
kept=$1
cd "$kept" && sha256sum --check --quiet --strict fetched
exec apt-get -q -y --no-remove -o DPkg::Lock::Timeout=60 -o APT::Sandbox::User=root \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "$kept"/new/package/*.deb
"""
)
"""$1 the run's directory."""

DOWNGRADE = (
    _APT
    + """\
kept=$1
cd "$kept" && sha256sum --check --quiet --strict fetched
replaced() {
    dpkg --force-confdef --force-confold --force-downgrade -i "$kept"/old/package/*.deb
}
apt-get -q -y --no-remove --allow-downgrades -o DPkg::Lock::Timeout=60 -o APT::Sandbox::User=root \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "$kept"/old/package/*.deb ||
    replaced || {
    timeout -k 5 60 dpkg --configure -a --force-confdef --force-confold || echo "left half configured"
    replaced
}
"""
)
"""$1 the run's directory. What an interrupted dpkg left half configured is replaced as it is: the configuring of it may
be the very thing that hung. It is settled first only where nothing else helps."""

LOCKS = """\
for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do
    inode=$(stat -c %i "$file" 2>/dev/null) || continue
    if grep -q ":$inode " /proc/locks; then echo "$file"; fi
done
"""
"""Prints the lock files of apt and dpkg that a program holds."""
