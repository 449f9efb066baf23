"""promptops: versions prompts, model pins and parameters of an app together as one immutable release.

What an application needs at run time is here: the two clients, what they hand out, and the errors they raise. A name is
imported when it is first used, so importing the package costs nothing. The command line is :mod:`promptops.cli`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops._version import __version__

if TYPE_CHECKING:
    from promptops.client.async_client import AsyncClient
    from promptops.client.calls.call import Call
    from promptops.client.calls.exposure import Exposure
    from promptops.client.media import Audio, File, Image
    from promptops.client.model_parameters import Parameters
    from promptops.client.prompt import Arguments, Fallback, Prompt, Reason, Renders, Source, Variant
    from promptops.client.state.app_release import ServedRelease
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
        PromptRetired,
        PromptUnavailable,
        ReleaseNotFound,
        Unavailable,
        UnknownVariable,
        VariableInvalid,
    )
    from promptops.core.heartbeat import State
    from promptops.core.json_value import Value
    from promptops.core.model import (
        AnswerCheck,
        Engine,
        Input,
        Json,
        Message,
        Placeholder,
        ResponseFormat,
        Role,
        Tool,
        ToolCall,
    )
    from promptops.core.model import Prompt as Definition
    from promptops.core.own_facts import OwnFacts
    from promptops.core.parts import Blob, Part, PartType
    from promptops.core.requests.request import Request

__all__ = [
    "AnswerCheck",
    "AppNotFound",
    "Arguments",
    "AsyncClient",
    "Audio",
    "Blob",
    "Call",
    "Change",
    "ChannelNotFound",
    "Client",
    "Definition",
    "Engine",
    "Exposure",
    "Fallback",
    "File",
    "Image",
    "Input",
    "Invalid",
    "Json",
    "Message",
    "MissingVariable",
    "NotFound",
    "OutputTooLarge",
    "OwnFacts",
    "ParameterNotTaken",
    "Parameters",
    "Part",
    "PartType",
    "Placeholder",
    "Prompt",
    "PromptNotFound",
    "PromptRetired",
    "PromptUnavailable",
    "PromptopsError",
    "Reason",
    "ReleaseNotFound",
    "Renders",
    "Request",
    "ResponseFormat",
    "Role",
    "ServedRelease",
    "Source",
    "State",
    "Status",
    "Tool",
    "ToolCall",
    "Unavailable",
    "UnknownVariable",
    "Value",
    "VariableInvalid",
    "Variant",
    "__version__",
]

_HOMES = {
    "AnswerCheck": "promptops.core.model",
    "Arguments": "promptops.client.prompt",
    "AsyncClient": "promptops.client.async_client",
    "Audio": "promptops.client.media",
    "Blob": "promptops.core.parts",
    "Call": "promptops.client.calls.call",
    "Change": "promptops.client.status",
    "Client": "promptops.client.sync_client",
    "Definition": "promptops.client.prompt",
    "Engine": "promptops.core.model",
    "Exposure": "promptops.client.calls.exposure",
    "Fallback": "promptops.client.prompt",
    "File": "promptops.client.media",
    "Image": "promptops.client.media",
    "Input": "promptops.core.model",
    "Json": "promptops.core.model",
    "Message": "promptops.core.model",
    "OwnFacts": "promptops.core.own_facts",
    "Parameters": "promptops.client.model_parameters",
    "Part": "promptops.core.parts",
    "PartType": "promptops.core.parts",
    "Placeholder": "promptops.core.model",
    "Prompt": "promptops.client.prompt",
    "Reason": "promptops.client.prompt",
    "Renders": "promptops.client.prompt",
    "Request": "promptops.core.requests.request",
    "ResponseFormat": "promptops.core.model",
    "Role": "promptops.core.model",
    "ServedRelease": "promptops.client.state.app_release",
    "Source": "promptops.client.prompt",
    "State": "promptops.core.heartbeat",
    "Status": "promptops.client.status",
    "Tool": "promptops.core.model",
    "ToolCall": "promptops.core.model",
    "Value": "promptops.core.json_value",
    "Variant": "promptops.client.prompt",
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
