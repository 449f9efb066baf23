"""`promptops db prune`: what it says it threw away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory


def test_a_dry_run_counts_and_the_command_it_names_does_it(registry: Registry, promptops: Promptops) -> None:
    factory.make_release(registry)
    factory.go_live(registry, "bot@0.1.0", now=datetime.now(UTC) - timedelta(days=31))
    factory.go_live(registry, "bot@0.1.0", "dev", now=datetime.now(UTC) - timedelta(days=29))
    found = promptops("db", "prune", "--dry-run", "--json").json
    assert found == {"keys": found["keys"], "keys_of_ended_tokens": 0, "clients": 0, "dry_run": True}
    said = promptops("db", "prune", "-n").out
    assert "Dry run. Would throw away" in said
    assert f"{found['keys']} idempotency keys older than 30 days" in said
    assert "promptops db prune" in said
    assert "✓ Threw away" in promptops("db", "prune").out
    assert promptops("db", "prune").out == "There is nothing to throw away.\n"
    assert promptops("history", "bot", "--channel", "prod", "--json").json["deployments"]


def test_it_needs_the_database_itself(promptops: Promptops) -> None:
    refused = promptops("db", "prune", "--registry", "https://promptops.example", exits=2).err
    assert "database" in refused
