"""Keys for tests: one that ssh-keygen made, and others that follow from a number."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from promptops.core.signing import PrivateKey, load_private_key

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/signing.json").read_text(encoding="utf-8"))


@cache
def signing_key(number: int = 0) -> PrivateKey:
    """Returns the key of the vectors, or another one."""
    return load_private_key(key_text(number))


@cache
def key_text(number: int = 0) -> str:
    """Returns the private key as a person has it in a file."""
    if not number:
        return str(VECTORS["private"])
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
