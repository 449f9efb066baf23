"""A day at the command line on every kind of database, and on every way to one: rollbacks, audit, fsck, backups."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from promptops.operations.rollback import RollbackRequest, rollback
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory


@pytest.fixture
def there(registry_url: str, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registry in which three apps have a past on `prod`, which the command line finds through the environment."""
    monkeypatch.setenv("PROMPTOPS_REGISTRY", registry_url)
    with closing(Registry.open(registry_url)) as registry:
        factory.make_channels(registry)
        for app in ("bot", "faq", "help"):
            for place, release in enumerate(factory.make_releases(registry, app, 3)):
                factory.go_live(registry, f"{app}@{release.version}", now=factory.minutes(place), reason="größer ☃")
    return registry_url


def test_a_day_at_the_command_line(
    there: str, restored_url: str, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):  # more than once: what a pool of sessions keeps would show
        promptops("rollback", "--all", "--reason", "größer ☃")
    assert promptops("status").out.count("0.1.0") >= 3
    assert "größer ☃" in promptops("audit").out
    assert promptops("audit", "--verify").code == 0
    assert promptops("db", "upgrade").code == 0
    assert promptops("fsck").code == 0

    assert promptops("db", "backup", "saved.backup", "--json").json["verified"] is True
    promptops("db", "restore", "saved.backup", "--registry", restored_url)
    assert promptops("status", "--registry", restored_url).out.count("0.1.0") >= 3
    assert promptops("rollback", "bot", "--registry", restored_url, exits=4).code == 4
    assert promptops("audit", "--verify", "--registry", restored_url).code == 0


def test_many_at_once_are_never_given_anothers_answer(there: str) -> None:
    """Prepared statements of one session, run in another, answered what nobody had asked for."""

    def work(number: int) -> None:
        app = ("bot", "faq")[number % 2]
        with closing(Registry.open(there)) as registry:
            for turn in range(8):
                with registry.read() as reader:
                    assert reader.apps() == ("bot", "faq", "help")
                    assert {each.app for each in reader.releases(app)} == {app}
                    assert {each.app for each in reader.history(app, "prod")} == {app}
                if turn == number and number < 4:  # each app has two releases to go back to
                    request = RollbackRequest(apps=(app,), channel="prod", key=factory.key())
                    rollback(registry, request, actor=factory.ACTOR, now=factory.minutes(60 + number))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
