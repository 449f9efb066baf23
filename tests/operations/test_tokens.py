"""Tokens in a registry, on both databases: made once, found by their secret, taken back for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect

from promptops.core.errors import (
    Conflict,
    Invalid,
    NotAllowed,
    NotAuthenticated,
    RegistryDamaged,
    TokenNameTaken,
    TokenNotFound,
)
from promptops.core.token import LIFETIME, Revocation, Scope, Token, mint, parse_token, secret_digest
from promptops.operations.tokens import TokenRequest, create_token, find_token, list_tokens, revoke_token
from promptops.store import Registry, backup, check_store, restore
from promptops.store.engine.database import connect, locate
from tests.store.facts import ask
from tests.store.vandal import vandalise
from tests.support.factory import ACTOR, START, make_token, minutes


def take_back(registry: Registry, which: str, **more: object) -> Token:
    return revoke_token(registry, which, **{"actor": ACTOR, "now": minutes(5), **more})  # type: ignore[arg-type]


def actions(registry: Registry) -> list[str]:
    return [entry.action for entry in ask(registry, lambda reader: reader.audit())]


def test_a_token_is_found_by_its_secret_and_is_as_it_was_made(registry: Registry) -> None:
    made = make_token(
        registry,
        "ci",
        scopes=(Scope.PROMOTE, Scope.RELEASE, Scope.PROMOTE),
        channels=("staging-*", "dev", "dev"),
        apps=("bot",),
    )
    assert parse_token(made.text) == made.text
    assert made.token == replace(
        made.token,
        name="ci",
        scopes=(Scope.RELEASE, Scope.PROMOTE),
        channels=("staging-*", "dev"),
        apps=("bot",),
        created_at=START,
        created_by=ACTOR,
        expires_at=START + LIFETIME,
        prefix=made.text[:12],
    )
    assert find_token(registry, secret_digest(made.text)) == made.token
    assert list_tokens(registry) == (made.token,)
    assert made.token.flaw(START) == ""


def test_nothing_else_finds_it(registry: Registry) -> None:
    made = make_token(registry)
    other = mint(made.token.kind, lambda bound: bound - 1)
    for text in (other, made.text[:-1], made.text.lower(), made.token.id, made.token.prefix, "", "%", "' OR '1'='1"):
        assert find_token(registry, secret_digest(text)) is None
    assert find_token(registry, made.text) is None
    assert find_token(registry, "") is None


def test_a_token_never_ends_or_ends_when_it_was_said_to(registry: Registry) -> None:
    assert make_token(registry, "never", lifetime=None).token.expires_at is None
    short = make_token(registry, "short", lifetime=timedelta(hours=1))
    found = find_token(registry, secret_digest(short.text))
    assert found is not None and not found.flaw(minutes(59)) and found.flaw(minutes(60))


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-1), timedelta.max])
def test_a_lifetime_that_is_none_is_refused(lifetime: timedelta) -> None:
    with pytest.raises(Invalid):
        TokenRequest(name="ci", lifetime=lifetime)


def test_what_cannot_be_a_token_leaves_nothing_behind(registry: Registry) -> None:
    before = actions(registry)
    for request in (
        TokenRequest(name="C I"),
        TokenRequest(name="ci", scopes=()),
        TokenRequest(name="ci", channels=()),
        TokenRequest(name="ci", apps=("a b",)),
    ):
        with pytest.raises(Invalid):
            create_token(registry, request, actor=ACTOR, now=START)
    assert list_tokens(registry) == ()
    assert actions(registry) == before


def test_the_secret_is_in_no_text_form_of_anything(registry: Registry) -> None:
    made = make_token(registry)
    assert made.text not in f"{made} {made!r} {made.token} {made.token!r}"


# --- names ---------------------------------------------------------------------------------------


def test_a_name_is_given_again_when_its_token_ended_or_was_taken_back(registry: Registry) -> None:
    first = make_token(registry, "ci", lifetime=timedelta(minutes=10)).token
    with pytest.raises(TokenNameTaken, match=first.id):
        make_token(registry, "ci", now=minutes(9))
    second = make_token(registry, "ci", now=minutes(10)).token
    take_back(registry, second.id, now=minutes(11))
    third = make_token(registry, "ci", now=minutes(11)).token
    assert len({first.id, second.id, third.id}) == 3
    assert take_back(registry, "ci", now=minutes(12)).id == third.id


def test_of_many_who_make_one_at_once_one_succeeds(registry: Registry) -> None:
    def attempt(_: int) -> bool:
        try:
            make_token(registry, "ci")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [False] * 7 + [True]
    assert len(list_tokens(registry)) == 1
    assert check_store(registry) == ()


# --- taking back ---------------------------------------------------------------------------------


def test_a_token_that_was_taken_back_is_worth_nothing_and_is_still_known(registry: Registry) -> None:
    made = make_token(registry)
    gone = take_back(registry, made.token.id, reason="in a log")
    assert gone == replace(made.token, revoked=Revocation(actor=ACTOR, at=minutes(5), reason="in a log"))
    assert find_token(registry, secret_digest(made.text)) == gone
    assert gone.flaw(minutes(5)) == f"revoked by {ACTOR}: in a log"
    assert list_tokens(registry) == (gone,)


def test_taking_it_back_twice_is_taking_it_back_once(registry: Registry) -> None:
    made = make_token(registry)
    first = take_back(registry, "ci", reason="in a log")
    assert take_back(registry, made.token.id, reason="again", actor="Bob", now=minutes(6)) == first
    assert take_back(registry, "ci", reason="again", now=minutes(7)) == first
    assert actions(registry)[:2] == ["revoke-token", "create-token"]


def test_one_that_is_not_there_is_said_to_be_with_those_that_are(registry: Registry) -> None:
    one, other = make_token(registry, "one").token, make_token(registry, "other").token
    take_back(registry, other.id)
    for which in ("nobody", "tAbcdefghij0", "", "x" * 1000, "%"):
        with pytest.raises(TokenNotFound) as caught:
            take_back(registry, which)
        assert caught.value.known == (f"{one.id} (one)",)
        assert len(caught.value.message) < 200


# --- through a server: by a token ----------------------------------------------------------------


@pytest.fixture
def admin(registry: Registry) -> Token:
    """A token that may do everything on staging and nothing elsewhere, for ten days."""
    return make_token(
        registry, "admin", scopes=(Scope.ADMIN,), channels=("staging",), lifetime=timedelta(days=10)
    ).token


def create(registry: Registry, by: Token, **more: object) -> Token:
    usual = {"name": "ci", "channels": ("staging",), "lifetime": timedelta(days=1)}
    request = TokenRequest(**{**usual, **more})  # type: ignore[arg-type]
    return create_token(registry, request, actor=by.actor("Eve"), now=minutes(1), by=by).token


def test_a_token_makes_others_within_its_rights(registry: Registry, admin: Token) -> None:
    made = create(registry, admin, scopes=(Scope.ROLLBACK,))
    assert made.created_by == "Eve via token admin"
    assert create(registry, admin, name="admin-2", scopes=(Scope.ADMIN,), lifetime=timedelta(days=9)).name == "admin-2"


@pytest.mark.parametrize(
    "more",
    [
        {"channels": ("*",)},
        {"channels": ("staging", "prod")},
        {"lifetime": timedelta(days=10)},
        {"lifetime": None},
    ],
)
def test_a_token_makes_none_with_more_rights_or_a_longer_life(
    registry: Registry, admin: Token, more: dict[str, object]
) -> None:
    with pytest.raises(NotAllowed) as caught:
        create(registry, admin, **more)
    assert caught.value.scope == "admin"
    assert list_tokens(registry) == (admin,)


def test_a_token_sees_and_takes_back_only_what_it_reaches(registry: Registry, admin: Token) -> None:
    within, beyond = create(registry, admin), make_token(registry, "prod-app", channels=("prod",)).token
    assert list_tokens(registry, by=admin) == (admin, within)
    for which in (beyond.id, beyond.name):
        with pytest.raises(TokenNotFound) as caught:
            take_back(registry, which, by=admin)
        assert beyond.id not in f"{caught.value.known}"
    assert take_back(registry, within.id, by=admin).revoked
    with pytest.raises(TokenNotFound, match="nobody") as unknown:
        take_back(registry, "nobody", by=admin)
    assert unknown.value.known == (f"{admin.id} (admin)",)


def test_a_token_that_was_taken_back_a_moment_ago_does_nothing_more(registry: Registry, admin: Token) -> None:
    take_back(registry, admin.id, now=START)
    with pytest.raises(NotAuthenticated):
        create(registry, admin)
    with pytest.raises(NotAuthenticated):
        take_back(registry, admin.id, by=admin)
    assert [token.name for token in list_tokens(registry)] == ["admin"]


def test_a_token_may_take_itself_back(registry: Registry, admin: Token) -> None:
    assert take_back(registry, admin.id, by=admin).revoked


# --- the record ----------------------------------------------------------------------------------


def test_the_audit_log_says_who_made_which_token_for_what(registry: Registry) -> None:
    made = make_token(registry)
    take_back(registry, "ci", reason="in a log", actor="Bob")
    back, forth = ask(registry, lambda reader: reader.audit(limit=2))
    assert (forth.action, forth.actor, forth.after) == ("create-token", ACTOR, str(made.token))
    assert (back.action, back.actor, back.reason) == ("revoke-token", "Bob", "in a log")
    assert back.after == f"{made.token.id} ci"
    names = [entry.ref for entry in ask(registry, lambda reader: reader.journal())][-2:]
    assert names == [f"tokens/{made.token.id}", f"revocations/{made.token.id}"]
    assert check_store(registry) == ()


def test_neither_secret_nor_digest_is_anywhere_but_in_one_column(registry: Registry, registry_url: str) -> None:
    made = make_token(registry)
    digest = secret_digest(made.text)
    found: list[str] = []
    reading, _ = connect(locate(registry_url))
    with reading.connect() as connection, connection.begin():
        for table in inspect(connection).get_table_names():
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"').mappings():
                found += [f"{table}.{name}" for name, value in row.items() if digest in str(value)]
                assert made.text[12:] not in str(dict(row))
    reading.dispose()
    assert found == ["token_secret.digest"]


DAMAGES = [
    "UPDATE token SET scopes = '[]'",
    "UPDATE token SET scopes = '[\"theft\"]'",
    "UPDATE token SET channels = 'theft'",
    "UPDATE token SET name = 'Not A Name'",
    "UPDATE token SET expires_at = created_at",
]


@pytest.mark.parametrize("statement", DAMAGES)
def test_a_token_whose_row_is_none_opens_nothing(registry: Registry, registry_url: str, statement: str) -> None:
    made = make_token(registry)
    vandalise(registry_url, statement)
    for ask_for_it in _ways(registry, made.text):
        with pytest.raises(RegistryDamaged, match="token"):
            ask_for_it()


def _ways(registry: Registry, text: str) -> list[Callable[[], object]]:
    return [lambda: find_token(registry, secret_digest(text)), lambda: list_tokens(registry)]


# --- backups -------------------------------------------------------------------------------------


def test_a_backup_keeps_secrets_so_that_tokens_work_after_a_restore(
    registry: Registry, registry_url: str, restored_url: str, tmp_path: Path
) -> None:
    made, gone = make_token(registry, "one"), make_token(registry, "other")
    take_back(registry, "other")

    backup(registry_url, tmp_path / "a.backup", now=minutes(10))
    restore(tmp_path / "a.backup", restored_url, actor=ACTOR, now=minutes(11))

    with closing(Registry.open(restored_url)) as again:
        assert find_token(again, secret_digest(made.text)) == made.token
        assert list_tokens(again) == list_tokens(registry)
        assert find_token(again, secret_digest(gone.text)) != gone.token
        assert check_store(again) == ()
