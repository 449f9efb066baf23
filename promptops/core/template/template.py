"""Renders a prompt's templates with values into the messages that an application sends.

A template of the default language is cut once into literal pieces and names, so rendering is a join: linear time, and a
value is never scanned again, so ``{{ other }}`` inside a value stays text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from promptops.core.cached import Cached
from promptops.core.errors import MissingVariable, OutputTooLarge, TemplateInvalid
from promptops.core.model import Engine, Json, Message, Placeholder, Prompt
from promptops.core.template.history import media_size_of, size_of
from promptops.core.template.simple import TagKind, each_tag
from promptops.core.template.values import Signature, text_of

if TYPE_CHECKING:
    from promptops.core.parts import PartType
    from promptops.core.template.layout import Layout

LIMIT = 1_000_000
"""Characters of all rendered messages of a prompt by default: about 250,000 tokens, far above prompts in use."""

MOST_MEDIA = 64 * 1024 * 1024
"""Bytes of the images, files and audio of one rendering: twice what Anthropic takes in a request (32 MB), and above the
50 MB that OpenAI takes of files. A conversation grows by them with each turn, and so would the memory of a server."""

MOST_CALLS = 64
"""Combinations of names that are noted of a prompt; the code of one process has a few."""


def variables(text: str, engine: Engine) -> frozenset[str]:
    """Returns the names of the variables that a template needs: ``user`` for ``{{ user.name }}``.

    Raises:
        TemplateInvalid: the Jinja template does not parse.
        ExtraMissing: the template is Jinja and jinja2 is not installed.
    """
    if engine is Engine.JINJA2:
        from promptops.core.template.jinja import undeclared

        return undeclared(text)
    return frozenset(tag.name.partition(".")[0] for tag in each_tag(text) if tag.kind is TagKind.VARIABLE)


class Template:
    """The messages of one prompt, compiled once. Safe to share between threads.

    It notes the names that calls pass, and changes in no other way. ``passed`` has each combination of names once, in
    the order of a call, and about :data:`MOST_CALLS` of them at most: those of threads at once may be a few more.
    """

    __slots__ = ("_extras", "_fast", "_layout", "_limit", "_messages", "_noted", "_places", "_signature", "passed")

    def __init__(
        self,
        signature: Signature,
        messages: Sequence[tuple[str, _Body]],
        limit: int,
        fast: _Fast | None,
        extras: Sequence[tuple[int, Message]] = (),
        places: Sequence[_Place] = (),
        layout: Layout | None = None,
    ) -> None:
        """Use :meth:`compile`. ``messages`` are the templates of all messages, one by one."""
        self._layout = layout
        self._signature = signature
        self._extras = tuple(extras)
        self._places = tuple(places)
        self._messages = tuple(messages)
        self._limit = limit
        self._fast = fast
        self._noted: _Fast | None = None  # the fast way, once it is noted that a call passes all names
        self.passed: set[tuple[str, ...]] = set()  # not made by the first call: two at once would make two

    @classmethod
    def compile(cls, prompt: Prompt, *, limit: int = LIMIT) -> Template:
        """Compiles the messages of a prompt. ``limit`` caps the characters of all rendered messages together.

        Raises:
            TemplateInvalid: a template has Jinja outside the allow-list, an input has an invalid schema, or a
                placeholder the name of another variable.
            ExtraMissing: the prompt needs jinja2 or jsonschema, which is not installed.
        """
        templates = _templates(prompt)
        bodies = _bodies(prompt, templates)
        used = {root for body in bodies for root in body.roots}
        texts = {name for body in bodies for name in body.texts}
        data = {name for body in bodies for name in body.data}
        places, written = prompt.placeholders, prompt.written
        signature = Signature(prompt.name, prompt.inputs, used, loose=(used - texts) | data, placeholders=places)
        messages = [(str(role), body) for (_, role, _), body in zip(templates, bodies, strict=True)]
        extras = [(at, each) for at, each in enumerate(written) if each.has_extras or each.cache]
        fast = None if places else _Fast.of(messages, signature, limit)
        layout = _layout(prompt) if any(message.parts for message in written) else None
        return cls(signature, messages, limit, fast, extras, _places(prompt), layout)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that :meth:`render` takes."""
        return self._signature.names

    @property
    def open_names(self) -> frozenset[str]:
        """The variables that take any JSON value."""
        return self._signature.open_names

    @property
    def media(self) -> Mapping[str, PartType]:
        """The variables that are an image, a file or audio."""
        return self._signature.media

    @property
    def histories(self) -> frozenset[str]:
        """The variables that are messages of a conversation."""
        return frozenset(place.name for place in self._places)

    @property
    def notes(self) -> tuple[str, ...]:
        """The parts of the inputs' schemas that are not evaluated."""
        return self._signature.notes

    @property
    def nodes(self) -> int:
        """Tags and parts of expressions of its Jinja."""
        return sum(body.nodes for _, body in self._messages)

    def values_of_case(self, variables: Mapping[str, Json]) -> dict[str, Json]:
        """Returns what :meth:`render` takes of a case. A number where the prompt takes text alone is its
        text, since GitHub's tools fill in test data so.
        """
        return self._signature.values_of_case(variables)

    def problem_of(self, name: str, value: Json) -> str:
        """Returns why :meth:`render` refuses a value of a case, in words; empty for one that it takes."""
        return self._signature.problem_of(name, value)

    def render(self, values: Mapping[str, object], /) -> list[dict[str, Any]]:
        """Returns the messages as ``{"role": …, "content": …}``, new objects each time.

        Messages with calls of tools have ``tool_calls`` or ``tool_call_id`` in the form of chat completions, and the
        content of messages with parts is a list of parts in that form. Those that are given for a placeholder stand in
        its place, as they are.

        Raises:
            MissingVariable: a variable or field has no value.
            UnknownVariable: a value has a name that the prompt does not use.
            VariableInvalid: a value is not JSON or does not fit the schema of its input, or is no list of messages.
            OutputTooLarge: the messages are over the limit, or have over 64 MiB of images, files and audio.
            TemplateInvalid: the Jinja template fails on these values.
        """
        messages = self._noted.render(values) if self._noted is not None else None
        if messages is None:
            self._note(values)
            return self._carefully(values)
        if self._layout is not None:
            messages = self._layout.arrange(messages, values)
        for at, message in self._extras:
            messages[at] = _with_extras(message, messages[at])
        return messages

    def _note(self, values: Mapping[str, object]) -> None:
        """Note the names of a call. The fast way takes all names and no others, so of its calls the first is enough."""
        names = tuple(values)
        passed = self.passed
        if names not in passed and len(passed) < MOST_CALLS and all(type(name) is str for name in names):
            passed.add(names)
        if self._noted is None and self._fast is not None and frozenset(names) == frozenset(self.names):
            self._noted = self._fast

    def _carefully(self, values: Mapping[str, object]) -> list[dict[str, Any]]:
        bound = self._signature.bind(values)
        histories: list[list[dict[str, Any]]] = [bound.pop(place.name) for place in self._places]  # type: ignore[misc]
        left = self._limit - sum(map(size_of, histories))
        if left < 0:
            raise OutputTooLarge(self._limit)
        rendered: list[dict[str, Any]] = []
        for role, body in self._messages:
            content = body.render(bound, left, self._limit)
            left -= len(content)
            rendered.append({"role": role, "content": content})
        if self._layout is not None:
            rendered = self._layout.arrange(rendered, bound)
        for at, message in self._extras:
            rendered[at] = _with_extras(message, rendered[at])
        for place, history in zip(reversed(self._places), reversed(histories), strict=True):
            if place.cache and history:
                history[-1] = Cached(history[-1])
            rendered[place.at : place.at] = history
        if media_size_of(rendered) > MOST_MEDIA:
            raise OutputTooLarge(MOST_MEDIA, is_media=True)
        return rendered


