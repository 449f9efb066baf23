"""What git has of one registry's history, for a restore: the lines that a backup lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid, PromptopsError

if TYPE_CHECKING:
    from promptops.projection import Archive
    from promptops.store.facts.home import Home
    from promptops.store.facts.record import Record


class HistoryInGit:
    """The lines of one registry in one repository. ``taken`` counts the records that :meth:`after` gave."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.taken = 0

    @property
    def tip(self) -> str:
        """The newest commit of the chain; empty if the lines have refs of their own."""
        last = self._archive.lines[-1]
        return "" if last.parents is None else last.sha

    def newest_epoch(self) -> int:
        """The newest epoch that a proven record begins: a backup from before it must not begin it again."""
        from promptops.store.facts.epoch import EpochInfo

        stored = self._archive.stored(self._archive.below("epochs/"))
        facts = [each.record.fact for each in stored if each.record is not None]
        return max((fact.epoch for fact in facts if isinstance(fact, EpochInfo)), default=1)

    def after(self, seq: int, hash_: str) -> Iterator[Record]:
        """Yields the records after a line of the log, which git must have with this hash, if it has more than that.

        Raises:
            Invalid: git has another line with this number, or a record after it is lost or was changed.
        """
        lines = [line for line in self._archive.lines if line.seq]
        if not lines or lines[-1].seq < seq:
            return
        leave = Sentence("Or ", option("leave-newer", "leave what git has newer"), " and go on from the backup.")
        if not seq or lines[seq - 1].hash != hash_:
            raise Invalid(f"git has another line {seq} of the audit log than the backup", hint=leave)
        for stored in self._archive.stored(lines[seq:]):
            if stored.record is None:
                raise Invalid(f"line {stored.line.seq} is newer than the backup, and {stored.problem}", hint=leave)
            self.taken += 1
            yield stored.record


@contextmanager
def history_in_git(root: Path | None, lineage: str, home: Home | None) -> Iterator[HistoryInGit | None]:
    """What the home of the journal has of this registry, where it is an address; else what the repository of the
    workspace at ``root`` has. None outside of a workspace, if there is nothing of it, or if it cannot be read: a
    restore does not wait for git.
    """
    if root is None:
        yield None
        return
    from promptops.operations.git_sync import reading
    from promptops.projection import Archive
    from promptops.source.git.repository import Repository

    with ExitStack() as stack:
        try:
            place = reading(home.address) if home and home.address else closing(Repository.open(root))
            archive = Archive(stack.enter_context(place), ref=home.ref if home else "")
            known = archive.lineages == (lineage,)
        except PromptopsError:
            known = False
        yield HistoryInGit(archive) if known else None
