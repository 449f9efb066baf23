"""A run: cases put to releases. It is opened before its first call, and spends its look then.

A run that looks bad can so be stopped, but not forgotten: what was not reported a day after the opening counts as
missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Final

from promptops.core.digest import digest
from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import MAX_REPEATS, MAX_ROWS, Arm, Case, CaseTable
from promptops.core.evidence.table_bytes import decode_table
from promptops.core.names import AppName
from promptops.core.suite.suite import SuiteKind

OPEN_FOR: Final = timedelta(hours=24)
"""How long rows of a run are taken: what was not reported by then is missing."""

CALLS: Final = "calls:"
"""How the names of suites begin whose cases are captured calls of a channel. Gates do not count them: who runs one
chooses the time.
"""

MOST_SUITES: Final = 2_000
MOST_PROMPTS: Final = 1_000
MOST_HOSTS: Final = 50

_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DIGEST_LENGTH: Final = len("sha256:") + 64
_NO_HEX: Final = str.maketrans("", "", "0123456789abcdef")


class Source(StrEnum):
    """How rows came to be: called here, replayed from recordings, imported from a result file, decided elsewhere,
    measured where users are, or labelled by people, for what a judge is worth.
    """

    RUN = "run"
    REPLAY = "replay"
    IMPORT = "import"
    EXTERNAL = "external"
    MEASURED = "measured"
    LABELS = "labels"


class Purpose(StrEnum):
    """What a run is for: to pass a gate, or to see whether what is live still answers as it did."""

    GATE = "gate"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptContent:
    """A prompt and the digest of all that it sends (:func:`promptops.core.evidence.content.prompt_content`)."""

    prompt: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRelease:
    """The release of an arm, and the contents of its prompts that take part. ``version`` is empty for a digest that is
    not released yet.
    """

    arm: Arm
    digest: str
    version: str = ""
    prompts: tuple[PromptContent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRef:
    """A suite by its digest. ``judge_digest`` is that of all its judges together, empty without any.

    ``cases`` are the digests of its cases, in order; empty in a run, whose plan has them. ``independent`` says that
    cases that are alike are independent all the same. ``held`` is the digest of cases that are held elsewhere, and that
    only a run's plan has.
    """

    name: str
    kind: SuiteKind
    digest: str
    prompts: tuple[str, ...] = ()
    repeats: int = 1
    judge_digest: str = ""
    cases: tuple[str, ...] = ()
    independent: bool = False
    held: str = ""

    def __post_init__(self) -> None:
        """Raises Invalid: a digest is malformed, or the repeats are out of range."""
        digests = (self.digest, *self.cases, *filter(None, (self.judge_digest, self.held)))
        if not self.name or not are_digests(digests) or not 1 <= self.repeats <= MAX_REPEATS:
            raise Invalid(f"the suite {self.name[:80]!r} has a digest or a number of repeats that cannot be")


@dataclass(frozen=True, kw_only=True)  # no slots: the plan is read once
class Run:
    """An opened run. ``plan`` is its case table without rows (:func:`~.table_bytes.encode_table`), by ``plan_digest``.

    ``id`` are 32 hexadecimal digits, which the runner draws. ``hosts`` are those of the endpoints that it calls.
    ``token`` and ``token_name`` are the id and the name of the token with which it was opened, empty for the database
    itself; ``person`` is the proven address of who holds it, if one is bound.
    """

    id: str
    app: AppName
    arms: tuple[ArmRelease, ...]
    suites: tuple[SuiteRef, ...]
    source: Source
    actor: str
    at: datetime
    purpose: Purpose = Purpose.GATE
    hosts: tuple[str, ...] = ()
    token: str = ""
    token_name: str = ""
    person: str = ""
    plan_digest: str = ""
    plan: bytes = b""

    def __post_init__(self) -> None:
        """Raises Invalid: it has no candidate, an arm twice, or more of something than a run has."""
        if not is_run_id(self.id):
            raise Invalid(f"'{self.id[:80]}' is not the id of a run", hint="32 hexadecimal digits, drawn at random.")
        arms = [each.arm for each in self.arms]
        if Arm.CANDIDATE not in arms or len(set(arms)) < len(arms):
            raise Invalid("a run has one candidate, and each arm once")
        if len(self.suites) > MOST_SUITES or len(self.hosts) > MOST_HOSTS or not self.suites:
            raise Invalid(f"a run has 1 to {MOST_SUITES} suites and at most {MOST_HOSTS} hosts")
        if len({suite.name for suite in self.suites}) < len(self.suites):
            raise Invalid("a run has each suite once")
        digests = [each.digest for each in self.arms]
        contents = [content.digest for each in self.arms for content in each.prompts]
        if len(contents) > MOST_PROMPTS or not all(map(is_digest, (*digests, *contents))):
            raise Invalid(f"a digest of the run is malformed, or it has more than {MOST_PROMPTS:,} prompts")

    @property
    def candidate(self) -> ArmRelease:
        """The release that the run is about."""
        return next(each for each in self.arms if each.arm is Arm.CANDIDATE)

    def release(self, arm: Arm) -> ArmRelease | None:
        """The release of an arm; None where the run has no such arm."""
        return next((each for each in self.arms if each.arm is arm), None)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The cases of the plan.

        Raises:
            Invalid: the plan is damaged.
        """
        return decode_table(self.plan).cases

    @property
    def flaw(self) -> str:
        """Why the plan is not that of the run; empty where it is."""
        return "" if digest(self.plan) == self.plan_digest else "its plan is not the bytes of its digest"


