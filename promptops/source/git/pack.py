"""Computes the ids of git objects and packs objects for a repository.

Pure functions over bytes. An object's id is the hash of its kind, size and data, so the same object has the same id
wherever it is made, and writing it again is harmless. ``git fast-import`` takes three times as long as making a pack
and handing it to ``git index-pack`` (0.61 s and 0.20 s for 5,000 commits), and ids would be known only afterwards.
Formats:
https://git-scm.com/book/en/v2/Git-Internals-Git-Objects and https://git-scm.com/docs/pack-format
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Algorithm(StrEnum):
    """The hash function that a repository names its objects with."""

    SHA1 = "sha1"
    SHA256 = "sha256"


_KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawObject:
    """A git object with its id, which need not be in a repository yet."""

    sha: str
    kind: str
    data: bytes


def make(kind: str, data: bytes, algorithm: Algorithm) -> RawObject:
    """Returns an object with its id."""
    header = f"{kind} {len(data)}\0".encode()
    return RawObject(sha=_hash(algorithm, header + data).hex(), kind=kind, data=data)


def make_tree(files: Mapping[str, RawObject], algorithm: Algorithm) -> RawObject:
    """Returns the tree object of a folder of plain files."""
    entries = (f"100644 {name}\0".encode() + bytes.fromhex(files[name].sha) for name in sorted(files))
    return make("tree", b"".join(entries), algorithm)


def pack(objects: Iterable[RawObject], algorithm: Algorithm) -> bytes:
    """Returns one pack of these objects, each once and none as a delta of another."""
    by_sha = {item.sha: item for item in objects}
    body = [b"PACK" + struct.pack(">II", 2, len(by_sha))]
    body += [_head(_KINDS[item.kind], len(item.data)) + zlib.compress(item.data, 1) for item in by_sha.values()]
    data = b"".join(body)
    return data + _hash(algorithm, data)


def _head(kind: int, size: int) -> bytes:
    """Encodes kind and size: the lowest four bits of the size with the kind, then seven bits a byte, lowest first."""
    first, size = kind << 4 | size & 15, size >> 4
    head = bytearray()
    while size:
        head.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    return bytes([*head, first])


def _hash(algorithm: Algorithm, data: bytes) -> bytes:
    make_hash = hashlib.sha1 if algorithm is Algorithm.SHA1 else hashlib.sha256  # `new` takes ten times as long
    return make_hash(data, usedforsecurity=False).digest()
