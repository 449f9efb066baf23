"""Call ids, ``promptops/call-v1``: what a call was of, readable without any look-up, and made so that none is invented.

::

    pc1:0b0e11aa:support-bot:prod:3.17s:0db52f40:akVfAJqcaBn_MQ:AAECAwQFAqGlXrJQ

The parts are the first 8 hex digits of the registry's lineage, the app, the channel, the revision after its epoch with
the first letter of the arm, the first 8 hex digits of the SHA-256 of the prompt's name within the app, the unit with
its bucket (encrypted; ``-`` without one), and 8 random characters with the 8 of the seal. ``:`` occurs in no part. The
last three are base64url without padding (RFC 4648, section 5), so an id is sensitive to case. It has at most 201
characters, and at most 260 in any later form. With
``H(x) = HMAC-SHA256(secret, utf8(x))`` (RFC 2104), where the secret is the one that reporting clients hold::

    head = everything before the unit, without the last ":"
    unit = base64url((8 bytes of the unit's id, 2 bytes of its bucket, big-endian, 65535 without one)
                     XOR H("promptops/call-unit-v1" + NUL + head + ":" + random)[0:10])
    seal = base64url(H("promptops/call-v1" + NUL + head + ":" + unit + ":" + random)[0:6])

The unit is encrypted because a call id goes to browsers, tickets and traces: a bucket can be compared with guesses at
the key by all who read the channel's salt, and a unit that is the same in every id would link a user's calls. A
process that does not have the secret yet ends an id in ``-`` instead of a seal, and leaves the unit out. Golden vectors
are in ``tests/vectors/call-id.json``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from promptops.core.errors import Invalid, RegistryMismatch
from promptops.core.outcomes.series import Arm, Assignment
from promptops.core.outcomes.units import Unit, require_secret

LONGEST: Final = 260
"""Characters of a call id, for columns and headers that hold one."""
RANDOM_BYTES: Final = 6
"""Random bytes of a call id: of ten million calls of one prompt and revision, no two have the same by all odds."""

_ARMS: Final = {arm.value[0]: arm for arm in Arm}
_FORM: Final = re.compile(
    r"pc1:([0-9a-f]{8}):([^:]{1,63}):([^:]{1,63}):(0|[1-9][0-9]{0,6})\.(0|[1-9][0-9]{0,9})([scfn]):([0-9a-f]{8})"
    r":(-|[A-Za-z0-9_-]{14}):([A-Za-z0-9_-]{8})(-|[A-Za-z0-9_-]{8})"
)
_LINEAGE: Final = re.compile(r"[0-9a-f]{8}")
_NO_BUCKET: Final = 65_535
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_UNSEALED: Final = 9
"""Characters of the last part of an id without a seal: 8 random ones and ``-``."""
_SEALED: Final = "promptops/call-v1\0"
_ENCRYPTED: Final = "promptops/call-unit-v1\0"


class Standing(StrEnum):
    """What is known of a call id beside the registry's secret."""

    SEALED = "sealed"
    """A process with the secret made it."""
    UNSEALED = "unsealed"
    """A process without the secret made it, or anyone. It counts in sums only."""
    FORGED = "forged"
    """It has a seal, and not the right one. It counts as an attempt and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallId:
    """What a call id says: the lineage's digits, what the call was assigned to, and the digits of the prompt's name.

    ``text`` is the id itself. Nothing in it can be believed before :meth:`standing` is ``SEALED``.
    """

    text: str
    lineage: str
    assignment: Assignment
    prompt: str

    def standing(self, secret: bytes) -> Standing:
        """Returns whether a process with the secret made this id, in a time that does not depend on the seal."""
        before, seal = _parts(self.text)
        if seal == "-":
            return Standing.UNSEALED
        return Standing.SEALED if hmac.compare_digest(seal, _seal(secret, before)) else Standing.FORGED

    def unit(self, secret: bytes) -> Unit | None:
        """Returns the unit of the call; None without one.

        Raises:
            Invalid: the id is not sealed with this secret.
        """
        if (standing := self.standing(secret)) is not Standing.SEALED:
            raise Invalid(f"the call id {self.text} is {standing.value}, so its unit is not known")
        before, _ = _parts(self.text)
        head, encrypted, random = before.rsplit(":", 2)
        if encrypted == "-":
            return None
        plain = _masked(urlsafe_b64decode(encrypted + "=="), secret, head, random)
        number = int.from_bytes(plain[8:], "big")
        return Unit(id=plain[:8].hex(), bucket=None if number == _NO_BUCKET else number)

    def is_of(self, prompt: str) -> bool:
        """Returns whether the call is of the prompt with this name within the app."""
        return self.prompt == prompt_digits(prompt)


def call_head(assignment: Assignment, prompt: str, *, lineage: str) -> str:
    """Returns what the ids of all calls of a prompt, by its name within the app, have in common while it is assigned.

    Raises:
        Invalid: the lineage is not that of a registry.
    """
    place = f"{assignment.app}:{assignment.channel}:{assignment.counted}{assignment.arm.value[0]}"
    return f"pc1:{lineage_digits(lineage)}:{place}:{prompt_digits(prompt)}"


def make_call_id(head: str, *, random: bytes, secret: bytes = b"", unit: Unit | None = None) -> str:
    """Returns the id of a call, from its :func:`call_head` and ``RANDOM_BYTES`` unpredictable bytes.

    Without a ``secret`` the id has no seal, and the unit is left out.

    Raises:
        Invalid: the secret is too short, or there are other than 6 random bytes.
    """
    if len(random) != RANDOM_BYTES:
        raise Invalid(f"a call id has {RANDOM_BYTES} random bytes, not {len(random)}")
    characters = _base64(random)
    if not secret:
        return f"{head}:-:{characters}-"
    require_secret(secret)
    before = f"{head}:{_encrypted(unit, secret, head, characters) if unit else '-'}:{characters}"
    return before + _seal(secret, before)


def has_seal(text: str) -> bool:
    """Returns whether a call id has a seal, right or not. The last character does not say it: a seal may be ``…-``."""
    return len(text.rpartition(":")[2]) > _UNSEALED


def read_call_id(text: str, *, lineage: str) -> CallId:
    """Read the id of a call that a client of this registry made, without believing it: see :meth:`CallId.standing`.

    Raises:
        Invalid: it is not a call id.
        RegistryMismatch: it is of a registry with another lineage.
    """
    match = _FORM.fullmatch(text)
    if match is None or (match[8] != "-" and match[10] == "-"):
        raise Invalid(
            f"{text[:80]!r} is not a call id",
            hint="It begins with 'pc1:' and is sensitive to case. `call.id` has it, and `promptops.call_id` in traces.",
        )
    digits, app, channel, epoch, revision, letter, prompt = match.groups()[:7]
    if digits != lineage_digits(lineage):
        raise RegistryMismatch(
            f"the call id is of a registry whose lineage begins with {digits}, and this one has {lineage}",
            hint="Send it to the registry that the application follows.",
        )
    assignment = Assignment(app=app, channel=channel, epoch=int(epoch), revision=int(revision), arm=_ARMS[letter])
    return CallId(text=text, lineage=digits, assignment=assignment, prompt=prompt)


def lineage_digits(lineage: str) -> str:
    """Returns the beginning of a lineage as call ids have it.

    Raises:
        Invalid: it does not begin with 8 hex digits, as that of every registry does.
    """
    if not _LINEAGE.match(lineage):
        raise Invalid(f"{lineage[:80]!r} is not the lineage of a registry: it begins with 8 hex digits")
    return lineage[:8]


@lru_cache(maxsize=10_000)
def prompt_digits(prompt: str) -> str:
    """Returns the first 8 hex digits of the SHA-256 of a prompt's name within its app."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:8]


def _parts(text: str) -> tuple[str, str]:
    """A call id without its seal, and the seal, ``-`` without one."""
    end = text.rindex(":") + 9
    return text[:end], text[end:]


def _seal(secret: bytes, before: str) -> str:
    return _base64(hmac.digest(secret, (_SEALED + before).encode(), "sha256")[:6])


def _encrypted(unit: Unit, secret: bytes, head: str, random: str) -> str:
    number = _NO_BUCKET if unit.bucket is None else unit.bucket
    return _base64(_masked(bytes.fromhex(unit.id) + number.to_bytes(2, "big"), secret, head, random))


def _masked(plain: bytes, secret: bytes, head: str, random: str) -> bytes:
    mask = hmac.digest(secret, f"{_ENCRYPTED}{head}:{random}".encode(), "sha256")[: len(plain)]
    return (int.from_bytes(plain, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(plain), "big")


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(_URL_SAFE, b"=").decode("ascii")
