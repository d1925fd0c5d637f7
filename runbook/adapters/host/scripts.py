"""The scripts that a POSIX host is given: files, units, and who it is. Arguments come as ``$1`` and so on.

A unit has a directory on its host, ``/var/lib/runbook/units/NAME`` (root's alone)::

    command   what is run, as a script          begun/    made once, by whoever runs it
    digest    of the command, to know it again   output    what it wrote
    keeper    systemd, or session without it     exit      how it ended: CODE STATUS RESULT INSTANT
    boot      of the host when it was started    stopped   somebody asked for its end

It is complete before anything is started, and everything but ``output`` is there whole or not at all. A directory
without ``begun`` was never run. One without ``exit`` of which nothing runs was killed: by a reboot when the host's boot
is another one. A boot is the kernel's boot id and the start of process 1, so that a container counts as a machine.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from runbook.adapters.host.posix import END
from runbook.adapters.host.shell import Scripts

LACKING = 'for p in "$@"; do command -v -- "$p" >/dev/null 2>&1 || printf "%s\\n" "$p"; done'

READ = 'base64 -- "$1"'

WRITE = """set -e
t=$(readlink -f -- "$1") || t=$1
d=$(dirname -- "$t")
[ -d "$d" ] || { echo "$d: No such directory" >&2; exit 92; }
[ ! -d "$t" ] || { echo "$t: Is a directory" >&2; exit 93; }
b=$d/.$(basename -- "$t").runbook-new
trap 'rm -f -- "$b"' EXIT
rm -f -- "$b"
umask 077
set -C
cat >"$b"
[ "$(wc -c <"$b")" -eq "$2" ] || { echo "$t: The content did not arrive whole" >&2; exit 94; }
if [ -e "$t" ]; then
    cp --attributes-only --preserve=xattr -- "$t" "$b" 2>/dev/null || :
    chown --reference="$t" -- "$b"
    chmod --reference="$t" -- "$b"
else
    chmod 644 -- "$b"
fi
[ -z "$4" ] || chown -- "$4" "$b"
[ -z "$3" ] || chmod -- "$3" "$b"
sync -- "$b"
mv -f -- "$b" "$t"
sync -- "$d\""""

REMOVE = """set -e
rm -f -- "$1"
d=$(dirname -- "$1")
[ ! -d "$d" ] || sync -- "$d\""""

STAT = "stat -c '%F|%a|%U|%G|%s' -- \"$1\""
SPACE = 'df -P -B1 -- "$1"'

_BOOT = """boot() {
    read -r i </proc/sys/kernel/random/boot_id
    read -r w </proc/1/stat
    set -- ${w##*) }
    echo "$i-${20}"
}
"""

FACTS = (
    _BOOT
    + """echo "machine=$(cat /etc/machine-id 2>/dev/null)"
echo "host=$(uname -n)"
echo "system=$(. /etc/os-release 2>/dev/null; echo "${PRETTY_NAME:-$(uname -s)}")"
echo "boot=$(boot)"
echo "user=$(id -un)"
echo "now=$(date +%s.%N)"
if [ "$(id -u)" = 0 ] || { [ "$1" = sudo ] && sudo -n true 2>/dev/null; }; then echo root=yes; fi
if [ -d /run/systemd/system ]; then echo units=yes; fi"""
)

MAX_UNIT_OUTPUT = 4096
"""Bytes of a unit's output that are shown with its state."""

_UNIT = (
    _BOOT
    + """begin_of() { read -r w <"/proc/$1/stat" && set -- ${w##*) } && echo "${20}"; }
runs() {
    if [ "$(cat "$d/keeper")" = systemd ]; then
        case $(systemctl show -p ActiveState "$u.service") in
        *=active | *=activating | *=deactivating | *=reloading) return 0 ;;
        *) return 1 ;;
        esac
    fi
    read -r p b <"$d/keeper-process" && [ "$(begin_of "$p" 2>/dev/null)" = "$b" ]
}
phase() {
    if [ ! -d "$d" ]; then echo absent
    elif [ -e "$d/exit" ]; then echo ended
    elif [ ! -d "$d/begun" ]; then echo absent
    elif [ "$(cat "$d/boot")" != "$(boot)" ]; then echo rebooted
    elif runs; then echo running
    elif [ -e "$d/exit" ]; then echo ended
    else echo lost
    fi
}
tell() {
    was=$(phase)
    echo "phase=$was"
    [ "$was" != absent ] || return 0
    [ ! -e "$d/exit" ] || echo "exit=$(cat "$d/exit")"
    [ ! -e "$d/stopped" ] || echo stopped=yes
    echo "at=$(cat "$d/at")"
    echo output
    [ ! -e "$d/output" ] || tail -c 4096 -- "$d/output"
}
d=$1
u=$2
"""
)
UNIT = _UNIT + "tell"