class _Body(Protocol):
    """A message: the names that it uses, the ones in its text, and the ones that it treats as data."""

    @property
    def nodes(self) -> int: ...

    @property
    def roots(self) -> frozenset[str]: ...

    @property
    def texts(self) -> frozenset[str]: ...

    @property
    def data(self) -> frozenset[str]: ...

    def render(self, values: Mapping[str, Json], left: int, limit: int) -> str: ...


class _Pieces:
    """One message cut into literals and names, which alternate: ``literals[0] names[0] literals[1] …``."""

    __slots__ = ("_prompt", "literals", "names")

    nodes = 0

    def __init__(self, text: str, prompt: str, *, escapes: bool = False) -> None:
        literals = [""]
        names = []
        position = 0
        for tag in each_tag(text, escapes=escapes):
            if tag.kind in (TagKind.VARIABLE, TagKind.ESCAPE):
                literals[-1] += text[position : tag.start]
                position = tag.end
                if tag.kind is TagKind.ESCAPE:
                    literals[-1] += tag.name
                else:
                    names.append(tag.name)
                    literals.append("")
        literals[-1] += text[position:]
        self.literals = tuple(literals)
        self.names = tuple(names)
        self._prompt = prompt

    @property
    def roots(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self.names)

    @property
    def texts(self) -> frozenset[str]:
        return frozenset(name for name in self.names if "." not in name)

    @property
    def data(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self.names if "." in name)

    def render(self, values: Mapping[str, Json], left: int, limit: int) -> str:
        left -= sum(map(len, self.literals))
        texts = {name: text_of(self._find(name, values)) for name in set(self.names)}
        if left < sum(len(texts[name]) for name in self.names):
            raise OutputTooLarge(limit)
        pieces = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            pieces += (texts[name], literal)
        return "".join(pieces)

    def _find(self, name: str, values: Mapping[str, Json]) -> Json:
        value: Json = values
        for step in name.split("."):
            # Mappings only: nothing but a key of the data is a field.
            if not isinstance(value, Mapping) or step not in value:
                raise MissingVariable(name, prompt=self._prompt)
            value = value[step]
        return value


