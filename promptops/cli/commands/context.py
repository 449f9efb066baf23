"""`promptops login`, `logout` and `context`: which server the command line works with, and its token."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from promptops import config
from promptops.cli import contexts
from promptops.cli.command import NounGroup, command
from promptops.cli.contexts import Context
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import facts, next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import Invalid
from promptops.core.server_url import require_server_url

if TYPE_CHECKING:
    from promptops.operations.names import Identity

_PLACES = {contexts.KEYRING: "in the keyring", contexts.TOKEN_FILE: "in a file for you alone", "": "none"}


@command("login")
@click.argument("url", metavar="URL")
@click.option("--name", default="", metavar="NAME", help="What the context is called. [default: the server's host]")
@click.option("--no-keyring", is_flag=True, help="Keep the token in a file that only you can read.")
def login(session: Session, /, url: str, name: str, no_keyring: bool) -> None:
    """Keep a token for a server, and work with it from now on.

    It asks for the token without showing it, or reads it from stdin, and checks it against the server before it keeps
    anything. The token goes into the system's keyring if the package `keyring` is installed and finds one, else into a
    file that only you can read. It is shown to this server alone. --registry, PROMPTOPS_REGISTRY, PROMPTOPS_TOKEN, a
    PROMPTOPS_TOKEN_FILE and a workspace with a registry of its own go before it.

    \b
      promptops login https://prompts.example
      promptops login https://prompts.example --name prod-eu < token.txt
    """
    require_server_url(url)
    url = config.registry_url(url, None, session.directory)
    context = Context(name=contexts.require_context_name(name or _host(url)), registry=url)
    token = _asked()
    identity = _checked(session, url, token)
    with contexts.changing() as held:
        before = held[0].known.get(context.name)
        if before is not None and before.registry != url:
            raise Invalid(
                f"the context '{context.name}' is for {before.registry}",
                hint=f"Give this one another name: promptops login {url} --name NAME",
            )
        kept = contexts.keep(before or context, token, in_keyring=not no_keyring)
        held.append(held[0].using(kept))
    session.answer(
        lambda: _shape(kept, current=True) | {"name": identity.registry}, lambda page: _done(kept, identity, page)
    )


@command("logout")
@click.argument("name", metavar="[CONTEXT]", required=False)
def logout(session: Session, /, name: str | None) -> None:
    """Forget the token of a context, the used one by default.

    The token itself stays valid: `promptops token revoke` takes it back.
    """
    with contexts.changing() as held:
        context = held[0].named(name or held[0].current)
        gone = contexts.forget(context)
        held.append(type(held[0])(current=held[0].current, known={**held[0].known, gone.name: gone}))
    line: Line = [
        "The token for ",
        Span(gone.registry, "name"),
        " is forgotten here. It stays valid until it is revoked.",
    ]
    session.answer(
        lambda: _shape(gone, current=gone.name == held[-1].current) | {"forgotten": bool(context.token)},
        lambda page: [line, *next_steps([("again", ["login", gone.registry])])],
    )


@click.group("context", cls=NounGroup)
def context() -> None:
    """List the servers that you logged in to, and choose one.

    Flags and the environment go before the chosen one, and so does a workspace with a registry of its own.
    """


@command("list", group=context)
def list_contexts(session: Session, /) -> None:
    """List the contexts, by name; never their tokens."""
    held = contexts.load()
    known = [held.known[name] for name in sorted(held.known)]
    session.answer(
        lambda: {"contexts": [_shape(each, current=each.name == held.current) for each in known]},
        lambda page: _table(known, held.current, page),
    )


@command("use", group=context)
@click.argument("name", metavar="NAME")
def use(session: Session, /, name: str) -> None:
    """Work with this server from now on, where nothing else names a registry."""
    with contexts.changing() as held:
        chosen = held[0].named(name)
        held.append(held[0].using(chosen))
    line: Line = [Span("✓ ", "good"), "The registry is ", Span(chosen.registry, "name"), " from now on."]
    session.answer(lambda: _shape(chosen, current=True), lambda page: [line])


@command("remove", group=context)
@click.argument("name", metavar="NAME")
def remove(session: Session, /, name: str) -> None:
    """Remove a context and its token from this machine."""
    with contexts.changing() as held:
        gone = contexts.forget(held[0].named(name))
        held.append(held[0].without(name))
    session.answer(lambda: _shape(gone, current=False), lambda page: [f"The context {gone.name} is gone."])


def _asked() -> str:
    """Returns the token: typed without being shown, or the first line of stdin."""
    if sys.stdin is not None and sys.stdin.isatty():
        from getpass import getpass

        text = getpass("Token (it is not shown): ")
    else:
        text = sys.stdin.readline(4096) if sys.stdin is not None else ""
    if not text.strip():
        raise Invalid("no token was given", hint="Type it, or give it on stdin: promptops login URL < FILE")
    return text.strip()


def _checked(session: Session, url: str, token: str) -> Identity:
    from promptops.client.sources.credentials import FixedToken
    from promptops.gateway.remote import Remote
    from promptops.use_cases.registry import IDENTITY

    with session.reaching(url), Remote.open(url, token=FixedToken(token, "what you gave")) as remote:
        return remote.run(IDENTITY, None)


def _host(url: str) -> str:
    parts = urlsplit(url)
    port = f"-{parts.port}" if parts.port else ""
    return f"{(parts.hostname or '').replace(':', '-')}{port}"


def _shape(each: Context, *, current: bool) -> JsonObject:
    return {"context": each.name, "registry": each.registry, "token": each.token, "current": current}


def _done(kept: Context, identity: Identity, page: Page) -> list[Line]:
    head: Line = [Span("✓ ", "good"), Span("Logged in to ", "strong"), Span(kept.registry, "name")]
    rows: list[tuple[str, Cell]] = [
        ("registry", identity.registry),
        ("context", kept.name),
        ("token", _PLACES[kept.token]),
    ]
    return [head, "", *facts(page, rows), *next_steps([("what is live", ["status"])])]


def _table(known: Sequence[Context], current: str, page: Page) -> list[Line]:
    if not known:
        return ["There are no contexts.", *next_steps([("make one", ["login", "URL"])])]
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("", "NAME", "REGISTRY", "TOKEN")]]
    for each in known:
        mark = Span("*", "good") if each.name == current else ""
        rows.append([mark, Span(each.name, "name"), each.registry, _PLACES.get(each.token, each.token)])
    return list(page.columns(rows, indent=0))
