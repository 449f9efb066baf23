"""What an application does with a call, and what the registry counts for it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from promptops.client.current_call import CURRENT, Observed
from promptops.core.answers.reading import Finish
from promptops.core.bucketing import bucket
from promptops.core.declarations import Declarations, Tag
from promptops.core.outcomes.call_id import Standing, read_call_id
from promptops.core.outcomes.call_outcome import Count, Measure, Tokens
from promptops.core.outcomes.kept_call import Kept
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.units import Unit
from tests.client import made
from tests.client.calls.conftest import with_secret
from tests.client.calls.said import LINEAGE, MODEL, answer, counts, serve, tokens, total, with_check, with_schema
from tests.client.clients import AnyClient, Maker
from tests.client.fake_server import SECRET, FakeServer


def test_a_call_and_its_answer_are_counted_for_the_release(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer", key="ada") as call:
        assert call.prompt.to_openai(question="Why?")["model"] == "gpt-4o-2024-08-06"
        call.record(answer())
    client.close(60)
    reports = counting.reports()
    assert counts(reports) == {"opened": 1, "calls": 1}
    assert tokens(reports) == {"input_tokens": 10, "cached_tokens": 4, "output_tokens": 2}
    [report] = reports
    assert {series.assignment.counted for series, _ in report.sums} == {"3.17"}
    assert {(series.prompt, series.model) for series, _ in report.sums} == {
        ("answer", ""),
        ("answer", f"openai/{MODEL}"),
    }
    assert {series.assignment.arm for series, _ in report.sums} == {Arm.STABLE}
    assert total(reports).histograms.keys() == {Measure.CACHED_LATENCY}
    assert (report.number, report.lineage) == (1, LINEAGE)


def test_a_client_reports_as_the_process_of_its_heartbeats(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer") as call:
        call.record(answer())
    client.close(60)
    assert {report.client for report in counting.reports()} == {beat["id"] for beat in counting.beats()}


def test_a_call_id_says_what_the_call_was_of(client: AnyClient) -> None:
    with client.call("bot/answer", key="ada") as call:
        made_id = read_call_id(call.id, lineage=LINEAGE)
    assert (made_id.standing(SECRET), made_id.is_of("answer")) == (Standing.SEALED, True)
    assert made_id.assignment.counted == "3.17"
    assert made_id.unit(SECRET) == Unit.of(SECRET, "bot", "ada")
    assert call.id == made_id.text


def test_each_call_without_a_key_is_a_unit_of_its_own(client: AnyClient, counting: FakeServer) -> None:
    units = set()
    for _ in range(3):
        with client.call("bot/answer") as call:
            units.add(read_call_id(call.id, lineage=LINEAGE).unit(SECRET))
            call.record(answer())
    client.close(60)
    assert len(units) == 3
    assert None not in units
    assert counts(counting.reports()) == {"opened": 3, "calls": 3}


def test_a_call_of_a_prompt_has_the_unit_of_the_key_that_it_is_given(client: AnyClient, counting: FakeServer) -> None:
    prompt = client.get_prompt("bot/answer", key="ada")
    with prompt.call(key="ada") as known:
        known.record(answer())
    with prompt.call() as unknown:
        unknown.record(answer())
    client.close(60)
    assert read_call_id(known.id, lineage=LINEAGE).unit(SECRET) == Unit.of(SECRET, "bot", "ada")
    assert read_call_id(unknown.id, lineage=LINEAGE).unit(SECRET) is None
    assert counts(counting.reports()) == {"opened": 2, "calls": 2, "no_unit": 1}


def test_a_canary_has_an_arm_and_buckets_of_its_own(client_of: Maker, counting: FakeServer, at_the_end: None) -> None:
    stable, canary = made.release("bot", "1.0.0"), made.release("bot", "2.0.0")
    pointer = made.pointer(18, stable, canary=canary, weight=5_000)
    serve(counting, pointer)
    client = with_secret(client_of(counting.url))
    for number in range(40):
        with client.call("bot/answer", key=str(number)) as call:
            call.record(answer())
            made_id = read_call_id(call.id, lineage=LINEAGE)
        is_canary = bucket(pointer.salt, str(number)) < 5_000
        assert call.prompt.version == ("2.0.0" if is_canary else "1.0.0")
        assert made_id.assignment.arm is (Arm.CANARY if is_canary else Arm.STABLE)
        unit = made_id.unit(SECRET)
        assert unit and unit.bucket == bucket(pointer.salt, str(number))
    client.close(60)
    arms = {arm: counts(counting.reports(), arm=arm).get("calls", 0) for arm in Arm}
    assert arms[Arm.CANARY] + arms[Arm.STABLE] == 40
    assert min(arms[Arm.CANARY], arms[Arm.STABLE]) > 5
    assert arms[Arm.FIXED] == 0


def test_a_prompt_that_the_canary_lacks_takes_no_part(client_of: Maker, counting: FakeServer, at_the_end: None) -> None:
    stable, canary = made.release("bot", "1.0.0"), made.release("bot", "2.0.0", {"other": "{{question}}"})
    serve(counting, made.pointer(18, stable, canary=canary, weight=5_000))
    client = with_secret(client_of(counting.url))
    with client.call("bot/answer", key="ada") as call:
        assert read_call_id(call.id, lineage=LINEAGE).assignment.arm is Arm.FIXED


def test_a_version_and_a_fallback_take_no_part_in_a_canary(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer", key="ada", version="1.0.0") as by_version:
        by_version.record(answer())
    with client.call("bot/nothing", key="ada", fallback="Hello") as fallback:
        fallback.record(answer())
    client.close(60)
    for call in (by_version, fallback):
        assert read_call_id(call.id, lineage=LINEAGE).assignment.arm is Arm.FIXED
    assert counts(counting.reports(), arm=Arm.FIXED) == {"opened": 2, "calls": 2}


def test_an_error_is_counted_by_its_class_and_reaches_the_application(client: AnyClient, counting: FakeServer) -> None:
    with pytest.raises(TimeoutError, match="secret words"), client.call("bot/answer", key="ada"):
        raise TimeoutError("secret words")
    client.close(60)
    [report] = counting.reports()
    assert dict(total([report]).errors) == {"TimeoutError": 1}
    assert [entry.guardrails for entry in report.bad_units] == [("error",)]
    assert report.bad_units[0].unit == Unit.of(SECRET, "bot", "ada")
    assert total([report]).histograms == {}


@pytest.mark.parametrize("kind", [asyncio.CancelledError, GeneratorExit, KeyboardInterrupt])
def test_a_caller_that_goes_away_is_neither_good_nor_bad(
    client: AnyClient, counting: FakeServer, kind: type[BaseException]
) -> None:
    with pytest.raises(kind), client.call("bot/answer", key="ada"):
        raise kind
    client.close(60)
    [report] = counting.reports()
    assert counts([report]) == {"opened": 1, "calls": 1, "cancelled": 1}
    assert (report.bad_units, dict(total([report]).errors)) == ((), {})


def test_an_answer_that_came_is_not_lost_to_a_caller_that_goes_away(client: AnyClient, counting: FakeServer) -> None:
    with pytest.raises(GeneratorExit), client.call("bot/answer", key="ada") as call:
        call.record(answer())
        raise GeneratorExit
    client.close(60)
    assert counts(counting.reports()) == {"opened": 1, "calls": 1}


def test_an_answer_whose_handling_fails_is_an_error(client: AnyClient, counting: FakeServer) -> None:
    with pytest.raises(ValueError), client.call("bot/answer", key="ada") as call:
        call.record(answer())
        raise ValueError
    client.close(60)
    sums = total(counting.reports())
    assert (dict(sums.errors), tokens(counting.reports())["output_tokens"]) == ({"ValueError": 1}, 2)


def test_a_refusal_a_cut_answer_and_another_model_are_counted(client: AnyClient, counting: FakeServer) -> None:
    for said in (
        answer(refusal="I cannot"),
        answer(finish="content_filter"),
        answer(finish="length"),
        answer(model="gpt-4o-mini-2024-07-18"),
        "no answer of a provider",
    ):
        with client.call("bot/answer", key="ada") as call:
            call.record(said)
    client.close(60)
    found = counts(counting.reports())
    assert found == {"opened": 5, "calls": 5, "bad": 2, "refused": 2, "truncated": 1, "pin_mismatch": 1, "unread": 1}
    assert {entry.guardrails for report in counting.reports() for entry in report.bad_units} == {("refusal",)}
    assert counts(counting.reports(), model="openai/gpt-4o-mini-2024-07-18")["pin_mismatch"] == 1


def test_an_answer_that_does_not_fit_the_schema_is_counted(
    client_of: Maker, counting: FakeServer, at_the_end: None
) -> None:
    serve(counting, made.pointer(18, with_schema("2.0.0")), cursor=2)
    client = with_secret(client_of(counting.url))
    fits, fails = '{"city": "Bonn"}', ['{"city": 1}', "no JSON", '{"city": NaN}']
    not_judged = ['{"city": "' + "x" * 70_000, ""]
    for number, text in enumerate([fits, *fails, not_judged[0]]):
        with client.call("bot/answer", key=str(number)) as call:
            call.record(answer(text))
    with client.call("bot/answer", key="tool") as call:
        tool = answer("", finish="tool_calls")
        function = {"name": "look", "arguments": "{}"}
        tool["choices"][0]["message"]["tool_calls"] = [{"id": "1", "type": "function", "function": function}]
        call.record(tool)
    client.close(60)
    assert counts(counting.reports()) == {"opened": 6, "calls": 6, "bad": 3, "schema_failed": 3}
    bad = [entry for report in counting.reports() for entry in report.bad_units]
    assert {entry.unit for entry in bad} == {Unit.of(SECRET, "bot", str(number)) for number in (1, 2, 3)}
    assert {entry.guardrails for entry in bad} == {("schema",)}


def test_an_answer_that_fails_a_check_of_its_prompt_is_counted(
    client_of: Maker, counting: FakeServer, at_the_end: None
) -> None:
    serve(counting, made.pointer(18, with_check("2.0.0")), cursor=2)
    client = with_secret(client_of(counting.url))
    for number, text in enumerate(["It is so [1].", "It is so."]):
        with client.call("bot/answer", key=str(number)) as call:
            call.record(answer(text))
    client.close(60)
    [report] = counting.reports()
    assert counts([report]) == {"opened": 2, "calls": 2, "check_failed": 1, "bad": 1}
    assert [(entry.unit, entry.guardrails) for entry in report.bad_units] == [(Unit.of(SECRET, "bot", "1"), ("check",))]


def test_declared_tags_cut_the_sums_and_others_are_left_out(
    client_of: Maker, counting: FakeServer, at_the_end: None
) -> None:
    pointer = made.pointer(18, made.release("bot", "1.0.0"))
    declared = Declarations(tags=(Tag(name="language", values=("de", "en")),))
    serve(counting, replace(pointer, declared=declared), cursor=2)
    client = with_secret(client_of(counting.url))
    for tags in ({"language": "de"}, {"language": "de", "user": "ada"}, {"language": "tlh"}, None):
        with client.call("bot/answer", key="ada", tags=tags) as call:
            call.record(answer())
    client.close(60)
    assert counts(counting.reports(), tags=(("language", "de"),))["calls"] == 2
    assert counts(counting.reports(), tags=())["calls"] == 2


def test_bad_calls_are_kept_by_themselves_without_content(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer", key="ada") as refused:
        refused.record(answer(refusal="I cannot"))
    with pytest.raises(TimeoutError), client.call("bot/answer", key="ben") as failed:
        raise TimeoutError("secret words")
    client.close(60)
    [report] = counting.reports()
    kept = {entry.call: entry for entry in report.calls if entry.kept is Kept.BAD}
    assert kept.keys() == {refused.id, failed.id}
    assert (kept[refused.id].flags, kept[refused.id].response) == ((Count.BAD, Count.REFUSED), "chatcmpl-1")
    assert (kept[refused.id].version, kept[refused.id].reason) == ("1.0.0", "stable")
    assert kept[refused.id].model == kept[refused.id].asked == f"openai/{MODEL}"
    assert (kept[failed.id].error, kept[failed.id].flags) == ("TimeoutError", (Count.BAD,))
    assert all(entry.variables is None for entry in report.calls)


def test_several_answers_of_one_call_add_up(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer", key="ada") as call:
        call.record(answer(finish="length"))
        call.record(answer())
    client.close(60)
    assert counts(counting.reports()) == {"opened": 1, "calls": 1}
    assert tokens(counting.reports()) == {"input_tokens": 20, "cached_tokens": 8, "output_tokens": 4}


def test_an_answer_may_be_recorded_after_the_block(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer", key="ada") as call:
        pass
    call.record(answer())
    call.record(answer())  # the call is over
    client.close(60)
    assert counts(counting.reports()) == {"opened": 1, "calls": 1}
    assert tokens(counting.reports())["input_tokens"] == 10


def test_a_call_that_is_never_recorded_stays_open(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer", key="ada"):
        pass
    client.close(60)
    assert counts(counting.reports()) == {"opened": 1}


# --- what is seen by others -----------------------------------------------------------------------


def test_the_call_is_known_below_the_block_and_nowhere_else(client: AnyClient) -> None:
    assert CURRENT.get() is None
    with client.call("bot/answer", key="ada") as outer:
        with client.call("bot/answer", key="ada") as inner:
            assert CURRENT.get() is inner
        assert CURRENT.get() is outer
        assert (outer.is_reported, outer.epoch) == (True, 3)
        elsewhere = list[object]()
        thread = threading.Thread(target=lambda: elsewhere.append(CURRENT.get()))
        thread.start()
        thread.join()
        assert elsewhere == [None]
    assert CURRENT.get() is None


def test_what_a_tracer_saw_counts_where_the_application_records_nothing(
    client: AnyClient, counting: FakeServer
) -> None:
    seen = Observed(tokens=Tokens(input=7, output=3), model=f"openai/{MODEL}", finish=Finish.STOP, latency_ms=5.0)
    with client.call("bot/answer", key="ada") as call:
        call.observe(Observed(error="openai.RateLimitError"))  # asked again
        call.observe(seen)
        call.observe(seen)
    with client.call("bot/answer", key="ada") as call:
        call.observe(seen)
        call.record(answer())  # the application knows better
    with client.call("bot/answer", key="ada") as call:
        call.observe(Observed(error="openai.RateLimitError"))
    with client.call("bot/answer", key="ada") as call:
        pass
    call.observe(seen)  # a span that ends after the block
    client.close(60)
    reports = counting.reports()
    assert counts(reports) == {"opened": 4, "calls": 4, "bad": 1}
    assert tokens(reports) == {"input_tokens": 14 + 10 + 7, "cached_tokens": 4, "output_tokens": 6 + 2 + 3}
    assert dict(total(reports).errors) == {"openai.RateLimitError": 1}


# --- what calls led to ----------------------------------------------------------------------------


def test_what_a_call_led_to_is_reported_from_any_process(client: AnyClient, counting: FakeServer) -> None:
    with client.call("bot/answer", key="ada") as call:
        call.record(answer())
    client.outcome(call.id, "ticket_resolved")
    client.score(call.id, "helpful", 1.0)
    client.close(60)
    [report] = counting.reports()
    assert [(entry.call, entry.name, entry.score) for entry in report.feedback] == [
        (call.id, "ticket_resolved", None),
        (call.id, "helpful", 1.0),
    ]


def test_nothing_that_is_no_feedback_raises(client: AnyClient, counting: FakeServer) -> None:
    wrong: Any = client
    wrong.outcome("", "ticket_resolved")
    wrong.outcome(None, "ticket_resolved")
    wrong.outcome("pc1:x", "a name with spaces")
    wrong.score("pc1:x", "helpful", float("nan"))
    wrong.score("pc1:x", "helpful", "good")
    client.close(60)
    assert counting.reports() == []


def test_nothing_that_the_counting_meets_reaches_the_application(client: AnyClient) -> None:
    class Hostile:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    wrong: Any = client
    for tags in ({"language": object()}, {1: 2}, ["language"], {"language": ["de"]}, "language"):
        with wrong.call("bot/answer", key="ada", tags=tags) as call:
            call.record(Hostile())
    with wrong.call("bot/answer", key=42) as call:
        call.record(None)
    assert read_call_id(call.id, lineage=LINEAGE).unit(SECRET) == Unit.of(SECRET, "bot", "42")
