"""A check of one file reads like a compiler; a check of 1,200 files still fits a screen."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptops.cli.commands.check import BY_FILE, _flat, _report, _summary
from promptops.cli.output import render
from promptops.cli.output.render import Page, Span
from promptops.core.finding import Finding, Severity
from promptops.source.load import Loaded
from tests.cli.conftest import Promptops
from tests.source.memory import checked
from tests.support.strangers import stranger

PAGE: Page = render.page(now=datetime(2026, 3, 1, tzinfo=UTC), zone=UTC, color=False)


def _finding(number: int, code: str = "floating-model", severity: Severity = Severity.WARNING) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        path=f"prompts/{number:04}.prompt.yml",
        line=3,
        column=8,
        message=f"'openai/gpt-{number}' moves",
        hint="Pin a snapshot.",
    )


def _text(lines: list[render.Line]) -> list[str]:
    flat = [line if isinstance(line, (str, Span)) else list(line) for line in lines]
    cells = [[line] if isinstance(line, (str, Span)) else line for line in flat]
    return ["".join(cell.text if isinstance(cell, Span) else cell for cell in line) for line in cells]


def test_a_few_findings_stand_below_their_files() -> None:
    shown = _text(_report([_finding(1), _finding(1, "unused-variable"), _finding(2)], PAGE))
    assert shown[0] == "prompts/0001.prompt.yml"
    assert shown[1] == "  3:8    warning  'openai/gpt-1' moves  floating-model"
    assert shown[2].strip() == "Pin a snapshot."
    assert "prompts/0002.prompt.yml" in shown


def test_what_strangers_files_have_in_common_fits_a_screen() -> None:
    files: dict[str, str | bytes] = {f"p{seed}.prompt.yml": stranger(seed).text for seed in range(100)}
    findings = list(checked(files).findings)
    shown = _text(_report(findings, PAGE))
    codes = {finding.code for finding in findings}
    assert len(findings) > 300
    assert len(shown) <= 7 * len(codes)
    assert max(map(len, shown)) < 400
    assert sum(line.startswith(("error  ", "warning  ", "info  ")) for line in shown) == len(codes)


def test_thousands_of_findings_are_grouped_by_code_with_counts_and_a_few_places() -> None:
    found = [_finding(number) for number in range(2_000)]
    found += [_finding(number, "unknown-key") for number in range(900)]
    found += [_finding(number, "secret", Severity.ERROR) for number in range(20)]
    shown = _text(_report(found, PAGE))
    assert len(shown) < 40
    assert shown[0] == "error  secret  20 in 20 files"
    headings = [line for line in shown if line.startswith(("error", "warning"))]
    assert headings[1:] == ["warning  floating-model  2,000 in 2,000 files", "warning  unknown-key  900 in 900 files"]
    assert "  … and 1,997 more" in shown
    assert "  … and 12 more" in shown
    assert shown.count("  Pin a snapshot.") == 3


def test_the_border_between_the_two_is_a_screenful() -> None:
    few = [_finding(number) for number in range(BY_FILE)]
    assert not any(line.startswith("warning  ") for line in _text(_report(few, PAGE)))
    assert _text(_report([*few, _finding(99)], PAGE))[0].startswith("warning  floating-model  26 in 26 files")


def test_the_full_list_is_one_line_each_as_editors_read_it() -> None:
    assert _text(_flat([_finding(7)]))[0] == "prompts/0007.prompt.yml:3:8: warning[floating-model] 'openai/gpt-7' moves"


def test_the_summary_counts_and_says_what_comes_next() -> None:
    nothing = Loaded(workspace=None, apps=(), findings=())
    clean = _text(_summary(Counter(), nothing, strict=False))
    assert clean[0] == "✓ No errors, no warnings (0 apps, 0 prompts)"
    bad = _text(_summary(Counter({Severity.ERROR: 1, Severity.WARNING: 1_042}), nothing, strict=False))
    assert bad[0] == "1 error, 1,042 warnings (0 apps, 0 prompts)"
    assert any("check --json" in line for line in bad)


@pytest.mark.parametrize(
    ("line", "codes", "hint"),
    [
        ("    content: {{x}}\n", ["key-not-text"], '"{{x}}"'),
        ("    content: {{ customer.name }}\n", ["key-not-text"], '"{{customer.name}}"'),
        ("    content: {a: b}\n", ["wrong-type"], ""),  # braces of somebody who means a mapping
        ("    content: {{x}} and more\n", ["yaml-syntax"], '"{{x}} and more"'),
    ],
)
def test_braces_without_quotes_are_one_finding(
    line: str, codes: list[str], hint: str, promptops: Promptops, tmp_path: Path
) -> None:
    (tmp_path / "greet.prompt.yml").write_text(f"model: a/b-2024-08-06\nmessages:\n  - role: user\n{line}")
    found = promptops("check", "greet.prompt.yml", "--json", exits=2).json["findings"]
    assert [finding["code"] for finding in found] == codes  # type: ignore[index,call-overload,union-attr]
    assert hint in promptops("check", "greet.prompt.yml", exits=2).out
