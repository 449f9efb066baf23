"""Templates of prompts that say `template: jinja2`. What hostile ones do is in test_attacks.py."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import MissingVariable, OutputTooLarge, TemplateInvalid
from promptops.core.model import Engine, Json, Message, Prompt, Role
from promptops.core.template.jinja import check_jinja, undeclared
from promptops.core.template.jinja_sandbox import COMPARED, EACH, Sandbox
from promptops.core.template.jinja_syntax import FILTERS, TESTS
from promptops.core.template.template import Template


def rendered(text: str, values: Mapping[str, Json], limit: int = 1_000_000) -> str:
    prompt = Prompt(name="answer", engine=Engine.JINJA2, messages=(Message(role=Role.USER, content=text),))
    (message,) = Template.compile(prompt, limit=limit).render(values)
    content: str = message["content"]
    return content


DOCS: list[Json] = [{"title": "One", "text": "a\nb"}, {"title": "Two", "text": "c"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello {{ name }}!\n", "Hello Ada!\n"),
        (
            "{% for d in docs %}{{ loop.index }}/{{ loop.length }} {{ d.title }}: {{ d['text'] }}\n{% endfor %}",
            "1/2 One: a\nb\n2/2 Two: c\n",
        ),
        ("{% for d in docs if d.title == 'Two' %}{{ d.title }}{% else %}none{% endfor %}", "Two"),
        ("{% for d in empty %}{{ d }}{% else %}none{% endfor %}", "none"),
        (
            "{% for d in docs %}{% for c in d.title %}{{ c }}-{{ loop.first }} {% endfor %}{% endfor %}",
            "O-true n-false e-false T-true w-false o-false ",
        ),
        ("{% for key, value in user|items %}{{ key }}={{ value }};{% endfor %}", "items=[1,2];name=null;"),
        ("{% if count > 2 and not empty %}many{% elif count == 2 %}two{% else %}few{% endif %}", "many"),
        ("{{ 'yes' if name in ['Ada', 'Bob'] else 'no' }}", "yes"),
        ("{% if user.age is defined %}{{ user.age }}{% else %}?{% endif %}", "?"),
        ("{{ user.age|default('unknown') }} {{ user.a.b|d(0) }}", "unknown 0"),
        ("{{ user.items[1] }}{{ docs[-1].title }}", "2Two"),
        # Values are what they are in the simple language.
        (
            "{{ user }} {{ true }} {{ none }} {{ 1.5 }} {{ [1, 'a'] }}",
            '{"items":[1,2],"name":null} true null 1.5 [1,"a"]',
        ),
        # A field is a key of the data, never a method.
        ("{{ user.items }}", "[1,2]"),
        ("{{ '{{ name }}' }}{% raw %}{{ name }}{% endraw %}{# nothing #}", "{{ name }}{{ name }}"),
        # Filters
        (
            "{{ docs|length }}{{ docs|count }}{{ docs|first|tojson }}{{ (docs|last).title }}",
            '22{"text":"a\\nb","title":"One"}Two',
        ),
        ("{{ docs|join(', ', attribute='title') }} {{ [3, 1]|join('-') }}", "One, Two 3-1"),
        ("{{ [3, 1, 2]|sort|join }} {{ ['b', 'A']|sort|join }} {{ [1, 2]|sort(reverse=true)|join }}", "123 Ab 21"),
        ("{{ docs|sort(attribute='title', reverse=true)|join(' ', 'title') }}", "Two One"),
        ("{{ [1, '1', 2, 1]|unique|tojson }} {{ 'aba'|list|unique|join }}", '[1,"1",2] ab'),
        (
            "{{ 'abc'|upper }}{{ 'ABC'|lower }}{{ 'a b'|title }}{{ 'aB'|capitalize }}[{{ ' x '|trim }}]",
            "ABCabcA BAb[x]",
        ),
        (
            "{{ docs[0].text|indent }}|{{ docs[0].text|indent(2, true) }}|{{ 'a\n\nb'|indent(1, blank=true) }}",
            "a\n    b|  a\n  b|a\n \n b",
        ),
        (
            "{{ 'one two three'|truncate(9, leeway=0) }} {{ 'abcdef'|truncate(4, true, '', 0) }} {{ 'a'|truncate(1) }}",
            "one... abcd a",
        ),
        ("{{ '42'|int }} {{ 'x'|int(7) }} {{ 3.7|int }} {{ 2.567|round(2) }} {{ 2.5|round }}", "42 7 3 2.57 2.0"),
        ("{{ {'a': 1}|default('x') if false else user|tojson(indent=1) }}", None),
        ("{{ user|tojson(indent=1) }}", '{\n "items": [\n  1,\n  2\n ],\n "name": null\n}'),
    ],
)
def test_what_is_allowed_renders(text: str, expected: str | None) -> None:
    values: dict[str, Json] = {
        "name": "Ada",
        "docs": DOCS,
        "empty": [],
        "count": 3,
        "user": {"items": [1, 2], "name": None},
    }
    if expected is None:
        with pytest.raises(TemplateInvalid, match="a mapping is not allowed"):
            check_jinja(text)
        return
    assert rendered(text, {name: values[name] for name in undeclared(text)}) == expected


@pytest.mark.parametrize(
    ("text", "offset", "problem"),
    [
        ("ok\n{{ a.__class__ }}", 8, "the field '__class__' starts with an underscore"),
        ("{{ a }}\n\n {{ _b }}", 13, "the name '_b' starts with an underscore"),
        ("x\n  {% set x = 1 %}", 4, "set is not allowed"),
        ("{{ a|safe }}", 5, "the filter 'safe' is not allowed"),
        ("{{ a is sameas(b) }}", 8, "the test 'sameas' is not allowed"),
        ("{{ a() }}", 0, "a call is not allowed"),
        ("{{ user-name }}", 0, "- is not allowed"),
        ("{{ a + 1 }}", 0, "+ is not allowed"),
        ("{{ a ~ b }}", 0, "~ is not allowed"),
        ("{{ a[1:2] }}", 0, "only a constant or a name may stand in brackets"),
        ("{% include 'part' %}", 0, "include is not allowed"),
        ("{% block x %}{% endblock %}", 9, "block is not allowed"),
        ("{{ self }}", 3, "'self' is not a variable"),
        ("{% for a in b %}{{ loop }}{% endfor %}", 19, "'loop' is not a variable"),
        ("{% for a in b %}{{ loop.cycle }}{% endfor %}", 19, "'loop' is not a variable"),
        ("{{ naïve }}", 3, "'naïve' is not a variable's name"),
        ("{% for a in b %}{% for c in a %}{% for d in c %}{% endfor %}{% endfor %}{% endfor %}", 0, "at most 2 deep"),
        ("a\r\nb {{ c", 5, "not Jinja: unexpected end of template"),
        ("{% if a %}", 0, "not Jinja: Unexpected end of template"),
        ("{% nothing %}", 0, "not Jinja: Encountered unknown tag 'nothing'"),
    ],
)
def test_what_is_not_allowed_is_refused_where_it_stands(text: str, offset: int, problem: str) -> None:
    with pytest.raises(TemplateInvalid) as caught:
        check_jinja(text)
    assert problem in caught.value.message
    assert caught.value.offset == offset


def test_a_missing_field_is_named() -> None:
    with pytest.raises(MissingVariable, match="variable 'age' of prompt 'answer'"):
        rendered("{{ user.age }}", {"user": {}})
    with pytest.raises(MissingVariable, match="'title'"):
        rendered("{{ docs|join(attribute='title') }}", {"docs": [{}]})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ 1 if x > 'a' else 2 }}", "TypeError"),
        ("{% for y in x %}{% endfor %}", "int is not a list"),
        ("{{ 1 if x is divisibleby(0) else 2 }}", "ZeroDivisionError"),
        ("{{ 'a'|indent(41) }}{{ x }}", "41 is not a whole number from 0 to 40"),
    ],
)
def test_a_template_that_fails_on_its_values_says_so(text: str, problem: str) -> None:
    with pytest.raises(TemplateInvalid, match="prompt 'answer' cannot be rendered with these values") as caught:
        rendered(text, {"x": 1})
    assert problem in caught.value.message


def test_loops_are_paid_for_by_what_they_hold() -> None:
    text = "{% for a in xs %}{% for b in xs %}{% if b %}{% endif %}{% endfor %}{% endfor %}"
    assert rendered(text, {"xs": [0] * 300}) == ""
    with pytest.raises(TemplateInvalid, match="more than 2,000,000 steps"):
        rendered(text, {"xs": [0] * 3_000})


def test_output_is_capped_while_it_is_made() -> None:
    text = "{% for a in xs %}{{ a }}{% endfor %}"
    assert rendered(text, {"xs": ["x"] * 100}, limit=100) == "x" * 100
    with pytest.raises(OutputTooLarge, match="over 100 characters"):
        rendered(text, {"xs": ["x"] * 101}, limit=100)


def test_the_filters_and_tests_that_are_allowed_are_the_ones_there_are() -> None:
    sandbox = Sandbox()
    assert set(sandbox.filters) == FILTERS | {EACH, COMPARED}
    assert set(sandbox.tests) >= TESTS


TOKENS = st.sampled_from(
    [
        *("{{", "}}", "{%", "%}", "{#", "#}", "if", "else", "endif", "for", "in", "endfor", "is", "not", "and"),
        *("x", "y", "loop", "index", "_z", "1", "'a'", "defined", "[", "]", "(", ")", ".", ",", "|", "-", "~", "=="),
    ]
)


@given(st.lists(TOKENS, max_size=25))
def test_any_text_compiles_or_is_refused_with_a_place_in_it(words: list[str]) -> None:
    text = " ".join(words)
    try:
        check_jinja(text)
    except TemplateInvalid as error:
        assert 0 <= error.offset <= len(text)
