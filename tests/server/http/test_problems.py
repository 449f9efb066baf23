"""What somebody who may not see every channel is told when something goes wrong."""

from __future__ import annotations

import pytest

from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    NothingDeployed,
    PromptopsError,
    RegistryNotInitialised,
    RegistryUnavailable,
)
from promptops.server.http.problems import concealed
from promptops.wire.problem import to_problem


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
