"""Counts Jinja's tokens while they are read, and refuses a too large or too deep template before it becomes a tree.

A tree costs a hundred times its text, and the parser recurses for each bracket. Imports jinja2, so only jinja.py,
syntax.py and sandbox.py import it.
"""

from __future__ import annotations

from collections.abc import Iterator

from jinja2.exceptions import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from promptops.core.limits import TEMPLATE_NODES

MAX_BRACKETS = 20
"""Nested brackets: the parser needs a dozen calls for each level, and its caller may be deep in the stack already."""

_MAX_WORDS = 5 * TEMPLATE_NODES
"""Tokens: a node of the tree has fewer than five, so this refuses no template that the tree's own limit admits."""
_STEP = {"lparen": 1, "lbracket": 1, "lbrace": 1, "rparen": -1, "rbracket": -1, "rbrace": -1}


class TooMuch(TemplateSyntaxError):
    """The template is larger or deeper than a prompt may be."""


class Counting(Extension):
    """Counts the words of a template while the parser takes them."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        deep = 0
        for number, token in enumerate(stream):
            deep += _STEP.get(token.type, 0)
            if deep > MAX_BRACKETS:
                raise TooMuch(f"brackets are nested deeper than {MAX_BRACKETS} levels", token.lineno)
            if number > _MAX_WORDS:
                raise TooMuch(large(), token.lineno)
            yield token


def large() -> str:
    """Returns the error message for a template that is too large."""
    return f"the message has more than {TEMPLATE_NODES:,} tags and parts of expressions"
