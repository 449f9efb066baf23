"""What a person sees of a canary that is watched, when it changes and when the registry does not answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from promptops.cli.canary_views import InLines, OnScreen
from promptops.cli.output.screen import Screen
from promptops.cli.session import Session
from promptops.core.errors import RegistryUnavailable
from promptops.wire.documents.canaries import CanaryStatusDocument
from tests.cli.output.test_canary_screen import coin, found, full

GONE = RegistryUnavailable("cannot reach https://promptops.example: connection refused")


def session(folder: Path, *, as_json: bool = False) -> Session:
    return Session(directory=folder, json=as_json, zone=UTC, color=False)


def busier(document: CanaryStatusDocument) -> CanaryStatusDocument:
    """The same after more calls, of which no key was bad for the first time."""
    sides = tuple(
        replace(side, calls=side.calls + 100, keys=side.keys + 9, bad=side.bad + 1) for side in document.sides
    )
    return replace(document, sides=sides, canary_keys=document.canary_keys + 3)


def test_a_line_comes_with_a_change_and_not_with_every_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view, first = InLines(session(tmp_path)), found()
    worse = replace(first, coins=(coin("error", canary=4), *first.coins[1:]))
    enough = replace(busier(worse), canary_keys=200)
    for document in (first, first, busier(first), worse, busier(worse), enough, replace(enough, paused=True)):
        view.show(document, 2.0)
    lines = [line.partition(" UTC  ")[2] for line in capsys.readouterr().out.splitlines()]
    nearest = "error again: 3 bad keys to 4 of stable, evidence 4.2 of 420"
    assert lines == [
        f"support-bot on prod at 25 %: {nearest}; 87 of 200 keys",
        f"support-bot on prod at 25 %: {nearest}; 87 of 200 keys",
        f"support-bot on prod at 25 %: {nearest}; 200 of 200 keys",
        f"support-bot on prod at 25 %, paused: {nearest}; 200 of 200 keys",
    ]


def test_a_line_names_the_first_keys_what_would_abort_and_the_last_decision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    InLines(session(tmp_path)).show(full(), 2.0)
    [line] = capsys.readouterr().out.splitlines()
    assert "12,345 bad calls of the keys that have it first" in line
    assert "would abort, held: the canary is worse at error" in line
    assert "last decision: advanced to 25 %" in line


def test_with_json_a_change_is_the_whole_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = InLines(session(tmp_path, as_json=True))
    for document in (found(), busier(found()), replace(found(), paused=True)):
        view.show(document, 2.0)
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["paused"] for document in documents] == [False, True]
    assert documents[0]["coins"][0]["guardrail"] == "error"


def test_without_a_terminal_it_is_said_once_that_no_answer_comes_and_that_one_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view = InLines(session(tmp_path, as_json=True))
    view.show(found(), 2.0)
    for _ in range(3):
        view.away(GONE, 8.0)
    view.show(found(), 2.0)
    out, errors = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert errors.splitlines() == [
        f"note: the registry does not answer, and is asked again: {GONE.message}",
        "note: the registry answers again.",
    ]


def test_the_screen_stays_and_says_since_when_no_answer_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    with Screen() as screen:
        view = OnScreen(session(tmp_path), screen)
        view.show(found(), 2.0)
        view.away(GONE, 8.0)
        view.show(found(paused=True), 2.0)
    before, first, second, third = capsys.readouterr().out.split("\x1b[H")
    assert before == "\x1b[?1049h\x1b[?25l"
    assert "asks again in 2 s · Ctrl-C ends" in first
    lines = [line.removesuffix("\x1b[K") for line in second.removesuffix("\x1b[J").split("\r\n")]
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    assert lines[0] == "support-bot on prod: canary 1.5.0 beside 1.4.0", "what was known stays"
    assert lines[-1].startswith("! no answer after ") and ", asks again in 8 s: cannot reach" in lines[-1]
    assert "no answer" not in third and ", paused" in third