class _Fast:
    """The way of most calls: every variable is text. None for any other call, which goes the careful way.

    An application calls this all the time, and checks cost more than the join, so they are what the join does anyway: a
    name that is missing is a KeyError, a value that is no text a TypeError.
    """

    __slots__ = ("_count", "_fixed", "_limit", "_messages", "_pick", "_uses")

    def __init__(self, messages: Sequence[tuple[str, _Pieces]], names: Sequence[str], limit: int) -> None:
        used = Counter(name for _, body in messages for name in body.names)
        self._count = len(names)
        self._pick = _picker(names)
        self._messages = tuple((role, _picker(body.names), _frame(body)) for role, body in messages)
        self._limit = limit
        self._fixed = sum(len(literal) for _, body in messages for literal in body.literals)
        self._uses = max(used.values(), default=0)

    @classmethod
    def of(cls, messages: Sequence[tuple[str, _Body]], signature: Signature, limit: int) -> _Fast | None:
        """The fast way of these messages, or None where values have to be looked at one by one."""
        pieces = [(role, body) for role, body in messages if isinstance(body, _Pieces)]
        fields = any("." in name for _, body in pieces for name in body.names)
        if fields or not signature.takes_all_text or len(pieces) != len(messages):
            return None
        return cls(pieces, signature.names, limit)

    def render(self, values: Mapping[str, object]) -> list[dict[str, Any]] | None:
        if type(values) is not dict or len(values) != self._count:
            return None
        try:
            picked = self._pick(values)
            # An upper bound, before anything is joined: a value may stand in many places.
            if self._fixed + self._uses * sum(map(len, picked)) > self._limit:
                return None
            if not all(map(str.isascii, picked)):
                "".join(picked).encode()  # a lone surrogate is refused before it is sent
            messages: list[dict[str, Any]] = []
            for role, pick, frame in self._messages:
                pieces = frame.copy()
                pieces[1::2] = pick(values)
                messages.append({"role": role, "content": "".join(pieces)})
        except (KeyError, TypeError, UnicodeEncodeError):
            return None
        return messages


def _frame(body: _Pieces) -> list[str]:
    frame = [""] * (2 * len(body.literals) - 1)
    frame[::2] = body.literals
    return frame


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, object]], tuple[str, ...]]:
    """The values of these names in order. That they are text is found out by the join."""
    if len(names) > 1:
        return itemgetter(*names)
    if not names:
        return lambda values: ()
    only = names[0]
    return lambda values: (values[only],)  # type: ignore[return-value]


class _Place(NamedTuple):
    """A placeholder: how many written messages are before it, its name, and whether its last message has a mark."""

    at: int
    name: str
    cache: bool


def _places(prompt: Prompt) -> list[_Place]:
    places: list[_Place] = []
    for at, message in enumerate(prompt.messages):
        if isinstance(message, Placeholder):
            places.append(_Place(at - len(places), message.name, message.cache))
    return places


def _with_extras(message: Message, rendered: dict[str, Any]) -> dict[str, Any]:
    rendered |= message.extras()
    return Cached(rendered) if message.cache else rendered


def _layout(prompt: Prompt) -> Layout:
    from promptops.core.template.layout import Layout

    return Layout(prompt)


def _templates(prompt: Prompt) -> list[tuple[int, str, str]]:
    """The texts of all messages in which values may stand, each with the number and the role of its message."""
    return [
        (number, message.role, text)
        for number, message in enumerate(prompt.messages)
        if isinstance(message, Message)
        for text in message.templates
    ]


def _bodies(prompt: Prompt, templates: Sequence[tuple[int, str, str]]) -> Sequence[_Body]:
    if prompt.engine is not Engine.JINJA2:
        return [_Pieces(text, prompt.name, escapes=prompt.escapes) for _, _, text in templates]
    from promptops.core.template.jinja import Compiled

    bodies = []
    for number, _, text in templates:
        try:
            bodies.append(Compiled(text, prompt.name))
        except TemplateInvalid as error:
            error.number = number
            raise
    return bodies
