"""Lines on a page: columns, colours, widths, encodings."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest

from promptops.cli.output import render
from promptops.cli.output.phrases import facts, next_steps, person, typed
from promptops.cli.output.render import Cell, Page, Span
from promptops.cli.output.word_diff import compare_texts

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _page(*, color: bool = False, width: int | None = None, encoding: str = "utf-8") -> tuple[Page, io.BytesIO]:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="replace", write_through=True)
    return Page(now=NOW, zone=UTC, stream=stream, color=color, width=width), raw


def _text(lines: object, **settings: object) -> str:
    page, raw = _page(**settings)  # type: ignore[arg-type]
    page.print(lines)  # type: ignore[arg-type]
    return raw.getvalue().decode(settings.get("encoding", "utf-8"))  # type: ignore[arg-type]


def test_cells_stand_below_each_other_also_when_letters_are_wide() -> None:
    page, _ = _page()
    shown = _text(page.columns([["app", "x"], ["東京", "y"], ["a", "z"]]))
    assert shown == "  app   x\n  東京  y\n  a     z\n"


def test_only_the_last_column_is_cut_and_only_where_the_terminal_ends() -> None:
    rows = [["support-bot", "a reason that is much too long for such a narrow terminal"]]
    narrow, _ = _page(width=40)
    assert _text(narrow.columns(rows)) == "  support-bot  a reason that is much to…\n"
    pipe, _ = _page()
    assert "narrow terminal" in _text(pipe.columns(rows))


def test_escapes_of_strangers_never_reach_the_terminal_in_any_cell() -> None:
    page, _ = _page(color=True)
    shown = _text(page.columns([[Span("\x1b]0;owned\x07", "name"), "\x1b[2J"]]), color=True)
    assert "\x1b]0" not in shown
    assert "\x1b[2J" not in shown
    assert "\\x1b]0;owned\\x07" in shown


def test_colour_is_only_in_coloured_pages_and_is_always_closed() -> None:
    line = [Span("bad", "bad"), " plain"]
    assert _text([line]) == "bad plain\n"
    assert _text([line], color=True) == "\x1b[1;31mbad\x1b[0m plain\n"


@pytest.mark.parametrize("style", render.STYLES)
def test_every_style_is_one_that_rich_knows(style: str) -> None:
    assert render.paint("x", style).startswith("\x1b[")


def test_a_terminal_without_unicode_loses_typography_and_no_words() -> None:
    assert _text(["1.0.0 → 1.1.0 · “so” …"], encoding="ascii") == '1.0.0 -> 1.1.0 - "so" ...\n'


@pytest.mark.parametrize(
    ("environment", "flag", "colored"),
    [
        ({}, None, False),  # a pipe
        ({"FORCE_COLOR": "1"}, None, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, None, False),
        ({"NO_COLOR": "1"}, True, True),  # the flag is nearest
        ({"FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colour_follows_the_flag_then_the_environment_then_the_terminal(
    environment: dict[str, str], flag: bool | None, colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert render.page(now=NOW, zone=UTC, color=flag).color is colored


def test_facts_without_a_value_are_left_out() -> None:
    page, _ = _page()
    assert (
        _text(facts(page, [("by", "Ada"), ("reason", ""), ("digest", Span("sha"))])) == "  by      Ada\n  digest  sha\n"
    )


def test_commands_are_shown_as_they_can_be_pasted() -> None:
    assert typed(["rollback", "bot", "--reason", "it's bad"]) == "promptops rollback bot --reason 'it'\"'\"'s bad'"
    assert _text(next_steps([("undo", ["rollback"]), ("look closer", ["status"])])) == (
        "\nNext: undo         promptops rollback\n      look closer  promptops status\n"
    )


def test_a_person_is_shown_by_name() -> None:
    assert person("Ada Lovelace <ada@example.org>") == "Ada Lovelace"
    assert person("<ada@example.org>") == "<ada@example.org>"
    assert person("ci-bot") == "ci-bot"


# --- words that differ -------------------------------------------------------------------------------


def test_changed_words_are_marked_as_git_does_where_there_is_no_colour() -> None:
    lines = compare_texts("Answer in at most three sentences.", "Answer in at most two sentences.", color=False)
    assert _text(lines) == "~ Answer in at most [-three-]{+two+} sentences.\n"


def test_words_that_changed_in_a_row_are_one_mark() -> None:
    lines = compare_texts("Say so in one sentence, please.", "Tell them in one sentence, please.", color=False)
    assert _text(lines) == "~ [-Say so-]{+Tell them+} in one sentence, please.\n"


def test_changed_words_are_colours_where_there_is_colour() -> None:
    shown = _text(compare_texts("say three words", "say two words", color=True), color=True)
    removed, added = shown.splitlines()
    assert "\x1b[1;7;31mthree\x1b[0m" in removed
    assert "\x1b[1;7;32mtwo\x1b[0m" in added


def test_equal_lines_are_left_out_but_for_one_on_either_side() -> None:
    before = "\n".join(f"line {n}" for n in range(9))
    shown = _text(compare_texts(before, before.replace("line 4", "line four"), color=False))
    assert shown == "  …\n  line 3\n~ line [-4-]{+four+}\n  line 5\n  …\n"


def test_texts_with_hardly_a_word_in_common_are_shown_whole() -> None:
    lines = compare_texts("Greet the customer.", "No refunds, ever", color=False)
    assert _text(lines) == "- Greet the customer.\n+ No refunds, ever\n"


def test_a_text_of_many_words_is_compared_by_lines() -> None:
    before = " ".join(f"w{n}" for n in range(2_000))
    lines = compare_texts(before, before + " more", color=False)
    assert [str(_text([line]))[0] for line in lines] == ["-", "+"]


# --- lines that fit ----------------------------------------------------------------------------------


def test_a_name_loses_its_middle_a_text_its_end_and_a_channel_nothing() -> None:
    rows: list[list[Cell]] = [
        ["APP", "CHANNEL", "WHY"],
        [Span("support-bot-of-the-north", "name"), "production-west", "was far too long"],
    ]
    page, _ = _page(width=42)
    assert (
        _text(page.columns(rows)) == "  APP        CHANNEL          WHY\n  supp…orth  production-west  was far too…\n"
    )
    narrow, _ = _page(width=12)
    assert all(len(line) <= 12 for line in _text(narrow.columns(rows)).splitlines())


def test_a_text_of_ten_thousand_wide_letters_is_cut_where_the_terminal_ends() -> None:
    page, _ = _page(width=18)
    [cells, name] = page.columns([["日" * 10_000 + " 本"], ["本" * 10_000]])
    assert _text([cells, name]) == f"  {'日' * 7}…\n  {'本' * 4}…{'本' * 3}\n"


def test_what_a_cell_keeps_at_its_end_is_not_cut() -> None:
    page, _ = _page(width=30)
    shown = _text(page.columns([[Span("support-bot-of-the-north:staging", "name", 7), "so many words of a reason"]]))
    assert re.search(r"^  supp\S*…\S*:?staging  ", shown), shown


def test_a_spare_column_is_left_out_before_names_become_short() -> None:
    rows: list[list[Cell]] = [["APP", "BY", "WHY"], ["support-bot-of-the-north", "Ada Lovelace", "because"]]
    wide, _ = _page(width=80)
    narrow, _ = _page(width=40)
    assert "Ada" in _text(wide.columns(rows, spare=("BY",)))
    assert _text(narrow.columns(rows, spare=("BY",))).splitlines()[1] == "  support-bot-of-the-north  because"


def test_a_column_that_is_wrapped_goes_on_below_itself_and_breaks_no_word() -> None:
    page, _ = _page(width=30)
    digest = "sha256:" + "0" * 40
    shown = _text(facts(page, [("reason", "too long for the little widget"), ("digest", digest)]))
    assert shown == f"  reason  too long for the\n          little widget\n  digest  {digest}\n"


def test_words_keep_their_styles_where_a_line_is_wrapped() -> None:
    page, _ = _page(width=31, color=True)
    shown = _text(
        page.hanging(["    "], ["rollback would go to ", Span("0.1.0", "good"), ", of yesterday"]), color=True
    )
    assert shown == "    rollback would go to \x1b[32m0.1.0\x1b[0m,\n    of yesterday\n"
