"""Asking something that may never answer: a server that was stopped keeps its connections and says nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """What the work returns or raises. TimeoutError when it takes longer: its thread is left behind with all it uses,
    and whoever asked goes on without it."""
    future: Future[T] = Future()
    Thread(target=_carry_out, args=(future, work), name="patience", daemon=True).start()
    return future.result(seconds)


def _carry_out(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        future.set_exception(error)
