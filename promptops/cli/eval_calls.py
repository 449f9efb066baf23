"""`promptops eval --cases calls:CHANNEL`: the newest captured calls of a channel as cases, beside what is live there.

Each is put to the candidate and to the live release, and graded by the checks of the prompt's suites that need no
expected answer. Texts stay in the folder of the run; the registry gets keyed hashes and outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from promptops.cli.output.phrases import counted
from promptops.core.errors import Invalid, PromptopsError
from promptops.core.evidence.run import CALLS
from promptops.core.model import Json, Prompt
from promptops.core.suite.fill import names_in
from promptops.core.suite.suite import Case, Check, Suite
from promptops.operations import eval_plan

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.evals.plan import Side
    from promptops.operations.captured_calls import Captured, CapturedCase
    from promptops.source.load import AppSource

_LAST: Final = 200
_MINUTE: Final = timedelta(minutes=1)
_FROM_CASE: Final = frozenset({"expected", "context"})
"""Values that come from a case's author, so a captured call has none."""
_OF_AUTHOR: Final = ("github/similarity", "github/groundedness")
"""Judges that compare with what an author expects."""


def channel_of(options: Mapping[str, Any]) -> str:
    """Returns the channel whose calls are cases; empty where the cases are those of suites.

    Raises:
        Invalid: `--cases` says something else, or an option beside it does not fit.
    """
    cases, bad = str(options.get("cases") or ""), options.get("bad")
    if not cases:
        if bad or options.get("last"):
            raise Invalid("--last and --bad are about captured calls", hint="Say which: --cases calls:CHANNEL")
        return ""
    channel = cases.removeprefix(CALLS)
    if channel == cases or not channel:
        raise Invalid(
            f"'{cases[:80]}' is nothing that cases come from", hint="Captured calls do: --cases calls:CHANNEL"
        )
    for name in ("suites", "tags", "drift", "rebase"):
        if options.get(name):
            flag = {"suites": "suite", "tags": "tag"}.get(name, name)
            raise Invalid(f"captured calls are of no suite, so --{flag} says nothing of them", hint="Leave it out.")
    if options.get("record"):
        raise Invalid("a recording would keep what users wrote in a folder of its own", hint="Leave out --record.")
    return channel


