"""What a change of a channel changes for the code that calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from promptops.core.callers import ContractChange, Unready
from promptops.core.model import Bump, Change


@dataclass(frozen=True, slots=True, kw_only=True)
class CallersChangeDocument:
    """One difference for callers, in words; ``promptops diff`` has its texts."""

    bump: str
    prompt: str
    field: str
    summary: str

    @classmethod
    def of(cls, change: Change) -> Self:
        return cls(bump=change.bump.value, prompt=change.prompt, field=change.field, summary=change.summary)

    def change(self) -> Change:
        return Change(bump=Bump(self.bump), prompt=self.prompt, field=self.field, summary=self.summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadyDocument:
    """Live ``processes`` of one name that a change would break, or may, and each reason why."""

    client: str
    processes: int
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, found: Unready) -> Self:
        return cls(client=found.client, processes=found.processes, reasons=found.reasons)

    def unready(self) -> Unready:
        return Unready(client=self.client, processes=self.processes, reasons=self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChangeDocument:
    """What is different for callers of an app on a channel once ``new`` takes the place of ``old``, two versions.

    ``bump`` is how much it changes the contract: ``major`` where callers have to change. The biggest ``changes`` come
    first. ``unready`` are the live processes that it would break; ``unasked`` are the prompts that callers have to
    change for and that no live process used. ``ready`` says that all live processes are known to be ready.
    """

    app: str
    channel: str
    old: str
    new: str
    bump: str
    changes: tuple[CallersChangeDocument, ...]
    unready: tuple[UnreadyDocument, ...] = ()
    unasked: tuple[str, ...] = ()
    ready: bool = False

    @classmethod
    def of(cls, found: ContractChange) -> Self:
        return cls(
            app=found.app,
            channel=found.channel,
            old=found.old,
            new=found.new,
            bump=found.bump.value,
            changes=tuple(map(CallersChangeDocument.of, found.changes)),
            unready=tuple(map(UnreadyDocument.of, found.unready)),
            unasked=found.unasked,
            ready=found.ready,
        )

    def contract(self) -> ContractChange:
        return ContractChange(
            app=self.app,
            channel=self.channel,
            old=self.old,
            new=self.new,
            changes=tuple(each.change() for each in self.changes),
            unready=tuple(each.unready() for each in self.unready),
            unasked=self.unasked,
            ready=self.ready,
        )
