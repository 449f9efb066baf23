"""What was kept of a call, and who may read it, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptops.core.declarations import Capture
from promptops.core.errors import NotFound, PromptopsError
from promptops.core.model import Content, Engine, Input, Message, Placeholder, Prompt, Role
from promptops.core.outcomes.call_outcome import CallOutcome, Count, Tokens
from promptops.core.outcomes.kept_call import Kept, KeptCall, ToolUse, captured, messages_digest, rendering_digest
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import Unit
from promptops.core.rights import Rights
from promptops.core.template.template import Template
from promptops.core.token import Scope, ordered
from promptops.operations.outcomes import Document, report_key, take
from promptops.operations.why import WhyRequest
from promptops.store import Registry
from promptops.use_cases.use_case import Caller
from promptops.use_cases.why import WHY
from promptops.wire.documents.why import WhyDocument
from tests.support import factory
from tests.support.factory import START
from tests.support.reports import MINUTE, assignment, call_id, report, series

AT = int(START.timestamp())
NOW = factory.minutes(1)
UNIT = Unit(id="9f86d081884c7d65")
EMAIL = Input(name="email", schema={"type": "string", "private": True})
PROMPT = Prompt(
    name="answer",
    model="openai/gpt-4o-2024-08-06",
    inputs=(EMAIL, Input(name="question"), Input(name="size", schema={"default": 1})),
    messages=(Message(role=Role.USER, content="{{question}} {{email}} {{size}}"),),
)


@pytest.fixture
def live(registry: Registry) -> Registry:
    factory.make_channels(registry)
    factory.make_release(registry, Content(app="bot", prompts=(PROMPT,)))
    factory.go_live(registry, "bot@0.1.0")
    factory.declare(registry, capture=Capture.VARIABLES)
    return registry


def call(registry: Registry, number: int = 0, *, prompt: Prompt = PROMPT, **more: Any) -> KeptCall:
    """A call that failed, with what it was rendered with."""
    values, secret = more.pop("values", None), report_key(registry).secret
    kept = None
    if values is not None:
        messages = Template.compile(prompt).render(values)
        kept = captured(values, private={"email"}, secret=secret)
        more["rendered"] = rendering_digest(messages_digest(messages), secret)
    place = assignment(arm=more.pop("arm", Arm.STABLE))
    made = KeptCall(
        call=call_id(registry.lineage, secret, place=place, random=number, unit=UNIT), prompt="answer", at=AT,
        kept=Kept.BAD, version="0.1.0", reason="stable", flags=(Count.BAD,), error="TimeoutError", variables=kept,
        tokens=Tokens(input=9, cached=4), tools=(ToolUse(name="search", latency_ms=40),), trace="trace-1",
    )  # fmt: skip
    return replace(made, **more)


def keep(registry: Registry, *calls: KeptCall, number: int = 1) -> None:
    document = Document(report=replace(report(registry.lineage, number), calls=calls))
    take(registry, [document], now=START)


def caller(*scopes: Scope, **where: tuple[str, ...]) -> Caller:
    token = factory.rights(**where).token
    assert token is not None
    return Caller(now=NOW, rights=Rights(replace(token, scopes=ordered(scopes))))


def asked(registry: Registry, name: str, who: Caller | None = None) -> WhyDocument:
    return WHY.answer_to(registry, WhyRequest(id=name), who or Caller(now=NOW)).document


@pytest.mark.parametrize(
    ("values", "exact", "shown"),
    [
        ({"question": "Why?", "email": "a@example.org"}, False, "private:"),
        ({"question": "Why?", "email": "a@example.org", "size": 2.0}, False, "private:"),
    ],
)
def test_a_private_input_is_shown_by_its_hash_and_the_request_as_not_exact(
    live: Registry, values: dict[str, Any], exact: bool, shown: str
) -> None:
    one = call(live, values=values, api="chat")
    keep(live, one)
    kept = asked(live, one.call).kept
    assert kept is not None and kept.sent is not None
    assert kept.sent.exact is exact
    assert shown in kept.sent.body and "a@example.org" not in repr(kept)
    assert "of private inputs only hashes" in kept.sent.problem


@pytest.mark.parametrize("private", [False, True])
def test_a_conversation_is_shown_as_it_was_sent_or_by_its_hash(live: Registry, private: bool) -> None:
    prompt = replace(PROMPT, inputs=(), messages=(Placeholder(name="email", private=private),))
    made = factory.make_release(live, Content(app="bot", prompts=(prompt,), requires=("history",)))
    factory.go_live(live, f"bot@{made.version}")
    history = [{"role": "user", "content": "Where is {{x}}?"}]
    one = call(live, prompt=prompt, values={"email": history}, api="chat")
    if not private:
        one = replace(one, variables={"email": history})
    place = assignment(revision=2)
    one = replace(one, call=call_id(live.lineage, report_key(live).secret, place=place, unit=UNIT))
    keep(live, one)
    kept = asked(live, one.call).kept
    assert kept is not None and kept.sent is not None
    assert kept.sent.exact is not private
    assert ("Where is {{x}}?" in kept.sent.body, "private:" in kept.sent.body) == (not private, private)


def test_a_picture_in_a_conversation_is_shown_by_its_digest_and_nothing_is_called_the_request(live: Registry) -> None:
    prompt = replace(PROMPT, inputs=(), messages=(Placeholder(name="talk"),))
    made = factory.make_release(live, Content(app="bot", prompts=(prompt,), requires=("history",)))
    factory.go_live(live, f"bot@{made.version}")
    described = {"type": "image", "media_type": "image/png", "bytes": 9, "digest": "sha256:" + "0" * 64}
    place = assignment(revision=2)
    name = call_id(live.lineage, report_key(live).secret, place=place, unit=UNIT)
    said = [{"role": "user", "content": [described]}]
    one = replace(call(live, prompt=prompt, api="chat"), call=name, variables={"talk": said})
    keep(live, one)
    kept = asked(live, name).kept
    assert kept is not None and kept.sent is not None
    assert (kept.sent.body, kept.sent.exact) == ("", False)
    assert "only digests are kept" in kept.sent.problem


@pytest.fixture
def plain(live: Registry) -> tuple[Registry, Prompt]:
    """A release whose prompt has no private input, and loops over data."""
    prompt = replace(
        PROMPT,
        engine=Engine.JINJA2,
        inputs=(Input(name="order", schema={"type": "object"}),),
        messages=(Message(role=Role.USER, content="{% for name in order %}{{ name }}={{ order[name] }} {% endfor %}"),),
    )
    made = factory.make_release(live, Content(app="bot", prompts=(prompt,)))
    factory.go_live(live, f"bot@{made.version}")
    return live, prompt


@pytest.mark.parametrize(
    ("order", "exact"), [({"a": 1, "b": 1.5}, True), ({"b": 1, "a": 2}, False), ({"a": 1.0}, False)]
)
def test_what_json_does_not_keep_is_found_out_and_never_called_exact(
    plain: tuple[Registry, Prompt], order: dict[str, Any], exact: bool
) -> None:
    live, prompt = plain
    secret = report_key(live).secret
    name = call_id(live.lineage, secret, place=assignment(revision=2), unit=UNIT)
    one = replace(call(live, prompt=prompt, values={"order": order}), call=name)
    keep(live, one)
    kept = asked(live, one.call).kept
    assert kept is not None and kept.sent is not None
    assert (kept.sent.api, kept.sent.exact, bool(kept.sent.problem)) == ("", exact, not exact)


def test_captured_content_needs_its_own_scope_and_all_else_only_reading(live: Registry) -> None:
    one = call(live, values={"question": "Why?", "email": "x"})
    keep(live, one)
    for scopes in ((Scope.READ,), (Scope.READ, Scope.REPORT), (Scope.AUDIT, Scope.PROMOTE, Scope.RELEASE)):
        kept = asked(live, one.call, caller(*scopes)).kept
        assert kept is not None and kept.captured
        assert (kept.variables, kept.sent) == (None, None)
        assert (kept.error, kept.tools[0].latency_ms, kept.cached_tokens) == ("TimeoutError", 40, 4)
    for scopes in ((Scope.CONTENT,), (Scope.ADMIN,)):
        kept = asked(live, one.call, caller(*scopes)).kept
        assert kept is not None and kept.variables is not None and kept.sent is not None
        assert kept.variables["question"] == "Why?"


def test_nobody_is_shown_the_unit_of_a_call(live: Registry) -> None:
    one = call(live, values={"question": "Why?", "email": "x"})
    keep(live, one)
    assert UNIT.id not in repr(asked(live, one.call))


def test_a_trace_leads_to_the_first_bad_call_that_the_caller_may_see_and_names_the_others(live: Registry) -> None:
    good, bad, other = call(live, 1, kept=Kept.SAMPLED, flags=(), error=""), call(live, 2), call(live, 3, trace="t2")
    keep(live, good, bad, other)
    found = asked(live, "trace-1")
    assert (found.call, found.others) == (bad.call, (good.call,))
    for name in ("trace-1", "t2"):
        with pytest.raises(NotFound, match="no call of the trace"):
            asked(live, name, caller(Scope.READ, apps=("other",)))
        with pytest.raises(NotFound, match="no call of the trace"):
            asked(live, name, caller(Scope.READ, channels=("dev",)))
    assert asked(live, "t2", caller(Scope.READ)).call == other.call


def test_how_often_such_calls_are_bad_is_by_the_class_of_the_error(live: Registry) -> None:
    rows = {
        (series(), MINUTE): Sums.of(CallOutcome(error="TimeoutError")).merged(Sums.of(CallOutcome(error="Other"))),
    }
    take(live, [Document(report=report(live.lineage, 1, rows))], now=START)
    one = call(live)
    keep(live, one, number=2)
    [found] = asked(live, one.call).badness
    assert (found.kind, found.version, found.share.count) == ("TimeoutError", "0.1.0", 1)


def test_a_call_of_a_version_that_the_application_chose_has_the_release_that_was_reported(live: Registry) -> None:
    factory.make_release(live, Content(app="bot", prompts=(replace(PROMPT, model="openai/gpt-4o-2024-11-20"),)))
    factory.go_live(live, "bot@0.2.0")
    fixed, unknown = call(live, 1, arm=Arm.FIXED), call(live, 2, arm=Arm.FIXED, version="9.9.9", trace="t2")
    keep(live, fixed, unknown)
    found = asked(live, fixed.call)
    assert found.release is not None
    assert (found.release.version, found.since, found.changes) == ("0.1.0", None, ())
    assert asked(live, unknown.call).release is None


def test_a_call_whose_release_is_gone_shows_its_variables_and_why_there_is_no_request(live: Registry) -> None:
    one = call(live, arm=Arm.FIXED, version="9.9.9", values={"question": "Why?", "email": "x"})
    keep(live, one)
    kept = asked(live, one.call).kept
    assert kept is not None and kept.sent is not None and kept.variables is not None
    assert (kept.sent.body, kept.sent.problem) == ("", "this registry does not have its release")


def test_an_id_that_is_forged_says_nothing_although_the_call_is_kept(live: Registry) -> None:
    one = call(live)
    keep(live, one)
    forged = one.call[:-1] + ("A" if one.call[-1] != "A" else "B")
    with pytest.raises(PromptopsError, match="its seal is not right"):
        asked(live, forged)
