"""What to do about text that YAML does not read as text: braces at its start, and double quotes in double quotes."""

from __future__ import annotations

import re

from yaml.nodes import MappingNode, ScalarNode

_BRACES = re.compile(r"[:\-] +((\{\{[^{}]*\}\}).*)")
_DOUBLE_QUOTED = re.compile(r'[:\-,{] +"')
_ESCAPED = re.compile(r"\\.")
_LONGEST = 80


def braces_hint(node: MappingNode) -> str:
    """Returns the hint for ``{{ticket}}`` without quotes, of which a node is the inner mapping."""
    keys = [key.value for key, _ in node.value if isinstance(key, ScalarNode)]
    return _quoted(f"{{{{{keys[0]}}}}}" if len(keys) == 1 else "{{input}}")


def syntax_hint(line: str, before: str) -> str:
    """Returns the hint for text that is not YAML, from the line of the problem and the one before; empty for none."""
    for text in (line, before):
        if match := _BRACES.search(text):
            in_flow = "{" in text[: match.start()]
            return _quoted(match[2] if in_flow else match[1].rstrip())
        if _DOUBLE_QUOTED.search(text) and _ESCAPED.sub("", text).count('"') > 2:
            return "A double quote inside double quotes ends the text: use single quotes, or a block (`|`)."
    return ""


def _quoted(text: str) -> str:
    if len(text) > _LONGEST:
        return "Put the text in quotes."
    quote = "'" if '"' in text else '"'
    return f"Put the text in quotes: {quote}{text}{quote}."
