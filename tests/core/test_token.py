"""Tokens: how a secret is written and refused, and what each scope, pattern and time allows."""

from __future__ import annotations

import string
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import Invalid
from promptops.core.token import (
    Revocation,
    Scope,
    Token,
    kind_of,
    matches,
    ordered,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BASE62 = string.digits + string.ascii_letters
TOKEN = Token(
    id="tAbcdefghij0",
    name="ci",
    scopes=(Scope.RELEASE, Scope.PROMOTE),
    channels=("dev", "staging-*"),
    apps=("support-?ot",),
    prefix="pops_op_Ab3d",
    created_at=NOW,
    created_by="Ada",
    expires_at=NOW + timedelta(days=90),
)


# --- kinds and scopes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "kind"),
    [
        ("read", "rt"),
        ("audit", "rt"),
        ("read audit", "rt"),
        ("release", "ci"),
        ("read release audit", "ci"),
        ("promote", "op"),
        ("rollback", "op"),
        ("policy", "op"),
        ("release rollback", "op"),
        ("admin", "ad"),
        ("read release promote rollback policy audit admin", "ad"),
    ],
)
def test_the_kind_is_that_of_the_strongest_scope(scopes: str, kind: str) -> None:
    given = tuple(map(Scope, scopes.split()))
    assert kind_of(given) == kind
    assert replace(TOKEN, scopes=ordered(given)).kind == kind


@pytest.mark.parametrize("own", Scope)
@pytest.mark.parametrize("asked", Scope)
def test_a_scope_allows_itself_and_reading_and_admin_allows_everything(own: Scope, asked: Scope) -> None:
    token = replace(TOKEN, scopes=(own,))
    assert token.allows(asked, "dev", "support-bot") == (asked in (own, Scope.READ) or own is Scope.ADMIN)


@pytest.mark.parametrize(
    ("channel", "app", "allowed"),
    [
        ("dev", "support-bot", True),
        ("staging-eu", "support-bot", True),
        ("staging-", "support-cot", True),
        ("staging", "support-bot", False),
        ("prod", "support-bot", False),
        ("dev", "support-robot", False),
        ("dev", "support-b", False),
        ("developer", "support-bot", False),
        ("dev", "", True),  # an act about no app
        ("", "support-bot", True),
        ("", "", True),
        ("prod", "", False),
        ("", "faq", False),
    ],
)
def test_a_token_acts_on_its_channels_and_apps_alone(channel: str, app: str, allowed: bool) -> None:
    assert TOKEN.allows(Scope.PROMOTE, channel, app) is allowed
    assert TOKEN.allows(Scope.PROMOTE)  # an action that concerns neither
    assert not TOKEN.allows(Scope.ROLLBACK, channel, app)


# --- patterns ------------------------------------------------------------------------------------

NAMES = st.text("ab-", max_size=8)
PATTERNS = st.text("ab-*?", min_size=1, max_size=8)


@given(PATTERNS, NAMES)
def test_a_pattern_fits_what_a_shell_says_it_fits(pattern: str, name: str) -> None:
    assert matches(pattern, name) == fnmatchcase(name, pattern)


@given(PATTERNS, PATTERNS, NAMES)
def test_a_pattern_within_another_fits_nothing_that_the_other_does_not(outer: str, inner: str, name: str) -> None:
    if matches(outer, inner) and matches(inner, name):
        assert matches(outer, name)


