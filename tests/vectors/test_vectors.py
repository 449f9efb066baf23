"""The golden vectors beside this file: a change that breaks one breaks registries, copies in git, clients or files.

Each vector has an input in readable JSON, and the bytes that 0.2.0 made of it. Only what a new version adds on purpose
may add vectors; none is rewritten. Canonical JSON and buckets have vectors of their own in tests/core.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.exit import exit_code
from promptops.client.disk import cache_format
from promptops.client.disk.cache import slot_path
from promptops.core import errors, override, token
from promptops.core.audit import seal
from promptops.core.digest import canonical
from promptops.core.heartbeat import Beat
from promptops.core.json_codec import from_json
from promptops.core.model import AuditEntry
from promptops.core.snapshot import Snapshot
from promptops.store.facts.kind import kinds
from promptops.store.facts.record import Record, bind, decode, encode
from promptops.wire import heartbeat, outcomes, problem, snapshot

Vector = Mapping[str, Any]


def document(name: str) -> dict[str, Any]:
    text = Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def each(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", document(name)["vectors"], ids=lambda vector: vector["name"])


def written(vector: Vector) -> bytes:
    """The bytes of a vector; the digest beside them shows that nobody edited one of the two."""
    data: bytes = vector["bytes"].encode()
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    return data


# --- records ----------------------------------------------------------------------------------------


@each("record")
def test_a_record(vector: Vector) -> None:
    kind = kinds()[vector["kind"]]
    fact = from_json(kind.noun, vector["fact"], "fact")
    content = vector.get("content", "").encode()
    if kind.content:
        fact = replace(fact, **{kind.content: content})
    line = from_json(AuditEntry, {**vector["audit"], "hash": "", "record": ""}, "audit")
    ref = kind.ref(fact, line.seq)
    line = replace(line, record=bind(ref, fact) if vector["bound"] else "")
    line = replace(line, hash=seal(line))
    made = Record(ref=ref, audit=line, fact=fact)

    assert (ref, line.record, line.hash) == (vector["ref"], vector["record"], vector["hash"])
    assert encode(made) == written(vector)
    assert decode(written(vector), content) == made
    follows = {"at": line.at, **kind.line(fact)}
    assert follows == {name: getattr(line, name) for name in follows}


def test_every_kind_of_fact_has_a_vector_that_binds_it() -> None:
    bound = {vector["kind"] for vector in document("record")["vectors"] if vector["bound"]}
    assert bound == kinds().keys()


# --- what goes over the wire ------------------------------------------------------------------------


@each("snapshot")
def test_a_snapshot_or_an_event(vector: Vector) -> None:
    made = from_json(Snapshot, vector["snapshot"], "snapshot")
    assert snapshot.encode(made) == (written(vector), vector["digest"])
    assert snapshot.decode(written(vector)) == made


@each("heartbeat")
def test_a_heartbeat(vector: Vector) -> None:
    made = from_json(Beat, vector["heartbeat"], "heartbeat")
    assert canonical(heartbeat.beat_to_json(made)) == written(vector)
    assert heartbeat.beat_from_json(json.loads(written(vector)), made.channel) == made


@each("outcomes")
def test_a_report_of_outcomes(vector: Vector) -> None:
    made = outcomes.decode(written(vector), vector["channel"])
    assert outcomes.encode(made) == written(vector)


@each("problem")
def test_a_problem(vector: Vector) -> None:
    sent = getattr(errors, vector["name"])(vector["message"], **vector["facts"])
    assert canonical(problem.to_problem(sent)) == written(vector)
    found = json.loads(written(vector))
    came = problem.from_problem(found, status=found["status"])
    assert (type(came), vars(came)) == (type(sent), vars(sent))


@pytest.mark.parametrize(("code", "means"), document("problem")["codes"].items())
def test_a_code_of_an_error(code: str, means: list[Any]) -> None:
    came = problem.from_problem({"code": code}, status=418)
    assert [came.kind, problem.status_of(type(came)), exit_code(came)] == means
    assert came.code == code


# --- tokens -----------------------------------------------------------------------------------------


@each("token")
def test_a_token(vector: Vector) -> None:
    draws = iter(vector["draws"])
    draw: Callable[[int], int] = lambda _: next(draws)  # noqa: E731
    public, secret = token.new_id(draw), token.mint(token.TokenKind(vector["name"]), draw)
    assert (public, secret) == (vector["id"], "".join(vector["secret"]))
    assert token.parse_token(secret) == secret
    assert token.prefix_of(secret) == vector["prefix"]
    assert token.secret_digest(secret) == vector["digest"]
    assert token.commit(public, vector["digest"]) == vector["commitment"]


# --- files ------------------------------------------------------------------------------------------


@each("override")
def test_an_override_file(vector: Vector) -> None:
    said = dict(vector["override"])
    content = said.pop("content").encode()
    begins, ends = (datetime.fromisoformat(said.pop(name)) for name in ("created_at", "expires_at"))
    made = override.Override(**said, content=content, created_at=begins, expires_at=ends)
    assert override.encode(made) == written(vector)
    assert override.identity(made) == vector["identity"]
    assert override.decode(written(vector)) == made


@each("last-known-good")
def test_a_last_known_good_file(vector: Vector) -> None:
    said = vector["stored"]
    made = cache_format.StoredChannel(
        snapshot=said["snapshot"].encode(),
        contents={digest: text.encode() for digest, text in said["contents"].items()},
        gone=said["gone"].encode(),
        fixed=said["fixed"],
    )
    assert cache_format.encode(made) == written(vector)
    assert cache_format.decode(written(vector)) == made
    assert cache_format.decode_bundle(written(vector)) == made


@pytest.mark.parametrize("slot", document("last-known-good")["slots"], ids=lambda slot: slot["file"][:12])
def test_the_name_of_a_last_known_good_file(slot: Vector, tmp_path: Path) -> None:
    asked = {name: value for name, value in slot.items() if name != "file"}
    assert slot_path(tmp_path, **asked) == tmp_path / slot["file"]
