"""Parses YAML text into a JSON value with the position of each of its parts, or into problems with their positions.

Strict: no aliases, merge keys, explicit tags, duplicate keys or keys that are not text; numbers, booleans and null as
in the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema) without its octal and hexadecimal forms.
So ``no``, ``2024-05-01``, ``1_000``, ``010`` and ``1:30`` are text.

libyaml composes the node tree, which has positions at no extra cost, and Python walks it once. The nodes are used again
only to locate a finding.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeAlias

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from promptops.core.digest import MAX_NUMBER
from promptops.core.model import Json
from promptops.source.text.places import Places, places_of
from promptops.source.text.yaml_hints import braces_hint, syntax_hint

MAX_VALUES = 10_000
"""Keys, texts, numbers, mappings and lists of one text. Each is an object of about 500 bytes while the file is read, so
a file costs at most 5 MB."""

MAX_PROBLEMS = 1_000
"""Problems of one code that are kept of a text, so that a hostile file cannot fill the memory."""

MAX_DEPTH = 20
"""Levels of nesting. A release adds a few levels of its own and stays below the limit of the canonical form."""

_MOST_DEPTH = 200
"""Levels that are read at all. Beyond MAX_DEPTH a value is read for its position only: a suite may hold it."""

Path: TypeAlias = tuple[str | int, ...]

_AS_TEXT = "text"
_AS_SPECIAL = "special"
_WITHOUT_TAG = (_AS_TEXT, _AS_SPECIAL)
_SPECIAL_STARTS = "-+.0123456789~nNtTfF"  # and the empty text, which is in every text
_WORDS: dict[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_OLD_BOOLEANS = frozenset({"yes", "no", "on", "off"})
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no YAML text has: https://yaml.org/spec/1.2.2/#51-character-set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem of the text: a code of :mod:`promptops.source.text.findings` and the offset where it is."""

    code: str
    offset: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed text. ``value`` is None if the text is empty or could not be parsed; ``problems`` are all its problems.

    ``base`` is the offset of the text in its file. ``escaped`` are the offsets and texts of quoted scalars that hold
    characters which are written as escapes, so that they cannot be seen in the file. ``left_out`` are begin and end of
    entries that could not be read (:mod:`promptops.source.text.yaml_sections`).
    """

    text: str
    base: int = 0
    value: Json = None
    root: Node | None = None
    problems: Sequence[Problem] = ()
    escaped: Sequence[tuple[int, str]] = ()
    left_out: Sequence[tuple[int, int]] = ()
    _keys: dict[int, dict[str, tuple[Node, Node]]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _places: dict[int, Places | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def node(self, path: Path) -> Node | None:
        """Returns the node of a value; if it does not exist, that of the nearest value around it."""
        node = self.root
        for step in path:
            inner = self._step(node, step)
            if inner is None:
                break
            node = inner[1]
        return node

    def offset(self, path: Path) -> int:
        """Returns the offset at which a value begins."""
        node = self.node(path)
        return self.base + (node.start_mark.index if node is not None else 0)

    def offsets(self, path: Path) -> Sequence[int]:
        """Returns the offsets at which the entries of a list begin; nothing for another value."""
        node = self.node(path)
        return [self.base + item.start_mark.index for item in node.value] if isinstance(node, SequenceNode) else ()

    def key_offset(self, path: Path) -> int:
        """Returns the offset of a value's key; of the value itself in a list, or if there is no such key."""
        inner = self._step(self.node(path[:-1]), path[-1]) if path else None
        return self.base + inner[0].start_mark.index if inner else self.offset(path)

    def spans(self, key: str) -> Iterator[tuple[int, int]]:
        """Yields begin and end of every entry with this key at the top level of the document."""
        for name, value in self.root.value if isinstance(self.root, MappingNode) else ():
            if isinstance(name, ScalarNode) and name.value == key:
                yield self.base + name.start_mark.index, self.base + value.end_mark.index + 1

    def is_braces(self, path: Path) -> bool:
        """True for ``{{x}}`` without quotes, a mapping as the key of a mapping in YAML: ``problems`` has it already."""
        node = self.node(path)
        return isinstance(node, MappingNode) and any(isinstance(key, MappingNode) for key, _ in node.value)

    def inside(self, path: Path, offset: int) -> int:
        """Returns the offset in the file of the character at ``offset`` of a text.

        If the source of a scalar cannot be derived from its value, the offset is the beginning of the scalar.
        """
        node = self.node(path)
        if not isinstance(node, ScalarNode):
            return self.offset(path)
        start, end = node.start_mark.index, node.end_mark.index
        if node.style in ("|", ">"):
            start = self.text.find("\n", start) + 1
        elif node.style:
            start, end = start + 1, end - 1
        if id(node) not in self._places:
            self._places[id(node)] = places_of(node.value, self.text[start:end], node.style)
        places = self._places[id(node)]
        return self.offset(path) if places is None else self.base + min(start + places.at(offset), end)

    def _step(self, node: Node | None, step: str | int) -> tuple[Node, Node] | None:
        if isinstance(node, MappingNode) and isinstance(step, str):
            if id(node) not in self._keys:
                pairs: list[tuple[Node, Node]] = node.value
                self._keys[id(node)] = {key.value: (key, value) for key, value in pairs if type(key) is ScalarNode}
            return self._keys[id(node)].get(step)
        if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            return node.value[step], node.value[step]
        return None


