"""Reads what references name: releases in the registry, or the files of the workspace."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.cli.session import Session
    from promptops.core.reference import Reference
    from promptops.operations.queries import Named


def named(session: Session, *references: Reference) -> list[Named]:
    """Returns what each reference names: a release, what a channel serves, or, for a bare name, the files as they are
    now.

    The registry is opened, and the workspace searched, only if a reference needs it.

    Raises:
        NotFound: no such app, release, channel; or no workspace.
        SourceInvalid: the files are not valid.
    """
    from promptops.operations import queries
    from promptops.use_cases.releases import NAMED

    in_registry = [reference.fixed or bool(reference.channel) for reference in references]
    root = None if all(in_registry) else session.root()
    with ExitStack() as stack:
        gateway = stack.enter_context(session.gateway()) if any(in_registry) else None
        return [
            gateway.run(NAMED, reference) if gateway and inside else queries.working_tree(reference, root)
            for reference, inside in zip(references, in_registry, strict=True)
        ]
