"""What a user types to name something. Fault case 83 for names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import ReferenceInvalid
from promptops.core.model import is_name, is_segment
from promptops.core.reference import Reference, parse_reference

HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("support-bot", Reference(app="support-bot")),
        ("support-bot@1.4.0", Reference(app="support-bot", version="1.4.0")),
        ("support-bot@2.0.0-rc.1", Reference(app="support-bot", version="2.0.0-rc.1")),
        (f"support-bot@sha256:{HEX}", Reference(app="support-bot", digest=f"sha256:{HEX}")),
        ("support-bot@sha256:9f86d081", Reference(app="support-bot", digest="sha256:9f86d081")),
        ("support-bot:prod", Reference(app="support-bot", channel="prod")),
        ("support-bot/answer", Reference(app="support-bot", prompt="answer")),
        ("library/a/B_c@0.1.0", Reference(app="library", prompt="a/B_c", version="0.1.0")),
        ("support-bot/answer:eu.prod", Reference(app="support-bot", prompt="answer", channel="eu.prod")),
    ],
)
def test_every_form_is_read_and_written_back(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected
    assert str(expected) == text
    assert expected.fixed is ("@" in text)


def test_a_v_before_a_version_is_forgiven() -> None:
    assert parse_reference("bot@v1.4.0") == parse_reference("bot@1.4.0")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is not an app's name"),
        ("Bot", "'Bot' is not an app's name"),
        ("bot@", "'' is neither a version nor a digest"),
        ("bot@latest", "'latest' is neither"),
        ("bot@1.4", "'1.4' is neither"),
        ("bot@1.4.0+build", "is neither"),
        ("bot@1.4.0\n", "is neither"),
        ("bot@sha256:9f86", "is neither"),
        (f"bot@sha256:{HEX}0", "is neither"),
        (f"bot@sha256:{HEX.upper()}", "is neither"),
        ("bot@vv1.0.0", "is neither"),
        (f"bot@vsha256:{HEX}", "is neither"),
        ("bot:prod@1.0.0", "'bot:prod' is not an app's name"),
        ("bot@1.0.0:prod", "is neither"),
        ("bot:", "'' is not a channel's name"),
        ("bot:Prod", "'Prod' is not a channel's name"),
        ("bot:prod:eu", "'prod:eu' is not a channel's name"),
        ("bot/", "'' is not a prompt's name"),
        ("bot/a//b", "'a//b' is not a prompt's name"),
        ("bot/../x", "'../x' is not a prompt's name"),
        ("/answer", "'' is not an app's name"),
        (" bot", "' bot' is not an app's name"),
    ],
)
def test_everything_else_is_refused_with_the_part_that_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        parse_reference(text)
    assert problem in caught.value.message
    assert "app@1.4.0" in caught.value.hint or "app:channel" in caught.value.hint


BAD_NAMES = [
    # an option, a range, a lock, a ref of git
    *(
        "-x",
        "--upload-pack=touch",
        "a..b",
        "a.lock",
        "A.LOCK",
        "@",
        ".",
        "..",
        ".git",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
    ),
    # a device or a path
    *("con", "CON", "nul.txt", "com1", "lpt9", "a/b", "a\\b", "a."),
    # nothing, too much, or not plain
    *("", "x" * 300, "a b", "a\n", "a\0", "é", "ａ"),
]


@pytest.mark.parametrize("name", [*BAD_NAMES, "HEAD", "head"])
def test_a_name_with_another_meaning_elsewhere_is_no_apps_name(name: str) -> None:
    assert not is_name(name)
    if "/" not in name:
        with pytest.raises(ReferenceInvalid):
            parse_reference(f"{name}@1.0.0")
    with pytest.raises(ReferenceInvalid):
        parse_reference(f"bot:{name}")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_nor_a_segment_of_a_prompts_name(name: str) -> None:
    assert not is_segment(name)


@pytest.mark.parametrize("name", ["a", "0", "support-bot", "eu.prod", "a_b", "v1", "console", "x" * 63])
def test_ordinary_names_are_names(name: str) -> None:
    assert is_name(name)
    assert is_segment(name.upper())


@given(st.text(max_size=30) | st.text(alphabet="ab1./:@-v", max_size=30))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except ReferenceInvalid:
        return
    assert parse_reference(str(reference)) == reference