def parse(text: str, *, base: int = 0, words: Collection[str] = ()) -> Document:
    """Parses YAML text. Never raises: all that is wrong is in ``problems``.

    ``words`` may be keys without quotes, though YAML 1.1 reads them as booleans: in a file that nothing else reads.
    """
    composer = _Composer(text)
    try:
        root = composer.get_single_node()
    except ReaderError as error:
        if not _UNPRINTABLE.search(text):
            return Document(text=text, base=base, problems=(_syntax(error, text, base),))
        return _without_unprintable(text, base)
    except (YAMLError, _TooDeep, _TooMany, ValueError, RecursionError) as error:
        return Document(text=text, base=base, problems=(_syntax(error, text, base),))
    finally:
        composer.dispose()
    if root is None:
        return Document(text=text, base=base)
    builder = _Builder(base=base, aliases="*" in text, words=words)
    value = builder.build(root)
    return Document(text=text, base=base, value=value, root=root, problems=builder.problems, escaped=builder.escaped)


def _without_unprintable(text: str, base: int) -> Document:
    """Parses the text with U+FFFD for each character that YAML forbids.

    So every such character is reported at its own position, and a suite may contain them.
    """
    document = parse(_UNPRINTABLE.sub("\ufffd", text), base=base)
    unprintable = [
        Problem(code="yaml-syntax", offset=base + match.start(), message=f"not YAML: it has U+{ord(match[0]):04X}")
        for match in islice(_UNPRINTABLE.finditer(text), MAX_PROBLEMS)
    ]
    return replace(document, text=text, problems=[*unprintable, *document.problems])


class _TooDeep(Exception):
    pass


class _TooMany(Exception):
    pass


