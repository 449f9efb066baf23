"""What is counted, and the page that prometheus reads. Names are documented in docs/server.md.

No label has a value that comes from outside: routes are named by their pattern, and what clients report by apps and
releases that the registry has. Of those a server keeps a limited number, so the page stays readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from promptops.core.deployment_parts import WHOLE
from promptops.core.outcomes.app_look import AppLook
from promptops.operations.canary_status import CanaryGauge
from promptops.operations.notify import ReceiverState
from promptops.operations.outcomes import Taken

CONTENT_TYPE = CONTENT_TYPE_LATEST

_MOST_REPORTED = 2_000  # combinations of app, channel, release and side, each with a line for every count
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_OF_RECEIVERS = {
    "pending": "Events that wait for a receiver, of at most the next thousand lines of the audit log.",
    "failing_seconds": "Time since the first of the failures in a row of a receiver; 0 without one.",
    "given_up": "Events that never arrived at a receiver, and are not tried any more.",
}


class Metrics:
    """The counters of one server process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "promptops_http_requests", "Requests answered.", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "promptops_http_request_seconds",
            "Time until an answer was sent; streams are not in it.",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.events = Counter("promptops_events_sent", "Changes sent to streams.", registry=self._registry)
        self.slow = Counter(
            "promptops_streams_dropped", "Streams ended because the client did not read them.", registry=self._registry
        )
        self._outcomes = Counter(
            "promptops_outcomes",
            "What clients counted of their calls, by its name in documents, and calls that failed.",
            ["app", "channel", "release", "arm", "count"],
            registry=self._registry,
        )
        self._left_out = Counter(
            "promptops_outcomes_left_out", "Parts of reports that do not count.", ["reason"], registry=self._registry
        )
        self._looks = Gauge(
            "promptops_worth_a_look",
            "1 for what of an app's calls of the last seven days is worth a look.",
            ["app", "code"],
            registry=self._registry,
        )
        self._weights = Gauge(
            "promptops_canary_weight",
            "The share of the keys that have the canary, from 0 to 1.",
            ["app", "channel", "release"],
            registry=self._registry,
        )
        self._evidence = Gauge(
            "promptops_canary_evidence",
            "How far the evidence is that the canary is worse, on the logarithmic way from 0 to the 1 that aborts.",
            ["app", "channel", "release", "guardrail"],
            registry=self._registry,
        )
        self._aborts = Counter(
            "promptops_canary_aborts",
            "Canaries that the policy aborted by this process.",
            ["app", "channel"],
            registry=self._registry,
        )
        self._notify = {
            name: Gauge(f"promptops_notifications_{name}", help, ["receiver"], registry=self._registry)
            for name, help in _OF_RECEIVERS.items()
        }
        self._reported: set[tuple[str, str, str, str]] = set()
        self._known: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Adds a number that is read when the page is."""
        Gauge(name, help, registry=self._registry).set_function(value)

    def count(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """One request was answered; without a time, one that is not to be measured."""
        counters = self._known.get((route, method, status))
        if counters is None:
            counters = self._known[route, method, status] = (
                self._requests.labels(route, method, str(status)).inc,
                self._seconds.labels(route).observe,
            )
        counters[0]()
        if seconds is not None:
            counters[1](seconds)

    def count_outcomes(self, taken: Taken) -> None:
        """What clients reported, by app, channel, release and side."""
        for reason, count in taken.left_out.items():
            self._left_out.labels(reason.value).inc(count)
        for place, sums in taken.sums.items():
            labels = (place.app, place.channel, taken.releases[place], place.arm.value)
            if labels not in self._reported and len(self._reported) >= _MOST_REPORTED:
                continue
            self._reported.add(labels)
            for name, count in (*((name.value, count) for name, count in sums.counts.items()), ("failed", sums.failed)):
                self._outcomes.labels(*labels, name).inc(count)

    def set_looks(self, found: Iterable[AppLook]) -> None:
        """What is worth a look now, and nothing else."""
        self._looks.clear()
        for look in found:
            self._looks.labels(look.app, look.code).set(1)

    def set_canaries(self, running: Iterable[CanaryGauge]) -> None:
        """The canaries that run now, and nothing else."""
        self._weights.clear()
        self._evidence.clear()
        for each in running:
            place = (each.app, each.channel, each.version)
            self._weights.labels(*place).set(each.weight / WHOLE)
            for guardrail, share in each.evidence.items():
                self._evidence.labels(*place, guardrail).set(share)

    def set_receivers(self, found: Iterable[ReceiverState], now: datetime) -> None:
        """How far the receivers of notifications are now, and nothing else."""
        for gauge in self._notify.values():
            gauge.clear()
        for each in found:
            failing = (now - each.failing_since).total_seconds() if each.failing_since else 0.0
            for name, value in (
                ("pending", each.pending),
                ("failing_seconds", failing),
                ("given_up", each.given_up),
            ):
                self._notify[name].labels(each.name).set(value)

    def count_abort(self, app: str, channel: str) -> None:
        """The policy aborted a canary, and this process carried it out."""
        self._aborts.labels(app, channel).inc()

    def page(self) -> bytes:
        """All of it, in prometheus' text format."""
        return generate_latest(self._registry)