def beside_live(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the options of a new run, which compares with what is live on the channel whose calls are cases.

    Raises:
        Invalid: as :func:`channel_of`.
    """
    channel = channel_of(options)
    if not channel:
        return options
    return {**options, "against": options["against"] or "live", "channel": options["channel"] or channel}


def asked(now: datetime, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns which calls a run asks, as its folder has it; nothing where its cases are those of suites.

    No call of the minute that is not over is among them, so that a run that is continued finds the same ones.
    """
    if not channel_of(options):
        return {}
    until = now.replace(second=0, microsecond=0) - _MINUTE
    return {
        "cases": options["cases"],
        "last": options["last"] or _LAST,
        "bad": bool(options["bad"]),
        "until": options.get("until") or eval_plan.now_text(until),
    }


def suites_of_calls(
    session: Session, app: AppSource, sides: Sequence[Side], prompt: str, calls: Mapping[str, Any]
) -> Mapping[str, Suite]:
    """Returns a suite for each prompt that was called, with the captured calls as cases.

    Raises:
        NotFound, NotAllowed: they cannot be read. Invalid: no call was captured, or none fits.
    """
    found = _fetched(session, app.name, prompt, calls)
    if calls["bad"]:
        session.note("bad calls are for looking: live failed on them once, so any candidate looks better. No evidence.")
    suites, unfit = {}, 0
    for name in sorted({case.prompt for case in found.cases}):
        mine = [case for case in found.cases if case.prompt == name]
        fit = [case for case in mine if _fits(case, sides)]
        unfit += len(mine) - len(fit)
        if fit:
            suite = _suite(session, app, sides[0].prompts[name].definition, fit, found.channel)
            suites[suite.name] = suite
    if unfit:
        session.note(f"left out: {counted(unfit, 'call')} whose variables do not fit the prompt in every release")
    if found.private:
        session.note(f"left out: {counted(found.private, 'call')} with a private variable")
    if not suites:
        raise _nothing(found, calls, unfit)
    return suites


def _fetched(session: Session, app: str, prompt: str, calls: Mapping[str, Any]) -> Captured:
    from promptops.operations.captured_calls import CapturedRequest
    from promptops.use_cases.captured_calls import CAPTURED

    request = CapturedRequest(
        app=app, channel=channel_of(calls), last=calls["last"], bad=calls["bad"], prompt=prompt,
        until=datetime.fromisoformat(calls["until"]),
    )  # fmt: skip
    with session.gateway() as gateway:
        return gateway.run(CAPTURED, request)


def _fits(case: CapturedCase, sides: Sequence[Side]) -> bool:
    """Whether a call can be put to its prompt in the candidate, and in each other release that has the prompt."""
    if case.prompt not in sides[0].prompts:
        return False
    for side in sides:
        template = side.prompts[case.prompt].template if case.prompt in side.prompts else None
        if template is not None:
            try:
                template.render({name: value for name, value in _values(case).items() if name in template.names})
            except PromptopsError:
                return False
    return True


def _values(case: CapturedCase) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", case.variables)


def _suite(session: Session, app: AppSource, prompt: Prompt, cases: Sequence[CapturedCase], channel: str) -> Suite:
    name = prompt.name
    checks, left = _checks(app, prompt)
    if left:
        session.note(f"left out, since they need what an author expects: {', '.join(left)} of {name}")
    if not checks:
        session.note(
            f"{name} has no check that needs no expected answer: an answer passes unless a user sees a failure"
        )
    return Suite(
        name=f"{CALLS}{channel}/{name}",
        prompts=(name,),
        checks=tuple(checks),
        cases=tuple(
            Case(variables=_values(case), given_id=case.id[:32], keyed=case.id, cluster=case.cluster) for case in cases
        ),
    )


def _checks(app: AppSource, prompt: Prompt) -> tuple[list[Check], list[str]]:
    """The checks of a prompt's suites and of the prompt itself that judge an answer alone, and the names of others."""
    known = {item.name for item in prompt.variables} | {"input", "completion"}
    own = [Check(name=check.kind, kind=check.kind, wanted=check.wanted) for check in prompt.checks]
    having = [suite for suite in app.suites.values() if prompt.name in suite.prompts]
    mine = [suite for suite in having if suite.name == prompt.name] or having
    found: list[Check] = []
    left: list[str] = []
    for check in (*own, *(check for suite in mine for check in suite.checks)):
        if _needs_author(check, known):
            left.append(check.name)
        elif all(replace(check, name=each.name) != each for each in found):
            found.append(check)
    return found, left


def _needs_author(check: Check, known: set[str]) -> bool:
    if check.kind in _OF_AUTHOR:
        return True
    names = names_in(check.wanted)
    if check.judge is not None:
        names |= names_in([check.judge.prompt, check.judge.system_prompt])
    return bool(names & _FROM_CASE) or bool({name.partition(".")[0] for name in names} - known)


def _nothing(found: Captured, calls: Mapping[str, Any], unfit: int) -> Invalid:
    kind = "bad call" if calls["bad"] else "call"
    if unfit:
        return Invalid(
            f"no captured {kind} of {found.app} on {found.channel} fits the prompts of every release",
            hint="Ask a release whose inputs are those of live.",
        )
    why = "" if found.captures else "Write `capture: variables` in app.yml, and release. "
    return Invalid(
        f"no {kind} of {found.app} on {found.channel} was captured in the last 30 days",
        hint=f"{why}Clients keep bad calls and one in a hundred others, with the variables of `client.call`.",
    )
