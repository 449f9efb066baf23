"""The Jinja that a prompt may use: checks a syntax tree, and refuses what is not allowed with its place.

What is allowed, and nothing else:

* ``{{ name }}``, ``{{ name.field }}``, ``{{ name["field"] }}``, ``{{ names[0] }}``, none starting with ``_``
* ``{% if %} {% elif %} {% else %}``, ``{{ a if b else c }}``, comparisons, ``in``, ``and``, ``or``, ``not``
* ``{% for x in xs %} {% else %}`` two deep, with ``if`` and with the fields of ``loop`` in :data:`LOOP`
* constants, and lists of them
* the filters in :data:`FILTERS` and the tests in :data:`TESTS`, and comments

No calls, assignments, macros, imports, arithmetic or string building. The sandbox keeps code from running; leaving
these out keeps memory and time in bounds. Imports jinja2, so only jinja.py imports it.
"""

from __future__ import annotations

import re

from jinja2 import nodes as n

from promptops.core.digest import check_text
from promptops.core.errors import Invalid, TemplateInvalid
from promptops.core.limits import TEMPLATE_NODES
from promptops.core.model import VARIABLE
from promptops.core.template.jinja_lexer import large
from promptops.core.template.simple import openings

MAX_LOOPS = 2
"""Loops in loops: lists of lists, such as orders and their lines; work grows with the power of the depth."""
MAX_DEPTH = 50
"""Levels of the syntax tree: far more than a person nests, and fewer than Python's own compiler refuses."""

MAX_BRANCHES = 200
"""``elif`` of one ``if``: Python's compiler recurses for each."""

MAX_COMPARED = 10
"""Comparisons in one chain, ``a < b < c``; people write two."""

MAX_NUMBER = 10**300
"""Below this, Python writes a number as text, and JSON has it as a finite number."""

FILTERS = frozenset(
    {
        "capitalize",
        "count",
        "d",
        "default",
        "first",
        "indent",
        "int",
        "items",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "round",
        "sort",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
    }
)
"""The filters a template may use."""

TESTS = frozenset(
    {
        "boolean",
        "defined",
        "divisibleby",
        "eq",
        "equalto",
        "even",
        "false",
        "float",
        "ge",
        "gt",
        "in",
        "integer",
        "iterable",
        "le",
        "lt",
        "mapping",
        "ne",
        "none",
        "number",
        "odd",
        "sequence",
        "string",
        "true",
        "undefined",
    }
)
"""The tests a template may use, after ``is``."""

LOOP = frozenset({"index", "index0", "first", "last", "length", "revindex", "revindex0"})
"""The fields of ``loop``."""

_NODES = frozenset(
    {
        "And",
        "Compare",
        "CondExpr",
        "Const",
        "Filter",
        "For",
        "Getattr",
        "Getitem",
        "If",
        "Keyword",
        "List",
        "Name",
        "Neg",
        "Not",
        "Operand",
        "Or",
        "Output",
        "Template",
        "TemplateData",
        "Test",
        "Tuple",
    }
)
_RESERVED = frozenset({"self", "super", "caller", "varargs", "kwargs"})
_NEWLINE = re.compile(r"\r\n|\r|\n")
_TAG = re.compile(r"\{[{%#]")


def check_tree(text: str, tree: n.Template) -> int:
    """Refuse a tree with anything that is not allowed; returns the number of its tags and parts of expressions.

    Raises:
        TemplateInvalid: with the offset in ``text``.
    """
    # Without recursion, so that a very deep tree is refused and does not exhaust the stack.
    pending: list[tuple[n.Node, int, int]] = [(tree, 0, 0)]
    count = openings(text)
    while pending:
        node, depth, loops = pending.pop()
        count += not isinstance(node, n.Template | n.Output | n.TemplateData)
        count += isinstance(node, n.Operand)  # a comparison that pays for itself is two calls
        problem = "nested too deeply" if depth > MAX_DEPTH else _problem(node, loops)
        if count > TEMPLATE_NODES:
            problem = large()
        if problem:
            # A scope has no line, but its first child has one.
            line = node.lineno or next((child.lineno for child in node.iter_child_nodes() if child.lineno), 1)
            raise TemplateInvalid(problem, offset=offset(text, line, _word(node)), hint=_hint(node))
        inner = loops + (type(node).__name__ == "For")
        loop = _loop_name(node) if loops else None
        pending += [(child, depth + 1, inner) for child in node.iter_child_nodes() if child is not loop]
    return count


def _loop_name(node: n.Node) -> n.Node | None:
    """The ``loop`` of ``loop.index``, which is not a variable and stands nowhere else."""
    if isinstance(node, n.Getattr) and isinstance(node.node, n.Name) and node.node.name == "loop" and node.attr in LOOP:
        return node.node
    return None


