"""The keys of a registry: which lines of its journal have to be signed, by whom, and with what the next ones are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from promptops.core.errors import Invalid, PromptopsError
from promptops.core.registry_key import RegistryKey
from promptops.core.signing import INSTALL, PrivateKey, can_verify, fingerprint
from promptops.projection.signatures import NAMESPACE, Sign, read_commits, signature_in, signer_of_commit
from promptops.source.git.pack import Algorithm

if TYPE_CHECKING:
    from promptops.source.git.refs import Refs
    from promptops.store import Registry

Unlock: TypeAlias = Callable[[], PrivateKey | None]
"""Returns the private key of this process, None without one; it is called only if lines have to be signed."""


def no_key() -> PrivateKey | None:
    """The :data:`Unlock` of a process that never signs."""
    return None


_UNKNOWN = "?"
"""In place of the key of a signature that cannot be verified here."""


class Locked(Exception):
    """Lines have to be signed, and this process cannot; says why."""


def signer(key_in_force: str, unlock: Unlock) -> Sign | None:
    """Returns what signs the next lines, if they are signed with this public key; None if it is empty.

    Raises:
        Locked: they have to be signed, and this process does not have the private key.
    """
    if not key_in_force:
        return None
    whose = f"it is signed with {fingerprint(key_in_force)}"
    try:
        key = unlock()
    except PromptopsError as error:
        raise Locked(f"{whose}, and {error.message}" + (f": {error.hint}" if error.hint else "")) from error
    if key is None:
        raise Locked(f"{whose}, and its private key is not set here: PROMPTOPS_SIGNING_KEY_FILE names its file")
    if key.public != key_in_force:
        raise Locked(f"{whose}, and the private key here is another one, {fingerprint(key.public)}")
    return lambda data: key.sign(data, NAMESPACE)


def why_locked(key_in_force: str, unlock: Unlock) -> str:
    """Returns why this process cannot sign the next lines; empty if it can, or need not."""
    try:
        signer(key_in_force, unlock)
    except Locked as locked:
        return str(locked)
    return ""


class Keyring:
    """The keys that were set for a journal, by the number of their line of the audit log, as one transaction saw them.

    Lines from :attr:`signed_from` on have to be signed: from the line that set the first key since signing ended last.
    They were never written without knowing of it. Before that, a line may be signed, and then by one of the keys.
    """

    def __init__(self, keys: Mapping[int, RegistryKey]) -> None:
        self.key_in_force, self.signed_from = "", 0
        for seq, key in keys.items():
            self.signed_from = (self.signed_from or seq) if key.key else 0
            self.key_in_force = key.key
        self.keys = frozenset(key.key for key in keys.values() if key.key)

    def __bool__(self) -> bool:
        """False if no key was ever set: then lines cost nothing extra."""
        return bool(self.keys)

    def commits(self, git: Refs, shas: Sequence[str]) -> dict[str, bytes]:
        """Returns the bytes of these commits, as far as signatures have to be looked for in them."""
        return dict(zip(shas, read_commits(git, shas), strict=True)) if self else {}

    def problem(self, seq: int, commit: bytes, algorithm: Algorithm) -> tuple[str, str] | None:
        """Returns what is wrong with the signature of a line, as the code of a fault and words; None if it is right.

        Without the extra ``[sign]`` nothing is wrong but a signature that is not there.
        """
        try:
            signed = bool(signature_in(commit, algorithm))
            signer = signer_of_commit(commit, algorithm) if can_verify() else _UNKNOWN * signed
        except Invalid as error:
            return "signature-wrong", f"the signature of line {seq} does not count: {error.message}"
        if not signer:
            missing = f"line {seq} is not signed, and lines are from {self.signed_from} on"
            return ("signature-missing", missing) if 0 < self.signed_from <= seq else None
        if signer not in self.keys and signer != _UNKNOWN:
            return (
                "signature-wrong",
                f"line {seq} is signed with {fingerprint(signer)}, no key of the registry",
            )
        return None


def unverified(registry: Registry) -> tuple[str, ...]:
    """Returns a note if the registry has keys, and signatures cannot be checked here."""
    if can_verify():
        return ()
    with registry.read() as reader:
        has_keys = bool(reader.registry_keys())
    return (
        (f"The signatures of the journal were not verified, only that they are there: {INSTALL}",) if has_keys else ()
    )


def unvouched(registry: Registry) -> tuple[str, ...]:
    """Returns a note if no key vouches for a journal whose home others may be able to push to."""
    with registry.read() as reader:
        home, keyring = reader.home(), Keyring(reader.registry_keys())
    if home is None or not home.address or keyring.key_in_force:
        return ()
    return (
        f"The journal is not signed: who can push to {home.address} can write what a rebuild from there brings back.",
    )
