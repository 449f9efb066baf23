"""Names that other tools take: aliases with blanks and slashes, and ``${{ … }}``, which is no variable there."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from promptops.core.compiled import compile_release
from promptops.core.digest import digest
from promptops.core.model import Content, Json
from promptops.core.release_bytes import encode
from tests.source.memory import checked, codes, prompt_findings

HEAD = "model: openai/gpt-4o-2024-08-06\n"


def file(content: str, more: str = "") -> str:
    return HEAD + f"messages:\n  - role: user\n    content: |-\n      {content}\n{more}"


def released(text: str, **more: str) -> Content:
    loaded = checked({"answer.prompt.yml": text, **more})
    content = loaded.app("bot").content
    assert content is not None, loaded.findings
    return content


def sent(content: Content, values: Mapping[str, Json]) -> str:
    """What a client sends, which has nothing but the bytes of the release."""
    data = encode(content)
    content_sent: str = (
        compile_release(data, digest=digest(data)).prompts["answer"].template.render(values)[0]["content"]
    )
    return content_sent


def test_a_name_with_blanks_or_slashes_works_by_its_alias() -> None:
    text = file(
        "Use {{LANGUAGES/FRAMEWORKS}}: {{ PASTE draft here }} {{tone}}",
        "inputs: {languages: {alias: LANGUAGES/FRAMEWORKS}, draft: {type: string, alias: [PASTE draft here]}}\n"
        "testData: [{LANGUAGES/FRAMEWORKS: Go, PASTE draft here: x, tone: warm, expected: y}]\n"
        "evaluators: [{name: e, string: {equals: y}}]\n",
    )
    loaded = checked({"answer.prompt.yml": text})
    assert loaded.findings == ()
    content = loaded.app("bot").content
    assert content is not None
    assert content.requires == ()
    assert [(item.name, item.schema) for item in content.prompts[0].inputs] == [
        (name, {"type": "string"}) for name in ("draft", "languages", "tone")
    ]
    assert sent(content, {"languages": "Go", "draft": "D", "tone": "warm"}) == "Use Go: D warm"
    (case,) = loaded.app("bot").suites["answer"].cases
    assert case.variables == {"languages": "Go", "draft": "x", "tone": "warm"}


def test_an_alias_of_app_yml_counts_in_every_prompt_and_partial() -> None:
    content = released(
        file("{{> facts }} {{THE LANGUAGE}} {{q}}"),
        **{
            "app.yml": "name: bot\ninputs: {language: {type: string, alias: THE LANGUAGE}}\n",
            "partials/facts.md": "{{THE LANGUAGE}} is spoken",
        },
    )
    assert sent(content, {"language": "Romansh", "q": "?"}) == "Romansh is spoken Romansh ?"


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ("{a: {alias: b}}", "wrong-value"),
        ("{a: {alias: '{{b c}}'}}", "wrong-value"),
        ("{a: {alias: ' b c'}}", "wrong-value"),
        ("{a: {alias: ''}}", "wrong-value"),
        ("{a: {alias: 3}}", "wrong-type"),
        ("{a: {alias: b c}, q: {alias: b c}}", "name-taken"),
    ],
)
def test_an_alias_that_cannot_be_one_is_an_error(inputs: str, code: str) -> None:
    findings = prompt_findings(file("{{q}} {{a}}", f"inputs: {inputs}\n"))
    assert [finding.code for finding in findings] == [code]


def test_a_name_without_an_alias_stays_an_error_whose_hint_has_the_alias() -> None:
    (finding,) = prompt_findings(file("{{LANGUAGES/FRAMEWORKS}}"))
    assert finding.code == "unknown-tag"
    assert "`alias: LANGUAGES/FRAMEWORKS`" in finding.hint


@pytest.mark.parametrize("literal", ["${{ secrets.TOKEN }}", "${{ github.event.issue.title }}", "${{ a || b }}"])
def test_what_follows_a_dollar_is_literal_as_in_githubs_tools(literal: str) -> None:
    text = file(f"Read {literal} in {{{{diff}}}}")
    assert prompt_findings(text) == []
    content = released(text)
    assert [item.name for item in content.prompts[0].inputs] == ["diff"]
    assert sent(content, {"diff": literal}) == f"Read {literal} in {literal}"


def test_a_price_that_nothing_declares_is_literal_with_a_warning_and_a_declared_one_is_filled_in() -> None:
    (finding,) = prompt_findings(file("It costs ${{price}}"))
    assert (finding.code, finding.line, finding.column) == ("dollar-tag", 5, 16)
    assert sent(released(file("It costs ${{price}}")), {}) == "It costs ${{price}}"
    for more in ("inputs: {price: {type: string}}\n", "testData: [{price: '5'}]\n"):
        text = file("It costs ${{price}}", more)
        assert [code for code, *_ in codes(prompt_findings(text))] == []
        assert sent(released(text), {"price": "5"}) == "It costs $5"
        assert released(text).requires == ()


def test_a_dollar_in_a_partial_is_read_by_what_the_prompt_declares() -> None:
    partials = {"partials/price.md": "${{price}} or ${{ env.PRICE }}"}
    with_price = released(file("{{> price }}", "inputs: {price: {type: string}}\n"), **partials)
    assert sent(with_price, {"price": "5"}) == "$5 or ${{ env.PRICE }}"
    assert sent(released(file("{{> price }}"), **partials), {}) == "${{price}} or ${{ env.PRICE }}"


def test_an_escape_writes_two_braces_and_the_release_says_that_it_needs_a_client_that_knows_it() -> None:
    text = file('Write {{ "{{" }} name }} for {{q}}')
    assert prompt_findings(text) == []
    content = released(text)
    assert content.requires == ("escapes",)
    assert sent(content, {"q": "Q"}) == "Write {{ name }} for Q"
    assert released(file("Write {{q}}")).requires == ()


def test_an_escape_in_a_partial_is_one_too_and_jinja_has_its_own() -> None:
    partial = {"partials/a.md": "{{ '{{' }} x }}"}
    assert sent(released(file("{{> a }}!"), **partial), {}) == "{{ x }}!"
    jinja = released(file("{{ '{{' }} {{ q }}", "template: jinja2\n"))
    assert jinja.requires == ()
    assert sent(jinja, {"q": "Q"}) == "{{ Q"
