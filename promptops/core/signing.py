"""Ed25519 keys and signatures in the forms of OpenSSH, which git and ``ssh-keygen`` read and write too.

A signature is one of ``PROTOCOL.sshsig``: it names its key, and a namespace that says what it is for, so that one made
for a purpose counts for no other. Ed25519 is deterministic: the same key and bytes give the same signature everywhere.
Reading keys and signatures needs nothing; making and checking one needs ``cryptography``, the extra ``[sign]``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from promptops.core.errors import ExtraMissing, Invalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KIND = "ssh-ed25519"

_BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
_END = "-----END SSH SIGNATURE-----"
_WIDTH = 70
"""Characters of a line, as ssh-keygen writes them."""

_MAGIC = b"SSHSIG"
_VERSION = (1).to_bytes(4, "big")
_HASH = "sha512"
_LONGEST = 2000
"""Characters of a signature or a key that are looked at; those of Ed25519 have a few hundred."""

INSTALL = "pip install 'promptops-registry[sign]'"
"""How to get what signatures need."""

_HOW = "ssh-keygen -t ed25519 -N '' -f FILE"


class PrivateKey:
    """A private key, of which nothing but the public half is ever shown."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = _line(key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"<the private key of {fingerprint(self.public)}>"

    def sign(self, data: bytes, namespace: str) -> str:
        """Returns the signature of these bytes for a purpose, in lines of text without a last line end."""
        raw = self._key.sign(_signed(data, namespace))
        parts = (_public_blob(self.public), namespace.encode(), b"", _HASH.encode(), _string(KIND) + _string(raw))
        return armour(_MAGIC + _VERSION + b"".join(map(_string, parts)))


def load_private_key(text: str) -> PrivateKey:
    """Reads a private key: one of OpenSSH, or PKCS8 in PEM, without a passphrase. No error shows a part of it.

    Raises:
        Invalid: it is not that.
        ExtraMissing: the extra ``[sign]`` is not installed.
    """
    require_extra()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    data = text.replace("\r\n", "\n").strip().encode("utf-8", "replace") + b"\n"
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data[:100] else load_pem_private_key
    try:
        key = load(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # neither the error nor its cause: one may show what it could not read
    if not isinstance(key, Ed25519PrivateKey):
        raise Invalid(
            "the signing key is not an Ed25519 private key without a passphrase, of OpenSSH or PKCS8 in PEM",
            hint=f"Make one: {_HOW}",
        )
    return PrivateKey(key)


def public_line(text: str) -> str:
    """Returns ``ssh-ed25519 AAAA…`` of a line of a public key, without its comment.

    Raises:
        Invalid: it is not the public half of an Ed25519 key.
    """
    words = text.split(None, 2)
    if len(text) <= _LONGEST and words[:1] == [KIND] and len(words) > 1:
        blob = _plain_base64(words[1])
        if len(blob) == len(_public_blob_of(bytes(32))) and blob[:-32] == _public_blob_of(bytes(32))[:-32]:
            return f"{KIND} {words[1]}"
    raise Invalid(
        f"'{text[:60].strip()}' is not the public line of an Ed25519 key",
        hint=f"{KIND} AAAA…, as {_HOW} writes FILE.pub",
    )


def fingerprint(line: str) -> str:
    """Returns ``SHA256:…`` of a public line, as ``ssh-keygen -lf`` prints it."""
    digest = hashlib.sha256(_public_blob(line)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def can_verify() -> bool:
    """True if signatures can be made and checked here: the extra ``[sign]`` is installed."""
    try:
        return find_spec("cryptography") is not None
    except ValueError:  # a module that was put in its place and has no spec
        return False


def require_extra() -> None:
    """Raises ExtraMissing if the extra ``[sign]`` is not installed."""
    if not can_verify():
        raise ExtraMissing("signatures need cryptography", hint=INSTALL)


def signer_of(signature: str, data: bytes, namespace: str) -> str:
    """Returns the public line of the key that signed these bytes for this purpose.

    Raises:
        Invalid: the text is no such signature, byte by byte as :meth:`PrivateKey.sign` writes it; says why.
        ExtraMissing: the extra ``[sign]`` is not installed.
    """
    line, raw = _read(signature, namespace)
    require_extra()
    from cryptography.exceptions import InvalidSignature

    try:
        _verifier(line).verify(raw, _signed(data, namespace))
    except InvalidSignature:
        raise Invalid(f"the signature of {fingerprint(line)} is not one of these bytes") from None
    return line


def armour(blob: bytes) -> str:
    """Returns the bytes of a signature as lines of text, as ssh-keygen writes them, without a last line end."""
    text = base64.b64encode(blob).decode()
    lines = (text[start : start + _WIDTH] + "\n" for start in range(0, len(text), _WIDTH))
    return _BEGIN + "".join(lines) + _END


@lru_cache(maxsize=64)
def _verifier(line: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(_public_blob(line)[-32:])


def _read(signature: str, namespace: str) -> tuple[str, bytes]:
    """Returns the public line that a signature names, and its raw 64 bytes; nothing is verified yet."""
    if len(signature) > _LONGEST or not signature.startswith(_BEGIN) or not signature.endswith("\n" + _END):
        raise Invalid("it is not a signature of OpenSSH")
    blob = _plain_base64("".join(signature[len(_BEGIN) : -len(_END)].splitlines()))
    if armour(blob) != signature:
        raise Invalid("its lines are not written as OpenSSH writes them")
    if not blob.startswith(_MAGIC + _VERSION):
        raise Invalid("it is not a signature of OpenSSH's first version")
    key, purpose, reserved, algorithm, inner = _strings(blob[len(_MAGIC + _VERSION) :], 5)
    if purpose != namespace.encode():
        raise Invalid(f"it was made for '{purpose[:40].decode('utf-8', 'replace')}', not for '{namespace}'")
    if reserved or algorithm != _HASH.encode():
        raise Invalid(f"its hash is not {_HASH}")
    if _strings(key, None)[:1] != [KIND.encode()] or len(key) != len(_public_blob_of(bytes(32))):
        raise Invalid("it is not one of an Ed25519 key")
    kind, raw = _strings(inner, 2)
    if kind != KIND.encode() or len(raw) != 64:
        raise Invalid("it is not one of an Ed25519 key")
    return _line(key[-32:]), raw


def _signed(data: bytes, namespace: str) -> bytes:
    """What the key signs: the purpose and the hash of the bytes."""
    parts = (namespace.encode(), b"", _HASH.encode(), hashlib.sha512(data).digest())
    return _MAGIC + b"".join(map(_string, parts))


def _string(value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(4, "big") + data


def _strings(data: bytes, count: int | None) -> list[bytes]:
    """Returns the parts of bytes that :func:`_string` wrote one after another: so many, or as many as there are.

    Raises:
        Invalid: a part is longer than what is there, or there are more or fewer of them.
    """
    parts = []
    while data:
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise Invalid("a part of it is longer than all of it")
        parts.append(data[4 : 4 + size])
        data = data[4 + size :]
    if count is not None and len(parts) != count:
        raise Invalid(f"it has {len(parts)} parts and not {count}")
    return parts


def _public_blob_of(raw: bytes) -> bytes:
    return _string(KIND) + _string(raw)


def _line(raw: bytes) -> str:
    return f"{KIND} {base64.b64encode(_public_blob_of(raw)).decode()}"


def _public_blob(line: str) -> bytes:
    return _plain_base64(line.removeprefix(KIND + " "))


def _plain_base64(text: str) -> bytes:
    """Returns the bytes of a text in base64; empty if it is another way to write them, or none at all."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if base64.b64encode(data).decode() == text else b""
