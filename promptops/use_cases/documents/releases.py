"""Releases: made, listed, shown, yanked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from promptops.core.digest import canonical
from promptops.core.digest import digest as digest_of
from promptops.core.errors import RegistryDamaged
from promptops.core.model import Bump, Json, Release
from promptops.core.published_inputs import inputs_of
from promptops.core.reference import Reference
from promptops.core.release_bytes import content_from_bytes, content_to_json
from promptops.operations.queries import Listed, Named
from promptops.operations.release import Released
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.releases import (
    ChangeDocument,
    ListedDocument,
    MeasuredTokensDocument,
    ProfileDocument,
    ReleasedDocument,
    ReleaseDocument,
    ShownDocument,
)


def _released(done: Released) -> ReleasedDocument:
    document = ReleasedDocument.of(
        done.release,
        created=done.created,
        differences=tuple(map(ChangeDocument.of, done.changes)),
        warnings=done.warnings,
    )
    # A release that existed before changes nothing now; its stored bump is that of its first time.
    return document if done.created else replace(document, bump=Bump.NONE.value, changes=())


def _from_released(document: ReleasedDocument) -> Released:
    return Released(
        release=document.release(),
        created=document.created,
        changes=tuple(difference.change() for difference in document.differences),
        warnings=document.warnings,
    )


def _places(one: Listed | Named | ListedDocument) -> dict[str, Any]:
    """Where a release is: the same on both sides."""
    return {"channels": one.channels, "on_trial": one.on_trial, "quarantined": one.quarantined}


def _listed(listed: Listed) -> ListedDocument:
    return ListedDocument.of(listed.release, **_places(listed))


def _from_listed(document: ListedDocument) -> Listed:
    return Listed(release=document.release(), **_places(document))


def _named(named: Named) -> ShownDocument:
    assert named.release is not None  # files of a workspace are shown by the command alone
    return ShownDocument.of(
        named.release,
        **_places(named),
        profile=ProfileDocument.of(named.profile),
        prompts=tuple(prompt.name for prompt in named.content.prompts),
        content=content_to_json(named.content),
        measured=tuple(map(MeasuredTokensDocument.of, named.measured)),
        inputs=inputs_of(named.content),
    )


def _from_named(document: ShownDocument) -> Named:
    """Reads a release with its content, which is hashed here: a server says what is live, never what a release is.

    Raises:
        RegistryDamaged: the content does not have the digest.
    """
    content = canonical(cast("Json", document.content))
    if digest_of(content) != document.digest:
        raise RegistryDamaged(
            f"the server sent a content of {document.app}@{document.version} that is not the one of {document.digest}",
            hint="It was changed there or on its way. Check the database of the server: promptops fsck.",
        )
    return Named(
        reference=Reference(app=document.app, version=document.version),
        content=content_from_bytes(content),
        release=document.release(content),
        profile=document.profile.profile() if document.profile else None,
        **_places(document),
        measured=tuple(each.tokens() for each in document.measured),
    )


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Release: Form(ReleaseDocument, ReleaseDocument.of, ReleaseDocument.release),
    Released: Form(ReleasedDocument, _released, _from_released),
    Listed: Form(ListedDocument, _listed, _from_listed),
    Named: Form(ShownDocument, _named, _from_named),
}
