"""The sources that a client is given  ->  places, each with the token that goes only there.

::

    Client("https://registry.internal", token=…)                     the token goes to this server
    Client(["https://registry.internal", "https://cdn"], token=…)    to the first, not to the CDN
    Client([{"url": "https://registry.internal", "token": …}, {"url": "https://mirror", "token_file": …}, "file:/srv"])

A token is a secret between an application and one origin: scheme, host and port.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import urlsplit

from promptops.client.sources.credentials import TOKEN
from promptops.client.sources.source import SourcePlace, find_places
from promptops.core.errors import Invalid

SourceOption: TypeAlias = "str | os.PathLike[str] | Mapping[str, str]"

_NONE = "-"
_HINT = 'For example [{"url": "https://registry.internal", "token": "…"}, "file:/srv/prompts"].'
_PORTS = {"http": 80, "https": 443}


def find_sources(
    source: SourceOption | Sequence[SourceOption], tokens: Sequence[str], *, file: str = "", allow_http: bool
) -> tuple[SourcePlace, ...]:
    """Returns the places, in order, with their tokens. ``tokens`` were given beside the sources: a single one goes to
    the origin of the first server, as that in a ``file`` does; several are one for each source, ``-`` for none.

    Raises:
        Invalid: an impossible place, a malformed token, or a token for a place that is not a server.
    """
    if isinstance(source, str):
        places = find_places(source, allow_http=allow_http)
    else:
        listed = [source] if isinstance(source, os.PathLike | Mapping) else source
        entries = [read for entry in listed if (read := _entry(entry))["url"].strip()]
        unnamed = find_places([entry["url"] for entry in entries], allow_http=allow_http)
        places = tuple(
            replace(place, token=entry.get("token", ""), token_file=entry.get("token_file", ""))
            for place, entry in zip(unnamed, entries, strict=True)
        )
    for token in tokens:
        _require_token(token)
    if len(tokens) > 1:
        if len(tokens) != len(places):
            raise Invalid(
                f"there are {len(tokens)} tokens for {len(places)} sources", hint=f"One for each, {_NONE} for none."
            )
        tokens = ["" if token == _NONE else token for token in tokens]
        places = tuple(replace(place, token=place.token or token) for place, token in zip(places, tokens, strict=True))
    elif tokens or file:
        places = _with_first(places, *tokens, token_file=file)
    for place in places:
        if (place.token or place.token_file) and not place.is_http:
            raise Invalid(f"{place.label} is not a server, and only a server takes a token", hint=_HINT)
        _require_token(place.token)
    return places


def _with_first(places: tuple[SourcePlace, ...], token: str = "", *, token_file: str) -> tuple[SourcePlace, ...]:
    first = next((_origin(place) for place in places if place.is_http), None)
    return tuple(
        replace(place, token=token, token_file=token_file)
        if place.is_http and not place.token and not place.token_file and _origin(place) == first
        else place
        for place in places
    )


def _entry(source: SourceOption) -> Mapping[str, str]:
    if not isinstance(source, Mapping):
        return {"url": os.fspath(source)}
    is_known = source.keys() in ({"url"}, {"url", "token"}, {"url", "token_file"})
    if not is_known or not all(isinstance(text, str) for text in source.values()):
        raise Invalid("a source in a mapping has a url and may have a token or a token_file", hint=_HINT)
    return source


def _origin(place: SourcePlace) -> tuple[str, str, int]:
    parts = urlsplit(place.url)
    scheme = parts.scheme.lower()
    return scheme, parts.hostname or "", parts.port or _PORTS[scheme]


def _require_token(token: str) -> None:
    if token and not TOKEN.fullmatch(token):
        raise Invalid("the token has characters that are in no token", hint="Is there a line end or a space in it?")
