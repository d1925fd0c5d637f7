"""GO, and nothing but GO, ends a batch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.api import Batch, BatchError, split_batches


def split(text: str) -> list[tuple[str, int, int]]:
    return [(batch.sql.strip(), batch.line, batch.count) for batch in split_batches(text)]


@pytest.mark.parametrize(
    "go", ["GO", "go", "Go", "  GO", "\tGO\t", "GO   ", "GO\r", "GO -- done", "GO--done", "GO 1", "go  1  -- once"]
)
def test_spellings(go: str) -> None:
    """Upper or lower case, with blanks around, with a comment behind, with Windows line ends."""
    assert split(f"SELECT 1\n{go}\nSELECT 2") == [("SELECT 1", 1, 1), ("SELECT 2", 3, 1)]


@pytest.mark.parametrize(
    "text", ["SELECT 1 GO", "GOTO done", "GO_ON", "SELECT go\nFROM t", "GOGO", "go = 1", "GO SELECT 1"]
)
def test_not_alone(text: str) -> None:
    """A word that only begins like it, or does not stand alone, is T-SQL."""
    assert split(text) == [(text, 1, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'a\nGO\nb'",
        "SELECT N'it''s\nGO\n'",
        'SELECT "a\nGO\nb"',
        "SELECT [a\nGO\nb]",
        "SELECT [a]]\nGO\nb]",
        "/* a\nGO\n*/ SELECT 1",
        "/* /* nested */\nGO\n*/ SELECT 1",
        "/* it's\nGO\n*/",
    ],
)
def test_inside(text: str) -> None:
    """In a string, a quoted or bracketed name, a comment (they nest) it is part of that."""
    assert split(text) == [(text, 1, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "-- it's\nGO\nSELECT 2",
        "-- [ \nGO\nSELECT 2",
        "-- /*\nGO\nSELECT 2",
        "SELECT '--'\nGO\nSELECT 2",
        "SELECT '/*'\nGO\nSELECT 2",
    ],
)
def test_what_does_not_open(text: str) -> None:
    """Quotes in a comment to the end of the line, and comments in a string, open nothing."""
    assert len(split(text)) == 2


def test_lines_are_those_of_the_file() -> None:
    """A batch knows the line it begins on, blank lines in front included, so an error is found again."""
    first, second = split_batches("\n\nSELECT 1\nGO\n\n\nSELECT\n  2\nGO")
    assert (first.line, first.sql.split("\n").index("SELECT 1")) == (1, 2)
    assert (second.line, second.sql.split("\n").index("SELECT")) == (5, 2)


def test_repeats() -> None:
    """GO n runs the batch n times, GO 0 never."""
    assert split("A\nGO 3\nB\nGO 0\nC\nGO") == [("A", 1, 3), ("C", 5, 1)]


def test_empty_batches_are_left_out() -> None:
    """Nothing is not sent."""
    assert split("GO\n\nGO\n  \nGO") == []
    assert split("") == []


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("SELECT 1\nGO;\n", 2, "GO is followed by a semicolon"),
        ("SELECT 1\nGO 2 ;\n", 2, "GO is followed by a semicolon"),
        ("\n:r other.sql\n", 2, "a command of sqlcmd, not T-SQL"),
        (":setvar db x\nSELECT 1", 1, "a command of sqlcmd, not T-SQL"),
        ("!!dir\n", 1, "a command of sqlcmd, not T-SQL"),
        ("SELECT 1\nGO\nSELECT 'x\nGO\n", 3, "a string is never closed"),
        ("SELECT [x\nGO\n", 1, "a name in brackets is never closed"),
        ("SELECT 1\n/* x\nGO\n", 2, "a comment is never closed"),
        ("GO 10000000", 1, "GO 10000000 repeats a batch too often"),
    ],
)
def test_refused(text: str, line: int, message: str) -> None:
    """What other tools read in another way is refused with its line, never guessed at."""
    with pytest.raises(BatchError) as caught:
        split_batches(text)
    assert (caught.value.line, caught.value.message) == (line, message)
    assert caught.value.hint


pieces = st.sampled_from(
    ["SELECT 1", "-- GO", "'a\nGO\nb'", "/* x\nGO\n*/", "[n\nGO\n]", "", "  ", "GO 2 x", "x = '''' -- '", "/*/**/*/"]
)


@given(st.lists(st.lists(pieces, max_size=4), min_size=1, max_size=6))
def test_no_line_is_lost(parts: list[list[str]]) -> None:
    """Whatever the batches hold, putting them together again with GO gives the same batches on the same lines."""
    texts = ["\n".join(part) for part in parts]
    whole = "\nGO\n".join(texts)
    expected, line = [], 1
    for text in texts:
        if text.strip():
            expected.append(Batch(text, line))
        line += text.count("\n") + 2
    assert list(split_batches(whole)) == expected
