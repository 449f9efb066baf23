"""What a gate judges: a release, what is live, and all that is known of both. Every collection may be in any order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from promptops.core.digest import canonical, digest
from promptops.core.evidence.content import prompt_content
from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.run import Run, SuiteRef
from promptops.core.gate.settings import GateSettings
from promptops.core.model import Content
from promptops.core.models.ends import Ending, endings
from promptops.core.models.table import facts_of
from promptops.core.person import NOBODY, Marks
from promptops.core.release_bytes import content_to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePrompt:
    """A prompt of a release. ``content`` is its digest with white space normalised, to which looks and pools belong;
    ``exact`` is that of its bytes: only prompts that are equal in these are not judged again.
    """

    name: str
    content: str
    exact: str
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRelease:
    """A release with its prompts and suites.

    Of the candidate, ``suites`` are those of its newest clean provenance; of a release that is or was live, those with
    which it went live, so that no later release of the same digest weakens what the next one is judged with.
    ``released`` is false for a content that the registry does not have yet.
    """

    digest: str
    version: str = ""
    released: bool = True
    prompts: tuple[GatePrompt, ...] = ()
    suites: tuple[SuiteRef, ...] = ()
    ends: tuple[Ending, ...] = ()

    def prompt(self, name: str) -> GatePrompt | None:
        return next((prompt for prompt in self.prompts if prompt.name == name), None)

    def suite(self, name: str) -> SuiteRef | None:
        return next((suite for suite in self.suites if suite.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """An approval that stands and counts for this release, channel, policy and position: of what, and by which person.

    :mod:`promptops.core.evidence.four_eyes` decides which count. ``person`` is the same text for the same person.
    """

    subject: str
    person: str
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """A waiver of one check for this release and channel."""

    check: str
    person: str
    at: datetime
    expires_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """All that decides a verdict.

    ``live`` are the newest release that was stable on the channel and is still good, and after a rollback the release
    before it. ``anchor`` is the best one of the anchor's time; None if there is no other. ``runs`` are all opened runs
    of the app, ``evidence`` all of its evidence that was ever recorded. ``makers`` are the marks of all who released it
    or wrote what is new in it. ``planned_calls`` are the calls a day that the app plans.
    """

    app: str
    channel: str
    candidate: GateRelease
    now: datetime
    live: tuple[GateRelease, ...] = ()
    anchor: GateRelease | None = None
    runs: tuple[Run, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    approvals: tuple[Approved, ...] = ()
    waivers: tuple[Waived, ...] = ()
    makers: Marks = NOBODY
    planned_calls: int | None = None

    @property
    def name(self) -> str:
        """The candidate as people write it; one that is not released is the app's files."""
        if not self.candidate.released:
            return self.app
        return f"{self.app}@{self.candidate.version or self.candidate.digest}"

    def approvers(self, subject: str, settings: GateSettings) -> frozenset[str]:
        """Returns who approved of something, of those whose approval the settings count."""
        return frozenset(
            approval.person
            for approval in self.approvals
            if approval.subject == subject and approval.person and (approval.proven or not settings.proven)
        )


def gate_release(
    content: Content, release: str, *, version: str = "", suites: tuple[SuiteRef, ...] = (), released: bool = True
) -> GateRelease:
    """Returns a release as the gate sees it; ``release`` is its digest."""
    document = content_to_json(content)
    assert isinstance(document, Mapping)
    bodies = document["prompts"]
    assert isinstance(bodies, Mapping)
    prompts = tuple(
        GatePrompt(
            name=prompt.name,
            content=prompt_content(content, prompt.name),
            exact=digest(canonical(bodies[prompt.name])),
            model=prompt.model or "",
        )
        for prompt in content.prompts
    )
    ends = endings({each.model: facts_of(each.model, each.own_facts) for each in content.prompts if each.model})
    return GateRelease(digest=release, version=version, released=released, prompts=prompts, suites=suites, ends=ends)
