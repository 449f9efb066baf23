"""`promptops evidence`: what is known of a release, and how what was found elsewhere comes in."""

from __future__ import annotations

import click

from promptops.cli.command import NounGroup, command, key_option, reason_option
from promptops.cli.session import Session

FORMATS = ("promptfoo", "junit", "inspect", "pydantic-evals", "deepeval", "jsonl")


@click.group("evidence", cls=NounGroup)
def evidence() -> None:
    """What is known of a release, and how it comes in.

    Evidence is bound to a release's digest: what was measured in a pull request is still good after the merge.
    """


@command("import", group=evidence)
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--format", "form", required=True, type=click.Choice(FORMATS), help="Which tool wrote the file.")
@click.option("--for", "release", required=True, metavar="APP[/PROMPT]@VERSION", help="Which release it measured.")
@click.option("--suite", default="", metavar="NAME", help="The app's own suite that was put, by the files here.")
@reason_option
@key_option
def import_(session: Session, /, file: str, form: str, release: str, suite: str, reason: str, key: str) -> None:
    """Record what another tool measured.

    Named fields of the file are read: cases, outcomes, times, tokens, costs. Its texts stay where they are. A release
    may be named by its whole digest before it is released. A gate counts it only if its policy takes `import`.

    \b
      promptops evidence import results.json --format promptfoo --for support-bot/answer@1.4.0
    """
    from promptops.cli.commands import evidence_import

    evidence_import.run(session, file, form, release, suite=suite, reason=reason, key=key)
