"""Every damage to a database is found and named, and a whole database has none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.audit import seal, verify, verify_anchors
from promptops.core.errors import GuardsMissing, RegistryNotInitialised
from promptops.core.faults import FAULTS, Condition, Fault
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from promptops.store.engine.database import locate
from promptops.store.schema.tables import metadata
from tests.store.facts import ask
from tests.store.vandal import vandalise

BOT = "app = 'bot' AND channel = 'prod'"


def found(url: str) -> set[tuple[str, str]]:
    return {(fault.code, fault.where) for fault in check_store(url)}


def test_a_whole_registry_has_no_faults(world: Registry) -> None:
    assert check_store(world) == ()


def test_a_new_registry_has_no_faults(registry_url: str) -> None:
    assert check_store(registry_url) == ()


DAMAGES = [
    # content, by a hex editor
    ("UPDATE release SET content = forged WHERE app = 'bot' AND version = '0.1.2'", "content-changed", "bot@0.1.2"),
    # a release that is gone; its deployments and its provenance refer to nothing
    ("DELETE FROM release WHERE app = 'faq' AND version = '0.1.3'", "fact-missing", "releases/faq/0.1.3"),
    ("DELETE FROM release WHERE app = 'faq' AND version = '0.1.3'", "reference-broken", "deployment"),
    # a log with a hole, with its end cut off, with its head moved
    (f"DELETE FROM deployment WHERE {BOT} AND revision = 3", "revision-gap", "bot:prod"),
    (f"DELETE FROM deployment WHERE {BOT} AND revision = 3", "fact-missing", "channels/prod/bot/3"),
    (f"DELETE FROM deployment WHERE {BOT} AND revision = 7", "head-moved", "bot:prod"),
    (f"DELETE FROM deployment WHERE {BOT} AND revision = 7", "fact-missing", "channels/prod/bot/7"),
    (f"UPDATE head SET revision = 2 WHERE {BOT}", "head-moved", "bot:prod"),
    (f"DELETE FROM head WHERE {BOT}", "head-moved", "bot:prod"),
    # what a deployment says
    (f"UPDATE deployment SET actor = 'Eve' WHERE {BOT} AND revision = 3", "fact-changed", "channels/prod/bot/3"),
    (f"UPDATE deployment SET reason = 'Eve' WHERE {BOT} AND revision = 3", "fact-changed", "channels/prod/bot/3"),
    (f"UPDATE deployment SET kind = 'promote' WHERE {BOT} AND revision = 5", "fact-changed", "channels/prod/bot/5"),
    (f"UPDATE deployment SET kind = 'theft' WHERE {BOT} AND revision = 5", "fact-changed", "channels/prod/bot/5"),
    (f"UPDATE deployment SET kind = 'No Word' WHERE {BOT} AND revision = 5", "fact-missing", "channels/prod/bot/5"),
    (f"UPDATE deployment SET version = NULL WHERE {BOT} AND revision = 5", "fact-missing", "channels/prod/bot/5"),
    (f"UPDATE deployment SET canary_weight = 100 WHERE {BOT} AND revision = 5", "fact-missing", "channels/prod/bot/5"),
    (f"UPDATE deployment SET kind = 'off', version = NULL, digest = NULL WHERE {BOT} AND revision = 5", "fact-changed",
     "channels/prod/bot/5"),
    (f"UPDATE deployment SET before_version = '9' WHERE {BOT} AND revision = 3", "history-broken", "bot:prod"),
    (f"UPDATE deployment SET before_digest = NULL WHERE {BOT} AND revision = 3", "history-broken", "bot:prod"),
    (f"UPDATE deployment SET restores = 1 WHERE {BOT} AND revision = 5", "history-broken", "bot:prod"),
    (f"UPDATE deployment SET restores = 99 WHERE {BOT} AND revision = 5", "history-broken", "bot:prod"),
    # other facts
    ("UPDATE release SET created_by = 'Eve' WHERE app = 'bot'", "fact-changed", "releases/bot/0.1.0"),
    ("UPDATE release SET bump = 'huge' WHERE app = 'bot' AND version = '0.1.1'", "fact-missing", "releases/bot/0.1.1"),
    ("DELETE FROM provenance WHERE app = 'bot'", "fact-missing", "releases/bot/0.1.0"),
    ("DELETE FROM yank", "fact-missing", "yanks/faq/0.1.1"),
    ("UPDATE yank SET reason = 'none'", "fact-changed", "yanks/faq/0.1.1"),
    ("DELETE FROM channel_policy WHERE channel = 'prod' AND version = 1", "revision-gap", "prod"),
    ("UPDATE channel_policy SET actor = 'Eve' WHERE version = 2", "fact-changed", "policies/prod/2"),
    ("UPDATE registry SET lineage = 'other'", "fact-unrecorded", "registry/other"),
    ("UPDATE registry SET name = 'other'", "fact-changed", "registry/"),
    ("DELETE FROM epoch", "fact-missing", "epochs/2"),
    # a token with more rights, on more channels, for longer, of another name; one that lives again
    ("UPDATE token SET scopes = '[\"admin\"]' WHERE name = 'ci'", "fact-changed", "tokens/t"),
    ("UPDATE token SET scopes = '[\"theft\"]' WHERE name = 'ci'", "fact-missing", "tokens/t"),
    ("UPDATE token SET scopes = '[]' WHERE name = 'ci'", "fact-missing", "tokens/t"),
    ("UPDATE token SET scopes = 'theft' WHERE name = 'ci'", "fact-missing", "tokens/t"),
    ("UPDATE token SET channels = '[\"*\"]' WHERE name = 'ci'", "fact-changed", "tokens/t"),
    ("UPDATE token SET apps = '[\"bot\"]' WHERE name = 'ci'", "fact-changed", "tokens/t"),
    ("UPDATE token SET expires_at = NULL WHERE name = 'ci'", "fact-changed", "tokens/t"),
    ("UPDATE token SET name = 'cd' WHERE name = 'ci'", "fact-changed", "tokens/t"),
    ("UPDATE token SET prefix = 'pops_ad_AAAA' WHERE name = 'ci'", "fact-changed", "tokens/t"),
    ("UPDATE token SET created_by = 'Eve' WHERE name = 'ci'", "fact-changed", "tokens/t"),
    ("DELETE FROM token WHERE name = 'forever'", "fact-missing", "tokens/t"),
    ("DELETE FROM token WHERE name = 'forever'", "reference-broken", "token_secret"),
    ("DELETE FROM token_revocation", "fact-missing", "revocations/t"),
    ("UPDATE token_revocation SET reason = 'none'", "fact-changed", "revocations/t"),
    ("INSERT INTO token_revocation SELECT id, 'none', 'Eve', created_at FROM token WHERE name = 'forever'",
     "fact-unrecorded", "revocations/t"),
    ("INSERT INTO token SELECT 'tEve', 'eve', scopes, channels, apps, prefix, created_by, created_at, expires_at, "
     "commitment, person FROM token WHERE name = 'forever'", "fact-unrecorded", "tokens/tEve"),
    # secrets
    ("UPDATE token_secret SET digest = 'eve' WHERE token IN (SELECT id FROM token WHERE name = 'ci')",
     "secret-changed", "tokens/t"),
    ("DELETE FROM token_secret WHERE token IN (SELECT id FROM token WHERE name = 'forever')",
     "secret-changed", "tokens/t"),
    ("UPDATE token SET commitment = '' WHERE name = 'ci'", "fact-changed", "tokens/t"),
    # what only the record of a fact has
    ("UPDATE release SET changes = '[]' WHERE app = 'bot'", "fact-changed", "releases/bot/"),
    ("UPDATE release SET changes = '[ ]' WHERE app = 'bot' AND version = '0.1.0'", "fact-changed", "releas"),
    ("UPDATE release SET bump = 'major' WHERE app = 'bot' AND version = '0.1.1'", "fact-changed", "releases/bot/0.1.1"),
    ("UPDATE provenance SET \"commit\" = 'eve' WHERE app = 'bot'", "fact-changed", "releases/bot/0.1.0"),
    ("UPDATE provenance SET actor = 'Eve' WHERE app = 'bot'", "fact-missing", "releases/bot/0.1.0"),
    ("UPDATE profile SET owner = 'eve' WHERE app = 'bot'", "fact-changed", "profiles/bot/"),
    ("UPDATE profile SET actor = 'Eve' WHERE app = 'bot'", "fact-missing", "profiles/bot/"),
    ("UPDATE channel_policy SET protected = NOT protected WHERE version = 1", "fact-changed", "policies/prod/1"),
    ("UPDATE channel_policy SET promote_from = '[\"dev\"]' WHERE version = 1", "fact-changed", "policies/prod/1"),
    ("UPDATE release SET id = 900 + id WHERE app = 'bot' AND version = '0.1.0'", "fact-changed", "release"),
    ("INSERT INTO app VALUES ('eve')", "fact-unrecorded", "app eve"),
    ("DELETE FROM audit_head", "database-corrupt", "audit log"),
    # facts that nobody decided
    ("INSERT INTO epoch SELECT 9, at, actor, reason, leaves FROM epoch", "fact-unrecorded", "epochs/9"),
    ("INSERT INTO yank SELECT app, digest, 'none', 'Eve', created_at FROM release WHERE app = 'bot'", "fact-unrecorded",
     "yanks/bot/0.1.3"),
    ("INSERT INTO yank SELECT app, 'sha256:x', 'none', 'Eve', created_at FROM release WHERE version = '0.1.0'",
     "reference-broken", "yank"),
    ("UPDATE provenance SET root = '' WHERE app = 'bot'", "fact-changed", "releases/bot/0.1.0"),
    ("UPDATE transfer SET path = 'eve' WHERE number = 1", "fact-changed", "transfers/faq/1"),
    ("UPDATE transfer SET root = 'x' WHERE number = 1", "fact-changed", "transfers/faq/1"),
    ("DELETE FROM transfer", "fact-missing", "transfers/faq/1"),
    ("INSERT INTO transfer SELECT app, 9, repository, path, root, reason, actor, at FROM transfer WHERE number = 1",
     "fact-unrecorded", "transfers/faq/9"),
    ("UPDATE archival SET archived = NOT archived WHERE number = 1", "fact-changed", "archivals/bot/1"),
    ("UPDATE archival SET successor = 'eve' WHERE number = 1", "fact-changed", "archivals/bot/1"),
    ("DELETE FROM archival", "fact-missing", "archivals/bot/1"),
    ("INSERT INTO archival SELECT 'faq', number, archived, successor, reason, actor, at FROM archival WHERE number = 1",
     "fact-unrecorded", "archivals/faq/1"),
    ("DELETE FROM channel_removal", "fact-missing", "removals/prod/1"),
    ("INSERT INTO channel_removal SELECT 'staging', version, reason, actor, at FROM channel_removal",
     "fact-unrecorded", "removals/staging/1"),
    # the audit log
    ("UPDATE audit SET actor = 'Eve' WHERE seq = 5", "audit-broken", "audit line 5"),
    ("DELETE FROM audit WHERE seq = 5", "audit-broken", "audit line 5"),
    ("DELETE FROM audit WHERE seq = 5", "journal-incomplete", "audit line 5"),
    ("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)", "audit-broken", "audit line "),
    ("UPDATE audit_head SET seq = seq - 1", "audit-broken", "audit line "),
    ("UPDATE audit_head SET hash = 'x'", "audit-broken", "audit line "),
    ("DELETE FROM journal WHERE seq = 5", "journal-incomplete", "audit line 5"),
    ("INSERT INTO outbox VALUES (999)", "journal-incomplete", "audit line 999"),
    ("UPDATE journal SET ref = 'channels/prod/bot/99' WHERE ref = 'channels/prod/bot/2'", "fact-missing",
     "channels/prod/bot/99"),
    ("UPDATE journal SET ref = 'channels/prod/bot/99' WHERE ref = 'channels/prod/bot/2'", "fact-unrecorded",
     "channels/prod/bot/2"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "code", "where"), DAMAGES)
def test_damage_is_named(world_url: str, statement: str, code: str, where: str) -> None:
    vandalise(world_url, statement.replace("forged", f"CAST('forged' AS {_bytes(world_url)})"))
    faults = check_store(world_url)

    named = [fault for fault in faults if fault.code == code and fault.where.startswith(where)]
    assert named, faults
    for fault in faults:
        assert fault.severity is Condition.DAMAGE
        assert fault.what and fault.repair


def _bytes(url: str) -> str:
    return "BLOB" if locate(url).path else "BYTEA"


@pytest.mark.parametrize(
    ("copied", "code", "where"),
    [
        (("profile", "app, title, description, 'eve', on_call, runbook, actor, at"), "fact-unrecorded", "profiles/bot"),
        (("quarantine", "app, channel, version, digest, lifted, reason, 'Eve', at"), "fact-unrecorded", "quarantines/"),
        (("provenance", "app, digest, 'eve', \"commit\", path, author, builder, dirty, actor, at, root, authors"),
         "fact-unrecorded", "confirmations/"),
    ],
)  # fmt: skip
def test_rows_that_nobody_decided_are_named(world_url: str, copied: tuple[str, str], code: str, where: str) -> None:
    table, values = copied
    columns = ", ".join(part.strip() for part in _columns(table))
    one = f"SELECT {values} FROM {table} WHERE id = (SELECT min(id) FROM {table})"
    vandalise(world_url, f"INSERT INTO {table} ({columns}) {one}")
    assert [fault for fault in check_store(world_url) if fault.code == code and fault.where.startswith(where)]


def _columns(table: str) -> list[str]:
    return [f'"{column.name}"' for column in metadata.tables[table].columns if column.name != "id"]


def test_a_log_that_was_rewritten_as_a_whole_still_contradicts_the_facts(world: Registry, world_url: str) -> None:
    trail = ask(world, lambda reader: list(reader.audit_trail()))
    at = next(entry.seq for entry in trail if entry.action == "promote")
    statements, previous = [], trail[at - 2].hash
    for entry in trail[at - 1 :]:
        forged = replace(entry, previous=previous, actor="Eve" if entry.seq == at else entry.actor)
        previous = seal(forged)
        values = f"actor = '{forged.actor}', previous = '{forged.previous}', hash = '{previous}'"
        statements.append(f"UPDATE audit SET {values} WHERE seq = {entry.seq}")
    vandalise(world_url, *statements, f"UPDATE audit_head SET hash = '{previous}'")

    assert found(world_url) == {("fact-changed", trail_ref(world, at))}
    kept = {entry.seq: entry.hash for entry in trail}
    forged_trail = ask(world, lambda reader: list(reader.audit_trail()))
    assert verify(forged_trail) == ()
    assert [fault.seq for fault in verify_anchors(forged_trail, kept)] == [entry.seq for entry in trail[at - 1 :]]


def trail_ref(registry: Registry, seq: int) -> str:
    return ask(registry, lambda reader: reader.journal([seq]))[0].ref


def test_missing_guards_are_named_although_the_registry_does_not_open(world: Registry, world_url: str) -> None:
    world.close()
    path = locate(world_url).path
    if path:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP TRIGGER journal_no_update")
    else:
        plain = make_url(world_url).set(drivername="postgresql").render_as_string(False)
        with psycopg.connect(plain, autocommit=True) as outsider:
            outsider.execute("ALTER TABLE journal DISABLE TRIGGER journal_no_change")
    with pytest.raises(GuardsMissing):
        Registry.open(world_url)
    name = "journal_no_update" if path else "journal_no_change"
    assert found(world_url) == {("guard-missing", name)}


def test_a_database_that_is_not_there_is_no_finding(empty_url: str) -> None:
    with pytest.raises(RegistryNotInitialised):
        check_store(empty_url)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # a server keeps its pages in memory
def test_overwritten_pages_are_named(world: Registry, world_url: str) -> None:
    world.close()
    path = locate(world_url).path
    assert path is not None
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'deployment'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    assert "database-corrupt" in {fault.code for fault in check_store(world_url)}


@pytest.mark.parametrize("part", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_named(tmp_path: Path, part: bytes) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(part)
    assert [fault.code for fault in check_store(str(path))] == ["database-corrupt"]


def test_a_fault_has_a_code_that_is_explained() -> None:
    with pytest.raises(KeyError):
        Fault(code="unheard-of", severity=Condition.DAMAGE, what="x", where="y", repair="z")
    assert all(FAULTS.values())
