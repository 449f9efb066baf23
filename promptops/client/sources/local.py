"""Opens the sources that are on this machine, or that a package of its own reads: folders, databases, working trees."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import cast

from promptops.client.sources.folder import Folder
from promptops.client.sources.source import OpenPlace, PlaceOpener, SourcePlace
from promptops.core.errors import Invalid

ADAPTERS = "promptops.sources"
"""The group of entry points of the packages that read from other places, by the kind of place
(https://packaging.python.org/en/latest/specifications/entry-points/)."""


def open_local(place: SourcePlace) -> OpenPlace:
    """Open a place that is no web server, and import what it needs.

    Raises:
        Invalid, ExtraMissing: it can never be opened.
    """
    if place.kind == "file":
        return Folder(place.url)
    for adapter in entry_points(group=ADAPTERS, name=place.kind):
        return cast(PlaceOpener, adapter.load())(place.url)
    raise Invalid(
        f"{place.label!r} cannot be read here: this installation of promptops has no entry points",
        hint="Install it with pip, or use a server or a folder.",
    )
