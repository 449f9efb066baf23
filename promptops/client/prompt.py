"""What an application gets: a prompt with its model, its parameters, and where it came from. Immutable.

``render`` gives messages; ``to_openai``, ``to_anthropic`` and their like give the arguments of the call of a provider's
package, and ``request`` gives the request as plain JSON; fresh objects each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from promptops.client.calls.exposure import Exposure
from promptops.client.definitions import Described, compile_described
from promptops.client.model_parameters import Parameters
from promptops.core.json_value import Json as Json  # `Value` names both, where the types of parameters are read
from promptops.core.json_value import Medium as Medium
from promptops.core.json_value import Value
from promptops.core.model import Message, Placeholder
from promptops.core.model import Prompt as Definition
from promptops.core.reference import require_text
from promptops.core.template.template import Template
from promptops.core.template.values import plain

if TYPE_CHECKING:
    from promptops.client.calls.call import Call
    from promptops.core.requests.request import Request


class Source(StrEnum):
    """Where a prompt came from. ``cache`` is this process's memory while the registry cannot be asked."""

    SERVER = "server"
    CACHE = "cache"
    DISK = "disk"
    BUNDLE = "bundle"
    OVERRIDE = "override"
    FALLBACK = "fallback"


class Reason(StrEnum):
    """Why it is this one: the channel's only one, a canary's split, the last known, one too old, the fallback, or the
    one that a conversation stays on.
    """

    STATIC = "STATIC"
    SPLIT = "SPLIT"
    CACHED = "CACHED"
    STALE = "STALE"
    DEFAULT = "DEFAULT"
    HELD = "HELD"
    HELD_MISSING = "HELD_MISSING"
    """It is the channel's, until the release that the conversation stays on was fetched."""


class Variant(StrEnum):
    """Which of a channel's releases it is from. ``fixed`` is a release that the caller requested by version."""

    STABLE = "stable"
    CANARY = "canary"
    FIXED = "fixed"


