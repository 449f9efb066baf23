"""A run that goes to a registry, on both databases and through a server: rows come from another thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptops.cli.run_ledger import RunLedger
from promptops.core.evidence.evidence import table_of
from promptops.core.token import Scope
from promptops.gateway import Gateway
from promptops.gateway.local import Direct
from promptops.gateway.remote import Remote
from promptops.operations.evaluate import evaluate
from promptops.store import Registry
from tests.gateway.serving import mint, serving
from tests.operations.test_evaluate import ID, asking, prepared
from tests.support.model_server import model_server


@contextmanager
def through(way: str, registry: Registry, url: str) -> Iterator[Gateway]:
    """The registry itself, or a server for it."""
    if way == "database":
        yield Direct(registry, now=datetime.now(UTC))
        return
    held = mint(registry, "ci", Scope.EVIDENCE)
    with serving(url) as address, Remote.open(address, token=held.secret) as remote:
        yield remote


@pytest.mark.parametrize("way", ["database", "server"])
def test_a_run_is_opened_reported_and_closed(way: str, registry: Registry, registry_url: str, tmp_path: Path) -> None:
    with model_server() as server, through(way, registry, registry_url) as gateway:
        ledger = RunLedger(gateway, "Ada <ada@example.org>")
        evaluate(prepared(tmp_path), asking(server.url), ledger=ledger, actor="Ada <ada@example.org>")
        again = RunLedger(gateway, "Ada <ada@example.org>")
        evaluate(prepared(tmp_path), asking(server.url), ledger=again, actor="Ada <ada@example.org>")
    with registry.read() as reader:
        run, evidence = reader.run(ID), reader.one_evidence(ledger.evidence)
    assert again.evidence == ledger.evidence and len(server.asked) == 8
    assert evidence.complete and len(table_of(evidence, run).rows) == 8
