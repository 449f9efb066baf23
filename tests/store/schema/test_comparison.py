"""What somebody put on our tables is named, and what is missing of them; another application's own tables are not."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.store import Registry, upgrade
from promptops.store.checks.checks import check_schema_of, check_store
from promptops.store.engine.database import locate

GHOST = "CREATE OR REPLACE FUNCTION ghost() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
SHOP = ["CREATE TABLE shop (id INTEGER, yank TEXT)", "CREATE INDEX shop_index ON shop (id)"]

SWALLOWING = {
    "sqlite": "CREATE TRIGGER ghost BEFORE INSERT ON token_revocation BEGIN SELECT RAISE(IGNORE); END",
    "postgresql": "CREATE TRIGGER ghost BEFORE INSERT ON token_revocation FOR EACH ROW EXECUTE FUNCTION ghost()",
}
"""What makes revoking a token do nothing."""

CHANGED: dict[str, list[tuple[str, str, str, str]]] = {
    "sqlite": [
        ("CREATE TRIGGER g1 BEFORE INSERT ON YANK BEGIN SELECT RAISE(IGNORE); END", "schema-foreign", "yank", "g1"),
        ("CREATE TRIGGER g2 AFTER INSERT ON client BEGIN SELECT 1; END", "schema-foreign", "client", "trigger g2"),
        ("CREATE TRIGGER g3 BEFORE DELETE ON outbox BEGIN SELECT RAISE(IGNORE); END", "schema-foreign", "outbox", "g3"),
        ("CREATE TRIGGER yank_no_ghost AFTER INSERT ON yank BEGIN SELECT 1; END", "schema-foreign", "yank", "no_ghost"),
        ("ALTER TABLE epoch RENAME TO hidden; CREATE VIEW epoch AS SELECT * FROM hidden", "schema-foreign", "epoch",
         "a view"),
        ("CREATE UNIQUE INDEX one ON quarantine (app)", "schema-foreign", "quarantine", "index one"),
        ("ALTER TABLE token ADD COLUMN extra TEXT", "schema-foreign", "token", "column extra"),
        ("ALTER TABLE token ADD COLUMN cheap TEXT CHECK (cheap <> '')", "schema-foreign", "token", "check"),
        ("CREATE INDEX slow ON profile (owner)", "schema-foreign", "profile", "index slow"),
        ("DROP INDEX ix_head_channel_app", "schema-incomplete", "head", "ix_head_channel_app"),
        ("DROP INDEX ix_profile_app_id; CREATE INDEX ix_profile_app_id ON profile (app, title)", "schema-incomplete",
         "profile", "ix_profile_app_id"),
        ("DROP INDEX ix_provenance_app_digest; CREATE INDEX ix_provenance_app_digest ON provenance (app, digest)"
         " WHERE dirty = 1", "schema-incomplete", "provenance", "ix_provenance_app_digest"),
    ],
    "postgresql": [
        ("CREATE TRIGGER g1 BEFORE INSERT ON yank FOR EACH ROW EXECUTE FUNCTION ghost()", "schema-foreign", "yank",
         "trigger g1"),
        ("CREATE TRIGGER yank_no_ghost AFTER INSERT ON yank EXECUTE FUNCTION ghost()", "schema-foreign", "yank",
         "no_ghost"),
        ("CREATE CONSTRAINT TRIGGER g2 AFTER INSERT ON client DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
         " EXECUTE FUNCTION ghost()", "schema-foreign", "client", "trigger g2"),
        ("CREATE RULE r1 AS ON INSERT TO token_revocation DO INSTEAD NOTHING", "schema-foreign", "token_revocation",
         "rule r1"),
        ("CREATE RULE r2 AS ON UPDATE TO head DO ALSO NOTHING", "schema-foreign", "head", "rule r2"),
        ("CREATE POLICY p1 ON token USING (false)", "schema-foreign", "token", "row policy p1"),
        ("ALTER TABLE audit ENABLE ROW LEVEL SECURITY", "schema-foreign", "audit", "row level security"),
        ("ALTER TABLE epoch RENAME TO hidden; CREATE VIEW epoch AS SELECT * FROM hidden", "schema-foreign", "epoch",
         "a view"),
        ("CREATE TABLE heir () INHERITS (journal)", "schema-foreign", "journal", "heir"),
        ("CREATE UNIQUE INDEX one ON quarantine (app)", "schema-foreign", "quarantine", "index one"),
        ("ALTER TABLE release ADD CONSTRAINT c1 CHECK (app <> 'x')", "schema-foreign", "release", "check c1"),
        ("ALTER TABLE deployment ADD CONSTRAINT u1 UNIQUE (app, at)", "schema-foreign", "deployment", "(app, at)"),
        ("ALTER TABLE token ADD COLUMN extra TEXT", "schema-foreign", "token", "column extra"),
        ("CREATE INDEX slow ON profile (owner)", "schema-foreign", "profile", "index slow"),
        ("DROP INDEX ix_head_channel_app", "schema-incomplete", "head", "ix_head_channel_app"),
        ("ALTER TABLE provenance DROP CONSTRAINT fk_provenance_app_digest", "schema-incomplete", "provenance",
         "foreign key (app, digest)"),
        ("ALTER TABLE deployment ALTER reason DROP NOT NULL", "schema-incomplete", "deployment", "column reason"),
        ("ALTER TABLE outbox DISABLE TRIGGER ALL", "schema-incomplete", "outbox", "switched off"),
        ("ALTER TABLE idempotency SET UNLOGGED", "schema-incomplete", "idempotency", "crash"),
    ],
}  # fmt: skip


def run(url: str, *statements: str) -> None:
    if path := locate(url).path:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(";".join(statements))
    else:
        plain = make_url(url).set(drivername="postgresql").render_as_string(False)
        with psycopg.connect(plain, autocommit=True) as outsider:
            for statement in [GHOST, *statements]:
                outsider.execute(statement.encode())


def test_everything_that_is_not_ours_or_not_as_it_was_made_is_named(registry_url: str, database: str) -> None:
    trigger = "CREATE TRIGGER shop_trigger AFTER INSERT ON shop "
    theirs = "FOR EACH ROW EXECUTE FUNCTION ghost()" if database == "postgresql" else "BEGIN SELECT 1; END"
    run(registry_url, *SHOP, trigger + theirs, "CREATE VIEW report AS SELECT * FROM yank")
    assert check_store(registry_url) == ()

    run(registry_url, *(statement for statement, *_ in CHANGED[database]))

    faults = check_store(registry_url)
    for statement, code, where, what in CHANGED[database]:
        assert [f for f in faults if (f.code, f.where) == (code, where) and what in f.what], (statement, faults)
    assert not [f for f in faults if "shop" in f.where + f.what or "report" in f.where + f.what]
    assert not [
        f for f in faults if f.code.startswith("schema-") and not any(f.where == c[2] for c in CHANGED[database])
    ]


def test_an_upgrade_makes_missing_indexes_again_and_leaves_what_is_not_ours(registry_url: str, database: str) -> None:
    ghost = CHANGED[database][0][0]
    run(registry_url, "DROP INDEX ix_head_channel_app", "DROP INDEX ix_release_digest", ghost)
    assert {fault.code for fault in check_schema_of(registry_url)} == {"schema-foreign", "schema-incomplete"}
    upgrade(registry_url)
    assert [(fault.code, fault.where) for fault in check_schema_of(registry_url)] == [("schema-foreign", "yank")]


def test_a_registry_is_open_to_work_with_a_foreign_trigger_and_knows_it(registry_url: str, database: str) -> None:
    run(registry_url, CHANGED[database][0][0])
    with closing(Registry.open(registry_url)) as registry:
        assert registry.strangers() == ("the trigger g1 on yank",)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_same_tables_in_another_schema_are_not_ours(registry_url: str) -> None:
    run(registry_url, "CREATE SCHEMA other", "CREATE TABLE other.yank (id INTEGER)",
        "CREATE TRIGGER g BEFORE INSERT ON other.yank EXECUTE FUNCTION ghost()")  # fmt: skip
    assert check_store(registry_url) == ()
