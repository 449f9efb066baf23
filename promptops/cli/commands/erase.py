"""`promptops erase`: removes what was captured of a user's calls, or of one call."""

from __future__ import annotations

import sys

import click

from promptops.cli.command import command, reason_option
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.phrases import counted
from promptops.cli.output.render import Line, Span
from promptops.cli.session import Session
from promptops.core.errors import Invalid
from promptops.core.outcomes.erasure import Erasure
from promptops.use_cases.documents import written


@command("erase")
@click.option("--key", "of_key", default="", metavar="KEY", help="Of all calls of this key; - reads it from stdin.")
@click.option("--call", default="", metavar="CALL_ID", help="Of this call.")
@click.option("--app", default="", metavar="APP", help="Of the key's calls, only those of this app.")
@reason_option
def erase(session: Session, /, of_key: str, call: str, app: str, reason: str) -> None:
    """Remove what was captured of a user's calls, or of one call.

    KEY is what the application gives as `key=`. The variables that `capture: variables` kept until now are removed,
    also those that a late report brings; counts and sums stay. The audit log has the fact without the key. Over a
    server, it needs the scope `admin`.

    \b
      promptops erase --key - --reason "request 4711" < key.txt
      promptops erase --call pc1:0b0e11aa:support-bot:prod:3.17s:0db52f40:akVfAJqcaBn_MQ:AAECAwQFAqGlXrJQ
    """
    from promptops.operations.erase import LONGEST_KEY, EraseRequest
    from promptops.use_cases.erase import ERASE

    if of_key == "-":
        of_key = sys.stdin.read(LONGEST_KEY + 2).removesuffix("\n").removesuffix("\r")
        if not of_key:
            raise Invalid("stdin has no key")
    request = EraseRequest(of_key=of_key, call=call, app=app, reason=reason, key=session.key(""))
    actor = session.actor()
    with session.gateway() as gateway:
        done = gateway.run(ERASE, request, actor=actor)
    session.answer(lambda: written(done), lambda page: _lines(done))
    bring_to_git(session)


def _lines(done: Erasure) -> list[Line]:
    what = counted(done.calls, "call")
    return [
        [Span("✓ ", "good"), Span("Erased: ", "strong"), f"what was captured of {what}"],
        "  Counts and sums stay. Backups have nothing that was captured.",
    ]