@pytest.mark.parametrize(
    ("outer", "inner", "within"),
    [
        ("*", "*", True),
        ("*", "prod", True),
        ("*", "a?b*", True),
        ("staging-*", "staging-*", True),
        ("staging-*", "staging-eu-*", True),
        ("staging-*", "staging-eu", True),
        ("staging-?", "staging-?", True),
        ("staging-?", "staging-1", True),
        ("staging-?", "staging-*", False),
        ("staging-eu", "staging-*", False),
        ("staging-*", "*", False),
        ("prod", "*", False),
        ("prod", "pro?", False),
        ("?", "*", False),
    ],
)
def test_patterns_within_patterns(outer: str, inner: str, within: bool) -> None:
    assert matches(outer, inner) is within


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*b", "ab", True),  # a star at the beginning gives back what it took
        ("*b", "aab", True),
        ("*b", "aba", False),
        ("a*b", "ab", True),  # a star that stands for nothing
        ("a*b", "aabab", True),
        ("a*b*", "ab", True),
        ("a*", "a", True),
        ("**", "", True),
        ("a?", "a", False),
        ("a", "ab", False),
        ("ab", "a", False),
    ],
)
def test_a_star_stands_for_any_run_of_characters(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


def test_no_pattern_takes_long() -> None:
    """31 stars against 63 characters: steps that multiply, not that double each time; the test ends at all."""
    assert not matches("*a" * 31, "a" * 62 + "b")


# --- tokens that make tokens ---------------------------------------------------------------------

ADMIN = replace(TOKEN, scopes=(Scope.ADMIN,), channels=("staging-*", "dev"), apps=("*",))


@pytest.mark.parametrize(
    ("change", "covered", "reached"),
    [
        ({}, True, True),
        ({"scopes": (Scope.READ,)}, True, True),
        ({"scopes": (Scope.ADMIN,)}, True, True),
        ({"channels": ("staging-eu",)}, True, True),
        ({"channels": ("staging-eu", "prod")}, False, False),
        ({"channels": ("*",)}, False, False),
        ({"apps": ("*",)}, True, True),
        ({"expires_at": NOW + timedelta(days=91)}, False, True),
        ({"expires_at": None}, False, True),
    ],
)
def test_a_token_covers_what_is_within_its_rights_and_its_time(
    change: dict[str, object], covered: bool, reached: bool
) -> None:
    other = replace(TOKEN, **change)  # type: ignore[arg-type]
    assert (ADMIN.covers(other), ADMIN.reaches(other)) == (covered, reached)


def test_only_admin_reaches_admin_and_every_scope_reaches_reading() -> None:
    everywhere = replace(TOKEN, channels=("*",), apps=("*",))
    for scope in Scope:
        own = replace(everywhere, scopes=(scope,))
        assert own.reaches(replace(everywhere, scopes=(Scope.READ,)))
        assert own.reaches(replace(everywhere, scopes=(Scope.ADMIN,))) == (scope is Scope.ADMIN)


def test_one_that_never_ends_covers_any_end() -> None:
    forever = replace(ADMIN, expires_at=None)
    assert forever.covers(replace(TOKEN, expires_at=None))
    assert forever.covers(TOKEN)


TOKENS = st.builds(
    lambda scopes, channels, apps, days: replace(
        TOKEN,
        scopes=ordered(tuple(scopes)),
        channels=tuple(channels),
        apps=tuple(apps),
        expires_at=NOW + timedelta(days=days) if days else None,
    ),
    st.sets(st.sampled_from(list(Scope)), min_size=1),
    st.lists(PATTERNS, min_size=1, max_size=3, unique=True),
    st.lists(PATTERNS, min_size=1, max_size=3, unique=True),
    st.integers(0, 5),
)


@given(TOKENS, TOKENS, st.sampled_from(list(Scope)), NAMES, NAMES, st.integers(0, 6))
def test_nothing_is_allowed_to_a_covered_token_that_is_not_to_the_one_covering_it(
    one: Token, other: Token, scope: Scope, channel: str, app: str, days: int
) -> None:
    now = NOW + timedelta(days=days)
    if one.covers(other) and not other.flaw(now) and other.allows(scope, channel, app):
        assert one.allows(scope, channel, app)
        assert not one.flaw(now)


# --- the rest of a token's life ------------------------------------------------------------------


def test_a_token_is_worth_nothing_once_it_ended_was_revoked_or_has_no_secret() -> None:
    end = NOW + timedelta(days=90)
    assert TOKEN.flaw(NOW) == ""
    assert TOKEN.flaw(end - timedelta(microseconds=1)) == ""
    assert TOKEN.flaw(end) == "expired at 2026-05-30T12:00:00Z"
    revoked = replace(TOKEN, revoked=Revocation(actor="Bob", at=NOW, reason="leaked"))
    assert revoked.flaw(NOW) == "revoked by Bob: leaked"
    assert revoked.flaw(end) == "revoked by Bob: leaked"
    assert replace(TOKEN, revoked=Revocation(actor="Bob", at=NOW, reason="")).flaw(NOW) == "revoked by Bob"
    without = "the registry came back from git, and secrets are not there"
    assert replace(TOKEN, has_secret=False).flaw(NOW) == without
    assert replace(TOKEN, expires_at=None).flaw(NOW + timedelta(days=40_000)) == ""


def test_the_end_of_a_token_is_the_same_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert str(TOKEN).endswith(" expires 2026-05-30T12:00:00Z")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_who_is_recorded_is_only_claimed() -> None:
    assert TOKEN.actor("Ada <ada@example.org>") == "Ada <ada@example.org> via token ci"
    assert TOKEN.actor() == "token ci"


def test_its_text_says_all_that_it_may_do() -> None:
    assert str(TOKEN) == (
        "tAbcdefghij0 ci pops_op_Ab3d scopes release,promote channels dev,staging-* apps support-?ot"
        " expires 2026-05-30T12:00:00Z"
    )
    assert str(replace(TOKEN, expires_at=None)).endswith(" expires never")
    assert " apps a,b expires " in str(replace(TOKEN, apps=("a", "b")))


@given(TOKENS, TOKENS)
def test_tokens_that_are_not_the_same_have_other_texts(one: Token, other: Token) -> None:
    assert (str(one) == str(other)) == (one == other)


_NAME = "Lower case letters, digits, '-', '_' and '.', up to 63: ci-support-bot."
_PATTERN = "A name, in which * is any run of characters and ? is one: prod, staging-*, *."
_ALL = "There are: read, report, release, promote, rollback, policy, audit, evidence, approve, waive, content, admin."
_NO_ID = "the token 'ci' has an id or a prefix that no token has"
_NO_SCOPES = "the token 'ci' has no scopes, or not in order"
_CHANNELS, _APPS = (f"a token has 1 to 50 patterns for {what}, each once" for what in ("channels", "apps"))
_NO_ZONE = "the token 'ci' has a time without a zone"


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"name": ""}, "'' is not the name of a token", _NAME),
        ({"name": "CI"}, "'CI' is not the name of a token", _NAME),
        ({"name": "c i"}, "'c i' is not the name of a token", _NAME),
        ({"name": "x" * 81}, f"'{'x' * 80}' is not the name of a token", _NAME),
        ({"name": "../x"}, "'../x' is not the name of a token", _NAME),
        ({"id": "ci"}, _NO_ID, ""),
        ({"id": "tAbcdefghij0\n"}, _NO_ID, ""),
        ({"prefix": "pops_rt_Ab3d5"}, _NO_ID, ""),
        ({"scopes": ()}, _NO_SCOPES, _ALL),
        ({"scopes": (Scope.PROMOTE, Scope.READ)}, _NO_SCOPES, _ALL),
        ({"scopes": (Scope.READ, Scope.READ)}, _NO_SCOPES, _ALL),
        ({"channels": ()}, _CHANNELS, ""),
        ({"channels": ("",)}, "'' is not a pattern for channels", _PATTERN),
        ({"channels": ("Prod",)}, "'Prod' is not a pattern for channels", _PATTERN),
        ({"channels": ("a/b",)}, "'a/b' is not a pattern for channels", _PATTERN),
        ({"channels": ("[ab]",)}, "'[ab]' is not a pattern for channels", _PATTERN),
        ({"channels": ("dev\n",)}, "'dev\n' is not a pattern for channels", _PATTERN),
        ({"channels": ("x" * 81,)}, f"'{'x' * 80}' is not a pattern for channels", _PATTERN),
        ({"channels": ("dev", "dev")}, _CHANNELS, ""),
        ({"channels": tuple(f"c{number}" for number in range(51))}, _CHANNELS, ""),
        ({"apps": ()}, _APPS, ""),
        ({"apps": ("a,b",)}, "'a,b' is not a pattern for apps", _PATTERN),
        ({"expires_at": NOW}, "the token 'ci' would expire before it is made", "Give it a later time."),
        ({"expires_at": datetime(2026, 5, 1)}, _NO_ZONE, ""),  # noqa: DTZ001 that is the point
        ({"created_at": datetime(2026, 2, 1)}, _NO_ZONE, ""),  # noqa: DTZ001
    ],
)
def test_a_token_that_cannot_be_is_not_made(change: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        replace(TOKEN, **change)  # type: ignore[arg-type]
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("name", ["x" * 64])
def test_a_name_is_up_to_63_characters_long(name: str) -> None:
    assert replace(TOKEN, name=name[1:], channels=(name[1:],)).name == name[1:]
    with pytest.raises(Invalid):
        replace(TOKEN, name=name)
    with pytest.raises(Invalid):
        replace(TOKEN, channels=(name,))


def test_a_token_may_have_fifty_patterns() -> None:
    fifty = tuple(f"c{number}" for number in range(50))
    assert replace(TOKEN, channels=fifty, apps=fifty).allows(Scope.READ, "c49", "c0")
