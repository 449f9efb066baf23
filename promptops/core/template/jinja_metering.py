"""A checked tree -> the same tree, in which loops and comparisons pay for their work.

Filters and tests pay in their own code: :mod:`promptops.core.template.jinja_sandbox`. Imports jinja2, so only jinja.py
imports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

from jinja2 import Environment
from jinja2 import nodes as n
from jinja2.visitor import NodeTransformer

from promptops.core.template.jinja_sandbox import COMPARED, EACH


def meter(tree: n.Template, environment: Environment) -> n.Template:
    """Let every loop pay for the nodes of its body before it runs, so that an empty loop is not free.

    Every comparison pays for what it reads.
    """
    metered = _Metering().visit(tree)
    assert isinstance(metered, n.Template)
    metered.set_environment(environment)
    return metered


class _Metering(NodeTransformer):
    def visit_For(self, node: n.For) -> n.Node:  # noqa: N802 its name is Jinja's
        weight = n.Const(1 + sum(1 for _ in _descend(node)))
        self.generic_visit(node)
        node.iter = n.Filter(node.iter, EACH, [weight], [], None, None, lineno=node.lineno)
        return node

    def visit_Compare(self, node: n.Compare) -> n.Node:  # noqa: N802 its name is Jinja's
        """``a < b < c`` is ``a < b and b < c``: the operands have no side effects."""
        self.generic_visit(node)
        metered: list[n.Expr] = []
        left = node.expr
        for operand in node.ops:
            arguments: list[n.Expr] = [n.Const(operand.op), operand.expr]
            metered.append(n.Filter(left, COMPARED, arguments, [], None, None, lineno=node.lineno))
            left = operand.expr
        return reduce(lambda a, b: n.And(a, b, lineno=node.lineno), metered)


def _descend(loop: n.For) -> Iterator[n.Node]:
    pending: list[n.Node] = [*loop.body, *([loop.test] if loop.test else [])]
    while pending:
        node = pending.pop()
        yield node
        # An inner loop pays for its own body each time it is reached.
        pending += [node.iter] if isinstance(node, n.For) else list(node.iter_child_nodes())
