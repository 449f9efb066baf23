"""Finds the apps that a workspace released and does not have any more: renamed, or over.

A folder that was renamed in git is a new app for the registry, and the old one stays there, perhaps live. So a release
names what it does not find, and what looks like its new name: the same content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from unicodedata import normalize

from promptops.core.digest import digest
from promptops.core.errors import Invalid
from promptops.core.names import AppName
from promptops.core.origin import Origin
from promptops.core.release_bytes import content_from_bytes, encode

if TYPE_CHECKING:
    from promptops.operations.build import BuiltWorkspace
    from promptops.store import Reader, Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceRequest:
    """A workspace: where it is, its folder in the repository as ``path``, and the digests of its apps by name."""

    repository: str
    path: str
    root: str
    apps: Mapping[str, str]

    @classmethod
    def of(cls, workspace: BuiltWorkspace) -> WorkspaceRequest:
        """The workspace of which every app was built."""
        made = workspace.built[0].provenance
        return cls(
            repository=made.repository,
            root=made.root,
            path=workspace.marker.rpartition("/")[0],
            apps={built.content.app: built.digest for built in workspace.built},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VanishedApp:
    """An app that its workspace does not have any more, and its newest version.

    ``renamed_to`` is the app of the workspace that has the same content; empty for none.
    """

    app: AppName
    version: str
    renamed_to: str


def vanished(registry: Registry, request: WorkspaceRequest) -> tuple[VanishedApp, ...]:
    """Returns the apps that belong to the workspace, are not archived and not in it, in order of name."""
    here = Origin(repository=request.repository, path=request.path, root=request.root)
    with registry.read() as reader:
        archived = reader.archived()
        missing = [app for app in reader.apps() if app not in request.apps and app not in archived]
        return tuple(_vanished(reader, app, request.apps) for app in missing if _is_of(reader, app, here))


def _is_of(reader: Reader, app: str, workspace: Origin) -> bool:
    owner = reader.owner(app)
    if owner is None or not owner.origin.same_repository(workspace):
        return False
    inside = normalize("NFC", workspace.path).strip("/")
    return not inside or f"{normalize('NFC', owner.origin.path).strip('/')}/".startswith(f"{inside}/")


def _vanished(reader: Reader, app: str, present: Mapping[str, str]) -> VanishedApp:
    newest = reader.newest_release(app)
    if newest is None:
        return VanishedApp(app=app, version="", renamed_to="")
    return VanishedApp(app=app, version=newest.version, renamed_to=_twin(newest.content, present))


def _twin(content: bytes, present: Mapping[str, str]) -> str:
    """Returns the app whose digest is that of the content under its name."""
    try:
        old = content_from_bytes(content)
        return next((app for app, found in present.items() if digest(encode(replace(old, app=app))) == found), "")
    except Invalid:  # a newer promptops wrote it
        return ""
