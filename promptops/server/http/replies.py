"""Answers made of bytes that are there already."""

from __future__ import annotations

from typing import Final

from starlette.types import Receive, Scope, Send

JSON: Final = (b"content-type", b"application/json")
UNCHANGED_FOR_EVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")
"""A shared cache may serve a release to clients that know its digest, which cannot be guessed."""

NOT_KEPT: Final = (b"cache-control", b"no-store")
ASK_AGAIN: Final = (b"cache-control", b"no-cache")


class Reply:
    """An answer whose headers and body need no more work."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
        self.status = status
        self.headers = [*headers, (b"content-length", b"%d" % len(body))] if status not in (204, 304) else [*headers]
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def tagged(
    digest: str,
    body: bytes,
    caching: tuple[bytes, bytes],
    if_none_match: bytes | None,
    *more: tuple[bytes, bytes],
) -> Reply:
    """A document whose strong ETag is its digest, or 304 for who has it already."""
    tag = b'"%s"' % digest.encode("ascii")
    if if_none_match is not None and _names(if_none_match, tag):
        return Reply(b"", (b"etag", tag), caching, *more, status=304)
    return Reply(body, JSON, (b"etag", tag), caching, *more)


def _names(if_none_match: bytes, tag: bytes) -> bool:
    """Whether an If-None-Match header has this tag (RFC 9110, section 13.1.2: compared weakly)."""
    if if_none_match == tag:
        return True
    return any(each.strip().removeprefix(b"W/") in (tag, b"*") for each in if_none_match.split(b","))