class _Composer(CParser):
    """libyaml's composer with our own resolvers, which it calls for every node without an explicit tag.

    They are called for every value of every file: slots make them a third faster.
    """

    __slots__ = ("_depth", "_values")

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._values = 0

    def resolve(self, kind: type[Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is ScalarNode and implicit[0] and (not value or value[0] in _SPECIAL_STARTS):
            return _AS_SPECIAL
        return _AS_TEXT

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        self._depth += 1
        self._values = values = self._values + 1
        if values > MAX_VALUES:
            raise _TooMany
        if self._depth > _MOST_DEPTH:
            raise _TooDeep

    def ascend_resolver(self) -> None:
        self._depth -= 1


_PLAIN: set[str] = set()
"""Keys without quotes that are right. Most are in every file, and looking at them takes longer than finding them."""

_MOST_PLAIN = 1_000


@dataclass(slots=True, kw_only=True)
class _Builder:
    base: int
    aliases: bool
    words: Collection[str] = ()
    problems: list[Problem] = field(default_factory=list)
    escaped: list[tuple[int, str]] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _count: Counter[str] = field(default_factory=Counter)

    def build(self, node: Node, depth: int = 1) -> Json:
        if depth > MAX_DEPTH:
            self._problem("too-deep", node, f"nested deeper than {MAX_DEPTH} levels")
            return None
        if self.aliases and self._is_alias(node):
            return None
        if type(node) is ScalarNode:  # only double quotes have escapes
            return node.value if node.tag == _AS_TEXT and node.style != '"' else self._scalar(node)
        if node.tag != _AS_TEXT:
            self._tag(node)
        if type(node) is MappingNode:
            return self._mapping(node, depth)
        return [self.build(item, depth + 1) for item in node.value]

    def _mapping(self, node: MappingNode, depth: int) -> Json:
        result: dict[str, Json] = {}
        for key_node, value_node in node.value:
            if self.aliases and self._is_alias(key_node):
                continue
            key = key_node.value
            if (
                type(key_node) is not ScalarNode
                or key_node.style
                or key_node.tag not in _WITHOUT_TAG
                or key not in _PLAIN
            ):
                key = self._key(key_node)
            if key is not None:
                if key in result:
                    self._problem("duplicate-key", key_node, f"the key '{key[:80]}' is here twice", "Keep one of them.")
                result[key] = self.build(value_node, depth + 1)
        return result

    def _key(self, node: Node) -> str | None:
        """Returns the key's text; None with a problem if it is not text."""
        key = self._key_text(node)
        if key is None or not isinstance(node, ScalarNode):
            return None
        self._note_escapes(node)
        if not key.isprintable():
            self._problem("wrong-value", node, "a key with invisible characters", "Retype the key.")
        elif not node.style and len(_PLAIN) < _MOST_PLAIN and key not in self.words:
            _PLAIN.add(key)
        return key

    def _key_text(self, node: Node) -> str | None:
        if type(node) is not ScalarNode:
            if isinstance(node, MappingNode):
                message = "braces without quotes are a mapping in YAML, not text"
                self._problem("key-not-text", node, message, braces_hint(node))
            else:
                self._problem("key-not-text", node, "a list cannot be a key", "Put the key in quotes.")
            return None
        text: str = node.value
        if node.tag not in _WITHOUT_TAG:
            self._tag(node)
            return None
        if node.style:
            return text
        if text == "<<":
            self._problem("yaml-merge", node, "merge keys are not allowed", "Write the keys out.")
            return None
        if text in self.words:
            return text
        if text.lower() in _OLD_BOOLEANS or (node.tag == _AS_SPECIAL and not isinstance(_special(text), str)):
            self._problem("key-not-text", node, f"the key {text or 'null'} is not text", f'Put it in quotes: "{text}".')
            return None
        return text

    def _is_alias(self, node: Node) -> bool:
        """True with a problem if a node was in the text before, since an alias is the node that it names."""
        if id(node) not in self._seen:
            self._seen.add(id(node))
            return False
        self._problem("yaml-alias", node, "aliases are not allowed", "Write the value out where it is used.")
        return True

    def _note_escapes(self, node: ScalarNode) -> None:
        """Keeps a text that differs from its source in the file because it has escapes in it."""
        if node.style != '"':
            return
        value: str = node.value
        length = node.end_mark.index - node.start_mark.index - 2
        if not (value.isprintable() and (value.isascii() or len(value) == length)):
            self.escaped.append((self.base + node.start_mark.index, value))

    def _scalar(self, node: ScalarNode) -> Json:
        value: str = node.value
        if node.tag == _AS_TEXT:
            if "\0" in value:
                self._problem("nul-character", node, "NUL characters are not allowed")
            self._note_escapes(node)
            return value
        if node.tag != _AS_SPECIAL:
            self._tag(node)
            return value
        result = _special(value)
        if isinstance(result, float) and not abs(result) < MAX_NUMBER:
            what = f"{value[:40]} is not a finite number below 2^53 in magnitude"
            self._problem("number-range", node, what, "Put it in quotes if it is text.")
            return 0
        return result

    def _tag(self, node: Node) -> None:
        self._problem("yaml-tag", node, f"the tag {_short_tag(node.tag)} is not allowed", "Leave the tag out.")

    def _problem(self, code: str, node: Node, message: str, hint: str = "") -> None:
        self._count[code] += 1
        if self._count[code] > MAX_PROBLEMS:
            return
        offset = self.base + node.start_mark.index
        self.problems.append(Problem(code=code, offset=offset, message=message, hint=hint))


def _special(text: str) -> Json:
    """Returns the value of a plain scalar; an infinity for a number that is out of range."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        number = int(text) if len(text) < 20 else MAX_NUMBER
        return number if abs(number) < MAX_NUMBER else math.inf
    if _FLOAT.fullmatch(text):
        return float(text)
    return math.inf if _NOT_FINITE.fullmatch(text) else text


def _syntax(error: Exception, text: str, base: int) -> Problem:
    if isinstance(error, _TooMany):
        message = f"over {MAX_VALUES:,} keys and values"
        hint = "Split it: a prompt is rarely this large."
        return Problem(code="too-many-values", offset=base, message=message, hint=hint)
    if isinstance(error, _TooDeep | RecursionError):
        return Problem(code="too-deep", offset=base, message=f"nested deeper than {MAX_DEPTH} levels")
    if not isinstance(error, MarkedYAMLError):
        offset = base + min(getattr(error, "position", 0) or 0, len(text))
        return Problem(code="yaml-syntax", offset=offset, message=f"not YAML: {getattr(error, 'reason', error)}")
    mark = error.problem_mark or error.context_mark
    offset = min(mark.index, len(text)) if mark else 0
    if "alias" in (error.problem or ""):
        return Problem(code="yaml-alias", offset=base + offset, message="aliases are not allowed")
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    line = text[text.rfind("\n", 0, offset) + 1 :].partition("\n")[0]
    before = text[: text.rfind("\n", 0, offset) + 1].rstrip("\n").rpartition("\n")[2]
    hint = syntax_hint(line, before, reason)
    if "invalid Unicode character escape" in reason:
        hint = "YAML has no surrogates (`\\ud83d`): write the character itself."
    return Problem(code="yaml-syntax", offset=base + offset, message=f"not YAML: {reason}", hint=hint)


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")[:60]
