"""What a change of a channel changes for the code that calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from promptops.core.callers import ContractChange
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
class ContractChangeDocument:
    """What is different for callers of an app on a channel once ``new`` takes the place of ``old``, two versions.

    ``bump`` is how much it changes the contract: ``major`` where callers have to change. The biggest ``changes`` come
    first.
    """

    app: str
    channel: str
    old: str
    new: str
    bump: str
    changes: tuple[CallersChangeDocument, ...]

    @classmethod
    def of(cls, found: ContractChange) -> Self:
        return cls(
            app=found.app,
            channel=found.channel,
            old=found.old,
            new=found.new,
            bump=found.bump.value,
            changes=tuple(map(CallersChangeDocument.of, found.changes)),
        )

    def contract(self) -> ContractChange:
        return ContractChange(
            app=self.app,
            channel=self.channel,
            old=self.old,
            new=self.new,
            changes=tuple(each.change() for each in self.changes),
        )
