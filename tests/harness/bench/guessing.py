"""Whoever guesses tokens learns nothing from how long it takes to be refused."""

from __future__ import annotations

import random
import secrets
import statistics
import string
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

from promptops import store
from promptops.core.token import Scope, TokenKind, mint
from promptops.operations.tokens import TokenRequest, create_token
from promptops.server.app import create_app
from promptops.server.settings import Limits, Rate, Settings
from tests.harness.bench.fill import ACTOR, NOW
from tests.harness.bench.measure import Line, seconds
from tests.server.running import inside

_GUESSES = 3_000
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_NO_LIMIT = Rate(a_second=0, burst=1)


def lines(folder: Path) -> Iterator[Line]:
    """A guess that is wrong in its last two characters only, against one that is wrong in all of them."""
    url = f"sqlite:///{folder}/registry.db"
    store.create(url, name="bench", now=NOW, actor=ACTOR)
    with closing(store.Registry.open(url)) as registry:
        request = TokenRequest(name="wanted", scopes=(Scope.READ,), lifetime=timedelta(days=30))
        wanted = create_token(registry, request, actor=ACTOR, now=NOW).text
    near = [_near(wanted, number) for number in range(62 * 62)]
    near.remove(wanted)
    far = [mint(TokenKind.RUNTIME, secrets.randbelow) for _ in near]
    guesses = [pair for pairs in zip(near[:_GUESSES], far, strict=False) for pair in pairs]
    random.Random(1).shuffle(guesses)
    limits = Limits(reads=_NO_LIMIT, failures=_NO_LIMIT)
    with inside(create_app(Settings(registry=url, limits=limits))) as talking:
        took = _refused(talking.port, guesses)
    close, other = (statistics.median(took[guess] for guess in side if guess in took) for side in (near, far))
    yield Line(
        what="a token refused that is nearly one we know",
        measured=seconds(close),
        baseline=f"{seconds(other)} one that is nothing like it, median of {_GUESSES:,}",
        ratio=max(close / other, other / close),
        bound=1.1,
    )


def _near(secret: str, number: int) -> str:
    """The secret with two other characters before its check, and the check that goes with them."""
    kept = secret.removeprefix("pops_rt_")[:-8]
    drawn = iter([*map(_BASE62.index, kept), *divmod(number, 62)])
    return mint(TokenKind.RUNTIME, lambda _count: next(drawn))


def _refused(port: int, guesses: list[str]) -> dict[str, float]:
    """Seconds that each guess took, one after the other over one connection."""
    took = {}
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for guess in guesses:
            start = time.perf_counter()
            connection.request("GET", "/v1/channels/prod/snapshot", headers={"Authorization": f"Bearer {guess}"})
            answer = connection.getresponse()
            answer.read()
            took[guess] = time.perf_counter() - start
            if answer.status != 401:
                raise RuntimeError(f"a guess was answered with {answer.status}")
    return took
