"""The channels of promptops.yml -> the channels of the registry. Every version of a policy is kept.

A policy belongs to the workspace that declared it: another one takes it over explicitly, or changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from promptops.core.advice import WHICH_REGISTRY, Action, Advice, Sentence, option
from promptops.core.errors import Invalid, PolicyLoosened, PolicyOwnedElsewhere, RegistryMismatch
from promptops.core.free_text import require_words
from promptops.core.model import Channel, Policy
from promptops.core.names import ChannelName
from promptops.core.origin import Origin
from promptops.core.policy import differences, loosened

if TYPE_CHECKING:
    from promptops.core.rights import Rights
    from promptops.store import Reader, Registry, Writer


class Applied(StrEnum):
    """What applying did to a channel. A channel that is no longer declared stays as it was."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChange:
    """One channel after applying: its policy, that policy's version, and what was done.

    Of a change, ``before`` is the policy before, ``loosens`` are the settings by which the new one admits more, and
    ``owner`` is the other workspace that the policy belonged to, None if it was this one or is not known.
    """

    name: ChannelName
    policy: Policy
    version: int
    applied: Applied
    before: Policy | None = None
    loosens: tuple[str, ...] = ()
    owner: Origin | None = None

    @property
    def is_change(self) -> bool:
        return self.applied in (Applied.CREATED, Applied.CHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """From where channels are applied, and what that may do.

    Without ``loosen`` no policy admits more than before; without ``take_over`` policies of other workspaces stay as
    they are; with ``dry_run`` all of them do, and nothing is refused.
    """

    origin: Origin | None = None
    loosen: bool = False
    take_over: bool = False
    reason: str = ""
    dry_run: bool = False

    def __post_init__(self) -> None:
        require_words(self.reason)
        if self.take_over and not self.reason.strip():
            raise Invalid("taking over needs a reason", hint=Sentence(option("reason", "Say why", value="TEXT"), "."))
        if self.take_over and self.origin is None:
            raise Invalid(
                "a workspace that takes over is known by its repository, and this one is in none",
                hint="Put it into a git repository: git init, git add, git commit.",
            )


USUAL: Final = Terms()


def apply_channels(
    registry: Registry,
    name: str,
    declared: Mapping[str, Policy],
    *,
    actor: str,
    now: datetime,
    terms: Terms = USUAL,
    rights: Rights | None = None,
) -> tuple[ChannelChange, ...]:
    """Make the registry's channels those that are declared; undeclared ones are reported and kept.

    All are applied or none is. Applying twice changes nothing, so no key is needed. ``name`` is the registry the
    declaration belongs to. Neither an answer nor a refusal names a channel or an app that ``rights`` do not show.

    Raises:
        RegistryMismatch: the declaration belongs to another registry.
        PolicyOwnedElsewhere, PolicyLoosened: the terms do not allow it.
    """
    if name != registry.name:
        raise RegistryMismatch(
            f"promptops.yml belongs to the registry '{name}', and this is '{registry.name}'",
            hint=WHICH_REGISTRY,
        )
    if terms.dry_run:
        with registry.read() as reader:
            return _planned(reader, declared, terms, rights)

    def work(writer: Writer) -> tuple[ChannelChange, ...]:
        for channel in sorted(declared):
            writer.lock_channel(channel)
        changes = _planned(writer, declared, terms, rights)
        _require_allowed(changes, terms, rights)
        for change in changes:
            if change.is_change:
                writer.set_policy(
                    change.name, change.policy, actor=actor, at=now, origin=terms.origin, reason=terms.reason
                )
        return changes

    return registry.write(work)


def _planned(
    reader: Reader, declared: Mapping[str, Policy], terms: Terms, rights: Rights | None
) -> tuple[ChannelChange, ...]:
    """What applying would do to each channel, whatever the terms allow."""
    known = {channel.name: channel for channel in reader.channels()}
    changes = [
        _change(channel, policy, known.get(channel), terms, rights, last=reader.last_version(channel))
        for channel, policy in declared.items()
    ]
    changes += [
        ChannelChange(name=c.name, policy=c.policy, version=c.version, applied=Applied.UNDECLARED)
        for c in known.values()
        if c.name not in declared
    ]
    return tuple(changes)


def _change(
    name: str, policy: Policy, known: Channel | None, terms: Terms, rights: Rights | None, *, last: int
) -> ChannelChange:
    """What applying would do to a channel; ``last`` is the version of its newest policy, also if it was removed."""
    if known is None:
        return ChannelChange(name=name, policy=policy, version=last + 1, applied=Applied.CREATED)
    here, there = terms.origin, known.origin
    is_ours = here is not None and there is not None and there.same(here)
    if known.policy == policy and (is_ours or not terms.take_over):
        return ChannelChange(name=name, policy=policy, version=known.version, applied=Applied.UNCHANGED)
    return ChannelChange(
        name=name,
        policy=policy,
        version=known.version + 1,
        applied=Applied.CHANGED,
        before=known.policy,
        loosens=loosened(known.policy, policy, rights),
        owner=None if is_ours else there,
    )


def _require_allowed(changes: Sequence[ChannelChange], terms: Terms, rights: Rights | None) -> None:
    """Check that the terms allow these changes.

    Raises:
        PolicyOwnedElsewhere, PolicyLoosened
    """
    elsewhere = [change for change in changes if change.owner is not None]
    if elsewhere and not terms.take_over:
        here = f"this is {terms.origin}" if terms.origin else "this request names no workspace of a git repository"
        owners = "; ".join(f"{_said(change, rights)} belongs to {change.owner}" for change in elsewhere)
        take_over = Advice(Action.APPLY_CHANNELS, words="take them over", reason="…")
        raise PolicyOwnedElsewhere(
            f"policies belong to the workspace that applied them before, and {here}: {owners}; nothing was applied",
            channels=[change.name for change in elsewhere],
            hint=Sentence("If its owners agree that this workspace declares them from now on: ", take_over),
        )
    loose = [change for change in changes if change.loosens]
    if loose and not terms.loosen:
        raise PolicyLoosened(
            f"channels would take releases that they refuse now: {'; '.join(_said(each, rights) for each in loose)};"
            " nothing was applied",
            channels=[change.name for change in loose],
            hint=Sentence("If that is meant: ", option("loosen", "apply it with leave to loosen"), "."),
        )


def _said(change: ChannelChange, rights: Rights | None) -> str:
    return f"{change.name} ({differences(change.before or Policy(), change.policy, rights)})"
