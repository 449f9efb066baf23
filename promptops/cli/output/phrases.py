"""The words and lines with which several commands show the same things."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime

from promptops import clock
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.core.bucketing import percent
from promptops.core.deployment_parts import Action, Kind
from promptops.core.model import Deployment, ReleaseRef

_ADDRESS = re.compile(r"\s*<[^<>]*>\s*(?=$| via token )")
_VERBS = {
    Kind.PROMOTE: "promoted",
    Kind.ROLLBACK: "rolled back",
    Kind.BREAK_GLASS: "overridden",
    Kind.OFF: "taken off",
    Kind.ABORT: "canary aborted",
}
_STEPS = {Action.START: "started", Action.ADVANCE: "advanced", Action.PAUSE: "paused", Action.RESUME: "resumed"}


def person(actor: str) -> str:
    """``Ada Lovelace`` of ``Ada Lovelace <ada@example.com>``, ``Ada via token ci`` of ``Ada <ada@…> via token ci``."""
    return _ADDRESS.sub("", actor) or actor


def short(digest: str) -> str:
    """``sha256:9f86d081884c``: 48 bits tell all releases of a registry apart, and every command accepts it."""
    return digest[:19]


def release_name(app: str, release: ReleaseRef) -> str:
    return f"{app}@{release.version}"


def verb(deployment: Deployment) -> str:
    """``promoted``, ``rolled back``, ``canary started``; ``deployed (shadow)`` for a kind that this version does not
    know.
    """
    if deployment.kind is Kind.CANARY and deployment.canary:
        return f"canary {_STEPS.get(deployment.canary.action, deployment.canary.action.value)}"
    return _VERBS.get(deployment.kind, f"deployed ({deployment.kind.value})")


def serving(deployment: Deployment) -> str:
    """The version of the stable release, or ``off``."""
    return deployment.version or "off"


def canary(deployment: Deployment) -> str:
    """``canary 1.5.0 at 5 %, step 1``; empty without one."""
    return f"canary {trial(deployment)}" if deployment.canary else ""


def trial(deployment: Deployment) -> str:
    """``1.5.0 at 5 %, step 1`` of a canary; empty without one."""
    found = deployment.canary
    return f"{found.release.version} at {percent(found.weight)}, step {found.step}" if found else ""


def origin(deployment: Deployment) -> str:
    """``from 1.2.0``; ``beside 1.2.0`` of a canary; or that nothing was live before."""
    if deployment.kind in (Kind.CANARY, Kind.ABORT):
        return f"beside {deployment.version}"
    if deployment.before is not None:
        return f"from {deployment.before.version}"
    return "as its first release" if deployment.revision == 1 else "from off"


def quoted(reason: str) -> str:
    return f"“{reason}”" if reason else ""


def one_line(text: str) -> str:
    """Joins the lines of a text into one."""
    return " ".join(text.split())


def counted(count: int, noun: str) -> str:
    """``1 release``, ``1,200 releases``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def enumerated(names: Sequence[str], limit: int = 8) -> str:
    """``a``, ``a and b``, ``a, b and c``; of more than ``limit`` the number that is left out."""
    shown = list(names) if len(names) <= limit else [*names[:limit], f"{len(names) - limit} more"]
    return " and ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)


def facts(page: Page, rows: Iterable[tuple[str, Cell]]) -> list[Line]:
    """Returns names and values in two columns, without those whose value is empty; long values go on below."""
    shown = [(Span(name, "quiet"), value) for name, value in rows if (value.text if isinstance(value, Span) else value)]
    return page.columns(shown, wrap=True)


def next_steps(steps: Sequence[tuple[str, Sequence[str]]]) -> list[Line]:
    """Returns the lines that propose next commands, each with its purpose."""
    if not steps:
        return []
    width = max(len(why) for why, _ in steps)
    lines: list[Line] = [""]
    for place, (why, command) in enumerate(steps):
        head = "Next: " if place == 0 else "      "
        lines.append([Span(head, "quiet"), Span(why.ljust(width) + "  ", "quiet"), Span(typed(command), "command")])
    return lines


def typed(command: Sequence[str]) -> str:
    """Returns the command as a user types it, quoted for a shell; ``…`` stands for the reader's own words."""
    words = [f'"{word}"' if word == "…" else word if word.isupper() else shlex.quote(word) for word in command]
    return " ".join(["promptops", *words])


def moment(page: Page, at: datetime) -> str:
    """``14m ago (2026-11-21 18:30:05 UTC)``."""
    return clock.format_when(at, page.now, page.zone)
