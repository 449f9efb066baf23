"""`promptops db prune`: throw away what a registry keeps for a while."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from promptops.cli.output.phrases import counted, facts, next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session

if TYPE_CHECKING:
    from promptops.operations.prune import Pruned


def run(session: Session, *, dry_run: bool) -> None:
    """Throw away what is over, or count it."""
    from promptops.operations.prune import prune

    with session.registry("promptops db prune") as registry:
        pruned = prune(registry, now=session.now, dry_run=dry_run)
    session.answer(lambda: asdict(pruned), lambda page: _lines(pruned, page))


def _lines(pruned: Pruned, page: Page) -> list[Line]:
    if pruned.nothing:
        return ["There is nothing to throw away."]
    from promptops.operations.prune import KEPT_KEYS

    mark = Span("Dry run. ", "warn") if pruned.dry_run else Span("✓ ", "good")
    head: Line = [mark, Span("Would throw away" if pruned.dry_run else "Threw away", "strong")]
    ended = pruned.keys_of_ended_tokens
    rows = [
        ("keys", f"{counted(pruned.keys, 'idempotency key')} older than {KEPT_KEYS.days} days" if pruned.keys else ""),
        ("tokens", f"{counted(ended, 'key')} of tokens that ended" if ended else ""),
        ("clients", f"{counted(pruned.clients, 'client')} silent for over a day" if pruned.clients else ""),
    ]
    steps = [("to do it", ["db", "prune"])] if pruned.dry_run else []
    return [head, "", *facts(page, rows), *next_steps(steps)]
