"""Prompt files in the shapes that strangers' repositories have: keys of other tools, braces of other languages, suites
that nothing here can run. Made by chance from a seed, with what GitHub's own tools send of each.

The shapes are those of some 12,000 public files; none of their text is here.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_NAMES = ("input", "text", "customer_name", "TARGET_LANGUAGE", "scale-factor", "diff", "q1")
_WORDS = ("Review", "the", "report", "for", "gaps", "—", "naïve", "日本語", "list", "each", "claim", "3", "times", "🙂")
_PIECES: Sequence[Callable[[random.Random, str], str]] = (
    lambda rng, name: f"{{{{{name}}}}}",
    lambda rng, name: f"{{{{ {name} }}}}",
    lambda rng, name: f"<{name}>\n{{{{{name}}}}}\n</{name}>",
    lambda rng, name: f"## {_words(rng)}\n- {_words(rng)}\n- **{_words(rng)}**: {{{{ {name} }}}}",
    lambda rng, name: r"The share is \frac{a}{b}, $x^{2}$, \sum_{i=0}^{n}",
    lambda rng, name: 'Answer as {"label": "x", "why": {"a": [1, 2]}}',
    lambda rng, name: "Secrets are read as ${{ secrets.TOKEN }} in `${{ github.event.issue.body }}`",
    lambda rng, name: f"```python\nprint(f'{{{name}}}')\n```",
    lambda rng, name: "[INSERT THE TEXT HERE] and <the text>, $5.00 at 100%",
    lambda rng, name: "| a | b |\n|---|---|\n| 1: x | # y |",
    lambda rng, name: f"- item: \"{_words(rng)}\"\n  key: '{_words(rng)}'",
    lambda rng, name: _words(rng),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A file, and what GitHub's tools send for these values: a role and a text for each message."""

    text: str
    values: Mapping[str, str]
    messages: Sequence[tuple[str, str]]


def stranger(seed: int) -> Stranger:
    """Returns a file that GitHub's tools take."""
    rng = random.Random(seed)
    names = rng.sample(_NAMES, rng.randint(1, 3))
    values = {name: rng.choice(("a value", "{{other}}", "7", "two\nlines")) for name in names}
    messages = _messages(rng, names)
    entries = [*_head(rng), ("messages", messages), *_suite(rng, names), *_of_other_tools(rng, names)]
    rng.shuffle(entries)
    text = "".join(_entry(rng, key, value) for key, value in entries)
    sent = [(message["role"].lower(), _filled(message["content"], values)) for message in messages]
    used = {name: value for name, value in values.items() if any(_tag(name).search(m["content"]) for m in messages)}
    return Stranger(text=rng.choice(("", "---\n", "# made by hand\n")) + text, values=used, messages=sent)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Fills in each variable once, in one pass, as GitHub's tools do: a value is not looked into."""
    tag = re.compile("|".join(f"(?<!\\$){{{{\\s*{re.escape(name)}\\s*}}}}" for name in values))
    return tag.sub(lambda match: values[match[0].strip("{} ")], text)


def _tag(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\$)\{{\{{\s*{re.escape(name)}\s*\}}\}}")


def _words(rng: random.Random) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(rng.randint(1, 8)))


def _messages(rng: random.Random, names: Sequence[str]) -> list[dict[str, str]]:
    roles = rng.choice((("user",), ("system", "user"), ("System", "User"), ("system", "user", "assistant", "user")))
    return [
        {
            "role": role,
            "content": "\n\n".join(rng.choice(_PIECES)(rng, rng.choice(names)) for _ in range(rng.randint(1, 4))),
        }
        for role in roles
    ]


def _head(rng: random.Random) -> list[tuple[str, object]]:
    parameters = rng.choice(({}, {"temperature": 0.2}, {"max_tokens": 400, "top_p": 0.9}, {"maxCompletionTokens": 99}))
    model = rng.choice((None, "gpt-4", "gpt-4o-mini", "openai/gpt-4o", "openai/gpt-4.1-mini", "meta/Llama-4"))
    return [
        ("name", rng.choice(("Protocol: endpoint review", "A 'quoted' name", "2024"))),
        ("description", f"Persona: {_words(rng)}"),
        *([("model", model)] if model else []),
        *([("modelParameters", parameters)] if parameters else []),
    ]


def _suite(rng: random.Random, names: Sequence[str]) -> list[tuple[str, object]]:
    """Test data and evaluators, of which half can be run by no tool but the stranger's own."""
    case: dict[str, object] = {name: rng.choice(("some text", 30, 1.5, True, None)) for name in names}
    cases: list[object] = [case, rng.choice(({"vars": case}, {"inputs": case}, {"expected": "x"}, "a text", {}))]
    evaluators: list[object] = [
        {"name": "contains", "string": {"contains": "x"}},
        {"name": "similar", "uses": "github/similarity"},
        {"name": "shape", "regex": {"pattern": "(?i)(a|b)"}},
        {"name": "code", "python": "return 'x' in output"},
        {"type": "regex", "target": "messages[0]", "pattern": "x"},
        "Output must be polite",
        {"name": "judged", "llm": {"modelId": "openai/gpt-4o", "prompt": "{{completion}} ok?"}},
        {"name": "several", "string": {"contains": "x", "startsWith": "y"}},
    ]
    data: object = rng.choice((cases, cases[:1], [], "none", {"q": 1}))
    checks: object = rng.choice((rng.sample(evaluators, rng.randint(1, 5)), [], "polite"))
    return [(key, value) for key, value in (("testData", data), ("evaluators", checks)) if rng.random() < 0.8]


def _of_other_tools(rng: random.Random, names: Sequence[str]) -> list[tuple[str, object]]:
    kept: list[tuple[str, object]] = [
        ("version", "1.0.0"),
        ("metadata", {"domain": "clinical", "tags": ["a", "b"], "requires_context": False}),
        ("variables", [{"name": name, "description": "what it is", "required": True} for name in names]),
        ("inputs", [{"name": name, "description": "what it is", "default": "All"} for name in names]),
        ("authors", ["A. Stranger"]),
        ("tags", ["x", "y"]),
        ("outputs", [{"format": "markdown", "structure": [{"header": "## Plan"}]}]),
        ("license", "MIT"),
        ("created", "2025-07-01"),
    ]
    return rng.sample(kept, rng.randint(0, 5))


def _entry(rng: random.Random, key: str, value: object) -> str:
    if key != "messages":
        return f"{key}: {json.dumps(value, ensure_ascii=False)}\n"
    assert isinstance(value, list)
    return "messages:\n" + "".join(_message(rng, item["role"], item["content"]) for item in value)


def _message(rng: random.Random, role: str, content: str) -> str:
    """A message in one of the ways in which YAML writes text."""
    if rng.random() < 0.6:
        block = "".join(f"      {line}\n" if line else "\n" for line in content.split("\n"))
        return f"  - role: {role}\n    content: |-\n{block}"
    quoted = json.dumps(content, ensure_ascii=rng.random() < 0.3 and content.isascii())
    if rng.random() < 0.5 and "\n" not in content:
        quoted = "'" + content.replace("'", "''") + "'"
    return f"  - content: {quoted}\n    role: {role}\n"
