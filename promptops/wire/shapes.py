"""Nouns and answers  <->  JSON over HTTP: frozen dataclasses as :mod:`promptops.core.json_codec` writes them.

A field at its default is left out. Reading passes over what it does not know, so that a newer server may say more. The
content of a release is no field of it here: it is text of its own, exactly the canonical bytes, so that whoever gets it
can hash what came.
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
    """A release with its canonical bytes as text, and what is known beside it.

    ``channels`` serve it now; ``quarantined`` says of each channel that keeps it out why.
    """

    release: Release
    content: str
    profile: Profile | None
    channels: tuple[str, ...]
    quarantined: Mapping[str, str]

    def whole(self) -> Release:
        """The release with its content.

        Raises:
            RegistryDamaged: the content is not that of its digest.
        """
        data = self.content.encode("utf-8", "surrogatepass")
        if digest_of(data) != self.release.digest:
            raise RegistryDamaged(
                f"the server sent a content of {self.release.app}@{self.release.version} that is not the one of "
                f"{self.release.digest}",
                hint="Somebody changed it there or on its way. Ask the database: promptops fsck.",
            )
        return replace(self.release, content=data)


def bare(release: Release) -> Release:
    """The release without its content."""
    return replace(release, content=b"")


def written(value: object) -> dict[str, Json]:
    """The JSON object of a noun or an answer."""
    found = to_json(value)
    assert isinstance(found, dict)
    return found


def read(kind: type[T], value: Json) -> T:
    """The noun or answer that a server wrote.

    Raises:
        RegistryUnavailable: it cannot be one.
    """
    try:
        return from_json(kind, value, "answer", growing=True)
    except (ValueError, TypeError, OverflowError, Invalid) as error:
        what = error.message if isinstance(error, PromptopsError) else str(error)
        raise RegistryUnavailable(
            f"the server's answer is not understood: {one_line(what, 200)}",
            hint="Another version of promptops may run there.",
        ) from error


def each(kind: type[T], value: Json) -> tuple[T, ...]:
    """All of a list.

    Raises:
        RegistryUnavailable: one of them cannot be read, or it is no list.
    """
    if not isinstance(value, list):
        raise RegistryUnavailable("the server's answer is not understood: it has no list")
    return tuple(read(kind, item) for item in value)
