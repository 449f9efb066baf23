"""promptops: versions prompts, model pins and parameters of an app together as one immutable release.

What an application needs at run time is here: the two clients, what they hand out, and the errors they raise. A name is
imported when it is first used, so importing the package costs nothing. The command line is :mod:`promptops.cli`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops._version import __version__

if TYPE_CHECKING:
    from promptops.client.async_client import AsyncClient
    from promptops.client.prompt import Prompt
    from promptops.client.status import Change, Status
    from promptops.client.sync_client import Client
    from promptops.core.errors import (
        AppNotFound,
        ChannelNotFound,
        Invalid,
        MissingVariable,
        NotFound,
        OutputTooLarge,
        ParameterNotTaken,
        PromptNotFound,
        PromptopsError,
        PromptUnavailable,
        ReleaseNotFound,
        Unavailable,
        UnknownVariable,
        VariableInvalid,
    )
    from promptops.core.heartbeat import State

__all__ = [
    "AppNotFound",
    "AsyncClient",
    "Change",
    "ChannelNotFound",
    "Client",
    "Invalid",
    "MissingVariable",
    "NotFound",
    "OutputTooLarge",
    "ParameterNotTaken",
    "Prompt",
    "PromptNotFound",
    "PromptUnavailable",
    "PromptopsError",
    "ReleaseNotFound",
    "State",
    "Status",
    "Unavailable",
    "UnknownVariable",
    "VariableInvalid",
    "__version__",
]

_HOMES = {
    "AsyncClient": "promptops.client.async_client",
    "Change": "promptops.client.status",
    "Client": "promptops.client.sync_client",
    "Prompt": "promptops.client.prompt",
    "State": "promptops.core.heartbeat",
    "Status": "promptops.client.status",
}


def __getattr__(name: str) -> object:
    """A name of ``__all__``, from where it lives (https://peps.python.org/pep-0562/)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES.get(name, "promptops.core.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
