"""`eval --rebase`: what a release still has to be asked after another one went live, as the channel's gate says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptops.core.advice import Sentence, option
from promptops.core.errors import Conflict, Invalid
from promptops.core.evidence.case_table import Arm
from promptops.core.gate.given import gate_release
from promptops.core.reference import parse_reference
from promptops.core.suite.suite import Suite, suite_digest
from promptops.operations.gate import GateReport, GateRequest, name_of
from promptops.use_cases.gate import GATE

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.core.gate.verdict import CheckVerdict
    from promptops.evals.plan import Side

_OTHER_RUNS = ("against", "anchor", "suites", "tags", "limit", "local", "rescore", "drift", "continued")
"""Options of a run that says itself what is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """What the gate says of a release, and the checks that only another run could decide."""

    gate: GateReport
    checks: tuple[CheckVerdict, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The digests of the releases that it has to be compared with, each once."""
        return tuple(dict.fromkeys(check.against for check in self.checks if check.against))

    def notes(self) -> list[str]:
        """What is asked and why, and what is not, a line each."""
        verdict = self.gate.verdict
        lines = [f"asked: {_named(check)}: {check.reason}" for check in self.checks]
        every = verdict.checks if verdict is not None else ()
        kept = dict.fromkeys(_named(check) for check in every if check.evidence and check not in self.checks)
        return lines + ([f"not asked, its runs are there: {', '.join(kept)}"] if kept else [])


def lacking(session: Session, typed: str | None, options: Mapping[str, Any]) -> Lacking:
    """Returns what a release lacks for a channel.

    Raises:
        Invalid: no release and channel are named, or another option says what is asked. NotFound
    """
    reference = parse_reference(typed) if typed else None
    if reference is None or not reference.fixed or not options["channel"] or reference.prompt:
        raise Invalid(
            "--rebase is about a release and the gate of a channel",
            hint="Name both: promptops eval APP@VERSION --channel NAME --rebase",
        )
    for name in _OTHER_RUNS:
        if options[name]:
            flag = {"tags": "tag", "suites": "suite", "continued": "continue"}.get(name, name)
            raise Invalid(f"--rebase asks what the gate lacks, and --{flag} asks something else", hint="Leave it out.")
    with session.gateway() as gateway:
        found = gateway.run(GATE, GateRequest(reference=reference, channel=str(options["channel"])))
    return lacking_in(found)


def lacking_in(found: GateReport) -> Lacking:
    """Returns what a release or a content lacks by what the gate says of it."""
    checks = found.verdict.checks if found.verdict is not None else ()
    return Lacking(gate=found, checks=tuple(check for check in checks if check.lacks_run and not check.passed))


def other_release(lacks: Lacking, live: str) -> str:
    """Returns the digest of the release that is asked beside the one that is live; empty without one.

    A run asks three releases at most, so what is still lacking is asked by the next one.
    """
    return next((digest for digest in lacks.others if digest != live), "")


def asked(
    lacks: Lacking, suites: Mapping[str, Suite], sides: Sequence[Side]
) -> tuple[tuple[tuple[str, str], ...], dict[str, tuple[Arm, ...]]]:
    """Returns the suites with the prompts that are asked, and of which releases each prompt is.

    A prompt that is not compared is asked of the candidate alone, since another pair of answers would be another look;
    unless it did not change: then live's requests are the candidate's.

    Raises:
        Conflict: a suite of the files is not the one that the gate asks for.
    """
    digests = {side.arm: side.digest for side in sides}
    prompts = {side.arm: {one.name: one.exact for one in gate_release(side.content, "").prompts} for side in sides}
    mine = prompts[Arm.CANDIDATE]
    pairs: dict[tuple[str, str], None] = {}
    against: dict[str, set[str]] = {}
    for check in lacks.checks:
        _require_same(lacks, check, suites)
        for suite in [suites[check.suite]] if check.suite else suites.values():
            for prompt in suite.prompts:
                if prompt in mine and check.prompt in ("", prompt):
                    pairs[suite.name, prompt] = None
                    against.setdefault(prompt, set()).add(check.against)
    arms = {
        prompt: tuple(
            arm
            for arm in digests
            if arm is Arm.CANDIDATE
            or digests[arm] in others
            or (arm is Arm.LIVE and prompts[arm].get(prompt) == mine[prompt])
        )
        for prompt, others in against.items()
    }
    return tuple(pairs), arms


def answer_nothing(session: Session, lacks: Lacking) -> None:
    """Says that a run would add nothing, and what the gate says."""
    from promptops.cli.output.eval_report import gate_lines
    from promptops.use_cases.documents import written

    release = f"{lacks.gate.app}@{lacks.gate.version}"
    session.answer(
        lambda: {"lacks": [], "gate": written(lacks.gate)},
        lambda page: [
            f"{release} has every run that the gate of {lacks.gate.channel} asks for; nothing was asked",
            *(gate_lines(lacks.gate, page) if lacks.gate.verdict is not None else ()),
        ],
    )


def _require_same(lacks: Lacking, check: CheckVerdict, suites: Mapping[str, Suite]) -> None:
    if not check.suite_digest:
        return
    suite = suites.get(check.suite)
    if suite is not None and suite.held is not None:
        return  # of which the files have the digest alone
    if suite is None or suite_digest(suite) != check.suite_digest:
        release = f"{lacks.gate.app}@{lacks.gate.version}"
        raise Conflict(
            f"the suite '{check.suite}' here is not the one that {release} was released with, so a run would not count",
            hint=Sentence("Read it from the commit of the release: ", option("commit", "that commit", value="REF")),
        )


def _named(check: CheckVerdict) -> str:
    return name_of(check) + (f" ({check.suite})" if check.prompt and check.suite else "")
