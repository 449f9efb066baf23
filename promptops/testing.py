"""Clients and prompts for the tests of an application: out of memory, without a registry, a thread or the network.

::

    from promptops.testing import Client

    client = Client.of({"support-bot/answer": "Answer {{name}}: {{question}}"})
    assert my_application(client).answer("Ann", "Why?") == …
    assert client.rendered[-1].variables == {"name": "Ann", "question": "Why?"}

They are clients of the real classes with the real checks: a name that is not there, a variable that is missing, unknown
or wrong, and a parameter that an API does not take are the errors of production. Prompts are read, released and
compiled as everywhere; only what brings them is missing. ``docs/testing.md`` has the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self, TypeAlias, cast

import promptops
from promptops.client.background import BackgroundClient
from promptops.client.definitions import Described, compile_described
from promptops.client.follow.contact import Contact
from promptops.client.prompt import Fallback, Renders
from promptops.client.sources.local import open_local
from promptops.client.sources.source import AskContents, AskSnapshot, Failed, find_place
from promptops.client.state.app_release import ServedRelease
from promptops.client.state.lookup_view import View
from promptops.client.state.release_set import compile_release
from promptops.core.compiled import CompiledRelease
from promptops.core.digest import digest as digest_of
from promptops.core.errors import Invalid, NotFound, ReleaseNotFound, Unavailable
from promptops.core.features import features_of
from promptops.core.model import Content, ReleaseRef
from promptops.core.model import Prompt as Definition
from promptops.core.reference import Reference, parse_reference
from promptops.core.release_bytes import encode
from promptops.core.snapshot import Pointer, Snapshot
from promptops.core.template.template import Template
from promptops.wire.snapshot import decode

__all__ = ["Asked", "AsyncClient", "Client", "Given", "Prompt", "Rendered"]

Given: TypeAlias = "Described | promptops.Prompt"
"""A prompt for a test: a text, a list of messages, the mapping of a prompt file, or a prompt."""

_LONG: Final = 86_400.0 * 365  # nothing becomes stale in a test


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request for a prompt. ``prompt`` is what it got, and ``error`` why it got none."""

    name: str
    key: str | None = None
    version: str | None = None
    hold: str | None = None
    channel: str | None = None
    prompt: promptops.Prompt | None = field(default=None, repr=False)
    error: promptops.PromptopsError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One rendering: the full name of the prompt, the variables as they were given, and the messages.

    ``api`` is the one that the messages are for (``chat``, ``responses``, ``messages`` of Anthropic …); empty for
    ``prompt.render``.
    """

    name: str
    variables: Mapping[str, object]
    messages: list[dict[str, Any]]
    api: str = ""


class _Heard:
    """A prompt's template that notes what is rendered."""

    __slots__ = ("_name", "_note", "_template", "names", "notes")

    def __init__(self, name: str, template: Renders, note: Callable[[Rendered], object]) -> None:
        self._name = name
        self._template = template
        self._note = note
        self.names = template.names
        self.notes: tuple[str, ...] = getattr(template, "notes", ())

    def render(self, values: Mapping[str, object], /) -> list[dict[str, Any]]:
        return self.render_for("", values)

    def render_for(self, api: str, values: Mapping[str, object], /) -> list[dict[str, Any]]:
        messages = self._template.render(values)
        copies = [dict(message) for message in messages]
        self._note(Rendered(name=self._name, variables=dict(values), messages=copies, api=api))
        return messages


