"""What a client holds and how it stands with its places change in one module each."""

from __future__ import annotations

import ast

from tests.support.checkout import modules

OWN = {"replica": "replica.py", "coming": "coming.py", "contact": "contact.py", "supply": "supply.py"}


def _written(tree: ast.AST) -> list[str]:
    """The replicas, contacts and supplies of which something is assigned: ``self._replica.held = …``, ``… += 1``."""
    written = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            inner = node.value
            while isinstance(inner, ast.Attribute | ast.Subscript):
                name = inner.attr if isinstance(inner, ast.Attribute) else ""
                written += [name.lstrip("_")] if name.lstrip("_") in OWN else []
                inner = inner.value
            written += [inner.id] if isinstance(inner, ast.Name) and inner.id in OWN else []
    return written


def test_only_its_own_module_changes_a_replica_a_contact_or_a_supply() -> None:
    wrong = [
        f"{module.path}: {name}"
        for module in modules("promptops")
        for name in _written(module.tree)
        if module.path.name != OWN[name]
    ]
    assert wrong == []


def test_the_search_for_writes_finds_them() -> None:
    found = _written(ast.parse("self._replica.held = 1; replica.contact.notes['x'] = (); contact.polls += 1; x.y = 2"))
    assert found == ["replica", "contact", "replica", "contact"]
