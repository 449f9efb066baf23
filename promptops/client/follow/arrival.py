"""Sorts the apps of an arrival: ready to serve, to be loaded, or impossible to serve. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from promptops.client.follow.acceptance import ArrivalVerdict
from promptops.client.state.release_set import Held, Rejected, Required, Unloaded, load, unloaded_of
from promptops.client.status import Change
from promptops.core.snapshot import Pointer, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """``ready`` can be served at once, ``coming`` is to be loaded first, ``unloaded`` cannot be served."""

    ready: Mapping[str, Pointer]
    coming: dict[str, Pointer]
    unloaded: dict[str, Unloaded]


def sort(
    snapshot: Snapshot, verdict: ArrivalVerdict, held: Held | None, coming: Mapping[str, Pointer], *, required: Required
) -> Arrival:
    """Returns the plan for an arrival, together with the releases that were coming already."""
    unloaded = _unloaded(snapshot, verdict, held)
    ready = dict[str, Pointer]()
    for app, pointer in verdict.news.items() if held else ():
        if held and all(ref.digest in held.compiled for ref in pointer.served()):
            try:
                load(app, pointer, held.contents, held.compiled, required=required)
                ready[app] = pointer
                unloaded.pop(app, None)
            except Rejected as rejected:
                unloaded[app] = unloaded_of(rejected, pointer)
    coming_now = _coming(snapshot, verdict, held, coming)
    left = {app: each for app, each in coming_now.items() if app not in ready and not _is_lost(unloaded.get(app), each)}
    return Arrival(ready=ready, coming=left, unloaded=unloaded)


def _unloaded(snapshot: Snapshot, verdict: ArrivalVerdict, held: Held | None) -> dict[str, Unloaded]:
    """Returns the apps that cannot be served, before any news is loaded."""
    known = held.unloaded if held else {}
    if verdict.behind:  # an old snapshot has no news of an app
        return dict(known)
    kept = {
        app: reason
        for app, reason in known.items()
        if app not in verdict.settled and (snapshot.partial or app in snapshot.apps)
    }
    return kept | {app: unloaded_of(rejected, snapshot.apps[app]) for app, rejected in verdict.refused.items()}


def _coming(
    snapshot: Snapshot, verdict: ArrivalVerdict, held: Held | None, before: Mapping[str, Pointer]
) -> dict[str, Pointer]:
    """Returns the releases to load: the news, and those coming already for which this arrival has nothing newer."""
    if held is None or held.snapshot.epoch != verdict.base.epoch:
        return dict(verdict.news)
    if verdict.behind:
        newer = {
            app: pointer for app, pointer in before.items() if pointer.revision >= _revision(verdict.news.get(app))
        }
        return {**verdict.news, **newer}
    left = {
        app: pointer
        for app, pointer in before.items()
        if app not in verdict.settled and (snapshot.partial or app in snapshot.apps)
    }
    return {**left, **verdict.news}


def _revision(pointer: Pointer | None) -> int:
    return pointer.revision if pointer else 0


def _is_lost(known: Unloaded | None, pointer: Pointer) -> bool:
    """Returns True if this was tried, and another try could only end the same."""
    return known is not None and known.final and known.pointer == pointer


def changes(
    before: Held | None, loaded: Mapping[str, Pointer], channel: str, first: Collection[str]
) -> Iterator[Change]:
    """Returns the changes in what is served; none for apps that the first snapshot brought."""
    for app, pointer in loaded.items():
        old = before.apps.get(app) if before else None
        if (old is None and app in first) or (old and old.decided == pointer.decided):
            continue
        yield Change(
            channel=channel,
            app=app,
            revision=pointer.revision,
            version=pointer.version,
            before=old.version if old else "",
            canary=pointer.canary.version if pointer.canary else "",
        )
