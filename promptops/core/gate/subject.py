"""What is compared with what, and on which cases: the suites of a changed prompt, and how they moved since live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from promptops.core.advice import Sentence
from promptops.core.evidence.case_table import Case
from promptops.core.evidence.run import SuiteRef
from promptops.core.gate.given import GateInput, GatePrompt, GateRelease
from promptops.core.gate.settings import GateSettings
from promptops.core.gate.verdict import CheckVerdict, approve
from promptops.core.suite.suite import SuiteKind
from promptops.core.verdict import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A prompt of the candidate that is not, byte for byte, that of another release. ``other`` is None if it is new."""

    prompt: GatePrompt
    release: GateRelease
    other: GatePrompt | None


def changed_prompts(given: GateInput, release: GateRelease, settings: GateSettings) -> list[Changed]:
    """Returns the candidate's prompts that differ from those of a release, by name; a renamed one by its old name."""
    old_names = {new: old for old, new in settings.renames.items()}
    found = []
    for prompt in sorted(given.candidate.prompts, key=lambda one: one.name):
        other = release.prompt(prompt.name) or release.prompt(old_names.get(prompt.name, ""))
        if other is None or other.exact != prompt.exact:
            found.append(Changed(prompt=prompt, release=release, other=other))
    return found


def rename_doubts(given: GateInput, settings: GateSettings) -> list[tuple[str, str, Sentence]]:
    """Returns the new prompts that may be ones that are gone since live, by another name, each with why and what to do;
    without those of which the policy or a person says what they are.
    """
    return [
        (
            new,
            f"the prompt {old} is gone and {new} is new: it may be the same under another name",
            Sentence(
                f"If it is, the policy says `renames: {{{old}: {new}}}`. If not: ",
                approve(given, f"that {new} is not {old}", rename=f"{old}>{new}"),
            ),
        )
        for old, new in _unexplained_renames(given, settings)
    ]


def _unexplained_renames(given: GateInput, settings: GateSettings) -> list[tuple[str, str]]:
    found = set()
    here = {prompt.name for prompt in given.candidate.prompts}
    for release in given.live:
        there = {prompt.name for prompt in release.prompts}
        gone = there - here - settings.renames.keys()
        new = here - there - set(settings.renames.values())
        found |= {(old, name) for old in gone for name in new}
    return sorted(pair for pair in found if not given.approvers(f"rename:{pair[0]}>{pair[1]}", settings))


def suites_of(prompt: str, release: GateRelease, named: Iterable[str]) -> list[SuiteRef]:
    """Returns the suites with which a prompt is compared: named ones, else its own, else the samples that have it."""
    having = [suite for suite in release.suites if prompt in suite.prompts]
    wanted = set(named)
    if wanted:
        return [suite for suite in having if suite.name in wanted]
    samples = [suite for suite in having if suite.kind is SuiteKind.SAMPLE]
    return [suite for suite in samples if suite.name == prompt] or samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How a suite's cases differ from those that a release was judged with, by their digests.

    Of ``held`` cases it is only known that they, or what they are measured by, are others.
    """

    added: int
    gone: int
    held: bool = False

    def __str__(self) -> str:
        if self.held:
            return "its held cases, its checks or its repeats are others"
        return f"{self.added} cases are new or changed, {self.gone} are gone or were changed"


def moved(suite: SuiteRef, release: GateRelease) -> Moved | None:
    """Returns how a suite moved since a release; None if every case is the same."""
    before = release.suite(suite.name)
    if suite.held or (before is not None and before.held):
        same = before is not None and before.digest == suite.digest
        return None if same else Moved(added=1, gone=0 if before is None else 1, held=True)
    old = set(before.cases) if before is not None else set()
    new = set(suite.cases)
    return None if old == new else Moved(added=len(new - old), gone=len(old - new))


def unapproved_move(
    given: GateInput,
    settings: GateSettings,
    suite: SuiteRef,
    releases: Iterable[GateRelease],
    *,
    gone_only: bool = False,
) -> Moved | None:
    """Returns how a suite moved since one of some releases, unless a person approved of it as it is now.

    With ``gone_only``, new cases beside the old ones are no move.
    """
    moves = (move for release in releases if (move := moved(suite, release)) is not None)
    move = next((move for move in moves if move.gone or not gone_only), None)
    return None if move is None or given.approvers(f"suite:{suite.digest}", settings) else move


def independent(given: GateInput, settings: GateSettings, suite: SuiteRef, cases: Iterable[Case]) -> list[Case]:
    """Returns cases of a suite. Those that are alike are clusters, unless it says that they are independent, and a
    person approved of it as it is now.
    """
    said = suite.independent and given.approvers(f"suite:{suite.digest}", settings)
    return [replace(case, cluster="") if said and case.is_alike else case for case in cases]


def unbelieved(given: GateInput, suite: SuiteRef, cases: Iterable[Case], verdict: CheckVerdict) -> CheckVerdict:
    """Returns a verdict that names it where similar cases are clusters though their suite says otherwise."""
    if not suite.independent or not any(case.is_alike for case in cases):
        return verdict
    noted = verdict.because("cases that are alike count as clusters until a person approves of the suite")
    if verdict.outcome is not Outcome.INCONCLUSIVE:
        return noted
    return replace(noted, hint=Sentence(verdict.hint, " ", approve(given, "the suite", suite=suite.digest)))


def weakened_suites(given: GateInput, settings: GateSettings) -> list[tuple[SuiteRef, str]]:
    """Returns the suites of live that the candidate lacks, or has with a lower kind, and no person approved of that."""
    found: dict[tuple[str, str], tuple[SuiteRef, str]] = {}
    for release in given.live:
        for suite in release.suites:
            now = given.candidate.suite(suite.name)
            if now is None:
                found[suite.digest, "gone"] = (suite, f"the suite {suite.name} is gone")
            elif suite.kind is SuiteKind.REQUIRED and now.kind is not SuiteKind.REQUIRED:
                found[now.digest, "lower"] = (now, f"the suite {suite.name} is no longer required")
    ordered = sorted(found.items())
    return [pair for _, pair in ordered if not given.approvers(f"suite:{pair[0].digest}", settings)]
