"""Reads the parts of a message: ``content`` as a list of ``{type: text, text}``, ``{type: image, …}`` and the like.

Where a part says ``file``, the bytes are those of a file in the app's ``files/`` folder, read from the same tree as the
prompt: of a commit, what is committed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from promptops.core.media import media_type_of, require_kind, sniff
from promptops.core.model import OBJECTS, VARIABLE, Input, Message, Prompt, Role
from promptops.core.part_bytes import blob_of, filename_flaw
from promptops.core.part_forms import SPEAKERS, part_flaw
from promptops.core.parts import DETAILS, MAX_EMBEDDED, Part, PartType, url_template_flaw
from promptops.source.cache_twins import CACHE_TWINS
from promptops.source.text.fields import Fields, is_lfs_pointer
from promptops.source.text.findings import Near, Report, short
from promptops.source.tree import Tree

FILES: Final = "files/"
"""The folder of an app with the files that its messages embed."""

_SOURCES: Final = ("url", "data", "file", "input")
_KEYS: Final[Mapping[PartType, tuple[str, ...]]] = {
    PartType.TEXT: ("type", "text", "cache"),
    PartType.IMAGE: ("type", *_SOURCES, "mediaType", "detail", "cache"),
    PartType.FILE: ("type", *_SOURCES, "mediaType", "filename", "cache"),
    PartType.AUDIO: ("type", *_SOURCES, "mediaType", "cache"),
}
_TWINS: Final = {
    "image_url": "image",
    "input_image": "image",
    "img": "image",
    "picture": "image",
    "input_text": "text",
    "output_text": "text",
    "input_audio": "audio",
    "input_file": "file",
    "document": "file",
    "pdf": "file",
}
"""What APIs call a kind of part -> what it is called here."""

_VARIABLE: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_-]{0,63})\s*\}\}")

Expand: TypeAlias = Callable[[Fields, str, str], "tuple[str, frozenset[str]] | None"]
"""Returns the text at a key as a release has it, and the names of its variables; None where it has findings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFiles:
    """The files of an app that messages may embed, or those that cases may name: their paths below the app's folder, of
    which each begins with ``root``, and those of other entries. One has at most ``most`` bytes. ``uses`` are the paths
    in the tree of those that were read, each with the first place that names it.
    """

    tree: Tree | None = None
    folder: str = ""
    root: str = FILES
    paths: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    most: int = MAX_EMBEDDED
    reports: dict[str, Report] = field(default_factory=dict)
    uses: dict[str, tuple[Report, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: Tree, folder: str, paths: Iterable[str], others: Iterable[str], root: str = FILES) -> AppFiles:
        """Takes all paths of an app, relative to its folder."""
        inside = [frozenset(path for path in listed if path.startswith(root)) for listed in (paths, others)]
        return cls(tree=tree, folder=folder, root=root, paths=inside[0], others=inside[1])

    def bytes_at(self, entry: Fields, key: str, path: str) -> bytes | None:
        """Returns the bytes of a file; None with a finding that says why they cannot be embedded.

        A file that is embedded is among the ``reports``, with its text if it is one, so that it is linted like others.
        """
        if path in self.others:
            hint = "Put the file itself there."
            entry.add("not-a-file", key, f"{short(path)} is not a regular file; links are not followed", hint)
            return None
        if path not in self.paths:
            entry.add("file-missing", key, *self._missing(path))
            return None
        try:
            data = self._read(path)
            self.uses.setdefault(self._full(path), (entry.report, entry.document.offset((*entry.path, key))))
        except OSError as error:
            entry.add("file-unreadable", key, str(error) or type(error).__name__)
            return None
        if len(data) > self.most:
            message = f"{short(path)} is over {self.most // 1024:,} KiB"
            entry.add("embedded-too-large", key, message, "Give its `url`.")
        elif is_lfs_pointer(data):
            hint = "Take it out of Git LFS: a release has the bytes that are committed. Or give its `url`."
            entry.add("lfs-pointer", key, f"{short(path)} is a Git LFS pointer", hint)
        else:
            return data
        return None

    def _read(self, path: str) -> bytes:
        assert self.tree is not None
        full = self._full(path)
        data = self.tree.read(full, self.most)
        if full not in self.reports:
            self.reports[full] = Report(full, "" if sniff(data) else data.decode("utf-8", "replace"))
        return data

    def _full(self, path: str) -> str:
        return f"{self.folder}/{path}".removeprefix("/")

    def _missing(self, path: str) -> tuple[str, str | Near]:
        root = self.root
        if self.tree is None:
            return (
                f"'{short(path)}' is a file of an app's folder, and there is no folder here",
                "Give its `data` or `url`.",
            )
        if not path.startswith(root) or ".." in path.split("/"):
            inside = f"{root}{path}"
            hint = f"Write `file: {short(inside)}`." if inside in self.paths else f"Put it there: file: {root}NAME"
            return f"'{short(path)}' is not in the app's {root} folder, of which files are taken", hint
        hint = "A release has what is committed: `git add -f` takes a file that .gitignore leaves out."
        return f"there is no file '{short(path)}' in the app's folder", Near(
            path, self.paths, otherwise=hint, also=hint
        )


def read_parts(
    item: Fields, role: Role | None, files: AppFiles, expand: Expand
) -> tuple[tuple[Part, ...], frozenset[str]]:
    """Returns the parts at ``content``, and the names of their variables. Problems become findings."""
    parts: list[Part] = []
    used: set[str] = set()
    entries = item.items("content") or ()
    if entries and not any(isinstance(entry, OBJECTS) for entry in entries):
        item.wrong((*item.path, "content"), "text, or a list of parts", entries)
        return (), frozenset()
    if not entries:
        item.add("missing-key", "content", "`content` is empty", "Write text, or a list of parts.")
    for entry in item.each("content"):
        kind = _type(entry)
        if kind is None:
            continue
        entry.refuse_unknown(_KEYS[kind], CACHE_TWINS)
        cache = entry.flag("cache") or False
        if kind is PartType.TEXT:
            part, names = _text(entry, expand)
        else:
            _check_role(entry, kind, role)
            part, names = _other(entry, kind, files, expand)
        used |= names
        if part is not None:
            parts.append(replace(part, cache=True) if cache else part)
    return tuple(parts), frozenset(used)


def media_of(messages: Iterable[object]) -> dict[str, PartType]:
    """Returns the variables that are parts of messages, each with the type of its part."""
    parts = (part for message in messages if isinstance(message, Message) for part in message.parts)
    return {part.input: part.type for part in parts if part.input}


def check_media(fields: Fields, inputs: Iterable[Input], texts: Collection[str], parts: Mapping[str, PartType]) -> None:
    """Reports inputs that are an image, a file or audio and stand in a text, and parts that are an input of text."""
    for item in inputs:
        kind, media = parts.get(item.name), item.media
        if media is not None and item.name in texts:
            message = f"the input '{item.name}' is of type {media}, and a text has it"
            hint = f"Make it a part of the message: {{type: {media}, input: {item.name}}}"
            fields.add("wrong-value", "messages", message, hint)
        if kind is not None and media is not kind:
            message = f"a part of type {kind} is the input '{item.name}', which is of another type"
            hint = f"inputs: {{{item.name}: {{type: {kind}}}}}"
            fields.add("wrong-value", "messages", message, hint)


def refuse_untaken_parts(fields: Fields, prompt: Prompt) -> None:
    """Reports parts that no API of the model's provider takes."""
    for at, message in enumerate(prompt.messages):
        if not isinstance(message, Message):
            continue
        for number, part in enumerate(message.parts):
            if part.type is not PartType.TEXT and message.role not in SPEAKERS:
                continue  # which has a finding of its own, whatever the model
            if flaw := part_flaw(prompt.model, part, message.role):
                place = (*fields.path, "messages", at, "content", number)
                fields.report.add("part-not-taken", fields.document.offset(place), flaw)


def _type(entry: Fields) -> PartType | None:
    value = entry.value.get("type")
    if isinstance(value, str) and value in list(PartType):
        return PartType(value)
    if value is None:
        entry.add("missing-key", None, "a part needs a `type`", f"One of {', '.join(PartType)}.")
    elif entry.text("type") is not None:
        meant = _TWINS.get(str(value))
        hint = f"Write `type: {meant}`." if meant else Near(str(value), list(PartType), "One of")
        entry.add("wrong-value", "type", f"'{short(str(value))}' is not a type of part", hint)
    return None


def _check_role(entry: Fields, kind: PartType, role: Role | None) -> None:
    if role is not None and role not in SPEAKERS:
        hint = f"Put the {kind} into a message of role user."
        entry.add("wrong-value", "type", f"a message of role {role} has no part but text, in any API", hint)


def _text(entry: Fields, expand: Expand) -> tuple[Part | None, frozenset[str]]:
    text = entry.written("text")
    if text is None:
        if entry.value.get("text") is None:
            entry.add("missing-key", None, "a part of type text needs `text`")
        return None, frozenset()
    expanded = expand(entry, "text", text)
    return (None, frozenset()) if expanded is None else (Part(type=PartType.TEXT, text=expanded[0]), expanded[1])


def _other(entry: Fields, kind: PartType, files: AppFiles, expand: Expand) -> tuple[Part | None, frozenset[str]]:
    given = [key for key in _SOURCES if entry.value.get(key) is not None]
    if len(given) != 1:
        message = f"a part of type {kind} has {' and '.join(map('`{}`'.format, given))}: it needs one of them"
        if not given:
            message = f"a part of type {kind} needs `url`, `data`, `file` or `input`"
        entry.add("missing-key" if not given else "wrong-value", None, message)
        return None, frozenset()
    value = entry.text(given[0])
    said = _said(entry, kind)
    if value is None or said is None:
        return None, frozenset()
    return _READERS[given[0]](entry, said, value, files, expand)


def _said(entry: Fields, kind: PartType) -> Part | None:
    """Returns a part with what it says besides where it is."""
    detail, filename, declared = (entry.text(key) or "" for key in ("detail", "filename", "mediaType"))
    if detail and detail not in DETAILS:
        entry.add("wrong-value", "detail", f"'{short(detail)}' is not a detail", Near(detail, DETAILS, "One of"))
        detail = ""
    if filename and (problem := filename_flaw(filename)):
        entry.add("wrong-value", "filename", problem)
        filename = ""
    if declared:
        try:
            declared = require_kind(kind, declared)
        except ValueError as error:
            entry.add("wrong-value", "mediaType", str(error))
            return None
    return Part(type=kind, detail=detail, filename=filename, media_type=declared)


def _url(entry: Fields, said: Part, url: str, _: AppFiles, expand: Expand) -> tuple[Part | None, frozenset[str]]:
    expanded = expand(entry, "url", url) if "{" in url else (url, frozenset[str]())
    if expanded is None:
        return None, frozenset()
    if problem := url_template_flaw(expanded[0]):
        hint = f"data: the {said.type} in base64, or file: a path below {FILES}" if "data:" in url[:5] else ""
        entry.add("wrong-value", "url", f"'url': {problem}", hint)
        return None, frozenset()
    return replace(said, url=expanded[0]), expanded[1]


def _data(entry: Fields, said: Part, text: str, files: AppFiles, expand: Expand) -> tuple[Part | None, frozenset[str]]:
    if name := _only_variable(text):
        return _input(entry, said, name, files, expand)
    head, comma, data = text.partition(",") if text[:5].lower() == "data:" else ("", "", text)
    named = head[5:].partition(";")[0]
    try:
        if comma and not head.lower().endswith(";base64"):
            raise ValueError("only a `data:` URL in base64 is taken")
        if named and not said.media_type:
            said = replace(said, media_type=require_kind(said.type, named))
        decoded = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        problem = "not base64" if isinstance(error, binascii.Error) else str(error)
        entry.add("wrong-value", "data", f"'data': {problem}")
        return None, frozenset()
    return _embedded(entry, "data", said, decoded), frozenset()


def _file(entry: Fields, said: Part, path: str, files: AppFiles, expand: Expand) -> tuple[Part | None, frozenset[str]]:
    if name := _only_variable(path):
        return _input(entry, said, name, files, expand)
    path = path.removeprefix("./")
    data = files.bytes_at(entry, "file", path)
    if data is None:
        return None, frozenset()
    if said.type is PartType.FILE and not said.filename:
        said = replace(said, filename=path.rpartition("/")[2])
    return _embedded(entry, "file", said, data), frozenset()


def _embedded(entry: Fields, key: str, said: Part, data: bytes) -> Part | None:
    try:
        media_type = media_type_of(said.type, data, said.media_type)
    except ValueError as error:
        entry.add("media-type", key, f"'{key}': {error}")
        return None
    return replace(said, blob=blob_of(data), media_type=media_type)


def _input(entry: Fields, said: Part, name: str, _: AppFiles, expand: Expand) -> tuple[Part | None, frozenset[str]]:
    """Returns a part that is the value of a variable. No text has it, so it is not among the names."""
    name = _only_variable(name) or name
    if not VARIABLE.fullmatch(name):
        hint = "Letters, digits, _ and -, not starting with a digit, up to 64."
        entry.add("name-invalid", "input", f"'{short(name)}' is not a variable's name", hint)
        return None, frozenset()
    if said.media_type:
        entry.add_at_key("wrong-value", "mediaType", "the value of a variable says itself what it is", "Remove it.")
    return replace(said, input=name, media_type=""), frozenset()


def _only_variable(text: str) -> str:
    """Returns the variable that a text consists of; empty for any other text."""
    match = _VARIABLE.fullmatch(text.strip())
    return match[1] if match else ""


_READERS: Final = {"url": _url, "data": _data, "file": _file, "input": _input}
