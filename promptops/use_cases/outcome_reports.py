"""What calls of an app did and what they cost, as rows."""

from __future__ import annotations

from promptops.core.errors import AppNotFound, ChannelNotFound
from promptops.core.outcomes.rates import MAX_PRICES
from promptops.core.token import Scope
from promptops.operations import outcome_report
from promptops.operations.outcome_report import CostFound, CostRequest, OutcomesFound, OutcomesRequest
from promptops.use_cases.fields import MOMENT_OR_EMPTY, path, query
from promptops.use_cases.nouns import word
from promptops.use_cases.use_case import UseCase

_PLACE = (path("app"), query("channel", max_length=63))
_SINCE = query(
    "since",
    form=MOMENT_OR_EMPTY,
    max_length=40,
    description="ISO 8601 with an offset; seven days ago if left out.",
    examples=["2026-03-01T18:30:00Z"],
)
_PRICES = query(
    "price",
    "prices",
    max_length=MAX_PRICES,
    description="What a model costs that the server's list has not, in US dollars a million tokens: "
    "`provider/model=0,INPUT,CACHED,WRITTEN,OUTPUT`, and after `;` the same of inputs over so many tokens.",
)

OUTCOMES = UseCase(
    name="outcomes",
    method="GET",
    path="/v1/apps/{app}/outcomes",
    scope=Scope.READ,
    tag="Looking",
    doc="""What calls of an app did, by release, prompt, model, day or a tag: errors, latency, tokens, cost, results.

    Only the channels that the token may see are counted. A cost is null where the price of some tokens is not known;
    those are listed under `unpriced`.
    """,
    run=lambda registry, request, caller: outcome_report.outcomes(
        registry, request, sees=lambda channel: caller.rights.sees(channel=channel), now=caller.now
    ),
    request=OutcomesRequest,
    answer=OutcomesFound,
    fields=(
        *_PLACE,
        query("by", form=word(outcome_report.By)),
        query("tag", max_length=64, description="The name of the tag, with `by=tag`."),
        _SINCE,
        _PRICES,
    ),
    errors=(AppNotFound, ChannelNotFound),
)

COST = UseCase(
    name="cost",
    method="GET",
    path="/v1/apps/{app}/cost",
    scope=Scope.READ,
    tag="Looking",
    doc="""What calls of an app cost, by model and by day, and what they would cost with more traffic.

    `calls_a_day` or `times` say how much; `at` in the answer is null without either. Only the channels that the token
    may see are counted.
    """,
    run=lambda registry, request, caller: outcome_report.cost(
        registry, request, sees=lambda channel: caller.rights.sees(channel=channel), now=caller.now
    ),
    request=CostRequest,
    answer=CostFound,
    fields=(
        *_PLACE,
        _SINCE,
        query("calls_a_day", ge=1, le=1_000_000_000_000),
        query("times", gt=0, le=1_000_000),
        _PRICES,
    ),
    errors=(AppNotFound, ChannelNotFound),
)
