"""How a call is put to a POSIX shell, and how its answer is read.

The account's login shell may be anything (bash, fish, csh) and may say anything before it obeys. It is told one
constant line, :data:`BEGIN`, that reads the same in all of them: become ``/bin/sh`` and take the first line of the
input as a script. So nothing that varies needs quoting for a shell that is not known, and no argument stands on a
command line that others can read before the program itself has it. What the script says after its marker is the
answer; what was said before is noise. The rest of the input is the program's.

As root the script becomes root first (``sudo -n``, which never asks) and takes a second line there.
"""

from __future__ import annotations

import shlex
from dataclasses import replace

from runbook.adapters.host.shell import Call, Fence, Heard, Question, fenced_out
from runbook.errors import HostError, NotPermitted
from runbook.hosting import CommandResult, last_line

BEGIN = """exec /bin/sh -c 'n=${IFS#??}; IFS= read -r s; eval "$s"'"""
"""``n`` is a line feed: the third of the characters that every shell begins to split words with."""
BEGIN_ARGV = ("/bin/sh", "-c", 'n=${IFS#??}; IFS= read -r s; eval "$s"')
ENDING = 5.0
"""Seconds that ending what runs on a host may take."""
LONGEST = 32 * 1024
"""Bytes of a question: more than a session takes at once is sent over one of its own."""
MARK = "RUNBOOK_CALL"
"""The variable that marks what a call started."""
ENGLISH = "unset LANGUAGE; LC_ALL=C.UTF-8; export LC_ALL"
"""Texts that can be read, and bytes that stay as they are, whatever the account is set to."""

FENCE = """d=${{XDG_STATE_HOME:-$HOME/.local/state}}/runbook; f=$d/{run}.fence; have=0
[ ! -r "$f" ] || read -r have <"$f"
if [ "${{have:-0}}" -gt {number} ]; then echo fenced-{token} >&2; exit 77; fi
if [ "${{have:-0}}" -lt {number} ]; then
    {{ mkdir -p "$d" && echo {number} >"$f.$$" && mv -f "$f.$$" "$f"; }} 2>/dev/null || :
fi
"""
"""In front of an effect, as the account that logs in. What cannot be noted there does not keep the way back from it."""
BECOME_ROOT = """echo login-{token} >&2
if [ "$(id -u)" = 0 ]; then exec {begin}; else {otherwise}; fi"""
NEVER = "echo 'the plan says become: none' >&2; exit 1"
RUN = """command -v "$1" >/dev/null 2>&1 || {{ echo absent-{token} >&2; exit 127; }}
echo begin-{token}; echo begin-{token} >&2
"$@"
exit $?"""
DO = """echo begin-{token}; echo begin-{token} >&2
{script}"""

STAND = """while IFS=' ' read -r t s; do (eval "$s") </dev/null; echo "end-$t $?"; echo "end-$t" >&2; done"""
"""One question a line, each in a shell of its own, until the input ends: its token, then its script."""

END = f"""marked() {{ grep -slzxF -- "{MARK}=$1" /proc/[0-9]*/environ; }}
tell() {{ for f in $(marked "$1"); do f=${{f%/environ}}; kill -"$2" "${{f#/proc/}}" 2>/dev/null; done; }}
tell "$1" TERM
for i in 1 2 3 4 5 6 7 8 9 10; do [ -n "$(marked "$1")" ] || exit 0; sleep 0.05; done
for i in 1 2 3 4 5; do tell "$1" KILL; [ -n "$(marked "$1")" ] || exit 0; sleep 0.1; done
exit 1"""
"""Ends everything that a call started (Linux): asked first, then killed. Exit 1: something is left."""


def quote(text: str) -> str:
    """One word of one line: line feeds are written as ``$n``."""
    return '"$n"'.join(shlex.quote(part) for part in text.split("\n"))


class Posix:
    """Implements :class:`runbook.adapters.host.shell.Dialect`."""

    begin = BEGIN

    def __init__(self, *, sudo: bool = True) -> None:
        self._sudo = sudo

    def spoken(self, call: Call) -> bytes:
        """The script, one line (as root two), then the input of the program."""
        if any("\0" in text for text in (*call.argv, call.script)):
            raise ValueError("a NUL character in a command")
        ask = (DO if call.script else RUN).format(token=call.token, script=call.script)
        fence = "" if call.fence is None else _fence(call.fence, call.token)
        arguments = f"set -- {' '.join(map(quote, call.argv))}"
        if not call.root:
            lines = [_line(call, arguments, fence + ask)]
        else:
            lines = [_line(call, ":", fence + self._become(call.token)), _line(call, arguments, ask)]
        return "".join(lines).encode("utf-8", "surrogateescape") + call.stdin

    def asked(self, call: Call) -> Question | None:
        """What only looks and is given nothing, to the shell that stands."""
        line = f"{call.token} ".encode() + self.spoken(replace(call, root=False))
        if call.effect or call.stdin or len(line) > LONGEST:
            return None
        become = f"eval {quote(self._become('standing'))}\n" if call.root else ""
        return Question(f"{become}{STAND}\n".encode(), line)

    def _become(self, token: str) -> str:
        begin = shlex.join(BEGIN_ARGV)
        otherwise = f"exec sudo -n -- {begin}" if self._sudo else NEVER
        return BECOME_ROOT.format(token=token, begin=begin, otherwise=otherwise)

    def understood(self, call: Call, heard: Heard, host: str) -> CommandResult:
        """What was said after the marker."""
        begin = f"begin-{call.token}\n"
        # Noise is short; an answer of which the beginning was dropped has begun.
        if begin in heard.stderr or begin in heard.stdout or heard.truncated:
            out, err = heard.stdout.rpartition(begin)[2], heard.stderr.rpartition(begin)[2]
            return CommandResult(heard.exit_code, out, err, heard.truncated)
        if f"fenced-{call.token}" in heard.stderr:
            raise fenced_out(host)
        if f"absent-{call.token}" in heard.stderr:
            raise HostError(
                f"cannot start {call.name} on {host}: no such file, or it may not be executed",
                host=host,
                hint="Check the path and the account's rights there; a command is an argument list, not a shell line.",
            )
        if f"login-{call.token}\n" in heard.stderr:
            raise _no_root(heard.stderr.partition(f"login-{call.token}\n")[2], host)
        said = last_line(heard.stderr) or last_line(heard.stdout) or "nothing"
        raise HostError(
            f"the login shell of {host} ended with {heard.exit_code} before {call.name} began, saying: {said}",
            host=host,
            hint="The account needs a login shell that obeys commands, and a profile that leaves its input alone.",
        )

    def end(self, call: Call) -> Call:
        """By the mark that all of it carries."""
        return Call("end what was started", (call.token,), END, timeout=ENDING, effect=True, root=call.root)


def _fence(fence: Fence, token: str) -> str:
    return FENCE.format(run=fence.run_id, number=fence.number, token=token)


def _line(call: Call, arguments: str, script: str) -> str:
    return f"{ENGLISH}; {MARK}={call.token}; export {MARK}; {arguments}; eval {quote(script)}\n"


def _no_root(said: str, host: str) -> NotPermitted:
    if "password is required" in said or "terminal is required" in said:
        return NotPermitted(
            f"sudo on {host} asks for a password",
            hint="Nobody is there to answer: give this account a rule with NOPASSWD (visudo -f "
            "/etc/sudoers.d/runbook), or log in as root.",
        )
    return NotPermitted(
        f"this account may not become root on {host}: {last_line(said) or 'sudo said nothing'}",
        hint="Install sudo there and allow this account to run /bin/sh with it, or log in as root.",
    )