class Renders(Protocol):
    """Compiled messages."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def render(self, values: Mapping[str, object], /) -> list[dict[str, Any]]: ...


Arguments: TypeAlias = dict[str, Any]
"""Arguments of a provider's ``create``. That package defines their types, so a type checker lets them through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt of a release that a channel serves; ``name`` is ``support-bot/answer``, ``revision`` the channel's.

    ``sticky`` is False where the next call may get another release of the channel: beside a canary, without a key.
    """

    app: str
    name: str
    version: str
    digest: str
    channel: str
    revision: int
    variant: Variant
    source: Source
    reason: Reason
    definition: Definition = field(repr=False)
    template: Renders = field(repr=False, compare=False)
    exposure: Exposure | None = field(default=None, repr=False, compare=False)
    sticky: bool = True

    @property
    def model(self) -> str | None:
        """``provider/model``, or None if the application chooses."""
        return self.definition.model

    @property
    def parameters(self) -> Parameters:
        """The model's parameters under their GitHub Models names; the caller's own copy, to read and not for ``**``."""
        return Parameters((name, plain(value)) for name, value in self.definition.parameters.items())

    @property
    def messages(self) -> tuple[Message | Placeholder, ...]:
        """The messages as templates, and the places of the caller's."""
        return self.definition.messages

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the variables that :meth:`render` takes."""
        return self.template.names

    @property
    def hold(self) -> str:
        """A text to keep with a conversation, for ``get_prompt(…, hold=…)``: the conversation stays on this release. Of
        a prompt that a hold was given for, that hold. Empty where the channel did not choose the release: for a
        version, an override or a fallback.
        """
        return self.exposure.hold_of(self.version, self.digest) if self.exposure is not None else ""

    def render(self, /, **variables: Value) -> list[dict[str, Any]]:
        """Returns the messages as ``{"role": …, "content": …}``.

        Those of an example with a tool also have ``tool_calls`` or ``tool_call_id``, in the form of chat completions. A
        placeholder takes a list of such messages, which stand in its place as they are.

        Raises:
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`Template.render` does.
        """
        return self.template.render(variables)

    compile = render
    format = render

    def to_openai(self, /, **variables: Value) -> Arguments:
        """Returns the arguments of ``client.chat.completions.create``, also of providers that have the same API.

        Raises:
            ParameterNotTaken: chat completions have no such parameter.
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`render` does.
        """
        from promptops.core.provider_arguments import openai_chat

        return openai_chat(self.definition, self._rendered("chat", variables))

    def to_openai_responses(self, /, **variables: Value) -> Arguments:
        """Returns the arguments of ``client.responses.create``. Leading system messages are its ``instructions``.

        Raises:
            ParameterNotTaken: responses have no such parameter.
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`render` does.
        """
        from promptops.core.provider_arguments import openai_responses

        return openai_responses(self.definition, self._rendered("responses", variables))

    def to_anthropic(self, /, **variables: Value) -> Arguments:
        """Returns the arguments of ``client.messages.create``, of which the caller may add ``extra_headers``.

        System messages are joined into its ``system``; one amid the others stays in place where the model takes it.
        A prompt with ``betas`` is for ``client.beta.messages.create``. The package ``anthropic`` has no argument for
        ``temperature``, ``topP`` and ``topK``, so they are in ``extra_body``, and from its version 2 on it has to speak
        to the version of the API that takes them:
        ``Anthropic(default_headers={"anthropic-version": "2023-06-01"})``.

        Raises:
            ParameterNotTaken: messages have no such parameter.
            Invalid: ``maxTokens`` is missing, which this API requires.
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`render` does.
        """
        from promptops.core.provider_arguments import anthropic_create

        return anthropic_create(self.definition, self._rendered("messages", variables))

    def to_gemini(self, /, **variables: Value) -> Arguments:
        """Returns the arguments of ``client.models.generate_content`` of the package google-genai.

        Raises:
            ParameterNotTaken, Invalid: Gemini does not take a parameter, a tool or a message.
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`render` does.
        """
        from promptops.core.requests.gemini import gemini_content

        return gemini_content(self.definition, self._rendered("", variables))

    def to_bedrock(self, /, **variables: Value) -> Arguments:
        """Returns the arguments of ``converse`` of boto3's client ``bedrock-runtime``.

        Raises:
            ParameterNotTaken, Invalid: Converse does not take a parameter, a tool or a message.
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`render` does.
        """
        from promptops.core.media_blocks import with_bytes
        from promptops.core.requests.bedrock import bedrock_converse

        call = bedrock_converse(self.definition, self._rendered("", variables))
        return {**call, "messages": with_bytes(call["messages"])}

    def to_mistral(self, /, **variables: Value) -> Arguments:
        """Returns the arguments of ``client.chat.complete`` of the package mistralai.

        Raises:
            ParameterNotTaken, Invalid: Mistral does not take a parameter, a tool or a message.
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`render` does.
        """
        from promptops.core.requests.mistral import mistral_chat

        return mistral_chat(self.definition, self._rendered("", variables))

    def to_litellm(self, /, **variables: Value) -> Arguments:
        """Returns the arguments of ``litellm.completion``, with the full name of the model: ``gemini/gemini-3-pro``.

        Raises:
            ParameterNotTaken, Invalid: as :meth:`to_openai` does.
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`render` does.
        """
        from promptops.core.requests.litellm import litellm_completion

        return litellm_completion(self.definition, self._rendered("chat", variables))

    def to_langchain(self, /, **variables: Value) -> list[dict[str, Any]]:
        """Returns messages as every chat model of LangChain takes them: ``model.invoke(prompt.to_langchain(…))``.

        They are dicts, in OpenAI's form (``langchain_core.messages.convert_to_messages`` makes its classes of them), so
        LangChain need not be installed. Models and parameters are settings of its chat models.

        Raises:
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`render` does.
        """
        return self._rendered("", variables)

    def request(self, provider: str | None = None, /, **variables: Value) -> Request:
        """Returns the request to the provider's API as plain JSON, for any HTTP client, gateway or batch file.

        The provider is that of the pin; or name one: ``openai``, ``responses``, ``azure``, ``anthropic``, ``gemini``,
        ``vertex``, ``bedrock``, ``mistral``, ``github``, ``openrouter``, ``litellm``, or any other with the API of chat
        completions. Where the pin is a model of embeddings, the request is for the vectors of the messages' texts.
        A prompt with a variable of that name takes ``provider=`` as its value, and the provider by place.

        Raises:
            ParameterNotTaken, Invalid: the API does not take the prompt, or the prompt has no model.
            MissingVariable, UnknownVariable, VariableInvalid, OutputTooLarge: as :meth:`render` does.
        """
        from promptops.core.requests.routes import request_of

        if "provider" in variables and "provider" not in self.inputs:
            provider = provider or _as_name(variables.pop("provider"))
        return request_of(self.definition, self._rendered("", variables), provider)

    def _rendered(self, api: str, variables: Mapping[str, object]) -> list[dict[str, Any]]:
        """The messages; where the call keeps the variables, also for which API they are."""
        render_for = getattr(self.template, "render_for", None)
        rendered: list[dict[str, Any]] = (
            self.template.render(variables) if render_for is None else render_for(api, variables)
        )
        return rendered

    def call(
        self, *, key: str | None = None, tags: Mapping[str, str] | None = None, trace_id: str = ""
    ) -> Call[Prompt]:
        """Returns a call of a model with this prompt, for ``with`` or ``async with``: see :meth:`Client.call`.

        ``key`` is the one that the prompt was drawn for. Without it the call is part of the sums, and of no comparison
        of a canary with its stable release. Render the ``prompt`` of the call: its variables are those that are kept.
        """
        from promptops.client.calls.call import Call  # which loads what counting needs

        return Call(self, key=key, tags=tags, trace_id=trace_id)

    @classmethod
    def fallback(cls, name: str, value: Fallback, *, channel: str = "") -> Prompt:
        """Returns a prompt that the application brings itself: from text, messages, or the mapping of a prompt file.

        It takes every variable and uses those in its text, because the call is written for the prompt it replaces.

        Raises:
            Invalid: the value is no prompt, or could not be rendered or sent.
        """
        require_text(name)
        app, _, short = name.partition("/")
        described = value.definition if isinstance(value, Prompt) else value
        definition, template = compile_described(short or app, described, f"the fallback of '{name}'")
        return cls(
            app=app,
            name=name,
            version="",
            digest="",
            channel=channel,
            revision=0,
            variant=Variant.STABLE,
            source=Source.FALLBACK,
            reason=Reason.DEFAULT,
            definition=definition,
            template=_Lenient(template),
        )


def _as_name(provider: object) -> str | None:
    from promptops.core.errors import Invalid

    if provider is not None and not isinstance(provider, str):
        raise Invalid(f"the provider of a request is a name, not {type(provider).__name__}")
    return provider


Fallback: TypeAlias = "Described | Prompt"
"""What :meth:`Prompt.fallback` takes."""


class _Lenient:
    """Renders, and ignores the variables that the text does not use.

    A text declares no inputs, so its variables take any JSON value: what is wrong with one is for the schema of the
    prompt that it replaces, and would be no reason to fail in an outage.
    """

    __slots__ = ("_template", "names")

    def __init__(self, template: Template) -> None:
        self._template = template
        self.names = template.names

    def render(self, values: Mapping[str, object], /) -> list[dict[str, Any]]:
        return self._template.render({name: values[name] for name in self.names if name in values})
