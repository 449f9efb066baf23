"""The key with which the lines of a journal are signed, and who vouches for it: the key that was in force before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from promptops.core.digest import canonical
from promptops.core.errors import Invalid
from promptops.core.signing import PrivateKey, fingerprint, public_line, signer_of

_MOST = 1_000_000
"""Above the number of every key: a registry that had a new one each hour would get there after a century."""

NAMESPACE = "promptops-registry-key"
"""What an endorsement is signed for, so that no other signature of the key counts as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryKey:
    """From here on, lines of the journal are signed with ``key``, a public line; with none of them if that is empty.

    ``required`` says that without the database, lines that are not signed count for nothing. ``endorsement`` is the
    signature of the key before; empty where there was none, or where it was lost.
    """

    number: int
    key: str
    required: bool
    actor: str
    at: datetime
    endorsement: str = ""
    reason: str = ""

    def __str__(self) -> str:
        mode = mode_of(self.key, required=self.required)
        return f"{fingerprint(self.key)} {mode}" if self.key else mode


def mode_of(key: str, *, required: bool) -> str:
    """Returns the word for what a key means for the lines after it: ``off``, ``on`` or ``required``."""
    if not key:
        return "off"
    return "required" if required else "on"


def statement(lineage: str, number: int, key: str, *, required: bool) -> bytes:
    """Returns the canonical bytes that an endorsement signs: which key comes next, in which registry."""
    return canonical({"key": key, "lineage": lineage, "number": number, "required": required})


def endorse(by: PrivateKey, lineage: str, number: int, key: str, *, required: bool) -> str:
    """Returns the signature of the key before for the next one."""
    return by.sign(statement(lineage, number, key, required=required), NAMESPACE)


def endorsed_by(key: RegistryKey, lineage: str) -> str:
    """Returns the public line of the key that endorsed this one; empty without an endorsement, or with a wrong one.

    Raises:
        ExtraMissing: the extra ``[sign]`` is not installed.
    """
    if not key.endorsement:
        return ""
    try:
        data = statement(lineage, key.number, key.key, required=key.required)
        return signer_of(key.endorsement, data, NAMESPACE)
    except Invalid:
        return ""


def flaw(key: RegistryKey) -> str:
    """Returns why this can be no key of a registry; empty where it can."""
    if not 0 < key.number < _MOST:
        return f"{key.number} is not the number of a key"
    if not key.key:
        return "without a key no line can be required to be signed" if key.required else ""
    try:
        return "" if public_line(key.key) == key.key else "its key has a comment"
    except Invalid as error:
        return error.message
