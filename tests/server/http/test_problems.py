"""What somebody who may not see every channel is told when something goes wrong."""

from __future__ import annotations

import json

import pytest

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    Conflict,
    Invalid,
    NothingDeployed,
    PromptopsError,
    RegistryNotInitialised,
    RegistryUnavailable,
)
from promptops.operations.rollback import RollbackRequest
from promptops.server.app import routes
from promptops.server.http.advice import ROUTES
from promptops.server.http.problems import concealed, problem
from promptops.wire.problem import to_problem
from tests.support.factory import minutes


@pytest.mark.parametrize(
    "error",
    [
        AppNotFound("there is no app 'x'", known=["hidden"]),
        ChannelNotFound("there is no channel 'x'", known=["hidden"]),
        NothingDeployed("bot was never deployed on prod", hint="It is live on: hidden."),
        RegistryUnavailable("the registry cannot be used: connection to server at hidden, port 5432 failed"),
        RegistryNotInitialised("there is no registry at hidden"),
    ],
    ids=lambda error: error.code,
)
def test_no_other_channel_or_app_is_named(error: PromptopsError) -> None:
    told = concealed(error)
    assert type(told) is type(error)
    assert "hidden" in str(to_problem(error))
    assert "hidden" not in str(to_problem(told))


# --- advice over HTTP ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("advice", "route"),
    [
        (Advice(Action.PROMOTE, release="bot@0.1.0", channel="prod"), ("POST", "/v1/channels/prod/promote")),
        (Advice(Action.HISTORY, app="bot", channel="prod"), ("GET", "/v1/channels/prod/apps/bot/history")),
        (Advice(Action.HISTORY, app="a/b", channel="p?q"), ("GET", "/v1/channels/p%3Fq/apps/a%2Fb/history")),
        (Advice(Action.ROLLBACK, words="a rollback", app="bot", channel="…"), None),  # the channel is not told
        (Advice(Action.ROLLBACK, words="a rollback", app="bot"), None),
        (Advice(Action.FSCK), None),  # on the machine of the registry
    ],
)
def test_advice_is_sent_with_its_route(advice: Advice, route: tuple[str, str] | None) -> None:
    error = Conflict("no", hint=Sentence("Then ", advice, "."))
    document = json.loads(bytes(problem(error).body))
    [sent] = document["advice"]
    assert sent["text"] == advice.words
    assert (sent.get("method"), sent.get("path")) == (route or (None, None))


def test_every_linked_route_is_one_of_the_server() -> None:
    served = {(route.method, route.path) for route in routes()}
    assert set(ROUTES.values()) <= served


def test_two_targets_of_a_rollback_are_refused_in_words_that_make_sense_over_http() -> None:
    with pytest.raises(Invalid) as caught:
        RollbackRequest(channel="prod", key="k", apps=("bot",), to="0.1.0", at=minutes(1))
    document = json.loads(bytes(problem(caught.value).body))
    assert document["detail"] == "a version to go back to and a time are two different targets"
    assert "--" not in str(document)
