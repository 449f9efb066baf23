"""Something of an app's calls that is worth a look."""

from __future__ import annotations

from dataclasses import dataclass

from promptops.core.names import AppName


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLook:
    """One word that stays the same (:func:`promptops.core.outcomes.forecast.looks`), and what it is in words."""

    app: AppName
    code: str
    text: str
