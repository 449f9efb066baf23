"""Every change is read back before its commit: what a trigger, rule, view or row policy swallowed is never claimed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.advice import Action
from promptops.core.errors import ChangeNotKept, GuardsMissing
from promptops.core.model import Policy, Profile
from promptops.core.reference import parse_reference
from promptops.operations.build import BuiltWorkspace
from promptops.operations.channels import apply_channels
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.operations.release import ReleaseRequest, release
from promptops.operations.tokens import revoke_token
from promptops.operations.transfer import TransferRequest, transfer
from promptops.store import Registry
from promptops.store.engine.database import locate
from tests.store.facts import ask
from tests.store.world import answers
from tests.support.factory import ACTOR, NAME, built, content, go_back, go_live, key, make_token, minutes

NOW = minutes(200)


def _withhold(reference: str, channel: str = "prod") -> WithholdRequest:
    return WithholdRequest(reference=parse_reference(reference), reason="leaks data", key=key(), channel=channel)


def _release(registry: Registry, app: str, text: str, *, owner: str = "support", dirty: bool = False) -> object:
    what = replace(built(content(app, text), dirty=dirty), profile=Profile(owner=owner))
    workspace = BuiltWorkspace(registry=NAME, built=(what,))
    return release(registry, workspace, ReleaseRequest(key=key()), actor=ACTOR, now=NOW)


def _transfer(registry: Registry) -> object:
    place = {"repository": "git@example.org:shop/bots.git", "path": "bot"}
    return transfer(registry, TransferRequest(app="bot", reason="new", key=key(), **place), actor=ACTOR, now=NOW)


EVERY = "audit journal outbox audit_head"
Change = Callable[[Registry], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "release": (lambda r: _release(r, "bot", "New", owner="new"), f"release provenance profile idempotency {EVERY}"),
    "first release": (lambda r: _release(r, "new", "New"), "app release provenance profile"),
    "confirm": (lambda r: _release(r, "dirty", "Dirty"), "provenance"),
    "promote": (lambda r: go_live(r, "bot@0.1.2", "staging", now=NOW), f"deployment head idempotency {EVERY}"),
    "first promotion": (lambda r: go_live(r, "dirty@0.1.0", "staging", now=NOW), "deployment"),
    "rollback": (lambda r: go_back(r, "faq", now=NOW), f"deployment head quarantine {EVERY}"),
    "quarantine": (lambda r: quarantine(r, _withhold("bot@0.1.0"), actor=ACTOR, now=NOW), f"quarantine {EVERY}"),
    "unquarantine": (lambda r: unquarantine(r, _withhold("faq@0.1.0"), actor=ACTOR, now=NOW), f"quarantine {EVERY}"),
    "yank": (lambda r: yank(r, _withhold("bot@0.1.0", ""), actor=ACTOR, now=NOW), f"yank idempotency {EVERY}"),
    "channels apply": (lambda r: apply_channels(r, NAME, {"new": Policy()}, actor=ACTOR, now=NOW), "channel_policy"),
    "app transfer": (_transfer, f"transfer idempotency {EVERY}"),
    "create token": (lambda r: make_token(r, "new", now=NOW), f"token token_secret {EVERY}"),
    "revoke": (lambda r: revoke_token(r, "forever", actor=ACTOR, now=NOW), f"token_revocation {EVERY}"),
    "restore": (lambda r: r.write(lambda w: w.raise_epoch(at=NOW, actor=ACTOR, action="restore")), "epoch"),
}
"""Each change, and the tables that it writes to."""

MOVED = {"head": "UPDATE", "audit_head": "UPDATE"}
ALTERED = {
    "release": "NEW.notes := 'Eve'",
    "provenance": "NEW.commit := 'e'",
    "profile": "NEW.owner := 'Eve'",
    "channel_policy": "NEW.protected := NOT NEW.protected",
    "deployment": "NEW.reason := 'Eve'",
    "quarantine": "NEW.lifted := NOT NEW.lifted",
    "yank": "NEW.actor := 'Eve'",
    "transfer": "NEW.path := 'eve'",
    "audit": "NEW.actor := 'Eve'",
    "journal": "NEW.ref := NEW.ref || 'x'",
    "epoch": "NEW.reason := 'Eve'",
    "token": "NEW.scopes := '[\"admin\"]'",
    "token_revocation": "NEW.reason := 'Eve'",
    "head": "NEW.revision := OLD.revision",
}
_FUNCTION = "CREATE OR REPLACE FUNCTION ghost() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {}; END'"


def _swallowing(database: str, table: str) -> tuple[str, str]:
    what = MOVED.get(table, "INSERT")
    if database == "sqlite":
        return f"CREATE TRIGGER ghost BEFORE {what} ON {table} BEGIN SELECT RAISE(IGNORE); END", "DROP TRIGGER ghost"
    made = f"CREATE TRIGGER ghost BEFORE {what} ON {table} FOR EACH ROW EXECUTE FUNCTION ghost()"
    return f"{_FUNCTION.format('RETURN NULL')}; {made}", f"DROP TRIGGER ghost ON {table}"


def _ruling(table: str) -> tuple[str, str]:
    what = MOVED.get(table, "INSERT")
    return f"CREATE RULE ghost AS ON {what} TO {table} DO INSTEAD NOTHING", f"DROP RULE ghost ON {table}"


def _altering(table: str) -> tuple[str, str]:
    body = f"{ALTERED[table]}; RETURN NEW".replace("'", "''")
    made = f"CREATE TRIGGER ghost BEFORE {MOVED.get(table, 'INSERT')} ON {table} FOR EACH ROW EXECUTE FUNCTION ghost()"
    return f"{_FUNCTION.format(body)}; {made}", f"DROP TRIGGER ghost ON {table}"


def _viewing(database: str, table: str) -> tuple[str, str]:
    """The table's place is taken by a view that swallows what is inserted."""
    view = f"ALTER TABLE {table} RENAME TO hidden; CREATE VIEW {table} AS SELECT * FROM hidden"
    back = f"DROP VIEW {table}; ALTER TABLE hidden RENAME TO {table}"
    if database == "sqlite":
        return f"{view}; CREATE TRIGGER ghost INSTEAD OF INSERT ON {table} BEGIN SELECT 1; END", back
    made = f"CREATE TRIGGER ghost INSTEAD OF INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION ghost()"
    return f"{_FUNCTION.format('RETURN NEW')}; {view}; {made}", back