def expected(run: Run) -> Iterator[tuple[int, Arm, int]]:
    """Yields the place of every row that a run plans: case, arm, repeat.

    A case is put to each arm that has its prompt, as often as its suite says; one that is unchanged to the candidate
    alone, and one that is reused to none.
    """
    repeats = {suite.name: suite.repeats for suite in run.suites}
    prompts = {each.arm: frozenset(content.prompt for content in each.prompts) for each in run.arms}
    for place, case in enumerate(run.cases):
        for arm, there in prompts.items():
            if case.prompt in there and not case.reused and not (case.unchanged and arm is Arm.LIVE):
                yield from ((place, arm, repeat) for repeat in range(1, repeats[case.suite] + 1))


def planned(suites: Iterable[SuiteRef], arms: Iterable[ArmRelease], data: bytes) -> CaseTable:
    """Returns the plan of a run, if it is one: cases of its suites and prompts, and no row.

    Raises:
        Invalid
    """
    table = decode_table(data)
    repeats: Mapping[str, int] = {suite.name: suite.repeats for suite in suites}
    arms = tuple(arms)
    prompts = {content.prompt for each in arms for content in each.prompts if each.arm is Arm.CANDIDATE}
    stray = next((case for case in table.cases if case.suite not in repeats or case.prompt not in prompts), None)
    if stray is not None:
        raise Invalid(
            f"the case {stray.id} is of the suite {stray.suite} and the prompt {stray.prompt}, not of the run"
        )
    if table.rows or not table.cases:
        raise Invalid("a run is planned with cases, and has no row before it is opened")
    if sum(repeats[case.suite] for case in table.cases) * len(arms) > MAX_ROWS:
        raise Invalid(f"the run would have more than {MAX_ROWS:,} rows", hint="Run its suites one at a time.")
    return table


def is_run_id(text: str) -> bool:
    """Returns whether a text has the form of a run's id."""
    return _ID.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Returns whether a text has the form of a digest."""
    return _DIGEST.fullmatch(text) is not None


def are_digests(texts: Sequence[str]) -> bool:
    """Returns whether all texts have the form of a digest: :func:`is_digest` of thousands, in a third of the time."""
    known = all(len(text) == _DIGEST_LENGTH and text.startswith("sha256:") for text in texts)
    # What is left of a digest without hexadecimal digits is the rest of its name.
    return known and "".join(texts).translate(_NO_HEX) == "sh:" * len(texts)
