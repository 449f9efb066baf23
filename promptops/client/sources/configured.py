"""The sources that a client is given  ->  places, each with the token that goes only there.

::

    Client("https://registry.internal", token=…)                     the token goes to this server
    Client(["https://registry.internal", "https://cdn"], token=…)    to the first, not to the CDN
    Client([{"url": "https://registry.internal", "token": …}, {"url": "https://mirror", "token": …}, "file:/srv"])

A token is a secret between an application and one origin: scheme, host and port.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import urlsplit

from promptops.client.sources.source import SourcePlace, find_places
from promptops.core.errors import Invalid

SourceOption: TypeAlias = "str | os.PathLike[str] | Mapping[str, str]"

_NONE = "-"
_HINT = 'For example [{"url": "https://registry.internal", "token": "…"}, "file:/srv/prompts"].'
_TOKEN = re.compile(r"[\x21-\x7e]{1,500}")
_PORTS = {"http": 80, "https": 443}


def find_sources(
    source: SourceOption | Sequence[SourceOption], tokens: Sequence[str], *, allow_http: bool
) -> tuple[SourcePlace, ...]:
    """Returns the places, in order, with their tokens. ``tokens`` were given beside the sources: a single one goes to
    the origin of the first server; several are one for each source, ``-`` for none.

    Raises:
        Invalid: an impossible place, a malformed token, or a token for a place that is not a server.
    """
    if isinstance(source, str):
        places = find_places(source, allow_http=allow_http)
    else:
        listed = [source] if isinstance(source, os.PathLike | Mapping) else source
        pairs = [pair for entry in listed if (pair := _pair(entry))[0].strip()]
        unnamed = find_places([url for url, _ in pairs], allow_http=allow_http)
        places = tuple(replace(place, token=token) for place, (_, token) in zip(unnamed, pairs, strict=True))
    for token in tokens:
        _require_token(token)
    if len(tokens) > 1:
        if len(tokens) != len(places):
            raise Invalid(
                f"there are {len(tokens)} tokens for {len(places)} sources", hint=f"One for each, {_NONE} for none."
            )
        tokens = ["" if token == _NONE else token for token in tokens]
        places = tuple(replace(place, token=place.token or token) for place, token in zip(places, tokens, strict=True))
    elif tokens:
        places = _with_first(places, tokens[0])
    for place in places:
        if place.token and not place.is_http:
            raise Invalid(f"{place.label} is not a server, and only a server takes a token", hint=_HINT)
        _require_token(place.token)
    return places


def _with_first(places: tuple[SourcePlace, ...], token: str) -> tuple[SourcePlace, ...]:
    first = next((_origin(place) for place in places if place.is_http), None)
    return tuple(
        replace(place, token=token) if place.is_http and not place.token and _origin(place) == first else place
        for place in places
    )


def _pair(source: SourceOption) -> tuple[str, str]:
    if not isinstance(source, Mapping):
        return os.fspath(source), ""
    if not {"url"} <= source.keys() <= {"url", "token"} or not all(isinstance(text, str) for text in source.values()):
        raise Invalid("a source in a mapping has a url and may have a token, and nothing else", hint=_HINT)
    return source["url"], source.get("token", "")


def _origin(place: SourcePlace) -> tuple[str, str, int]:
    parts = urlsplit(place.url)
    scheme = parts.scheme.lower()
    return scheme, parts.hostname or "", parts.port or _PORTS[scheme]


def _require_token(token: str) -> None:
    if token and not _TOKEN.fullmatch(token):
        raise Invalid("the token has characters that are in no token", hint="Is there a line end or a space in it?")