def _problem(node: n.Node, loops: int) -> str:
    kind = type(node).__name__
    if kind not in _NODES:
        return f"{_WORDS.get(kind, kind.lower())} is not allowed in a prompt"
    match node:
        case n.Name():
            return _name_problem(node.name, loops)
        case n.Getattr():
            return f"the field '{node.attr}' starts with an underscore" if node.attr.startswith("_") else ""
        case n.Getitem():
            return _key_problem(node.arg)
        case n.Filter():
            return _call_problem(node, "filter", FILTERS)
        case n.Test():
            return _call_problem(node, "test", TESTS)
        case n.For():
            return "a recursive loop is not allowed in a prompt" if node.recursive else _loop_problem(loops)
        case n.Const():
            return _constant_problem(node.value)
        case n.If():
            return f"an if has over {MAX_BRANCHES} elif" if len(node.elif_) > MAX_BRANCHES else ""
        case n.Compare():
            return f"over {MAX_COMPARED} comparisons in one chain" if len(node.ops) > MAX_COMPARED else ""
        case n.Neg():
            return "" if isinstance(node.node, n.Const) else "arithmetic is not allowed in a prompt"
    return ""


def _name_problem(name: str, loops: int) -> str:
    if name.startswith("_"):
        return f"the name '{name}' starts with an underscore"
    if name in _RESERVED or (name == "loop" and loops):
        return f"'{name}' is not a variable"
    return "" if VARIABLE.fullmatch(name) else f"'{name[:80]}' is not a variable's name"


def _constant_problem(value: object) -> str:
    """A constant is part of the message, so the rules of messages hold; escapes in it can write any character."""
    if isinstance(value, str):
        try:
            check_text(value, "a constant")
        except Invalid as error:
            return error.message
    if isinstance(value, int | float) and not -MAX_NUMBER < value < MAX_NUMBER:
        return "a number has over 300 digits"
    return ""


def _key_problem(key: n.Expr) -> str:
    if isinstance(key, n.Const) and isinstance(key.value, str) and key.value.startswith("_"):
        return f"the field '{key.value}' starts with an underscore"
    if isinstance(key, n.Const | n.Name | n.Neg):
        return ""
    return "only a constant or a name may stand in brackets"


def _call_problem(node: n.Filter | n.Test, kind: str, allowed: frozenset[str]) -> str:
    if node.name not in allowed:
        return f"the {kind} '{node.name}' is not allowed in a prompt"
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        return f"the {kind} '{node.name}' takes no * or **"
    return "" if getattr(node, "node", None) is not None else "a filter block is not allowed in a prompt"


def _loop_problem(loops: int) -> str:
    return f"loops nest at most {MAX_LOOPS} deep" if loops >= MAX_LOOPS else ""


_WORDS = {
    "Call": "a call",
    "Assign": "set",
    "AssignBlock": "set",
    "NSRef": "a namespace",
    "FilterBlock": "a filter block",
    "Macro": "a macro",
    "CallBlock": "a call block",
    "ScopedEvalContextModifier": "autoescape",
    "EvalContextModifier": "autoescape",
    "Scope": "autoescape",
    "Extends": "extends",
    "Do": "do",
    "ExprStmt": "do",
    "FromImport": "import",
    "With": "with",
    "Slice": "a slice",
    "Dict": "a mapping",
    "Concat": "~",
    "Mul": "*",
    "Add": "+",
    "Sub": "-",
    "Div": "/",
    "FloorDiv": "//",
    "Mod": "%",
    "Pow": "**",
    "Pos": "+",
}


def _hint(node: n.Node) -> str:
    kind = type(node).__name__
    if kind in ("Const", "If", "Compare"):
        return ""
    if kind == "Include":
        return 'A partial is written {% include "name" %} with a constant name and nothing else.'
    if kind == "Filter":
        return f"The filters are: {', '.join(sorted(FILTERS))}."
    if kind == "Test":
        return f"The tests are: {', '.join(sorted(TESTS))}."
    if kind == "Sub":
        return "A name with a hyphen cannot be used in Jinja."
    return "Compute it in the application and pass the result as a variable."


def _word(node: n.Node) -> str:
    return str(getattr(node, "name", "") or getattr(node, "attr", ""))


def free_names(tree: n.Template) -> frozenset[str]:
    """Returns the names that a template reads and that no loop of its own binds.

    Jinja's ``meta.find_undeclared_variables`` would evaluate constants, and ``"x" * 10**9`` is one.
    """
    free: set[str] = set()
    pending: list[tuple[n.Node, frozenset[str]]] = [(tree, frozenset())]
    while pending:
        node, bound = pending.pop()
        if isinstance(node, n.Name) and node.ctx == "load" and node.name not in bound:
            free.add(node.name)
        inner = bound
        if isinstance(node, n.For):
            targets = {target.name for target in node.target.find_all(n.Name)}
            targets |= {node.target.name} if isinstance(node.target, n.Name) else set()
            inner = bound | targets | {"loop"}
        inside = {id(child) for child in (*node.body, node.test)} if isinstance(node, n.For) else set()
        pending += [(child, inner if id(child) in inside else bound) for child in node.iter_child_nodes()]
    return frozenset(free)


def offset(text: str, line: int, word: str) -> int:
    """Returns the offset of an error. Jinja reports only the line, so this finds the word on it, else the first tag."""
    starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]
    start = starts[min(max(line, 1), len(starts)) - 1]
    end = next((later for later in starts if later > start), len(text))
    opening = _TAG.search(text, start, end)
    tag = opening.start() if opening else start
    at = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)").search(text, tag, end) if word else None
    return at.start() if at else tag
