"""Templates of prompts with ``template: jinja2``: checked against an allow-list, rendered in a cut-down sandbox.

:mod:`promptops.core.template.jinja_syntax` defines which syntax a template may have. That syntax can still loop, so two
budgets limit it: characters of output, and steps (each node of a loop's body is one in each iteration; a filter costs
what it makes, a comparison what it reads). Partials are inlined before this module sees the text.

Values stand in a message as they do in the simple language: text as it is, everything else as JSON; a field is a key of
the data, never an attribute or method of a Python object. jinja2 is imported for the first prompt that needs it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import CodeType
from typing import TYPE_CHECKING

from promptops.core.errors import ExtraMissing, MissingVariable, OutputTooLarge, PromptopsError, TemplateInvalid
from promptops.core.limits import TEMPLATE_NODES
from promptops.core.model import Json

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

STEPS = 2_000_000
"""Steps that rendering one message may take: about a second on a slow machine."""


def check_jinja(text: str) -> None:
    """Refuse a template with syntax that is not in the allow-list. A template that passes compiles.

    Raises:
        TemplateInvalid: with the offset of what is not allowed.
        ExtraMissing: jinja2 is not installed.
    """
    tree = _parse(text)
    _check(text, tree)
    _code(text, tree, "template")


def undeclared(text: str) -> frozenset[str]:
    """Returns the names that a template reads and does not bind itself; ``include`` tags are not followed.

    Raises:
        TemplateInvalid: the template does not parse.
        ExtraMissing: jinja2 is not installed.
    """
    return _free_names(_parse(text))


class Compiled:
    """One message's template, checked and compiled. Safe to share between threads."""

    __slots__ = ("_prompt", "_template", "data", "nodes", "roots", "texts")

    def __init__(self, text: str, prompt: str) -> None:
        environment = _environment()
        tree = _parse(text)
        self.nodes = _check(text, tree)  # first: the functions below recurse, and this limits the depth
        self.roots = _free_names(tree)
        self.texts, self.data = _uses(tree)
        self._template = environment.template_class.from_code(environment, _code(text, tree, prompt), {})
        self._prompt = prompt

    def render(self, values: Mapping[str, Json], left: int, limit: int) -> str:
        """Returns the text, of at most ``left`` characters; errors name ``limit``. Raises as a Template does."""
        from jinja2.exceptions import UndefinedError

        from promptops.core.template.budget import Budget
        from promptops.core.template.jinja_sandbox import KEY

        chunks = []
        try:
            for chunk in self._template.generate({**values, KEY: Budget(STEPS, left, limit)}):
                left -= len(chunk)
                if left < 0:
                    raise OutputTooLarge(limit)
                chunks.append(chunk)
        except PromptopsError:
            raise
        except UndefinedError as error:
            raise MissingVariable(error.message or "", prompt=self._prompt) from error
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"[:300]
            raise TemplateInvalid(f"prompt '{self._prompt}' cannot be rendered with these values: {problem}") from error
        return "".join(chunks)


@functools.cache
def _environment() -> Environment:
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise ExtraMissing("`template: jinja2` needs Jinja2", hint="pip install jinja2") from error
    from promptops.core.template.jinja_sandbox import Sandbox

    return Sandbox()


def _free_names(tree: nodes.Template) -> frozenset[str]:
    from promptops.core.template.jinja_syntax import free_names

    return free_names(tree)


def _uses(tree: nodes.Template) -> tuple[frozenset[str], frozenset[str]]:
    from promptops.core.template.jinja_uses import data_names, text_names

    return text_names(tree), data_names(tree)


def _check(text: str, tree: nodes.Template) -> int:
    from promptops.core.template.jinja_syntax import check_tree

    return check_tree(text, tree)


def _code(text: str, tree: nodes.Template, name: str) -> CodeType:
    """Compiles a checked tree, and changes the tree to do so."""
    from promptops.core.template.jinja_metering import meter

    try:
        code = _environment().compile(meter(tree, _environment()), name=name)
    except Exception as error:
        raise _broken(text, error) from error
    assert isinstance(code, CodeType)
    return code


def _parse(text: str) -> nodes.Template:
    from promptops.core.template.jinja_lexer import large
    from promptops.core.template.simple import openings

    environment = _environment()
    if openings(text) > TEMPLATE_NODES:
        raise TemplateInvalid(large())
    try:
        return environment.parse(text)
    except Exception as error:
        raise _broken(text, error) from error


def _broken(text: str, error: Exception) -> TemplateInvalid:
    """Words an error of Jinja or of Python's compiler: TemplateError, Recursion-, Value-, Memory- or SyntaxError."""
    from jinja2.exceptions import TemplateSyntaxError

    from promptops.core.template.jinja_lexer import TooMuch
    from promptops.core.template.jinja_syntax import offset

    if isinstance(error, TooMuch):
        return TemplateInvalid(error.message or "", offset=offset(text, error.lineno, ""))
    if isinstance(error, TemplateSyntaxError):
        return TemplateInvalid(f"not Jinja: {error.message}", offset=offset(text, error.lineno, ""))
    if isinstance(error, RecursionError):
        return TemplateInvalid("the template is nested too deeply")
    return TemplateInvalid(f"the template cannot be compiled: {str(error)[:200]}")
