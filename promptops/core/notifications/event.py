"""Lines of the audit log -> events, and what is sent of one: JSON by Standard Webhooks, or a text for Slack.

An event follows from its line, so a change that was committed has its event. Its id is a hash of the line's seal and of
the receiver, so it is the same from each process and at each try.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from promptops.core.bucketing import percent
from promptops.core.model import AuditEntry, Deployment, Json, ReleaseRef

_ACTIONS: Final[Mapping[str, str]] = {
    "release": "release.created",
    "quarantine": "release.quarantined",
    "unquarantine": "release.unquarantined",
    "yank": "release.yanked",
    "promote": "deployment.promoted",
    "rollback": "deployment.rolled_back",
    "break-glass": "deployment.overridden",
    "off": "deployment.retired",
    "abort": "canary.aborted",
}
_STEPS: Final[Mapping[str, str]] = {
    "start": "canary.started",
    "advance": "canary.advanced",
    "pause": "canary.paused",
    "resume": "canary.resumed",
}
TEST: Final = "notify.test"
EVENTS: Final = (*_ACTIONS.values(), *_STEPS.values())
"""The types of events."""
GROUPS: Final = tuple(dict.fromkeys(kind.partition(".")[0] for kind in EVENTS))
"""What a type begins with: it stands for all of them in ``events``."""

_STEP: Final = re.compile(r"\(([a-z-]+), step \d+ of [^()]*\)$")
_WORDS: Final[Mapping[str, str]] = {
    "release.created": "released {after}",
    "release.quarantined": "{after} is in quarantine",
    "release.unquarantined": "{after} is out of quarantine",
    "release.yanked": "{after} is withdrawn everywhere",
    "deployment.promoted": "promoted {after}{was}",
    "deployment.rolled_back": "rolled back to {after}{was}",
    "deployment.overridden": "{after} is served by an override{was}",
    "deployment.retired": "off: nothing is served any more{was}",
    "canary.started": "canary of {canary} started at {weight}",
    "canary.advanced": "canary of {canary} goes on at {weight}",
    "canary.paused": "canary of {canary} is paused at {weight}",
    "canary.resumed": "canary of {canary} goes on at {weight}",
    "canary.aborted": "the canary was aborted, {after} is served to all",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The registry that an event comes from."""

    name: str
    lineage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that others are sent. ``data`` is what its JSON says beside the type and the time."""

    kind: str
    at: datetime
    text: str
    data: Mapping[str, Json]

    def body(self) -> bytes:
        """The JSON that is sent and signed: ``type``, ``timestamp`` and ``data``."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return _bytes({"type": self.kind, "timestamp": at, "data": {**self.data, "text": self.text}})

    def slack(self) -> bytes:
        """A text for Slack, in its mrkdwn (https://docs.slack.dev/messaging/formatting-message-text)."""
        app, channel = self.data.get("app"), self.data.get("channel")
        where = f"*{_escaped(str(app))}*" + (f" on *{_escaped(str(channel))}*" if channel else "") if app else ""
        who = f" by {_escaped(str(self.data['actor']).partition(' <')[0])}" if self.data.get("actor") else ""
        why = f": {_escaped(_short(str(self.data['reason'])))}" if self.data.get("reason") else ""
        said = _escaped(self.text)
        return _bytes({"text": f"{where}: {said}{who}{why}" if where else f"{said}{who}{why}"})


def kind_of(line: AuditEntry) -> str:
    """Returns the type of the event that a line of the audit log is; empty for any other line."""
    if line.action == "canary":
        found = _STEP.search(line.after)
        return _STEPS.get(found[1], "") if found else ""
    return _ACTIONS.get(line.action, "")


def id_of(line: AuditEntry, receiver: str) -> str:
    """Returns the id of the event for a receiver: the same at each try, and another one for each line and receiver.

    The seal of a line covers all lines before it, so a registry that came back from a backup has other ids for what
    happens afterwards, and the same ones for what it still has.
    """
    return _id(f"{line.hash} {receiver}")


def event_of(line: AuditEntry, deployment: Deployment | None, source: Source) -> Event:
    """Returns the event of a line, which is one; ``deployment`` is what the line is about, if it is about one."""
    kind, before, after = kind_of(line), _release(line.before), _release(line.after)
    data: dict[str, Json] = {
        "registry": source.name,
        "lineage": source.lineage,
        "line": line.seq,
        "app": line.app,
        "channel": line.channel,
        "actor": line.actor,
        "reason": line.reason,
        "release": _named(after),
        "before": _named(before),
    }
    if deployment is not None:
        canary = deployment.canary
        data |= {"revision": deployment.revision, "release": _named(deployment.stable)}
        data["canary"] = {**_shown(canary.release), "weight": canary.weight, "step": canary.step} if canary else None
    words = {
        "after": after.version if after else "a release",
        "was": f" (was {before.version})" if before and before != after else "",
        "canary": deployment.canary.release.version if deployment and deployment.canary else "a release",
        "weight": percent(deployment.canary.weight) if deployment and deployment.canary else "some keys",
    }
    return Event(kind=kind, at=line.at, text=_WORDS[kind].format(**words), data=data)


def trial_event(number: int, receiver: str, source: Source, at: datetime) -> tuple[str, Event]:
    """Returns the id and the event of a test of a receiver."""
    data: dict[str, Json] = {"registry": source.name, "lineage": source.lineage, "receiver": receiver, "test": number}
    text = f"test {number} of the notifications of the registry {source.name}"
    id = _id(f"{source.lineage} {receiver} test {number}")
    return id, Event(kind=TEST, at=at, text=text, data=data)


def _id(text: str) -> str:
    return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _release(label: str) -> ReleaseRef | None:
    """The stable release of a label of the audit log; its form is frozen, since lines are sealed with it."""
    version, _, digest = label.partition(";")[0].partition(" ")
    return ReleaseRef(version=version, digest=digest) if digest.startswith("sha256:") else None


def _shown(release: ReleaseRef) -> dict[str, Json]:
    return {"version": release.version, "digest": release.digest}


def _named(release: ReleaseRef | None) -> Json:
    return _shown(release) if release else None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:299]}…"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bytes(value: Mapping[str, Json]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
