"""The release that a span is stamped with: attributes -> what its call was assigned to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.outcomes.call_id import LONGEST, lineage_digits
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.spans.names import APP, CHANNEL, PROMPT_NAME, REVISION, VARIANT, Fact
from promptops.core.spans.span import Facts, Value

_REVISION: Final = re.compile(r"(?:(0|[1-9][0-9]{0,6})\.)?([1-9][0-9]{0,9}|0)")
_ARMS: Final = {arm.value: arm for arm in Arm}
_LONGEST_CALL: Final = 4  # characters before the lineage of a call id


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the call of a span was assigned to, with the prompt by its name within the app, and the call's id: empty
    where the span has none."""

    assignment: Assignment
    prompt: str
    call: str = ""


def read_stamp(facts: Facts, *, lineage: str, epoch: int) -> Stamp:
    """Returns the stamp of a span; ``lineage`` and the newest ``epoch`` are those of the registry that reads it.

    Raises:
        Invalid: a part is missing or malformed, or the call is of another registry.
    """
    app, prompt, channel = (
        _name(facts, Fact.APP, APP),
        _name(facts, Fact.PROMPT, PROMPT_NAME),
        _name(facts, Fact.CHANNEL, CHANNEL),
    )
    arm, revision = facts.get(Fact.VARIANT), facts.get(Fact.REVISION)
    if not isinstance(arm, str) or arm not in _ARMS:
        raise Invalid(f"{VARIANT} is not one of {', '.join(_ARMS)}")
    if isinstance(revision, bool) or not isinstance(revision, int | str):
        raise Invalid(f"{REVISION} is not a revision after its epoch, such as 3.17")
    assignment, name = _assigned(app, prompt, channel, arm, revision, epoch)
    return Stamp(assignment=assignment, prompt=name, call=_call(facts.get(Fact.CALL_ID), lineage))


@lru_cache(maxsize=10_000)
def _assigned(app: str, prompt: str, channel: str, arm: str, revision: int | str, epoch: int) -> tuple[Assignment, str]:
    """What spans of one series have in common, which are many."""
    match = _REVISION.fullmatch(str(revision))
    if match is None:
        raise Invalid(f"{REVISION} {str(revision)[:40]!r} is not a revision after its epoch, such as 3.17")
    assignment = Assignment(
        app=app,
        channel=channel,
        epoch=int(match[1]) if match[1] else epoch,
        revision=int(match[2]),
        arm=_ARMS[arm],
    )
    name = prompt.removeprefix(f"{app}/")
    Series(assignment=assignment, prompt=name)  # refuses what is not a prompt's name
    return assignment, name


def _name(facts: Facts, fact: Fact, attribute: str) -> str:
    value = facts.get(fact)
    if not isinstance(value, str) or not value:
        raise Invalid(f"a span with {REVISION} needs {attribute}")
    return value


def _call(value: Value, lineage: str) -> str:
    """A call id of this registry; an attribute that is no such id is as if it were not there.

    Raises:
        Invalid: it is of another registry, whose revisions are counted apart.
    """
    if not isinstance(value, str) or not value.startswith("pc1:") or len(value) > LONGEST:
        return ""
    digits = value[_LONGEST_CALL : _LONGEST_CALL + 8]
    if digits != lineage_digits(lineage):
        raise Invalid(f"the call is of a registry whose lineage begins with {digits!r}, and this one has {lineage}")
    return value
