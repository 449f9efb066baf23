"""A registry, those who publish there, and a client over each kind of source: what they do, and how long it takes."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from promptops import Client, PromptUnavailable
from promptops.client.disk.cache_format import StoredChannel
from promptops.client.disk.cache_format import encode as encode_bundle
from promptops.client.state.release_set import Rejected, compile_release
from promptops.core.digest import digest
from promptops.core.model import Content, Release
from promptops.gateway.local import Direct
from promptops.operations.export_snapshot import export
from promptops.store import Registry
from promptops.wire.snapshot import encode as encode_snapshot
from tests.server.running import Reply, Running, Talking
from tests.support import factory

TIMES: Final = 20
"""How often the quiet time a change may take beside a batch."""

QUIET: Final = 3
"""Times that the changes are timed in quiet; the median counts."""

_POLL: Final = 0.2
_RARELY: Final = 86_400.0
FLOORS: Final = {"stream": 0.0, "polls": 1.2 * _POLL, "database": 0.0, "folder": 0.5, "bundle": 0.5}
"""Each kind of source, and the seconds between two looks of its client: a poll is up to 20 % late, and a folder is
looked at twice a second."""

PATIENCE: Final = 60.0
STRANGER, SECOND, RELIC = "stranger", "second", "relic"
READER = "reader"


@dataclass(slots=True, kw_only=True)
class Found:
    """What a run came to. Seconds are those of two promotions and a rollback together, by kind of source."""

    published: int = 0
    refused: int = 0
    quiet: dict[str, float] = field(default_factory=dict)
    slowest: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def ratio(self, kind: str) -> float:
        """The slowest, as times of the quiet one."""
        return self.slowest[kind] / self.quiet[kind]

    def __str__(self) -> str:
        told = [
            f"{kind} {self.quiet[kind]:.2f} s quiet, {self.slowest[kind]:.2f} s at most (x{self.ratio(kind):.1f})"
            for kind in self.slowest
        ]
        return "; ".join((f"{self.published} published, {self.refused} refused", *told))


class Town:
    """A registry with its apps, whoever publishes, and those who follow."""

    def __init__(
        self,
        registry: Registry,
        server: Running,
        tokens: Mapping[str, str],
        folder: Path,
        ahead: Sequence[Release],
    ) -> None:
        self.found = Found()
        self._registry = registry
        self._server = server
        self._folder = folder
        self._clients: dict[str, Client] = {}
        self._batch = 0
        self._ahead = iter(ahead)
        self._newest = {STRANGER: 0, SECOND: 0}
        self._relic = ""
        self._tokens = tokens

    @contextmanager
    def clients(self, url: str, polled: Talking) -> Iterator[None]:
        """A client of each kind of source, which follow all apps."""
        sources = {
            "stream": self._server.url,
            "polls": f"http://127.0.0.1:{polled.port}",
            "database": url,
            "folder": f"file:{self._folder / 'export'}",
            "bundle": f"file:{self._folder / 'bundle'}",
        }
        try:
            for kind in FLOORS:
                self._clients[kind] = Client(
                    sources[kind],
                    channel="prod",
                    token=self._tokens[READER] if kind in ("stream", "polls") else None,
                    poll=_POLL if kind == "polls" else _RARELY,
                    start_timeout=PATIENCE,
                    cache_dir=False,
                )
            yield
        finally:
            for client in self._clients.values():
                client.close()

    def export(self) -> None:
        """Write what is live as a folder, and as a bundle in one file, which has also what no client can load."""
        origin = Direct(self._registry, now=datetime.now(UTC))
        place = self._folder / "export"
        export(origin, "prod", place)
        snapshot = origin.snapshot("prod")
        digests = {ref.digest for pointer in snapshot.apps.values() for ref in pointer.releases()}
        kept = {each: (place / "v1" / "releases" / each.removeprefix("sha256:")).read_bytes() for each in digests}
        part = self._folder / "bundle.part"
        part.write_bytes(encode_bundle(StoredChannel(snapshot=encode_snapshot(snapshot)[0], contents=kept)))
        part.replace(self._folder / "bundle")

    # --- the second app -----------------------------------------------------------------------------

    def time_in_quiet(self) -> bool:
        """Time the changes with nothing else going on; False where they do not even then arrive."""
        times = [self._changes() for _ in range(QUIET)]
        self.found.quiet = {
            kind: max(statistics.median(each[kind] for each in times), 3 * floor) for kind, floor in FLOORS.items()
        }
        return not self.found.problems

    def _changes(self) -> dict[str, float]:
        """Two promotions and a rollback of the second app, each followed by all; seconds by kind of source."""
        first, then = next(self._ahead), next(self._ahead)
        taken = dict.fromkeys(self._clients, 0.0)
        for path, body in (
            ("promote", {"release": f"{SECOND}@{first.version}"}),
            ("promote", {"release": f"{SECOND}@{then.version}"}),
            ("rollback", {"apps": [SECOND]}),
        ):
            began = time.monotonic()
            answer = self._ask(SECOND, f"/v1/channels/prod/{path}", body)
            if answer.status != 200:
                self.found.problems.append(f"batch {self._batch}: {path} of {SECOND}: {answer.status} {answer.body!r}")
                break
            revision = self._newest[SECOND] = _revision(answer)
            with ThreadPoolExecutor(1) as exporting:
                exported = exporting.submit(self.export)
                for kind, arrived in self._arrivals(revision, exported):
                    taken[kind] += arrived - began
        return taken

    def _arrivals(self, revision: int, exported: Future[None]) -> Iterator[tuple[str, float]]:
        """When each client serves this revision of the second app, or is given up."""
        missing, until = set(self._clients), time.monotonic() + PATIENCE
        while missing and time.monotonic() < until:
            for kind in sorted(missing):
                if _serves(self._clients[kind], revision):
                    missing.remove(kind)
                    yield kind, time.monotonic()
            time.sleep(0.002)
        exported.result(PATIENCE)
        for kind in sorted(missing):
            problem = f"revision {revision} of {SECOND} did not arrive: {self._clients[kind].status()}"
            self.found.problems.append(f"{kind}: batch {self._batch}: {problem}")
            yield kind, time.monotonic()

    # --- and its neighbours -------------------------------------------------------------------------

    def live_through(self, texts: Sequence[str], relic: Content) -> bool:
        """Publish a batch and change the second app; False where it is of no use to go on."""
        self._batch += 1
        published = [text for text in texts if self._publish(text)]
        self._lay(relic)
        for kind, seconds in self._changes().items():
            self.found.slowest[kind] = max(seconds, self.found.slowest.get(kind, 0.0))
            if seconds > TIMES * self.found.quiet[kind]:
                problem = f"{seconds:.2f} s, over {TIMES} times {self.found.quiet[kind]:.2f} s"
                self.found.problems.append(f"{kind}: batch {self._batch}: {problem}")
        for text in published:
            try:
                compile_release(STRANGER, digest(text.encode()), text.encode())
            except Rejected as rejected:
                self.found.problems.append(f"published, and not to be loaded: {rejected.message}: {text[:500]}")
        until = time.monotonic() + PATIENCE
        for kind, client in self._clients.items():
            self._judge(kind, client, until)
        return not self.found.problems

    def _publish(self, text: str) -> bool:
        """Publish one content, and promote it; False where the server refuses it, as it may."""
        origin = {"repository": "r", "commit": "0" * 40, "path": "p", "author": "a", "builder": "b"}
        app = {"content": text, "digest": digest(text.encode()), "profile": {}, "provenance": origin}
        answer = self._ask(STRANGER, "/v1/releases", {"registry": factory.NAME, "apps": [app]})
        if answer.status == 422:
            self.found.refused += 1
            return False
        if answer.status == 200:
            self.found.published += 1
            (made,) = json.loads(answer.body)["releases"]
            named = {"release": f"{STRANGER}@{made['version']}"}
            answer = self._ask(STRANGER, "/v1/channels/prod/promote", named)
        if answer.status != 200:
            self.found.problems.append(f"a content: {answer.status} {answer.body[:500]!r}: {text[:500]}")
            return False
        self._newest[STRANGER] = _revision(answer)
        return True

    def _lay(self, relic: Content) -> None:
        """What 0.1.0 let in goes live as 0.1.0 let it."""
        release = factory.make_old_release(self._registry, relic)
        factory.go_live_as_before(self._registry, release, now=datetime.now(UTC))
        self._relic = release.digest

    def _judge(self, kind: str, client: Client, until: float) -> None:
        """Wait until a client has all there is, and nothing is wrong with it but what has to be."""
        # An export leaves out what no client can load, so that whoever follows it never meets it.
        relics = [] if kind == "folder" else [RELIC]
        while True:
            status = client.status()
            if (
                self._newest.items() <= {STRANGER: 0, **status.revisions}.items()
                and sorted(status.cannot_load) == relics
                and all(self._relic in why for why in status.cannot_load.values())
                and (status.versions[RELIC], status.failures) == ("0.1.0", 0)
            ):
                return
            if time.monotonic() > until:
                self.found.problems.append(f"{kind}: batch {self._batch}: not {self._newest} of {relics}: {status}")
                return
            time.sleep(0.01)

    def _ask(self, who: str, path: str, body: object) -> Reply:
        said = json.dumps(body, ensure_ascii=False).encode()
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return self._server.ask("POST", path, token=self._tokens[who], body=said, headers=headers)


def _revision(answer: Reply) -> int:
    (deployment,) = json.loads(answer.body)["deployments"]
    return int(deployment["revision"])


def _serves(client: Client, revision: int) -> bool:
    try:
        return client.get_prompt(f"{SECOND}/answer").revision >= revision
    except PromptUnavailable:
        return False
