"""Receivers of notifications: what applying did to them, how far each is, and a test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverChangeDocument:
    """A receiver after the receivers of a workspace were applied.

    ``change`` is ``created``, ``changed``, ``unchanged``, ``removed`` or ``kept``, as one of another workspace is.
    ``owner`` is the other workspace that it belonged to. With ``new_secret`` the server needs a secret for the URL.
    """

    name: str
    url: str
    version: int
    change: str
    owner: str = ""
    new_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverStateDocument:
    """A receiver and how far it is.

    ``pending`` events wait, the oldest since ``oldest``; of at most a thousand lines. ``failures`` are those in a row,
    since ``failing_since``, the last one with ``error``; the next try is at ``next_try``. ``given_up`` events never
    arrived. ``tests`` are those that people wanted and ``tested`` those that were made; the last one failed with
    ``test_error``.
    """

    name: str
    url: str
    format: str
    events: tuple[str, ...]
    channel_patterns: tuple[str, ...]
    app_patterns: tuple[str, ...]
    version: int
    actor: str
    at: datetime
    pending: int
    oldest: datetime | None
    failures: int
    failing_since: datetime | None
    error: str
    next_try: datetime | None
    sent_at: datetime | None
    given_up: int
    tests: int
    tested: int
    test_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverTestDocument:
    """A test of a receiver that is made next, and its number."""

    name: str
    number: int
