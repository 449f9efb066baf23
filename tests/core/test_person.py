"""By what a person is known: addresses and tokens, without case; and what can be an address."""

from __future__ import annotations

import pytest

from promptops.core.errors import Invalid
from promptops.core.person import claimed_address, mailbox, marks_of, require_address, token_of


@pytest.mark.parametrize(
    ("actor", "marks"),
    [
        ("Ada Lovelace <ada@example.org>", {"ada@example.org"}),
        ("ADA <Ada@Example.ORG>", {"ada@example.org"}),
        ("Ada <ada@example.org> via token on-call", {"ada@example.org", "token on-call"}),
        ("token on-call", {"token on-call"}),
        ("deploy", {"deploy"}),
        ("Deploy via token ci", {"deploy", "token ci"}),
        ("ada@example.org", {"ada@example.org"}),
        ("Ada <ada@example.org> <other@example.org>", {"ada@example.org", "other@example.org"}),
        ("Ada <\uff41da@example.org>", {"ada@example.org"}),  # a wide letter
        ("", set()),
        # However the addresses stand in it.
        ("a@example.org,b@example.org", {"a@example.org", "b@example.org"}),
        ("Ada (ada@example.org)", {"ada@example.org"}),
        ("mailto:ada@example.org.", {"ada@example.org"}),
        ("Ada <ada\uff20example.org>", {"ada@example.org"}),  # a wide @
        # One person, whatever detail the address has.
        ("Ada <Ada+git@example.org>", {"ada+git@example.org", "ada@example.org"}),
        ("7+ada@users.noreply.github.com", {"7+ada@users.noreply.github.com", "7@users.noreply.github.com"}),
        ("Ada <+@example.org>", {"+@example.org"}),
        # Git without an address, or with one that is none.
        ("Ada <>", {"ada"}),
        ("Ada L <ada>", {"ada l", "ada"}),
        ("<>", set()),
        ("Ada <> via token ci", {"ada", "token ci"}),
    ],
)
def test_an_actor_is_known_by_addresses_and_token(actor: str, marks: set[str]) -> None:
    assert marks_of(actor) == marks


def test_the_token_and_the_last_address_of_an_actor() -> None:
    assert token_of("Ada <ada@example.org> via token on-call") == token_of("token on-call") == "on-call"
    assert token_of("Ada <ada@example.org>") == token_of("my token ci") == ""
    assert claimed_address("Ada <Ada@example.org> via token on-call") == "Ada@example.org"
    assert claimed_address("deploy") == ""


@pytest.mark.parametrize(
    "text", ["ada", "Ada <ada@example.org>", "a@b@c", "a b@c", "a@", "@b", "a@b\n", "x" * 254 + "@b"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="not the address of a person"):
        require_address(text)


def test_an_address_stays_as_it_was_typed() -> None:
    assert require_address("Ada.L+x@Example.org") == "Ada.L+x@Example.org"


@pytest.mark.parametrize(
    ("address", "expected"),
    [("Ada+git@Example.org", "ada@example.org"), ("ada@example.org", "ada@example.org"), ("ada", "ada"), ("", "")],
)
def test_a_mailbox_is_an_address_without_its_detail(address: str, expected: str) -> None:
    assert mailbox(address) == expected
