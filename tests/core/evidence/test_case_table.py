"""A case table: what fits together, and that its bytes give it back."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import MAX_REPEATS, Arm, Case, CaseTable, Row, RowOutcome
from promptops.core.evidence.table_bytes import MAX_BYTES, SCHEMA, decode_answers, decode_table, encode_table
from promptops.core.evidence.table_columns import AnswerTable
from tests.support.evidence import case, row

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
numbers = st.none() | st.floats(0, 2.0**53 - 1) | st.integers(0, 10**6).map(float)
whole = st.none() | st.integers(0, 2**53 - 1)


@st.composite
def tables(draw: st.DrawFn) -> CaseTable:
    cases = draw(
        st.lists(
            st.builds(
                Case,
                suite=names, prompt=names, id=names, key=names, digest=names, cluster=st.just("") | names,
                tags=st.lists(names, max_size=3).map(tuple), judged=st.booleans(), unchanged=st.booleans(),
            ),
            max_size=6,
            unique_by=lambda each: (each.suite, each.prompt, each.id),
        )
    )  # fmt: skip
    places = st.tuples(
        st.integers(0, max(len(cases) - 1, 0)), st.sampled_from(Arm), st.integers(1, 3) | st.just(MAX_REPEATS)
    )
    rows = [draw(_rows(*place)) for place in draw(st.lists(places, max_size=20, unique=True))] if cases else []
    return CaseTable(cases=tuple(cases), rows=tuple(rows))


def _rows(place: int, arm: Arm, repeat: int) -> st.SearchStrategy[Row]:
    def built(outcome: RowOutcome, score: float, **fields: Any) -> Row:
        scored = None if outcome is RowOutcome.ERROR else score
        return Row(case=place, arm=arm, repeat=repeat, outcome=outcome, score=scored, **fields)

    return st.builds(
        built,
        outcome=st.sampled_from(RowOutcome), score=st.floats(0, 1), latency_ms=numbers, cost_usd=numbers,
        input_tokens=whole, output_tokens=whole, error=st.just("") | names, first_attempt_failed=st.booleans(),
        reused=st.booleans(), served_model=st.just("") | names,
    )  # fmt: skip


@given(tables())
def test_the_bytes_of_a_table_give_it_back(table: CaseTable) -> None:
    assert decode_table(encode_table(table)) == table
    assert decode_table(encode_table(table, with_cases=False), table.cases) == table


@given(tables())
def test_a_gate_reads_the_same_rows(table: CaseTable) -> None:
    read = decode_answers(encode_table(table))
    assert read.cases == table.cases
    worth = {one.place: (one.outcome, one.score, one.first_attempt_failed) for one in table.rows}
    took = {one.place: (one.outcome, one.latency_ms, one.cost_usd, one.reused) for one in table.rows}
    assert _placed(read.answers) == worth
    assert _placed(read.calls) == took


def _placed(read: Mapping[Arm, Mapping[int, Sequence[object]]]) -> dict[tuple[int, Arm, int], object]:
    assert all(each[-1] is not None for of_arm in read.values() for each in of_arm.values())
    return {
        (place, arm, repeat): one
        for arm, of_arm in read.items()
        for place, each in of_arm.items()
        for repeat, one in enumerate(each, 1)
        if one is not None
    }


@given(st.data())
def test_a_column_that_fits_holds_what_each_row_takes(data: st.DataObject) -> None:
    """A table is read by columns, and a row checks itself: neither takes what the other refuses."""
    number = st.one_of(st.none(), st.integers(-2, 3), st.sampled_from([0.5, 1.5, 2**53 - 1, 2**53]))
    text = st.sampled_from(["", "x", "x" * 500, "x" * 501])
    columns = {
        "case": [0, 1],
        "arm": {"of": ["candidate"]},
        "repeat": data.draw(st.lists(st.sampled_from([0, 1, MAX_REPEATS, MAX_REPEATS + 1]), min_size=2, max_size=2)),
        "outcome": data.draw(st.lists(st.sampled_from([each.value for each in RowOutcome]), min_size=2, max_size=2)),
    }
    for name in data.draw(st.sets(st.sampled_from(["score", "latency_ms", "cost_usd", "error", "served_model"]))):
        value = text if name in ("error", "served_model") else number
        columns[name] = data.draw(st.lists(value, min_size=2, max_size=2))
    lines = [{name: values[at] for name, values in columns.items() if isinstance(values, list)} for at in range(2)]

    def made() -> tuple[Row, ...]:
        return tuple(Row(**{**line, "arm": Arm.CANDIDATE, "outcome": RowOutcome(line["outcome"])}) for line in lines)

    packed = zlib.compress(json.dumps({"schema": SCHEMA, "cases": _CASES, "rows": columns}).encode())
    try:
        expected = made()
    except Invalid as error:
        problem = re.escape(error.message[-20:])
        with pytest.raises(Invalid, match=f"{problem}|cannot be there"):
            decode_answers(packed)
    else:
        assert decode_table(packed).rows == expected


@given(tables(), st.randoms())
def test_the_order_in_which_rows_come_does_not_count(table: CaseTable, random: Any) -> None:
    rows = list(table.rows)
    random.shuffle(rows)
    assert table.with_rows(rows) == table
    assert encode_table(table.with_rows(rows)) == encode_table(table)


@given(tables(), st.data())
def test_damaged_bytes_are_refused_or_give_another_table(table: CaseTable, data: st.DataObject) -> None:
    whole = encode_table(table)
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                whole[:place],
                whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :],
                whole + b"\0",
            ]
        )
    )
    # The checksum of the compression finds every small change but one in its own header.
    try:
        assert decode_table(damaged) == table
    except Invalid:
        pass
    else:
        assert place < 2


def _packed(**document: Any) -> bytes:
    return zlib.compress(json.dumps({"schema": SCHEMA, **document}).encode())


_CASES = {
    "suite": {"of": ["s"]},
    "prompt": {"of": ["p"]},
    "id": ["a", "b"],
    "key": ["a", "b"],
    "digest": ["c", "d"],
}
_ROWS = {"case": [0, 1], "arm": {"of": ["candidate"]}, "repeat": {"of": [1]}, "outcome": {"of": ["passed"]},
         "score": {"of": [1]}}  # fmt: skip


def test_what_is_written_by_hand_is_read() -> None:
    table = decode_table(_packed(cases=_CASES, rows=_ROWS))
    assert [each.id for each in table.cases] == ["a", "b"]
    assert [(each.case, each.score) for each in table.rows] == [(0, 1.0), (1, 1.0)]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "ends too early"),
        (b"{}", "cannot be decompressed"),
        (zlib.compress(b"{}"), "not a case table"),
        (zlib.compress(b"[]"), "no object"),
        (zlib.compress(b'{"a":1,"a":2}'), "twice"),
        (zlib.compress(b'{"a":NaN}'), "NaN"),
        (zlib.compress(b"[" * 100_000), "nested deeper"),
        (zlib.compress(b'{"a":' + b"9" * 10_000 + b"}"), "damaged"),
        (zlib.compress(bytes(MAX_BYTES + 1)), "over the limit"),
        (zlib.compress(b"[" + b"0," * 10_000_000 + b"0]"), "more than"),
        (_packed(cases=_CASES, rows=_ROWS)[:-1], "ends too early"),
        (_packed(cases=_CASES, rows=_ROWS) + b"more", "more follows"),
        (_packed(rows=_ROWS), "neither"),
        (_packed(cases=_CASES, rows=_ROWS, more={}), "not a case table"),
        (_packed(cases=_CASES, rows={**_ROWS, "text": ["a", "b"]}), "not known"),
        (_packed(cases=_CASES, rows={"case": [0, 1]}), "no column arm"),
        (_packed(cases=_CASES, rows={**_ROWS, "error": ["", "x", "y"]}), "not as long"),
        (_packed(cases=_CASES, rows={**_ROWS, "case": [0, 0]}), "row of case 0, candidate, repeat 1 is there twice"),
        (_packed(cases=_CASES, rows={**_ROWS, "case": [0, 2]}), "there are 2 cases"),
        (_packed(cases=_CASES, rows={**_ROWS, "case": [0, -1]}), "there are no such"),
        (_packed(cases=_CASES, rows={**_ROWS, "case": [0, True]}), "cannot be there"),
        (_packed(cases=_CASES, rows={**_ROWS, "outcome": {"of": ["fine"]}}), "cannot be there"),
        (_packed(cases=_CASES, rows={**_ROWS, "arm": {"of": ["live"], "at": [0, 1]}}), "damaged"),
        (_packed(cases=_CASES, rows={**_ROWS, "arm": {"of": []}}), "damaged|not as long"),
        (_packed(cases=_CASES, rows={**_ROWS, "score": {"of": [1.5]}}), "not a score"),
        (_packed(cases=_CASES, rows={**_ROWS, "score": {"of": ["1"]}}), "cannot be there"),
        (_packed(cases=_CASES, rows={**_ROWS, "latency_ms": [1, -1]}), "not a number"),
        (_packed(cases=_CASES, rows={**_ROWS, "latency_ms": [1, 10**400]}), "cannot be there"),
        (_packed(cases={**_CASES, "id": ["a", "a"]}, rows=_ROWS), "twice"),
        (_packed(cases={**_CASES, "id": ["a", ""]}, rows=_ROWS), "names of 1 to"),
        (_packed(cases={**_CASES, "id": ["a", "\0"]}, rows=_ROWS), "NUL"),
        (_packed(cases={**_CASES, "id": ["a", "\ud800"]}, rows=_ROWS), "surrogate"),
        (_packed(cases={**_CASES, "tags": ["a", "b"]}, rows=_ROWS), "cannot be there"),
    ],
)
@pytest.mark.parametrize("decode", [decode_table, decode_answers])
def test_hostile_tables_are_refused_by_name(
    decode: Callable[[bytes], CaseTable | AnswerTable], data: bytes, problem: str
) -> None:
    with pytest.raises(Invalid, match=problem):
        decode(data)


def test_a_gate_reads_rows_in_any_order() -> None:
    backwards = {**_ROWS, "case": [1, 0], "outcome": ["failed", "passed"], "score": [0, 1]}
    read = decode_answers(_packed(cases=_CASES, rows=backwards))
    worth = {case: each[0] for case, each in read.answers[Arm.CANDIDATE].items()}
    assert worth == {0: (RowOutcome.PASSED, 1.0, False), 1: (RowOutcome.FAILED, 0.0, False)}
    assert read.answers[Arm.LIVE] == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"score": math.nan},
        {"score": 1.01},
        {"score": None},
        {"outcome": RowOutcome.ERROR},
        {"latency_ms": math.inf},
        {"latency_ms": math.nan},
        {"cost_usd": -0.1},
        {"input_tokens": 2**53},
        {"repeat": 0},
        {"repeat": MAX_REPEATS + 1},
        {"case": -1},
        {"error": "x" * 501},
    ],
)
def test_a_row_has_numbers_that_can_be(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        row(**{"place": 0, **fields} if "case" not in fields else {"place": fields["case"]})


def test_two_cases_may_have_one_id_in_two_suites_or_prompts() -> None:
    CaseTable(cases=(case(1), case(1, suite="other"), case(1, prompt="other")))
    with pytest.raises(Invalid, match="there twice"):
        CaseTable(cases=(case(1), case(1, key="another")))


@pytest.mark.parametrize("id", ["a\0", "a\ud800"])
def test_a_table_with_text_that_no_database_keeps_is_not_written(id: str) -> None:
    with pytest.raises(Invalid, match="character"):
        encode_table(CaseTable(cases=(case(1, id=id),)))


def test_a_table_of_ten_thousand_cases_is_small() -> None:
    cases = tuple(map(case, range(10_000)))
    rows = tuple(
        row(place, which, passed=place % 17 > 0) for place in range(10_000) for which in (Arm.CANDIDATE, Arm.LIVE)
    )
    table = CaseTable(cases=cases, rows=rows)
    assert len(encode_table(table, with_cases=False)) < 200_000
    assert len(encode_table(table)) < 1_200_000
