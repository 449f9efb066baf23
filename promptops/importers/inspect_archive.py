"""Reads inspect's ``.eval`` files: a zip whose members are compressed with zstd, which not every Python reads.

A few kilobytes can hold gigabytes. So each member is decompressed only as far as its limit, the decoder may look back a
few megabytes and no further, and the members of all samples have a limit together.
"""

from __future__ import annotations

import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO
from typing import Any, Final

from promptops.core.errors import ExtraMissing, Invalid
from promptops.core.escape import one_line
from promptops.importers import inspect
from promptops.importers.json_text import parsed
from promptops.importers.named_fields import Named
from promptops.importers.results import Results, Target

MAX_MEMBERS: Final = 100_000
"""Samples, with some files beside them."""
MAX_MEMBER: Final = 32 << 20
MAX_TOTAL: Final = 512 << 20
"""Bytes of one member and of all samples together, decompressed: a sample has every event of an agent's run."""

_STORED, _DEFLATED, _ZSTD = 0, 8, 93
_WINDOW: Final = 24  # bits: 16 MiB, twice what the highest usual level of zstd looks back
_ENTRY: Final = b"PK\x01\x02"
_LOCAL: Final = struct.Struct("<4s5H3I2H")


def is_archive(data: bytes) -> bool:
    """Returns whether the bytes are a zip file."""
    return data[:4] == b"PK\x03\x04"


def read(data: bytes, target: Target) -> Results:
    """Reads an archive.

    Raises:
        Invalid: it is damaged, over a limit, or what :func:`promptops.importers.inspect.read` refuses.
        ExtraMissing: the package that decompresses zstd is not installed.
    """
    if data.count(_ENTRY) > MAX_MEMBERS:  # before a list of them is made, which takes half a kilobyte each
        raise Invalid(f"the archive has over {MAX_MEMBERS:,} members")
    try:
        members = {member.filename: member for member in zipfile.ZipFile(BytesIO(data)).infolist()}
    except (zipfile.BadZipFile, RuntimeError, ValueError, OSError, EOFError, struct.error) as error:
        raise Invalid(f"the archive is damaged: {one_line(str(error), 120)}") from error
    if "header.json" not in members:
        raise Invalid("the archive has no header.json", hint="Its run has not ended, or it is no log of inspect.")
    header = Named(parsed(_read(data, members["header.json"])))
    names = [name for name in members if name.startswith("samples/") and name.endswith(".json")]
    return inspect.read_log(header, _samples(data, [members[name] for name in names]), target)


def _samples(data: bytes, members: list[zipfile.ZipInfo]) -> Iterator[Named]:
    left = MAX_TOTAL
    for member in members:
        text = _read(data, member)
        left -= len(text)
        if left < 0:
            raise Invalid(f"the samples of the archive have over {MAX_TOTAL >> 20} MiB")
        try:
            yield Named(parsed(text))
        except Invalid as error:
            raise Invalid(f"{one_line(member.filename, 120)}: {error.message}") from error


def _read(data: bytes, member: zipfile.ZipInfo) -> bytes:
    name = one_line(member.filename, 120)
    if member.flag_bits & 1:
        raise Invalid(f"{name} is encrypted")
    packed = _packed(data, member)
    if packed is None:
        raise Invalid(f"{name} is damaged: it is not where the archive says")
    try:
        text = _decoder(member.compress_type, name)(packed)
    except (zlib.error, ValueError, EOFError) as error:
        raise Invalid(f"{name} is damaged: {one_line(str(error), 120)}") from error
    if len(text) > MAX_MEMBER:
        raise Invalid(f"{name} has over {MAX_MEMBER >> 20} MiB")
    if len(text) != member.file_size or zlib.crc32(text) != member.CRC:
        raise Invalid(f"{name} is damaged: it has other bytes than the archive says")
    return text


def _packed(data: bytes, member: zipfile.ZipInfo) -> bytes | None:
    """Returns the compressed bytes of a member, behind its own header; None if they are not there."""
    start = member.header_offset
    header = data[start : start + _LOCAL.size]
    if start < 0 or len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        return None
    *_, name, extra = _LOCAL.unpack(header)
    begin = start + _LOCAL.size + name + extra
    packed = data[begin : begin + member.compress_size]
    return packed if len(packed) == member.compress_size else None


def _decoder(method: int, name: str) -> Callable[[bytes], bytes]:
    """Returns what decompresses a member, no further than one byte over its limit."""
    if method == _STORED:
        return lambda packed: packed[: MAX_MEMBER + 1]
    if method == _DEFLATED:
        return lambda packed: zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, MAX_MEMBER + 1)
    if method == _ZSTD:
        return _zstd
    raise Invalid(f"{name} is compressed in a way that is not known: method {method}")


def _zstd(packed: bytes) -> bytes:
    try:
        zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError as error:
        raise ExtraMissing(
            "the file is compressed with zstd, which needs a package",
            hint="pip install 'promptops-registry[inspect]', or write the log as JSON: inspect log convert --to json",
        ) from error
    options = {zstd.DecompressionParameter.window_log_max: _WINDOW}
    try:
        text: bytes = zstd.ZstdDecompressor(options=options).decompress(packed, MAX_MEMBER + 1)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error
    return text
