"""What both clients share: how they are made, and everything that does no I/O."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from promptops.client import settings
from promptops.client.fallbacks import Fallbacks
from promptops.client.follow.follower import ChannelFollower
from promptops.client.follow.replica import Replica
from promptops.client.follow.schedule import World
from promptops.client.process import mark
from promptops.client.prompt import Fallback, Prompt, Reason
from promptops.client.sources.configured import SourceOption
from promptops.client.state.app_release import ServedRelease
from promptops.client.state.release_set import Required
from promptops.client.status import OnChange, OnState, Status, log, problem_of
from promptops.core.errors import ChannelNotFound, Invalid, NotFound, PromptUnavailable, Unavailable
from promptops.core.escape import one_line
from promptops.core.heartbeat import State
from promptops.core.reference import Reference, require_text

if TYPE_CHECKING:
    import ssl

    from promptops.client.calls.call import Call

_RANDOM = random.SystemRandom()  # has no state that a forked child would share


def _now() -> datetime:
    return datetime.now(UTC)


class BaseClient:
    """The prompts of one channel or several, out of memory. Safe for threads and tasks."""

    def __init__(
        self,
        source: SourceOption | Sequence[SourceOption] | None = None,
        *,
        channel: str | Sequence[str] | None = None,
        token: str | os.PathLike[str] | None = None,
        apps: Sequence[str] | None = None,
        required: Required = (),
        bundle: str | os.PathLike[str] | None = None,
        override: str | os.PathLike[str] | None = None,
        cache_dir: str | os.PathLike[str] | bool | None = None,
        poll: float = 30.0,
        timeout: float = 5.0,
        start_timeout: float = 1.5,
        max_stale: float | None = None,
        strict: bool = False,
        heartbeat: bool = True,
        name: str | None = None,
        versions: Sequence[str] = (),
        proxy: str | None = None,
        verify: bool | str | os.PathLike[str] | ssl.SSLContext = True,
        allow_http: bool = False,
        fallbacks: Mapping[str, Fallback] | None = None,
        on_change: OnChange | None = None,
        on_state: OnState | None = None,
    ) -> None:
        """See docs/client.md for every setting; times are seconds.

        Raises:
            Invalid: a setting that cannot be. Nothing is raised because something is out of reach.
        """
        caching, cache = settings.cache_of(cache_dir)
        self._settings = settings.ClientSettings(
            places=settings.places_of(source, token, allow_http=allow_http),
            channels=settings.channels_of(channel),
            apps=settings.apps_of(apps),
            required=settings.required_of(required),
            fixed=self._fixed(),
            versions=settings.references_of(versions, "versions"),
            bundle=settings.path_of(bundle, settings.BUNDLE),
            override=settings.path_of(override, settings.OVERRIDE),
            cache=cache,
            caching=caching,
            poll=poll,
            timeout=timeout,
            start_timeout=start_timeout,
            max_stale=max_stale,
            strict=strict,
            heartbeat=heartbeat,
            name=name or "",
            proxy=proxy,
            verify=os.fspath(verify) if isinstance(verify, os.PathLike) else verify,
        )
        self._strict, self._fallbacks, self._fell_back = strict, Fallbacks(fallbacks), set[str]()
        self._followers = self._plan(settings.hook_of(on_change, "on_change"), settings.hook_of(on_state, "on_state"))
        self._replicas = {name: follower.replica for name, follower in self._followers.items()}
        self._own = self._replicas[self._settings.channels[0]]
        self._process, self._mark, self._noticing = os.getpid(), mark(), dict[int, threading.Lock]()
        self._begin()

    def _fixed(self) -> tuple[Reference, ...]:
        """The versions that the environment fixes."""
        return settings.fixed_versions()

    def _plan(self, on_change: OnChange | None, on_state: OnState | None) -> dict[str, ChannelFollower]:
        world = World(clock=time.monotonic, now=_now, dice=_RANDOM.random)
        return {
            name: ChannelFollower(Replica(self._settings, name, world), on_change=on_change, on_state=on_state)
            for name in self._settings.channels
        }

    def _begin(self) -> None:
        """Begin to work, with everything else in place."""

    def _notice(self) -> None:
        """Notice a fork: if this is another process than the one that follows, follow here anew."""
        process = os.getpid()
        # A lock for each process: a thread that is not in this one may have held the parent's at the fork.
        with self._noticing.setdefault(process, threading.Lock()):
            if self._process != process:
                self._forked()
        self._go_on()

    def _forked(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        raise TypeError("Client and AsyncClient know")

    def _follow_forked(self) -> None:
        """The same right after the fork, where nothing may wait."""
        raise TypeError("Client and AsyncClient know")

    def _go_on(self) -> None:
        """Follow in this process, or record why not; set the mark when nothing is left to do."""
        raise TypeError("Client and AsyncClient know")

    def __repr__(self) -> str:
        places = ", ".join(place.label for place in self._settings.places)
        return f"<{type(self).__name__} {'+'.join(self._replicas)} from {places}: {self.state}>"

    def get_prompt(
        self,
        name: str,
        *,
        key: str | None = None,
        targeting_key: str | None = None,
        hold: str | None = None,
        version: str | None = None,
        channel: str | None = None,
        fallback: Fallback | None = None,
    ) -> Prompt:
        """Returns the prompt that the channel serves, ``support-bot/answer``. No I/O.

        ``key`` (or ``targeting_key``) keeps one user or conversation on one side of a canary. ``hold`` is the
        :attr:`Prompt.hold` of an earlier prompt of a conversation, which keeps it on that release; one that holds
        nothing any more changes nothing. ``version`` names a release that is held; :meth:`fetch` holds one.
        ``fallback`` is what is served when there is nothing else: text, a list of messages, or the mapping of a prompt
        file. It is read at the first call that gives it, whether it is needed or not.

        Raises:
            PromptUnavailable: nothing is held, and there is no fallback.
            NotFound: there is no such prompt, and no fallback; lists what there is.
            Invalid: the name is not that of a prompt, or the fallback is no prompt.
        """
        if not self._mark[0]:
            self._notice()
        try:
            if fallback is not None:
                self._fallbacks.find(name, fallback)
            if version is None and channel is None and not hold and not self._strict:
                prompt = self._own.view.plain.get(name)
                if prompt is not None:
                    return prompt
            view = self._replica(channel).view
            return view.resolve(name, targeting_key if key is None else key, version, hold)
        except (NotFound, Unavailable) as error:
            explained = self._explained(error, channel)
            if (own := self._fallbacks.find(name, fallback)) is None:
                raise explained from None
            return self._fall_back(own, channel, explained, hold)
        except (AttributeError, TypeError):
            require_text(name)
            raise

    def call(
        self,
        name: str,
        *,
        key: str | None = None,
        targeting_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        trace_id: str = "",
        hold: str | None = None,
        version: str | None = None,
        channel: str | None = None,
        fallback: Fallback | None = None,
    ) -> Call[Prompt]:
        """Returns a call of a model, for ``with`` or ``async with``, with the prompt drawn for it. No I/O.

        ::

            with client.call("support-bot/answer", key=user) as call:
                response = openai.chat.completions.create(**call.prompt.to_openai(question=question))
                call.record(response)

        Calls are added up by release and reported every ten seconds. Without a key the call is a unit of its own; of a
        conversation that is held, give the key that it began with.
        ``tags`` are declared in ``app.yml``; others are left out. ``trace_id`` is that of the call's trace, which
        :mod:`promptops.otel` finds by itself. Nothing of the counting raises or waits.

        Raises:
            PromptUnavailable, NotFound: as :meth:`get_prompt` does.
        """
        given = targeting_key if key is None else key
        drawn = os.urandom(8).hex() if given is None else given
        prompt = self.get_prompt(name, key=drawn, hold=hold, version=version, channel=channel, fallback=fallback)
        if prompt.reason is Reason.HELD:  # a key that is drawn now had no part in what a conversation was assigned to
            return prompt.call(key=given, tags=tags, trace_id=trace_id)
        if given is None and prompt.exposure is not None and prompt.exposure.salt:
            prompt = replace(prompt, sticky=False)
        return prompt.call(key=drawn, tags=tags, trace_id=trace_id)

    def outcome(self, call_id: str, name: str) -> None:
        """Report what a call led to, ``ticket_resolved``: from any process, also days later. No I/O, and never raises.

        ``name`` is declared under ``outcomes:`` in ``app.yml``. A call and a name count once.
        """
        self._feed_back(call_id, name, None)

    def score(self, call_id: str, name: str, value: float) -> None:
        """Report how good a call's answer was, from 0 to 1: a thumb, a judge, your own check. As :meth:`outcome`."""
        self._feed_back(call_id, name, value)

    def _feed_back(self, call_id: str, name: str, score: float | None) -> None:
        from promptops.client.calls.ledger import ledger_at
        from promptops.core.outcomes.report import Feedback

        try:
            feedback = Feedback(call=call_id, name=name, score=score)
        except (Invalid, TypeError, AttributeError) as error:
            if "feedback" not in self._fell_back:
                self._fell_back.add("feedback")
                log(logging.WARNING, "outcome-ignored", "an outcome or a score is not reported: %s", str(error))
            return
        if not self._mark[0]:
            self._notice()
        of_channel = call_id.split(":")[3:4]
        desk = self._replicas.get(of_channel[0] if of_channel else "", self._own).desk
        desk.is_used = True
        if not desk.is_off:
            ledger_at(desk).feedback(feedback)

    def release(
        self,
        app: str,
        *,
        key: str | None = None,
        targeting_key: str | None = None,
        hold: str | None = None,
        channel: str | None = None,
    ) -> ServedRelease:
        """Returns one release of an app, for several prompts that belong together. No I/O.

        ::

            with client.release("support-bot", key=user) as release:
                answer, summary = release.prompt("answer"), release.prompt("summary")

        Raises:
            PromptUnavailable, AppNotFound: as :meth:`get_prompt` does.
        """
        require_text(app)
        try:
            return self._replica(channel).view.release(app, targeting_key if key is None else key, hold=hold)
        except Unavailable as error:
            raise self._explained(error, channel) from None

    @property
    def state(self) -> State:
        """How far the client is from its registry, on its own channel."""
        return self._of(None).state

    def status(self, channel: str | None = None) -> Status:
        """How a channel stands: for health pages and gauges. No I/O.

        Raises:
            ChannelNotFound: the client does not follow it.
        """
        replica = self._of(channel)
        # What changes last is read first, so that no status shows an effect without its cause: counters change first,
        # then what is served, then the contact, the state, and the plan for the next poll.
        running, failures, state = self._is_running(), replica.schedule.failures, replica.state
        contact, held = copy(replica.contact), replica.held
        snapshot = held.snapshot if held else None
        apps = held.apps if held else {}
        return Status(
            channel=replica.channel,
            state=state,
            source=replica.view.source if held else None,
            age=None if contact.last is None else contact.age,
            too_old=replica.too_old,
            registry=one_line(snapshot.registry) if snapshot else "",
            lineage=one_line(snapshot.lineage) if snapshot else "",
            epoch=snapshot.epoch if snapshot else 0,
            cursor=snapshot.cursor if snapshot else 0,
            revisions={app: pointer.revision for app, pointer in apps.items()},
            versions={app: pointer.version for app, pointer in apps.items() if pointer.stable},
            pinned={fixed.app: fixed.version for fixed in self._settings.fixed},
            overridden={app: file.override.version for app, file in replica.overrides.items()},
            place=contact.place.label if contact.place else "",
            streaming=contact.streaming,
            polls=replica.contact.polls,
            failures=failures,
            rejected=dict(contact.rejected),
            problem=one_line(contact.unfollowed or contact.problem or problem_of(replica.cannot_load), 1_000),
            cannot_load=replica.cannot_load,
            notes=replica.view.notes,
            disk=one_line(self._followers[replica.channel].last_good.problem, 1_000),
            running=running,
            outcomes=one_line(replica.desk.problem, 1_000),
            dropped=replica.desk.dropped(),
        )

    def _is_running(self) -> bool:
        raise TypeError("Client and AsyncClient know")

    def _of(self, channel: str | None) -> Replica:
        if not self._mark[0]:
            self._notice()
        if channel is None:
            return self._own
        replica = self._replicas.get(channel)
        if replica is None:
            raise ChannelNotFound(f"this client does not follow the channel '{channel}'", known=self._replicas)
        return replica

    def _replica(self, channel: str | None) -> Replica:
        """Returns the channel's replica, to be served from.

        Raises:
            PromptUnavailable: it is older than the application allows.
        """
        replica = self._of(channel)
        if self._strict and replica.too_old:
            raise PromptUnavailable(
                f"what is held of '{replica.channel}' is {replica.contact.age:.0f} s old, and max_stale is"
                f" {self._settings.max_stale:g} s",
                hint="strict=True refuses them; without it the client goes on serving the last good prompts.",
            )
        return replica

    def _explained(self, error: NotFound | Unavailable, channel: str | None) -> NotFound | Unavailable:
        """Where nothing is held yet, say why: a token that is wrong looks like a network that is down."""
        replica = self._replicas.get(channel) if channel is not None else self._own
        if replica is None or replica.held is not None:
            return error
        problem = replica.contact.unfollowed or replica.contact.problem
        return PromptUnavailable(f"{error.message} ({problem})", hint=error.hint) if problem else error

    def _fall_back(
        self, fallback: Prompt, channel: str | None, error: NotFound | Unavailable, hold: str | None
    ) -> Prompt:
        name = fallback.name
        if name not in self._fell_back:
            self._fell_back.add(name)
            log(logging.WARNING, "fallback", "%s is answered by its fallback: %s", name, error.message, prompt=name)
        replica = self._replicas.get(channel or "", self._own)
        exposure = replica.view.exposure(fallback.app)  # the conversation goes on with its hold when there is something
        return replace(
            fallback,
            channel=channel or self._own.channel,
            exposure=exposure.with_hold(hold) if isinstance(hold, str) else exposure,
        )
