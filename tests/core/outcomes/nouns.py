"""Outcomes as hypothesis draws them: calls, sums, units and whole reports."""

from __future__ import annotations

from hypothesis import strategies as st

from promptops.core.outcomes.call_outcome import CallOutcome, Count, Measure, Tokens
from promptops.core.outcomes.counters import MAX_COUNT
from promptops.core.outcomes.histogram import BINS, Histogram
from promptops.core.outcomes.kept_call import Kept, KeptCall, ToolUse
from promptops.core.outcomes.report import BadUnit, Dropped, Feedback, Guardrail, OutcomeReport, SampledUnit
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.sums import MILLION, Score, Sums
from promptops.core.outcomes.units import Unit

SECRET = bytes(range(32))
LINEAGE = "0b0e11aa-6c1f-4f6e-9d52-6a5f2a4f8f10"
MINUTE = 29_403_712

ANSWER = Series(
    assignment=Assignment(app="support-bot", channel="prod", epoch=3, revision=17, arm=Arm.STABLE),
    prompt="answer",
    model="openai/gpt-4o-2024-08-06",
    tier=0,
)
UNIT = Unit(id="9f86d081884c7d65", bucket=4711)

FLAGS = st.booleans()
PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
LINES, SOME_LINES = (st.text(PRINTABLE, min_size=least, max_size=30) for least in (0, 1))
MINUTES = st.integers(MINUTE, MINUTE + 3)
COUNTS = st.integers(1, 1000) | st.integers(MAX_COUNT - 10, MAX_COUNT)
MEASURED = st.none() | st.floats(0, 1e9)

TOKENS = st.builds(
    Tokens,
    input=st.integers(0, 10_000) | st.integers(0, MAX_COUNT),
    cached=st.integers(0, 3),
    cache_written=st.integers(0, 3),
    output=st.integers(0, 1000),
    reasoning=st.integers(0, 3),
)
CALLS = st.builds(
    CallOutcome,
    error=st.sampled_from(["", "", "TimeoutError", *(f"E{number}" for number in range(30))]),
    has_unit=FLAGS,
    refused=FLAGS,
    schema_failed=FLAGS,
    check_failed=FLAGS,
    cancelled=FLAGS,
    unread=FLAGS,
    pin_mismatch=FLAGS,
    truncated=FLAGS,
    tokens=st.none() | TOKENS,
    latency_ms=MEASURED,
    first_token_ms=MEASURED,
    cost_usd=MEASURED,
)

ASSIGNMENTS = st.builds(
    Assignment,
    app=st.sampled_from(["support-bot", "faq"]),
    channel=st.just("prod"),
    epoch=st.integers(0, 2),
    revision=st.integers(0, 3),
    arm=st.sampled_from(Arm),
)
TAGS = st.dictionaries(st.sampled_from(["language", "plan", "team"]), LINES, max_size=3)
SERIES = st.builds(
    Series,
    assignment=ASSIGNMENTS,
    prompt=st.sampled_from(["answer", "writing/summary"]),
    model=st.sampled_from(["", "openai/gpt-4o-2024-08-06"]) | LINES,
    tier=st.none() | st.sampled_from([0, 200_000]),
    tags=TAGS.map(lambda tags: tuple(sorted(tags.items()))),
)

WORDS = st.sampled_from(["ticket_resolved", "undeclared", *(f"w{number}" for number in range(60))])
HISTOGRAMS = st.dictionaries(st.integers(0, BINS - 1), COUNTS, min_size=1, max_size=8).map(
    lambda counts: Histogram(counts=counts)
)


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """The sum of some scores of one name."""
    count = draw(st.integers(1, 1000))
    return Score(count=count, millionths=draw(st.integers(0, count * MILLION)), below=draw(st.integers(0, count)))


SUMS = st.builds(
    Sums,
    counts=st.dictionaries(st.sampled_from(Count), COUNTS, max_size=5),
    errors=st.dictionaries(st.sampled_from(["other", *(f"E{number}" for number in range(30))]), COUNTS, max_size=20),
    outcomes=st.dictionaries(WORDS, COUNTS, max_size=50),
    scores=st.dictionaries(WORDS, scores(), max_size=50),
    histograms=st.dictionaries(st.sampled_from(Measure), HISTOGRAMS, max_size=3),
)

UNITS = st.builds(
    Unit,
    id=st.integers(0, 2**64 - 1).map("{:016x}".format),
    bucket=st.none() | st.integers(0, 9_999),
)
GUARDRAILS = st.sets(st.sampled_from([*Guardrail, "score:helpful", "of_the_future"]), max_size=5)


def in_order(names: set[str]) -> tuple[str, ...]:
    """Guardrails as entries have them."""
    return tuple(sorted(map(str, names)))


BAD_UNITS = st.builds(
    BadUnit,
    assignment=ASSIGNMENTS,
    unit=UNITS,
    minute=MINUTES,
    guardrails=GUARDRAILS.filter(bool).map(in_order),
)


@st.composite
def sampled_units(draw: st.DrawFn) -> SampledUnit:
    """A unit of the sample, bad at some of the guardrails at which it could be."""
    could = draw(GUARDRAILS)
    bad = draw(st.sets(st.sampled_from(sorted(could)))) if could else set()
    return SampledUnit(
        assignment=draw(ASSIGNMENTS),
        unit=draw(UNITS),
        minute=draw(MINUTES),
        could=in_order(could),
        bad=in_order(bad),
    )


FEEDBACK = st.builds(
    Feedback, call=SOME_LINES, name=WORDS, score=st.none() | st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-7])
)
TIMES = st.none() | st.integers(0, 100_000)
VALUES = st.recursive(
    st.none() | FLAGS | st.integers(-9, 9) | st.text(st.characters(exclude_characters="\0"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LINES, inner, max_size=3),
    max_leaves=6,
)
KEPT_CALLS = st.builds(
    KeptCall,
    call=SOME_LINES,
    prompt=st.just("answer"),
    at=st.integers(0, 2_000_000_000),
    kept=st.sampled_from(Kept),
    version=LINES,
    flags=st.sets(st.sampled_from([Count.BAD, Count.REFUSED, Count.TRUNCATED])).map(lambda flags: tuple(sorted(flags))),
    error=LINES,
    tokens=st.none() | TOKENS,
    latency_ms=TIMES,
    tools=st.lists(st.builds(ToolUse, name=LINES, latency_ms=TIMES, error=LINES), max_size=2).map(tuple),
    variables=st.none() | st.dictionaries(LINES, VALUES, max_size=3),
)
REPORTS = st.builds(
    OutcomeReport,
    client=st.integers(0, 2**128 - 1).map("{:032x}".format),
    number=st.integers(1, MAX_COUNT),
    channel=st.just("prod"),
    lineage=LINES,
    sdk=LINES,
    sums=st.dictionaries(st.tuples(SERIES, MINUTES), SUMS, max_size=3),
    bad_units=st.lists(BAD_UNITS, max_size=8).map(tuple),
    sampled_units=st.lists(sampled_units(), max_size=8).map(tuple),
    feedback=st.lists(FEEDBACK, max_size=3).map(tuple),
    calls=st.lists(KEPT_CALLS, max_size=2).map(tuple),
    dropped=st.dictionaries(st.sampled_from(Dropped), COUNTS),
)
