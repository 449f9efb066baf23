"""The HTTP reference says what the server says of itself, and what the server says of itself is so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from promptops.core.digest import digest
from promptops.core.errors import RegistryDamaged, RegistryUnavailable
from promptops.operations.channels import ChannelChange
from promptops.operations.queries import Named
from promptops.server.http.samples import sample_of
from promptops.use_cases.documents import form_of, read, written
from promptops.use_cases.table import TABLE
from promptops.wire.codec import schema_of
from tests.support import http_reference

NOUNS = list(dict.fromkeys(case.noun for case in TABLE if case.form is None and case.noun is not str))


def sample(noun: type[object]) -> dict[str, Any]:
    """The example of the JSON of an answer."""
    made: dict[str, Any] = sample_of(form_of(noun).document)
    return made


CHANGE = sample(ChannelChange)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return http_reference.document()


def _examples(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], object]]:
    """Where an example stands, the schema beside it, and the example."""
    for method, path, operation in http_reference.operations(document):
        if "requestBody" in operation and "example" in (
            body := operation["requestBody"]["content"].get("application/json", {})
        ):
            yield f"{method} {path} takes", dict(body["schema"]), body["example"]
        for status, answer in operation["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                if "example" in content and media_type.endswith("json"):
                    yield f"{method} {path} answers {status}", dict(content["schema"]), content["example"]


def test_the_reference_is_what_the_server_says() -> None:
    assert http_reference.PAGE.read_text(encoding="utf-8") == http_reference.page(), "run `make docs`"


def test_every_example_is_one(document: dict[str, Any]) -> None:
    flaws = []
    for where, schema, example in _examples(document):
        validator = Draft202012Validator(schema | {"components": document["components"]})
        flaws += [f"{where}: {error.message[:200]}" for error in validator.iter_errors(example)]
    assert flaws == []


def test_every_use_case_of_the_command_line_has_an_example_and_says_what_it_answers(document: dict[str, Any]) -> None:
    found = {where for where, _, _ in _examples(document)}
    for case in TABLE:
        assert f"{case.method} {case.path} answers {case.status}" in found
        if case.method in {"POST", "PUT"}:
            assert f"{case.method} {case.path} takes" in found


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_an_answer_comes_back_as_it_was_and_fits_its_schema(noun: type[object]) -> None:
    answer = read(noun, sample(noun))
    sent = json.loads(json.dumps(written(answer)))
    assert read(noun, sent) == answer
    Draft202012Validator(schema_of(form_of(noun).document)).validate(sent)


def test_what_a_newer_server_says_more_is_passed_over() -> None:
    said = CHANGE | {"more": 1}
    said["policy"] = {"promote_from": [], "allow_dirty": False, "protected": True, "also": ["this"]}
    assert read(ChannelChange, said).policy.protected is True


@pytest.mark.parametrize(
    "changed",
    [{"name": None}, {"version": "2"}, {"change": "exploded"}, {"policy": []}, {"version": True}],
    ids=str,
)
def test_what_cannot_be_is_not_understood(changed: dict[str, Any]) -> None:
    with pytest.raises(RegistryUnavailable, match="not understood"):
        read(ChannelChange, CHANGE | changed)
    with pytest.raises(RegistryUnavailable, match="not understood"):
        read(ChannelChange, {})


def test_a_content_that_is_not_of_its_digest_is_damaged() -> None:
    said = sample(Named)
    release = read(Named, said).release
    assert release is not None and digest(release.content) == said["digest"]
    with pytest.raises(RegistryDamaged):
        read(Named, said | {"content": said["content"] | {"app": "other"}})
