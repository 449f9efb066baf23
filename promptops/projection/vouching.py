"""The signatures of a chain -> who vouches for its lines, and which of them count."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from promptops.core.registry_key import RegistryKey, endorsed_by
from promptops.core.signing import can_verify, fingerprint
from promptops.projection.archive import Archive
from promptops.projection.proving import Proven
from promptops.projection.signatures import signed_by
from promptops.projection.trust import Change, Trust, judge


def vouch(archive: Archive, proven: Proven, trusted: Collection[str], verified: int) -> None:
    """Judges a chain by its signatures, with the fingerprints of the keys that are trusted and the last line that this
    machine verified, and leaves out the lines that do not count.

    Without the extra ``[sign]`` no signature is judged, and no line vouched for by one.
    """
    keys = proven.keys
    count = len(proven.listed)
    if not (keys or (trusted and proven.signed)) or not can_verify():
        newest = next(reversed(keys.values()), None)
        proven.trust = Trust(vouched=verified, taken=count, key=_named(newest.key) if newest else "")
        return
    changes = {seq: _change(key, proven.lineage) for seq, key in keys.items()}

    @cache
    def signer(seq: int) -> str:
        if seq not in proven.signed:
            return ""
        return _named(signed_by(archive.commit(proven.chain.lines[seq - 1].sha), archive.algorithm))

    proven.trust = judge(count, signer, changes, trusted, verified)
    proven.cut(proven.trust.taken, proven.trust.why)


def _change(key: RegistryKey, lineage: str) -> Change:
    return Change(key=_named(key.key), endorser=_named(endorsed_by(key, lineage)), required=key.required)


def _named(key: str) -> str:
    return fingerprint(key) if key else ""