class _InMemory(BackgroundClient):
    """What both clients share. ``asked`` and ``rendered`` are all requests and renderings so far, in order."""

    def __init__(
        self,
        prompts: Mapping[str, Given] | None = None,
        *,
        channel: str = "test",
        fallbacks: Mapping[str, Fallback] | None = None,
        lenient: bool = False,
    ) -> None:
        """Use :meth:`of`."""
        self.asked: list[Asked] = []
        self.rendered: list[Rendered] = []
        self._lenient = lenient
        super().__init__(
            "file:promptops.testing",
            channel=channel,
            token="",  # nothing of the environment is used
            bundle="",
            override="",
            cache_dir=False,
            poll=_LONG,
            start_timeout=0.0,
            heartbeat=False,
            fallbacks=fallbacks,
        )
        self.serve(prompts or {})

    @classmethod
    def of(
        cls,
        prompts: Mapping[str, Given],
        *,
        channel: str = "test",
        fallbacks: Mapping[str, Fallback] | None = None,
        lenient: bool = False,
    ) -> Self:
        """Returns a client that serves these prompts, by their full names: ``{"support-bot/answer": "Hi {{name}}"}``.

        A prompt that is not among them is an error also where the application has a fallback, so that no test passes
        by its fallback unnoticed; with ``lenient`` the fallback is served, as in production. :meth:`outage` shows it.

        Raises:
            Invalid: one is no prompt, or has no name of one.
        """
        return cls(prompts, channel=channel, fallbacks=fallbacks, lenient=lenient)

    @classmethod
    def of_workspace(
        cls,
        folder: str | Path = ".",
        *,
        channel: str = "test",
        fallbacks: Mapping[str, Fallback] | None = None,
        lenient: bool = False,
    ) -> Self:
        """Returns a client that serves the prompts of a working tree, as the files are now.

        Raises:
            Invalid: the folder has no workspace, or a file has an error.
        """
        made = cls(channel=channel, fallbacks=fallbacks, lenient=lenient)
        place = open_local(find_place(f"repo:{Path(folder).absolute()}"))
        found = place.answer(AskSnapshot(channel=channel), 0.0)
        problem = found.message if isinstance(found, Failed) else next(iter(found.notes), "")
        if problem or isinstance(found, Failed):
            raise Invalid(f"the prompts of {folder} cannot be served: {problem}", hint="`promptops check` lists all.")
        pointers = decode(found.body).apps
        contents = place.answer(AskContents(digests=tuple(each.digest for each in pointers.values())), 0.0)
        made._follow_these(pointers, {} if isinstance(contents, Failed) else contents.contents)
        return made

    def serve(self, prompts: Mapping[str, Given]) -> Self:
        """Serves these prompts from now on, as after a promotion: each of their apps gets another revision and version.
        Its other prompts stay.

        Raises:
            Invalid: one is no prompt, or has no name of one.
        """
        apps: dict[str, dict[str, Definition]] = {}
        for name, value in prompts.items():
            reference = parse_reference(name)
            if not reference.prompt or reference.fixed or reference.channel:
                raise Invalid(f"'{name}' is not the name of a prompt", hint="For example 'support-bot/answer'.")
            described = value.definition if isinstance(value, promptops.Prompt) else value
            definition, _ = compile_described(reference.prompt, _as_in_files(described), f"'{name}'")
            apps.setdefault(reference.app, {})[reference.prompt] = replace(definition, name=reference.prompt)
        pointers, contents = dict[str, Pointer](), dict[str, bytes]()
        held = self._own.held
        for app, new in apps.items():
            before = held.apps.get(app) if held else None
            old = held.release(app, before.digest).prompts if held and before else {}
            merged = {name: prompt.definition for name, prompt in old.items()} | new
            requires = sorted({feature for prompt in merged.values() for feature in features_of(prompt)})
            data = encode(Content(app=app, prompts=tuple(merged.values()), requires=tuple(requires)))
            revision = before.revision + 1 if before else 1
            contents[digest_of(data)] = data
            ref = ReleaseRef(version=f"1.0.{revision - 1}", digest=digest_of(data))
            pointers[app] = Pointer(revision=revision, stable=ref, last_good=before.stable if before else None)
        self._follow_these(pointers, contents)
        return self

    __call__ = serve

    def forget(self) -> None:
        """Empties ``asked`` and ``rendered``."""
        self.asked.clear()
        self.rendered.clear()

    @contextmanager
    def outage(self) -> Iterator[None]:
        """In the block the client is as one that never reached its registry and has no copy: fallbacks are served,
        and :class:`PromptUnavailable` is raised where there is no fallback.
        """
        own = self._own
        before = own.view, own.held, own.contact
        own.view, own.held, own.contact = View.make(None, channel=own.channel), None, Contact(own.world)
        try:
            yield
        finally:
            own.view, own.held, own.contact = before

    # --- what a client does ---------------------------------------------------------------------------

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
    ) -> promptops.Prompt:
        """As :meth:`promptops.Client.get_prompt`, and noted in ``asked``."""
        given = targeting_key if key is None else key
        note = Asked(name=name, key=given, version=version, hold=hold, channel=channel)
        try:
            found = super().get_prompt(name, key=given, hold=hold, version=version, channel=channel, fallback=fallback)
        except promptops.PromptopsError as error:
            self.asked.append(replace(note, error=error))
            raise
        self.asked.append(replace(note, prompt=found))
        return found

    def _fall_back(
        self, fallback: promptops.Prompt, channel: str | None, error: NotFound | Unavailable, hold: str | None
    ) -> promptops.Prompt:
        if isinstance(error, NotFound) and not self._lenient:
            raise error from None
        found = super()._fall_back(fallback, channel, error, hold)
        return replace(found, template=_Heard(found.name, found.template, self.rendered.append))

    def _follow_these(self, pointers: Mapping[str, Pointer], contents: Mapping[str, bytes]) -> None:
        """Follow these apps beside those that are served."""
        replica = self._own
        apps = {**(replica.held.apps if replica.held else {}), **pointers}
        cursor = sum(pointer.revision for pointer in apps.values())
        snapshot = Snapshot(registry="test", lineage="test", epoch=1, channel=replica.channel, cursor=cursor, apps=apps)
        replica.receive(snapshot)
        digests = {pointer.digest: app for app, pointer in pointers.items()}
        compiled = {digest: self._compiled(app, digest, contents[digest]) for digest, app in digests.items()}
        replica.settle(pointers, contents, compiled, {})
        replica.heard(self._settings.places[0], api=False)

    def _compiled(self, app: str, digest: str, data: bytes) -> CompiledRelease:
        release = compile_release(app, digest, data)
        prompts = {
            name: replace(
                prompt, template=cast(Template, _Heard(f"{app}/{name}", prompt.template, self.rendered.append))
            )
            for name, prompt in release.prompts.items()
        }
        return replace(release, prompts=prompts)

    def _fixed(self) -> tuple[Reference, ...]:
        return ()  # nothing of the environment is used

    def _begin(self) -> None:
        BackgroundClient._begin(self)

    def _forked(self) -> None:
        self._process = os.getpid()

    def _follow_forked(self) -> None:
        self._forked()

    def _go_on(self, seconds: float = 0.0) -> None:
        self._mark[0] = True  # nothing is left to do

    def _is_running(self) -> bool:
        return True

    def _fetch(self, wanted: Reference, channel: str) -> ServedRelease:
        replica = self._replicas[channel]
        if not replica.keep(wanted.app, wanted.version) and replica.held is not None:  # it is None in an outage
            raise ReleaseNotFound(f"the registry has no {wanted}, or not for this token")
        return replica.view.release(wanted.app, version=wanted.version)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._own.channel} of a test: {', '.join(self._own.view.plain)}>"


