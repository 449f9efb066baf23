"""`promptops why`: what is known of one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from promptops.cli.command import command
from promptops.cli.session import Session
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.core.model import Json
    from promptops.operations.why import WhyFound


@command("why")
@click.argument("id", metavar="CALL_ID|TRACE_ID|RESPONSE_ID")
def why(session: Session, /, id: str) -> None:
    """Why one call came out as it did, and of which release.

    What follows from a call's id does so for ever. An application has it as `call.id`, traces as `promptops.call_id`.
    Bad calls, and one in a hundred others, are kept for 30 days: with tokens, times and errors, the id of their trace,
    and, where `app.yml` declares `capture: variables`, the request as it was sent. Over a server, that needs the scope
    `content`.

    \b
      promptops why pc1:0b0e11aa:support-bot:prod:3.17s:0db52f40:akVfAJqcaBn_MQ:AAECAwQFAqGlXrJQ
      promptops why 4bf92f3577b34da6a3ce929d0e0e4736
      promptops why chatcmpl-Cz1pN3
    """
    from promptops.cli.output.changes import change_lines
    from promptops.cli.output.why import why_lines
    from promptops.operations.why import WhyRequest
    from promptops.use_cases.why import WHY

    with session.gateway() as gateway:
        found = gateway.run(WHY, WhyRequest(id=id))
    url = _trace_url(session, found)
    session.answer(
        lambda: _written(found, url),
        lambda page: why_lines(found.document, page, trace_url=url, change_lines=change_lines),
    )


def _written(found: WhyFound, url: str) -> Mapping[str, Json]:
    document = written(found)
    return {**document, "trace_url": url} if url else document


def _trace_url(session: Session, found: WhyFound) -> str:
    """The address of the call's trace, as the workspace around this folder says it; empty where none does."""
    trace = found.document.kept.trace if found.document.kept is not None else ""
    root = session.root()
    if not trace or root is None:
        return ""
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import TRACE_ID, read_workspace

    return read_workspace(WorkingTree(root)).traces.replace(TRACE_ID, quote(trace, safe=""))
