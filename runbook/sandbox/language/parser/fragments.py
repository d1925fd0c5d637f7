"""Parsing of stored pieces: expressions of columns and constraints, definitions of modules."""

from __future__ import annotations

from functools import lru_cache

from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language.lexer import lex
from runbook.sandbox.language.parser.batch import BatchParser


@lru_cache(maxsize=2048)
def parse_expression(text: str) -> n.Node:
    """A condition or value that stands alone."""
    parser = BatchParser(lex(text))
    found = parser.condition()
    if not parser.ended:
        parser.fail()
    return found


@lru_cache(maxsize=512)
def parse_module(text: str) -> d.CreateModule:
    """A stored definition."""
    found = BatchParser(lex(text)).batch()[0]
    assert isinstance(found, d.CreateModule)
    return found


def parse_view(text: str) -> d.CreateModule:
    """A stored view."""
    return parse_module(text)
