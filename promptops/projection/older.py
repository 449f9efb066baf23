"""What versions before 0.4.0 left in git: a ref of its own below ``refs/promptops/`` for each fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.core.errors import GitUnavailable
from promptops.projection.chain import START, pages
from promptops.projection.objects import ROOT, project
from promptops.source.git.refs import Refs

if TYPE_CHECKING:
    from promptops.projection.homes import HomeRef
    from promptops.source.git.repository import Repository
    from promptops.store import Registry

_AT_ONCE = 1000
"""Refs that are removed in one transaction of git."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """How many refs were removed, here and on a remote, and the names of those that hold something else and stay."""

    removed: int
    kept: tuple[str, ...] = ()


def remove_older(registry: Registry, repository: Repository, home: HomeRef, remote: str = "") -> Removed:
    """Remove the refs of facts that the chain at its home has, where they hold what the registry says.

    Raises:
        GitUnavailable: the home does not have every line yet, or the remote refuses.
    """
    git, tip = repository.refs, home.tip()
    with registry.read() as reader:
        head, _ = reader.audit_head()
        brought = reader.drained(git.algorithm)
    if brought != (head, tip):
        raise GitUnavailable(f"{home.where} does not have the whole journal yet, so the old refs stay")
    here, there = git.list(ROOT), git.list_remote(remote, ROOT) if remote else {}
    ours = matching(registry, git, {**there, **here})
    here_ours, there_ours = ({n: s for n, s in refs.items() if ours.get(n) == s} for refs in (here, there))
    if there_ours and (refused := git.push_removals(remote, there_ours)):
        raise GitUnavailable(f"the remote {remote} keeps its old refs: {refused}")
    names = list(here_ours)
    for start in range(0, len(names), _AT_ONCE):
        git.remove({name: ours[name] for name in names[start : start + _AT_ONCE]})
    kept = {*(here.keys() - here_ours.keys()), *(there.keys() - there_ours.keys())}
    return Removed(removed=len(here_ours) + len(there_ours), kept=tuple(sorted(kept)))


def matching(registry: Registry, git: Refs, refs: Mapping[str, str]) -> dict[str, str]:
    """Those of these refs that hold exactly what the registry says of their facts."""
    made = (
        (ROOT + record.ref, project(record, git.algorithm).sha)
        for page in (pages(registry, git, START) if refs else ())
        for record in page.records.values()
        if ROOT + record.ref in refs
    )
    return {name: sha for name, sha in made if refs[name] == sha}
