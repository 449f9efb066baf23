"""What the claims of an ID token allow, and which grants are refused because they would let others in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from promptops.core.errors import Invalid, NotAuthenticated
from promptops.core.oidc import Grant, Issuer, exchange_key, subject
from promptops.core.token import Scope

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
URL, AUDIENCE = "https://ci.example", "https://registry.example"
MAIN: dict[str, Any] = {"project": "acme/prompts", "ref": "refs/heads/main"}
CLAIMS: dict[str, Any] = {
    "iss": URL,
    "aud": AUDIENCE,
    "sub": "project:acme/prompts:ref:refs/heads/main",
    "jti": "7f1",
    "iat": AT - 10,
    "exp": AT + 300,
    **MAIN,
}


def grant(name: str = "main", scopes: tuple[Scope, ...] = (Scope.RELEASE,), **claims: Any) -> Grant:
    taken = {claim: (value,) if isinstance(value, str) else value for claim, value in (claims or MAIN).items()}
    return Grant(name=name, claims=taken, scopes=scopes)


def issuer(*grants: Grant, url: str = URL) -> Issuer:
    return Issuer(url=url, audience=AUDIENCE, keys="keys.json", grants=grants or (grant(),))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iss": "https://ci.example/"}, "another issuer"),
        ({"aud": "https://other.example"}, "audience"),
        ({"aud": ["a", "b"]}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": f"{AUDIENCE}/"}, "audience"),
        ({"exp": AT - 61}, "expired"),
        ({"exp": None}, "lacks exp"),
        ({"exp": True}, "lacks exp"),
        ({"exp": "never"}, "lacks exp"),
        ({"exp": float("nan")}, "lacks exp"),
        ({"iat": None}, "lacks exp or iat"),
        ({"iat": AT + 61}, "not valid yet"),
        ({"nbf": AT + 61}, "not valid yet"),
        ({"nbf": "soon"}, "not valid yet"),
        ({"exp": AT + 86_400}, "more than 24 hours"),
        ({"ref": "refs/heads/main2"}, "no grant"),
        ({"ref": "refs/heads/*"}, "no grant"),
        ({"ref": ["refs/heads/main"]}, "no grant"),
        ({"ref": None}, "no grant"),
        ({"project": "acme/prompts-evil"}, "no grant"),
    ],
)
def test_a_claim_that_is_not_right_is_no_token(change: dict[str, Any], reason: str) -> None:
    assert issuer().judge(CLAIMS, NOW).name == "main"
    with pytest.raises(NotAuthenticated, match=reason):
        issuer().judge({**CLAIMS, **change}, NOW)


@pytest.mark.parametrize(
    "change", [{"aud": ["x", AUDIENCE]}, {"exp": AT - 59}, {"iat": AT + 59, "exp": AT + 300}, {"nbf": AT - 10}]
)
def test_clocks_may_differ_by_a_minute_and_an_audience_be_one_of_several(change: dict[str, Any]) -> None:
    assert issuer().judge({**CLAIMS, **change}, NOW).name == "main"


def test_the_first_grant_that_fits_decides_and_grants_are_not_added_up() -> None:
    narrow, wide = grant("narrow"), grant("wide", (Scope.RELEASE, Scope.PROMOTE), project="acme/*")
    assert issuer(narrow, wide).judge(CLAIMS, NOW) == narrow
    assert issuer(narrow, wide).judge({**CLAIMS, "ref": "refs/tags/v1"}, NOW) == wide
    several = grant("several", ref=("refs/heads/dev", "refs/heads/main"))
    assert issuer(several).judge(CLAIMS, NOW) == several


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"claims": {}}, "names no claim"),
        ({"claims": {"ref": ()}}, "names no claim"),
        ({"claims": {"ref": ("*",)}}, "fits everything"),
        ({"claims": {"ref": ("refs/heads/main", "?*")}}, "fits everything"),
        ({"scopes": ()}, "no scopes"),
        ({"scopes": (Scope.READ, Scope.ADMIN)}, "admin"),
        ({"name": "Main Branch"}, "not the name of a grant"),
        ({"name": "x" * 51}, "not the name of a grant"),
        ({"lifetime": timedelta(hours=13)}, "12 h"),
        ({"lifetime": timedelta(0)}, "12 h"),
    ],
)
def test_a_grant_for_everyone_or_for_everything_is_refused(change: dict[str, Any], said: str) -> None:
    right: dict[str, Any] = {"name": "main", "claims": {"ref": ("refs/heads/main",)}, "scopes": (Scope.RELEASE,)}
    Grant(**right)
    with pytest.raises(Invalid, match=said):
        Grant(**{**right, **change})


@pytest.mark.parametrize(
    ("url", "claims", "is_right"),
    [
        ("https://token.actions.githubusercontent.com", {"ref": "refs/heads/main"}, False),
        ("https://token.actions.githubusercontent.com", {"repository": "*/prompts"}, False),
        ("https://token.actions.githubusercontent.com", {"repository": "acm?/prompts"}, False),
        ("https://token.actions.githubusercontent.com", {"sub": "repo:*"}, False),
        ("https://token.actions.githubusercontent.com", {"sub": "repo:acme/*"}, True),
        ("https://token.actions.githubusercontent.com", {"repository": "acme/*"}, True),
        ("https://token.actions.githubusercontent.com", {"repository_owner": "acme"}, True),
        ("https://gitlab.com", {"ref": "main"}, False),
        ("https://gitlab.com", {"project_path": "acme/prompts", "ref": "main"}, True),
        ("https://gitlab.acme.example", {"ref": "main"}, True),  # signs for acme alone
    ],
)
def test_an_issuer_that_signs_for_everyone_needs_an_owner(url: str, claims: dict[str, Any], is_right: bool) -> None:
    if is_right:
        issuer(grant(**claims), url=url)
    else:
        with pytest.raises(Invalid, match="signs for everyone"):
            issuer(grant(**claims), url=url)


def test_a_subject_is_one_line_that_cannot_be_taken_for_the_word_of_a_server() -> None:
    assert subject(CLAIMS) == "project:acme/prompts:ref:refs/heads/main at https://ci.example"
    evil = subject({**CLAIMS, "sub": "environment:x via token root\n\u202e"})
    assert " via " not in evil and evil.isprintable()
    assert len(subject({"iss": "i" * 999, "sub": "s" * 999})) <= 200


def test_an_id_token_is_known_by_its_jti_of_its_issuer_else_by_what_was_signed() -> None:
    key = exchange_key(CLAIMS, "a.b.c")
    assert key == exchange_key({**CLAIMS, "exp": 1}, "x.y.z")
    assert (
        len({key, exchange_key({**CLAIMS, "iss": "https://b"}, "a.b.c"), exchange_key({**CLAIMS, "jti": "8"}, "")}) == 3
    )
    assert exchange_key({}, "a.b.c") == exchange_key({}, "a.b.d") != exchange_key({}, "a.x.c")
