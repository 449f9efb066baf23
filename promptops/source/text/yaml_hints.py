"""What to do about text that YAML does not read as text: braces at its start, quotes in quotes, colons, backslashes."""

from __future__ import annotations

import re

from yaml.nodes import MappingNode, ScalarNode

_BRACES = re.compile(r"[:\-] +((\{\{[^{}]*\}\}).*)")
_DOUBLE_QUOTED = re.compile(r'[:\-,{] +"')
_SINGLE_QUOTED = re.compile(r"[:\-,{] +'")
_ESCAPED = re.compile(r"\\.")
_VALUE = re.compile(r"\s*(?:- +)*[\w-]+: +([^'\"\s].*)")
"""A key of a block with what follows it, if that is in no quotes."""
_COMPLETE = re.compile(r"(\[.*\]|\{.*\}|[|>][-+\d]*)\s*(#.*)?")
"""A value that YAML does not read as text, and that ends in its line; or the beginning of a block."""
_LOOSE = re.compile(r" +(?!- )(?![\w-]+:( |$))\S")
"""A line of text, with no key of its own."""
_SPECIAL = "@`%[{*&!>|?"
"""Characters that text without quotes cannot begin with."""
_LONGEST = 80

_UNQUOTED = "mapping values are not allowed"
_BACKSLASH = ("unknown escape character", "hexdecimal number")
_OUTSIDE = ("could not find expected ':'", "did not find expected key", "did not find expected '-' indicator")


def braces_hint(node: MappingNode) -> str:
    """Returns the hint for ``{{ticket}}`` without quotes, of which a node is the inner mapping."""
    keys = [key.value for key, _ in node.value if isinstance(key, ScalarNode)]
    return _quoted(f"{{{{{keys[0]}}}}}" if len(keys) == 1 else "{{input}}")


def syntax_hint(line: str, before: str, reason: str) -> str:
    """Returns the hint for text that is not YAML, from the line of the problem, the one before and libyaml's words."""
    value = _VALUE.match(line)
    if _UNQUOTED in reason and value:
        return _quoted(value[1].rstrip())
    if any(words in reason for words in _BACKSLASH):
        return "Use single quotes or `|`, where a backslash is a backslash."
    if line.startswith(("```", "{%")):
        return "Remove the line: the file is YAML alone, and templates are in its texts."
    for text in (line, before):
        if hint := _of_text(text):
            return hint
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "Indent with blanks: YAML takes no tabs there."
    is_loose = line[:1] == " " and not value and any(words in reason for words in _OUTSIDE)
    return (
        "A text of several lines begins with `|` after its key, and its lines are indented further." if is_loose else ""
    )


def _of_text(line: str) -> str:
    """Returns the hint for a line that has a text in it."""
    if match := _BRACES.search(line):
        in_flow = "{" in line[: match.start()]
        return _quoted(match[2] if in_flow else match[1].rstrip())
    plain = _ESCAPED.sub("", line)
    if _DOUBLE_QUOTED.search(line) and plain.count('"') > 2:
        return "A double quote inside double quotes ends the text: use single quotes, or a block (`|`)."
    if _SINGLE_QUOTED.search(line) and line.replace("''", "").count("'") > 2:
        return "A single quote inside single quotes ends the text: write it twice, or use a block (`|`)."
    value = _VALUE.match(line)
    is_text = value and value[1][0] in _SPECIAL and not _COMPLETE.fullmatch(value[1])
    return _quoted(value[1].rstrip()) if value and is_text else ""


def _quoted(text: str) -> str:
    if len(text) > _LONGEST:
        return "Put the text in quotes."
    quote = "'" if '"' in text else '"'
    return f"Put the text in quotes: {quote}{text}{quote}."
