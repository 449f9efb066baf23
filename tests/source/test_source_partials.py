"""Partials are frozen into the text; what a tag does wrong is said where it stands."""

from __future__ import annotations

import pytest

from tests.source.memory import checked, codes

HEAD = "model: openai/gpt-4o-2024-08-06\n"


def prompt(content: str, *, engine: str = "simple") -> str:
    lines = "".join(f"      {line}\n" for line in content.split("\n"))
    return f"{HEAD}template: {engine}\nmessages:\n  - role: user\n    content: |\n{lines}"


def text_of(files: dict[str, str]) -> str:
    """The one message of the one prompt."""
    loaded = checked({**files})
    assert loaded.findings == ()
    content = loaded.app("bot").content
    assert content is not None
    return content.prompts[0].written[0].content


def test_a_partial_is_inlined_without_its_last_line_end() -> None:
    files = {"a.prompt.yml": prompt("Say {{> tone/rules }}!"), "partials/tone/rules.md": "be {{> how}}\n"}
    assert text_of({**files, "partials/how.txt": "kind to {{ name }}\n"}) == "Say be kind to {{ name }}!\n"


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ('a {% include "rules" %} b', "a be kind b\n"),
        ("a {%- include 'rules' -%} b", "a {#- #}be kind{# -#} b\n"),
        (
            '{% raw %}{% include "rules" %}{% endraw %}{% include "rules" %}',
            '{% raw %}{% include "rules" %}{% endraw %}be kind\n',
        ),
    ],
)
def test_an_include_of_jinja_is_inlined(tag: str, text: str) -> None:
    assert text_of({"a.prompt.yml": prompt(tag, engine="jinja2"), "partials/rules.md": "be kind\n"}) == text


@pytest.mark.parametrize("engine", ["simple", "jinja2"])
def test_a_missing_partial_and_a_circle_are_errors_where_they_stand(engine: str) -> None:
    def include(name: str) -> str:
        return f"{{{{> {name} }}}}" if engine == "simple" else f'{{% include "{name}" %}}'

    files = {
        "a.prompt.yml": prompt(f"one\ntwo {include('rulse')} {include('a')}", engine=engine),
        "partials/rules.md": "be kind\n",
        "partials/a.md": f"a\n{include('b')}\n",
        "partials/b.md": f"b {include('a')}\n",
    }
    loaded = checked({**files})
    assert [(finding.code, finding.path, finding.line, finding.column) for finding in loaded.findings] == [
        ("partial-missing", "bot/a.prompt.yml", 7, 11),
        ("partial-cycle", "bot/partials/b.md", 1, 3),
        ("unused-partial", "bot/partials/rules.md", 1, 1),
    ]
    assert loaded.findings[0].hint == "Did you mean 'rules'?"
    assert "a → b → a" in loaded.findings[1].message


def test_partials_that_double_end_at_the_cap() -> None:
    files = {f"partials/p{n}.md": f"{{{{> p{n + 1} }}}}" * 10 for n in range(9)}
    files |= {"partials/p9.md": "x" * 10, "a.prompt.yml": prompt("{{> p0 }}")}
    assert "prompt-too-large" in [finding.code for finding in checked({**files}).findings]


def test_partials_nest_ten_deep() -> None:
    files = {f"partials/p{n}.md": f"{{{{> p{n + 1} }}}}" for n in range(11)}
    files |= {"partials/p11.md": "x", "a.prompt.yml": prompt("{{> p0 }}")}
    found = [(finding.code, finding.path) for finding in checked({**files}).findings]
    assert found == [("unused-partial", "bot/partials/p11.md"), ("partial-cycle", "bot/partials/p9.md")]


def test_a_partial_cannot_make_a_tag_together_with_its_surroundings() -> None:
    loaded = checked({"a.prompt.yml": prompt("{{> open }}{ secret }}"), "partials/open.md": "{"})
    assert "template-invalid" in [finding.code for finding in loaded.findings]


