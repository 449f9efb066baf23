"""Rendering a prompt, checks included, against the least a program would do: one re.sub over the same text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from promptops.core.model import Input, Message, Prompt, Role
from promptops.core.part_bytes import blob_of
from promptops.core.parts import Part, PartType
from promptops.core.template.template import Template
from tests.harness.bench.measure import Line, compare, timed
from tests.support.media import png

_TIMES = 5_000
VALUES = {
    "product": "Kettle",
    "tone": "warm",
    "question": "How do I descale it?",
    "name": "Ada",
    "language": "English",
}
SYSTEM = "You answer questions about {{ product }} in a {{tone}} tone. " + "Stay with what the documents say. " * 28
USER = "{{ name }} asks in {{language}}: {{ question }}\n\n" + "Answer in whole sentences, and cite. " * 27


def lines(folder: Path) -> Iterator[Line]:
    """A 2 KB prompt of two messages with five variables; the same with an image."""
    messages = (Message(role=Role.SYSTEM, content=SYSTEM), Message(role=Role.USER, content=USER))
    inputs = tuple(Input(name=name, schema={"type": "string"}) for name in sorted(VALUES))
    prompt = Prompt(name="answer", messages=messages, inputs=inputs)
    template = Template.compile(prompt)
    tag = re.compile(r"\{\{\s*(\w+)\s*\}\}")
    texts = [(message.role.value, message.content) for message in messages]

    def bare() -> list[dict[str, str]]:
        return [{"role": role, "content": tag.sub(lambda found: VALUES[found[1]], text)} for role, text in texts]

    if template.render(VALUES) != bare():
        raise RuntimeError("the two renderings differ: they cannot be compared")
    yield compare(
        f"simple template: {sum(len(text) for _, text in texts):,} characters, 2 messages, 5 variables",
        partial(timed, lambda: _repeat(partial(template.render, VALUES))),
        partial(timed, lambda: _repeat(bare)),
        named=f"re.sub over the same text ({_TIMES:,} times)",
        bound=0.6,
        rounds=15,
    )
    parts = (
        Part(type=PartType.TEXT, text=USER),
        Part(type=PartType.IMAGE, blob=blob_of(png(noise=b"x" * 300_000)), media_type="image/png"),
    )
    shown = replace(prompt, messages=(messages[0], Message(role=Role.USER, content="", parts=parts)))
    with_parts = Template.compile(shown)
    if with_parts.render(VALUES)[1]["content"][0]["text"] != template.render(VALUES)[1]["content"]:
        raise RuntimeError("the two renderings differ: they cannot be compared")
    yield compare(
        "content parts: the same text, and an image of 300 KB",
        partial(timed, lambda: _repeat(partial(with_parts.render, VALUES))),
        partial(timed, lambda: _repeat(partial(template.render, VALUES))),
        named=f"the text alone ({_TIMES:,} times)",
        bound=1.5,
        rounds=15,
    )


def _repeat(work: Callable[[], object]) -> None:
    for _ in range(_TIMES):
        work()
