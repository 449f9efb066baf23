"""A suite: cases, and the checks that their answers have to pass. Digests name what is measured, for evidence to come.

A suite is stored beside the release and not in it: a better test is not a new release.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from promptops.core.digest import canonical, digest
from promptops.core.model import Json
from promptops.core.suite.judge import Judge, judge_digest

PASS_AT = 0.5
"""The score from which on a check is passed, unless it says another."""

_LIMIT = 64 << 20  # bytes of one case or of the list of all cases: more than a file of cases may have


class SuiteKind(StrEnum):
    """What a suite is for: every case is ``required``, or the cases are a ``sample`` of what users send."""

    REQUIRED = "required"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What an answer has to fulfil. ``wanted`` is the setting as in the file; ``judge`` is there where a model decides.

    ``kind`` is ``contains``, ``regex`` and so on, ``llm`` or ``github/similarity``. ``flaw`` says why it cannot be run;
    such a check is kept, since a suite without it would measure less than its author meant.
    """

    name: str
    kind: str
    wanted: Json = None
    judge: Judge | None = None
    pass_at: float = PASS_AT
    flaw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Values for a prompt's variables and the expected answer, if any.

    ``given_id`` is empty for a case that is known by its variables. ``cluster`` names what it shares with others: a
    conversation, a document. ``labels`` are a person's verdicts, by the check's name. ``checks`` hold for it alone.
    ``keyed`` is a keyed hash of the variables, 64 hexadecimal digits, where these are a user's: in every digest it
    stands for them, so they cannot be guessed. ``files`` are the bytes of variables that are an image, a file or
    audio, in base64, which ``variables`` has by their digests.
    """

    variables: Mapping[str, Json]
    expected: str | None = None
    given_id: str = ""
    cluster: str = ""
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    keyed: str = ""
    files: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def values(self, names: Iterable[str]) -> dict[str, Json]:
        """Returns its values of these variables, as far as it has them; of files the bytes in base64."""
        return {
            name: {"data": self.files[name], **self._named(name)} if name in self.files else self.variables[name]
            for name in names
            if name in self.variables
        }

    def _named(self, name: str) -> dict[str, Json]:
        said = self.variables[name]
        assert isinstance(said, Mapping)
        return {key: said[key] for key in ("media_type", "filename") if key in said}

    @property
    def id(self) -> str:
        """The given id, or else the digest of the variables."""
        return self.given_id or digest(canonical(self.variables, limit=_LIMIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Where the cases of a suite are held, out of sight of who writes prompts: a URL or a path; and their digest.

    The digest (:func:`held_digest`) is empty in a suite that does not name it yet; such a suite cannot be run.
    """

    place: str
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Cases for some prompts of an app, and the checks of all of them. ``repeats`` is how often each case is asked.

    ``independent`` says that cases that are alike are independent all the same; a gate believes it if a person does.
    A suite whose cases are ``held`` elsewhere has none, until its runner has read them.
    """

    name: str
    prompts: tuple[str, ...]
    cases: tuple[Case, ...] = ()
    checks: tuple[Check, ...] = ()
    kind: SuiteKind = SuiteKind.SAMPLE
    repeats: int = 1
    independent: bool = False
    held: Held | None = None

    def checks_of(self, case: Case) -> tuple[Check, ...]:
        """Returns the checks that the answers of a case have to pass."""
        return (*self.checks, *case.checks)


def check_digest(check: Check) -> str:
    """Returns the digest of what a check asks; its name is for people and not part of it."""
    asked: dict[str, Json] = {"kind": check.kind, "wanted": check.wanted, "passAt": check.pass_at}
    if check.judge is not None:
        asked["judge"] = judge_digest(check.judge)
    return digest(canonical(asked, limit=_LIMIT))


def case_digest(case: Case, checks: Collection[str]) -> str:
    """Returns the digest of a case with all its checks, of which it takes the digests.

    Its id and its labels change nothing that is measured.
    """
    measured: dict[str, Json] = {
        "variables": {"keyed": case.keyed} if case.keyed else case.variables,
        "expected": case.expected,
        "cluster": case.cluster,
        "tags": sorted(set(case.tags)),
        "checks": sorted(checks),
    }
    return digest(canonical(measured, limit=_LIMIT))


def case_digests(suite: Suite) -> tuple[str, ...]:
    """Returns the digest of each case with all that it is measured by, in order.

    Of held cases without the checks of the suite: their digest has to stay what it is where those change.
    """
    of_all = [] if suite.held else [check_digest(check) for check in suite.checks]
    return tuple(case_digest(case, [*of_all, *map(check_digest, case.checks)]) for case in suite.cases)


def held_digest(cases: Iterable[str]) -> str:
    """Returns the digest of held cases, of which it takes the digests."""
    return digest(canonical(sorted(set(cases)), limit=_LIMIT))


def suite_digest(suite: Suite, measured: Sequence[str] | None = None) -> str:
    """Returns the digest of a suite: its prompts, cases, checks and judges, whatever their order. Not of its kind.

    That of a suite whose cases are held is the same before and after they were read. ``measured`` are its
    :func:`case_digests`, if they are known already.
    """
    content: dict[str, Json] = {"prompts": sorted(suite.prompts), "repeats": suite.repeats}
    if suite.held:
        content |= {"held": suite.held.digest, "checks": sorted(map(check_digest, suite.checks))}
    else:
        cases = zip(suite.cases, case_digests(suite) if measured is None else measured, strict=True)
        content["cases"] = sorted([case.given_id, digest_of_case] for case, digest_of_case in cases)
    if suite.independent:
        content["independent"] = True
    return digest(canonical(content, limit=_LIMIT))
