"""What apps declare of their calls on its way to clients: it comes back the same, and stops no release."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.declarations import Capture, Declarations, DeclaredScore, Plan, Tag
from promptops.core.digest import canonical
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import decode, encode
from tests.wire.test_snapshot import POINTER, SNAPSHOT, extended

DECLARED = Declarations(
    outcomes=("escalated", "ticket_resolved"),
    tags=(Tag(name="language", values=("de", "größe ☃")),),
    scores=(DeclaredScore(name="helpful", passes_from=1), DeclaredScore(name="tone")),
    capture=Capture.VARIABLES,
)
WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,10}", fullmatch=True).filter(lambda word: word != "undeclared")
VALUES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=64).filter(str.isprintable)


@st.composite
def declarations(draw: st.DrawFn) -> Declarations:
    words = draw(st.lists(WORDS, max_size=8, unique=True))
    return Declarations(
        outcomes=tuple(sorted(words[:4])),
        tags=tuple(
            Tag(name=name, values=tuple(sorted(draw(st.sets(VALUES, min_size=1, max_size=5)))))
            for name in sorted(draw(st.sets(WORDS, max_size=3)))
        ),
        scores=tuple(
            DeclaredScore(name=name, passes_from=draw(st.none() | st.integers(1, 10_000))) for name in sorted(words[4:])
        ),
        capture=draw(st.sampled_from(Capture)),
    )


def _declaring(declared: Declarations) -> Snapshot:
    return replace(SNAPSHOT, apps={**SNAPSHOT.apps, "faq": replace(SNAPSHOT.apps["faq"], declared=declared)})


@given(declarations())
def test_what_an_app_declares_comes_back_and_is_canonical(declared: Declarations) -> None:
    data = encode(_declaring(declared))[0]
    assert decode(data).apps["faq"].declared == declared
    assert canonical(json.loads(data)) == data


def test_what_an_app_declares_is_in_its_extensions() -> None:
    apps = json.loads(encode(_declaring(DECLARED))[0])["apps"]
    assert apps["faq"]["extensions"] == {
        "outcomes": {
            "names": ["escalated", "ticket_resolved"],
            "tags": {"language": ["de", "größe ☃"]},
            "scores": {"helpful": {"pass_at": 0.0001}, "tone": {}},
            "capture": "variables",
        }
    }
    assert "extensions" not in apps["support-bot"]


def test_a_plan_and_what_is_not_declared_reach_no_client() -> None:
    assert encode(_declaring(Declarations(plan=Plan(calls_a_day=5)).reported)) == encode(SNAPSHOT)


@pytest.mark.parametrize(
    ("written", "declared"),
    [
        ({"outcomes": None}, Declarations()),
        ({"outcomes": {}}, Declarations()),
        ({"outcomes": {"names": ["b", "a"], "of": "the future"}}, Declarations(outcomes=("a", "b"))),
        ({"outcomes": {"names": ["a", "a b"], "capture": "variables"}}, Declarations()),
        ({"outcomes": {"names": "a", "capture": "variables"}}, Declarations(capture=Capture.VARIABLES)),
        ({"outcomes": {"names": ["a"], "tags": {"x": 1}}}, Declarations(outcomes=("a",))),
        ({"outcomes": {"names": ["a"], "tags": []}}, Declarations(outcomes=("a",))),
        ({"outcomes": {"names": ["a"], "scores": {"x": {"pass_at": "0.5"}}}}, Declarations(outcomes=("a",))),
        ({"outcomes": {"names": ["a"], "scores": {"x": {"pass_at": 7}}}}, Declarations(outcomes=("a",))),
        ({"outcomes": {"names": ["a"], "capture": "messages"}}, Declarations(outcomes=("a",))),
        ({"outcomes": {"scores": {"x": {"pass_at": 1, "best": 1}}}}, Declarations(
            scores=(DeclaredScore(name="x", passes_from=10_000),))),
    ],
)  # fmt: skip
def test_no_declaration_keeps_a_client_from_a_release(written: dict[str, Any], declared: Declarations) -> None:
    """A newer server may declare what this version does not understand."""
    read = decode(extended({}, written))
    assert read.apps["faq"].declared == declared
    assert replace(read, apps={**read.apps, "faq": SNAPSHOT.apps["faq"]}) == SNAPSHOT


def test_what_apps_declare_stops_no_channel() -> None:
    """Of a channel that is nearly too large, the declarations are left out before anything is refused."""
    values = tuple(sorted(f"{number:02}{'x' * 60}" for number in range(20)))
    large = Declarations(tags=tuple(Tag(name=name, values=values) for name in "abc"))
    apps = {f"app-{number}": replace(POINTER, declared=large) for number in range(2_000)}
    bare = {app: replace(pointer, declared=Declarations()) for app, pointer in apps.items()}
    data = encode(replace(SNAPSHOT, apps=apps))
    assert data == encode(replace(SNAPSHOT, apps=bare))
