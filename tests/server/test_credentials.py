"""Who learns what: every route with every kind of credential, about what a token may see, may not see, and what is not.

Requests are made of the routes that the server declares, so a new one is in here by itself. Everything about the other
team has a mark in it, which no answer, header or line of the log may show, and an answer about something of theirs is
the same as one about something that does not exist.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from promptops.core.heartbeat import Beat, State
from promptops.core.model import Policy
from promptops.core.origin import Origin
from promptops.core.reference import parse_reference
from promptops.core.token import Scope, TokenKind
from promptops.core.token import mint as make_secret
from promptops.operations.channels import Terms, apply_channels
from promptops.operations.heartbeats import record_beats
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.tokens import TokenRequest, create_token
from promptops.server.app import Server, create_app
from promptops.server.http.routing import OPEN, Route
from promptops.server.settings import Limits, Rate, Settings
from promptops.store import Registry
from tests.server.asking import Asked, answer, started
from tests.server.conftest import mint, revoke
from tests.server.running import Reply
from tests.support import factory

APP, PLACE, DEED = "zqapp", "zqplace", "zqdeed"
"""In every name and every text about the other team's app, its channel, and what it did with the one on the other."""
NOTHING: Final = {APP: "zqnon", PLACE: "zqnowhe"}
"""As long, and the name of nothing."""
HIDDEN_APP, HIDDEN_CHANNEL, KEY = f"{APP}-bot", f"{PLACE}-prod", f"{DEED}-key"
NOBODYS = {"run": "4bf92f3577b34da6a3ce929d0e0e4736", "evidence": "4bf92f3577b34da6a3ce929d0e0e4736.1"}
"""Names that stand in addresses, of what is not in the registry."""

