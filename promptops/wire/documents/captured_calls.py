"""What was captured of calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedCaseDocument:
    """The variables of a call. ``id`` is a keyed hash of the prompt and the variables, ``cluster`` one of the call's
    key, empty for a call without one. ``version`` is that of the release that answered.
    """

    id: str
    prompt: str
    at: datetime
    variables: Mapping[str, object]
    cluster: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedDocument:
    """The newest captured calls, each once, the newest first. No call came after ``until``.

    ``captures`` says whether the app captures variables now, and ``private`` how many calls were left out since a
    variable of them is private.
    """

    app: str
    channel: str
    until: datetime
    captures: bool
    cases: tuple[CapturedCaseDocument, ...]
    private: int
