"""Whole numbers in a query."""

from __future__ import annotations

from pydantic import BeforeValidator


def _require_digits(typed: object) -> object:
    """A number as plain ASCII digits: pydantic would also take ``1_0``, and digits of any script.

    Raises:
        ValueError: it has anything but digits of ASCII.
    """
    if isinstance(typed, str) and not (typed.isascii() and typed.removeprefix("-").isdigit()):
        raise ValueError("it is not a whole number")
    return typed


Digits = BeforeValidator(_require_digits)
"""A whole number in a query."""
