"""An answer that is lost, a server that is away, and what is no server at all."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from promptops.core.errors import RegistryUnavailable
from promptops.core.reference import parse_reference
from promptops.core.token import Scope, TokenKind
from promptops.core.token import mint as new_secret
from promptops.gateway.remote import Remote
from promptops.operations.promote import PromoteRequest
from promptops.store import Registry
from promptops.use_cases.promote import PROMOTE
from promptops.use_cases.registry import APPS
from promptops.use_cases.releases import NAMED
from tests.cli.conftest import Promptops
from tests.gateway.losing import answering, losing
from tests.gateway.serving import Serve, mint
from tests.support import factory

OURS = b"HTTP/1.1 200 OK\r\nPromptops-Api: 1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"

SECRET = new_secret(TokenKind.OPERATOR, lambda below: below - 1)


def _revisions(registry: Registry) -> dict[str, int]:
    with registry.read() as reader:
        return {deployment.app: deployment.revision for deployment in reader.live_on("prod")}


def _lines(registry: Registry) -> int:
    with registry.read() as reader:
        return reader.audit_head()[0]


@pytest.mark.parametrize("kept", [0, 120], ids=["before its first byte", "in the middle"])
def test_a_change_whose_answer_is_lost_is_done_once(
    kept: int, told: Registry, registry_url: str, serve: Serve, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(registry_url)
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "ops", Scope.ADMIN).secret)
    day = (
        "rollback bot --channel prod --json",
        "promote bot@0.1.0 --channel dev --json",
        "unquarantine bot@0.1.2 --channel prod -m fine --json",
        "rollback bot other --channel prod --json",
        "yank other@0.1.1 -m leak --json",
        "quarantine bot@0.1.2 --channel prod -m bad --json",
    )
    made = []
    for line in day:
        before = _lines(told)
        with losing(server, answers=2, kept=kept) as proxy:
            monkeypatch.setenv("PROMPTOPS_REGISTRY", proxy.url)
            answer = promptops(*line.split()).json
            assert proxy.lost == 2, line
        made.append((_lines(told) - before, answer.get("replayed")))
    assert made == [(2, True), (1, True), (1, None), (4, True), (1, None), (1, None)]
    assert _revisions(told) == {"bot": 5, "other": 3}


def test_a_token_whose_answer_is_lost_is_named_and_not_made_twice(
    told: Registry, registry_url: str, serve: Serve, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_TOKEN", mint(told, "ops", Scope.ADMIN).secret)
    with losing(serve(registry_url), answers=1) as proxy:
        monkeypatch.setenv("PROMPTOPS_REGISTRY", proxy.url)
        refused = promptops("token", "create", "reader", "--json", exits=4).error
    assert refused["code"] == "token-name-taken"
    assert "promptops token revoke" in refused["hint"]


def test_without_any_answer_the_key_is_handed_over(told: Registry, registry_url: str, serve: Serve) -> None:
    secret = mint(told, "ops", Scope.ADMIN).secret
    server = serve(registry_url)
    request = PromoteRequest(reference=parse_reference("bot@0.1.0"), channel="dev", key="night-1")
    with losing(server, answers=1_000) as proxy, Remote.open(proxy.url, token=secret, seconds=2) as remote:
        with pytest.raises(RegistryUnavailable, match="whether it made the change is not known") as lost:
            remote.run(PROMOTE, request, actor="Ada")
        assert "--key night-1" in lost.value.hint
    with Remote.open(server, token=secret) as remote:
        again = remote.run(PROMOTE, request, actor="Ada")
    assert (again.replayed, again.deployments[0].revision) == (True, 1)


def test_a_server_that_is_away_is_unavailable_and_says_who_named_it(
    promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("PROMPTOPS_REGISTRY", url)
    for command in ("status", "rollback", "promote bot@1.0.0 --channel prod", "audit --verify", "token list"):
        error = promptops(*command.split(), "--json", exits=6).error
        assert error["code"] == "registry-unavailable"
        assert f"{url} does not answer" in error["message"]
        assert "named by PROMPTOPS_REGISTRY" in error["hint"]


def test_a_server_that_never_ends_its_answer_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Remote.open(url, token="", seconds=0.5) as remote, pytest.raises(RegistryUnavailable, match="too long"):
            remote.run(APPS, None)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "answered 200, and not as a promptops server does"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404, and not as"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere\r\nContent-Length: 0\r\n\r\n", "redirects"),
        (b"HTTP/1.1 200 OK\r\nPromptops-Api: 2\r\nContent-Length: 2\r\n\r\n{}", "speaks version 2 of the API"),
        (OURS % (4, b"nope"), "is no JSON"),
        (OURS % (2, b"[]"), "is no JSON object"),
        (OURS % (2, b"{}"), "has no 'apps'"),
        (OURS % (12, b'{"apps":[1]}'), "has no list of names"),
    ],
)
def test_what_is_no_promptops_server_is_said_to_be_none(answer: bytes, said: str) -> None:
    with (
        answering(answer) as url,
        Remote.open(url, token=SECRET, seconds=20) as remote,
        pytest.raises(RegistryUnavailable, match=said) as refusal,
    ):
        remote.run(APPS, None)
    assert SECRET not in f"{refusal.value.message}{refusal.value.hint}"


def test_a_change_that_may_have_been_made_is_never_said_to_have_not_been(promptops: Promptops) -> None:
    cut = b"HTTP/1.1 200 OK\r\nPromptops-Api: 1\r\nContent-Length: 500\r\n\r\n{"
    away = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    problem = b'{"code": "registry-unavailable", "detail": "its disk is full"}'
    ours = (
        b"HTTP/1.1 503 No\r\nPromptops-Api: 1\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%b"
    )
    request = PromoteRequest(reference=parse_reference("bot@0.1.0"), channel="dev", key="night-1")
    for answers in ([cut], [away], [cut, ours % (len(problem), problem)]):
        with answering(*answers) as url, Remote.open(url, token="", seconds=2) as remote:
            with pytest.raises(RegistryUnavailable) as unknown:
                remote.run(PROMOTE, request, actor="Ada")
            assert "--key night-1" in unknown.value.hint
    with answering(ours % (len(problem), problem)) as url, Remote.open(url, token="", seconds=2) as remote:
        with pytest.raises(RegistryUnavailable, match="disk is full") as known:
            remote.run(PROMOTE, request, actor="Ada")
        assert known.value.hint == ""


def test_a_proxy_that_reached_nobody_is_asked_again() -> None:
    away = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
    with answering(away, away, OURS % (14, b'{"apps":["a"]}')) as url, Remote.open(url, token="", seconds=20) as remote:
        assert remote.run(APPS, None) == ("a",)


def test_a_server_that_is_busy_is_asked_again_when_it_says() -> None:
    busy = b"HTTP/1.1 429 Too Many\r\nPromptops-Api: 1\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    with answering(busy, OURS % (14, b'{"apps":["a"]}')) as url, Remote.open(url, token="", seconds=20) as remote:
        assert remote.run(APPS, None) == ("a",)


def test_a_release_that_is_not_what_was_asked_for_is_refused(
    remote: Promptops, told: Registry, registry_url: str, promptops: Promptops
) -> None:
    import json

    from promptops.core.errors import RegistryDamaged
    from promptops.operations import queries
    from promptops.use_cases.documents import written

    sound = json.dumps(written(queries.named(told, parse_reference("bot@0.1.0"))))
    changed, whole = sound.replace("Hello", "Hullo").encode(), sound.encode()
    for body, asked in ((changed, "bot@0.1.0"), (whole, "bot@0.1.1"), (whole, "other@0.1.0")):
        with (
            answering(OURS % (len(body), body)) as url,
            Remote.open(url, token="", seconds=20) as remote_,
            pytest.raises(RegistryDamaged),
        ):
            remote_.run(NAMED, parse_reference(asked))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://prompts.example", "https://prompts.example"),
        ("http://10.0.0.7:8700", "https://10.0.0.7:8700"),
        ("https://ada:secret@prompts.example", "PROMPTOPS_TOKEN"),
        ("https://prompts.example?x=1", "https://prompts.example"),
        ("https://", "https://prompts.example"),
    ],
)
def test_a_token_goes_to_nobody_in_clear(url: str, said: str, promptops: Promptops, tmp_path: Path) -> None:
    for command in ("status", "rollback", "init"):
        error = promptops(command, "--registry", url, "--json", exits=2).error
        assert error["kind"] == "Invalid"
        assert "secret" not in str(error)
        if command != "init":
            assert said in error["hint"]
    assert list(tmp_path.iterdir()) == []


def test_what_needs_the_database_itself_says_so(remote: Promptops, tmp_path: Path) -> None:
    (tmp_path / "promptops.yml").write_text("registry: test\napps: []\n", encoding="utf-8")
    needing = (
        "sync",
        "fsck",
        "rebuild --from-git .",
        "db current",
        "db upgrade",
        "db backup x",
        "db restore x",
        "serve",
    )
    for command in (*needing, "init"):
        error = remote(*command.split(), "--json", exits=2).error
        assert "needs the registry's database itself" in error["message"], command
        assert "Do it where the database is" in error["hint"]


def test_direct_goes_past_the_server(
    remote: Promptops, told: Registry, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = remote("rollback", "bot", "--channel", "prod", "--direct", "--json", exits=2).error
    assert "PROMPTOPS_DIRECT" in error["hint"]
    monkeypatch.setenv("PROMPTOPS_DIRECT", registry_url)
    monkeypatch.delenv("PROMPTOPS_TOKEN")
    answer = remote("rollback", "bot", "--channel", "prod", "--direct", "--json").json
    assert (answer["revision"], answer["actor"]) == (4, factory.ACTOR)
