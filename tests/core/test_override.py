"""An override file: what it must be to be made or read, one row a way in which it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core import override as overrides
from promptops.core.advice import Action
from promptops.core.digest import digest
from promptops.core.errors import Invalid, OverrideInvalid
from promptops.core.model import Json
from promptops.core.override import Override, decode, encode, identity
from promptops.core.release_bytes import encode as encode_content
from tests.support.factory import content

MADE = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
CONTENT = encode_content(content(text="Say “hello” to {{name}}: \\ \n\t\u2028"))
PIN = Override(
    registry="shop",
    lineage="0b0e7c1e-7c39-4e39-9c39-5d3f6d1f5a11",
    app=content().app,
    channel="prod",
    version="1.4.0",
    digest=digest(CONTENT),
    content=CONTENT,
    reason="the database is gone",
    actor="Ada <ada@example.org>",
    created_at=MADE,
    expires_at=MADE + timedelta(hours=24),
)


def document(**changes: Json) -> bytes:
    """The file with some keys changed; None takes one out."""
    written = json.loads(encode(PIN)) | changes
    return json.dumps({name: value for name, value in written.items() if value is not None}).encode()


def test_what_is_written_is_read_back() -> None:
    assert decode(encode(PIN)) == PIN


def test_the_identity_is_of_what_it_says_not_of_how_it_is_laid_out() -> None:
    laid_out = json.dumps(json.loads(encode(PIN)), indent=2).encode()
    assert identity(decode(laid_out)) == identity(PIN)
    assert identity(replace(PIN, reason="another")) != identity(PIN)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schema": "promptops.override/2"}, "schema"),
        ({"schema": None}, "schema"),
        ({"content": CONTENT.decode().replace("hello", "goodbye")}, "the file names"),  # edited prompt
        ({"content": "{}", "digest": digest(b"{}")}, "no release"),
        ({"app": "other-bot"}, "is a release of"),
        ({"digest": None}, "digest"),
        ({"version": "1.4"}, "names no release"),
        ({"version": "v1.4.0"}, "names no release"),
        ({"app": "bot/answer"}, "names no release"),
        ({"channel": "../prod"}, "no channel"),
        ({"reason": " "}, "reason"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"reason": "a\0b"}, "NUL"),
        ({"actor": 7}, "actor"),
        ({"expires_at": "2026-03-08T12:00:00.123457Z"}, "up to 7 days"),  # one microsecond too long
        ({"expires_at": "2026-03-01T12:00:00.123456Z"}, "up to 7 days"),  # no life at all
        ({"expires_at": "2026-02-01T12:00:00Z"}, "up to 7 days"),
        ({"expires_at": "2026-03-02T12:00:00"}, "not a time in UTC"),
        ({"expires_at": "2026-03-02T12:00:00+02:00"}, "not a time in UTC"),
        ({"expires_at": "2026-02-30T12:00:00Z"}, "not a time in UTC"),
        ({"created_at": "0001-01-01T00:00:00Z"}, "up to 7 days"),
        ({"forever": True}, "unknown key"),
    ],
)
def test_a_file_that_was_edited_or_is_malformed_is_refused(changes: dict[str, Json], named: str) -> None:
    with pytest.raises(OverrideInvalid, match=named):
        decode(document(**changes))


def test_seven_days_are_allowed() -> None:
    assert replace(PIN, expires_at=MADE + overrides.LONGEST).expires_at - MADE == timedelta(days=7)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"{", encode(PIN)[:-1], encode(PIN)[:200], b'{"a":1,"a":2}', b"\xff", b" " * (1 << 22)],
)
def test_anything_else_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(OverrideInvalid) as caught:
        decode(data)
    assert [advice.action for advice in caught.value.advice] == [Action.MAKE_OVERRIDE]


@given(st.binary(max_size=300))
def test_no_bytes_bring_the_reader_down(data: bytes) -> None:
    with pytest.raises(OverrideInvalid):
        decode(data)


@given(st.text(max_size=200), st.integers(0, 2**40))
def test_whatever_can_be_made_can_be_read(reason: str, microseconds: int) -> None:
    try:
        made = replace(PIN, reason=reason, expires_at=MADE + timedelta(microseconds=microseconds))
    except OverrideInvalid:
        return
    assert decode(encode(made)) == made


def test_a_release_of_the_largest_size_fits() -> None:
    with pytest.raises(Invalid, match="over the limit"):
        encode_content(content(text='"' * (1 << 19)))
    large = encode_content(content(text='"' * ((1 << 19) - 500)))
    made = replace(PIN, content=large, digest=digest(large))
    assert len(encode(made)) > 1 << 20
    assert decode(encode(made)) == made


def test_an_override_ends_at_its_moment() -> None:
    assert not PIN.expired(PIN.expires_at - timedelta(microseconds=1))
    assert PIN.expired(PIN.expires_at)
