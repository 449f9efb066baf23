"""What a run of the harness found, in a table that says at its end how many passed and how many failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tests.harness.bench.measure import columns


@dataclass(slots=True, kw_only=True)
class Row:
    """One experiment: how often it was done, what died, what was acknowledged, and what was found afterwards.

    ``states`` counts the different worlds that deaths left, where they are compared. ``pending`` counts undrained
    outboxes that fsck found, which is allowed. ``lost`` (acknowledged and not there) and ``bad`` (anything else that
    must not be) stay at zero; ``problems`` says what they were.
    """

    part: str
    what: str
    database: str
    rounds: int = 0
    kills: int = 0
    acks: int = 0
    states: int = 0
    lost: int = 0
    pending: int = 0
    bad: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0

    def wrong(self, where: str, what: str) -> None:
        """Something that must not be."""
        self.bad += 1
        self.problems.append(f"{where}: {what}")

    def gone(self, where: str, what: str) -> None:
        """Something that was acknowledged and is not there."""
        self.lost += 1
        self.problems.append(f"{where}: LOST {what}")

    def add(self, found: Row) -> None:
        """What one death came to. Its problems are told once, however many deaths came to the same."""
        self.states += found.states
        self.lost += found.lost
        self.pending += found.pending
        self.bad += found.bad
        self.problems += [problem for problem in found.problems if problem not in self.problems]

    @property
    def ok(self) -> bool:
        return not self.lost and not self.bad and (self.rounds > 0 or bool(self.skipped))

    def as_json(self) -> dict[str, object]:
        return asdict(self)


_HEAD = ("part", "what", "on", "rounds", "kills", "acks", "states", "lost", "pending", "bad", "s", "")


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, their problems below, and the sum in a last line."""
    shown = [
        (
            row.part,
            row.what,
            row.database,
            *map(str, (row.rounds, row.kills, row.acks, row.states or "", row.lost, row.pending, row.bad)),
            f"{row.seconds:.0f}",
            ("skipped" if row.skipped else "ok") if row.ok else "FAILED",
        )
        for row in rows
    ]
    lines = [columns([_HEAD, *shown], right=set(range(3, 11)))]
    for row in rows:
        name = f"{row.part}, {row.what}, {row.database}"
        lines += [f"{name}: {problem}" for problem in row.problems[:20]]
        if row.skipped:
            lines.append(f"{name}: skipped, {row.skipped}")
    skipped = sum(bool(row.skipped) for row in rows)
    failed = sum(not row.ok for row in rows)
    summary = f"{len(rows) - failed - skipped} passed, {failed} failed"
    return "\n".join([*lines, "", f"{summary}, {skipped} skipped" if skipped else summary])
