"""History is immutable: each way to change a guarded row is refused, on both databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from promptops.core.archival import Archival
from promptops.core.canary.decision import CanaryDecision
from promptops.core.canary.rollout_fact import Rollout
from promptops.core.declarations import Declarations, DeclarationsVersion
from promptops.core.evidence.approval import Approval, Waiver
from promptops.core.model import Profile
from promptops.core.notifications.receiver import Receiver
from promptops.core.outcomes.erasure import Erasure
from promptops.core.registry_key import RegistryKey
from promptops.core.token import Revocation
from promptops.store import Registry, Writer
from promptops.store.engine.database import locate
from promptops.store.facts.channel_removal import ChannelRemoval
from promptops.store.facts.home import Home
from promptops.store.facts.revocation import RevokedToken
from promptops.store.schema.columns import Number
from promptops.store.schema.guards import GUARDED
from promptops.store.schema.tables import metadata
from tests.store.facts import ACTOR, START, ask, fill, minutes, quarantine, token, transfer, withdraw, withhold
from tests.store.facts import release as a_release
from tests.support.evidence import evidence_of, row, suites
from tests.support.evidence import run as a_run

MUTABLE = {"head", "audit_head", "outbox", "drained", "idempotency", "client", "report_key"}
MUTABLE |= {"outcome", "bad_unit", "sample_unit", "feedback", "outcome_client", "kept_call"}
MUTABLE |= {"rollout_state", "rollout_unit", "delivery"}

Outsider = sqlite3.Connection | psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def full(registry: Registry) -> Registry:
    """A registry with at least one row in every guarded table."""
    fill(registry)

    def work(writer: Writer) -> None:
        writer.set_profile("bot", Profile(owner="support"), actor=ACTOR, at=START)
        withhold(writer, quarantine(2))
        withdraw(writer, 1)
        writer.record(transfer())
        writer.record(Archival(app="bot", number=1, archived=True, reason="over", actor=ACTOR, at=START))
        writer.record(ChannelRemoval(channel="fair", version=1, reason="over", actor=ACTOR, at=START))
        writer.raise_epoch(at=START, actor=ACTOR, action="restore")
        writer.record(Home(number=1, ref="refs/heads/promptops/test", workspace="ab", actor=ACTOR, at=START))
        writer.record(RegistryKey(number=1, key="", required=False, actor=ACTOR, at=START))
        writer.add_token(token("ci"), "d" * 64)
        word: dict[str, Any] = {
            "app": "bot",
            "version": "0.1.1",
            "digest": a_release(1).digest,
            "channel": "prod",
            "number": 1,
        }
        word |= {"actor": ACTOR, "at": START, "reason": "fine", "person": "ada@example.org"}
        held: dict[str, Any] = {
            "policy_version": 1,
            "position": 1,
            "subject": "release",
            "withdraws": None,
            "proven": False,
        }
        writer.record(Approval(**word, **held))
        writer.record(Waiver(**word, check="latency", expires_at=minutes(9)))
        writer.record(a_run())
        writer.add_rows(a_run().id, [row(0)])
        writer.record(evidence_of(a_run(), row(0)))
        writer.record(suites("bot", a_release(1).digest))
        writer.record(DeclarationsVersion(app="bot", number=1, declared=Declarations(), actor=ACTOR, at=START))
        erased: dict[str, Any] = {"units": ("0" * 16,), "calls": 1, "reason": "", "actor": ACTOR, "at": START}
        writer.record(Erasure(number=1, app="bot", call="", **erased))
        canary: dict[str, Any] = {"app": "bot", "channel": "prod", "rollout": "1.2", "actor": ACTOR, "at": START}
        writer.record(Rollout(settings={"steps": []}, **canary))
        writer.record(CanaryDecision(revision=3, verb="pause", **canary))
        writer.record(Receiver(name="ops", version=1, settings={"url": "https://h.org"}, actor=ACTOR, at=START))
        writer._insert(metadata.tables["binding"], {"seq": 1, "record": "r", "secret": ""})
        writer.record(
            RevokedToken(id=token("ci").id, name="ci", revocation=Revocation(actor=ACTOR, at=START, reason="leaked"))
        )

    registry.write(work)
    return registry


@pytest.fixture
def outsider(full: Registry, registry_url: str) -> Iterator[Outsider]:
    """A connection that none of promptops' settings were made on."""
    path = locate(registry_url).path
    connection: Outsider
    if path is not None:
        connection = sqlite3.connect(path, isolation_level=None)
    else:
        url = make_url(registry_url).set(drivername="postgresql").render_as_string(False)
        connection = psycopg.connect(url, autocommit=True)
    yield connection
    connection.close()


def run(connection: Outsider, statement: str) -> list[tuple[object, ...]]:
    if isinstance(connection, sqlite3.Connection):
        return connection.execute(statement).fetchall()
    cursor = connection.execute(statement.encode())
    return cursor.fetchall() if cursor.description else []


