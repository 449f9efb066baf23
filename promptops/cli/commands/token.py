"""`promptops token`: makes, lists and revokes the tokens with which a server is used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from promptops import clock, config, files
from promptops.cli import complete
from promptops.cli.command import NounGroup, command, reason_option
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import facts, moment, next_steps, person
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.duration import parse_duration
from promptops.core.errors import Invalid
from promptops.core.token import LIFETIME, Scope, Token
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.operations.tokens import Minted

_NEVER = "never"


@click.group("token", cls=NounGroup)
def token() -> None:
    """Make, list and revoke tokens.

    A token lets an application, a pipeline or a person use the registry through a server: some scopes, on some
    channels and apps, until it ends or is revoked.
    """


@command("create", group=token)
@click.argument("name", metavar="NAME")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=["read", "report"],
    show_default="read and report",
    help="What it may do; repeat it for more. admin contains all, each contains read.",
)
@click.option(
    "--channel",
    "channels",
    multiple=True,
    default=["*"],
    metavar="PATTERN",
    show_default="*",
    shell_complete=complete.channels,
    help="On which channels: a name, * and ? for any; repeat it for more.",
)
@click.option(
    "--app",
    "apps",
    multiple=True,
    default=["*"],
    metavar="PATTERN",
    show_default="*",
    shell_complete=complete.apps,
    help="For which apps, the same way.",
)
@click.option(
    "--expires",
    metavar="LENGTH",
    show_default=f"{LIFETIME.days}d, but no longer than the token it is made with",
    help=f"How long it lives: 12h, 30d, {_NEVER}.",
)
@click.option(
    "--person", default="", metavar="ADDRESS", help="The one person who holds it: what they approve is proven."
)
def create(
    session: Session,
    /,
    name: str,
    scopes: tuple[str, ...],
    channels: tuple[str, ...],
    apps: tuple[str, ...],
    expires: str | None,
    person: str,
) -> None:
    """Make a token and show its secret, once.

    The registry keeps only a digest of the secret, so it cannot be shown again: put it where it is used, as
    PROMPTOPS_TOKEN, and nowhere else. Make the first token on a machine that can write to the database.

    \b
      promptops token create support-bot-prod --channel prod --app support-bot
      promptops token create ci --scope release --scope promote --channel staging --expires 30d
      promptops token create on-call --scope rollback --scope promote --scope audit
      promptops token create ada --scope approve --channel prod --person ada@example.org
    """
    from promptops.operations.tokens import TokenRequest
    from promptops.use_cases.tokens import CREATE_TOKEN

    request = TokenRequest(
        name=name,
        scopes=tuple(map(Scope, scopes)),
        channels=channels,
        apps=apps,
        lifetime=LIFETIME if expires is None else _lifetime(expires),
        capped=expires is None,
        person=person,
    )
    actor = session.actor()
    with session.gateway() as gateway:
        made = gateway.run(CREATE_TOKEN, request, actor=actor)
    session.answer(
        lambda: _shape(made.token, session) | {"secret": made.text},
        lambda page: _created(made, page),
    )
    bring_to_git(session)


@command("exchange", group=token)
@click.option("--out", metavar="FILE", type=click.Path(), help="Write the secret to this file, not to stdout.")
@click.option("--audience", metavar="TEXT", help="For whom GitHub makes the ID token. [default: the server's URL]")
def exchange(session: Session, /, out: str | None, audience: str | None) -> None:
    """Exchange the ID token of a CI job for a token that lives for minutes.

    The server says which issuers it believes, and what their claims allow. The ID token is that in PROMPTOPS_ID_TOKEN,
    else GitHub makes one. With --out, set PROMPTOPS_TOKEN_FILE to that file; nothing secret is in the log of the job.

    \b
      promptops token exchange --registry https://registry.internal --out "$RUNNER_TEMP/promptops-token"
    """
    from promptops.cli.id_token import id_token

    url = session.registry_url()
    if not config.is_server(url):
        raise Invalid(
            "an ID token is exchanged by a server, and the registry is a database", hint="--registry https://…"
        )
    with session.reaching(url):
        from promptops.gateway.exchange import exchange as exchange_at

        made = exchange_at(url, id_token(audience or url))
    secret = {} if out else {"secret": made.text}
    if out:
        path = session.path(out)
        try:
            files.replace_file(path, f"{made.text}\n".encode())
        except OSError as error:
            raise Invalid(f"--out {path} cannot be written: {error.strerror or error}") from error
    session.answer(lambda: _shape(made.token, session) | secret, lambda page: _exchanged(made, out, page))


@command("list", group=token)
@click.option("--all", "every", is_flag=True, help="Also those that ended, were revoked, or have no secret.")
def list_tokens(session: Session, /, every: bool) -> None:
    """List the tokens, oldest first; never their secrets."""
    with session.gateway() as gateway:
        from promptops.use_cases.tokens import TOKENS

        every_token = gateway.run(TOKENS, None)
    tokens = [token for token in every_token if every or not token.flaw(session.now)]
    session.answer(
        lambda: {"tokens": [_shape(token, session) for token in tokens]},
        lambda page: _table(tokens, len(every_token) - len(tokens), page),
    )


@command("revoke", group=token)
@click.argument("which", metavar="TOKEN", shell_complete=complete.tokens)
@reason_option
def revoke(session: Session, /, which: str, reason: str) -> None:
    """Take a token back, at once and for ever.

    TOKEN is its id, or its name. Doing it again changes nothing.
    """
    actor = session.actor()
    with session.gateway() as gateway:
        from promptops.use_cases.tokens import REVOKE_TOKEN, RevokeRequest

        gone = gateway.run(REVOKE_TOKEN, RevokeRequest(which=which, reason=reason), actor=actor)
    session.answer(lambda: _shape(gone, session), lambda page: _revoked(gone, page))
    bring_to_git(session)


def _lifetime(typed: str) -> timedelta | None:
    return None if typed.strip().lower() == _NEVER else parse_duration(typed)


def _created(made: Minted, page: Page) -> list[Line]:
    token = made.token
    head: Line = [Span("✓ ", "good"), Span("Created the token ", "strong"), Span(token.name, "name")]
    rows: list[tuple[str, Cell]] = [("secret", Span(made.text, "strong")), *_facts(token, page)]
    once = "The secret is shown once and kept nowhere. Put it where it is used, as PROMPTOPS_TOKEN."
    steps = [("if it leaks", ["token", "revoke", token.id])]
    return [head, "", *facts(page, rows), "", [Span(once, "warn")], *next_steps(steps)]


def _exchanged(made: Minted, out: str | None, page: Page) -> list[Line]:
    head: Line = [Span("✓ ", "good"), Span("Got the token ", "strong"), Span(made.token.name, "name")]
    secret: tuple[str, Cell] = ("secret", f"in {out}" if out else Span(made.text, "strong"))
    return [head, "", *facts(page, [secret, *_facts(made.token, page)])]


def _shape(token: Token, session: Session) -> JsonObject:
    """Returns a token, and whether it is valid now: ``flaw`` says why it is not."""
    flaw = token.flaw(session.now)
    return written(token) | {"live": not flaw, "flaw": flaw}


def _revoked(token: Token, page: Page) -> list[Line]:
    assert token.revoked is not None
    name = Span(token.name, "name")
    head: Line = [Span("✓ ", "good"), Span("Revoked: ", "strong"), "the token ", name, " is refused from now on"]
    rows: list[tuple[str, Cell]] = [
        ("by", f"{token.revoked.actor}, {moment(page, token.revoked.at)}"),
        ("reason", token.revoked.reason),
    ]
    steps = [("another one", ["token", "create", token.name, *_again(token)])]
    return [head, "", *facts(page, [*_facts(token, page), *rows]), *next_steps(steps)]


def _again(token: Token) -> list[str]:
    words = [word for scope in token.scopes for word in ("--scope", scope.value)]
    for option, patterns in (("--channel", token.channels), ("--app", token.apps)):
        words += [word for pattern in patterns if pattern != "*" for word in (option, pattern)]
    return words + (["--person", token.person] if token.person else [])


def _facts(token: Token, page: Page) -> list[tuple[str, Cell]]:
    return [
        ("id", token.id),
        ("person", token.person),
        ("may", ", ".join(token.scopes)),
        ("channels", ", ".join(token.channels)),
        ("apps", ", ".join(token.apps)),
        ("ends", clock.format_moment(token.expires_at, page.zone) if token.expires_at else "never"),
    ]


def _table(tokens: Sequence[Token], hidden: int, page: Page) -> list[Line]:
    more: list[Line] = []
    if hidden:
        more = ["", Span(f"{hidden} more ended, were revoked or have no secret: promptops token list --all", "quiet")]
    if not tokens:
        first = next_steps([("make one for an application", ["token", "create", "NAME", "--channel", "prod"])])
        return ["There are no live tokens.", *more, *first]
    titles = ("NAME", "ID", "SECRET", "MAY", "CHANNELS", "APPS", "MADE", "ENDS")
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in titles]]
    for token in tokens:
        made = f"{clock.format_age(token.created_at, page.now)} by {person(token.created_by)}"
        rights = [", ".join(part) for part in (token.scopes, token.channels, token.apps)]
        name = f"{token.name} ({token.person})" if token.person else token.name
        rows.append([Span(name, "name"), token.id, f"{token.prefix}…", *rights, made, _end(token, page.now, page)])
    return [*page.columns(rows, indent=0, spare=("SECRET", "MADE", "ID")), *more]


def _end(token: Token, now: datetime, page: Page) -> Cell:
    if flaw := token.flaw(now):
        return Span(flaw, "bad")
    return clock.format_short(token.expires_at, now, page.zone) if token.expires_at else Span("never", "warn")
