"""The tags of releases in a repository: which releases get theirs, and what is wrong with one that is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.faults import Condition, Fault
from promptops.core.model import Release
from promptops.projection import tags
from promptops.source.git.refs import Refs, Refusal
from promptops.store.facts.confirmation import Confirmation
from promptops.store.facts.record import Record

if TYPE_CHECKING:
    from promptops.projection.chain import Page
    from promptops.store import Reader, Registry

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def to_tag(registry: Registry, git: Refs, page: Page) -> list[Release]:
    """The releases that get their tags with these lines: those whose commits are here."""
    about = [record for record in page.records.values() if isinstance(record.fact, Release | Confirmation)]
    if not about:
        return []
    with registry.read() as reader:
        releases = [release for record in about if (release := taggable(reader, record))]
    known = commits(git, releases)
    return [release for release in releases if release.provenance.commit in known]


def taggable(reader: Reader, record: Record) -> Release | None:
    """Returns the release that gets its tag with this record: a clean one at once, a dirty one once confirmed."""
    match record.fact:
        case Release(provenance=provenance) if not provenance.dirty:
            return record.fact
        case Confirmation(app=app, release=release, provenance=provenance) if not provenance.dirty:
            same = reader.releases(app, digest=release.digest)
            return next((other for other in same if other.provenance == provenance), None)
        case _:
            return None


def commits(git: Refs, releases: Iterable[Release]) -> frozenset[str]:
    """Returns the commits of these releases that are in the repository."""
    names = sorted({r.provenance.commit for r in releases if _SHA.fullmatch(r.provenance.commit)})
    objects = git.read([f"{sha}^{{commit}}" for sha in names], most=0)
    return frozenset(sha for sha, item in zip(names, objects, strict=True) if item is not None)


def untagged(git: Refs, releases: Sequence[Release]) -> list[Release]:
    """Returns the releases whose tag is missing, or belongs to something else."""
    objects = git.read([tags.TAGS + tags.tag_name(release) for release in releases], most=0)
    pairs = zip(releases, objects, strict=True)
    return [release for release, tag in pairs if tag is None or tags.flaw(release, tag)]


def write_tags(git: Refs, releases: Iterable[Release]) -> Mapping[str, Refusal]:
    """Write the tags of releases; returns those that are wrong afterwards, with the reason."""
    tagged = {tags.TAGS + tags.tag_name(release): release for release in releases}
    made = {name: tags.tag_object(release, git.algorithm) for name, release in tagged.items()}
    if not made:
        return {}
    git.write(list(made.values()))
    return create_tags(git, {name: tag.sha for name, tag in made.items()}, tagged)


def create_tags(git: Refs, names: Mapping[str, str], tagged: Mapping[str, Release]) -> dict[str, Refusal]:
    refused = git.create(names)
    existing = [name for name in refused if refused[name].exists_as]
    for name, tag in zip(existing, git.read(existing, most=0), strict=True):
        if tag is None:
            continue
        why = f"the tag '{name.removeprefix(tags.TAGS)}' exists, and {tags.flaw(tagged[name], tag)}"
        refused[name] = Refusal(why=why, exists_as=tag.sha)
        if not tags.flaw(tagged[name], tag):
            del refused[name]  # an older promptops wrote the same tag with another text
    return refused


def tag_differs(name: str, refusal: Refusal) -> Fault:
    return Fault(
        code="tag-differs",
        severity=Condition.DAMAGE,
        what=f"{refusal.why}; the registry has another object",
        where=name,
        repair=Sentence(
            f"Find out who wrote it (git show {name}); once it is removed, ",
            Advice(Action.SYNC, words="a sync"),
            " writes the right one.",
        ),
    )


def no_commit(release: Release) -> str:
    """Words why a release has no tag here."""
    return f"the commit {release.provenance.commit[:12]} that its tag points to is not in this repository: git fetch"
