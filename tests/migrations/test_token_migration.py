"""0003 and what follows on a registry that the promptops before filled: nothing of it changes, tokens can be made."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect

from promptops.core.errors import SchemaOutdated
from promptops.core.token import Scope, secret_digest
from promptops.operations.tokens import find_token, revoke_token
from promptops.store import HEAD, Registry, backup, check_store, current_schema, restore, upgrade
from promptops.store.engine.database import connect, locate
from promptops.store.schema import guards
from tests.migrations.filled import fill_old
from tests.store.facts import ask
from tests.store.world import all_records
from tests.support.factory import ACTOR, go_back, live_version, make_token, minutes

NEW = {"binding", "token", "token_secret", "token_revocation", "client", "transfer", "home", "drained", "registry_key"}
NEW |= {"approval", "waiver"}
NEW |= {"run", "run_row", "evidence", "release_suites"}
NEW |= {"report_key", "outcome", "bad_unit", "sample_unit", "feedback", "outcome_client", "kept_call", "declaration"}
NEW |= {"erasure", "rollout", "canary_decision", "rollout_state", "rollout_unit"}
NEW |= {"receiver", "delivery"}
NEW |= {"archival", "channel_removal"}
VERSIONS = {"alembic_version", "promptops_version"}


@pytest.fixture
def old_url(empty_url: str) -> str:
    """A registry at schema 0002 in which everything happened that could, some of it in git already."""
    return fill_old(empty_url, "0002")


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but the new ones and Alembic's own."""
    reading, _ = connect(locate(url))
    with reading.connect() as connection, connection.begin():
        names = set(inspect(connection).get_table_names()) - NEW - VERSIONS
        found = {name: sorted(map(tuple, connection.exec_driver_sql(f'SELECT * FROM "{name}"'))) for name in names}
    reading.dispose()
    return found


def keys_of_nobody(url: str) -> list[tuple[object, ...]]:
    """The idempotency keys from before they belonged to a token."""
    reading, _ = connect(locate(url))
    with reading.connect() as connection, connection.begin():
        found = connection.exec_driver_sql("SELECT key, request, at, body FROM idempotency WHERE token = '*'")
        keys = sorted(map(tuple, found))
    reading.dispose()
    return keys


def test_everything_is_as_it_was_and_the_new_tables_are_empty_and_guarded(old_url: str) -> None:
    before = rows(old_url)
    assert all(before[name] for name in ("deployment", "outbox", "epoch", "yank", "quarantine", "idempotency"))
    with pytest.raises(SchemaOutdated):
        Registry.open(old_url)

    assert upgrade(old_url) == ("0002", HEAD)

    keys = before["idempotency"]
    assert keys_of_nobody(old_url) == keys, "they belong to no token"
    for name, now in (rows(old_url) | {"idempotency": keys}).items():
        if name == "audit_head":
            continue
        assert [row[: len(was)] for row, was in zip(now, before[name], strict=False)] == before[name]
        # one more: the line that binds the others
        assert len(now) == len(before[name]) + (name in ("audit", "journal", "outbox"))
    reading, _ = connect(locate(old_url))
    with reading.connect() as connection, connection.begin():
        assert set(inspect(connection).get_table_names()) == {*before, *NEW, *VERSIONS}
        assert guards.missing(connection) == ()
        for name in NEW - {"binding"}:
            assert connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar() == 0
        indexes = {index["name"] for index in inspect(connection).get_indexes("audit")}
    reading.dispose()
    assert "ix_audit_channel_seq" in indexes
    with closing(Registry.open(old_url)) as registry:
        assert check_store(registry) == ()
        assert len(all_records(registry)) == len(before["audit"]) + 1


def test_work_goes_on_with_tokens_in_it(old_url: str) -> None:
    upgrade(old_url)
    assert upgrade(old_url) == (HEAD, HEAD)
    with closing(Registry.open(old_url)) as registry:
        waiting = ask(registry, lambda reader: reader.pending_count())
        was = live_version(registry)
        made = make_token(registry, "ci", scopes=(Scope.ROLLBACK,), now=minutes(200))
        go_back(registry, "bot", now=minutes(201))
        revoke_token(registry, "ci", actor=ACTOR, now=minutes(202))
        assert find_token(registry, secret_digest(made.text)) is not None
        assert live_version(registry) != was
        assert ask(registry, lambda reader: reader.pending_count()) == waiting + 4  # a rollback also quarantines
        assert check_store(registry) == ()


def test_a_backup_made_before_the_upgrade_is_restored_after_it(old_url: str, restored_url: str, tmp_path: Path) -> None:
    manifest = backup(old_url, tmp_path / "old.backup", now=minutes(200))
    assert (manifest.revision, NEW & manifest.holdings.counts.keys()) == ("0002", set())
    restore(tmp_path / "old.backup", restored_url, actor=ACTOR, now=minutes(201))

    with closing(Registry.open(restored_url)) as registry:
        made = make_token(registry, "ci", now=minutes(202))
        assert find_token(registry, secret_digest(made.text)) == made.token
        assert check_store(registry) == ()
    assert current_schema(old_url) == ("0002", HEAD)
