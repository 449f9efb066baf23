"""What a reader is asked about evidence. A rollback needs none of it, so the code for it is loaded when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from promptops.core.declarations import Declarations, DeclarationsVersion
    from promptops.core.evidence.case_table import Row
    from promptops.core.evidence.evidence import Evidence
    from promptops.core.evidence.release_suites import ReleaseSuites
    from promptops.core.evidence.run import Run


class EvidenceReader:
    """Runs, evidence, and what is known beside releases: their suites, and what their apps declare of calls."""

    _connection: Connection

    def run(self, id: str) -> Run:
        """The run of this id.

        Raises:
            RunNotFound
        """
        from promptops.store.queries.evidence import find_run

        return find_run(self._connection, id)

    def runs(self, app: str) -> tuple[Run, ...]:
        """Every run of an app that was opened, oldest first, with their plans."""
        from promptops.store.queries.evidence import runs

        return runs(self._connection, app)

    def has_run(self, id: str) -> bool:
        """Whether a run of this id was opened."""
        from promptops.store.queries.evidence import has_run

        return has_run(self._connection, id)

    def run_rows(self, run: str, cases: Collection[int] | None = None) -> tuple[Row, ...]:
        """What a run reported here, of these cases or of all; after a rebuild from git only its evidence has that."""
        from promptops.store.queries.evidence import run_rows

        return run_rows(self._connection, run, cases)

    def row_count(self, run: str) -> int:
        """How many rows a run reported here."""
        from promptops.store.queries.evidence import row_count

        return row_count(self._connection, run)

    def one_evidence(self, id: str) -> Evidence:
        """One piece of evidence with its table.

        Raises:
            EvidenceNotFound
        """
        from promptops.store.queries.evidence import find_evidence

        return find_evidence(self._connection, id)

    def evidence(self, *, app: str = "", digest: str = "", run: str = "", tables: bool = False) -> tuple[Evidence, ...]:
        """Evidence of an app, of a digest, or of a run, oldest first; with their ``tables``, or without."""
        from promptops.store.queries.evidence import evidence

        return evidence(self._connection, app=app, digest=digest, run=run, tables=tables)

    def declarations(self, app: str) -> DeclarationsVersion | None:
        """What an app declares of its calls now; None if it never declared anything."""
        from promptops.store.queries.declarations import newest_declarations

        return newest_declarations(self._connection, app)

    def declarations_on(self, channel: str) -> Mapping[str, Declarations]:
        """What the apps of a channel declare of their calls now, by app; those that declare nothing are left out."""
        from promptops.store.queries.declarations import declarations_on

        return declarations_on(self._connection, channel)

    def recorded_suites(self, app: str, digest: str, *, dirty: bool) -> ReleaseSuites | None:
        """The suites of a release that were recorded last of a clean commit, or of changed files."""
        from promptops.store.queries.evidence import recorded_suites

        return recorded_suites(self._connection, app, digest, dirty=dirty)

    def last_suites(self, app: str) -> int:
        """The number of the suites of an app that were recorded last; 0 for none."""
        from promptops.store.queries.evidence import last_suites

        return last_suites(self._connection, app)

    def suites(self, app: str, digest: str) -> ReleaseSuites | None:
        """The suites of a release: those of its newest clean commit, else of its newest files."""
        from promptops.store.queries.evidence import suites

        return suites(self._connection, app, digest)
