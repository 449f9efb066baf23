"""Images, files and audio that an application gives to a prompt, from bytes, a path or a URL."""

from __future__ import annotations

import os
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.media_values import MAX_BYTES, MediaValue
from promptops.core.parts import PartType

Path = str | os.PathLike[str]

_OF_PATH: Final = "Give the path of a file, of at most 20 MiB."


class Image(MediaValue):
    """An image for a variable of ``type: image``: PNG, JPEG, GIF or WebP. One of ``data``, ``path`` and ``url``.

    A file is read at once. ``url`` is fetched by the provider, and never by this process.

    Raises:
        Invalid: the bytes are no image or over 20 MiB, the path cannot be read, or the URL is not one of the web.
    """

    __slots__ = ()

    def __init__(
        self, data: bytes | None = None, *, path: Path | None = None, url: str = "", media_type: str = ""
    ) -> None:
        _init(self, PartType.IMAGE, data, path, url, media_type)


class File(MediaValue):
    """A file for a variable of ``type: file``: a PDF, text, or any other with its ``media_type``. Otherwise as
    :class:`Image`; ``filename`` is what the provider calls it, without it the name in the path.
    """

    __slots__ = ()

    def __init__(
        self,
        data: bytes | None = None,
        *,
        path: Path | None = None,
        url: str = "",
        media_type: str = "",
        filename: str = "",
    ) -> None:
        name = filename or (os.path.basename(os.fspath(path)) if isinstance(path, str | os.PathLike) else "")
        _init(self, PartType.FILE, data, path, url, media_type, name)


class Audio(MediaValue):
    """Audio for a variable of ``type: audio``: WAV, MP3, FLAC or Ogg. Otherwise as :class:`Image`."""

    __slots__ = ()

    def __init__(
        self, data: bytes | None = None, *, path: Path | None = None, url: str = "", media_type: str = ""
    ) -> None:
        _init(self, PartType.AUDIO, data, path, url, media_type)


def _init(
    value: MediaValue, kind: PartType, data: bytes | None, path: Path | None, url: str, media_type: str, name: str = ""
) -> None:
    where = f" of {os.fspath(path)!r}" if isinstance(path, str | os.PathLike) else ""
    try:
        if path is not None:
            if not isinstance(path, str | os.PathLike):
                raise ValueError(f"its path is no text, but {type(path).__name__}")
            if data is not None:
                raise ValueError("give `data` or `path`, one of them")
            data = _read(path)
        MediaValue.__init__(value, type=kind, data=data, url=url, media_type=media_type, filename=name)
    except ValueError as error:
        raise Invalid(f"the {kind}{where} cannot be sent: {error}") from error


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Invalid(f"{os.fspath(path)} cannot be read: {error.strerror}", hint=_OF_PATH) from error
