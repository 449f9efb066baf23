"""The models of what is live, by when they end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModelDocument:
    """A model of a release that is live on a channel, as the stable one or ``canary``.

    ``ends`` is the first day without the model (YYYY-MM-DD), null where no end is announced or known. ``successor`` is
    what its provider proposes then, and ``source`` where the end is from.
    """

    app: str
    channel: str
    version: str
    digest: str
    canary: bool
    model: str
    ends: str | None
    successor: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookDocument:
    """The models of all that is live on a day (``today``), the first end first; those without an end are the last."""

    today: str
    models: tuple[LiveModelDocument, ...]
