"""Makes a new registry from git alone, after the database was lost."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

from promptops.core.errors import Invalid
from promptops.core.model import is_segment
from promptops.operations.audit import require_anchor
from promptops.operations.git_sync import reading
from promptops.operations.unloadable import unloadable
from promptops.projection import rebuilding
from promptops.projection.archive import Archive
from promptops.projection.offer import Confirm, Offer, Terms, survey
from promptops.projection.rebuilding import Rebuilt
from promptops.source import vouched
from promptops.source.vouched import Vouched


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildRequest:
    """Where a rebuild ends, and what may be missing.

    With an ``anchor``, the hash of a line of the audit log that was kept elsewhere, nothing after that line is taken.
    ``accept_loss`` is how many lines are given up, with the ``reason``. ``ref`` is where the journal is, if that is not
    a usual branch; with ``only_ref`` nothing else is looked at. The fingerprints of trusted keys are ``keys``.
    """

    anchor: str = ""
    accept_loss: int = 0
    reason: str = ""
    ref: str = ""
    only_ref: bool = False
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        steps = self.ref.split("/")
        if self.ref and not (steps[0] == "refs" and len(steps) > 2 and all(map(is_segment, steps))):
            raise Invalid(f"'{self.ref[:80]}' is not the name of a ref", hint="For example refs/heads/promptops/NAME.")


def rebuild(
    source: str,
    url: str,
    request: RebuildRequest = RebuildRequest(),
    *,
    actor: str,
    now: datetime,
    confirm: Confirm = lambda doubt: True,
) -> Rebuilt:
    """Make a new registry at ``url`` from git alone: from the path of a repository, or an address to fetch from.

    It asks ``confirm`` where no key, anchor or memory of this machine vouches for the lines. It names the releases that
    no client could load. This machine then vouches for what was accepted.

    Raises:
        Invalid: there are no records; or lines are missing, and exactly that was not accepted; or the anchor is not
            there. Nothing was made.
        Conflict: there is a registry already.
        GitUnavailable: git or the remote does not answer.
    """
    from promptops.store.setup import require_none

    anchor = require_anchor(request.anchor)
    terms = Terms(
        anchor=anchor,
        accept_loss=request.accept_loss,
        reason=request.reason,
        keys=request.keys,
        memory=vouched.read,
    )
    with reading(source, request.ref) as repository:
        require_none(url)  # before a person is asked about anything
        offer = survey(Archive(repository, ref=request.ref, alone=request.only_ref), source, terms)
        doubt = offer.doubt()
        accepted = confirm(doubt) if doubt else True
        done = rebuilding.take(offer, url, actor=actor, now=now, reason=request.reason)
    if accepted:
        _remember(offer, done)
    from promptops.store import Registry

    with closing(Registry.open(url)) as registry:
        return replace(done, unloadable=tuple(map(str, unloadable(registry))))


def _remember(offer: Offer, done: Rebuilt) -> None:
    """This machine vouches for what was rebuilt; of the keys, only for the one in force: an older one may be stolen."""
    newest = next((key for seq, key in reversed(offer.proven.keys.items()) if seq <= done.seq), None)

    def change(known: Vouched) -> Vouched:
        keys = ((newest.key,) if newest.key else ()) if newest else known.keys
        if known.seq >= done.seq and not done.loss:
            return replace(known, keys=keys)
        # Its epoch is not known of the registry that lives: this one may have been made only to compare.
        sha = offer.lines[done.seq - 1].sha
        return replace(known, seq=done.seq, hash=done.hash, sha=sha, epoch=0, database="", keys=keys)

    vouched.update(done.lineage, change)
