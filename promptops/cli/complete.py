"""What a shell offers after TAB: apps, releases, channels and prompts, as the registry has them.

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
    from promptops.store import Reader

SECONDS = 3.0
"""How long a registry is waited for at most, once this program has loaded."""

VERSIONS = 30
"""So many releases of an app are offered, the newest."""

Completion = Callable[[click.Context, click.Parameter, str], list[str]]
_Offer = Callable[["Reader", click.Context, str], Iterable[str]]


def _completion(offer: _Offer) -> Completion:
    """As click wants it: given the command line, the offers that begin with what is typed."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        found: list[str] = []

        from promptops.cli.session import Session

        def ask() -> None:
            try:
                with Session.of(ctx).registry() as registry, registry.read() as reader:
                    found.extend(dict.fromkeys(offer(reader, ctx, incomplete)))
            except Exception:  # noqa: BLE001, S110 - whatever it is, a TAB is not where to say so
                pass

        with suppress(ImportError):
            import promptops.store  # noqa: F401 - most of the time goes here, and is none of the registry's
        thread = Thread(target=ask, daemon=True)
        thread.start()
        thread.join(SECONDS)
        return [word for word in tuple(found) if word.startswith(incomplete)]

    return complete


def _apps(reader: Reader, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return reader.apps()


def _channels(reader: Reader, ctx: click.Context, incomplete: str) -> Iterable[str]:
    from promptops.operations.reading import downstream_first

    return [channel.name for channel in downstream_first(reader.channels())]


def _past(reader: Reader, ctx: click.Context, incomplete: str) -> Iterable[str]:
    """Versions of the app that is on the command line; of the only app there is, where none is named."""
    named = ctx.params.get("apps") or ctx.args or reader.apps()  # what click cannot place yet is in args
    return _versions(reader, named[0].partition(":")[0]) if len(named) == 1 else ()


def _fixed(reader: Reader, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _references(reader, incomplete, forms="@")


def _promotable(reader: Reader, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _references(reader, incomplete, forms="@:")


def _any(reader: Reader, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _references(reader, incomplete, forms=" :@/")


def _prompts(reader: Reader, ctx: click.Context, incomplete: str) -> Iterable[str]:
    return _references(reader, incomplete, forms="/")


def _references(reader: Reader, incomplete: str, *, forms: str) -> list[str]:
    """References in the forms that are wanted: an app alone (a space), ``@``, ``:``, and with a prompt (``/``).

    While several apps are possible only their names are offered, so that the list stays short.
    """
    name = min(incomplete.partition("@")[0], incomplete.partition(":")[0], key=len)
    app, slash, _ = name.partition("/")
    if slash:
        prompts = [found for found in _named_prompts(reader, app) if found.startswith(name)] if "/" in forms else []
        complete = name in prompts or len(prompts) == 1
        return [form for found in prompts for form in _forms(reader, found, " :@")] if complete else prompts
    apps = [found for found in reader.apps() if found.startswith(name)]
    if len(apps) == 1 or name != incomplete:
        return _forms(reader, name if name != incomplete else apps[0], forms)
    return apps


def _forms(reader: Reader, name: str, forms: str) -> list[str]:
    """Every way to go on from an app, or from an app and a prompt."""
    app = name.partition("/")[0]
    offers: list[str] = [name] if " " in forms else []
    offers += _named_prompts(reader, app) if "/" in forms else []
    offers += [f"{name}:{channel}" for channel in _serving(reader, app)] if ":" in forms else []
    offers += [f"{name}@{version}" for version in _versions(reader, app)] if "@" in forms else []
    return offers


def _versions(reader: Reader, app: str) -> list[str]:
    return [release.version for release in reader.releases(app)[:VERSIONS]]


def _serving(reader: Reader, app: str) -> list[str]:
    from promptops.operations.reading import downstream_first

    return [channel.name for channel in downstream_first(reader.channels()) if reader.live(app, channel.name)]


def _named_prompts(reader: Reader, app: str) -> list[str]:
    """``bot/answer``, for each prompt of the app's newest release."""
    from promptops.core.release import content_from_bytes

    newest = reader.newest_release(app)
    return [f"{app}/{prompt.name}" for prompt in content_from_bytes(newest.content).prompts] if newest else []


apps = _completion(_apps)
channels = _completion(_channels)
versions = _completion(_past)
releases = _completion(_fixed)
promotable = _completion(_promotable)
references = _completion(_any)
prompts = _completion(_prompts)
