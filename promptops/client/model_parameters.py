"""The parameters of a prompt, to read. What a provider takes is made of them by ``to_openai()`` and its siblings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from promptops.core.errors import Invalid
from promptops.core.model import Json


class Parameters(dict[str, Json]):
    """The parameters by their GitHub Models names, ``maxTokens``: the caller's own copy.

    ``create(**prompt.parameters)`` raises :class:`Invalid`. It would send names that no provider has, or, with names
    that all have, a request without the prompt's tools and the form of its answer.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:  # with its own, `**` asks for the keys
        return super().__iter__()

    def copy(self) -> dict[str, Json]:
        return dict(self.items())

    if not TYPE_CHECKING:

        def keys(self) -> None:
            """Refuses ``**``, and with it ``dict(…)``, which Python does in the same way."""
            raise Invalid(
                "`**prompt.parameters` is no call of a provider: it has the names of a prompt file, and neither tools "
                "nor the form of the answer",
                hint="create(**prompt.to_openai(question=…)) has model, messages, parameters and all else; there are "
                "also to_openai_responses() and to_anthropic(). prompt.parameters.copy() is a plain dict.",
            )
