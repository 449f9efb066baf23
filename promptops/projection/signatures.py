"""The signature in a commit of the journal: over everything else in the commit, in the header that git reads too.

So ``git verify-commit`` and ``git log --show-signature`` judge it as promptops does, if ``gpg.ssh.allowedSignersFile``
lists the registry's key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from promptops.core.errors import Invalid
from promptops.core.signing import signer_of
from promptops.source.git.pack import Algorithm

if TYPE_CHECKING:
    from promptops.source.git.refs import Refs

NAMESPACE = "git"
"""What git signs commits for."""

Sign: TypeAlias = Callable[[bytes], str]
"""The bytes of a commit -> the signature that goes into it; an empty one for none."""


_HEADERS = {Algorithm.SHA1: "gpgsig", Algorithm.SHA256: "gpgsig-sha256"}
_HEADER = re.compile(rb"\n(?P<name>gpgsig(?:-sha256)?) (?P<lines>[^\n]*(?:\n [^\n]*)*)(?=\n)")


def as_it_is(signature: str) -> Sign:
    """Returns what puts this signature into a commit, whatever that is."""
    return lambda _: signature


def with_signature(commit: bytes, signature: str, algorithm: Algorithm) -> bytes:
    """Returns the bytes of a commit with a signature as the last line of its head."""
    head, _, message = commit.partition(b"\n\n")
    lines = signature.replace("\n", "\n ")
    return head + f"\n{_HEADERS[algorithm]} {lines}\n\n".encode("utf-8", "surrogateescape") + message


def signature_in(commit: bytes, algorithm: Algorithm) -> str:
    """Returns the signature in a commit, not judged; an empty string without one that this algorithm's git reads."""
    return _split(commit, algorithm)[1]


def signer_of_commit(commit: bytes, algorithm: Algorithm) -> str:
    """Returns the public line of the key that signed a commit; empty where it is not signed.

    Raises:
        Invalid: the signature is not one of a commit with these bytes; says why.
        ExtraMissing: the extra ``[sign]`` is not installed.
    """
    unsigned, signature = _split(commit, algorithm)
    return signer_of(signature, unsigned, NAMESPACE) if signature else ""


def signed_by(commit: bytes, algorithm: Algorithm) -> str:
    """Returns the public line of the key that signed a commit; empty without a signature, or where it is wrong.

    Raises:
        ExtraMissing: the extra ``[sign]`` is not installed.
    """
    try:
        return signer_of_commit(commit, algorithm)
    except Invalid:
        return ""


def read_commits(git: Refs, shas: Sequence[str]) -> Iterator[bytes]:
    """Yields the bytes of these commits, in this order; empty for one that is not there."""
    for item in git.read(shas, most=0):
        yield item.data if item is not None and item.kind == "commit" else b""


def _split(commit: bytes, algorithm: Algorithm) -> tuple[bytes, str]:
    """Returns a commit without its signature, and the signature; where there are several, all stay and none counts."""
    head, gap, message = commit.partition(b"\n\n")
    headers = list(_HEADER.finditer(head + b"\n"))
    if len(headers) != 1 or headers[0]["name"].decode() != _HEADERS[algorithm]:
        return commit, ""
    found = headers[0]
    text = found["lines"].replace(b"\n ", b"\n").decode("utf-8", "surrogateescape")
    return head[: found.start()] + head[found.end() :] + gap + message, text
