"""Offers words after TAB: the apps, releases, channels, prompts and tokens of the registry.

In: the command line so far. Out: words that begin as the one under the cursor does. The rule it keeps: pressing TAB
prints no error, waits for a bounded time and creates nothing. Without a registry that answers, it offers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from promptops.gateway import Gateway
    from promptops.operations.queries import Listed

SECONDS = 3.0
"""Seconds that TAB waits for the registry at most: a longer wait at a prompt looks like a shell that hangs."""

VERSIONS = 30
"""The newest releases of an app that are offered: about what a terminal shows on one screen."""

Completion = Callable[[click.Context, click.Parameter, str], list[str]]
_Offer = Callable[["Gateway", click.Context, str], Iterable[str]]


def _completion(offer: _Offer) -> Completion:
    """Makes a completion for click of a function that lists words."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        words: list[str] = []

        from promptops.cli.session import Session

        def ask() -> None:
            try:
                with Session.of(ctx).gateway(seconds=SECONDS) as gateway:
                    words.extend(dict.fromkeys(offer(gateway, ctx, incomplete)))
            except Exception:  # noqa: BLE001, S110 - an error has no place on a half-typed line
                pass

        with suppress(Exception):  # imports take most of the time; SECONDS is for the registry alone
            Session.of(ctx).load()
        thread = Thread(target=ask, daemon=True)
        thread.start()
        thread.join(SECONDS)
        return [word for word in tuple(words) if word.startswith(incomplete)]

    return complete


def _app_names(gateway: Gateway) -> Sequence[str]:
    from promptops.use_cases.registry import APPS

    return gateway.run(APPS, None)


def _channel_names(gateway: Gateway) -> Sequence[str]:
    from promptops.use_cases.channels import CHANNELS

    return [channel.name for channel in gateway.run(CHANNELS, None)]


def _apps(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _app_names(gateway)


def _channels(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _channel_names(gateway)


def _tokens(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Names and ids of the tokens that were not revoked."""
    from promptops.use_cases.tokens import TOKENS

    return [word for token in gateway.run(TOKENS, None) if token.revoked is None for word in (token.name, token.id)]


def _past(gateway: Gateway, ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Versions of the app on the command line, else of the registry's only app."""
    named = ctx.params.get("apps") or ctx.args or _app_names(gateway)  # click puts words that it cannot place into args
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
    """References in these forms: an app alone (a space), ``@``, ``:``, and with a prompt (``/``).

    While several apps are possible only their names are offered, so that the list stays short.
    """
    name = min(incomplete.partition("@")[0], incomplete.partition(":")[0], key=len)
    app, slash, _ = name.partition("/")
    if slash:
        prompts = (
            [each_name for each_name in _named_prompts(gateway, app) if each_name.startswith(name)]
            if "/" in forms
            else []
        )
        complete = name in prompts or len(prompts) == 1
        return [form for each_name in prompts for form in _forms(gateway, each_name, " :@")] if complete else prompts
    apps = [each_name for each_name in _app_names(gateway) if each_name.startswith(name)]
    if len(apps) == 1 or name != incomplete:
        return _forms(gateway, name if name != incomplete else apps[0], forms)
    return apps


def _forms(gateway: Gateway, name: str, forms: str) -> list[str]:
    """Every reference that begins with this app, or with this app and prompt."""
    app = name.partition("/")[0]
    offers: list[str] = [name] if " " in forms else []
    offers += _named_prompts(gateway, app) if "/" in forms else []
    offers += [f"{name}:{channel}" for channel in _serving(gateway, app)] if ":" in forms else []
    offers += [f"{name}@{version}" for version in _versions(gateway, app)] if "@" in forms else []
    return offers


def _versions(gateway: Gateway, app: str) -> list[str]:
    return [listed.release.version for listed in _releases(gateway, app)[:VERSIONS]]


def _releases(gateway: Gateway, app: str) -> Sequence[Listed]:
    from promptops.use_cases.releases import RELEASES, ReleasesRequest

    return gateway.run(RELEASES, ReleasesRequest(app=app))


def _serving(gateway: Gateway, app: str) -> list[str]:
    """The channels that serve the app, downstream first."""
    serving = {channel for listed in _releases(gateway, app) for channel in listed.channels}
    return [name for name in _channel_names(gateway) if name in serving]


def _named_prompts(gateway: Gateway, app: str) -> list[str]:
    """``bot/answer``, for each prompt of the app's newest release."""
    from promptops.core.reference import Reference
    from promptops.use_cases.releases import NAMED

    reference = Reference(app=app, version=_releases(gateway, app)[0].release.version)
    return [f"{app}/{prompt.name}" for prompt in gateway.run(NAMED, reference).content.prompts]


apps = _completion(_apps)
channels = _completion(_channels)
versions = _completion(_past)
releases = _completion(_fixed)
promotable = _completion(_promotable)
references = _completion(_any)
prompts = _completion(_prompts)
tokens = _completion(_tokens)
