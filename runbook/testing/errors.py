"""What tests and fakes say to each other when a world ends or makes no sense."""

from __future__ import annotations


class PowerCut(BaseException):
    """The plug was pulled: the process under test is gone at this very point.

    Derives from BaseException so that no ``except Exception`` of the program survives its own death.
    """


class ImpossibleWorld(AssertionError):
    """The test, or the program, asked for something that cannot happen outside."""
