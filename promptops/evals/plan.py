"""What a run will ask: each case of each suite, of each release that is compared, as requests. Nothing is sent here.

A case whose requests are the same bytes in the candidate and in the live release is asked once, and is *unchanged*: it
says nothing about the difference between them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.compiled import CompiledPrompt
from promptops.core.errors import Invalid, NotFound, PromptopsError
from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.content import prompt_content, share_of
from promptops.core.model import Content
from promptops.core.parts import texts_of
from promptops.core.suite.suite import Case, Check, Suite, SuiteKind
from promptops.evals.grading import PYTHON
from promptops.evals.request import Request, request_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One release, or the files as they are, that a run asks with: its prompts by their names within the app."""

    arm: Arm
    label: str
    digest: str
    content: Content
    prompts: Mapping[str, CompiledPrompt]
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The run that asked a case before, the time of its opening, and how many of its answers passed."""

    run: str
    at: str
    passed: int
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One case of one prompt: its request and the user message in it, for each arm that has the prompt.

    With ``earlier``, it is not asked: the answers of that run stand for it. Of a ``held`` case, no report has texts.
    """

    suite: str
    kind: SuiteKind
    prompt: str
    id: str
    case: Case
    checks: tuple[Check, ...]
    repeats: int
    requests: Mapping[Arm, Request]
    user_messages: Mapping[Arm, str]
    held: bool = False
    earlier: Earlier | None = None

    @property
    def same(self) -> bool:
        """True if live has the prompt, and every release sends the same bytes."""
        return Arm.LIVE in self.requests and len({request.digest for request in self.requests.values()}) == 1

    def is_same_in(self, arm: Arm) -> bool:
        """True if the candidate and this arm send the same bytes."""
        return arm in self.requests and self.requests[arm].digest == self.requests[Arm.CANDIDATE].digest

    @property
    def unchanged(self) -> bool:
        """True if candidate and live send the same bytes."""
        return self.is_same_in(Arm.LIVE)

    @property
    def judges(self) -> int:
        """How many of its checks a judge decides."""
        return sum(check.judge is not None for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The cases of a suite and a prompt that are asked on one of several days. ``share`` counts from 0; without one,
    none of them is due.
    """

    suite: str
    prompt: str
    days: int
    share: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of the suites is asked: some suites, one prompt, cases with a tag, the first so many cases of each.

    ``pairs`` are suites with a prompt, and ``arms`` the releases that a prompt is asked of; all of them if left out.
    """

    suites: tuple[str, ...] = ()
    prompt: str = ""
    tags: tuple[str, ...] = ()
    limit: int | None = None
    pairs: tuple[tuple[str, str], ...] = ()
    arms: Mapping[str, tuple[Arm, ...]] = field(default_factory=dict)

    def has(self, suite: str, prompt: str) -> bool:
        """True if cases of a suite are put to a prompt."""
        chosen = not self.pairs or (suite, prompt) in self.pairs
        return chosen and (not self.suites or suite in self.suites) and (not self.prompt or prompt == self.prompt)

    @property
    def is_partial(self) -> bool:
        """True if cases of a suite are left out: such a run is never evidence."""
        return bool(self.tags) or self.limit is not None

    def takes(self, suite: Suite) -> bool:
        """Returns whether cases of a suite are asked."""
        return any(self.has(suite.name, prompt) for prompt in suite.prompts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a run asks. ``suites`` are those that it takes from."""

    app: str
    sides: tuple[Side, ...]
    suites: tuple[Suite, ...]
    cases: tuple[Asked, ...]
    selection: Selection = field(default_factory=Selection)

    def side(self, arm: Arm) -> Side:
        return next(side for side in self.sides if side.arm is arm)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The cases without those that an earlier run answered."""
        return tuple(asked for asked in self.cases if asked.earlier is None)

    def units(self) -> Iterator[tuple[int, int]]:
        """Yields the number of a case and its repeat, all cases once before any is asked again."""
        numbers = [(number, asked.repeats) for number, asked in enumerate(self.cases) if asked.earlier is None]
        for repeat in range(1, max((repeats for _, repeats in numbers), default=0) + 1):
            yield from ((number, repeat) for number, repeats in numbers if repeat <= repeats)

    @property
    def calls(self) -> int:
        """How many answers of the prompts' models it needs."""
        return sum(len({r.digest for r in asked.requests.values()}) * asked.repeats for asked in self.asked)

    @property
    def judge_calls(self) -> int:
        """How many answers of judges it needs at most: equal answers to one case are judged once."""
        return sum(
            len({r.digest for r in asked.requests.values()}) * asked.repeats * asked.judges for asked in self.asked
        )


def plan(
    app: str,
    sides: Sequence[Side],
    suites: Collection[Suite],
    selection: Selection,
    *,
    repeats: Mapping[str, int] | None = None,
) -> Plan:
    """Returns the plan of a run. ``repeats`` replaces those of some suites by name.

    Raises:
        NotFound: a suite or prompt of the selection does not exist.
        Invalid: a case lacks a variable, a check cannot be run, or no case is left.
    """
    known = {suite.name: suite for suite in suites}
    for name in selection.suites:
        if name not in known:
            raise NotFound(f"{app} has no suite '{name}'", known=sorted(known))
    candidate = sides[0]
    if selection.prompt and selection.prompt not in candidate.prompts:
        raise NotFound(f"{candidate.label} has no prompt '{selection.prompt}'", known=sorted(candidate.prompts))
    wanted = [suite for suite in known.values() if selection.takes(suite)]
    cases = [asked for suite in wanted for asked in _cases(suite, sides, selection, (repeats or {}).get(suite.name))]
    if not cases:
        raise _nothing(app, known, selection)
    return Plan(app=app, sides=tuple(sides), suites=tuple(wanted), cases=tuple(cases), selection=selection)


def leaning(plan: Plan, earlier: Mapping[int, Earlier]) -> Plan:
    """Returns the plan without the calls of cases that an earlier run answered, by their number.

    Of the cases of a suite and a prompt all are left out that were answered, or none: where one of them has to be
    put to another arm, so are the others.
    """
    needed = {_pair(plan.cases[number]) for number in earlier if not plan.cases[number].same}
    cases = tuple(
        replace(asked, earlier=earlier[number]) if number in earlier and _pair(asked) not in needed else asked
        for number, asked in enumerate(plan.cases)
    )
    return replace(plan, cases=cases)


def spread(plan: Plan, shares: Collection[Share]) -> Plan:
    """Returns the plan without the cases that are for another day.

    Raises:
        Invalid: no case is left.
    """
    content = plan.side(Arm.CANDIDATE).content
    others = {(each.suite, each.prompt): (each, prompt_content(content, each.prompt)) for each in shares}

    def is_due(asked: Asked) -> bool:
        if _pair(asked) not in others:
            return True
        each, of = others[_pair(asked)]
        return share_of(asked.id, of, each.days) == each.share

    cases = tuple(asked for asked in plan.cases if is_due(asked))
    if not cases:
        raise Invalid(
            "no case is due: the suite has too few to spread them over days",
            hint="Add cases, or take `days` out of the policy.",
        )
    left = {asked.suite for asked in cases}
    return replace(plan, cases=cases, suites=tuple(suite for suite in plan.suites if suite.name in left))


def _pair(asked: Asked) -> tuple[str, str]:
    return asked.suite, asked.prompt


def require_anywhere(plan: Plan) -> None:
    """Does nothing for a plan that any machine can run, as evidence has to be.

    Raises:
        Invalid: a check is a function of this machine.
    """
    for asked in plan.cases:
        for check in asked.checks:
            if check.kind == PYTHON:
                raise Invalid(
                    f"the check '{check.name}' of the suite '{asked.suite}' is a function, for your own machine alone",
                    hint=Sentence("Use ", option("local", "a local run"), ", which makes no evidence."),
                )


def _cases(suite: Suite, sides: Sequence[Side], selection: Selection, repeats: int | None) -> Iterator[Asked]:
    chosen = [case for case in suite.cases if not selection.tags or set(selection.tags) & set(case.tags)]
    for prompt in suite.prompts:
        if not selection.has(suite.name, prompt):
            continue
        arms = selection.arms.get(prompt, tuple(Arm))
        having = [side for side in sides if prompt in side.prompts and side.arm in arms]
        for case in chosen[: selection.limit] if having and having[0] is sides[0] else ():
            yield _asked(suite, prompt, case, having, repeats or suite.repeats)


def _asked(suite: Suite, prompt: str, case: Case, having: Sequence[Side], repeats: int) -> Asked:
    checks = suite.checks_of(case)
    for check in checks:
        if check.flaw:
            raise Invalid(
                f"the check '{check.name}' of the suite '{suite.name}' cannot be run: {check.flaw}",
                hint=Sentence(Advice(Action.CHECK, words="A check of the files"), " says where it is."),
            )
    requests: dict[Arm, Request] = {}
    user_messages: dict[Arm, str] = {}
    identity = case.id
    for side in having:
        try:
            messages = _rendered(side.prompts[prompt], case)
            requests[side.arm] = request_of(side.prompts[prompt].definition, messages)
        except PromptopsError as error:
            where = f"suite '{suite.name}', case {identity[:19]}, {side.label}/{prompt}"
            said = f"it cannot be put to this prompt ({error.code})" if suite.held else error.message
            raise Invalid(f"{where}: {said}", hint="" if suite.held else error.hint) from error
        spoken = [texts_of(message["content"]) for message in messages if message["role"] == "user"]
        user_messages[side.arm] = spoken[-1] if spoken else ""
    return Asked(
        suite=suite.name,
        kind=suite.kind,
        prompt=prompt,
        id=identity,
        case=case,
        checks=checks,
        repeats=repeats,
        requests=requests,
        user_messages=user_messages,
        held=suite.held is not None,
    )


def _rendered(prompt: CompiledPrompt, case: Case) -> list[dict[str, Any]]:
    """Returns the messages of a case: those of its variables that the prompt takes; the others are for the judges."""
    return prompt.template.render(prompt.template.values_of_case(case.values(case.variables)))


def _nothing(app: str, known: Mapping[str, Suite], selection: Selection) -> Invalid:
    if not known:
        return Invalid(
            f"{app} has no suite, so there is nothing to ask",
            hint="Give a prompt `testData` and `evaluators`, or write evals/NAME.suite.yml.",
        )
    part = [f"tag {tag}" for tag in selection.tags] + ([f"prompt {selection.prompt}"] if selection.prompt else [])
    named = f" with {' or '.join(part)}" if part else ""
    return Invalid(f"no case of {app}{named} is asked", hint=f"The suites are {', '.join(sorted(known))}.")
