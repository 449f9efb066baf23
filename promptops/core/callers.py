"""What a change of a channel changes for the code that calls, and which running processes it would break.

It is about what the channel served before, whatever was released in between: that is what callers are written for. A
process reports the names that it passes, so what breaks is known by name; of what else callers rely on, such as the
shape of an answer, it is known only which processes ask for the prompt.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from promptops.core.asked import Passed
from promptops.core.heartbeat import Beat
from promptops.core.model import Bump, Change, Content, Prompt
from promptops.core.names import AppName, ChannelName
from promptops.core.published_inputs import published_inputs

_SHOWN = 5
"""Changes, and processes, that a refusal names in words; more do not fit on a screen."""

_PROCESS = re.compile(r":\d+$")
"""The number of a process at the end of a name that a client gave itself: ``web-1:4711``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What callers of a prompt have to do for a change: a prompt that is ``gone`` is not used any more.

    Else they pass the names in ``added`` with each call, and none in ``removed``. Names in ``retyped`` take other
    values than before, and ``others`` are the other changes, in words.
    """

    prompt: str
    gone: bool = False
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def unmet(self, passed: Passed) -> Iterator[str]:
        """Yields why a process that passes this to the prompt would break, or may."""
        if self.gone:
            yield f"asks for {self.prompt}, which goes away"
            return
        for name in self.added:
            if name not in passed.always:
                often = "does not always pass" if name in passed.sometimes else "does not pass"
                yield f"{often} '{name}' to {self.prompt}"
        yield from (
            f"passes '{name}' to {self.prompt}, which goes away" for name in self.removed if name in passed.ever
        )
        yield from (
            f"passes '{name}' to {self.prompt}, whose type changes" for name in self.retyped if name in passed.ever
        )
        yield from (f"asks for {self.prompt}: {change}" for change in self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unready:
    """Live processes of one name that a change would break, or may, and each reason why."""

    client: str
    processes: int
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        count = "1 process" if self.processes == 1 else f"{self.processes:,} processes"
        return f"{self.client} ({count}) {', '.join(self.reasons)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChange:
    """What is different for users and callers of an app on a channel once ``new`` takes the place of ``old``.

    ``old`` and ``new`` are versions. ``changes`` are in words, without their texts, and the biggest come first.
    ``unready`` are the live processes that it would break; ``unasked`` are the prompts that callers have to change for
    and that no live process used, so that nothing is known of them; ``needs`` are what both are found by.
    ``ready`` says that all live processes are known to be ready.
    """

    app: AppName
    channel: ChannelName
    old: str
    new: str
    changes: tuple[Change, ...] = ()
    needs: tuple[Need, ...] = ()
    unready: tuple[Unready, ...] = ()
    unasked: tuple[str, ...] = ()
    ready: bool = False

    @property
    def bump(self) -> Bump:
        """How much it changes the contract with the calling code; NONE where the contents are the same."""
        return self.changes[0].bump if self.changes else Bump.NONE

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes for which callers have to change."""
        return tuple(change for change in self.changes if change.bump is Bump.MAJOR)

    @property
    def is_awaited(self) -> bool:
        """Whether callers have to change and it is not known that all of them have."""
        return bool(self.breaking) and not self.ready

    @property
    def said(self) -> str:
        """What callers relied on, and which of them are not ready, in one line."""
        relied = _few(list(map(str, self.breaking)))
        waits = [*map(str, self.unready), *(f"no live process has used {name}" for name in self.unasked)]
        return f"{relied}. Not ready: {_few(waits)}" if waits else relied

    def beside(self, beats: Iterable[Beat]) -> ContractChange:
        """Returns the change with what these live clients of the channel say of themselves."""
        every = tuple(beats)
        unready, unasked = _unready(self.app, self.needs, every), _unasked(self.app, self.needs, every)
        ready = bool(self.needs) and not unready and not unasked
        return replace(self, unready=unready, unasked=unasked, ready=ready)


def needs_of(changes: Iterable[Change], old: Content, new: Content) -> tuple[Need, ...]:
    """Returns what callers have to do for changes from one content to another, prompt by prompt."""
    breaking = [change for change in changes if change.bump is Bump.MAJOR]
    before, after = ({prompt.name: prompt for prompt in side.prompts} for side in (old, new))
    names = dict.fromkeys(change.prompt for change in breaking)
    return tuple(
        _need([change for change in breaking if change.prompt == name], before.get(name), after.get(name))
        for name in names
    )


def _need(changes: Sequence[Change], old: Prompt | None, new: Prompt | None) -> Need:
    name = changes[0].prompt
    if old is None or new is None:  # a prompt that is gone, or a change of the app as a whole
        return Need(prompt=name, gone=new is None and bool(name), others=() if name else tuple(map(str, changes)))
    was, now = ({each.name: each for each in published_inputs(prompt)} for prompt in (old, new))
    added = tuple(each for each, found in now.items() if found.required and not (each in was and was[each].required))
    touched = Counter(change.field.removeprefix("inputs.") for change in changes if change.field.startswith("inputs."))
    return Need(
        prompt=name,
        added=added,
        removed=tuple(each for each in was if each not in now),
        retyped=tuple(each for each in was if each in now and touched[each] > (each in added)),
        others=tuple(change.summary for change in changes if not change.field.startswith("inputs.")),
    )


def _unready(app: str, needs: Sequence[Need], beats: Iterable[Beat]) -> tuple[Unready, ...]:
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for beat in beats:
        if reasons := _reasons(app, needs, beat):
            found[_PROCESS.sub("", beat.name), reasons] += 1
    return tuple(
        Unready(client=client, processes=count, reasons=reasons) for (client, reasons), count in sorted(found.items())
    )


def _reasons(app: str, needs: Sequence[Need], beat: Beat) -> tuple[str, ...]:
    if not needs or app not in {*beat.revisions, *beat.cannot_load}:
        return ()
    if beat.asks is None:
        return ("does not say what it passes",)
    passed = [(need, beat.asks.get(f"{app}/{need.prompt}")) for need in needs]
    return tuple(reason for need, names in passed if names is not None for reason in need.unmet(names))


def _unasked(app: str, needs: Sequence[Need], beats: Iterable[Beat]) -> tuple[str, ...]:
    asked = {name for beat in beats for name in beat.asks or ()}
    is_followed = any(name.startswith(f"{app}/") for name in asked)
    return tuple(
        need.prompt for need in needs if f"{app}/{need.prompt}" not in asked and not (need.gone and is_followed)
    )


def _few(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