FREE = Rate(a_second=0, burst=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """Where a token may do something, and the marks that it may not see then."""

    name: str
    apps: tuple[str, ...]
    channels: tuple[str, ...]
    hidden: tuple[str, ...]


LIMITS: Final = (
    Limit("one app", ("ours",), ("*",), (APP, DEED)),
    Limit("one channel", ("*",), ("dev",), (PLACE, DEED)),
    Limit("an app on a channel", ("our*",), ("d?v",), (APP, PLACE, DEED)),
)


@dataclass(frozen=True, slots=True)
class World:
    """A registry with two teams and a server. ``marks`` are further texts that have the mark of their key."""

    registry: Registry
    marks: Mapping[str, tuple[str, ...]]
    ids: Mapping[str, str]
    log: list[str]

    def server(self) -> Server:
        """A server that has not started; it starts once."""
        limits = Limits(reads=FREE, beats=FREE, others=FREE, failures=FREE, deadline=60.0)  # a slow disk is no leak
        return create_app(Settings(registry=f"sqlite:///{self.registry.url}", limits=limits))


class _Kept(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """`ours` is live on `dev`, and so is the other team's app, which has a channel of its own too."""
    path = tmp_path_factory.mktemp("teams") / "registry.db"
    shutil.copy(sqlite_template, path)
    registry = Registry.open(f"sqlite:///{path}")
    digests = _fill(registry)
    minted = create_token(
        registry, TokenRequest(name=f"{DEED}-token", scopes=(Scope.ADMIN,)), actor=DEED, now=datetime.now(UTC)
    )
    beat = Beat(
        id="abcdef0123456789" * 2,
        channel=HIDDEN_CHANNEL,
        name=f"{DEED}-client",
        sdk=DEED,
        state=State.READY,
        lineage=registry.lineage,
        epoch=1,
        revisions={HIDDEN_APP: 4},
        cannot_load={HIDDEN_APP: f"{DEED} cannot"},
        token=minted.token.id,
    )
    record_beats(registry, [beat], datetime.now(UTC))
    marks = {APP: digests, PLACE: (), DEED: (minted.token.id, minted.text, minted.token.prefix, beat.id)}
    lines: list[str] = []
    handler, logger = _Kept(lines), logging.getLogger("promptops")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield World(registry, marks, {"digest": f"sha256:{digests[0]}", "token": minted.token.id}, lines)
    logger.removeHandler(handler)
    logger.setLevel(before)
    registry.close()


def _fill(registry: Registry) -> tuple[str, ...]:
    """The two teams' apps; the digests of the other team's releases."""
    factory.make_channels(registry, dev=Policy(), **{HIDDEN_CHANNEL: Policy()})
    factory.make_releases(registry, "ours", 2)
    factory.go_live(registry, "ours@0.1.0", "dev")
    factory.go_live(registry, "ours@0.1.0", HIDDEN_CHANNEL)
    found = [factory.make_release(registry, factory.content(HIDDEN_APP, f"{APP} {n} {{{{name}}}}")) for n in range(3)]
    for release in found:
        for channel, mark in ((HIDDEN_CHANNEL, DEED), ("dev", APP)):
            request = PromoteRequest(
                reference=parse_reference(f"{HIDDEN_APP}@{release.version}"),
                channel=channel,
                key=f"{KEY}-{channel}-{release.version}",
                reason=f"{mark} reason",
            )
            promote(registry, request, actor=f"{mark} Actor", now=factory.START)
    factory.go_back(registry, HIDDEN_APP, channel=HIDDEN_CHANNEL, reason=f"{DEED} rollback")
    factory.make_channels(registry, dev=Policy(promote_from=(HIDDEN_CHANNEL,)), **{HIDDEN_CHANNEL: Policy()})
    return tuple(release.digest.removeprefix("sha256:") for release in found)


# --- requests, made of what the server declares ---------------------------------------------------------


def requests(app: Server, ids: Mapping[str, str]) -> list[tuple[Route, Asked]]:
    """What may be asked of each route about the other team: with its names wherever a name goes."""
    documented = json.loads(app.state.documentation)
    found: list[tuple[Route, Asked]] = []
    for route in app.routes:
        described = documented["paths"][route.path][route.method.lower()]
        values = {"app": HIDDEN_APP, "channel": HIDDEN_CHANNEL, "version": "0.1.0", **NOBODYS, **ids}
        path = route.path.format(**values)
        body = _theirs(_body(documented, described))
        more = {**values, "actor": "Ada", "reason": "why"}
        queries = [f"?{name}={quote(more[name])}" for name in _query(described) if name in more]
        if "limit" in _query(described):  # a page that is full says where to go on
            queries += [f"{each}&limit=1" for each in queries] + ["?limit=1"]
        bodies = [body]
        if isinstance(body, dict) and "release" in body:  # one that is live there, and one that a policy keeps out
            bodies = [body | {"release": f"{HIDDEN_APP}@{version}"} for version in ("0.1.0", "0.1.1")]
        for query, body in product(["", *queries], bodies):
            headers = (("idempotency-key", KEY),)
            both = Asked(method=route.method, target=path + query, headers=headers, body=body)
            of_one = [both.replaced(HIDDEN_CHANNEL, "dev"), both.replaced(HIDDEN_APP, "ours")]
            found += [(route, each) for each in (both, *of_one, of_one[0].replaced(HIDDEN_APP, "ours"))]
    return list({str(asked): (route, asked) for route, asked in found}.values())


def _query(described: Any) -> list[str]:
    return [each["name"] for each in described.get("parameters", ()) if each["in"] == "query"]


def _body(documented: Any, described: Any) -> Any:
    content = described.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None or "example" in content:
        return None if content is None else content["example"]
    schema = documented["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return {name: each["examples"][0] for name, each in schema["properties"].items() if "examples" in each}


def _theirs(body: Any) -> Any:
    """An example about the other team."""
    text = json.dumps(body).replace("support-bot", HIDDEN_APP).replace("parcelwise", "test")
    return json.loads(re.sub(r"(?<![\w-])(prod|staging)(?![\w-])", HIDDEN_CHANNEL, text))


# --- credentials ------------------------------------------------------------------------------------------


def broken(registry: Registry) -> dict[str, tuple[str, ...]]:
    """Authorization headers that are worth nothing."""
    good, unknown = mint(registry, "good", Scope.ADMIN), make_secret(TokenKind.ADMIN, secrets.randbelow)
    long_ago = datetime.now(UTC) - timedelta(days=2)
    revoked = mint(registry, "revoked", Scope.ADMIN)
    revoke(registry, "revoked")
    expired = mint(registry, "expired", Scope.ADMIN, made=long_ago, lifetime=timedelta(days=1))
    return {
        "missing": (),
        "empty": ("",),
        "no secret": ("Bearer ",),
        "not Bearer": (f"Basic {good}",),
        "two headers": (f"Bearer {good}", f"Bearer {good}"),
        "wrong checksum": (f"Bearer {good[:-1]}{'a' if good[-1] != 'a' else 'b'}",),
        "truncated": (f"Bearer {good[:-3]}",),
        "unknown, or of another registry": (f"Bearer {unknown}",),
        "revoked": (f"Bearer {revoked}",),
        "expired": (f"Bearer {expired}",),
        "another case": (f"Bearer {good.swapcase()}",),
        "white space": (f"Bearer  {good} ",),
    }


# --- what is learned --------------------------------------------------------------------------------------


def learned(world: World, hidden: tuple[str, ...], asked: Asked, said: str) -> list[str]:
    """The marks of what is hidden in what is said, without what the request said itself."""
    marks = [text for mark in hidden for text in (mark, *world.marks[mark])]
    rest = said.replace(KEY, "")
    for name in (HIDDEN_APP, HIDDEN_CHANNEL, *(each.removeprefix("sha256:") for each in world.ids.values())):
        rest = rest.replace(name, "") if name in str(asked) else rest
    return [mark for mark in marks if mark in rest]


def shape(found: Reply) -> tuple[int, str]:
    """An answer without what differs from one request to the next."""
    return found.status, re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "", found.body.decode())


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name.replace(" ", "-"))
def test_a_limited_token_learns_nothing_of_what_it_may_not_see(world: World, limit: Limit) -> None:
    wrong: list[str] = []
    app = world.server()

    async def check(asked: Asked, route: Route, token: str) -> None:
        del world.log[:]
        found = await answer(app, asked, [token])
        where = f"{asked} -> {found.status} {found.body[:400]!r}"
        if seen := learned(world, limit.hidden, asked, f"{found.headers} {found.body.decode('utf-8', 'replace')}"):
            wrong.append(f"{seen} in {where}")
        if seen := learned(world, limit.hidden, asked, " ".join(world.log)):
            wrong.append(f"{seen} in the log: {where}")
        if found.status >= 500:
            wrong.append(where)
        for mark in (mark for mark in NOTHING if mark in limit.hidden and mark in asked.target):
            if route.method == "GET":
                other = await answer(app, asked.replaced(mark, NOTHING[mark]), [token])
                same = Reply(other.status, {}, other.body.replace(NOTHING[mark].encode(), mark.encode()))
                if shape(found) != shape(same):
                    wrong.append(f"it tells {mark} from nothing: {where} {other.status} {other.body[:400]!r}")

    async def main() -> None:
        async with started(app):
            for scope in Scope:
                name = f"{scope.value}-{limit.name.replace(' ', '-')}"
                token = mint(world.registry, name, scope, apps=limit.apps, channels=limit.channels)
                for route, asked in requests(app, world.ids):
                    await check(asked, route, f"Bearer {token}")

    asyncio.run(main())
    assert wrong == [], "\n".join(wrong)


def test_a_credential_that_is_worth_nothing_gets_one_answer_everywhere(world: World) -> None:
    answers: dict[tuple[int, bytes], list[str]] = {}
    app = world.server()

    async def main() -> None:
        async with started(app):
            for kind, authorization in broken(world.registry).items():
                for route, asked in requests(app, world.ids):
                    if route.scope is OPEN:
                        continue
                    del world.log[:]
                    found = await answer(app, asked, authorization)
                    said = f"{found.headers} {found.body.decode()} {' '.join(world.log)}"
                    assert learned(world, (APP, PLACE, DEED), asked, said) == []
                    answers.setdefault((found.status, found.body), []).append(f"{kind}: {asked}")

    asyncio.run(main())
    assert {status for status, _ in answers} <= {400, 401, 422}, answers
    assert len([status for status, _ in answers if status == 401]) == 1
    others = {each.partition(":")[0] for (status, _), asked in answers.items() if status != 401 for each in asked}
    assert others <= {"two headers"}


def test_what_the_other_team_does_changes_no_number_that_a_limited_token_sees(world: World) -> None:
    token = f"Bearer {mint(world.registry, 'numbers', Scope.ADMIN, apps=('ours',), channels=('dev',))}"
    app = world.server()
    declared = {"dev": Policy(), HIDDEN_CHANNEL: Policy()}  # whatever was declared meanwhile
    terms = Terms(
        origin=Origin(repository="tests", path="", root="c" * 40), loosen=True, take_over=True, reason="tests"
    )
    apply_channels(world.registry, factory.NAME, declared, actor=factory.ACTOR, now=factory.START, terms=terms)
    paths = ["/v1/status", "/v1/models/outlook", "/v1/clients", "/v1/channels", "/v1/apps", "/v1/apps/ours/releases"]
    paths += ["/v1/apps/ours/release?version=0.1.0", "/v1/channels/dev/apps/ours/history", "/metrics"]
    paths += ["/v1/channels/dev/snapshot", "/v1/audit?limit=5", "/v1/audit", "/v1/registry", "/v1/tokens"]

    async def look() -> list[tuple[int, str]]:
        return [shape(await answer(app, Asked(method="GET", target=path), [token])) for path in paths]

    async def main() -> None:
        async with started(app):
            before = await look()
            made = factory.make_old_release(world.registry, factory.content(HIDDEN_APP, f"{APP} newest {{{{name}}}}"))
            factory.go_live(world.registry, f"{HIDDEN_APP}@{made.version}", HIDDEN_CHANNEL)
            assert await look() == before

    asyncio.run(main())


def test_who_may_see_everything_sees_all_of_it(world: World) -> None:
    """Or nothing would have been hidden from the others."""
    token, app, said = f"Bearer {mint(world.registry, 'sees-all', Scope.ADMIN)}", world.server(), ""

    async def main() -> str:
        async with started(app):
            found = [
                await answer(app, asked, [token]) for route, asked in requests(app, world.ids) if route.method == "GET"
            ]
        assert {reply.status for reply in found} >= {200, 404}
        return " ".join(f"{reply.headers} {reply.body.decode()}" for reply in found)

    said = asyncio.run(main())
    marks = [APP, PLACE, DEED, f"{DEED}-client", f"{DEED} cannot", f"{DEED} rollback", f"{APP} Actor", f"{DEED}-token"]
    assert [mark for mark in [*marks, *world.marks[APP]] if mark not in said] == []