def test_a_wrong_tag_in_a_partial_is_said_once_in_the_partial() -> None:
    files = {
        "a.prompt.yml": prompt("{{> p }}"),
        "b.prompt.yml": prompt("{{> p }}"),
        "partials/p.md": "x\n  {{ two words }}\n",
    }
    (finding,) = checked({**files}).findings
    assert (finding.code, finding.path, finding.line, finding.column) == ("unknown-tag", "bot/partials/p.md", 2, 3)


def test_what_jinja_refuses_in_a_partial_is_said_in_the_partial() -> None:
    files = {"a.prompt.yml": prompt('x {% include "p" %}', engine="jinja2"), "partials/p.md": "ok\n{{ f() }}\n"}
    (finding,) = checked({**files}).findings
    assert (finding.code, finding.path, finding.line) == ("template-invalid", "bot/partials/p.md", 2)


def test_a_suppressed_tag_is_literal_text_in_the_release() -> None:
    text = HEAD + "messages:\n  - role: user\n    # promptops: ignore[unknown-tag] people paste here\n"
    text += "    content: |\n      one\n      {{PASTE text here}}\n"
    assert text_of({"a.prompt.yml": text}) == "one\n{{PASTE text here}}\n"


def test_a_suppression_in_a_line_covers_the_line_and_a_block_that_begins_there() -> None:
    text = HEAD + "messages:\n  - role: user\n    content: '{{a b}}' # promptops: ignore[unknown-tag] shown\n"
    text += "  - role: user\n    content: | # promptops: ignore[unknown-tag] shown\n      x\n      {{a b}}\n"
    text += "  - role: user\n    content: '{{a b}}'\n"
    assert codes(checked({"a.prompt.yml": text}).findings) == [("unknown-tag", 10, 15)]


def test_a_suppression_in_markdown_covers_its_paragraph_and_is_not_part_of_the_text() -> None:
    body = "<!-- promptops: ignore[unknown-tag] shown -->\none {{a b}}\ntwo {{a b}}\n\nthree {{a b}}\n"
    loaded = checked({"a.prompt.md": f"---\n{HEAD}---\n{body}"})
    assert codes(loaded.findings) == [("unknown-tag", 8, 7)]
    fixed = f"---\n{HEAD}---\n{body}".replace("three {{a b}}", "three")
    assert text_of({"a.prompt.md": fixed}) == "one {{a b}}\ntwo {{a b}}\n\nthree"


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("ignore[unknown-tag]", "suppression-invalid"),  # no reason
        ("ignore because", "suppression-invalid"),  # no code
        ("ignore[] because", "suppression-invalid"),
        ("ignore[unknwon-tag] because", "suppression-invalid"),
        ("ignore[unknown-tag] because", "suppression-unused"),
        ("ignore[wrong-type] because", "suppression-unused"),  # cannot be suppressed
    ],
)
def test_a_suppression_needs_a_code_a_reason_and_something_to_cover(comment: str, found: str) -> None:
    text = f"{HEAD}name: [3] # promptops: {comment}\nmessages: [{{role: user, content: hi}}]\n"
    assert {finding.code for finding in checked({"a.prompt.yml": text}).findings} == {found, "wrong-type"}


def test_text_of_a_prompt_that_looks_like_a_suppression_is_text() -> None:
    text = (
        HEAD + "messages:\n  - role: user\n    content: |\n      # promptops: ignore[unknown-tag] text\n      {{a b}}\n"
    )
    assert codes(checked({"a.prompt.yml": text}).findings) == [("unknown-tag", 6, 7)]


def test_a_secret_in_a_prompt_stops_its_release_until_it_is_explained() -> None:
    key = "sk-ant-" + "api03-" + "a1B2c3D4e5F6g7H8i9J0k1L2"
    text = f"{HEAD}messages:\n  - role: user\n    content: {key}\n"
    loaded = checked({"a.prompt.yml": text})
    assert codes(loaded.findings) == [("secret", 4, 14)]
    assert loaded.app("bot").content is None
    explained = text.replace(key, f"{key} # promptops: ignore[secret] revoked, shown in a lesson")
    assert checked({"a.prompt.yml": explained}).app("bot").content is not None
