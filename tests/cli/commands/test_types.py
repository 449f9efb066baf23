"""`types`: what mypy --strict then knows of the prompts of a workspace; `check` finds a file that is behind."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Promptops
from tests.support.checkout import ROOT

NODE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "inner": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
    "required": ["name"],
}
DOCUMENT = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "from": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["title"],
}
ROWS: list[tuple[str, dict[str, Any] | None, list[str], list[str]]] = [
    # an input's schema, values that mypy takes, and values that it refuses
    ("text", {"type": "string"}, ['"a"'], ["1", "None", '["a"]', "True"]),
    ("undeclared", None, ['"a"'], ["1", "None"]),
    ("integer", {"type": "integer", "minimum": 0}, ["1"], ['"1"', "1.5"]),
    ("number", {"type": "number"}, ["1", "1.5"], ['"1"']),
    ("flag", {"type": "boolean"}, ["True"], ['"yes"', "1"]),
    ("nullable", {"type": ["string", "null"]}, ['"a"', "None"], ["1"]),
    ("anything", {"title": "All"}, ['"a"', "1", "None", '{"a": [1]}'], ["object()", "{1, 2}"]),
    ("choice", {"enum": ["a", "b", 3, None]}, ['"a"', "3", "None"], ['"c"', "4"]),
    ("constant", {"const": "a"}, ['"a"'], ['"b"']),
    ("numbers", {"enum": [1.5, 2.5], "type": "number"}, ["1.5"], ['"a"']),
    ("texts", {"type": "array", "items": {"type": "string"}}, ['["a"]', '("a", "b")', "[]"], ['"a"', "[1]", "{}"]),
    ("integers", {"type": "array", "items": {"type": "integer"}}, ["[1]", "(1, 2)"], ['["a"]', "1"]),
    ("list", {"type": "array"}, ['[1, "a"]'], ["1", "{1}"]),
    ("pair", {"type": "array", "prefixItems": [{"type": "string"}]}, ['["a", 1]'], ["1"]),
    ("mapping", {"type": "object"}, ['{"a": 1}', "{}"], ['"a"', "{1: 2}"]),
    ("values", {"type": "object", "additionalProperties": {"type": "integer"}}, ['{"a": 1}'], ['{"a": "b"}']),
    ("document", DOCUMENT, ['{"title": "a"}', '{"title": "a", "from": "b"}'], ["{}", '{"title": 1}', '{"titel": "a"}']),
    ("documents", {"type": "array", "items": DOCUMENT}, ['[{"title": "a", "n": 1}]'], ['[{"titel": "a"}]', '["a"]']),
    ("untyped", {"properties": {"a": {"type": "string"}}}, ["{}", '{"a": "b"}'], ['{"a": 1}']),
    ("either", {"anyOf": [{"type": "string"}, DOCUMENT]}, ['"a"', '{"title": "a"}'], ["1", "{}"]),
    ("one", {"oneOf": [{"type": "integer"}, {"type": "null"}]}, ["1", "None"], ['"a"']),
    (
        "both",
        {"allOf": [DOCUMENT, {"properties": {"more": {"type": "string"}}, "required": ["more"]}]},
        ['{"title": "a", "more": "b"}'],
        ['{"title": "a"}'],
    ),
    ("tree", {"$ref": "#/$defs/node", "$defs": {"node": NODE}}, ['{"name": "a", "inner": [{"name": "b"}]}'], ['"a"']),
    ("kind", {"$ref": "#/$defs/k", "$defs": {"k": {"enum": ["a"]}}}, ['"a"'], ['"b"']),
    (
        "nested",
        {"$ref": "#/$defs/c", "$defs": {"c": {"type": "array", "items": {"$ref": "#/$defs/c"}}}},
        ["[[]]"],
        ["1"],
    ),
    ("optional", {"type": "string", "default": "x"}, ['"a"'], ["1"]),
]
_PROMPT = "model: openai/gpt-4o-2024-08-06\nmessages: [{{role: user, content: {content}}}]\n{more}"


def _write(root: Path, prompts: dict[str, str]) -> None:
    (root / "promptops.yml").write_text("registry: test\napps: [apps/*]\n")
    for name, text in prompts.items():
        app, _, prompt = name.partition("/")
        file = root / "apps" / app / "prompts" / f"{prompt}.prompt.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _prompt(content: str, inputs: dict[str, Any] | None = None, more: str = "") -> str:
    written = f"inputs: {json.dumps(inputs)}\n" if inputs else ""
    return _PROMPT.format(content=json.dumps(content), more=written + more)


def _mypy(folder: Path, *files: str) -> str:
    """What mypy --strict says of these files."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--hide-error-context",
        "--no-pretty",
    ]
    done = subprocess.run(
        [*command, "--config-file", "", "--cache-dir", str(folder / "cache"), *files],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("form", ["py", "pyi"])
def test_a_type_checker_knows_the_variables_of_each_prompt(tmp_path: Path, promptops: Promptops, form: str) -> None:
    _write(tmp_path, {f"bot/{name}": _prompt("{{x}}", {"x": schema} if schema is not None else None)
                      for name, schema, _, _ in ROWS})  # fmt: skip
    promptops("types", "--out", f"types_of.{form}")
    lines = ["from promptops import Client", "from types_of import typed", "client = typed(Client())"]
    wrong: dict[int, str] = {}
    for name, _, good, bad in ROWS:
        for value in (*good, *bad):
            lines.append(f'client.get_prompt("bot/{name}").render(x={value})')
            if value in bad:
                wrong[len(lines)] = lines[-1]
    lines.append('client.get_prompt("bot/optional").render()')
    for call in ('get_prompt("bot/text").render()', 'get_prompt("bot/text").to_openai(x="a", y="b")',
                 'get_prompt("bot/txt")', 'get_prompt("bot/text").request("openai", x=1)'):  # fmt: skip
        lines.append(f"client.{call}")
        wrong[len(lines)] = lines[-1]
    (tmp_path / "uses.py").write_text("\n".join(lines) + "\n")
    said = _mypy(tmp_path, "uses.py", f"types_of.{form}")
    numbers = [int(number) for number in re.findall(r"^uses\.py:(\d+): error", said, re.MULTILINE)]
    found = {number: lines[number - 1] for number in numbers}
    assert {lines[number - 1] for number in found.keys() ^ wrong.keys()} == set(), said
    assert re.findall(r"^types_of.*", said, re.MULTILINE) == []


def test_an_application_is_typed_by_the_module_and_runs_with_it(tmp_path: Path, promptops: Promptops) -> None:
    names = {"tone-of-voice": {"type": "string"}, "class": {"type": "string"}, "__x": {"type": "string"}}
    texts = " ".join(f"{{{{{name}}}}}" for name in (*names, "customer.name", "self", "question"))
    _write(tmp_path, {
        "support-bot/answer": _prompt(texts, names),
        "support/bot-answer": _prompt("{% for d in docs %}{{ d }}{% endfor %}", more="template: jinja2\n"),
        "support/bot-answer-prompt": _prompt("Hi"),
        "a/client": _prompt("{{q}}"),
        "a/see": "model: openai/gpt-4o-2024-08-06\ninputs: {photo: {type: image}}\nmessages:\n  - role: user\n"
                 "    content:\n      - {type: text, text: '{{q}}'}\n      - {type: image, input: photo}\n",
        "a/talk": "model: openai/gpt-4o-2024-08-06\nmessages:\n  - {role: placeholder, name: history, optional: true}\n"
                  "  - {role: user, content: '{{q}}'}\n",
        "7/eleven": _prompt("{{q}}"),
    })  # fmt: skip
    promptops("types", "--out", "types_of.py")
    (tmp_path / "app.py").write_text("""
import promptops
from promptops.testing import Client
from types_of import SupportBotAnswer, SupportBotAnswerPrompt, typed

GIVEN: SupportBotAnswer = {"tone-of-voice": "a", "class": "b", "__x": "c", "customer": {"name": "Ann"}, "self": "d",
                           "question": "e"}


def answer(prompt: SupportBotAnswerPrompt) -> str:
    sent: promptops.Arguments = prompt.to_openai(**GIVEN)
    return str(sent["messages"][0]["content"])


def work(plain: promptops.Client | promptops.AsyncClient) -> list[object]:
    client = typed(plain)
    prompt: promptops.Prompt = client.get_prompt("7/eleven", key="ann", fallback="x")
    with client.call("support/bot-answer", key="ann", tags={"a": "b"}) as call:
        listed = call.prompt.render(docs=["a", "b"])
    client.get_prompt("support/bot-answer-prompt").render()
    client.get_prompt("a/client").format(q="x")
    history: list[dict[str, object]] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert len(client.get_prompt("a/talk").render(q="x", history=history)) == 3
    client.get_prompt("a/talk").render(q="x")
    client.get_prompt("a/see").render(q="x", photo=promptops.Image(url="https://example.com/a.png"))
    return [answer(client.get_prompt("support-bot/answer")), listed[0]["content"], prompt.version]


if __name__ == "__main__":
    print(work(Client.of_workspace(".")))
""")
    assert "Success" in _mypy(tmp_path, "app.py", "types_of.py")
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "['a b c Ann d e', 'ab', '0.0.0-dev.1']", done.stderr


def test_the_example_of_the_guide_is_typed(tmp_path: Path, promptops: Promptops) -> None:
    shutil.copytree(ROOT / "example-repo", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".promptops"))
    promptops("types", "--out", "my_app/prompts.py")
    (tmp_path / "my_app" / "__init__.py").touch()
    guide = (ROOT / "docs" / "typing.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```python\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    (tmp_path / "app.py").write_text(f"{block}\n\ndef ask_model(**call: object) -> str:\n    return 'Because.'\n")
    assert "Success" in _mypy(tmp_path, "app.py", "my_app/prompts.py")


def test_the_module_is_the_same_each_time_and_of_the_apps_that_are_named(tmp_path: Path, promptops: Promptops) -> None:
    _write(tmp_path, {"b/x": _prompt("{{q}}"), "a/x": _prompt("{{q}}"), "c/x": _prompt("{{q}}")})
    printed = promptops("types").out
    ast.parse(printed)
    said = promptops("types", "--out", "all.py").out
    assert "Wrote the types of 3 prompts to all.py." in said
    assert (tmp_path / "all.py").read_text().splitlines() == printed.splitlines()
    assert promptops("types", "--out", "all.py").out.strip() == "all.py is as it has to be."
    answer = promptops("types", "b", "a", "--out", "new/some.py", "--json").json
    assert (answer["path"], answer["changed"], answer["prompts"]) == ("new/some.py", True, 2)
    assert promptops("types", "a", "b", "--out", "new/some.py", "--json").json["changed"] is False
    assert "Literal['c/x']" in printed and "'c/x'" not in str(answer["text"])
    for one in ("types", "types c"):
        assert "class Prompts(Protocol):" in promptops(*one.split()).out


@pytest.mark.parametrize(
    ("arguments", "problem", "exits"),
    [
        (("--out", "types.txt"), "'types.txt' is not a module of Python", 2),
        (("--out", "mine.py"), "promptops did not write it", 2),
        (("--out", "apps"), "is not a module of Python", 2),
        (("--out", "folder.py"), "cannot be written", 2),
        (("bott",), "there is no app 'bott'", 3),
    ],
)
def test_what_cannot_be_written_is_an_error_and_nothing_is_lost(
    tmp_path: Path, promptops: Promptops, arguments: tuple[str, ...], problem: str, exits: int
) -> None:
    _write(tmp_path, {"bot/x": _prompt("{{q}}")})
    (tmp_path / "mine.py").write_text("x = 1\n")
    (tmp_path / "folder.py").mkdir()
    assert problem in promptops("types", *arguments, exits=exits).err
    assert (tmp_path / "mine.py").read_text() == "x = 1\n"


def test_prompts_with_errors_have_no_types(tmp_path: Path, promptops: Promptops) -> None:
    _write(tmp_path, {"bot/x": "messages: 7\n", "other/y": _prompt("{{q}}")})
    assert "x.prompt.yml:1" in promptops("types", exits=2).err
    assert "other/y" in promptops("types", "other").out


def test_check_finds_a_module_that_is_behind(tmp_path: Path, promptops: Promptops) -> None:
    _write(tmp_path, {"bot/x": _prompt("{{q}}"), "other/y": _prompt("{{q}}")})
    for arguments in (("--out", "src/all types.py"), ("--out", "all.pyi"), ("other", "--out", "other.py")):
        promptops("types", *arguments)
    formatted = tmp_path / "all.pyi"
    formatted.write_text(formatted.read_text().replace("'", '"'))  # by a formatter: it still says the same

    def behind() -> dict[str, str]:
        findings: Any = promptops("check", "--json").json["findings"]
        return {each["path"]: each["hint"] for each in findings if each["code"] == "types-behind"}

    assert behind() == {}
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "promptops.yml").write_text("registry: other\napps: [apps/*]\n")
    shutil.copy(tmp_path / "all.pyi", tmp_path / "inner" / "theirs.pyi")  # which is of the prompts of that workspace
    _write(tmp_path, {"bot/x": _prompt("{{q}} {{more}}")})
    assert behind() == {
        "all.pyi": "promptops types --out all.pyi",
        "src/all types.py": "promptops types --out 'src/all types.py'",
    }
    promptops("check", "--strict", exits=2)
    _write(tmp_path, {"other/y": _prompt("{{q}} {{more}}")})
    assert behind()["other.py"] == "promptops types other --out other.py"
    for arguments in (("--out", "src/all types.py"), ("--out", "all.pyi"), ("other", "--out", "other.py")):
        promptops("types", *arguments)
    assert behind() == {}
    (tmp_path / "other.py").write_text((tmp_path / "other.py").read_text().replace("apps other", "apps gone", 1))
    assert behind()["other.py"] == "promptops types --out other.py"  # of the apps that are left, which is no name here
    (tmp_path / "other.py").write_text('# Written by "promptops types" for \n')
    assert behind()["other.py"] == "promptops types --out other.py"
    promptops("types", "--out", "other.py")  # as the hint says
    assert behind() == {}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_check_goes_on_where_a_module_of_the_application_cannot_be_read(tmp_path: Path, promptops: Promptops) -> None:
    _write(tmp_path, {"bot/x": _prompt("{{q}}")})
    (tmp_path / "app.py").write_text("x = 1\n")
    (tmp_path / "app.py").chmod(0)
    assert "types-behind" not in promptops("check").out
