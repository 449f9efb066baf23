"""What is refused is refused alike: the same exit code, code, words and hint, from a database and through a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops.core.model import Policy
from promptops.core.reference import parse_reference
from promptops.operations.override import OverrideRequest, create, save
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.quarantine import WithholdRequest, quarantine, yank
from promptops.store import Registry
from tests.gateway.conftest import Attempt
from tests.gateway.serving import Held, Serve
from tests.support import factory

FAILURES = """
3 status nobody
3 status --channel nowhere
3 history nobody --channel prod
3 history bot --channel nowhere
3 history bot --channel PROD
2 history Bot --channel prod
3 releases nobody
3 show bot@9.9.9
3 show nobody:prod
3 show bot:nowhere
3 show bot@sha256:00000000
3 show bot/nothing@0.1.0
2 show bot@sha256:000
4 show bot:dev
2 render bot@0.1.0
3 diff bot@0.1.0 bot@9.9.9
2 rollback bot@0.1.0
2 rollback bot other --to 0.1.0
2 rollback bot --all
3 rollback bot --channel nowhere
3 rollback bot --channel NOWHERE
3 rollback nobody --channel prod
2 rollback Nobody --channel prod
4 rollback --channel dev
4 rollback bot --channel dev
4 rollback lonely --channel prod
4 rollback --all --channel prod
4 rollback --all --at 2026-01-01T12:00Z
4 rollback bot --at 2026-01-01T12:00Z
4 rollback bot --to 0.2.0
5 rollback bot --to 0.1.0
3 rollback bot --to 9.9.9
4 rollback bot --expect-revision 1
2 rollback other --key used
2 rollback
3 promote bot@9.9.9 --channel dev
3 promote nobody@1.0.0 --channel dev
3 promote bot@0.1.1 --channel nowhere
2 promote bot --channel dev
4 promote bot:dev --channel prod
2 promote bot/answer@0.1.1 --channel dev
2 promote bot/answer:prod --channel dev
2 quarantine bot/answer@0.1.1 --channel prod -m bad
2 yank bot/answer@0.1.1 -m leak
2 override create bot/answer@0.1.1 --channel prod -m gone
2 rollback bot:dev --channel prod
2 status bot:dev --channel prod
5 promote bot@0.1.0 --channel prod
5 promote bot@0.1.1 --channel strict
5 promote other@0.1.0 --channel dev
4 promote bot@0.1.1 --channel dev --expect-revision 5
2 promote bot@0.1.1 --channel dev --key used
4 quarantine bot@0.1.2 --channel prod -m bad
3 quarantine bot@9.9.9 --channel prod -m bad
3 quarantine bot@0.1.1 --channel nowhere -m bad
4 unquarantine bot@0.1.1 --channel prod -m good
4 yank bot@0.1.2 -m leak
3 yank bot@9.9.9 -m leak
2 yank bot -m leak
3 clients --channel nowhere
3 token revoke nobody
4 token create ops
2 token create Ops
2 token create fine --channel NOT/ONE
2 audit --verify --anchor 12
5 override create other@0.1.0 --channel prod -m gone
3 override create bot@9.9.9 --channel prod -m gone
3 override create bot@0.1.1 --channel nowhere -m gone
4 override reconcile ended.json
5 override reconcile foreign.json
4 override reconcile late.json --expect-revision 1
3 export-snapshot --channel nowhere out
"""

TABLE = [line.split(" ", 1) for line in FAILURES.strip().splitlines()]


@pytest.fixture
def troubled(told: Registry, admin: Held, tmp_path: Path) -> Registry:
    """A registry in which most things that can be refused are."""
    factory.make_channels(told, dev=Policy(), prod=Policy(), strict=Policy(promote_from=("dev",), protected=True))
    factory.make_release(told, factory.content("bot", "Hello {{name}}, never live"), version="0.2.0")
    factory.make_release(told, factory.content("lonely", "Hello {{name}}"))
    factory.go_live(told, "lonely@0.1.0")
    again = PromoteRequest(reference=parse_reference("bot@0.1.2"), channel="prod", key="used")
    for owner in ("", admin.token.id):  # a key belongs to its token; without a token, to the database
        promote(told, replace(again, token=owner), actor=factory.ACTOR, now=factory.minutes(8))
    out = WithholdRequest(reference=parse_reference("bot@0.1.0"), channel="prod", reason="bad", key=factory.key())
    quarantine(told, out, actor=factory.ACTOR, now=factory.minutes(9))
    away = WithholdRequest(reference=parse_reference("other@0.1.0"), reason="leak", key=factory.key())
    yank(told, away, actor=factory.ACTOR, now=factory.minutes(9))
    _overrides(told, tmp_path)
    return told


def _overrides(registry: Registry, folder: Path) -> None:
    def request(hours: float) -> OverrideRequest:
        reference = parse_reference("bot@0.1.1")
        return OverrideRequest(reference=reference, channel="prod", reason="gone", lifetime=timedelta(hours=hours))

    now = datetime.now(UTC)
    save(create(registry, request(1), actor=factory.ACTOR, now=now - timedelta(hours=2)), folder / "ended.json")
    save(create(registry, request(9), actor=factory.ACTOR, now=now), folder / "late.json")
    text = (folder / "late.json").read_text(encoding="utf-8")
    (folder / "foreign.json").write_text(text.replace(registry.lineage, "f" * 8), encoding="utf-8")


def test_every_refusal_is_the_same_through_a_server(
    troubled: Registry,
    registry_url: str,
    admin: Held,
    serve: Serve,
    attempt: Attempt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(registry_url)
    monkeypatch.setenv("PROMPTOPS_TOKEN", admin.secret)
    answers: dict[str, list[tuple[str, int, str, str]]] = {}
    for place in (registry_url, server):
        monkeypatch.setenv("PROMPTOPS_REGISTRY", place)
        answers[place] = [(line, *attempt(*line.split(), "--json")) for _, line in TABLE]
    assert [
        (line, found)
        for (code, line), (_, found, _, _) in zip(TABLE, answers[registry_url], strict=True)
        if int(code) != found
    ] == []
    assert answers[registry_url] == answers[server]
    with troubled.read() as reader:
        assert reader.live("bot", "prod").revision == 3  # type: ignore[union-attr]
