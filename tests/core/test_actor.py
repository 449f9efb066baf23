"""A claim of who makes a change is a line of text that nobody takes for the words of a server."""

from __future__ import annotations

import pytest

from promptops.core.actor import require_claim
from promptops.core.errors import Invalid

REFUSED = [
    "Ada via token admin",
    "Ada VIA token admin",
    "Ada  Via  token admin",
    "via token admin",
    "Ada via",
    "Ada (via token admin)",
    "Ada,via:token admin",
    "Ada \uff56\uff49\uff41 token admin",  # in full width
    "Ada\u3164via\u3164token admin",  # between letters that are not seen
    "Ada\u2800via\u2800token admin",
    "Ada\u00a0via\u00a0token admin",
    "Ada\u200bvia token admin",
    "two\nlines",
    "tab\ttab",
    "esc\x1b[2J",
    "null\0",
    "bell\x85",
    "hidden\u202etext",
    "isolate\u2066text",
    "mark\ufeff",
    "lone \ud800",
    "x" * 201,
]

TAKEN = [
    "",
    "Ada <ada@example.org>",
    "Silvia Aviary <silvia@example.org>",
    "Via-Rail deployments",
    "ci/pipeline #4711, triggered by Ada",
    "Łucja Ó <lucja@example.org>",
    "林 <lin@example.org>",
    "token admin",  # what is recorded is `token admin via token ci-bot`
    "x" * 200,
]


@pytest.mark.parametrize("claim", REFUSED, ids=ascii)
def test_a_claim_that_could_be_taken_for_a_servers_words_is_refused_with_what_to_do(claim: str) -> None:
    with pytest.raises(Invalid) as refusal:
        require_claim(claim)
    assert [advice.arguments["name"] for advice in refusal.value.advice] == ["actor"]
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("claim", TAKEN, ids=ascii)
def test_every_other_name_stays_as_it_is(claim: str) -> None:
    assert require_claim(claim) == claim
