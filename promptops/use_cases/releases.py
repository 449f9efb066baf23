"""The releases of an app, as rows: list them, and show one with its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from promptops.core.errors import (
    ChannelNotFound,
    NothingDeployed,
    RegistryDamaged,
    ReleaseNotFound,
    RequestInvalid,
)
from promptops.core.escape import one_line
from promptops.core.names import AppName
from promptops.core.reference import Reference, parse_reference
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.queries import Listed, Named, named, releases
from promptops.use_cases.fields import path, query
from promptops.use_cases.use_case import UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasesRequest:
    """Whose releases to list, and how many of the newest."""

    app: AppName
    limit: int | None = None


RELEASES = UseCase(
    name="listed",
    method="GET",
    path="/v1/apps/{app}/releases",
    scope=Scope.READ,
    tag="Looking",
    doc="Every release of an app, newest first, and which channels serve it or keep it out.",
    run=lambda registry, request, caller: releases(registry, request.app, limit=request.limit),
    request=ReleasesRequest,
    answer=tuple[Listed, ...],
    under="releases",
    fields=(path("app"), query("limit", ge=1, le=10_000_000)),
)


def _requested(found: Named, reference: Reference) -> Named:
    """Returns the release, if it is the requested one: another could be as intact.

    Raises:
        RegistryDamaged: it is not.
    """
    release = found.release
    assert release is not None  # only files have none
    same = found.content.app == release.app == reference.app
    same = same and release.digest.startswith(reference.digest or "sha256:")
    if not same or (reference.version and release.version != reference.version):
        raise RegistryDamaged(
            f"the server answered the request for {reference} with " + one_line(f"{release.app}@{release.version}")
        )
    return replace(found, reference=reference)


def _reference(values: Mapping[str, Any], rights: Rights) -> Reference:
    """Raises RequestInvalid: unless exactly one of version, digest and channel is given."""
    chosen = {name: text for name, text in values.items() if text and name != "app"}
    if len(chosen) != 1:
        raise RequestInvalid("one of version, digest and channel is needed", hint="?version=1.4.0 or ?channel=prod")
    [(name, text)] = chosen.items()
    return parse_reference(f"{values['app']}{':' if name == 'channel' else '@'}{text}")


NAMED = UseCase(
    name="described",
    method="GET",
    path="/v1/apps/{app}/release",
    scope=Scope.READ,
    tag="Looking",
    doc="""One release with its content: of a version, of a digest, or what a channel serves.

    The digest is the SHA-256 of the canonical bytes (RFC 8785) of `content`. `measured` has the tokens of
    its calls of the last seven days, by prompt, on the channels that the token may see.
    """,
    run=lambda registry, request, caller: named(
        registry, request, now=caller.now, sees=lambda channel: caller.rights.sees(channel=channel)
    ),
    request=Reference,
    answer=Named,
    verify=_requested,
    fields=(
        path("app"),
        query("version", max_length=100, examples=["0.2.1"]),
        query("digest", max_length=71, description="All of it, or its beginning."),
        query("channel", max_length=63),
    ),
    decode=_reference,
    errors=(ReleaseNotFound, ChannelNotFound, NothingDeployed),
)
