"""`docs`: the pages of this version, in a pipe and on a terminal."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

import pytest

from promptops.cli.guide import GuidePage, pages
from tests.cli.conftest import Promptops
from tests.support.checkout import ROOT


@pytest.fixture(autouse=True)
def pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def test_all_pages_are_listed_with_what_they_are_about(promptops: Promptops) -> None:
    listed = json.loads(promptops("docs", "--json").out)["pages"]
    names = [page["page"] for page in listed]
    assert {"gates", "concepts", "integrations", "integrations/fastapi", "adr"} <= set(names)
    assert all(page["title"] and page["summary"] for page in listed)
    shown = promptops("docs").out
    assert all(name in shown for name in names if not name.startswith("adr/"))
    assert "adr/0001" not in shown


def test_a_page_is_what_its_file_has(promptops: Promptops) -> None:
    for name in ("gates", "docs/gates.md", "GATES"):
        assert promptops("docs", name).out == (ROOT / "docs/gates.md").read_text(encoding="utf-8")
    assert promptops("docs", "fastapi").out == (ROOT / "docs/integrations/fastapi.md").read_text(encoding="utf-8")


def test_a_section_ends_before_the_next_of_its_depth(promptops: Promptops) -> None:
    section = promptops("docs", "gates#checks").out
    assert section.startswith("## Checks\n")
    assert "\n## " not in section
    assert section in (ROOT / "docs/gates.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [("gate", "gates"), ("fastap", "integrations/fastapi"), ("gates#cheks", "gates#checks"), ("zzz", "promptops docs")],
)
def test_a_page_that_there_is_not_has_a_hint(promptops: Promptops, wanted: str, meant: str) -> None:
    refused = promptops("docs", wanted, exits=3)
    assert meant in refused.err


def test_a_terminal_gets_lines_of_its_width_and_names_of_pages(
    promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for name, page in pages().items():
        lines = promptops("docs", name).out.splitlines()
        assert max(map(len, lines)) <= 60, name
        assert not any(re.search(r"\.md[)#]", line) and "](" in line for line in lines), name
        assert page.title.split()[0] in "\n".join(lines)
    assert "(gates#checks)" in re.sub(r"\s+", " ", promptops("docs", "operations").out)


def test_anchors_are_those_that_github_makes() -> None:
    text = (
        "# The `app.yml`: what, and *why*?\n## Same\n## Same ##\n```\n# no heading\n```\n"
        '### See [the *gate*](gates.md#checks)\n#### Über uns – a_b\n<a id="own"></a>\n'
    )
    found = [heading.anchor for heading in GuidePage(path=PurePosixPath("a.md"), text=text).headings()]
    assert found == ["the-appyml-what-and-why", "same", "same-1", "see-the-gate", "über-uns--a_b", "own"]


def test_every_link_to_a_page_leads_to_one(promptops: Promptops) -> None:
    known = pages()
    for page in known.values():
        for name, anchor in re.findall(r" \(([a-z0-9/-]+)(?:#([\w-]+))?\)", page.linked(page.text)):
            if name in known and anchor:
                assert known[name].section(anchor)
