"""docs/opentelemetry.md names what is written and read, and its code calls what there is."""

from __future__ import annotations

import ast
import re
from importlib import import_module

import pytest

from promptops import Client
from promptops.core.spans import names
from promptops.core.spans.names import SPELLINGS, Fact
from tests.support.checkout import ROOT

GUIDE = (ROOT / "docs" / "opentelemetry.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
WRITTEN, READ = GUIDE.partition("Written on spans:")[2].partition("Read from spans")[::2]
STAMP = {names.APP, names.CHANNEL, names.REVISION, names.VARIANT, names.PROMPT_NAME, names.CALL_ID, names.REPORTED}


def named(text: str) -> set[str]:
    """The names of attributes in a text."""
    return set(re.findall(r"`([a-z]\w*(?:\.\w+)+)`", text))


def test_every_attribute_that_is_written_is_named() -> None:
    also = {names.RELEASE, names.DIGEST, names.PROMPT_VERSION, names.LANGFUSE_VERSION, names.TEMPLATE_VERSION}
    assert (STAMP | also) - named(WRITTEN) == set()
    assert names.FLAG_EVENT in WRITTEN and names.FLAG_KEY in WRITTEN


def test_every_spelling_of_usage_is_in_the_table_of_what_is_read_and_no_other_is() -> None:
    table = READ.partition("\n\n")[2].partition("\n\n")[0]
    spelled = {name for fact, spellings in SPELLINGS.items() for name in spellings if fact is not Fact.RESPONSE_ID}
    assert named(table) - spelled == set()
    usage = (Fact.INPUT, Fact.CACHED, Fact.CACHE_WRITTEN, Fact.OUTPUT, Fact.REASONING, Fact.FINISH, Fact.PROVIDER)
    assert {name for fact in usage for name in SPELLINGS[fact]} - named(table) == set()


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.splitlines()[0][:40])
def test_the_code_calls_what_there_is(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("promptops"):
            module = import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "client":
            assert hasattr(Client, node.attr)


def test_a_span_of_another_language_has_the_whole_stamp() -> None:
    [go] = re.findall(r"^```go\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r'attribute\.String\("([\w.]+)"', go)) == STAMP - {names.CALL_ID, names.REPORTED}
