"""What commands print with --json fits the schemas that are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from promptops.store import Registry
from promptops.wire.schemas import schemas
from tests.cli.conftest import Promptops


def require(name: str, value: object) -> None:
    """The value fits the schema, and has no key that the schema does not name."""
    schema: dict[str, Any] = dict(schemas()[name])
    Draft202012Validator({**schema, "additionalProperties": False}).validate(value)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("status", "status"),
        ("shown", "show bot@0.1.1"),
        ("difference", "diff bot@0.1.0 bot@0.1.2"),
        ("channels", "channels"),
        ("report", "fsck"),
    ],
)
def test_an_answer_is_a_document(told: Registry, promptops: Promptops, name: str, command: str) -> None:
    require(name, promptops(*command.split(), "--json").json)


def test_a_list_holds_documents(told: Registry, promptops: Promptops) -> None:
    made = promptops("token", "create", "app", "--json").json
    lists = {
        "listed": promptops("releases", "bot", "--json").json["releases"],
        "logged": promptops("history", "bot", "--channel", "prod", "--json").json["deployments"],
        "audit-entry": promptops("audit", "--json").json["entries"],
        "changed": promptops("rollback", "--dry-run", "--json").json["deployments"],
    }
    for name, values in lists.items():
        assert isinstance(values, list) and values, name
        for value in values:
            require(name, value)
    also = {"live", "flaw"}  # what the command knows besides: whether the token is valid at this moment
    require("new-token", {key: value for key, value in made.items() if key not in also})


def test_the_answer_about_one_app_has_the_keys_of_its_deployment_at_the_top_too(
    told: Registry, promptops: Promptops
) -> None:
    answer = promptops("rollback", "--reason", "wrong", "--json").json
    deployment = {key: answer[key] for key in schemas()["changed"]["properties"]}
    require("changed", deployment)
    require("deployed", {key: answer[key] for key in schemas()["deployed"]["properties"]})
    assert answer["deployments"] == [deployment]


def test_what_is_about_files_is_a_document(workspace: Path, promptops: Promptops) -> None:
    require("checked", promptops("check", "--json").json)
    app, prompt = "bot", "greet"
    require("rendered", promptops("render", f"{app}/{prompt}", "-v", "name=Ada", "--json").json)


def test_an_error_is_a_document(told: Registry, promptops: Promptops) -> None:
    refused = promptops("promote", "bot@9.9.9", "--channel", "prod", "--json", exits=3)
    require("error", json.loads(refused.err))
