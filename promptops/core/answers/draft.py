"""An answer while it is read: each API's module writes into it what a body or a chunk says."""

from __future__ import annotations

import json
from typing import Final

from promptops.core.answers.fields import Unread, string, word
from promptops.core.answers.reading import FINISHES, Api, Finish, Reading, Usage
from promptops.core.model import Json
from promptops.core.suite.answer import ToolCall

_MOST_CALLS: Final = 1024  # of tools in one answer, several times what providers allow
_MOST_PIECES: Final = 512  # of a text before they are joined: a piece of a stream is a few letters


class Room:
    """The bytes of UTF-8 that texts may still take, all together."""

    __slots__ = ("cut", "left")

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.cut = False

    def take(self, piece: str) -> str:
        """Returns as much of a text as there is room for, at a whole letter."""
        if self.cut:
            return ""
        size = len(piece) if piece.isascii() else len(piece.encode("utf-8", "replace"))
        if size > self.left:
            piece = piece.encode("utf-8", "replace")[: self.left].decode("utf-8", "ignore")
            self.cut = True
        self.left -= size
        return piece


class _Pieces:
    """A text that grows."""

    __slots__ = ("_pieces", "_room", "cut")

    def __init__(self, room: Room) -> None:
        self._pieces: list[str] = []
        self._room = room
        self.cut = False

    def add(self, piece: str) -> None:
        taken = self._room.take(piece)
        self.cut = self.cut or len(taken) < len(piece)
        if taken:
            self._pieces.append(taken)
            if len(self._pieces) > _MOST_PIECES:
                self._pieces[:] = ["".join(self._pieces)]

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __str__(self) -> str:
        return self._pieces[0] if len(self._pieces) == 1 else "".join(self._pieces)


class _Call:
    """A call of a tool: its arguments as a value, as text of JSON, or as the plain text that a custom tool takes."""

    __slots__ = ("id", "is_text", "name", "text", "value")

    def __init__(self, name: str, call_id: str, text: _Pieces) -> None:
        self.name = name
        self.id = call_id
        self.value: Json = None
        self.text = text
        self.is_text = False

    def noun(self, *, is_whole: bool) -> ToolCall:
        arguments = self.value
        if arguments is None and not self.text.cut and (self.text or is_whole):
            text = str(self.text)
            arguments = text if self.is_text else _parsed(text or "{}")
        return ToolCall(name=self.name, arguments=arguments)


def _parsed(text: str) -> Json:
    try:
        parsed: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed


class Draft:
    """What is known of an answer so far.

    ``reported`` has the numbers of tokens that several events of a stream report in parts. ``is_stream``: what ends
    without a reason was cut.
    """

    def __init__(self, limit: int, *, is_stream: bool = False) -> None:
        self.response_id = self.model = self.fingerprint = self.finish_word = ""
        self.finish: Finish | None = None
        self.usage = Usage()
        self.reported: dict[str, object] = {}
        self.is_stream = is_stream
        self._limit = limit
        self.empty()

    def empty(self) -> None:
        """Forgets texts and calls: all of them come again."""
        self._room, self._arguments = Room(self._limit), Room(self._limit)
        self._text, self._refusal = _Pieces(self._room), _Pieces(self._room)
        self._calls: list[_Call] = []
        self._by_key: dict[object, _Call] = {}

    @property
    def has_content(self) -> bool:
        """Whether there is anything for the user or the application: text, a refusal, a call of a tool."""
        return bool(self._text or self._calls or self._refusal)

    def names(self, response_id: object, model: object, fingerprint: object = None) -> None:
        """Takes the names that an answer has, which every chunk of a stream may repeat."""
        self.response_id = self.response_id or word(response_id)
        self.model = self.model or word(model)
        self.fingerprint = self.fingerprint or word(fingerprint)

    def write(self, piece: object) -> None:
        """Adds text of the model. Raises Unread if it is another type."""
        self._text.add(string(piece))

    def refuse(self, piece: object) -> None:
        """Adds to the words of a refusal. Raises Unread if it is no text."""
        self._refusal.add(string(piece))

    def call(
        self, name: object, value: object = None, *, key: object = None, call_id: str = "", is_cut: bool = False
    ) -> None:
        """Adds a call of a tool. Its arguments are a value, or text that :meth:`argue` adds under the key; with
        ``is_cut`` they cannot be read.

        Raises:
            Unread: the call has no name.
        """
        if not string(name):
            raise Unread
        if len(self._calls) == _MOST_CALLS:
            self._arguments.cut = True
            return
        call = _Call(word(name), call_id, _Pieces(self._arguments))
        call.value = value  # type: ignore[assignment]  # JSON, as the SDK read it
        call.text.cut = is_cut
        self._calls.append(call)
        self._by_key[len(self._calls) if key is None else key] = call

    def has_call(self, key: object, call_id: str = "") -> bool:
        """Whether there is a call under a key. Another id is another call, although some providers repeat the key."""
        call = self._by_key.get(key)
        return call is not None and (not call_id or not call.id or call.id == call_id)

    def argue(self, key: object, piece: object, *, is_text: bool = False) -> None:
        """Adds to the arguments of the call under a key: JSON, or with ``is_text`` plain text. A call without an entry
        is one that the provider runs itself.

        Raises:
            Unread: it is no text.
        """
        added = string(piece)
        if (call := self._by_key.get(key)) is not None:
            call.is_text = is_text
            call.text.add(added)

    def ended(self, reason: object, finish: Finish | None = None) -> None:
        """Takes the reason for the end; ``finish`` is what it means where the word is not enough. An empty one is left.

        Raises:
            Unread: it is no text.
        """
        if said := string(reason):
            self.finish_word = word(said)
            self.finish = finish or FINISHES.get(said.lower(), Finish.OTHER)

    def reading(self, api: Api) -> Reading:
        """Returns what is known of the answer until now."""
        is_whole = not self.is_stream or self.finish is not None
        finish = self.finish
        if self._refusal:
            finish = Finish.REFUSAL
        elif self._calls and finish is Finish.STOP:  # some providers send this word although tools are to run
            finish = Finish.TOOL_CALLS
        return Reading(
            api=api,
            response_id=self.response_id,
            model=self.model,
            fingerprint=self.fingerprint,
            usage=self.usage,
            finish=finish,
            finish_word=self.finish_word,
            text=str(self._refusal or self._text),
            tool_calls=tuple(call.noun(is_whole=is_whole) for call in self._calls),
            cut=self._room.cut or self._arguments.cut,
        )
