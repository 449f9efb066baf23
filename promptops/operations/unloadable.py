"""Finds releases of a registry that no client could load. An older promptops made them, without this check.

Everything is read first and compiled afterwards, where no transaction is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.core import rollout
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.compiled import flaw_of
from promptops.core.faults import Condition, Fault
from promptops.operations.status import Standing, standings

if TYPE_CHECKING:
    from promptops.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Unloadable:
    """A release by its name, ``app@version``, and why no client could load it."""

    release: str
    why: str

    def __str__(self) -> str:
        return f"{self.release}: {self.why}"


def unloadable(registry: Registry) -> Iterator[Unloadable]:
    """Yields the releases of the registry that no client could load."""
    with registry.read() as reader:
        named = [(app, release.version) for app in reader.apps() for release in reader.releases(app)]
    for app, version in named:
        with registry.read() as reader:
            content = reader.find_release(app, version=version).content
        if why := flaw_of(content):
            yield Unloadable(release=f"{app}@{version}", why=why)


def live_faults(registry: Registry) -> tuple[Fault, ...]:
    """The faults of live releases: those that no client could load."""
    with registry.read() as reader:
        live = standings(reader)
        digests = sorted({ref.digest for each in live for ref in each.deployment.served()})
    flaws: dict[str, str] = {}
    for digest in digests:
        with registry.read() as reader:
            contents = [each.content for each in reader.contents([digest]) if each.intact]
        if why := "".join(map(flaw_of, contents)):
            flaws[digest] = why
    return tuple(
        Fault(
            code="release-unloadable",
            severity=Condition.PENDING,
            what=f"{ref.version} is live, and no client can load it: {flaws[ref.digest]}",
            where=f"{each.deployment.app}:{each.deployment.channel}",
            repair=Sentence(_way_out(each), ", or promote a good release"),
        )
        for each in live
        for ref in each.deployment.served()
        if ref.digest in flaws
    )


def _way_out(standing: Standing) -> Advice:
    live = standing.deployment
    if standing.target is None and live.canary is None:
        return rollout.retirement(live.app, live.channel)
    return Advice(Action.ROLLBACK, app=live.app, channel=live.channel)
