"""Nothing a value holds can leave the place in a statement that it was put in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.adapters.sqlserver.tsql import agent, logins, state
from runbook.adapters.sqlserver.tsql.quoting import binary, guid, literal, long_text, name
from runbook.ports import Login

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


@given(WORDS.filter(bool))
def test_a_quoted_name_ends_where_it_should(word: str) -> None:
    """Inside the brackets every closing one is doubled."""
    assert name(word)[1:-1].replace("]]", "").count("]") == 0
    assert name(word)[1:-1].replace("]]", "]") == word


@given(WORDS)
def test_a_literal_ends_where_it_should(word: str) -> None:
    """Between the quotes every quote is doubled."""
    if "\\\n" in word or "\\\r\n" in word:
        return
    assert literal(word)[2:-1].replace("''", "'") == word


@pytest.mark.parametrize("wrong", ["", "x" * 129, "a\0b", "\ud800"])
def test_what_can_be_no_name_is_refused(wrong: str) -> None:
    """Empty, too long, NUL, half a surrogate pair."""
    with pytest.raises(ValueError, match=r"T-SQL|name"):
        name(wrong)


@pytest.mark.parametrize("text", ["a\\\nb", "a\\\r\nb"])
def test_a_continuation_is_refused_or_split(text: str) -> None:
    """A backslash before a line break would vanish from a literal together with the break."""
    with pytest.raises(ValueError, match="backslash"):
        literal(text)
    assert long_text(text) == f"CAST(N'' AS nvarchar(max)) + N'a\\' + N'{text[2:]}'"


@pytest.mark.parametrize("wrong", ["", "0x1", "1234", "0x12; DROP LOGIN [sa]", "0xZZ"])
def test_only_binary_constants_are_binary(wrong: str) -> None:
    """A password hash cannot bring a statement along."""
    with pytest.raises(ValueError, match="binary"):
        binary(wrong)


@pytest.mark.parametrize("wrong", ["", "x", "0F8FAD5B-D9CB-469F-A165-70867728950E' OR 1=1"])
def test_only_guids_are_guids(wrong: str) -> None:
    """A job id cannot bring a statement along."""
    with pytest.raises(ValueError, match="GUID"):
        guid(wrong)
    with pytest.raises(ValueError, match="GUID"):
        agent.stop(wrong)


@pytest.mark.parametrize(("key", "value"), [("TRUSTWORTHY", "ON; DROP"), ("RECOVERY", "ON"), ("PAGE_VERIFY", "ON")])
def test_only_known_options_are_set(key: str, value: str) -> None:
    """Options are not free text."""
    with pytest.raises(ValueError, match="option"):
        state.option("Contacts", key, value)


def test_the_record_shows_no_hash() -> None:
    """The text for the record is the statement without the password hash."""
    login = Login("app", "S", "0x01AA", "0x0200FEEDBEEF", "master", False, True, False)
    assert "FEEDBEEF" in logins.create(login)
    assert "FEEDBEEF" not in logins.create(login, masked=True)
    assert logins.create(login, masked=True).replace(logins.MASKED, "0x0200FEEDBEEF") == logins.create(login)
