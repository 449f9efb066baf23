"""Which suites an app has is recorded with its release: nobody leaves one out unseen."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

from promptops.core.suite.suite import SuiteKind
from promptops.operations.build import build
from promptops.operations.release import Released, ReleaseRequest, release
from promptops.source.git.repository import Repository
from promptops.store import Registry, check_store
from tests.gateway.serving import serving
from tests.store.facts import ask
from tests.support import factory
from tests.support.factory import ACTOR, START, key

SUITE = """\
    prompts: [greet]
    kind: required
    cases:
      - {name: Ada, expected: hello}
    checks:
      - {name: polite, string: {contains: hello}}
"""
PROMPT = factory.PROMPT + dedent("""\
    testData:
      - {name: Ada}
    evaluators:
      - {name: polite, string: {contains: hello}}
    """)
FILES = {"bot/prompts/greet.prompt.yml": PROMPT, "bot/evals/rules.suite.yml": dedent(SUITE)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return factory.make_workspace(tmp_path / "repo", {"promptops.yml": "registry: test\napps: [bot]\n", **FILES})


def released(registry: Registry, root: Path, *, dirty: bool = False) -> Released:
    with closing(Repository.open(root)) as repository:
        workspace = build(repository, root, allow_dirty=dirty, builder="tests")
    return release(registry, workspace, ReleaseRequest(key=key()), actor=ACTOR, now=START)[0]


def names(registry: Registry, made: Released) -> list[str]:
    known = ask(registry, lambda reader: reader.suites("bot", made.release.digest))
    return [suite.name for suite in known.suites] if known else []


def lines(registry: Registry) -> int:
    return sum(entry.action == "suites" for entry in ask(registry, lambda reader: reader.audit()))


def test_suites_of_prompts_and_of_files_are_recorded_with_their_kinds(registry: Registry, root: Path) -> None:
    made = released(registry, root)
    known = ask(registry, lambda reader: reader.suites("bot", made.release.digest))
    assert known is not None and not known.dirty
    assert [(suite.name, suite.kind, len(suite.cases)) for suite in known.suites] == [
        ("greet", SuiteKind.SAMPLE, 1),
        ("rules", SuiteKind.REQUIRED, 1),
    ]
    released(registry, root)
    assert lines(registry) == 1, "nothing changed"
    assert check_store(registry) == ()


def test_a_suite_that_changed_is_recorded_for_the_same_release(registry: Registry, root: Path) -> None:
    first = released(registry, root)
    factory.commit(root, {"bot/evals/rules.suite.yml": dedent(SUITE).replace("required", "sample")}, "Lower it")
    again = released(registry, root)
    assert (again.release.digest, again.created) == (first.release.digest, False)
    known = ask(registry, lambda reader: reader.suites("bot", first.release.digest))
    assert known is not None and (known.number, known.suites[1].kind) == (2, SuiteKind.SAMPLE)


def test_errors_in_suites_stop_no_release_and_leave_the_suite_out(registry: Registry, root: Path) -> None:
    made = released(registry, root)
    factory.commit(root, {"bot/evals/rules.suite.yml": "prompts: [nothing]\n"}, "Break it")
    assert names(registry, made) == ["greet", "rules"]
    assert names(registry, released(registry, root)) == ["greet"]
    factory.commit(root, {"bot/evals/rules.suite.yml": "{" * 1000}, "Break it more")
    assert names(registry, released(registry, root)) == ["greet"]


def test_suites_of_changed_files_do_not_count_beside_those_of_a_commit(registry: Registry, root: Path) -> None:
    made = released(registry, root)
    (root / "bot/evals/rules.suite.yml").unlink()
    assert names(registry, released(registry, root, dirty=True)) == ["greet", "rules"]
    assert lines(registry) == 2
    assert not made.release.provenance.dirty


def test_an_app_without_suites_has_no_line(registry: Registry, tmp_path: Path) -> None:
    files = {"promptops.yml": "registry: test\napps: [bot]\n", "bot/prompts/greet.prompt.yml": factory.PROMPT}
    released(registry, factory.make_workspace(tmp_path / "plain", files))
    assert lines(registry) == 0


def test_they_are_the_same_through_a_server(registry: Registry, registry_url: str, root: Path) -> None:
    from promptops.core.token import Scope
    from promptops.gateway.remote import Remote
    from promptops.use_cases.release import PUBLISH, Publication
    from tests.gateway.serving import mint

    secret = mint(registry, "ci", Scope.RELEASE).secret
    with serving(registry_url) as url, Remote.open(url, token=secret) as gateway:
        with closing(Repository.open(root)) as repository:
            workspace = build(repository, root, builder="tests")
        made = gateway.run(PUBLISH, Publication.of(workspace, ReleaseRequest(key=key())), actor=ACTOR)[0]
    known = ask(registry, lambda reader: reader.suites("bot", made.release.digest))
    assert known is not None and known.suites == workspace.built[0].suites
