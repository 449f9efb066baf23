"""Files that cost a careless reader memory, time or its process. Each is made when it is asked for."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from typing import Final

from promptops.importers.reading import MAX_FILE
from tests.importers import made

BIG: Final = MAX_FILE - 4_096
Make = Callable[[], bytes]


def _text(content: object) -> Make:
    return lambda: (content if isinstance(content, str) else json.dumps(content)).encode()


def _filled(before: str, unit: str, after: str = "", size: int = BIG) -> Make:
    return lambda: before.encode() + unit.encode() * (size // len(unit.encode())) + after.encode()


def _bomb() -> bytes:
    """A member that is said to be a few bytes and is 4 GiB."""
    return _as_zstd(made.archive(b"[]" * 10, method=zipfile.ZIP_STORED), b"[]" * 10, _zeros())


def _zeros() -> bytes:
    """Blanks of zstd: frames of 128 KiB in 4 bytes each, without end."""
    header = bytes.fromhex("28b52ffd") + bytes([0x00, 0x58])
    block = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b" "
    return header + block * 32_768


def _wide() -> bytes:
    """A frame whose decoder would have to look back 2 GiB."""
    frame = bytes.fromhex("28b52ffd") + bytes([0x00, (31 - 10) << 3]) + (4 << 3 | 1).to_bytes(3, "little") + b"{}  "
    return _as_zstd(made.archive(b"[]" * 10, method=zipfile.ZIP_STORED), b"[]" * 10, frame)


def _as_zstd(archive: bytes, plain: bytes, packed: bytes) -> bytes:
    """Puts other bytes in the place of a member, in the archive's list too."""
    at = archive.index(plain)
    start, listed = archive.rindex(b"PK\x03\x04", 0, at), archive.rindex(b"PK\x01\x02")
    local = bytearray(archive[start:at])
    local[8:10], local[18:22] = (93).to_bytes(2, "little"), len(packed).to_bytes(4, "little")
    entry = bytearray(archive[listed:])
    entry[10:12], entry[20:24] = (93).to_bytes(2, "little"), len(packed).to_bytes(4, "little")
    end = len(entry) - 22
    grown = len(packed) - len(plain)
    offset = int.from_bytes(entry[end + 16 : end + 20], "little") + grown
    entry[end + 16 : end + 20] = offset.to_bytes(4, "little")
    return archive[:start] + bytes(local) + packed + archive[at + len(plain) : listed] + bytes(entry)


