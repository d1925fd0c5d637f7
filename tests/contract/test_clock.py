"""The contract of the port Clock, on virtual and on real time."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from threading import Event


def test_now_is_aware_utc_and_monotonic_never_falls(clock):
    """Instants are UTC; elapsed time only grows."""
    first = clock.monotonic()
    clock.wait(Event(), 0.01)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() - first >= 0.009


def test_wait_says_whether_the_event_is_set(clock):
    """True at once when set, False after the time."""
    event = Event()
    assert clock.wait(event, 0.01) is False
    event.set()
    assert clock.wait(event, 60) is True
    assert clock.wait(event, None) is True


def test_a_timer_wakes_a_wait(clock):
    """A call at an instant ends a wait without a limit."""
    event, started = Event(), clock.now()
    clock.call_after(0.05, event.set)
    assert clock.wait(event, None) is True
    assert clock.now() >= started + timedelta(seconds=0.05)


def test_timers_fire_once_and_in_order(clock):
    """Each call happens once, the earlier instant first, one that has passed at once."""
    fired, done = [], Event()
    clock.call_after(0.10, lambda: (fired.append("late"), done.set()))
    clock.call_after(0.03, lambda: fired.append("early"))
    clock.call_after(-5, lambda: fired.append("past"))
    assert clock.wait(done, 5)
    clock.wait(Event(), 0.05)
    assert fired == ["past", "early", "late"]


def test_a_cancelled_timer_stays_silent(clock):
    """Cancelling before prevents the call, cancelling after is no error."""
    fired, done = [], Event()
    clock.call_after(0.03, lambda: fired.append("no")).cancel()
    kept = clock.call_after(0.06, done.set)
    assert clock.wait(done, 5)
    kept.cancel()
    assert fired == []


def test_ids_are_unique_and_sort_by_time(clock):
    """The form people read in file names and commands."""
    ids = [clock.new_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4,}", one) for one in ids)
    clock.wait(Event(), 1.01)
    assert clock.new_id() > max(ids)
