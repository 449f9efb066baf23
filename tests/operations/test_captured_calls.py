"""Captured calls as cases, on both databases: the newest, a fair sample, and known by keyed hashes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from promptops.core.declarations import Capture
from promptops.core.digest import canonical
from promptops.core.errors import AppNotFound, ChannelNotFound, Invalid, NotAllowed, RegistryDamaged
from promptops.core.model import Policy
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.kept_call import Kept, KeptCall
from promptops.core.outcomes.units import Unit
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.captured_calls import Captured, CapturedRequest, captured_calls
from promptops.operations.outcomes import Document, report_key, take
from promptops.operations.tokens import TokenRequest, create_token
from promptops.store import Registry, Writer
from promptops.store.queries import kept_calls
from promptops.store.schema import tables
from promptops.use_cases.captured_calls import CAPTURED
from promptops.use_cases.use_case import Caller
from tests.support import factory
from tests.support.factory import ACTOR, START, minutes
from tests.support.reports import assignment, call_id, report

AT = int(START.timestamp())
ADA, GRACE = Unit(id="9f86d081884c7d65", bucket=4711), Unit(id="0f86d081884c7d65", bucket=4)
NOW = minutes(2000)


@pytest.fixture
def live(registry: Registry) -> Registry:
    """`bot` on prod and dev, which captures variables."""
    factory.make_channels(registry, dev=Policy(), prod=Policy())
    [release] = factory.make_releases(registry, "bot", 1)
    for channel in ("dev", "prod"):
        factory.go_live(registry, f"bot@{release.version}", channel)
    factory.declare(registry, capture=Capture.VARIABLES)
    return registry


def call(
    registry: Registry,
    number: int,
    *,
    kept: Kept = Kept.SAMPLED,
    unit: Unit | None = ADA,
    channel: str = "prod",
    variables: Mapping[str, object] | None = None,
) -> KeptCall:
    """A call that asked its number."""
    name = call_id(
        registry.lineage, report_key(registry).secret, place=assignment(channel=channel), random=number, unit=unit
    )
    said = {"name": f"Where is {number}?"} if variables is None else variables
    flags = (Count.BAD,) if kept is Kept.BAD else ()
    return KeptCall(call=name, prompt="answer", at=AT, kept=kept, version="0.1.0", flags=flags, variables=said)


def send(registry: Registry, *calls: KeptCall, at: int = 0, channel: str = "prod") -> None:
    """The calls come at this minute, in reports of as many as one has."""
    for start in range(0, len(calls), 20):
        send.__dict__["number"] = number = send.__dict__.get("number", 0) + 1
        made = replace(report(registry.lineage, number, {}, channel=channel), calls=calls[start : start + 20])
        taken = take(registry, [Document(report=made)], now=minutes(at))
        assert not taken.left_out


def found(registry: Registry, **more: object) -> Captured:
    request = CapturedRequest(**{"app": "bot", "channel": "prod", **more})  # type: ignore[arg-type]
    return captured_calls(registry, request, now=NOW)


def asked(captured: Captured) -> list[object]:
    return [case.variables["name"] for case in captured.cases]


def test_the_newest_calls_come_first_and_until_a_moment(live: Registry) -> None:
    for number in range(5):
        send(live, call(live, number), at=number)
    captured = found(live, last=2)
    assert asked(captured) == ["Where is 4?", "Where is 3?"]
    assert (captured.captures, captured.private, captured.until) == (True, 0, NOW)
    assert asked(found(live, until=minutes(1.5))) == ["Where is 1?", "Where is 0?"]
    [first] = found(live, until=minutes(0)).cases
    assert (first.prompt, first.version, first.at) == ("answer", "0.1.0", START)
    assert found(live, until=NOW + timedelta(days=1)).until == NOW


def test_calls_of_another_channel_or_prompt_or_without_variables_are_not_among_them(live: Registry) -> None:
    send(live, call(live, 1), replace(call(live, 2), variables=None))
    send(live, call(live, 3, channel="dev"), channel="dev")
    assert asked(found(live)) == ["Where is 1?"]
    assert asked(found(live, prompt="answer")) == ["Where is 1?"] and asked(found(live, prompt="other")) == []


def test_a_sample_has_as_many_bad_calls_as_there_are_and_the_bad_ones_are_asked_for(live: Registry) -> None:
    """All bad calls are kept and one in a hundred others: a hundredth of the bad ones, by their ids, makes it fair."""
    bad = [call(live, number, kept=Kept.BAD) for number in range(400)]
    send(live, *bad)
    send(live, call(live, 1000))
    drawn = [each for each in bad if int.from_bytes(sha256(each.call.encode()).digest()[:8], "big") % 10_000 < 100]
    assert 0 <= len(drawn) < 20
    fair = {str((each.variables or {})["name"]) for each in drawn} | {"Where is 1000?"}
    assert set(asked(found(live, last=1000))) == fair
    assert len(found(live, last=1000, bad=True).cases) == 400
    assert len(found(live, last=7, bad=True).cases) == 7


def test_equal_calls_are_one_case_and_private_ones_none(live: Registry) -> None:
    send(live, call(live, 1, variables={"name": "Ada"}), call(live, 2, variables={"name": "  Ada "}, unit=GRACE))
    send(live, call(live, 3, variables={"name": "private:0123456789abcdef"}))
    picture = {"type": "image", "media_type": "image/png", "bytes": 9, "digest": "sha256:" + "0" * 64}
    send(live, call(live, 4, variables={"name": [{"role": "user", "content": [picture]}]}))
    captured = found(live)
    assert len(captured.cases) == 1 and captured.private == 2


def test_a_case_is_known_by_a_keyed_hash_and_calls_of_a_key_by_another(live: Registry) -> None:
    send(live, call(live, 1), call(live, 2), call(live, 3, unit=GRACE), call(live, 4, unit=None))
    by_name = {str(case.variables["name"])[9]: case for case in found(live).cases}
    ids = {case.id for case in by_name.values()}
    assert len(ids) == 4 and all(len(id) == 64 for id in ids)
    guesses = {sha256(canonical({"name": f"Where is {n}?"})).hexdigest() for n in range(5)}
    assert not ids & guesses
    assert by_name["1"].cluster == by_name["2"].cluster != by_name["3"].cluster
    assert by_name["4"].cluster == "" and ADA.id not in str(by_name)


def test_what_was_captured_stays_until_it_is_erased_though_the_app_captures_no_more(live: Registry) -> None:
    send(live, call(live, 1))
    factory.declare(live, capture=Capture.OFF)
    captured = found(live)
    assert (captured.captures, len(captured.cases)) == (False, 1)


def test_content_needs_a_scope_of_its_own(live: Registry) -> None:
    send(live, call(live, 1))

    def ask(*scopes: Scope, **more: object) -> Captured:
        name = f"t{len(scopes)}{scopes[-1].value}{len(more)}"
        made = create_token(live, TokenRequest(name=name, scopes=scopes, **more), actor=ACTOR, now=NOW)  # type: ignore[arg-type]
        caller = Caller(now=NOW, rights=Rights(made.token))
        return CAPTURED.answer_to(live, CapturedRequest(app="bot", channel="prod"), caller)

    assert len(ask(Scope.READ, Scope.CONTENT).cases) == 1
    assert len(ask(Scope.ADMIN).cases) == 1
    with pytest.raises(NotAllowed):
        ask(Scope.READ, Scope.REPORT)
    with pytest.raises(ChannelNotFound):
        ask(Scope.READ, Scope.CONTENT, channels=("dev",))


def test_what_does_not_exist_is_named(live: Registry) -> None:
    with pytest.raises(AppNotFound):
        found(live, app="nothing")
    with pytest.raises(ChannelNotFound):
        found(live, channel="nothing")
    for last in (0, 1001):
        with pytest.raises(Invalid):
            found(live, last=last)


def test_more_than_a_page_of_calls_is_read_in_order(live: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_calls, "_PAGE", 3)
    monkeypatch.setattr(kept_calls, "_MOST_FOUND", 2)
    for number in range(10):
        send(live, call(live, number), at=number // 4)  # several of one minute, some of them on two pages
    captured = asked(found(live))
    assert len(captured) == 10 and set(captured) == {f"Where is {number}?" for number in range(10)}
    assert [int(str(text)[9]) // 4 for text in captured] == [2, 2, 1, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("about", ["{}", "no JSON", '{"call":{"kept":"x"}}'])
def test_a_row_that_was_changed_is_damage(live: Registry, about: str) -> None:
    send(live, call(live, 1))
    live.write(lambda writer: _change(writer, about))
    with pytest.raises(RegistryDamaged, match="a row about a call"):
        found(live)


def _change(writer: Writer, about: str) -> None:
    writer._connection.execute(tables.kept_call.update().values(about=about))
