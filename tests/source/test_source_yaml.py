"""YAML is read strictly, and every problem has its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.digest import canonical
from promptops.source.text.strict_yaml import parse


def places(text: str) -> list[tuple[str, int, int]]:
    """Code, line and column of every problem."""
    found = []
    for problem in parse(text).problems:
        line = text.count("\n", 0, problem.offset) + 1
        found.append((problem.code, line, problem.offset - text.rfind("\n", 0, problem.offset)))
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),  # booleans of YAML 1.1 are words
        ("off", "off"),
        ("2024-05-01", "2024-05-01"),  # no dates
        ("1_000", "1_000"),
        ("010", "010"),  # neither octal nor decimal
        ("0x1F", "0x1F"),
        ("1:30", "1:30"),  # no base sixty
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("true", True),
        ("True", True),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("-12", -12),
        ("+5", 5),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("'1'", "1"),
        ('"true"', "true"),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
        ("a: |\n  x\n\n  y\n", {"a": "x\n\ny\n"}),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    document = parse(text)
    assert not document.problems
    assert document.value == value
    assert type(document.value) is type(value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: &x 1\nb: *x\n", ("yaml-alias", 1, 4)),  # the parser composes an alias as its anchor's own node
        ("a: &x [*x]\n", ("yaml-alias", 1, 4)),  # recursive
        ("a: *nobody\n", ("yaml-alias", 1, 4)),
        ("a: &x b\n*x : 1\n", ("yaml-alias", 1, 4)),  # as a key
        ("&x a: *x\n", ("yaml-alias", 1, 1)),  # of a key
        ("a: {b: 1}\n<<: {c: 1}\n", ("yaml-merge", 2, 1)),
        ("a: 1\nb: 2\na: 3\n", ("duplicate-key", 3, 1)),
        ("a: !!python/object:os.system {}\n", ("yaml-tag", 1, 4)),
        ("a: !!int '3'\n", ("yaml-tag", 1, 4)),
        ("no: 1\n", ("key-not-text", 1, 1)),
        ("a:\n  ON: 1\n", ("key-not-text", 2, 3)),
        ("1.10: 1\n", ("key-not-text", 1, 1)),
        ("null: 1\n", ("key-not-text", 1, 1)),
        ("a: .nan\n", ("number-range", 1, 4)),
        ("a: -.inf\n", ("number-range", 1, 4)),
        ("a: 1e999\n", ("number-range", 1, 4)),
        ("a: 9007199254740992\n", ("number-range", 1, 4)),
        ("a: 9007199254740992.0\n", ("number-range", 1, 4)),  # would print as an integer that is refused
        (f"a: {'9' * 5000}\n", ("number-range", 1, 4)),
        ("a: [\n", ("yaml-syntax", 2, 1)),
        ("a: 1\n--- \nb: 2\n", ("yaml-syntax", 2, 1)),
        ('a: "x\\0y"\n', ("nul-character", 1, 4)),
        ("content: {{input}}\n", ("key-not-text", 1, 11)),
        ("[" * 5000, ("too-deep", 1, 1)),
        ("- " * 50_000, ("too-deep", 1, 1)),
    ],
)
def test_what_yaml_does_behind_your_back_is_refused_with_its_place(text: str, place: tuple[str, int, int]) -> None:
    assert place in places(text)


def test_an_alias_bomb_ends_at_its_first_alias() -> None:
    levels = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 12)]
    document = parse("\n".join(levels))
    assert {problem.code for problem in document.problems} == {"yaml-alias"}


def test_braces_that_are_not_quoted_get_the_hint_to_quote_them() -> None:
    for text in ("content: {{input}}\n", "content: {{input}} and more\n", "- {{a}} b\n"):
        assert any("quotes" in problem.hint for problem in parse(text).problems), text


def test_all_problems_of_a_text_come_at_once() -> None:
    assert [code for code, _, _ in places("a: !!int 1\na: .inf\nno: 1\n")] == [
        "yaml-tag",
        "duplicate-key",
        "number-range",
        "key-not-text",
    ]


@pytest.mark.parametrize(
    ("text", "word", "line", "column"),
    [
        ("a: |\n  one\n  two WORD\n", "WORD", 3, 7),
        ("a: |2\n    one\n   WORD\n", "WORD", 3, 4),
        ("a: one WORD\n", "WORD", 1, 8),
        ("a: 'it''s WORD'\n", "WORD", 1, 11),
        ('a: "tab\\tx WORD"\n', "WORD", 1, 12),
        ("a: >\n  one\n  two\n\n  WORD three\n", "WORD", 5, 3),
        ('a: "one\n  two WORD"\n', "WORD", 2, 7),
        ("# WORD\na: | # WORD\n  WORD\n", "WORD", 3, 3),
        ("é: 😀 WORD\n", "WORD", 1, 6),
    ],
)
def test_a_place_in_a_text_is_a_place_in_the_file(text: str, word: str, line: int, column: int) -> None:
    document = parse(text)
    key = "é" if text.startswith("é") else "a"
    assert isinstance(document.value, dict)
    value = document.value[key]
    assert isinstance(value, str)
    place = document.inside((key,), value.index(word))
    assert (text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)) == (line, column)


@given(st.text())
def test_any_text_gives_a_value_or_problems_inside_the_text(text: str) -> None:
    document = parse(text)
    for problem in document.problems:
        assert 0 <= problem.offset <= len(text)
    if not document.problems:
        canonical(document.value)


@given(st.text(alphabet="ab: -[]{}&*!|>'\"\n\t#?,%@`~1.0<é\ufeff\u2028\x85", max_size=60))
def test_any_punctuation_gives_a_value_or_problems_inside_the_text(text: str) -> None:
    document = parse(text)
    for problem in document.problems:
        assert 0 <= problem.offset <= len(text)
    if not document.problems:
        canonical(document.value)
