"""Which models of releases end soon: of what a promotion or a rollback makes live, and of all that is."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.models.ends import MODEL_ENDS, NOTICE, SOON, Ending, endings, soon
from promptops.core.models.table import Facts, facts_of
from promptops.core.outcomes.app_look import AppLook
from promptops.core.release_models import models_from_json

if TYPE_CHECKING:
    from promptops.core.model import Deployment
    from promptops.store import Reader, Registry


def ending_of(registry: Registry, deployments: Sequence[Deployment], now: datetime) -> tuple[str, ...]:
    """Returns what there is to say of the models of what these deployments serve, and that end within 60 days.

    Nothing where that cannot be worked out: the deployments are done, and have to be answered as such.
    """
    with suppress(Exception):
        with registry.read() as reader:
            ends = _ends(reader, {release.digest for made in deployments for release in made.served()})
        found = soon({each for known in ends.values() for each in known}, now.date(), within=NOTICE)
        return tuple(each.words(now.date()) for each in found)
    return ()


def looks_at_ends(reader: Reader, live: Sequence[Deployment], now: datetime) -> tuple[AppLook, ...]:
    """Returns the apps that are live with a model that ends within 30 days, or has ended, the first end first."""
    ends = _ends(reader, {release.digest for each in live for release in each.served()})
    found = soon({each for known in ends.values() for each in known}, now.date(), within=SOON)
    return tuple(
        AppLook(app=app, code=MODEL_ENDS, text=f"{each.words(now.date())} (live on {', '.join(channels)})")
        for each in found
        for app, channels in _uses(each, live, ends).items()
    )


def _uses(
    ending: Ending, live: Sequence[Deployment], ends: Mapping[str, Collection[Ending]]
) -> Mapping[str, Sequence[str]]:
    uses: dict[str, list[str]] = {}
    for each in live:
        if any(ending in ends.get(release.digest, ()) for release in each.served()):
            uses.setdefault(each.app, []).append(each.channel)
    return {app: uses[app] for app in sorted(uses)}


def _ends(reader: Reader, digests: Collection[str]) -> Mapping[str, tuple[Ending, ...]]:
    """What ends of releases, by digest."""
    return {digest: endings(facts) for digest, facts in facts_by_model(reader, digests).items()}


def facts_by_model(reader: Reader, digests: Collection[str]) -> Mapping[str, Mapping[str, Facts]]:
    """Returns what is known of the models of releases, by digest and model; of a damaged one, which `fsck` reports,
    nothing. No more of a content is read, since `status` asks about all that is live.
    """
    return {stored.digest: _facts_of(stored.content) for stored in reader.contents(sorted(digests)) if stored.intact}


def _facts_of(content: bytes) -> Mapping[str, Facts]:
    document = json.loads(content)
    named = {prompt.get("model") for prompt in document["prompts"].values()}
    own = models_from_json(document["models"], document["prompts"]) if "models" in document else {}
    return {model: facts_of(model, own.get(model)) for model in named if isinstance(model, str) and model}
