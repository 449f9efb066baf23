"""What an app declares of its calls is recorded with a release, and reaches clients without a new one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.declarations import Capture, Declarations
from promptops.core.errors import Invalid, KeyReused
from promptops.core.model import Policy
from promptops.core.snapshot import Snapshot
from promptops.operations import snapshots
from promptops.operations.build import BuiltWorkspace, build
from promptops.operations.release import Released, ReleaseRequest, release
from promptops.source.git.repository import Repository
from promptops.store import Registry, check_store
from tests.gateway.serving import mint, serving
from tests.store.facts import ask
from tests.support import factory
from tests.support.factory import ACTOR, START, go_live, key, make_channels

FILES = {"promptops.yml": "registry: test\napps: [bot]\n", "bot/prompts/greet.prompt.yml": factory.PROMPT}
DECLARING = """\
outcomes: [resolved]
tags: {language: [de, en]}
scores: {helpful: {passAt: 0.5}}
capture: variables
plan: {calls_a_day: 20000, monthly_usd: 12.5, limits: {openai: {calls_a_minute: 500}}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return factory.make_workspace(tmp_path / "repo", FILES)


def built(root: Path) -> BuiltWorkspace:
    with closing(Repository.open(root)) as repository:
        return build(repository, root, builder="tests")


def released(registry: Registry, root: Path, *, with_key: str = "") -> Released:
    return release(registry, built(root), ReleaseRequest(key=with_key or key()), actor=ACTOR, now=START)[0]


def declare(root: Path, text: str) -> None:
    factory.commit(root, {"bot/app.yml": text}, "Declare")


def declared(registry: Registry) -> Declarations | None:
    version = ask(registry, lambda reader: reader.declarations("bot"))
    return version.declared if version else None


def lines(registry: Registry) -> int:
    return sum(entry.action == "declarations" for entry in ask(registry, lambda reader: reader.audit()))


def live(registry: Registry, root: Path) -> Snapshot:
    """The snapshot of prod, where the first release of the app is live that declares nothing."""
    make_channels(registry, prod=Policy())
    made = released(registry, root)
    go_live(registry, f"bot@{made.release.version}")
    return snapshots.snapshot(registry, "prod")


def test_declarations_are_recorded_once_and_again_where_they_change(registry: Registry, root: Path) -> None:
    first = released(registry, root)
    assert (declared(registry), lines(registry)) == (None, 0)
    declare(root, DECLARING)
    again = released(registry, root)
    assert (again.release.digest, again.created) == (first.release.digest, False)
    known = declared(registry)
    assert known is not None and known.outcomes == ("resolved",) and known.plan is not None
    assert known.plan.calls_a_day == 20_000
    released(registry, root)
    assert lines(registry) == 1, "nothing changed"
    declare(root, "owner: me\n")
    released(registry, root)
    assert (declared(registry), lines(registry)) == (Declarations(), 2)
    assert check_store(registry) == ()


def test_clients_get_them_without_a_promotion_and_never_the_plan(registry: Registry, root: Path) -> None:
    before = live(registry, root)
    declare(root, DECLARING)
    released(registry, root)
    after = snapshots.snapshot(registry, "prod")
    assert after.cursor > before.cursor, "a newer snapshot, else servers and folders would keep the older one"
    assert snapshots.progress(registry, "prod").cursor == after.cursor
    ((app, pointer),) = after.since(before).apps.items()
    assert (app, pointer.revision) == ("bot", before.apps["bot"].revision)
    assert pointer.declared.capture is Capture.VARIABLES and pointer.declared.plan is None
    declare(root, "owner: me\n")
    released(registry, root)
    last = snapshots.snapshot(registry, "prod")
    assert last.cursor > after.cursor
    assert last.apps == before.apps


def test_a_plan_alone_changes_nothing_for_clients(registry: Registry, root: Path) -> None:
    before = live(registry, root)
    declare(root, "plan: {calls_a_day: 5}\n")
    released(registry, root)
    assert snapshots.snapshot(registry, "prod").apps == before.apps


def test_a_release_is_done_once_with_what_it_declares(registry: Registry, root: Path) -> None:
    declare(root, DECLARING)
    once = key()
    assert released(registry, root, with_key=once).created
    assert released(registry, root, with_key=once).created
    declare(root, DECLARING.replace("resolved", "escalated"))
    with pytest.raises(KeyReused):
        released(registry, root, with_key=once)


def test_they_are_the_same_through_a_server(registry: Registry, registry_url: str, root: Path) -> None:
    from promptops.core.token import Scope
    from promptops.gateway.remote import Remote
    from promptops.use_cases.release import PUBLISH, Publication

    declare(root, DECLARING)
    secret = mint(registry, "ci", Scope.RELEASE).secret
    with serving(registry_url) as url, Remote.open(url, token=secret) as gateway:
        workspace = built(root)
        gateway.run(PUBLISH, Publication.of(workspace, ReleaseRequest(key=key())), actor=ACTOR)
        assert declared(registry) == workspace.built[0].declared
        body = gateway.run(PUBLISH, Publication.of(workspace, ReleaseRequest(key=key())), actor=ACTOR)
        assert not body[0].created
        declare(root, "owner: me\n")
        gateway.run(PUBLISH, Publication.of(built(root), ReleaseRequest(key=key())), actor=ACTOR)
    assert declared(registry) == Declarations()


def test_a_server_takes_no_declarations_that_could_not_be(registry: Registry, registry_url: str, root: Path) -> None:
    from promptops.core.token import Scope
    from promptops.gateway.remote import Remote
    from promptops.use_cases import release as use_case

    declare(root, DECLARING)
    secret = mint(registry, "ci", Scope.RELEASE).secret
    with serving(registry_url) as url, Remote.open(url, token=secret) as gateway:
        workspace = built(root)
        assert workspace.built[0].declared is not None
        object.__setattr__(workspace.built[0].declared, "outcomes", ("not a name",))
        publication = use_case.Publication.of(workspace, ReleaseRequest(key=key()))
        with pytest.raises(Invalid, match="is not the name of an outcome"):
            gateway.run(use_case.PUBLISH, publication, actor=ACTOR)
    assert declared(registry) is None
