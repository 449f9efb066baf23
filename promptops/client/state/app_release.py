"""An app as it is served: one release, or two and a key that decides between them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from promptops.client.prompt import Prompt, Reason, Source, Variant
from promptops.core.bucketing import WHOLE, bucket, key_hash
from promptops.core.errors import PromptNotFound
from promptops.core.reference import require_text

_RANDOM = random.SystemRandom()  # has no state that a forked child would share


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRelease:
    """One release of an app: all its prompts are of this release. As a context manager it does nothing more."""

    app: str
    version: str
    digest: str
    channel: str
    revision: int
    variant: Variant
    source: Source
    reason: Reason
    prompts: Mapping[str, Prompt] = field(repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its prompts, without the app's."""
        return tuple(self.prompts)

    @property
    def hold(self) -> str:
        """A text to keep with a conversation, for ``release(…, hold=…)``: see :attr:`Prompt.hold`."""
        return next((prompt.hold for prompt in self.prompts.values()), "")

    def prompt(self, name: str) -> Prompt:
        """Returns the prompt of this name, with or without the app's before it.

        Raises:
            PromptNotFound: no prompt has this name; the error lists the prompts.
            Invalid: the name is not text.
        """
        require_text(name)
        found = self.prompts.get(name) or self.prompts.get(name.removeprefix(f"{self.app}/"))
        if found is None:
            raise PromptNotFound(
                f"{self.app}@{self.version} has no prompt '{name}'",
                known=[prompt.name for prompt in self.prompts.values()],
            )
        return found

    get_prompt = prompt
    __getitem__ = prompt

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedApp:
    """What an app serves: the stable release, and the canary with its weight in basis points and its salt. ``named`` is
    the canary for the keys with these hashes, which get it at any weight.
    """

    stable: ServedRelease
    canary: ServedRelease | None = None
    weight: int = 0
    salt: str = ""
    named: ServedRelease | None = None
    keys: frozenset[int] = frozenset()

    def choose(self, key: str | None) -> ServedRelease:
        """Returns the release for a key, always the same at this weight; without a key by chance, at each call anew."""
        if self.canary is None:
            return self.stable
        if self.named is not None and key is not None and key_hash(self.salt, key) in self.keys:
            return self.named
        return self.canary if _place(self.salt, key) < self.weight else self.stable


class SplitPrompt:
    """A prompt of an app whose canary has it. If only the canary has it, other keys get PromptNotFound."""

    __slots__ = ("_app", "_drawn", "canary", "salt", "stable", "weight")

    def __init__(self, app: ServedApp, canary: Prompt) -> None:
        self.canary = canary
        self.stable = app.stable.prompts.get(canary.definition.name)
        self.salt = app.salt
        self.weight = app.weight
        self._app = app.stable
        stable = self.stable and replace(self.stable, sticky=False)
        self._drawn = (stable, replace(canary, sticky=False))  # by whether it is the canary

    def choose(self, key: str | None) -> Prompt:
        """Returns the prompt for a key, as :meth:`ServedApp.choose` chooses the release.

        Raises:
            PromptNotFound: the stable release has no such prompt.
        """
        # _place() written out: this is the hottest path of an application, and a call costs as much as the bucket.
        if key is None:
            found = self._drawn[_RANDOM.randrange(WHOLE) < self.weight]
        else:
            found = self.canary if bucket(self.salt, key) < self.weight else self.stable
        return self._app.prompt(self.canary.name) if found is None else found


class NamedSplitPrompt(SplitPrompt):
    """The same where some keys get the canary at any weight."""

    __slots__ = ("_keys", "_named")

    def __init__(self, app: ServedApp, canary: Prompt, named: Prompt) -> None:
        super().__init__(app, canary)
        self._keys = app.keys
        self._named = named

    def choose(self, key: str | None) -> Prompt:
        """As :meth:`SplitPrompt.choose`."""
        if key is None:
            return super().choose(key)
        hashed = key_hash(self.salt, key)  # once, and the bucket is made of it
        if hashed in self._keys:
            return self._named
        found = self.canary if hashed * WHOLE >> 32 < self.weight else self.stable
        return self._app.prompt(self.canary.name) if found is None else found


def split_prompt(app: ServedApp, canary: Prompt) -> SplitPrompt:
    """Returns a prompt of an app whose canary has it."""
    if app.named is None:
        return SplitPrompt(app, canary)
    return NamedSplitPrompt(app, canary, app.named.prompts[canary.definition.name])


def _place(salt: str, key: str | None) -> int:
    """Returns the bucket of a key; without a key, a random one."""
    return _RANDOM.randrange(WHOLE) if key is None else bucket(salt, key)