@contextmanager
def obstructed(url: str, made: str, undone: str) -> Iterator[None]:
    """Somebody who owns the database puts this in the way, and takes it away again."""
    for statements in (made, None, undone):
        if statements is None:
            yield
        elif path := locate(url).path:
            with closing(sqlite3.connect(path)) as connection:
                connection.executescript(statements)
        else:
            plain = make_url(url).set(drivername="postgresql").render_as_string(False)
            with psycopg.connect(plain, autocommit=True) as outsider:
                outsider.execute(statements.encode())


@pytest.fixture
def full(world: Registry) -> Registry:
    """The world, with a release that was cut from uncommitted files."""
    _release(world, "dirty", "Dirty", dirty=True)
    return world


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_the_database_does_not_keep_is_refused_as_a_whole(
    full: Registry, world_url: str, database: str, name: str
) -> None:
    change, written = CHANGES[name]
    before = ask(full, answers)
    for table in written.split():
        obstacles = [_swallowing(database, table)]
        if database == "postgresql":
            obstacles += [_ruling(table), *([_altering(table)] if table in ALTERED else [])]
        for made, undone in obstacles:
            with obstructed(world_url, made, undone), pytest.raises(ChangeNotKept, match="nothing was changed") as said:
                change(full)
            assert [advice.action for advice in said.value.advice] == [Action.FSCK]
            assert ask(full, answers) == before, made
    change(full)
    assert ask(full, answers) != before


@pytest.mark.parametrize(
    ("name", "table"), [("revoke", "token_revocation"), ("quarantine", "quarantine"), ("yank", "yank")]
)
def test_a_view_in_a_tables_place_is_seen_by_a_process_that_is_running(
    world: Registry, world_url: str, database: str, name: str, table: str
) -> None:
    before = ask(world, answers)
    with obstructed(world_url, *_viewing(database, table)):
        with pytest.raises(ChangeNotKept):
            CHANGES[name][0](world)
        with pytest.raises(GuardsMissing):
            world.check()
    assert ask(world, answers) == before


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_row_policy_that_hides_what_was_written_is_seen(world_url: str) -> None:
    """Who is not a superuser sees no row of the tables; inserting works."""
    url = make_url(world_url)
    role = f"runs_{url.database}"
    tables = ("token_revocation", "quarantine", "yank")
    made = f"CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    made += f"; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"
    for table in tables:
        made += f"; ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        made += f"; CREATE POLICY ghost ON {table} FOR INSERT WITH CHECK (true)"
    undone = f"DROP OWNED BY {role}; DROP ROLE {role}"
    limited = url.update_query_dict({"options": f"-crole={role}"}).render_as_string(hide_password=False)
    with obstructed(world_url, made, undone), closing(Registry.open(limited)) as registry:
        for name in ("revoke", "quarantine", "yank"):
            with pytest.raises(ChangeNotKept):
                CHANGES[name][0](registry)
