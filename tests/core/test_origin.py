"""Addresses of repositories, whatever way they are written; which origins are the same; to which one an app belongs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from promptops.core.origin import Origin, Owner, Ownership, address_of, owner_among, without_password

START = datetime(2026, 3, 1, tzinfo=UTC)
GITHUB = "github.com/acme/prompts"


@pytest.mark.parametrize(
    "url",
    [
        "git@GitHub.com:acme/prompts.git",
        "git@github.com:acme/prompts",
        "git@github.com:/acme/prompts.git/",
        "github.com:acme/prompts",
        "https://github.com/acme/prompts",
        "https://github.com/acme/prompts.git",
        "https://github.com/acme/prompts/",
        "https://github.com/acme/prompts.git/",
        "https://github.com//acme//prompts/.git",
        "HTTPS://GitHub.COM/acme/prompts",
        "https://github.com:443/acme/prompts",
        "https://github.com./acme/prompts",
        "https://ada@github.com/acme/prompts",
        "https://ada:p@ss@wo@rd@github.com/acme/prompts",
        "https://ada:pa/ss@github.com/acme/prompts",
        "ssh://git@github.com/acme/prompts.git",
        "ssh://git@github.com:22/acme/prompts.git",
        "git+ssh://git@github.com/acme/prompts.git",
        "git://github.com/acme/prompts.git",
    ],
)
def test_one_repository_has_one_address(url: str) -> None:
    assert address_of(url) == GITHUB


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://github.com/Acme/prompts", "github.com/Acme/prompts"),  # a path may tell cases apart
        ("https://github.com/acme/prompts.github", "github.com/acme/prompts.github"),
        ("https://host/scm/@scope/repo", "host/scm/@scope/repo"),
        ("ssh://git@[2001:DB8::1]:2222/x.git", "[2001:db8::1]/x"),
        ("git@[::1]:x.git", "[::1]/x"),
        ("https://host", "host/"),
        *[
            (local, "")
            for local in ("prompts", "/srv/git/x.git", "../x", "./a:b", "file:///srv/x.git", "C:/x", "C:\\x")
        ],
        *[(local, "") for local in ("", "://", "https:///x", "a b")],
    ],
)
def test_an_address_keeps_what_tells_repositories_apart_and_a_path_here_is_none(url: str, address: str) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ann:s3c@ret@example.com/x.git", "https://example.com/x.git"),
        ("https://ann:s3c@r@et@example.com:8443/x@y.git", "https://example.com:8443/x@y.git"),
        ("https://ann:s3c/r@et@example.com/x.git", "https://example.com/x.git"),
        ("ssh://git:s3c@ret@example.com:22/x.git", "ssh://git@example.com:22/x.git"),
        ("https://s3cret@example.com", "https://example.com"),
        ("https://example.com/@scope/x.git", "https://example.com/@scope/x.git"),
        ("https://example.com:8443/@scope/x.git", "https://example.com:8443/@scope/x.git"),
        ("ssh://[::1]:22/~a@b/x.git", "ssh://[::1]:22/~a@b/x.git"),
        ("git@example.com:x.git", "git@example.com:x.git"),
        ("/srv/a@b/x.git", "/srv/a@b/x.git"),
    ],
)
def test_a_password_is_removed_whole(url: str, shown: str) -> None:
    assert without_password(url) == shown
    assert "s3c" not in without_password(url)


def at(repository: str, root: str = "", path: str = "bot") -> Origin:
    return Origin(repository=repository, path=path, root=root and root * 40)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (at("git@github.com:acme/prompts.git", "a"), at("https://github.com/acme/prompts", "b"), True),
        (at("https://github.com/acme/prompts", "a"), at("https://github.com/fork/prompts", "a"), False),  # a fork
        (at("https://github.com/acme/prompts", "a"), at("prompts", "a"), True),  # from before the remote was added
        (at("https://github.com/acme/prompts", "a"), at("prompts", "b"), False),
        (at("https://github.com/acme/prompts"), at("prompts", "a"), False),
        (at("https://github.com/acme/prompts", "a"), at("prompts"), False),
        (at("prompts", "a"), at("clone-of-prompts", "a"), True),
        (at("prompts", "a"), at("prompts", "b"), False),
        (at("/srv/git/x.git", "a"), at("/mnt/nfs/x.git", "a"), True),  # a path says something on one machine alone
        (at("prompts"), at("prompts", "a"), True),
        (at("prompts", "a"), at("other"), False),
    ],
)
def test_which_repositories_are_one(one: Origin, other: Origin, same: bool) -> None:
    assert one.same_repository(other) is other.same_repository(one) is same
    assert one.same(other) is same


def test_two_paths_of_one_repository_are_two_origins() -> None:
    assert not at("prompts", "a").same(at("prompts", "a", "old/bot"))
    assert at("prompts", "a", "grüße/").same(at("prompts", "a", "gru\u0308ße"))  # as a Mac may write it


def owner(origin: Origin, minute: int = 0, version: str = "0.1.0") -> Owner:
    return Owner(origin=origin, at=START + timedelta(minutes=minute), version=version)


def test_an_app_belongs_to_the_first_place_that_can_be_recognised() -> None:
    old, remote, later = at("prompts"), at("git@h.org:x.git"), at("https://other.org/x")
    assert owner_among([]) is None
    assert owner_among([owner(old), owner(old)]) is None
    assert owner_among([owner(old), owner(remote, 1), owner(later, 2)]) == owner(remote, 1)


def test_a_repository_that_gets_a_remote_has_its_address_from_then_on() -> None:
    bare, fork, named = at("prompts", "a"), at("https://fork.org/x", "b"), at("git@h.org:x.git", "a")
    assert owner_among([owner(bare), owner(bare, 1)]) == owner(bare)
    found = owner_among([owner(bare), owner(fork, 1), owner(named, 2), owner(at("https://late.org/x", "a"), 3)])
    assert found == owner(named)
    assert found.since == "since release 0.1.0"
    assert owner(bare, version="").since == "since its transfer on 2026-03-01"


def test_an_origin_says_itself() -> None:
    assert str(at("https://token@GitHub.com/acme/prompts.git", "a")) == "github.com/acme/prompts, path bot"
    whole = at("prompts", "a", "")
    assert str(whole) == "the repository 'prompts' without a remote, whose first commit is aaaaaaaaaaaa, path ."
    assert str(at("prompts")) == "the repository 'prompts' without a remote, path bot"


def test_a_transfer_to_where_an_app_is_changes_nothing() -> None:
    here = at("git@h.org:x.git")
    assert not Ownership(app="bot", origin=here, before=at("https://h.org/x")).changed
    assert Ownership(app="bot", origin=here, before=None).changed
    assert Ownership(app="bot", origin=here, before=at("https://h.org/x", path="old")).changed
