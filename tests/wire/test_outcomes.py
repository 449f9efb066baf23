"""Reports of outcomes on their way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from promptops.core.digest import canonical
from promptops.core.errors import Invalid
from promptops.core.outcomes.report import OutcomeReport
from promptops.core.outcomes.sums import Sums
from promptops.wire.outcomes import MAX_BYTES, MAX_VALUES, decode, encode, report_from_json, report_to_json
from tests.core.outcomes.nouns import ANSWER, LINEAGE, REPORTS
from tests.core.outcomes.test_report import WHOLE
from tests.wire.test_schemas import changed


@given(REPORTS)
def test_a_report_comes_back_as_it_was(report: OutcomeReport) -> None:
    data = encode(report)
    assert decode(data, "prod") == report
    assert encode(decode(data, "prod")) == data
    assert canonical(json.loads(data)) == data


def test_the_channel_is_in_the_address_only() -> None:
    document = report_to_json(WHOLE)
    assert "prod" not in json.dumps(document)
    assert report_from_json(document, "staging").channel == "staging"


def test_what_is_empty_is_left_out() -> None:
    bare = OutcomeReport(client="0" * 32, number=1, channel="prod", lineage="one", sums={(ANSWER, 5): Sums()})
    assert json.loads(encode(bare)) == {
        "schema": "promptops.outcomes/1",
        "client": "0" * 32,
        "number": 1,
        "lineage": "one",
        "sums": [
            {
                "app": "support-bot",
                "prompt": "answer",
                "revision": "3.17",
                "arm": "stable",
                "model": "openai/gpt-4o-2024-08-06",
                "tier": 0,
                "minute": 5,
            }
        ],
    }


def test_a_newer_client_adds_extensions_to_a_report_and_a_row() -> None:
    document: Any = report_to_json(WHOLE)
    grown = {**document, "extensions": {"of": ["the", {"future": 1}]}}
    grown["sums"] = [{**row, "extensions": {"counts": {"thought_about": 3}}} for row in document["sums"]]
    assert report_from_json(grown, "prod") == WHOLE


def test_units_that_have_all_in_common_are_together() -> None:
    document: Any = report_to_json(WHOLE)
    both = {**document["bad_units"][0], "units": [["9f86d081884c7d65", 4711, 7], ["00000000000000aa", None, 8]]}
    other = {**both, "guardrails": ["error"], "units": [["9f86d081884c7d65", 4711, 7]]}
    report = report_from_json({**document, "bad_units": [other, both]}, "prod")
    assert len(report.bad_units) == 3
    written: Any = report_to_json(report)
    assert written["bad_units"] == [other, both]


@pytest.mark.parametrize(
    ("path", "new", "says"),
    [
        (("schema",), "promptops.outcomes/2", "its schema is not 'promptops.outcomes/1'"),
        (("client",), ..., r"\$ has no 'client'"),
        (("client",), "web-1", r"\$: a client's id is 32"),
        (("number",), True, r"\$\.number is not a whole number"),
        (("number",), 1.0, r"\$\.number is not a whole number"),
        (("sdk",), None, r"\$\.sdk is not text"),
        (("extensions",), [], r"\$\.extensions is not an object"),
        (("sums",), {}, r"\$\.sums is not a list"),
        (("sums", 0), [], r"\$\.sums\[0\] is not an object"),
        (("sums", 0, "kind"), "x", r"\$\.sums\[0\] has the unknown key 'kind'"),
        (("sums", 0, "app"), "Support", r"\$\.sums\[0\]: 'Support' is not an app's name"),
        (("sums", 0, "revision"), "17", r"\$\.sums\[0\]\.revision is not a revision after its epoch"),
        (("sums", 0, "revision"), "3.017", r"\$\.sums\[0\]\.revision is not"),
        (("sums", 0, "revision"), "3.9999999999", r"\$\.sums\[0\]: 3\.9999999999 is not a revision"),
        (("sums", 0, "revision"), "3.١", r"\$\.sums\[0\]\.revision is not"),
        (("sums", 0, "revision"), 17, r"\$\.sums\[0\]\.revision is not text"),
        (("sums", 0, "arm"), "left", r"\$\.sums\[0\]\.arm is not one of stable, canary, fixed"),
        (("sums", 0, "tier"), None, r"\$\.sums\[0\]\.tier is not a whole number"),
        (("sums", 0, "tags"), {"language": 1}, r"\$\.sums\[0\]\.tags\.language is not text"),
        (("sums", 0, "minute"), -1, r"\$: -1 is not a number of minutes"),
        (("sums", 0, "minute"), ..., r"\$\.sums\[0\] has no 'minute'"),
        (("sums", 0, "counts"), {"calls": "1"}, r"\$\.sums\[0\]\.counts\.calls is not a whole number"),
        (("sums", 0, "counts"), {"thoughts": 1}, r"\$\.sums\[0\]\.counts has the unknown key 'thoughts'"),
        (("sums", 0, "counts"), {"calls": 0}, r"\$\.sums\[0\]: counts: a count is from 1"),
        (("sums", 0, "counts"), {"calls": 2**53}, r"\$\.sums\[0\]: counts: a count is from 1"),
        (("sums", 0, "errors"), {"": 1}, r"\$\.sums\[0\]: the class of an error is empty"),
        (("sums", 0, "scores"), {"x": 1}, r"\$\.sums\[0\]\.scores\.x is not an object"),
        (("sums", 0, "scores"), {"x": {"count": 1}}, r"\$\.sums\[0\]\.scores\.x has no 'millionths'"),
        (
            ("sums", 0, "scores"),
            {"x": {"count": 1, "millionths": 2 * 10**6, "below": 0}},
            r"\$\.sums\[0\]\.scores\.x: .* no score is over 1",
        ),
        (("sums", 0, "histograms"), {"latency_ms": 1}, r"\$\.sums\[0\]\.histograms\.latency_ms is not a list"),
        (("sums", 0, "histograms"), {"latency_ms": [1]}, r"\$\.sums\[0\]\.histograms\.latency_ms: a histogram is"),
        (("sums", 0, "histograms"), {"latency_ms": []}, r"\$\.sums\[0\]: an empty histogram is left out"),
        (("sums", 0, "histograms"), {"mood": [1, 1]}, r"\$\.sums\[0\]\.histograms has the unknown key 'mood'"),
        (("bad_units", 0, "guardrails"), "error", r"\$\.bad_units\[0\]\.guardrails is not a list"),
        (("bad_units", 0, "guardrails"), [1], r"\$\.bad_units\[0\]\.guardrails\[0\] is not text"),
        (("bad_units", 0, "guardrails"), [], r"\$\.bad_units\[0\]\.units\[0\]: a bad unit is bad"),
        (("bad_units", 0, "units", 0), ["9f86d081884c7d65"], r"\$\.bad_units\[0\]\.units\[0\]: a unit is a list"),
        (("bad_units", 0, "units", 0, 0), "ada@example.com", r"\$\.bad_units\[0\]\.units\[0\]: .* is not a unit"),
        (("bad_units", 0, "units", 0, 1), True, r"\$\.bad_units\[0\]\.units\[0\]: a unit's id is text"),
        (("bad_units", 0, "units", 0, 1), 10_000, r"\$\.bad_units\[0\]\.units\[0\]: 10000 is not a bucket"),
        (("sampled_units", 0, "bad"), ["dear"], r"\$\.sampled_units\[0\]\.units\[0\]: a sampled unit is bad only"),
        (("sampled_units", 0, "arm"), ..., r"\$\.sampled_units\[0\] has no 'arm'"),
        (("feedback", 0, "score"), "1", r"\$\.feedback\[0\]\.score is not a number"),
        (("feedback", 0, "score"), True, r"\$\.feedback\[0\]\.score is not a number"),
        (("feedback", 0, "score"), None, r"\$\.feedback\[0\]\.score is not a number"),
        (("feedback", 0, "score"), 2, r"\$\.feedback\[0\]: 2 is not a score"),
        (("feedback", 0, "name"), ..., r"\$\.feedback\[0\] has no 'name'"),
        (("dropped",), {"thoughts": 1}, r"\$\.dropped has the unknown key 'thoughts'"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(path: tuple[str | int, ...], new: object, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        report_from_json(_changed(report_to_json(WHOLE), path, new), "prod")


def _changed(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    last = path[-1]
    inside = value
    for step in path[:-1]:
        inside = inside[step]
    if isinstance(last, str) and last not in inside:
        return changed(value, path[:-1], {**inside, last: new}) if len(path) > 1 else {**value, last: new}
    return changed(value, path, new)


def test_a_row_that_is_there_twice_is_refused() -> None:
    document: Any = report_to_json(WHOLE)
    with pytest.raises(Invalid, match=r"\$\.sums\[1\] is of the same series and minute"):
        report_from_json({**document, "sums": document["sums"] * 2}, "prod")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not a report"),
        (b'{"schema": "promptops.outcomes/1", "schema": "promptops.outcomes/1"}', "a key is there twice"),
        (b'{"schema": NaN}', "NaN is not JSON"),
        (b'{"number": 1' + b"0" * 5_000 + b"}", "not JSON"),
        (b"[" * 65, "nested deeper"),
        (b"[" + b"1," * MAX_VALUES + b"1]", "more than 250,000 values"),
        (b" " * (MAX_BYTES + 1), "over the limit of 2,097,152"),
    ],
)
def test_bytes_that_are_no_report_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        decode(data, "prod")


def test_a_long_name_is_cut_in_a_message() -> None:
    document: Any = report_to_json(WHOLE)
    for key in ("x" * 10_000, "\x1b[2J" * 1_000):
        for place in ("counts", "errors", "tags"):
            odd = {**document["sums"][0], place: {key: "y"}}
            with pytest.raises(Invalid) as refused:
                report_from_json({**document, "sums": [odd]}, "prod")
            assert len(refused.value.message) < 300


def test_a_report_over_the_limit_of_size_is_not_written() -> None:
    import promptops.core.outcomes.report as nouns
    from promptops.core.outcomes.report import Feedback

    lines = tuple(Feedback(call=f"{number}" + "\U0001f600" * 250, name="x") for number in range(nouns.MAX_FEEDBACK))
    whole = OutcomeReport(client="0" * 32, number=1, channel="prod", lineage=LINEAGE, feedback=lines)
    with pytest.raises(Invalid, match="over the limit"):
        encode(whole)
