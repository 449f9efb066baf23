"""Who wrote what: the people of the commits that touched a folder, by every address that they have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.person import marks_of_all
from promptops.source.git import authors as reading
from promptops.source.git.authors import authors
from promptops.source.git.repository import Repository
from tests.support import factory

ADA, BOB = "Ada Lovelace <ada@example.org>", "Bob <bob@example.org>"


def commit_as(root: Path, who: str, files: dict[str, str], message: str = "Change", *, by: str = "") -> str:
    """A commit of this author; ``by`` is its committer, Ada unless said."""
    factory.write(root, files)
    factory.git(root, "add", "--all")
    mail = (by or ADA).partition("<")[2].rstrip(">")
    name = (by or ADA).partition(" <")[0]
    identity = ("-c", f"user.name={name}", "-c", f"user.email={mail}")
    factory.git(root, *identity, "commit", "--quiet", f"--author={who}", "-m", message)
    return factory.git(root, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return factory.make_workspace(tmp_path / "repo", {"bot/a.txt": "1", "other/a.txt": "1"})


@pytest.fixture
def repository(root: Path) -> Iterator[Repository]:
    with closing(Repository.open(root)) as repository:
        yield repository


def test_authors_committers_and_co_authors_of_what_touched_the_folder(root: Path, repository: Repository) -> None:
    first = factory.git(root, "rev-parse", "HEAD")
    message = "Change\n\nco-authored-by: Cleo <Cleo@example.org>\nAcked-by: Not <not@example.org>"
    commit_as(root, BOB, {"bot/a.txt": "2"}, message, by="Dora <dora@example.org>")
    last = commit_as(root, "Eve <eve@example.org>", {"other/a.txt": "2"})

    found = authors(repository.begin, last, "bot", since=first)
    assert found == (BOB, "Dora <dora@example.org>", "Cleo <Cleo@example.org>")
    assert authors(repository.begin, last, "bot") == (BOB, "Dora <dora@example.org>", ADA, "Cleo <Cleo@example.org>")
    assert authors(repository.begin, last, "", since=first)[0] == "Eve <eve@example.org>"
    assert authors(repository.begin, last, "bot", since=last) == ()


@pytest.mark.parametrize(
    "trailer",
    [
        "Co-authored-by: Cleo <cleo@example.org>",
        "CO-AUTHORED-BY:Cleo <cleo@example.org>",
        "Co-authored-by : Cleo <cleo@example.org>",
        "Co-authored-by: Cleo\n <cleo@example.org>",  # folded, as git folds
        "Co-authored-by: Dora <dora@example.org>, Cleo <cleo@example.org>",
        "Co-authored-by: cleo@example.org",
        "Co-authored-by: Cleo <cleo@example.org>\r",
        "Co-developed-by: Cleo <cleo@example.org>\nSigned-off-by: Not <not@example.org>",
    ],
)
def test_a_co_author_is_named_in_many_ways(root: Path, repository: Repository, trailer: str) -> None:
    factory.write(root, {"bot/a.txt": "2"})
    factory.git(root, "commit", "--quiet", "-a", "--cleanup=verbatim", "-F", "-", stdin=f"Change\n\n{trailer}\n")
    found = marks_of_all(authors(repository.begin, "HEAD", "bot"))
    assert "cleo@example.org" in found
    assert "not@example.org" not in found


def test_a_folded_co_author_is_mapped_too(root: Path, repository: Repository) -> None:
    factory.write(root, {"bot/a.txt": "2", ".mailmap": "Cleo <cleo@example.org> <c@home.example>\n"})
    factory.git(root, "add", "--all")
    message = "Change\n\nCo-authored-by: c\n <c@home.example>\r\n"
    factory.git(root, "commit", "--quiet", "--cleanup=verbatim", "-F", "-", stdin=message)
    assert "cleo@example.org" in marks_of_all(authors(repository.begin, "HEAD", "bot"))


def test_who_was_cherry_picked_and_who_picked_both_count(root: Path, repository: Repository) -> None:
    first = factory.git(root, "rev-parse", "HEAD")
    factory.git(root, "checkout", "--quiet", "-b", "side")
    picked = commit_as(root, BOB, {"bot/b.txt": "1"}, by=BOB)
    factory.git(root, "checkout", "--quiet", "main")
    factory.git(root, "-c", "user.name=Dora", "-c", "user.email=dora@example.org", "cherry-pick", picked)
    found = authors(repository.begin, "HEAD", "bot", since=first)
    assert found == (BOB, "Dora <dora@example.org>")


def test_who_changes_the_text_while_merging_counts(root: Path, repository: Repository) -> None:
    first = factory.git(root, "rev-parse", "HEAD")
    factory.git(root, "checkout", "--quiet", "-b", "side")
    commit_as(root, BOB, {"other/b.txt": "1"}, by=BOB)
    factory.git(root, "checkout", "--quiet", "main")
    commit_as(root, ADA, {"other/c.txt": "1"})
    factory.git(root, "merge", "--quiet", "--no-ff", "--no-commit", "side")
    commit_as(root, "Eve <eve@example.org>", {"bot/a.txt": "evil"}, "Merge", by="Eve <eve@example.org>")
    assert authors(repository.begin, "HEAD", "bot", since=first) == ("Eve <eve@example.org>",)


def test_a_person_without_an_address_is_kept_by_name(root: Path, repository: Repository) -> None:
    first = factory.git(root, "rev-parse", "HEAD")
    last = commit_as(root, "Bob <>", {"bot/a.txt": "2"})
    assert authors(repository.begin, last, "bot", since=first) == ("Bob <>", ADA)


def test_a_commit_that_this_repository_does_not_have_cuts_nothing_off(root: Path, repository: Repository) -> None:
    last = commit_as(root, BOB, {"bot/a.txt": "2"})
    assert authors(repository.begin, last, "bot", since="c" * 40) == (BOB, ADA)
    assert authors(repository.begin, last, "bot", since="--all") == (BOB, ADA)


def test_a_mapping_adds_an_address_and_hides_none(root: Path, repository: Repository) -> None:
    commit_as(root, "bob <bob@home.example>", {"bot/a.txt": "2"}, "Change\n\nCo-authored-by: c <c@home.example>")
    mailmap = "Bob <bob@example.org> <bob@home.example>\nCleo <cleo@example.org> <c@home.example>\n"
    mailmap += "Nobody <nobody@example.org> <ada@example.org>\n"
    last = commit_as(root, ADA, {".mailmap": mailmap})
    found = authors(repository.begin, last, "bot")
    expected = {"bob <bob@home.example>", BOB, "c <c@home.example>", "Cleo <cleo@example.org>"}
    assert set(found) == expected | {ADA, "Nobody <nobody@example.org>"}


def test_both_sides_of_a_merge_count(root: Path, repository: Repository) -> None:
    first = factory.git(root, "rev-parse", "HEAD")
    factory.git(root, "checkout", "--quiet", "-b", "side")
    commit_as(root, BOB, {"bot/b.txt": "1"}, by=BOB)
    factory.git(root, "checkout", "--quiet", "main")
    commit_as(root, "Cleo <cleo@example.org>", {"bot/c.txt": "1"}, by="Cleo <cleo@example.org>")
    factory.git(root, "merge", "--quiet", "--no-ff", "-m", "Merge", "side")
    last = factory.git(root, "rev-parse", "HEAD")
    assert {BOB, "Cleo <cleo@example.org>"} <= set(authors(repository.begin, last, "bot", since=first))


def test_only_so_many_people_are_kept(root: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST", 2)
    names = "\n".join(f"Co-authored-by: P{number} <p{number}@example.org>" for number in range(5))
    last = commit_as(root, BOB, {"bot/a.txt": "2"}, f"Change\n\n{names}")
    assert authors(repository.begin, last, "bot") == (BOB, ADA)
