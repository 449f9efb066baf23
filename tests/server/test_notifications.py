"""A server sends what happens, whoever changed the registry; killing it loses nothing."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptops import clock
from promptops.operations.notify import ask_test, receivers
from promptops.store import Registry
from tests.server.running import Running, running, until
from tests.support import factory
from tests.support.receivers import SECRET, Listening, declare, listening, verify


def ready(registry: Registry, receiver: Listening, folder: Path) -> Path:
    """Something to promote, a receiver on this machine, and the file with its secret."""
    factory.make_channels(registry)
    factory.make_releases(registry, "bot", 3)
    declare(registry, ops={"url": receiver.url, "events": ["deployment"], "private": ["127.0.0.1"]})
    secrets = folder / "secrets"
    secrets.write_text(f"ops {receiver.url} {SECRET}\n")
    return secrets


@contextmanager
def serving(url: str, folder: Path, secrets: Path) -> Iterator[Running]:
    variables = {"PROMPTOPS_NOTIFY_SECRETS": str(secrets)}
    with running(url, folder, "--no-auth", variables=variables) as server:
        yield server


def revisions(receiver: Listening) -> list[int]:
    return [json.loads(body)["data"]["revision"] for _, body in receiver.got]


def test_what_happens_through_a_server_and_beside_it_is_sent_and_signed(
    registry: Registry, registry_url: str, tmp_path: Path
) -> None:
    with listening() as receiver:
        secrets = ready(registry, receiver, tmp_path)
        with serving(registry_url, tmp_path, secrets) as server:
            promoted = server.ask(
                "POST",
                "/v1/channels/prod/promote",
                headers={"Idempotency-Key": "a" * 32},
                body={"release": "bot@0.1.0"},
            )
            assert promoted.status == 200, promoted
            until(lambda: len(receiver.got) == 1)
            factory.go_live(registry, "bot@0.1.1")
            until(lambda: len(receiver.got) == 2)
            number = ask_test(registry, "ops", now=clock.now()).number
            until(lambda: receivers(registry)[0].tested == number)
            page = server.get("/metrics").body.decode()
        assert 'promptops_notifications_pending{receiver="ops"} 0.0' in page
        assert 'promptops_notifications_failing_seconds{receiver="ops"} 0.0' in page
        assert 'promptops_notifications_given_up{receiver="ops"} 0.0' in page
        assert receivers(registry)[0].test_error == ""
        assert all(verify(headers, body) for headers, body in receiver.got)
        assert [json.loads(body)["type"] for _, body in receiver.got] == [
            "deployment.promoted",
            "deployment.promoted",
            "notify.test",
        ]
        assert SECRET not in server.said()


def test_a_killed_server_loses_nothing_and_the_next_one_sends_with_the_same_ids(
    registry: Registry, registry_url: str, tmp_path: Path
) -> None:
    came, leave = threading.Event(), threading.Event()

    def status(count: int) -> int:
        if count == 2:  # the first server is killed while it waits for this answer
            came.set()
            leave.wait(120)
        return 200

    with listening(status) as receiver:
        secrets = ready(registry, receiver, tmp_path)
        with serving(registry_url, tmp_path, secrets) as server:
            for version in ("0.1.0", "0.1.1", "0.1.2"):
                factory.go_live(registry, f"bot@{version}")
            assert came.wait(120)
            server.end(signal.SIGKILL)
        leave.set()
        assert receivers(registry)[0].pending == 2
        registry.write(_let_the_lease_run_out)
        with serving(registry_url, tmp_path, secrets):
            until(lambda: receivers(registry)[0].pending == 0)
        assert revisions(receiver) == [1, 2, 2, 3]
        assert len(set(receiver.ids)) == 3
        assert receiver.ids[1] == receiver.ids[2]


def _let_the_lease_run_out(writer: object) -> None:
    """The killed server has the receiver for two minutes; a test does not wait for them."""
    from dataclasses import replace

    from promptops.store import Writer

    assert isinstance(writer, Writer)
    (delivery,) = writer.deliveries().all()
    assert delivery.holder
    assert writer.deliveries().keep(replace(delivery, holder=""), delivery.holder)
