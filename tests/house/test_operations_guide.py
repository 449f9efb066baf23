"""docs/operations.md works: every fault has its row, the roles are enough, the hook lets nothing move."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.faults import FAULTS
from promptops.core.reference import parse_reference
from promptops.operations.quarantine import WithholdRequest, yank
from promptops.operations.runs import CloseRequest, OpenRequest, ReportRequest, close, open_run, report
from promptops.source.git.repository import Repository
from promptops.store import Registry, create
from tests.support import factory
from tests.support.checkout import ROOT
from tests.support.evidence import row, run
from tests.support.journal import drain

GUIDE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    """The one code block of the guide in this language that has this text in it."""
    found = [
        body
        for body in re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
        if containing in body
    ]
    assert len(found) == 1, f"{len(found)} blocks have {containing}"
    return str(found[0])


def test_every_fault_has_a_row_that_says_what_to_do() -> None:
    table = GUIDE.partition("### What to do when fsck says")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \| .{20,} \|$", table, re.MULTILINE) == list(FAULTS)


@pytest.fixture
def as_runtime_role(postgresql_databases: Callable[[str], str]) -> str:
    """The URL of a PostgreSQL registry for a role that has what the guide gives it, and nothing else."""
    url = postgresql_databases("template0")
    create(url, name="test", now=datetime(2026, 1, 1, tzinfo=UTC), actor=factory.ACTOR)
    place = make_url(url).set(drivername="postgresql")
    role = f"runtime_{place.database}"
    with psycopg.connect(place.render_as_string(False), autocommit=True) as owner:
        owner.execute(block("sql", "CREATE ROLE").replace("promptops_user", role).encode())
    return make_url(url).set(username=role).render_as_string(False)


def test_the_runtime_role_can_do_all_there_is_to_do(as_runtime_role: str, tmp_path: Path) -> None:
    with closing(Registry.open(as_runtime_role)) as registry:
        factory.make_channels(registry)
        for release in factory.make_releases(registry):
            factory.go_live(registry, f"bot@{release.version}")
        factory.go_back(registry, "bot")
        gone = WithholdRequest(reference=parse_reference("bot@0.1.2"), reason="it lies", key=factory.key())
        yank(registry, gone, actor=factory.ACTOR, now=factory.minutes(1))
        planned, now = run(app="bot", cases=1), factory.minutes(2)
        open_run(registry, OpenRequest.of(planned, key=factory.key()), actor=factory.ACTOR, now=now)
        report(registry, ReportRequest(run=planned.id, rows=(row(0),), key=factory.key()), now=now)
        ended = CloseRequest(run=planned.id, key=factory.key(), note="enough")
        close(registry, ended, actor=factory.ACTOR, now=now)
        with closing(Repository.open(factory.make_workspace(tmp_path / "prompts"))) as repository:
            drained = drain(registry, repository)
        assert drained.done
        assert factory.live_version(registry) == "0.1.1"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE release SET notes = ''",
        "DELETE FROM deployment",
        "DELETE FROM audit",
        "DELETE FROM journal",
        "UPDATE journal SET ref = ''",
        "DELETE FROM epoch",
        "DELETE FROM run_row",
        "UPDATE evidence SET complete = true",
        "TRUNCATE outbox",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "DROP TABLE audit CASCADE",
        "SET session_replication_role = replica",
    ],
)
def test_the_runtime_role_can_do_nothing_else(as_runtime_role: str, statement: str) -> None:
    url = make_url(as_runtime_role).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(url, autocommit=True) as thief, pytest.raises(psycopg.errors.InsufficientPrivilege):
        thief.execute(statement.encode())


# --- the hook ------------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with a branch, a release tag and a journal, pushed to a remote that has the guide's hook."""
    remote = tmp_path / "remote.git"
    remote.mkdir()
    factory.git(remote, "init", "--quiet", "--bare")
    hook = remote / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(block("sh", "refs/heads/promptops/*"))
    hook.chmod(0o755)
    clone = factory.make_workspace(tmp_path / "clone")
    factory.git(clone, "remote", "add", "origin", str(remote))
    factory.git(clone, "tag", "-a", "bot/v0.1.0", "-m", "one")
    factory.commit(clone, {"notes.txt": "one line"})
    factory.git(clone, "branch", "promptops/test")
    factory.git(clone, "push", "--quiet", "origin", "main", "--tags", "promptops/test")
    factory.commit(clone, {"notes.txt": "more"})
    return clone


@pytest.mark.parametrize(
    "refspec",
    [
        "+HEAD:refs/tags/bot/v0.1.0",
        ":refs/tags/bot/v0.1.0",
        "+HEAD~2:refs/heads/promptops/test",
        ":refs/heads/promptops/test",
    ],
)
def test_the_hook_lets_the_journal_move_forward_only_and_keeps_release_tags(clone: Path, refspec: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        factory.git(clone, "push", "origin", refspec)
    assert "does not change" in refused.value.stderr or "only moves forward" in refused.value.stderr


@pytest.mark.parametrize("refspec", ["HEAD:main", "HEAD:refs/tags/bot/v0.2.0", "HEAD:refs/heads/promptops/test"])
def test_the_hook_lets_everything_else_through(clone: Path, refspec: str) -> None:
    factory.git(clone, "push", "--quiet", "origin", refspec)
    name = refspec.partition(":")[2]
    assert factory.git(clone, "ls-remote", "origin", name).split()[0] == factory.git(clone, "rev-parse", "HEAD")
