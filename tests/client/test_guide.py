"""docs/client.md says what is so: its settings, states, sources and reasons are there, and its code is code."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from promptops import AsyncClient, Client, State
from promptops.client.prompt import Prompt, Reason, Source
from promptops.client.state.app_release import ServedRelease
from promptops.client.status import Status
from tests.support.checkout import ROOT

GUIDE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    found = GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found, f"there is no section {title!r}"
    return found


def names(table: str) -> set[str]:
    """What stands between backticks in the first cells of the rows."""
    cells = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", table, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_setting_is_in_the_table() -> None:
    parameters = set(inspect.signature(Client.__init__).parameters) - {"self"}
    assert names(section("Settings")) == parameters
    assert parameters == set(inspect.signature(AsyncClient.__init__).parameters) - {"self"}


@pytest.mark.parametrize(
    ("name", "shown"), [("poll", "30 s"), ("timeout", "5 s"), ("start_timeout", "1.5 s"), ("strict", "off")]
)
def test_a_default_is_the_one_in_the_table(name: str, shown: str) -> None:
    default = inspect.signature(Client.__init__).parameters[name].default
    told = "off" if default is False else f"{default:g} s"
    assert told == shown
    assert re.search(rf"^\| `{name}` \|[^|]*\| {re.escape(shown)} \|", section("Settings"), re.MULTILINE)


def test_every_state_source_and_reason_is_explained() -> None:
    assert names(section("States")) == {str(state) for state in State}
    told = section("Getting prompts")
    assert [str(each) for each in (*Source, *Reason) if f"`{each}`" not in told] == []


def test_every_part_of_a_status_is_named() -> None:
    told = section("States")
    parts = set(Status.__dataclass_fields__) - {"channel", "state", "registry", "lineage", "epoch", "cursor", "running"}
    assert [part for part in sorted(parts) if f"`{part}`" not in told] == []


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.splitlines()[0][:40])
def test_the_code_is_code_and_calls_what_there_is(code: str) -> None:
    known = {"client": Client, "prompt": Prompt, "release": ServedRelease}
    for node in ast.walk(ast.parse(code.replace("…", "..."))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            assert hasattr(known[node.value.id], node.attr), ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Client", "AsyncClient"):
            given = {keyword.arg for keyword in node.keywords}
            assert given <= set(inspect.signature(Client.__init__).parameters)
