"""The images, files and audio of test cases: ``photo: {file: shelf.png}``, ``{url: …}`` or ``{data: …}``.

A path is one below the folder of the suite: of a file in ``evals/``, beside it; of a prompt file, in the app's
``files/``. A case is known by the digest of the bytes, which stay beside it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from promptops.core.media_values import MAX_BYTES, MediaValue, media_value
from promptops.core.model import Json, Prompt
from promptops.core.parts import PartType
from promptops.source.parts import AppFiles
from promptops.source.text.fields import Fields
from promptops.source.text.findings import short

MAX_TOGETHER: Final = 64 << 20
"""Bytes of the files of all cases of a suite, which a run holds in memory."""


@dataclass(slots=True)
class CaseFiles:
    """The files that the cases of a suite may name. ``kinds`` are the variables that are an image and the like."""

    kinds: Mapping[str, PartType] = field(default_factory=dict)
    files: AppFiles | None = None
    base: str = ""
    left: int = MAX_TOGETHER

    @classmethod
    def of(cls, prompts: Mapping[str, Prompt], files: AppFiles | None, base: str = "") -> CaseFiles:
        """Takes the prompts of a suite, and the folder below the app that paths are relative to."""
        inputs = (item for prompt in prompts.values() for item in prompt.inputs)
        kinds = {item.name: item.media for item in inputs if item.media is not None}
        # What a case has is no part of the release, so it is not among the files of that.
        own = replace(files, reports={}, most=MAX_BYTES) if kinds and files is not None else None
        return cls(kinds=kinds, files=own, base=base)

    def read(self, fields: Fields, key: str, kind: PartType) -> MediaValue | None:
        """Returns the value at a key; None with a finding for any other."""
        given = fields.value[key]
        if isinstance(given, str):
            given = {"url" if given.startswith(("https://", "http://")) else "file": given}
        if not isinstance(given, Mapping):
            hint = f"{key}: {{file: PATH}}, {{url: …}}, or {{data: …}} in base64"
            fields.add("wrong-type", key, f"'{short(key)}' is of type {kind}, and this is no mapping", hint)
            return None
        value = {_NAMES.get(name, name): item for name, item in given.items()}
        path = value.pop("file", None)
        if path is not None:
            data = self._bytes(fields, key, path)
            if data is None:
                return None
            value["data"] = data
            if kind is PartType.FILE:
                value.setdefault("filename", posixpath.basename(str(path)))
        return self._checked(fields, key, kind, value)

    def _checked(self, fields: Fields, key: str, kind: PartType, value: Mapping[str, object]) -> MediaValue | None:
        try:
            read = media_value(kind, value)
        except ValueError as error:
            fields.add("media-type", key, f"'{short(key)}': {error}")
            return None
        self.left -= len(read.data or b"")
        if self.left < 0:
            hint = "Give the `url` of large ones, or split the suite."
            fields.add("embedded-too-large", key, f"the files of cases are over {MAX_TOGETHER >> 20} MiB", hint)
            return None
        return read

    def _bytes(self, fields: Fields, key: str, path: Json) -> bytes | None:
        if not isinstance(path, str):
            fields.add("wrong-type", key, f"'{short(key)}': `file` must be text")
        elif self.files is None:
            fields.add("file-missing", key, f"'{short(key)}': cases that are held elsewhere have no files here")
        else:
            return self.files.bytes_at(fields, key, posixpath.normpath(posixpath.join(self.base, path)))
        return None


_NAMES: Final = {"mediaType": "media_type"}
