"""The contract of the port Web, on the fake and over real sockets."""

from __future__ import annotations


def test_shows_what_the_application_answers(site):
    """A page and its status come through."""
    answer = site.web.get(f"{site.url}/")
    assert (answer.status, "Mailer" in answer.body) == (200, True)


def test_shows_the_gates_page_with_its_status(site):
    """Closed is what users see, headers by lower-case names."""
    site.close("planned maintenance, Zoë")
    answer = site.web.get(f"{site.url}/")
    assert (answer.status, answer.body) == (503, "planned maintenance, Zoë")
    assert answer.headers["retry-after"] == "600"


def test_the_query_is_sent(site):
    """A probe that may look behind the gate does."""
    site.close("planned maintenance")
    answer = site.web.get(f"{site.url}/health?bypass=1")
    assert (answer.status, answer.body) == (200, '{"server": "OLDSQL"}')


def test_nobody_listening_is_an_answer_without_status(site):
    """No exception: status 0 and the reason."""
    answer = site.web.get(f"{site.elsewhere}/")
    assert (answer.status, answer.body) == (0, "connection refused")


def test_a_hanging_site_is_given_up(site):
    """After the timeout there is an answer without status that says so."""
    site.hang()
    answer = site.web.get(f"{site.url}/", timeout=0.2)
    assert answer.status == 0
    assert "0.2 s" in answer.body
