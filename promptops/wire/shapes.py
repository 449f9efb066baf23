"""Nouns and answers  <->  JSON over HTTP: frozen dataclasses as :mod:`promptops.core.json_codec` writes them.

A field at its default is left out. Reading ignores unknown fields, so that a newer server may add some. The content of
a release is not one of its fields here: it is a text of its own, exactly the canonical bytes, so that a receiver can
hash it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid, PromptopsError, RegistryDamaged, RegistryUnavailable
from promptops.core.escape import one_line
from promptops.core.json_codec import from_json, to_json
from promptops.core.model import Json, Profile, Release

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A release with its canonical bytes as text, and its profile.

    ``channels`` serve it now; ``quarantined`` has the reason of each channel that keeps it out.
    """

    release: Release
    content: str
    profile: Profile | None
    channels: tuple[str, ...]
    quarantined: Mapping[str, str]

    def whole(self) -> Release:
        """Returns the release with its content.

        Raises:
            RegistryDamaged: the content does not have the release's digest.
        """
        data = self.content.encode("utf-8", "surrogatepass")
        if digest_of(data) != self.release.digest:
            raise RegistryDamaged(
                f"the server sent a content of {self.release.app}@{self.release.version} that is not the one of "
                f"{self.release.digest}",
                hint="It was changed there or on its way. Ask the database: promptops fsck.",
            )
        return replace(self.release, content=data)


def bare(release: Release) -> Release:
    """Returns the release without its content."""
    return replace(release, content=b"")


def written(value: object) -> dict[str, Json]:
    """Returns the JSON object of a noun or an answer."""
    document = to_json(value)
    assert isinstance(document, dict)
    return document


def read(kind: type[T], value: Json) -> T:
    """Returns the noun or answer that a server wrote.

    Raises:
        RegistryUnavailable: the JSON is not one.
    """
    try:
        return from_json(kind, value, "answer", growing=True)
    except (ValueError, TypeError, OverflowError, Invalid) as error:
        what = error.message if isinstance(error, PromptopsError) else str(error)
        raise RegistryUnavailable(
            f"the server's answer is not understood: {one_line(what, 200)}",
            hint="Another version of promptops may run there.",
        ) from error


def texts(value: Json) -> tuple[str, ...]:
    """A list of texts.

    Raises:
        RegistryUnavailable: the JSON is not one.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RegistryUnavailable("the server's answer is not understood: it has no list of names")
    return tuple(item for item in value if isinstance(item, str))


def each(kind: type[T], value: Json) -> tuple[T, ...]:
    """Returns all nouns of a list.

    Raises:
        RegistryUnavailable: one of them cannot be read, or it is not a list.
    """
    if not isinstance(value, list):
        raise RegistryUnavailable("the server's answer is not understood: it has no list")
    return tuple(read(kind, item) for item in value)
