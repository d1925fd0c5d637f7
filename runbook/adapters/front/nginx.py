"""The include that turns an nginx away from the application: pure text.

A server block says ``include .../NAME*.conf;``, which nginx takes for nothing while no such file is there.

Only what nginx calls safe inside ``if`` is used there (``set`` and ``rewrite ... last``): the site's own locations stay
as they are and are never reached by a request that is turned away. Answers are files, so that no character of a text
means anything to nginx.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from runbook.errors import NotSupported
from runbook.front import Answer, Bypass, Rule

PREFIX = "/.runbook-closed"
"""Where the answers live inside the server; not to be asked for from outside."""
VARIABLE, ASKED = "$runbook_closed", "$runbook_asked"
THROUGH = "through"
ON_ITS_WAY = rf"^{re.escape(PREFIX)}/page/[0-9]+ (?!{re.escape(PREFIX)})"
"""nginx reads the conditions of a server again on the way to the page of an answer: not to be turned away once more."""


def include(rules: Sequence[Rule], *, mark: str, stem: str, bypass: Bypass | None = None) -> str:
    """The text of the include. ``mark`` names the run in its first line; ``stem`` is what the paths of :func:`pages`
    begin with.

    A request that fits no rule is let through: whoever wants all others turned away ends with a rule for any.
    """
    lines = [f"# {_plain(mark)}", f"set {VARIABLE} {THROUGH};", f'set {ASKED} "$host $uri";']
    for number, rule in reversed(list(enumerate(rules))):  # the last one to set it wins
        lines += _chosen(rule, THROUGH if rule.answer is None else str(number))
    if bypass is not None:
        header = bypass.header.lower().replace("-", "_")
        lines.append(f"if ($http_{_plain(header)} = {_quoted(bypass.value)}) {{ set {VARIABLE} {THROUGH}; }}")
    lines += [
        f'set {ASKED} "$uri $request_uri";',
        f"if ({ASKED} ~ {_quoted(ON_ITS_WAY)}) {{ set {VARIABLE} {THROUGH}; }}",
    ]
    for number, rule in enumerate(rules):
        if rule.answer is not None:
            lines.append(f"if ({VARIABLE} = {number}) {{ rewrite ^ {PREFIX}/{number} last; }}")
            lines += _location(number, rule.answer, stem)
    return "\n".join(lines) + "\n"


def pages(rules: Sequence[Rule], stem: str) -> Mapping[str, bytes]:
    """The answers as files: path -> content."""
    return {_page(stem, number): rule.answer.body for number, rule in enumerate(rules) if rule.answer is not None}


def _chosen(rule: Rule, value: str) -> Iterator[str]:
    """``if`` knows no *and*: name and path are looked at as one text."""
    if not rule.paths and not rule.names:
        yield f"set {VARIABLE} {value};"
        return
    names = "|".join(re.escape(name.lower()) for name in rule.names) or "[^ ]*"
    paths = "|".join(re.escape(path) for path in rule.paths)
    yield f"if ({ASKED} ~ {_quoted(f'^({names}) ({paths})')}) {{ set {VARIABLE} {value}; }}"


def _location(number: int, answer: Answer, stem: str) -> Iterator[str]:
    """Two, because only nginx's way to an error page turns a POST into something that a file can answer."""
    page = f"{PREFIX}/page/{number}"
    yield f"location = {PREFIX}/{number} {{"
    yield f"    internal; client_max_body_size 0; error_page 503 ={answer.status} {page}; return 503;"
    yield "}"
    yield f"location = {page} {{"
    yield "    internal; client_max_body_size 0;"
    yield f"    alias {_quoted(_page(stem, number))};"
    yield f"    types {{ }} default_type {_quoted(answer.content_type)};"
    yield '    add_header Cache-Control "no-store" always;'
    if answer.retry_after is not None:
        yield f'    add_header Retry-After "{answer.retry_after}" always;'
    yield '    etag off; if_modified_since off; add_header Last-Modified "";'
    yield "}"


def _page(stem: str, number: int) -> str:
    return f"{stem}.{number}.page"


def _plain(text: str) -> str:
    if not re.fullmatch(r"[\w .:@,()/-]*", text):
        raise NotSupported(f"nginx cannot be given {text!r}", hint="Use letters, digits, dots and dashes.")
    return text


def _quoted(text: str) -> str:
    """A word of nginx's configuration in quotes; it has no way to write a dollar sign."""
    if "$" in text:
        raise NotSupported(f"nginx cannot be given {text!r}: it holds a dollar sign", hint="Do without it.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
