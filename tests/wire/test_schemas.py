"""The published schemas say what the readers and writers of the formats do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from promptops.core import override
from promptops.core.digest import canonical, digest
from promptops.core.errors import Invalid, PromptopsError
from promptops.core.model import Content
from promptops.core.release_bytes import content_from_bytes, encode
from promptops.wire import codec, heartbeat, outcomes, snapshot
from promptops.wire.documents.deployments import DeployedDocument
from promptops.wire.documents.tokens import TokenDocument
from promptops.wire.schemas import schemas
from tests.core.contents import CONTENTS
from tests.vectors.test_vectors import document

FORMATS = ("event-1", "heartbeat-1", "outcomes-1", "override-1", "release-1", "snapshot-1")


def valid(name: str, value: object) -> bool:
    return Draft202012Validator(schemas()[name]).is_valid(value)


def read(name: str, value: Any) -> None:
    """Read a document as promptops does; a digest in it is set anew, since only what it seals is tried here."""
    if name == "release-1":
        if encode(content_from_bytes(canonical(value))) != canonical(value):
            raise Invalid("a default is written out, which no release has")
    elif name == "heartbeat-1":
        heartbeat.beat_from_json(value, "prod")
    elif name == "outcomes-1":
        outcomes.report_from_json(value, "prod")
    elif name == "override-1":
        override.decode(canonical(value))
    else:
        rest = {key: part for key, part in value.items() if key != "digest"}
        made = canonical({**rest, "digest": digest(canonical(rest))} if "digest" in value else rest)
        if snapshot.decode(made).partial != (name == "event-1"):
            raise Invalid("the other format")


def written(name: str) -> Iterator[Any]:
    """Documents of a format that promptops wrote."""
    if name == "release-1":
        releases = (vector for vector in document("record")["vectors"] if vector["kind"] == "releases")
        yield from (json.loads(vector["content"]) for vector in releases)
        return
    vectors = document(name.removesuffix("-1").replace("event", "snapshot"))["vectors"]
    found = (json.loads(vector["bytes"]) for vector in vectors)
    yield from (value for value in found if value["schema"] == f"promptops.{name.replace('-', '/')}")


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_fits_its_schema(name: str) -> None:
    found = list(written(name))
    assert found
    for value in found:
        Draft202012Validator(schemas()[name]).validate(value)


def test_every_error_fits_the_schema_of_problems() -> None:
    schema: dict[str, Any] = dict(schemas()["problem"])
    problem = Draft202012Validator(schema)
    found = [json.loads(vector["bytes"]) for vector in document("problem")["vectors"]]
    assert found
    for value in found:
        problem.validate(value)
        assert not any(problem.is_valid({**value, key: None}) for key in schema["required"])


@given(CONTENTS)
def test_every_release_fits_its_schema(content: Content) -> None:
    assert valid("release-1", json.loads(encode(content)))


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, also inside."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def changed(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    """A copy with something else in one place; a key is left out where the new value is `...`."""
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and new is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


SEALED = ("digest",)
"""The digest of a document, which :func:`read` sets anew."""
ODD: tuple[object, ...] = (..., None, True, 0, -1, "", "x", [], {}, ["x"], {"x": "y"})


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_reader_accepts_fits_the_schema(name: str) -> None:
    """A reader refuses more than a schema can: times that do not fit together, a content without its digest."""
    for value in written(name):
        for path in (place for place in places(value) if place and place != SEALED):
            for odd in ODD:
                other = changed(value, path, odd)
                try:
                    read(name, other)
                except (PromptopsError, ValueError):
                    continue
                assert valid(name, other), (path, odd)


@pytest.mark.parametrize("name", FORMATS)
def test_a_key_that_is_not_known_is_refused_by_both(name: str) -> None:
    for value in written(name):
        assert not valid(name, {**value, "unknown": 1})
        with pytest.raises(PromptopsError):
            read(name, {**value, "unknown": 1})


def test_every_document_has_a_schema_that_is_one() -> None:
    assert {*FORMATS, "problem", "deployed", "status", "history", "token", "audit-entry"} <= schemas().keys()
    for name, schema in schemas().items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"].startswith("urn:promptops:"), name
        assert schema["description"], name


def test_a_newer_server_adds_extensions_to_a_token_and_inside_it() -> None:
    revoked = {"reason": "leaked", "actor": "Ada", "at": "2026-11-21T18:30:05Z"}
    token: dict[str, Any] = {"id": "t", "name": "ci", "kind": "user", "scopes": ["read"], "channels": [], "apps": []}
    token |= {"prefix": "pops_", "created_at": "2026-11-21T18:30:05Z", "created_by": "Ada", "expires_at": None}
    token |= {"revoked": revoked, "has_secret": True}
    grown = {**token, "revoked": {**revoked, "extensions": {"by": 1}}, "extensions": {"scopes": ["admin"]}}
    assert valid("token", grown)
    assert codec.from_json(TokenDocument, grown) == codec.from_json(TokenDocument, token)


def test_a_document_is_read_back_and_fits_its_schema() -> None:
    value: dict[str, Any] = {"deployments": [], "served": [], "dry_run": False, "replayed": True, "key": "k"}
    value |= {"not_following": [{"client": "web-1", "lacks": ["budget"]}], "warned": ["required: fail"], "later": 1}
    tokens = {"calls": 2, "input_tokens": 9, "cached_tokens": 0, "output_tokens": 1}
    value |= {"measured": [{"version": "0.1.0", "prompt": "greet", **tokens}]}
    few = {"app": "bot", "channel": "prod", "version": "0.1.0", "weight": 500, "keys_a_day": 100, "guardrail": "error"}
    value |= {"low_traffic": [few | {"share": 0.01, "tripled": True, "sees_seconds": None, "wait_seconds": 259_200}]}
    value |= {"ending": ["openai/gpt-4o-2024-08-06 ends on 2027-01-14, in 45 days"]}
    change = {"bump": "major", "prompt": "greet", "field": "inputs.name", "summary": "input 'name' removed"}
    value |= {"contract": [{"app": "bot", "channel": "prod", "old": "0.1.0", "new": "0.2.0", "bump": "major"}]}
    unready = {"client": "web", "processes": 2, "reasons": ["passes 'name' to greet, which goes away"]}
    value["contract"][0] |= {"changes": [change], "unready": [unready], "unasked": ["ask"], "ready": False}
    why = {"reason": "retired at revision 2: it lies", "actor": "Ada", "at": "2026-03-01T18:30:05.120000Z"}
    value |= {"kept_out": [{"app": "bot", "channel": "prod", "version": "0.1.0", "digest": "sha256:0", **why}]}
    assert valid("deployed", value)
    found = codec.from_json(DeployedDocument, value)
    assert codec.to_json(found) == {key: part for key, part in value.items() if key != "later"}
    with pytest.raises(Invalid, match=r"\$ has no 'key'"):
        codec.from_json(DeployedDocument, {key: part for key, part in value.items() if key != "key"})
    with pytest.raises(Invalid, match=r"\$\.dry_run is not of type boolean"):
        codec.from_json(DeployedDocument, {**value, "dry_run": 1})
