"""What clients report of their calls  <->  JSON: ``promptops.outcomes/1``.

::

    {"schema": "promptops.outcomes/1", "client": "<32 hex digits>", "number": 17, "lineage": "0b0e11aa-…",
     "sdk": "promptops/0.5.0 python/3.12.1",
     "sums": [{"app": "support-bot", "prompt": "answer", "revision": "3.17", "arm": "stable",
               "model": "openai/gpt-4o-2024-08-06", "tier": 0, "tags": {"language": "de"}, "minute": 29403712,
               "counts": {"opened": 41, "calls": 40, "input_tokens": 48000, "output_tokens": 9000},
               "errors": {"openai.APITimeoutError": 1}, "histograms": {"latency_ms": [577, 2, 3, 37]}}],
     "bad_units": [{"app": "support-bot", "revision": "3.17", "arm": "stable", "guardrails": ["error"],
                    "units": [["9f86d081884c7d65", 4711, 29403712]]}],
     "sampled_units": [{"app": "support-bot", "revision": "3.17", "arm": "stable", "could": ["error", "refusal"],
                        "bad": ["error"], "units": [["9f86d081884c7d65", 4711, 29403712]]}],
     "feedback": [{"call": "pc1:0b0e11aa:…", "name": "helpful", "score": 1}],
     "calls": [{"call": "pc1:0b0e11aa:…", "prompt": "answer", "at": 1764222720, "kept": "bad", "version": "1.4.0",
                "model": "openai/gpt-4o-2024-08-06", "flags": ["bad", "refused"], "latency_ms": 812}],
     "dropped": {"calls": 3}}

The channel is in the address that a report is sent to. A revision follows its epoch. A unit has its id, its bucket
(null without one) and the minute. Parts that are empty or not known are left out. What a later version adds comes
inside ``extensions``, of the report or of a row of sums. docs/formats.md explains each key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final, NoReturn, TypeAlias, TypeVar

from promptops.core.digest import canonical
from promptops.core.errors import Invalid
from promptops.core.json_codec import from_json, to_json
from promptops.core.json_size import require_few
from promptops.core.model import Json
from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.kept_call import KeptCall
from promptops.core.outcomes.report import BadUnit, Dropped, Feedback, OutcomeReport, SampledUnit
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.sums import Score, Sums
from promptops.core.outcomes.units import Unit
from promptops.wire.fields import (
    known_names,
    list_at,
    located,
    mapping_of,
    number_at,
    numbers_at,
    object_at,
    require_keys,
    text_at,
    texts_at,
)

OUTCOMES: Final = "promptops.outcomes/1"
MAX_BYTES: Final = 2 << 20
"""Bytes of a report before compression: more than a client has room to collect, some hundred times a usual one."""
MAX_VALUES: Final = 250_000
"""JSON values and names in a report."""

T = TypeVar("T")
Entry = TypeVar("Entry", BadUnit, SampledUnit)


def encode(report: OutcomeReport) -> bytes:
    """Returns the canonical bytes of a report.

    Raises:
        Invalid: it is over the limit of size.
    """
    return canonical(report_to_json(report), limit=MAX_BYTES)


def decode(data: bytes, channel: str) -> OutcomeReport:
    """Read the bytes of a report that came for this channel.

    Raises:
        Invalid: it is not JSON, not a report, over a limit, or a part is malformed; the message has its path.
    """
    if len(data) > MAX_BYTES:
        raise Invalid(f"the report is {len(data):,} bytes, over the limit of {MAX_BYTES:,}")
    require_few(data, MAX_VALUES)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the report is not JSON: {error}") from error
    return report_from_json(value, channel)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# --- writing ---------------------------------------------------------------------------------------


def report_to_json(report: OutcomeReport) -> dict[str, Json]:
    """Returns the JSON of a report; its channel is in the address that it is sent to."""
    rows = sorted(report.sums.items(), key=lambda row: (row[0][0].order(), row[0][1]))
    parts: dict[str, Json] = {
        "sdk": report.sdk,
        "sums": [_row_to_json(series, minute, sums) for (series, minute), sums in rows],
        "bad_units": list(_groups(report.bad_units, lambda entry: {"guardrails": list(entry.guardrails)})),
        "sampled_units": list(
            _groups(report.sampled_units, lambda entry: {"could": list(entry.could), "bad": list(entry.bad)})
        ),
        "feedback": [_feedback_to_json(entry) for entry in report.feedback],
        "calls": [to_json(entry) for entry in report.calls],
        "dropped": {name.value: count for name, count in report.dropped.items()},
    }
    head: dict[str, Json] = {
        "schema": OUTCOMES,
        "client": report.client,
        "number": report.number,
        "lineage": report.lineage,
    }
    return head | {name: part for name, part in parts.items() if part}


def _assignment_to_json(assignment: Assignment) -> dict[str, Json]:
    return {"app": assignment.app, "revision": assignment.counted, "arm": assignment.arm.value}


def _row_to_json(series: Series, minute: int, sums: Sums) -> dict[str, Json]:
    parts: dict[str, Json] = {
        "model": series.model,
        "tags": dict(series.tags),
        "counts": {name.value: count for name, count in sums.counts.items()},
        "errors": dict(sums.errors),
        "outcomes": dict(sums.outcomes),
        "scores": {name: _score_to_json(score) for name, score in sums.scores.items()},
        "histograms": {name.value: histogram.pairs() for name, histogram in sums.histograms.items()},
    }
    tier: dict[str, Json] = {} if series.tier is None else {"tier": series.tier}
    head = {**_assignment_to_json(series.assignment), "prompt": series.prompt, "minute": minute, **tier}
    return head | {name: part for name, part in parts.items() if part}


def _score_to_json(score: Score) -> Json:
    return {"count": score.count, "millionths": score.millionths, "below": score.below}


def _feedback_to_json(entry: Feedback) -> Json:
    score: dict[str, Json] = {} if entry.score is None else {"score": entry.score}
    return {"call": entry.call, "name": entry.name, **score}


def _groups(entries: Iterable[Entry], guardrails: Callable[[Entry], dict[str, Json]]) -> Iterator[Json]:
    """Units in the order of a report, those together that have all but the unit and the minute in common."""
    for _, group in groupby(entries, key=lambda entry: entry.order()[:3]):
        units = list(group)
        yield {
            **_assignment_to_json(units[0].assignment),
            **guardrails(units[0]),
            "units": [[entry.unit.id, entry.unit.bucket, entry.minute] for entry in units],
        }


# --- reading ---------------------------------------------------------------------------------------

_REPORT = frozenset(
    {"schema", "client", "number", "lineage", "sdk", "sums", "bad_units", "sampled_units", "feedback", "calls"}
    | {"dropped"}
)
_ASSIGNMENT = frozenset({"app", "revision", "arm"})
_ROW = (
    _ASSIGNMENT
    | {"prompt", "model", "tier", "tags", "minute"}
    | {"counts", "errors", "outcomes", "scores", "histograms"}
)
_SCORE = frozenset({"count", "millionths", "below"})
_BAD = _ASSIGNMENT | {"guardrails", "units"}
_SAMPLED = _ASSIGNMENT | {"could", "bad", "units"}
_FEEDBACK = frozenset({"call", "name", "score"})

_COUNTS: Final = {name.value: name for name in Count}
_MEASURES: Final = {name.value: name for name in Measure}
_DROPPED: Final = {name.value: name for name in Dropped}
_ARMS: Final = {arm.value: arm for arm in Arm}


def report_from_json(document: Json, channel: str) -> OutcomeReport:
    """Read a report that came for this channel.

    Raises:
        Invalid: it is not a report, a part is malformed, or it has a key that this version does not know.
    """
    if not isinstance(document, Mapping) or document.get("schema") != OUTCOMES:
        raise Invalid(f"not a report of outcomes: its schema is not {OUTCOMES!r}")
    require_keys(document, _REPORT, "$", extensible=True)
    rows: dict[tuple[Series, int], Sums] = {}
    for place, item in enumerate(list_at(document, "sums", "$")):
        path = f"$.sums[{place}]"
        key, sums = located(path, _row, item, channel, path)
        if key in rows:
            raise Invalid(f"{path} is of the same series and minute as a row before it")
        rows[key] = sums
    return located(
        "$",
        lambda: OutcomeReport(
            client=text_at(document, "client", "$"),
            number=number_at(document, "number", "$"),
            channel=channel,
            lineage=text_at(document, "lineage", "$"),
            sdk=text_at(document, "sdk", "$", ""),
            sums=rows,
            bad_units=tuple(_units(document, "bad_units", channel, _BAD, _bad_unit)),
            sampled_units=tuple(_units(document, "sampled_units", channel, _SAMPLED, _sampled_unit)),
            feedback=tuple(_feedback(document)),
            calls=tuple(_calls(document)),
            dropped=known_names(_DROPPED, numbers_at(document, "dropped", "$"), "$.dropped"),
        ),
    )


def _row(item: Json, channel: str, path: str) -> tuple[tuple[Series, int], Sums]:
    row = mapping_of(item, _ROW, path, extensible=True)
    tags, drawn, scores = (object_at(row, part, path) for part in ("tags", "histograms", "scores"))
    series = Series(
        assignment=_assignment(row, channel, path),
        prompt=text_at(row, "prompt", path),
        model=text_at(row, "model", path, ""),
        tier=number_at(row, "tier", path) if "tier" in row else None,
        tags=tuple((name, text_at(tags, name, f"{path}.tags")) for name in sorted(tags)),
    )
    histograms = {
        name: located(f"{path}.histograms.{name}", Histogram.from_pairs, list_at(drawn, name, f"{path}.histograms"))
        for name in known_names(_MEASURES, drawn, f"{path}.histograms")
    }
    sums = Sums(
        counts=known_names(_COUNTS, numbers_at(row, "counts", path), f"{path}.counts"),
        errors=numbers_at(row, "errors", path),
        outcomes=numbers_at(row, "outcomes", path),
        scores={name: _score(scores[name], f"{path}.scores.{name}") for name in scores},
        histograms=histograms,
    )
    return (series, number_at(row, "minute", path)), sums


def _assignment(row: Mapping[str, Json], channel: str, path: str) -> Assignment:
    epoch, dot, revision = text_at(row, "revision", path).partition(".")
    arm = _ARMS.get(text_at(row, "arm", path))
    if arm is None:
        raise Invalid(f"{path}.arm is not one of {', '.join(_ARMS)}")
    if not dot or not _is_decimal(epoch) or not _is_decimal(revision):
        raise Invalid(f"{path}.revision is not a revision after its epoch, such as 3.17")
    return Assignment(app=text_at(row, "app", path), channel=channel, epoch=int(epoch), revision=int(revision), arm=arm)


def _is_decimal(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and (text == "0" or text[0] != "0")


def _score(value: Json, path: str) -> Score:
    score = mapping_of(value, _SCORE, path)
    count, millionths, below = (number_at(score, key, path) for key in ("count", "millionths", "below"))
    return located(path, lambda: Score(count=count, millionths=millionths, below=below))


_Grouped: TypeAlias = Callable[[Assignment, Mapping[str, Json], str], Callable[[Unit, int], T]]
"""Of an assignment, a group and its path: what makes an entry of a unit and a minute."""


def _units(
    document: Mapping[str, Json], part: str, channel: str, keys: frozenset[str], make: _Grouped[T]
) -> Iterator[T]:
    """The units of one part."""
    for place, item in enumerate(list_at(document, part, "$")):
        path = f"$.{part}[{place}]"
        group = mapping_of(item, keys, path)
        assignment = located(path, _assignment, group, channel, path)
        make_here = make(assignment, group, path)
        for number, unit in enumerate(list_at(group, "units", path)):
            yield located(f"{path}.units[{number}]", _unit, unit, make_here)


def _unit(value: Json, make: Callable[[Unit, int], T]) -> T:
    if not isinstance(value, list) or len(value) != 3:
        raise Invalid("a unit is a list of its id, its bucket and a minute")
    name, number, minute = value
    if not isinstance(name, str) or type(minute) is not int or (number is not None and type(number) is not int):
        raise Invalid("a unit's id is text, its bucket a whole number or null, and its minute a whole number")
    return make(Unit(id=name, bucket=number), minute)


def _bad_unit(assignment: Assignment, group: Mapping[str, Json], path: str) -> Callable[[Unit, int], BadUnit]:
    names = texts_at(group, "guardrails", path)
    return lambda unit, minute: BadUnit(assignment=assignment, unit=unit, minute=minute, guardrails=names)


def _sampled_unit(assignment: Assignment, group: Mapping[str, Json], path: str) -> Callable[[Unit, int], SampledUnit]:
    could, bad = texts_at(group, "could", path), texts_at(group, "bad", path)
    return lambda unit, minute: SampledUnit(assignment=assignment, unit=unit, minute=minute, could=could, bad=bad)


def _feedback(document: Mapping[str, Json]) -> Iterator[Feedback]:
    for place, item in enumerate(list_at(document, "feedback", "$")):
        path = f"$.feedback[{place}]"
        entry = mapping_of(item, _FEEDBACK, path)
        score = entry.get("score")
        if "score" in entry and type(score) not in (int, float):
            raise Invalid(f"{path}.score is not a number")
        call, name = text_at(entry, "call", path), text_at(entry, "name", path)
        yield located(path, lambda call=call, name=name, score=score: Feedback(call=call, name=name, score=score))


def _calls(document: Mapping[str, Json]) -> Iterator[KeptCall]:
    for place, item in enumerate(list_at(document, "calls", "$")):
        path = f"$.calls[{place}]"
        try:
            yield located(path, from_json, KeptCall, item, path)
        except ValueError as error:
            raise Invalid(str(error)) from error
