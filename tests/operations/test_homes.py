"""Which repository may be the home of a journal, and when promptops.yml names the same one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.errors import Invalid, RegistryMismatch
from promptops.operations.homes import Changed, Declared, settle
from promptops.projection.homes import NotTheHome
from promptops.source.git.repository import Repository
from promptops.store import Registry
from promptops.store.facts.home import Home
from tests.support.factory import ACTOR, NAME, START, git, make_workspace
from tests.support.journal import REF, names, sync

CHANGED = Changed(actor=ACTOR, at=START)


def settled(registry: Registry, root: Path, address: str = "", *, claim: bool = False, ref: str = "") -> str:
    """Where the home of the journal is, as a workspace sees it that declares this address."""
    with closing(Repository.open(root)) as repository:
        declared = Declared(registry=NAME, git=address, ref=ref)
        return settle(registry, repository, declared, CHANGED, claim=claim).where


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_workspace(tmp_path / "prompts")


@pytest.mark.parametrize(
    "address", ["https://ci:secret@example.org/a.git", "https://token@example.org/a.git", "ssh://git:pw@example.org/a"]
)
def test_no_secret_goes_to_the_journal(registry: Registry, root: Path, address: str) -> None:
    with pytest.raises(Invalid, match="a user or a password") as refused:
        settled(registry, root, address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["ext::sh -c x", "--upload-pack=x", "not-an-address"])
def test_git_is_sent_to_addresses_only(registry: Registry, root: Path, address: str) -> None:
    with pytest.raises(Invalid):
        settled(registry, root, address)


@pytest.mark.parametrize(
    ("declared", "same"),
    [
        ("", True),
        ("https://github.com/acme/prompts.git", True),
        ("git@GitHub.com:acme/prompts", True),
        ("ssh://git@github.com:22/acme/prompts.git", True),
        ("https://github.com/acme/others.git", False),
        ("/srv/prompts.git", False),
    ],
)
def test_one_home_may_be_written_in_several_ways(registry: Registry, root: Path, declared: str, same: bool) -> None:
    home = Home(number=1, ref=REF, address="https://github.com/acme/prompts.git", actor=ACTOR, at=START)
    registry.write(lambda writer: writer.record(home))
    if same:
        assert settled(registry, root, declared).endswith("of https://github.com/acme/prompts.git")
    else:
        with pytest.raises(RegistryMismatch, match=r"names .* as the home of the journal, and it is"):
            settled(registry, root, declared)


def test_a_repository_becomes_the_home_only_on_purpose(registry: Registry, root: Path, tmp_path: Path) -> None:
    if registry.path is None:  # the file of a registry in a workspace is a purpose
        with pytest.raises(NotTheHome, match="no repository is the home"):
            settled(registry, root)
    assert settled(registry, root, claim=True) == "promptops/test"
    git(tmp_path, "clone", "--quiet", str(root), "clone")
    with pytest.raises(NotTheHome, match="another workspace"):
        settled(registry, tmp_path / "clone", claim=True)


def test_many_that_are_first_at_once_name_one_home(registry_url: str, registry: Registry, root: Path) -> None:
    def claim() -> str:
        with closing(Registry.open(registry_url)) as opened:
            return settled(opened, root, claim=True)

    with ThreadPoolExecutor(8) as pool:
        assert {done.result() for done in [pool.submit(claim) for _ in range(8)]} == {"promptops/test"}
    sync(registry, root)
    assert [name for name in names(root) if name.startswith("homes/")] == ["homes/1"]


def test_a_branch_in_the_way_is_named_with_the_way_out(registry: Registry, root: Path) -> None:
    git(root, "branch", "promptops/test")
    with pytest.raises(RegistryMismatch, match="cannot be the home of the journal") as refused:
        settled(registry, root, claim=True)
    assert "journal:" in str(refused.value.hint)
    assert settled(registry, root, claim=True, ref="refs/heads/journal/test") == "journal/test"
    sync(registry, root)
    assert git(root, "rev-parse", "journal/test") != git(root, "rev-parse", "promptops/test")
