"""An override from git alone, with no database to ask, and what becomes of it when the database is back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.errors import (
    ChannelNotFound,
    GitUnavailable,
    Invalid,
    Quarantined,
    ReleaseNotFound,
    Unavailable,
    Yanked,
)
from promptops.core.model import Kind
from promptops.core.override import Override
from promptops.core.reference import parse_reference
from promptops.operations.override import OverrideRequest, create, create_from_git, load, save
from promptops.operations.override_reconcile import reconcile
from promptops.operations.quarantine import WithholdRequest, unquarantine, yank
from promptops.store import Registry
from tests.support.factory import (
    ACTOR,
    git,
    go_back,
    go_live,
    key,
    live_version,
    make_channels,
    make_releases,
    make_workspace,
    minutes,
)
from tests.support.journal import REF, bring, commit_of, names


def request(reference: str = "bot@0.1.1", channel: str = "prod") -> OverrideRequest:
    return OverrideRequest(
        reference=parse_reference(reference), channel=channel, reason="it burns", lifetime=timedelta(hours=24)
    )


def from_git(place: Path, reference: str = "bot@0.1.1", channel: str = "prod") -> Override:
    return create_from_git(place, request(reference, channel), actor=ACTOR, now=minutes(10))


@pytest.fixture
def filled(registry: Registry) -> Registry:
    make_channels(registry)
    for release in make_releases(registry):
        go_live(registry, f"bot@{release.version}")
    return registry


@pytest.fixture
def root(filled: Registry, tmp_path: Path) -> Path:
    """A workspace whose git has all of the registry's history."""
    root = make_workspace(tmp_path / "prompts")
    bring(filled, root)
    return root


@contextmanager
def away(registry: Registry, url: str) -> Iterator[None]:
    """In here the registry cannot be opened: its file is somewhere else; of PostgreSQL it is the database's name."""
    registry.close()
    place = make_url(url)
    if place.get_backend_name() == "sqlite":
        path = Path(str(place.database))
        path.rename(path.with_suffix(".gone"))
        yield
        path.with_suffix(".gone").rename(path)
    else:
        server = place.set(drivername="postgresql", database="postgres").render_as_string(False)
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{place.database}" RENAME TO "{place.database}_gone"'.encode())
            yield
            admin.execute(f'ALTER DATABASE "{place.database}_gone" RENAME TO "{place.database}"'.encode())


def test_git_and_the_database_give_the_same_override(filled: Registry, root: Path) -> None:
    assert from_git(root) == create(filled, request(), actor=ACTOR, now=minutes(10))


def test_a_mirror_and_a_folder_of_the_workspace_will_do(filled: Registry, root: Path, tmp_path: Path) -> None:
    git(root, "clone", "--quiet", "--mirror", str(root), str(tmp_path / "mirror.git"))
    assert from_git(tmp_path / "mirror.git") == from_git(root / "bot") == from_git(root)


def test_with_the_database_gone_an_override_is_made_and_afterwards_becomes_one_entry(
    filled: Registry, registry_url: str, root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "override.json"
    with away(filled, registry_url):
        with pytest.raises(Unavailable):
            Registry.open(registry_url)
        save(from_git(root), path)
    with closing(Registry.open(registry_url)) as back:
        assert live_version(back) == "0.1.2"
        for at in (20, 30, 40):
            reconcile(back, load(path), actor=ACTOR, now=minutes(at))
        with back.read() as reader:
            log = reader.history("bot", "prod")
        assert [deployment.kind for deployment in log] == [Kind.BREAK_GLASS, *[Kind.PROMOTE] * 3]
        assert live_version(back) == "0.1.1"
        bring(back, root)
        assert f"channels/prod/bot/{log[0].revision}" in names(root)


def test_what_git_knows_to_be_withheld_is_refused(filled: Registry, root: Path) -> None:
    go_back(filled, "bot", now=minutes(1))
    bring(filled, root)
    with pytest.raises(Quarantined):
        from_git(root, "bot@0.1.2")
    held = WithholdRequest(reference=parse_reference("bot@0.1.2"), channel="prod", reason="fine", key=key())
    unquarantine(filled, held, actor=ACTOR, now=minutes(2))
    bring(filled, root)
    assert from_git(root, "bot@0.1.2").version == "0.1.2"
    yank(filled, replace(held, channel="", key=key()), actor=ACTOR, now=minutes(3))
    bring(filled, root)
    with pytest.raises(Yanked, match="fine"):
        from_git(root, "bot@0.1.2")


def test_what_git_does_not_have_is_named(filled: Registry, root: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound) as missing:
        from_git(root, "bot@9.9.9")
    assert "0.1.0, 0.1.1, 0.1.2" in missing.value.hint
    with pytest.raises(ChannelNotFound) as channel:
        from_git(root, channel="dev")
    assert channel.value.known == ("prod",)
    with pytest.raises(Invalid, match="not a version"):
        from_git(root, "bot:prod")
    with pytest.raises(GitUnavailable):
        from_git(tmp_path / "nowhere")
    with pytest.raises(GitUnavailable, match="no history") as nothing:
        from_git(make_workspace(tmp_path / "new"))
    assert "promptops/NAME" in nothing.value.hint


def test_a_release_that_was_swapped_in_git_is_not_taken(filled: Registry, root: Path) -> None:
    before = from_git(root)
    tip = git(root, "commit-tree", f"{commit_of(root, 'releases/bot/0.1.0')}^{{tree}}", "-p", REF, "-m", "x")
    git(root, "update-ref", REF, tip)
    assert from_git(root) == before