ENDED = """umask 077
d={directory}
set -- "${{EXIT_CODE:-killed}}" "${{EXIT_STATUS:--}}" "${{SERVICE_RESULT:--}}" "$(date +%s)"
echo "$*" >"$d/exit.new" && sync -- "$d/exit.new" && mv -f -- "$d/exit.new" "$d/exit" && sync -- "$d"
"""
"""Who keeps the unit runs this at its end, however it ended; the variables are systemd's."""

COMMAND = """umask 022
d={directory}
mkdir -- "$d/begun" 2>/dev/null || exit 0
exec <"$d/input" >>"$d/output" 2>&1
rm -f -- "$d/input"
cd -- {where} || exit 126
exec {become}{command}
"""

SESSION = """d={directory}
read -r w </proc/$$/stat && set -- ${{w##*) }} && echo "$$ ${{20}}" >"$d/keeper-process"
trap '' HUP TERM INT
(trap - HUP TERM INT; exec /bin/sh "$d/command")
EXIT_CODE=exited EXIT_STATUS=$? SERVICE_RESULT=- exec /bin/sh "$d/ended"
"""
"""Keeps a unit where there is no systemd: a session of its own."""

START = (
    _UNIT
    + """set -e
umask 077
fail() { echo "$1" >&2; exit 91; }
if [ ! -d "$d" ]; then
    mkdir -p -- "${d%/*}"
    fresh=$d.new.$$
    trap 'rm -rf -- "$fresh"' EXIT
    mkdir -- "$fresh"
    cat >"$fresh/input"
    # cat says it when the disk is full, the shell itself does not
    printf %s "$3" | cat >"$fresh/digest"
    printf %s "$4" | cat >"$fresh/command"
    printf %s "$5" | cat >"$fresh/ended"
    printf %s "$6" | cat >"$fresh/session"
    : >"$fresh/output"
    mv -T -- "$fresh" "$d" 2>/dev/null || [ -d "$d" ]
    sync -- "${d%/*}"
fi
[ "$(cat "$d/digest")" = "$3" ] || { echo "another command has this name" >&2; exit 90; }
if [ "$(phase)" = absent ]; then
    boot >"$d/boot"
    date +%s >"$d/at"
    if [ -d /run/systemd/system ]; then
        echo systemd >"$d/keeper"
        systemd-run --quiet --collect --unit="$u" --description="runbook: $u" --property=KillMode=control-group \\
            --property=TimeoutStopSec=10 --property="ExecStopPost=/bin/sh $d/ended" \\
            --setenv=LC_ALL=C.UTF-8 --setenv="RUNBOOK_CALL=$u" /bin/sh "$d/command" || runs || exit 91
    else
        echo session >"$d/keeper"
        RUNBOOK_CALL=$u setsid /bin/sh "$d/session" </dev/null >/dev/null 2>&1 &
    fi
    i=0
    while [ ! -d "$d/begun" ]; do
        i=$((i + 1))
        [ $i -lt 200 ] || fail "it was started, but did not begin within 10 s"
        sleep 0.05
    done
fi
tell"""
)

STOP = (
    _UNIT
    + """[ "$(phase)" = running ] || { tell; exit 0; }
: >"$d/stopped"
if [ "$(cat "$d/keeper")" = systemd ]; then systemctl stop "$u.service"
else
    (set -- "$u"; @END@)
    [ -e "$d/exit" ] || EXIT_CODE=killed EXIT_STATUS=KILL /bin/sh "$d/ended"
fi
tell""".replace("@END@", END)
)

FORGET = (
    _UNIT
    + """if [ "$(phase)" = running ]; then echo "it is running" >&2; exit 91; fi
rm -rf -- "$d" && if [ -d "${d%/*}" ]; then sync -- "${d%/*}"; fi"""
)

TAIL = (
    _UNIT
    + """was=$(phase)
echo "$was"
[ "$was" = absent ] || tail -c "+$(($3 + 1))" -- "$d/output" | head -c "$4" | base64"""
)


def _files(place: str, argv: Sequence[str], directory: str, user: str) -> Sequence[str]:
    become = "" if user in {"", "root"} else f"runuser -u {shlex.quote(user)} -- "
    known = {"directory": shlex.quote(place), "where": shlex.quote(directory), "become": become}
    return [text.format(command=shlex.join(argv), **known) for text in (COMMAND, ENDED, SESSION)]


POSIX = Scripts(
    lacking=LACKING,
    read=READ,
    write=WRITE,
    remove=REMOVE,
    stat=STAT,
    space=SPACE,
    facts=FACTS,
    unit=UNIT,
    start=START,
    stop=STOP,
    forget=FORGET,
    tail=TAIL,
    units="/var/lib/runbook/units",
    files=_files,
)
