"""Generated source files that cost a careless reader more than their size: each grows to any number of bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from tests.source.memory import MemoryTree

Make = Callable[[int], str]
HEAD = "model: openai/gpt-4o-2024-08-06\n"
GOOD = f"{HEAD}messages:\n- role: user\n  content: hi\n"


def tree_of(path: str, text: str) -> MemoryTree:
    """A workspace of one app with this file in it."""
    files = {"promptops.yml": b"registry: team\napps: [bot]\n"}
    if not path.startswith("prompts/"):
        files["bot/prompts/a.prompt.yml"] = GOOD.encode()
    if path.endswith((".jsonl", ".csv")):
        files["bot/evals/x.suite.yml"] = f"prompts: a\nchecks: [finish: stop]\ncases: {path[6:]}\n".encode()
    files[path if path == "promptops.yml" else f"bot/{path}"] = text.encode()
    return MemoryTree(files)


def cases() -> Iterator[tuple[str, str, Make]]:
    """Name, path and maker of every input. What is made is at most as long as asked for, and nearly so."""
    for unit in TEXTS:
        name = unit.encode("unicode_escape").decode()[-40:]
        yield f"block of {name}", "prompts/a.prompt.yml", _block(unit)
        if unit in MARKDOWN:
            yield f"markdown of {name}", "prompts/a.prompt.md", _markdown(unit)
    for unit in ESCAPED:
        yield (
            f"quoted {unit[:32]}",
            "prompts/a.prompt.yml",
            _around(f'{HEAD}messages: [{{role: user, content: "', unit, '"}]'),
        )
    for unit in JINJA:
        yield f"jinja of {unit[:32]}", "prompts/a.prompt.yml", _block(unit, "template: jinja2\n")
    for before, unit in ENTRIES:
        yield f"many {before}{unit}"[:60], "prompts/a.prompt.yml", _numbered(GOOD + before, unit)
    for before, unit in APP:
        yield f"app.yml with many {before}{unit}"[:60], "app.yml", _numbered(before, unit)
    for before, unit in WORKSPACE:
        yield (
            f"promptops.yml with many {before}{unit}"[:60],
            "promptops.yml",
            _numbered("registry: team\n" + before, unit),
        )
    for before, unit, after in FLOW:
        yield f"flow of {before}{unit}"[:60], "prompts/a.prompt.yml", _around(GOOD + before, unit, after)
    for path, before, unit in SUITES:
        yield f"{path} with many {before}{unit}"[:60], path, _numbered(before, unit)
    for text, schema in SCHEMAS.items():
        yield f"schema with {text}", "prompts/a.prompt.yml", _schema(schema)


TEXTS: tuple[str, ...] = (
    "{{ a", "{{ a }} ", "{{ a b }}\n", "{{>", "{{> x }}", "{{{", "{", "}}", "{% ", "{#", "{{ x#{% ", "}}{{",
    "a \u202e", "a\u200d", "\ufe0f", "\u0301", "\u2800", "\U0001f3f4\U000e0067",
    "sk-ant-api03-", "eyJaaaaaaaa.", "a://b:", "-----BEGIN A ",
    "<!-- promptops: ignore[", "a\n", "# promptops: ignore[secret] why\n",
)  # fmt: skip
MARKDOWN = {
    "{{ a", "{#", "{{> x }}", "<!-- promptops: ignore[",
    "<!-- promptops: ignore[secret] why -->\n", "<!-- promptops: ignore[secret] why --> ", "<!-- promptops: ignore   ",
}  # fmt: skip
TEXTS += tuple(sorted(MARKDOWN - set(TEXTS)))
ESCAPED = (r"{{ \u202e }}", r"\n{{ a b }}", r"\\", "a ")
JINJA = ("{#", "{% raw %}", "{% include '", "{% include 'x' %}")
ENTRIES = (
    ("", "k%d: 1\n"),
    ("modelParameters:\n", "  a%d: 1\n"),
    ("modelParameters:\n", "  a: 1\n"),
    ("inputs:\n", "  a%d: {}\n"),
    ("inputs:\n", "  %dx: 1\n"),
    ("inputs:\n", "  a%d: {type: nope}\n"),
    ("tools:\n", "- name: t%d\n"),
    ("tools:\n", "- name: t\n  parameters: {type: object}\n"),
    ("testData:\n", "- a: b%d # promptops: ignore[secret] why\n"),
    ("testData:\n", "- a%d\n"),
    ("testData:\n", "- &a%d b\n"),
    ("testData:\n- &a {}\n", "- *a\n"),
    ("testData:\n", "- !!int %d\n"),
    ("testData:\n", "- a: {{x}}\n"),
    ("testData:\n", '- a: "\\u202e %d"\n'),
    ("evaluators:\n", "- name: e%d\n  string: {equals: 1}\n"),
    ("evaluators:\n- name: e\n  string:\n", "    k%d: 1\n"),
    ("", "# promptops: ignore %d\n"),
    ("", "---\n"),
)
APP = (("models:\n", "  a%d:\n"), ("inputs:\n", "  a%d: {}\n"), ("", "a%d: 1\n"))
WORKSPACE = (
    ("apps:\n", "- a%d*\n"),
    ("apps:\n", "- ../a%d\n"),
    ("apps: [bot]\nchannels:\n", "  c%d: {promote_from: nope}\n"),
    ("apps: [bot]\nchannels:\n", "  c%d: {promote_from: [c0, c1, c2, c3]}\n"),
    ("apps: [bot]\n", "a%d: 1\n"),
)
FLOW = (
    ("testData: [", "1,", "]\n"),
    ("testData: [", "{},", "]\n"),
    ("testData: ", "[", "\n"),
    ("testData: ", "{a: ", "\n"),
    ("testData:\n", "- ", "\n"),
    ("testData: [{a: ", "1", "}]\n"),
    ("description: '", "a ", "\n"),
    ("evaluators: [{llm: {modelId: a/b, choices: [{choice: ab, score: 1}], prompt: '", "{{ x }} ", "'}}]\n"),
    ("description: '", "''", "'\n"),
    ("description: # promptops: ignore[secret] w", " ", "w\n"),
    ("responseFormat: json_schema\njsonSchema: '", '{"a":', "'\n"),
    ("responseFormat: json_schema\njsonSchema: '{", '"a":1,', '"b":1}\'\n'),
)
_SUITE, _JUDGE = (
    "prompts: a\nchecks: [finish: stop]\ncases:\n",
    "evaluators:\n- llm: {modelId: a/b, prompt: '', choices: [",
)
SUITES = (
    ("evals/x.suite.yml", _SUITE, "- {}\n"),
    ("evals/x.suite.yml", _SUITE, "- {id: %d, history: [a, b, c]}\n"),
    ("evals/x.suite.yml", _SUITE, "- {q%d: same words in every case of this suite}\n"),
    ("evals/x.suite.yml", _SUITE, "- {q: x, checks: [{contians: x}, {regex: '(%d'}]}\n"),
    ("evals/x.suite.yml", "prompts: a\ncases: [q: 1]\nchecks:\n", "- {contains: '{{q%d}}'}\n"),
    ("evals/x.suite.yml", "cases: [q: 1]\nprompts:\n", "- p%d\n"),
    ("evals/x.jsonl", "", '{"q%d": 1, "z": [[[]]]}\n'),
    ("evals/x.jsonl", "", "[\n"),
    ("evals/x.jsonl", "", "["),
    ("evals/x.csv", "id\n", '"\n'),
    ("evals/x.csv", "", "c%d,"),
    ("evals/x.csv", "", ","),
    ("prompts/a.prompt.yml", GOOD + _JUDGE, "{choice: c%d, score: 1},"),
    ("prompts/a.prompt.yml", GOOD.replace("hi", "'{{x}}'") + "testData:\n", "- {q: one two three four %d}\n"),
)
SCHEMAS: dict[str, Callable[[int], object]] = {
    "unique objects": lambda size: {
        "uniqueItems": True,
        "default": [{"a": n} for n in range(100_000, 100_000 + size // 16)],
    },
    "many anyOf": lambda size: {"default": 1, "anyOf": [{"type": "string"}] * (size // 20 - 2)},
    "a long pattern": lambda size: {"pattern": "a" * (size - 20)},
    "a long default": lambda size: {"maxLength": 1, "default": "a" * (size - 40)},
    "patterns of names": lambda size: {
        "patternProperties": {f"^a{n:06}": {} for n in range(size // 32)},
        "default": {f"a{n:06}": 1 for n in range(size // 32)},
    },
    "a chain of references": lambda size: {
        "$ref": "#/$defs/a000000",
        "$defs": {f"a{n:06}": {"$ref": f"#/$defs/a{n + 1:06}"} for n in range(size // 42)},
    },
}


def _repeated(unit: str, size: int) -> str:
    return unit * (size // len(unit.encode()))


def _numbered(before: str, unit: str) -> Make:
    def make(size: int) -> str:
        left = size - len(before)
        return before + "".join(unit.replace("%d", f"{i:06}") for i in range(left // len(unit.replace("%d", "000000"))))

    return make


def _around(before: str, unit: str, after: str) -> Make:
    return lambda size: before + _repeated(unit, size - len(before) - len(after)) + after


def _block(unit: str, more: str = "") -> Make:
    before = f"{HEAD}{more}messages:\n- role: user\n  content: |\n    x "
    indented = unit.replace("\n", "\n    ")
    return lambda size: before + _repeated(indented, size - len(before) - 1) + "\n"


def _markdown(unit: str) -> Make:
    return lambda size: f"---\n{HEAD}---\n" + _repeated(unit, size - len(HEAD) - 8)


def _schema(schema: Callable[[int], object]) -> Make:
    before = GOOD.replace("hi", '"{{x}}"')
    return lambda size: f"{before}inputs:\n  x: {json.dumps(schema(size - len(before) - 20))}\n"
