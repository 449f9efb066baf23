"""Which processes a change would break, by what they say of themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptops.core.asked import Asked, Passed
from promptops.core.callers import ContractChange, Unready, needs_of
from promptops.core.contract import compare
from promptops.core.heartbeat import Beat
from promptops.core.model import Content, Input, Message, Prompt, ResponseFormat, Role
from tests.core.test_heartbeat import BEAT

OPTIONAL = {"type": "string", "default": ""}


def prompt(name: str, *required: str, optional: tuple[str, ...] = (), **more: object) -> Prompt:
    inputs = (*(Input(name=each) for each in required), *(Input(name=each, schema=OPTIONAL) for each in optional))
    words = " ".join(f"{{{{{each.name}}}}}" for each in inputs)
    made = Prompt(name=name, messages=(Message(role=Role.USER, content=f"{name} {words}"),), inputs=inputs)
    return replace(made, **more)  # type: ignore[arg-type]


def change(old: Prompt | None, new: Prompt | None) -> ContractChange:
    """The change of one prompt of `bot`, beside another one that stays."""
    before, after = (
        Content(app="bot", prompts=tuple(each for each in (side, prompt("other", "x")) if each)) for side in (old, new)
    )
    changes = compare(before, after)
    needs = needs_of(changes, before, after)
    return ContractChange(app="bot", channel="prod", old="0.1.0", new="0.2.0", changes=changes, needs=needs)


def beat(name: str = "web-1:4711", *, asks: Asked | None = None, app: str = "bot") -> Beat:
    return replace(BEAT, name=name, revisions={app: 1}, asks=asks)


def passing(*always: str, sometimes: tuple[str, ...] = ()) -> Asked:
    return {"bot/answer": Passed(always=always, sometimes=sometimes)}


ANSWER = prompt("answer", "question")
RETYPED = replace(ANSWER, inputs=(Input(name="question", schema={"type": "number"}),))


@pytest.mark.parametrize(
    ("old", "new", "asks", "reasons"),
    [
        # a variable that is needed from now on
        (ANSWER, prompt("answer", "question", "name"), passing("question"), ["does not pass 'name' to answer"]),
        (ANSWER, prompt("answer", "question", "name"), passing("question", "name"), []),
        (
            prompt("answer", "question", optional=("name",)),
            prompt("answer", "question", "name"),
            passing("question", sometimes=("name",)),
            ["does not always pass 'name' to answer"],
        ),
        # a variable that goes away
        (prompt("answer", "question", "name"), ANSWER, passing("question"), []),
        (
            prompt("answer", "question", "name"),
            ANSWER,
            passing("question", sometimes=("name",)),
            ["passes 'name' to answer, which goes away"],
        ),
        # another name for it: both
        (
            ANSWER,
            prompt("answer", "text"),
            passing("question"),
            ["does not pass 'text' to answer", "passes 'question' to answer, which goes away"],
        ),
        # another type: what a process passes is not known, only that it passes it
        (ANSWER, RETYPED, passing("question"), ["passes 'question' to answer, whose type changes"]),
        (ANSWER, RETYPED, {"bot/other": Passed(always=("x",))}, []),
        # a prompt that goes away
        (ANSWER, None, passing("question"), ["asks for answer, which goes away"]),
        (ANSWER, None, {"bot/other": Passed(always=("x",))}, []),
        # what names do not show
        (
            ANSWER,
            replace(ANSWER, response_format=ResponseFormat.JSON_OBJECT),
            passing("question"),
            ["asks for answer: response format text → json_object"],
        ),
        # one of an earlier version
        (ANSWER, prompt("answer", "question", "name"), None, ["does not say what it passes"]),
    ],
)
def test_why_a_process_would_break(old: Prompt, new: Prompt | None, asks: Asked | None, reasons: list[str]) -> None:
    found = change(old, new).beside([beat(asks=asks)])
    assert [each.reasons for each in found.unready] == ([tuple(reasons)] if reasons else [])
    assert found.breaking


NEEDED = change(ANSWER, prompt("answer", "question", "name"))


@pytest.mark.parametrize(
    ("beats", "ready", "unasked"),
    [
        ([], False, ("answer",)),  # nothing is known
        ([beat(asks={})], False, ("answer",)),  # it started a moment ago, or never asks for it
        ([beat(asks=passing("question", "name"))], True, ()),
        ([beat(asks=passing("question", "name")), beat(asks={})], True, ()),  # another part of the application
        ([beat(asks=passing("question", "name")), beat(asks=passing("question"))], False, ()),
        ([beat(asks=passing("question", "name")), beat()], False, ()),  # of an earlier version
        ([beat(asks=passing("question", "name")), beat(app="faq")], True, ()),  # it does not follow the app
    ],
)
def test_callers_are_ready_where_one_passes_it_and_none_does_not(
    beats: list[Beat], ready: bool, unasked: tuple[str, ...]
) -> None:
    found = NEEDED.beside(beats)
    assert (found.ready, found.unasked, found.is_awaited) == (ready, unasked, not ready)


@pytest.mark.parametrize(
    ("beats", "ready"),
    [
        ([], False),
        ([beat(asks={})], False),
        ([beat(asks={"bot/other": Passed(always=("x",))})], True),
        ([beat(asks={"faq/ask": Passed()})], False),  # of another app alone: nothing says that it uses this one
    ],
)
def test_a_prompt_goes_away_where_live_processes_ask_for_others_of_the_app(beats: list[Beat], ready: bool) -> None:
    assert change(ANSWER, None).beside(beats).ready is ready


def test_a_process_is_named_without_its_number_and_counted() -> None:
    fleet = [beat(f"checkout-web:{number}", asks=passing("question")) for number in range(12)]
    found = NEEDED.beside([*fleet, beat("worker", asks=passing("name"))])
    assert found.unready == (Unready(client="checkout-web", processes=12, reasons=("does not pass 'name' to answer",)),)
    assert found.said == (
        "answer: required input 'name' added. Not ready: checkout-web (12 processes) does not pass 'name' to answer"
    )


def test_a_minor_change_needs_nothing_of_callers() -> None:
    found = change(ANSWER, prompt("answer", "question", optional=("name",))).beside([beat()])
    assert (found.unready, found.ready, found.is_awaited) == ((), False, False)


def test_of_many_changes_few_are_said() -> None:
    found = change(ANSWER, prompt("answer", "question", *"abcdefg")).beside([beat()])
    assert found.said.count("added") == 5 and "; and 2 more. Not ready: " in found.said