class Client(_InMemory, promptops.Client):
    """A :class:`promptops.Client` out of memory: ``Client.of({"support-bot/answer": "Hi {{name}}"})``."""

    def refresh(self, seconds: float | None = None) -> bool:
        """Returns True: all is as new as it can be. False in an outage."""
        return self._own.held is not None


class AsyncClient(_InMemory, promptops.AsyncClient):
    """A :class:`promptops.AsyncClient` out of memory. It serves without ``start``, which does nothing."""

    def _begin(self) -> None:
        promptops.AsyncClient._begin(self)
        self._own.contact.set_unfollowed("")

    async def start(self) -> Self:
        """Does nothing: all is there."""
        return self

    async def refresh(self, seconds: float | None = None) -> bool:
        """As :meth:`Client.refresh`."""
        return self._own.held is not None

    async def fetch(self, reference: str, *, channel: str | None = None) -> ServedRelease:
        """As :meth:`Client.fetch`: a version that this client served."""
        from promptops.client.background import one_version

        return self._fetch(one_version(reference), self._of(channel).channel)

    async def close(self, seconds: float = 2.0) -> None:
        """Does nothing: there is nothing to end."""


def _as_in_files(described: Described) -> Described:
    """Returns a text or messages as the mapping of a file, where a variable is text and nothing else."""
    return {"messages": described} if isinstance(described, str | list | tuple) else described


class Prompt(promptops.Prompt):
    """Makes single prompts for functions that take one."""

    __slots__ = ()

    @classmethod
    def of(cls, value: Given, *, name: str = "test/prompt") -> promptops.Prompt:
        """Returns a prompt of this text, these messages, or this mapping of a prompt file::

            prompt = Prompt.of("Hi {{name}}")
            assert prompt.to_openai(name="Ann")["messages"] == [{"role": "user", "content": "Hi Ann"}]

        Raises:
            Invalid: the value is no prompt.
        """
        return Client.of({name: value}).get_prompt(name)
