"""docs/http-api.md, whose second half is the OpenAPI document: ``python -m tests.support.http_reference [--write]``.

What stands above the mark is written by hand; every endpoint below it is as the server describes itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from promptops.server.app import create_app
from promptops.server.settings import Settings
from tests.support.checkout import ROOT

PAGE = ROOT / "docs" / "http-api.md"
MARK = "<!-- Below this line the page is written by `make docs`. -->\n"
_LONGEST = 4_000
_ALWAYS = frozenset(
    {
        "This is no HTTP, or its headers are too large",
        "`not-authenticated`",
        "`not-allowed`",
        "`request-too-large`",
        "`request-invalid`",
        "`too-many-requests`",
        "`registry-unavailable` · `deadline-exceeded`",
    }
)
"""Errors of every endpoint; the page names them once."""


def document() -> dict[str, Any]:
    """The OpenAPI document of the server."""
    found = json.loads(create_app(Settings(registry="sqlite:///none.db")).state.documentation)
    assert isinstance(found, dict)
    return found


def operations(found: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, address and description of everything the server does, by its sections."""
    every = [(method.upper(), path, each) for path, each in found["paths"].items() for method, each in each.items()]
    order = list(dict.fromkeys(operation["tags"][0] for _, _, operation in every))
    yield from sorted(every, key=lambda row: order.index(row[2]["tags"][0]))


def page() -> str:
    """The whole page, with the hand-written half as it stands there."""
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    found = document()
    return "".join([head, MARK, "\n", _table(found), *(_section(found, *row) for row in operations(found))])


def _table(found: Mapping[str, Any]) -> str:
    rows = ["## Endpoints\n", "| | | scope | |", "|---|---|---|---|"]
    for method, path, operation in operations(found):
        name = f"[`{method} {path}`](#{_anchor(method, path)})"
        rows.append(f"| {operation['tags'][0]} | {name} | {_scope(operation)} | {operation['summary']} |")
    return "\n".join(rows) + "\n"


def _anchor(method: str, path: str) -> str:
    return "".join(c for c in f"{method} {path}".lower() if c.isalnum() or c in "-_ ").replace(" ", "-")


def _scope(operation: Mapping[str, Any]) -> str:
    return f"`{operation['x-promptops-scope']}`" if operation["x-promptops-scope"] else "none"


def _section(found: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"\n## {method} {path}\n\n", f"Scope: {_scope(operation)}. {operation['summary']}."]
    parts.append(f"\n\n{operation['description']}\n" if operation.get("description") else "\n")
    if operation.get("parameters"):
        parts.append("\n| parameter | in | |\n|---|---|---|\n")
        parts += [f"| {_parameter(each)} |\n" for each in operation["parameters"]]
    if "requestBody" in operation:
        [(media, content)] = operation["requestBody"]["content"].items()
        is_json = media == "application/json"
        parts += (
            [_fields(found, content), _shown("Takes", _body(found, content))] if is_json else [f"\nTakes `{media}`.\n"]
        )
    for status, answer in operation["responses"].items():
        for media, content in answer.get("content", {}).items() if status.startswith("2") else ():
            if "example" in content:
                text = content["example"]
                shown = _shown(f"Answers `{status}`", text) if media == "application/json" else _plain(status, text)
                parts.append(shown)
        if status in ("204", "304"):
            parts.append(f"\nAnswers `{status}` without a body.\n")
    errors = [
        (code, answer["description"].rstrip(".")) for code, answer in operation["responses"].items() if code > "4"
    ]
    usual = [(code, said) for code, said in errors if said not in _ALWAYS]
    parts.append(f"\nErrors: {'; '.join(f'{code} {said}' for code, said in usual)}.\n" if usual else "")
    return "".join(parts)


def _parameter(each: Mapping[str, Any]) -> str:
    schema = each.get("schema", {})
    example = schema.get("example") or next(iter(schema.get("examples", ())), None)
    said = each.get("description") or schema.get("description") or ""
    more = [said] + ([f"for example `{example}`"] if example else []) + (["required"] if each.get("required") else [])
    return f"`{each['name']}` | {each['in']} | {'; '.join(part.rstrip('.') for part in more if part)}"


def body_schema(found: Mapping[str, Any], content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a body."""
    schema: Mapping[str, Any] = content["schema"]
    return found["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _body(found: Mapping[str, Any], content: Mapping[str, Any]) -> object:
    """The example of a body, or one made of the examples of its parts."""
    if "example" in content:
        return content["example"]
    return {name: _first(part) for name, part in body_schema(found, content)["properties"].items()}


def _fields(found: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """What a body may have, where not all of it is required."""
    schema = body_schema(found, content)
    optional = {name: part for name, part in schema["properties"].items() if name not in schema.get("required", ())}
    if not optional:
        return ""
    rows = ["\n| may be left out | otherwise |\n|---|---|\n"]
    for name, part in optional.items():
        said = part.get("description", "")
        default = f"`{json.dumps(part['default'])}`" if "default" in part else "the usual"
        rows.append(f"| `{name}` | {default}{f': {said}' if said else ''} |\n")
    return "".join(rows)


def _first(schema: Mapping[str, Any]) -> object:
    return next(iter(schema.get("examples", ())), schema.get("default"))


def _shown(title: str, example: object) -> str:
    text = json.dumps(example, ensure_ascii=False, indent=2)
    assert len(text) < _LONGEST, f"an example of {len(text)} characters is no example"
    return f"\n{title}\n\n```json\n{text}\n```\n"


def _plain(status: str, text: str) -> str:
    return f"\nAnswers `{status}`\n\n```text\n{text.rstrip()}\n```\n"


def main() -> int:
    """Write the page, or say whether it is as it should be."""
    text = page()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    return 0 if PAGE.read_text(encoding="utf-8") == text else 1


if __name__ == "__main__":
    sys.exit(main())