def _entries() -> bytes:
    entry = b"PK\x01\x02" + bytes(42)
    return b"PK\x03\x04" + bytes(26) + entry * (BIG // len(entry)) + b"PK\x05\x06" + bytes(18)


def _encrypted() -> bytes:
    data = bytearray(made.archive(json.dumps(made.sample()).encode()))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


ROWS = made.promptfoo(made.promptfoo_row())
BEFORE, AFTER = '{"results": {"version": 3, "results": [', "]}}"

CASES: Final[dict[str, tuple[str, Make, str]]] = {
    # name: format, maker, what the refusal has to name
    "empty": ("promptfoo", _text(""), "ends within"),
    "not JSON": ("promptfoo", _text("hello"), "not an object"),
    "cut off": ("promptfoo", lambda: json.dumps(ROWS).encode()[:-9], "ends within"),
    "two values": ("promptfoo", lambda: json.dumps(ROWS).encode() * 2, "stands behind"),
    "UTF-16": ("promptfoo", lambda: json.dumps(ROWS).encode("utf-16"), "byte order mark"),
    "Latin-1": ("promptfoo", lambda: '{"results": "é"}'.encode("latin-1"), "UTF-8"),
    "a name twice": ("promptfoo", _text('{"results": {}, "results": {}}'), "twice"),
    "version 4": ("promptfoo", _text(made.promptfoo(made.promptfoo_row(), version=4)), "version 4"),
    "version as text": ("promptfoo", _text(made.promptfoo(version="3")), "version '3'"),
    "NaN": ("promptfoo", _text(made.promptfoo(made.promptfoo_row(score=float("nan")))), "NaN"),
    "infinity": ("promptfoo", _text(made.promptfoo(made.promptfoo_row(latencyMs=float("inf")))), "Infinity"),
    "a number too large": ("promptfoo", lambda: json.dumps(ROWS).replace("1.0", "1e999").encode(), "too large"),
    "a number of 5,000 digits": (
        "promptfoo",
        lambda: json.dumps(ROWS).replace("1.0", "9" * 5_000).encode(),
        "not JSON",
    ),
    "a negative time": ("promptfoo", _text(made.promptfoo(made.promptfoo_row(latencyMs=-1))), "latencyMs"),
    "a lone surrogate": ("promptfoo", _text(made.promptfoo(made.promptfoo_row("\ud800"))), "surrogate"),
    "a NUL": ("promptfoo", _text(made.promptfoo(made.promptfoo_row("a\0b"))), "NUL"),
    "success as text": ("promptfoo", _text(made.promptfoo(made.promptfoo_row() | {"success": "true"})), "success"),
    "nested 65 deep": ("promptfoo", _text('{"a": ' * 65 + "1" + "}" * 65), "64 levels"),
    "brackets without end": ("promptfoo", _filled("", "[", size=1 << 20), "64 levels"),
    "quotes without end": ("promptfoo", _filled('{"results": "', '\\"'), "ends within"),
    "64 MiB of empty lists": ("promptfoo", _filled(BEFORE, "[],", "[]" + AFTER), "4,000,000"),
    "4 MiB of empty lists": ("promptfoo", _filled(BEFORE, "[],", "[]" + AFTER, 4 << 20), "not an object"),
    "16 MiB of names": ("promptfoo", _filled('{"a":1', ',"a":1', "}", 16 << 20), "twice"),
    "16 MiB of other names": (
        "promptfoo",
        lambda: b'{"z":1' + b"".join(b',"%06x":1' % number for number in range((16 << 20) // 11)) + b"}",
        "too many names",
    ),
    "one text of 64 MiB": ("promptfoo", _filled('{"results": {"version": "', "😀é", '"}}'), "4 MiB"),
    "a dense field": (
        "promptfoo",
        lambda: (
            json.dumps(made.promptfoo(made.promptfoo_row("TOPIC")))
            .replace('"TOPIC"', "[" + "[]," * 300_000 + "[]]")
            .encode()
        ),
        "100,000 values",
    ),
    "200,001 results": (
        "jsonl",
        lambda: (
            made.json_lines().encode() + b"".join(b'\n{"case":"%d","passed":true}' % (n // 999) for n in range(200_001))
        ),
        "200,000",
    ),
    "over 64 MiB": ("jsonl", _filled("", " ", size=MAX_FILE + 1), "64 MiB"),
    "no schema": ("jsonl", _text('{"case": "a", "passed": true}'), "schema None"),
    "another schema": ("jsonl", _text('{"schema": "promptops.results/2"}'), "promptops.results/2"),
    "a line that is a list": ("jsonl", lambda: made.json_lines([1]).encode(), "line 2"),
    "a repeat twice": ("jsonl", _text(made.json_lines(*[{"case": "a", "repeat": 1, "passed": True}] * 2)), "twice"),
    "an id with other variables": (
        "jsonl",
        _text(made.json_lines(*[{"case": "a", "variables": {"q": n}, "passed": True} for n in (1, 2)])),
        "twice",
    ),
    "repeat 5,000": ("jsonl", _text(made.json_lines({"case": "a", "repeat": 5_000, "passed": True})), "repeat 5000"),
    "a log of version 1": ("inspect", _text(made.inspect(made.sample(), version=1)), "version 1"),
    "an epoch twice": ("inspect", _text(made.inspect(made.sample(), made.sample())), "twice"),
    "an archive that is cut off": ("inspect", lambda: made.archive(made.sample())[:-30], "damaged"),
    "an archive of something else": ("inspect", lambda: made.archive().replace(b"header", b"footer"), "header.json"),
    "millions of members": ("inspect", _entries, "members"),
    "an encrypted member": ("inspect", _encrypted, "encrypted"),
    "a deflate bomb": ("inspect", lambda: made.archive(b" " * (33 << 20)), "32 MiB"),
    "a zstd bomb": ("inspect", _bomb, "32 MiB"),
    "a zstd window of 2 GiB": ("inspect", _wide, "damaged"),
    "no report": ("pydantic-evals", _text("{}"), "no report"),
    "no run": ("deepeval", _text('{"testRunData": {}}'), "no run"),
    "the same input": ("deepeval", _text(made.deepeval(*[made.deepeval_case()] * 2)), "twice"),
    "entities": (
        "junit",
        _text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><testsuites>&c;</testsuites>'),
        "DOCTYPE",
    ),
    "a document type elsewhere": ("junit", _text('<!DOCTYPE a SYSTEM "file:///etc/passwd"><testsuites/>'), "DOCTYPE"),
    "elements without end": ("junit", _filled("<testsuites>", "<a>"), "64 levels"),
    "a tag of 64 MiB": ("junit", _filled('<testsuites name="', "😀é", '"/>'), "a tag"),
    "many attributes": (
        "junit",
        lambda: b"<testsuites " + b" ".join(b'a%d="1"' % number for number in range(50_000)) + b"/>",
        "attributes",
    ),
    "a text of 64 MiB": ("junit", _filled("<testsuites>", "😀é", "</testsuites>"), "no result"),
    "a page": ("junit", _text("<html/>"), "no JUnit"),
    "an encoding that is none": ("junit", _text('<?xml version="1.0" encoding="nope"?><testsuites/>'), "not XML"),
    "a case twice": ("junit", _text(made.junit("<testcase name='a'/>" * 2)), "twice"),
}
