"""The releases that are held, ready for lookups. Made once for every change; every call after that is a lookup.

``plain`` has the prompts that are the same for every key, by their full names; ``split`` has those of apps with a
canary, where the key decides. A prompt in neither is requested by version, or does not exist: that path is slow, and
its errors list what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.client.calls.desk import CallDesk
from promptops.client.calls.exposure import FIXED, NAMED, Exposure
from promptops.client.prompt import Prompt, Reason, Source, Variant
from promptops.client.state.app_release import ServedApp, ServedRelease, SplitPrompt, split_prompt
from promptops.client.state.conversations import Conversations, Talk, Talks
from promptops.client.state.release_set import CompiledRelease, Held, Rejected, Rejection
from promptops.core.declarations import Capture
from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    Invalid,
    NotFound,
    PromptNotFound,
    PromptRetired,
    PromptUnavailable,
    ReleaseNotFound,
)
from promptops.core.escape import one_line
from promptops.core.model import ReleaseRef
from promptops.core.override import Override
from promptops.core.reference import parse_reference
from promptops.core.snapshot import Pointer

if TYPE_CHECKING:
    from promptops.core.hold import Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideFile:
    """An override file that counts, with its release compiled."""

    path: Path
    override: Override
    release: CompiledRelease


class View:
    """Everything a client serves until something changes. Never changed in place: a client swaps it for another.

    ``apps`` has what is served. ``overrides_end`` is the moment when the first of its overrides ends: then it is over.
    """

    __slots__ = (
        "_apart",
        "_broken",
        "_conversations",
        "_desk",
        "_fixed",
        "_off",
        "_overrides",
        "_talks",
        "apps",
        "channel",
        "held",
        "lacking",
        "overrides_end",
        "plain",
        "reason",
        "source",
        "split",
    )

    def __init__(
        self,
        held: Held | None,
        channel: str,
        source: Source,
        reason: Reason,
        desk: CallDesk | None = None,
        conversations: Conversations | None = None,
    ) -> None:
        """Use :meth:`make`."""
        self._desk = desk or CallDesk(channel)
        self._conversations = conversations
        self._talks = Talks(held, channel, conversations, serves=self._follows, serve=self._on_hold)
        self.held = held
        self.channel = channel
        self.source = source
        self.reason = reason
        self.plain: dict[str, Prompt] = {}
        self.split: dict[str, SplitPrompt] = {}
        self.overrides_end: datetime | None = None
        self.lacking: dict[str, Rejected] = {}
        self._apart: frozenset[str] = frozenset()
        self.apps: dict[str, ServedApp] = {}
        self._broken: dict[str, str] = {}
        self._off: set[str] = set()
        self._fixed: dict[tuple[str, str], ServedRelease] = {}
        self._overrides: Mapping[str, OverrideFile] = {}

    @classmethod
    def make(
        cls,
        held: Held | None,
        *,
        channel: str,
        source: Source = Source.SERVER,
        reason: Reason = Reason.STATIC,
        fixed: Mapping[str, str] | None = None,
        overrides: Mapping[str, OverrideFile] | None = None,
        apps: Collection[str] | None = None,
        coming: Collection[str] = (),
        desk: CallDesk | None = None,
        conversations: Conversations | None = None,
    ) -> View:
        """Returns the view of what is held, with the source and the reason that its prompts carry.

        ``overrides`` go before everything, ``fixed`` (app to version) before the channel. ``apps`` are the wanted apps,
        None for all; apps that are ``coming`` are on the channel, and not loaded yet. An app that cannot be served as
        requested is unavailable, and one that is off is not there; the others are not affected. Calls of its prompts
        are counted at ``desk``, and the releases that conversations stay on are kept by ``conversations``. Where a
        canary needs a feature that this version lacks, all keys have stable, and ``lacking`` has the reason.
        """
        view = cls(held, channel, source, reason, desk, conversations)
        view._overrides = {app: found for app, found in (overrides or {}).items() if apps is None or app in apps}
        view._apart = frozenset({*(fixed or ()), *view._overrides})
        view._off = {app for app, pointer in held.apps.items() if pointer.stable is None} if held else set()
        followed = [app for app in held.apps if app not in view._off] if held else []
        wanted: dict[str, Callable[[str], ServedApp]] = dict.fromkeys(followed, view._followed)
        for app, version in (fixed or {}).items():
            wanted[app] = lambda app, version=version: view._at_version(app, version)  # type: ignore[misc]
        wanted |= dict.fromkeys(view._overrides, view._overridden)
        view._broken = dict.fromkeys(coming, "it is not loaded yet")
        view._broken |= {app: each.message for app, each in held.unloaded.items()} if held else {}
        for app, make in wanted.items():
            if apps is None or app in apps:
                view._add(app, make)
        view.overrides_end = min((found.override.expires_at for found in view._overrides.values()), default=None)
        return view

    def resolve(self, name: str, key: str | None = None, version: str | None = None, hold: object = "") -> Prompt:
        """Returns the prompt of a full name, ``support-bot/answer``, for a key or of a version that is held, or for a
        conversation with a ``hold``.

        Raises:
            AppNotFound, PromptNotFound, ReleaseNotFound, ChannelNotFound: it does not exist; the error lists what does.
            PromptRetired: its app is off on the channel.
            PromptUnavailable: nothing is held yet, or not the version that is fixed for this app.
            Invalid: it is not the name of a prompt.
        """
        if hold and version is None and "@" not in name:
            app, _, short = name.removesuffix(f":{self.channel}").partition("/")
            if (talk := self._talks.of(app, hold)) is not None:
                found = talk.release.prompts.get(short) if talk.release is not None else None
                return found or _waiting(self.resolve(name, key), str(hold))
        if version is None:
            prompt = self.plain.get(name)
            if prompt is not None:
                return prompt
            split = self.split.get(name)
            if split is not None:
                return split.choose(key)
        return self._find(name, key, version or "")

    def release(self, app: str, key: str | None = None, version: str | None = None, hold: object = "") -> ServedRelease:
        """Returns the release of an app for a key, or of a version that is held, or for a conversation with a ``hold``.
        Raises as :meth:`resolve` does.
        """
        if version:
            return self._version(app, version)
        talk: Talk | None = self._talks.of(app, hold) if hold else None
        if talk is not None and talk.release is not None:
            return talk.release
        serving = self.apps.get(app)
        if serving is None:
            raise self._missing(app)
        found = serving.choose(key)
        if talk is None:
            return found
        prompts = {name: _waiting(prompt, str(hold)) for name, prompt in found.prompts.items()}
        return replace(found, reason=Reason.HELD_MISSING, prompts=prompts)

    @property
    def notes(self) -> dict[str, tuple[str, ...]]:
        """The parts of the served releases that are not evaluated, by app."""
        found = {
            app: (*serving.stable.notes, *(serving.canary.notes if serving.canary else ()))
            for app, serving in self.apps.items()
        }
        return {app: tuple(dict.fromkeys(notes)) for app, notes in found.items() if notes}

    # --- making ----------------------------------------------------------------------------------

    def _add(self, app: str, make: Callable[[str], ServedApp]) -> None:
        try:
            serving = make(app)
        except Exception as error:  # noqa: BLE001 an error in one app must not stop the others
            self._broken[app] = error.message if isinstance(error, Rejected) else f"{type(error).__name__}: {error}"
            return
        self._broken.pop(app, None)
        self.apps[app] = serving
        self.plain |= {prompt.name: prompt for prompt in serving.stable.prompts.values()}
        if serving.canary is None:
            return
        # What the canary lacks is served to its keys too, so it takes no part in the comparison.
        for prompt in serving.stable.prompts.values():
            if prompt.definition.name not in serving.canary.prompts and prompt.exposure is not None:
                self.plain[prompt.name] = replace(prompt, exposure=prompt.exposure.apart())
        for prompt in serving.canary.prompts.values():
            self.plain.pop(prompt.name, None)
            self.split[prompt.name] = split_prompt(serving, prompt)

    def _followed(self, app: str) -> ServedApp:
        held, pointer = self._known(app)
        assert pointer.stable is not None  # an app that is off does not get here
        stable_release = held.release(app, pointer.digest)
        if pointer.canary is None or not pointer.weight:
            return ServedApp(stable=self._served(stable_release, pointer.stable, Variant.STABLE))
        try:
            tried = held.release(app, pointer.canary.digest)
        except Rejected as rejected:
            if rejected.reason is not Rejection.FEATURE:
                raise
            self.lacking[app] = rejected
            exposure = self.exposure(app, Variant.STABLE)
            exposure.lacks_canary = True
            return ServedApp(stable=self._served(stable_release, pointer.stable, Variant.STABLE, exposure=exposure))
        reason = Reason.SPLIT if self.reason is Reason.STATIC else self.reason
        canary = self._served(tried, pointer.canary, Variant.CANARY, reason=reason)
        stable = self._served(stable_release, pointer.stable, Variant.STABLE, reason=reason)
        split = ServedApp(stable=stable, canary=canary, weight=pointer.weight, salt=pointer.salt)
        if pointer.trial is None or not pointer.trial.keys:
            return split
        exposure = self.exposure(app, NAMED)
        named = self._served(tried, pointer.canary, Variant.CANARY, reason=reason, exposure=exposure)
        return replace(split, named=named, keys=pointer.trial.keys)

    def _at_version(self, app: str, version: str) -> ServedApp:
        digest = self.held.versions(app).get(version) if self.held else None
        if digest is None:
            raise Rejected(Rejection.MISSING, f"'{app}' is fixed at {version}, which is not held")
        return ServedApp(stable=self._of_version(app, ReleaseRef(version=version, digest=digest)))

    def _overridden(self, app: str) -> ServedApp:
        found = self._overrides[app]
        return ServedApp(
            stable=self._served(found.release, found.override.release, Variant.FIXED, source=Source.OVERRIDE)
        )

    def _of_version(self, app: str, ref: ReleaseRef) -> ServedRelease:
        """Returns a release by its version. It is made at the first call."""
        made = self._fixed.get((app, ref.digest))
        if made is None:
            if self.held is None:
                raise Rejected(Rejection.MISSING, f"{app}@{ref.version} is not held")
            pointer = self.held.apps.get(app)
            named = {pointer.canary: Variant.CANARY, pointer.stable: Variant.STABLE} if pointer else {}
            variant = named.get(ref, Variant.FIXED)
            release = self.held.release(app, ref.digest)
            served = self._served(release, ref, variant, exposure=self.exposure(app))
            made = self._fixed.setdefault((app, ref.digest), served)
        return made

    def _follows(self, app: str) -> bool:
        """True where the channel decides what an app serves here, and it serves something."""
        return app in self.apps and app not in self._apart

    def _on_hold(self, hold: Hold, release: CompiledRelease, pointer: Pointer, text: str) -> ServedRelease:
        """Returns the release that a conversation stays on, which counts as what it was assigned to."""
        from promptops.core.hold import mark

        exposure = self.exposure(hold.app, hold.arm)
        exposure.revision, exposure.hold, exposure.is_held = hold.revision, text, True
        runs = hold.arm != FIXED and bool(pointer.salt) and mark(pointer.salt) == hold.salt
        exposure.salt, exposure.weight = (pointer.salt, hold.weight) if runs else ("", 0)
        exposure.trial = exposure.trial if runs else None
        ref = ReleaseRef(version=hold.version, digest=hold.digest)
        variant = Variant.CANARY if hold.arm == NAMED else Variant(hold.arm)
        return self._served(release, ref, variant, reason=Reason.HELD, exposure=exposure)

    def _served(
        self,
        release: CompiledRelease,
        ref: ReleaseRef,
        variant: Variant,
        *,
        reason: Reason | None = None,
        source: Source | None = None,
        exposure: Exposure | None = None,
    ) -> ServedRelease:
        exposure = self.exposure(release.app, variant) if exposure is None else exposure
        facts = {
            "app": release.app,
            "version": ref.version,
            "digest": ref.digest,
            "channel": self.channel,
            "revision": exposure.revision,
            "variant": variant,
            "source": source or self.source,
            "reason": reason or self.reason,
        }
        prompts = {
            name: Prompt(
                name=f"{release.app}/{name}",
                definition=prompt.definition,
                template=prompt.template,
                exposure=exposure,
                **facts,  # type: ignore[arg-type]
            )
            for name, prompt in release.prompts.items()
        }
        notes = tuple(one_line(note) for prompt in release.prompts.values() for note in prompt.notes)
        return ServedRelease(**facts, prompts=prompts, notes=notes)  # type: ignore[arg-type]

    def exposure(self, app: str, arm: str = FIXED) -> Exposure:
        """Returns what calls of an app count for; without an arm they take no part in a canary."""
        held = self.held
        pointer = held.apps.get(app) if held else None
        if held is None or pointer is None:
            return Exposure(self._desk, app=app, lineage=held.snapshot.lineage if held else "")
        counted = held.gone if held.gone and app in held.gone.apps else held.snapshot
        return Exposure(
            self._desk,
            app=app,
            lineage=counted.lineage,
            epoch=counted.epoch,
            revision=pointer.revision,
            arm=arm,
            salt="" if arm == FIXED else pointer.salt,
            weight=0 if arm == FIXED else pointer.weight,
            tags={tag.name: frozenset(tag.values) for tag in pointer.declared.tags},
            captures=pointer.declared.capture is Capture.VARIABLES,
            trial=None if arm == FIXED or not pointer.weight else pointer.trial,
            keep=None if arm == FIXED or self._conversations is None else self._conversations.use,
        )

    def _known(self, app: str) -> tuple[Held, Pointer]:
        assert self.held is not None
        return self.held, self.held.apps[app]

    # --- beyond the lookup ---------------------------------------------------------------------

    def _find(self, name: str, key: str | None, version: str) -> Prompt:
        asked = parse_reference(name)
        if asked.channel and asked.channel != self.channel:
            raise ChannelNotFound(f"this client follows '{self.channel}', not '{asked.channel}'", known=[self.channel])
        fixed = asked.version or asked.digest
        if fixed and version and fixed != version:
            raise Invalid(f"'{name}' and version {version} are two different things", hint="Give one of them.")
        served = self.release(asked.app, key, version or fixed)
        if not asked.prompt:
            known = [prompt.name for prompt in served.prompts.values()]
            raise PromptNotFound(f"'{name}' is an app, not a prompt", known=known)
        return served.prompt(asked.prompt)

    def _version(self, app: str, version: str) -> ServedRelease:
        version = version.removeprefix("v")
        over = self._overrides.get(app)
        if over is not None and version in (over.override.version, over.override.digest):
            return self.apps[app].stable
        held = self.held.versions(app) if self.held else {}
        for known, digest in held.items():
            if version == known or (version.startswith("sha256:") and digest.startswith(version)):
                try:
                    return self._of_version(app, ReleaseRef(version=known, digest=digest))
                except Rejected as rejected:
                    raise PromptUnavailable(rejected.message) from rejected
        if app not in self.apps and app not in self._broken and app not in self._off:
            raise self._missing(app)
        raise ReleaseNotFound(
            f"{app}@{version} is not held by this client",
            known=[f"{app}@{known}" for known in held],
            hint=f"client.fetch('{app}@{version}') gets it, and asks the registry." if not held else "",
        )

    def _missing(self, app: str) -> NotFound | PromptUnavailable:
        if app in self._broken:
            return PromptUnavailable(f"'{app}' cannot be served: {self._broken[app]}")
        if self.held is None:
            return PromptUnavailable(
                f"there is nothing to serve '{app}' from: the registry gave nothing yet, and there is no copy",
                hint="Give a fallback, or bake a bundle into the image: promptops export-snapshot.",
            )
        if app in self._off:
            return PromptRetired(app, self.channel, self.held.apps[app].revision, known=self.apps)
        return AppNotFound(f"channel '{self.channel}' serves no app '{app}'", known=self.apps)


def _waiting(prompt: Prompt, hold: str) -> Prompt:
    """Returns the channel's prompt for a conversation whose release is not here, or does not have the prompt."""
    exposure = prompt.exposure.with_hold(hold) if prompt.exposure is not None else None
    return replace(prompt, reason=Reason.HELD_MISSING, exposure=exposure)
