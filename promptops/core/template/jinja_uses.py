"""Finds out what a Jinja template does with each of its names: whether it prints the value, or treats it as data.

An input with only ``type: string`` may be declared by an author, or inferred from a name in a message; a release has
the same bytes for both. The use in the template distinguishes them. Imports
jinja2, so only jinja.py imports it.
"""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import nodes as n

_TEXT_FILTERS = frozenset({"capitalize", "d", "default", "indent", "lower", "title", "trim", "truncate", "upper"})
_NEUTRAL_FILTERS = frozenset({"count", "length"})
_NEUTRAL_TESTS = frozenset({"defined", "eq", "equalto", "in", "ne", "none", "string", "undefined"})
_ORDER = frozenset({"lt", "lteq", "gt", "gteq"})


def text_names(tree: n.Template) -> frozenset[str]:
    """Returns the names that are printed, also through filters that make text of text."""
    return frozenset(name for output in tree.find_all(n.Output) for part in output.nodes for name in _printed(part))


def data_names(tree: n.Template) -> frozenset[str]:
    """Returns the names that are looped over, have fields read, are counted with, or are compared with a number."""
    names: set[str] = set()
    for loop in tree.find_all(n.For):
        names |= _names(loop.iter)
    for field in tree.find_all(n.Getattr):
        names |= _names(field.node)
    for item in tree.find_all(n.Getitem):
        names |= _names(item.node)
    for call in (*tree.find_all(n.Filter), *tree.find_all(n.Test)):
        neutral = _TEXT_FILTERS | _NEUTRAL_FILTERS if isinstance(call, n.Filter) else _NEUTRAL_TESTS
        if call.name not in neutral:
            names |= _names(call.node)
    for comparison in tree.find_all(n.Compare):
        sides = [comparison.expr, *(operand.expr for operand in comparison.ops)]
        if any(operand.op in _ORDER for operand in comparison.ops) or any(map(_is_number, sides)):
            names.update(*map(_names, sides))
    return frozenset(names)


def _printed(node: n.Node) -> Iterator[str]:
    match node:
        case n.Name():
            yield node.name
        case n.Filter() if node.name in _TEXT_FILTERS and node.node is not None:
            yield from _printed(node.node)
        case n.CondExpr():
            yield from _printed(node.expr1)
            if node.expr2 is not None:
                yield from _printed(node.expr2)
        case n.And() | n.Or():
            yield from _printed(node.left)
            yield from _printed(node.right)


def _names(node: n.Node | None) -> set[str]:
    """Returns the name that a node is, through any filters."""
    while isinstance(node, n.Filter):
        node = node.node
    return {node.name} if isinstance(node, n.Name) else set()


def _is_number(node: n.Node) -> bool:
    return isinstance(node, n.Const) and isinstance(node.value, int | float)
