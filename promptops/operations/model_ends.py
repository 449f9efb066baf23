"""Which models of releases end soon: of what a promotion or a rollback makes live, and of all that is."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from promptops.core.models.ends import MODEL_ENDS, NOTICE, SOON, Ending, ending
from promptops.core.outcomes.app_look import AppLook

if TYPE_CHECKING:
    from promptops.core.model import Deployment
    from promptops.store import Reader, Registry


def ending_of(registry: Registry, deployments: Sequence[Deployment], now: datetime) -> tuple[str, ...]:
    """Returns what there is to say of the models of what these deployments serve, and that end within 60 days.

    Nothing where that cannot be worked out: the deployments are done, and have to be answered as such.
    """
    with suppress(Exception):
        with registry.read() as reader:
            models = _models(reader, {release.digest for made in deployments for release in made.served()})
        found = ending({model for names in models.values() for model in names}, now.date(), within=NOTICE)
        return tuple(each.words(now.date()) for each in found)
    return ()


def looks_at_ends(reader: Reader, live: Sequence[Deployment], now: datetime) -> tuple[AppLook, ...]:
    """Returns the apps that are live with a model that ends within 30 days, or has ended."""
    found = outlook(reader, live, now.date(), within=SOON)
    return tuple(
        AppLook(app=app, code=MODEL_ENDS, text=f"{each.words(now.date())} (live on {', '.join(channels)})")
        for each, uses in found
        for app, channels in uses.items()
    )


def outlook(
    reader: Reader, live: Sequence[Deployment], today: date, *, within: timedelta | None = None
) -> tuple[tuple[Ending, Mapping[str, Sequence[str]]], ...]:
    """Returns the models of what is live that end, the first end first, each with its apps and their channels."""
    models = _models(reader, {release.digest for each in live for release in each.served()})
    found = ending({model for names in models.values() for model in names}, today, within=within)
    return tuple((each, _uses(each.model, live, models)) for each in found)


def _uses(model: str, live: Sequence[Deployment], models: Mapping[str, frozenset[str]]) -> Mapping[str, Sequence[str]]:
    uses: dict[str, list[str]] = {}
    for each in live:
        if any(model in models.get(release.digest, ()) for release in each.served()):
            uses.setdefault(each.app, []).append(each.channel)
    return {app: uses[app] for app in sorted(uses)}


def _models(reader: Reader, digests: Collection[str]) -> Mapping[str, frozenset[str]]:
    """The models of releases, by digest; a damaged one, which `fsck` reports, has none. No more of a content is read,
    since `status` asks about all that is live.
    """
    return {stored.digest: _named(stored.content) for stored in reader.contents(sorted(digests)) if stored.intact}


def _named(content: bytes) -> frozenset[str]:
    document = json.loads(content)
    named = (prompt.get("model") for prompt in document["prompts"].values())
    return frozenset(model for model in named if isinstance(model, str))
