"""A release's content -> its prompts, ready to be rendered: the one way, whoever asks.

A client compiles what it is to serve with this, and so does everything that lets a release in: what passed here loads
in every client, and what a client could not load is refused with its place before anybody follows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptops.core.errors import PromptopsError, Unloadable
from promptops.core.model import Content, Prompt
from promptops.core.release import content_from_bytes
from promptops.core.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPrompt:
    """A prompt and its template, compiled."""

    definition: Prompt
    template: Template

    @property
    def notes(self) -> tuple[str, ...]:
        """What of it is not evaluated: constructs of patterns that need more than linear time."""
        return tuple(f"prompt '{self.definition.name}', {note}" for note in self.template.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRelease:
    """A release ready to be served: its prompts by their names within the app."""

    app: str
    digest: str
    prompts: Mapping[str, CompiledPrompt]


def compile_release(data: bytes, *, digest: str) -> CompiledRelease:
    """A release's canonical bytes, compiled. That they are those of the digest is not looked at.

    Raises:
        Invalid: they are no release.
        Unloadable: they are one that no client could load.
    """
    content = content_from_bytes(data)
    return CompiledRelease(app=content.app, digest=digest, prompts=compile_content(content))


def compile_content(content: Content) -> Mapping[str, CompiledPrompt]:
    """Every prompt of a content, compiled, by its name within the app.

    Raises:
        Unloadable: naming the prompt and the place.
    """
    return {prompt.name: _compile(prompt) for prompt in content.prompts}


def _compile(prompt: Prompt) -> CompiledPrompt:
    try:
        return CompiledPrompt(definition=prompt, template=Template.compile(prompt))
    except Unloadable:
        raise
    except PromptopsError as error:
        raise Unloadable(f"prompt '{prompt.name}': {error.message}", prompt=prompt.name, hint=error.hint) from error
    except Exception as error:  # whatever it is, it would stop a client in the same way
        problem = f"{type(error).__name__}: {error}"[:200]
        raise Unloadable(f"prompt '{prompt.name}' cannot be compiled: {problem}", prompt=prompt.name) from error
