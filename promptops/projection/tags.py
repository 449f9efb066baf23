"""A release -> its annotated tag: the name, what it says, the object, and whether an existing tag is that one.

A tag is for people and for `git log`; what a release is stands in its record. So a tag that an older promptops wrote
with other words about the same commit and digest is as good.
"""

from __future__ import annotations

import re

from promptops.core.model import Release
from promptops.projection.objects import seconds
from promptops.projection.people import git_person
from promptops.source.git.cat_file import GitObject
from promptops.source.git.pack import Algorithm, RawObject, make

TAGS = "refs/tags/"

_DIGEST = re.compile(r"^Digest: (sha256:[0-9a-f]{64})$", re.MULTILINE)


def tag_name(release: Release) -> str:
    """``support-bot/v1.4.0``."""
    return f"{release.app}/v{release.version}"


def tag_message(release: Release) -> str:
    """What the annotated tag says: the digest, and where the release came from."""
    provenance = release.provenance
    facts = {
        "Digest": release.digest,
        "Commit": provenance.commit,
        "Path": provenance.path,
        "Author": provenance.author,
        "Builder": provenance.builder,
        "Repository": provenance.repository,
        "Released-by": release.created_by,
        "Released-at": release.created_at.isoformat(),
    }
    listed = "\n".join(f"- {change}" for change in release.changes)
    body = "\n\n".join(part for part in (release.notes.strip(), listed) if part)
    trailer = "\n".join(f"{name}: {value}" for name, value in facts.items())
    return f"{release.app} {release.version}\n\n" + (f"{body}\n\n" if body else "") + trailer + "\n"


def tag_object(release: Release, algorithm: Algorithm) -> RawObject:
    """The tag of a release that has a clean commit."""
    head = [
        f"object {release.provenance.commit}",
        "type commit",
        f"tag {tag_name(release)}",
        f"tagger {git_person(release.created_by)} {seconds(release.created_at)}",
    ]
    return make("tag", ("\n".join(head) + "\n\n" + tag_message(release)).encode(), algorithm)


def flaw(release: Release, tag: GitObject) -> str:
    """Why an object that a release's tag names is not that tag; an empty string where it is."""
    if tag.kind != "tag":
        return f"it is no annotated tag but the {tag.kind} {tag.sha[:12]}"
    head, _, message = tag.data.decode("utf-8", "replace").partition("\n\n")
    fields = dict(line.partition(" ")[::2] for line in head.splitlines())
    if fields.get("tag") != tag_name(release):
        return f"the tag object behind it was made as '{fields.get('tag', '')}'"
    if fields.get("object") != release.provenance.commit:
        return f"it points to {fields.get('object', '')[:12]}, and the release is of {release.provenance.commit[:12]}"
    digests = _DIGEST.findall(message)
    if release.digest not in digests[-1:]:
        return f"it says {digests[-1] if digests else 'no digest'}, and the release is {release.digest}"
    return ""
