"""Two braces that are meant as two braces: an escape of the simple language, where a prompt has escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.model import Input, Message, Prompt, Role
from promptops.core.template.simple import TagKind, each_tag, has_escapes
from promptops.core.template.template import Template


def rendered(text: str, *, escapes: bool = True, **values: str) -> str:
    message = Message(role=Role.USER, content=text)
    prompt = Prompt(
        name="answer", messages=(message,), inputs=tuple(Input(name=name) for name in values), escapes=escapes
    )
    template = Template.compile(prompt)
    content: str = template.render(values)[0]["content"]
    assert template.render(_Mapping(values))[0]["content"] == content  # the careful way agrees
    return content


class _Mapping(dict[str, str]):
    """No plain dict, so that the careful way renders it."""


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{{ "{{" }} name }}', "{{ name }}"),
        ("{{'{{'}} name }}", "{{ name }}"),
        ('{{ "{%" }} if {{ "%}" }}', "{% if %}"),
        ('{{ "{#" }}{{ "#}" }}{{ "}}" }}', "{##}}}"),
        ('{{ "{{" }}{{ q }}{{ "}}" }}', "{{V}}"),
        ('{{{ "{{" }}', "{{{"),
        ('{{ "{{" }}{{ "{{" }}', "{{{{"),
        ('${{ "{{" }} secrets.TOKEN }}', "${{ secrets.TOKEN }}"),
        ('{{ "x" }}', '{{ "x" }}'),
        ("{{ \"{{' }}", "{{ \"{{' }}"),
    ],
)
def test_an_escape_stands_for_what_is_in_its_quotes(text: str, content: str) -> None:
    assert rendered(text, q="V") == content


def test_a_prompt_without_escapes_sends_its_text_as_every_client_did() -> None:
    assert rendered('{{ "{{" }} {{ q }}', escapes=False, q="V") == '{{ "{{" }} V'


def test_a_value_never_becomes_an_escape_or_a_variable() -> None:
    assert rendered('{{ "{{" }}{{ q }}', q=' q }} {{ "{{" }}') == '{{ q }} {{ "{{" }}'


@given(st.lists(st.sampled_from(["{{", "}}", '"', "{", " ", "q", "$", "'"]), max_size=14).map("".join))
def test_any_text_is_sent_as_it_is_once_its_braces_are_escaped(text: str) -> None:
    escaped = text.replace("{", "\0").replace("\0\0", '{{ "{{" }}').replace("\0", "{")
    if not any(tag.kind in (TagKind.VARIABLE, TagKind.UNKNOWN) for tag in each_tag(escaped, escapes=True)):
        assert rendered(escaped) == text


@given(st.lists(st.sampled_from(["{{", "}}", '"', "'", "{", " ", "q", "{%"]), max_size=14).map("".join))
def test_escapes_change_no_variable_of_a_text(text: str) -> None:
    def names(escapes: bool) -> list[str]:
        return [tag.name for tag in each_tag(text, escapes=escapes) if tag.kind is TagKind.VARIABLE]

    assert names(True) == names(False)
    assert has_escapes(text) == any(tag.kind is TagKind.ESCAPE for tag in each_tag(text, escapes=True))
