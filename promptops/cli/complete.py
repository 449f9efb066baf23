"""What a shell offers after TAB: apps, releases, channels, prompts and tokens, as the registry has them.

In: the command line so far. Out: words that begin as the one under the cursor does. The rule it keeps: pressing TAB
neither complains, nor waits, nor makes anything: no registry, a broken one or a slow one is no offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from promptops.gateway import Gateway

SECONDS = 3.0
"""How long a registry, a database or a server, is waited for at most, once this program has loaded."""

VERSIONS = 30
"""So many releases of an app are offered, the newest."""

Completion = Callable[[click.Context, click.Parameter, str], list[str]]
_Offer = Callable[["Gateway", click.Context, str], Iterable[str]]


def _completion(offer: _Offer) -> Completion:
    """As click wants it: given the command line, the offers that begin with what is typed."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        found: list[str] = []

        from promptops.cli.session import Session

        def ask() -> None:
            try:
                with Session.of(ctx).gateway(seconds=SECONDS) as gateway:
                    found.extend(dict.fromkeys(offer(gateway, ctx, incomplete)))
            except Exception:  # noqa: BLE001, S110 - whatever it is, a TAB is not where to say so
                pass

        with suppress(Exception):  # most of the time goes here, and is none of the registry's
            Session.of(ctx).load()
        thread = Thread(target=ask, daemon=True)
        thread.start()
        thread.join(SECONDS)
        return [word for word in tuple(found) if word.startswith(incomplete)]

    return complete


def _apps(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return gateway.apps()


def _channels(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return [channel.name for channel in gateway.channels()]


def _tokens(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Names and ids of those that were not revoked."""
    return [word for token in gateway.tokens() if token.revoked is None for word in (token.name, token.id)]


def _past(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Versions of the app that is on the command line; of the only app there is, where none is named."""
    named = ctx.params.get("apps") or ctx.args or gateway.apps()  # what click cannot place yet is in args
    return _versions(gateway, named[0].partition(":")[0]) if len(named) == 1 else ()


def _fixed(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _references(gateway, incomplete, forms="@")


def _promotable(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _references(gateway, incomplete, forms="@:")


def _any(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _references(gateway, incomplete, forms=" :@/")


def _prompts(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _references(gateway, incomplete, forms="/")


def _references(gateway: Gateway, incomplete: str, *, forms: str) -> list[str]:
    """References in the forms that are wanted: an app alone (a space), ``@``, ``:``, and with a prompt (``/``).

    While several apps are possible only their names are offered, so that the list stays short.
    """
    name = min(incomplete.partition("@")[0], incomplete.partition(":")[0], key=len)
    app, slash, _ = name.partition("/")
    if slash:
        prompts = [found for found in _named_prompts(gateway, app) if found.startswith(name)] if "/" in forms else []
        complete = name in prompts or len(prompts) == 1
        return [form for found in prompts for form in _forms(gateway, found, " :@")] if complete else prompts
    apps = [found for found in gateway.apps() if found.startswith(name)]
    if len(apps) == 1 or name != incomplete:
        return _forms(gateway, name if name != incomplete else apps[0], forms)
    return apps


def _forms(gateway: Gateway, name: str, forms: str) -> list[str]:
    """Every way to go on from an app, or from an app and a prompt."""
    app = name.partition("/")[0]
    offers: list[str] = [name] if " " in forms else []
    offers += _named_prompts(gateway, app) if "/" in forms else []
    offers += [f"{name}:{channel}" for channel in _serving(gateway, app)] if ":" in forms else []
    offers += [f"{name}@{version}" for version in _versions(gateway, app)] if "@" in forms else []
    return offers


def _versions(gateway: Gateway, app: str) -> list[str]:
    return [listed.release.version for listed in gateway.releases(app)[:VERSIONS]]


def _serving(gateway: Gateway, app: str) -> list[str]:
    """The channels that serve the app, downstream first."""
    serving = {channel for listed in gateway.releases(app) for channel in listed.channels}
    return [channel.name for channel in gateway.channels() if channel.name in serving]


def _named_prompts(gateway: Gateway, app: str) -> list[str]:
    """``bot/answer``, for each prompt of the app's newest release."""
    from promptops.core.reference import Reference

    newest = gateway.releases(app)[0].release.version
    return [f"{app}/{prompt.name}" for prompt in gateway.named(Reference(app=app, version=newest)).content.prompts]


apps = _completion(_apps)
channels = _completion(_channels)
versions = _completion(_past)
releases = _completion(_fixed)
promotable = _completion(_promotable)
references = _completion(_any)
prompts = _completion(_prompts)
tokens = _completion(_tokens)