def contents(connection: Outsider, table: str) -> list[tuple[object, ...]]:
    return run(connection, f'SELECT * FROM "{table}" ORDER BY 1')


def refused(connection: Outsider, statement: str) -> None:
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RestrictViolation), match="promptops"):
        run(connection, statement)


def test_every_table_is_guarded_or_known_to_be_mutable() -> None:
    assert GUARDED.keys() | MUTABLE == metadata.tables.keys()


def test_the_guards_know_every_unique_key_in_the_order_that_registries_have() -> None:
    assert GUARDED == {
        "registry": (("id",),),
        "app": (("name",),),
        "release": (("id",), ("app", "version"), ("app", "digest")),
        "provenance": (("id",),),
        "profile": (("id",),),
        "channel_policy": (("channel", "version"),),
        "deployment": (("app", "channel", "revision"),),
        "quarantine": (("id",),),
        "yank": (("app", "digest"),),
        "audit": (("seq",),),
        "journal": (("seq",), ("ref",)),
        "binding": (("seq",),),
        "epoch": (("epoch",),),
        "home": (("number",),),
        "registry_key": (("number",),),
        "token": (("id",),),
        "token_secret": (("digest",), ("token",)),
        "token_revocation": (("token",),),
        "transfer": (("app", "number"),),
        "archival": (("app", "number"),),
        "channel_removal": (("channel", "version"),),
        "approval": (("number",),),
        "waiver": (("number",),),
        "run": (("id",),),
        "run_row": (("run", "place", "arm", "repeat"),),
        "evidence": (("id",), ("run", "number")),
        "release_suites": (("app", "number"),),
        "declaration": (("app", "number"),),
        "erasure": (("number",),),
        "rollout": (("app", "channel", "rollout"),),
        "canary_decision": (("app", "channel", "revision"),),
        "receiver": (("name", "version"),),
    }
    assert not [index for table in GUARDED for index in metadata.tables[table].indexes if index.unique]


@pytest.mark.parametrize("table", GUARDED)
def test_a_row_cannot_be_changed_or_deleted(outsider: Outsider, table: str) -> None:
    before = contents(outsider, table)
    column = metadata.tables[table].columns.keys()[-1]
    assert before

    refused(outsider, f'UPDATE "{table}" SET "{column}" = "{column}"')
    refused(outsider, f'DELETE FROM "{table}"')

    assert contents(outsider, table) == before


@pytest.mark.parametrize("table", GUARDED)
def test_a_row_cannot_be_replaced_by_any_of_its_keys(database: str, outsider: Outsider, table: str) -> None:
    before = contents(outsider, table)
    columns = metadata.tables[table].columns.keys()
    listed = ", ".join(f'"{column}"' for column in columns)
    for key in GUARDED[table]:
        # The same values under this key; under another, values that are free.
        free = {"seq": "seq + 1000"}
        free |= {name: f"{name} || '-free'" for name in ("version", "digest", "ref", "id")}
        if "id" in columns and isinstance(metadata.tables[table].c.id.type, Number):
            free["id"] = "id + 1000"
        values = ", ".join(f'"{c}"' if c in key or c not in free or c == "app" else free[c] for c in columns)
        source = f'SELECT {values} FROM "{table}" WHERE true'
        if database == "sqlite":
            refused(outsider, f'INSERT OR REPLACE INTO "{table}" ({listed}) {source}')
            refused(outsider, f'REPLACE INTO "{table}" ({listed}) {source}')
        conflict = ", ".join(f'"{column}"' for column in key)
        update = f'"{columns[-1]}" = excluded."{columns[-1]}"'
        upsert = f'INSERT INTO "{table}" ({listed}) {source} ON CONFLICT ({conflict}) DO UPDATE SET {update}'
        refused(outsider, upsert)
    assert contents(outsider, table) == before


@pytest.mark.parametrize("table", GUARDED)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # there is no TRUNCATE
def test_a_table_cannot_be_truncated(outsider: Outsider, table: str) -> None:
    before = contents(outsider, table)
    refused(outsider, f'TRUNCATE "{table}" CASCADE')
    assert contents(outsider, table) == before


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_replication_role_is_refused_too(outsider: Outsider) -> None:
    run(outsider, "SET session_replication_role = replica")
    refused(outsider, "DELETE FROM audit")
    refused(outsider, "TRUNCATE audit CASCADE")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # there is no MERGE
def test_a_merge_is_refused_too(outsider: Outsider) -> None:
    refused(outsider, "MERGE INTO yank USING yank AS other ON yank.app = other.app WHEN MATCHED THEN DELETE")


def test_facts_can_still_be_added(full: Registry, outsider: Outsider) -> None:
    full.write(lambda writer: writer.record(a_release(9)))
    assert len(ask(full, lambda reader: reader.releases("bot"))) == 4
