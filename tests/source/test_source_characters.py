"""Characters that a model reads and a person does not see are findings; emoji and scripts that need joiners are not."""

from __future__ import annotations

import pytest

from promptops.source.lint.characters import scan, strange
from promptops.source.text.findings import Report


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a\u202eb", "bidi-character"),
        ("a\u2066b", "bidi-character"),
        ("a\U000e0041b", "tag-character"),  # hidden ASCII
        ("\U0001f3f4\U000e0041", "tag-character"),  # a flag without its end
        ("a\x1b[31m", "control-character"),
        ("a\rb", "control-character"),  # a lone CR
        ("a\x9bb", "control-character"),
        ("a\u2028b", "invisible-character"),
        ("a\u200bb", "invisible-character"),
        ("a\u00adb", "invisible-character"),
        ("a\u3164b", "invisible-character"),
        ("a\u200db", "invisible-character"),  # a joiner between letters that do not join
        ("a\ufe0f\u200b", "invisible-character"),
        ("a\ue000", "strange-character"),
    ],
)
def test_a_hidden_character_is_found(text: str, code: str) -> None:
    assert code in {found[1] for found in strange(text)}


@pytest.mark.parametrize(
    "text",
    [
        "plain text\twith tabs\n",
        "naïve café — “quotes” … 中文 日本語",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # family
        "\U0001f9d1\U0001f3fd\u200d\u2695\ufe0f",  # health worker with a skin tone
        "\u2764\ufe0f\u200d\U0001f525",  # heart on fire
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland
        "1\ufe0f\u20e3",  # keycap
        "می\u200cخواهم",  # Persian
        "क्\u200dष",  # Devanagari
    ],
)
def test_legitimate_text_has_no_finding(text: str) -> None:
    assert list(strange(text)) == []


def test_one_finding_names_the_character_its_first_place_and_its_count() -> None:
    report = Report("p.md", "ok\nno\u200bw and\u200b then\u200b")
    scan(report)
    (finding,) = report.findings(lint=True)
    assert (finding.line, finding.column) == (2, 3)
    assert finding.message == "U+200B (ZERO WIDTH SPACE), 3 times"


def test_a_character_written_as_an_escape_is_found_at_its_scalar() -> None:
    report = Report("p.yml", 'a: 1\nb: "\\u202e"\n')
    report.escaped = [(8, "\u202e")]
    scan(report)
    (finding,) = report.findings(lint=True)
    assert (finding.code, finding.line, finding.column) == ("bidi-character", 2, 4)
