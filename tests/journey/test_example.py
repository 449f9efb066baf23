"""The example workspace is what its README says: clean, and with test data that its prompts take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from promptops.core.model import Prompt
from promptops.core.suite.suite import Case
from promptops.core.template.template import Template
from promptops.source.lint.lint import check
from promptops.source.load import Loaded
from promptops.source.tree import WorkingTree
from tests.journey.terminal import EXAMPLE


def _example() -> Loaded:
    return check(WorkingTree(EXAMPLE))


def _cases() -> Iterator[tuple[str, Prompt, tuple[Case, ...]]]:
    for app in _example().apps:
        assert app.content is not None
        for prompt in app.content.prompts:
            suites = [suite for suite in app.suites.values() if prompt.name in suite.prompts]
            yield f"{app.name}/{prompt.name}", prompt, tuple(case for suite in suites for case in suite.cases)


CASES = list(_cases())


def test_it_has_no_findings() -> None:
    assert _example().findings == ()


def test_it_has_the_prompts_its_readme_lists() -> None:
    assert sorted(name for name, _, _ in CASES) == [
        "release-notes/announce/newsletter",
        "release-notes/entries/rewrite",
        "sentiment/classify",
        "support-bot/answer",
        "support-bot/summarise",
        "support-bot/triage",
    ]


@pytest.mark.parametrize(("name", "prompt", "cases"), CASES, ids=[name for name, _, _ in CASES])
def test_every_case_is_rendered_and_says_what_is_expected(name: str, prompt: Prompt, cases: tuple[Case, ...]) -> None:
    template = Template.compile(prompt)
    rendered = ["\n".join(message["content"] for message in template.render(case.variables)) for case in cases]
    assert len(cases) >= 8
    assert len(set(rendered)) == len(cases)
    assert sum(bool(case.expected) for case in cases) >= 8


def test_the_answer_numbers_its_articles_and_says_when_there_are_none() -> None:
    prompt = next(prompt for name, prompt, _ in CASES if name == "support-bot/answer")
    template = Template.compile(prompt)
    documents = [{"title": "Plans", "text": "Two."}, {"title": "Limits", "text": "Ten.", "updated": "2026-05-02"}]
    with_articles = template.render({"question": "How many?", "documents": documents})[0]["content"]
    without = template.render({"question": "How many?", "documents": []})[0]["content"]
    assert with_articles.endswith("[1] Plans\nTwo.\n\n[2] Limits (updated 2026-05-02)\nTen.\n\n")
    assert without.endswith("\nThe search returned no article.\n")


def test_what_a_customer_writes_is_never_a_template() -> None:
    prompt = next(prompt for name, prompt, _ in CASES if name == "support-bot/answer")
    asked = "{{ product }} {% for x in documents %} {{ x }} {% endfor %}"
    messages = Template.compile(prompt).render({"question": asked, "documents": []})
    assert messages[-1] == {"role": "user", "content": asked}


def test_both_readmes_name_every_file_of_the_example() -> None:
    files = [path for path in sorted(EXAMPLE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    front = (EXAMPLE.parent / "README.md").read_text(encoding="utf-8")
    own = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for path in files:
        assert f"    {path.relative_to(EXAMPLE)}\n" in front, f"README.md shows what `init --example` lists: {path}"
        if path.suffix in (".py", ".yml", ".md") and path.name != "README.md":
            assert path.name in own, f"example-repo/README.md draws the tree: {path}"
