"""Every command that prints a table or a live line, on real terminals of several widths, with long names."""

from __future__ import annotations

import inspect
import os
import re
import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import click
import pytest

from promptops import clock
from promptops.cli.main import COMMANDS, cli
from promptops.core.declarations import Declarations, DeclarationsVersion, Plan
from promptops.core.deployment_parts import Kind
from promptops.core.heartbeat import Beat, State
from promptops.core.model import Policy
from promptops.core.outcomes.report import OutcomeReport
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.token import Scope
from promptops.operations.heartbeats import record_beats
from promptops.operations.outcomes import report as take
from promptops.store import Registry
from promptops.wire.outcomes import encode
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.factory import ACTOR
from tests.support.pseudo_terminal import typed_on_a_terminal
from tests.support.reports import calls

CHANNELS = ("development", "staging-europe-west", "production-europe-west")
PROD = CHANNELS[2]
APPS = [f"customer-support-assistant-of-the-team-{number:02}" for number in range(30)]
APP = APPS[7]
BOTH = (APP, "--channel", PROD)
REASON = "the answers were too long for the widget, and the customers in the north could not read them to their end"

TYPED: dict[str, list[tuple[str, ...]]] = {
    "status": [(), ("--channel", PROD), (APP,)],
    "incident": [("--channel", PROD), BOTH],
    "history": [BOTH, (*BOTH, "--at", "1m ago")],
    "audit": [(), ("--app", APP, "--limit", "5")],
    "releases": [(APP,)],
    "channels list": [()],
    "token list": [(), ("--all",)],
    "clients": [(), ("--channel", PROD), (APP,)],
    "promote": [(f"{APP}@0.1.1", "--channel", PROD, "--dry-run")],
    "canary status": [(APPS[2], "--channel", PROD)],
    "outcomes": [(APP,)],
    "cost": [(APP,)],
    "evidence list": [(APP,)],
    "models outlook": [()],
    "docs": [()],
    "notify list": [()],
    "ls": [(), (APP, "--channel", PROD)],
    "db current": [()],
    "db journal": [()],
    "show": [(f"{APP}:{PROD}",)],
    "diff": [(f"{APP}@0.1.0", f"{APP}@0.1.1")],
    "gate": [(f"{APP}@0.1.1", "--channel", PROD)],
    "canary plan": [BOTH],
    "quarantine": [(f"{APPS[6]}@0.1.0", "--channel", PROD, "--reason", REASON)],
    "evidence add": [("--check", "red-team", "--verdict", "pass", "--for", f"{APP}@0.1.0", "--expires", "3d")],
    "rollback": [(*APPS[1:6], "--channel", PROD, "--dry-run"), (*BOTH, "--reason", REASON, "--wait", "1s")],
}
"""What is typed of each command."""

TABLES = {
    "status",
    "history",
    "audit",
    "releases",
    "channels",
    "token",
    "clients",
    "canary",
    "cost",
    "models",
    "rollback",
}
"""Those that print tables."""

ELSEWHERE = {
    "init", "check", "render", "types", "ci", "hooks install", "hooks pre-push", "hooks pre-receive", "release", "yank",
    "eval run", "eval show", "eval diff", "eval hold", "canary tick", "judge label", "judge calibrate",
    "evidence import", "evidence show", "evidence verify", "evidence close", "approve", "canary start",
    "canary advance", "canary pause", "canary resume", "canary finish", "canary abort", "why", "unquarantine",
    "override create", "override show", "override reconcile", "channels apply", "channels remove", "app transfer",
    "serve", "token create",
    "token revoke", "export-snapshot", "erase", "sync", "fsck", "rebuild", "db backup", "db restore", "db upgrade",
    "db home", "login", "logout", "context list", "context use", "notify apply", "notify secret", "notify send",
    "notify test", "context remove", "token exchange",
}  # fmt: skip
"""Commands that print sentences and facts, or need files or a model."""


def _fill(registry: Registry) -> None:
    now = clock.now()
    factory.make_channels(registry, **{name: Policy() for name in CHANNELS})
    for number, app in enumerate(APPS):
        factory.make_releases(registry, app, 2 if number < 8 else 1, factory.MODEL)
        for place, channel in enumerate(CHANNELS):
            at = now - timedelta(hours=50 * (number + 1) + place)
            factory.go_live(registry, f"{app}@0.1.0", channel, now=at, reason=REASON)
    for app in APPS[:8]:
        factory.go_live(registry, f"{app}@0.1.1", PROD, now=now - timedelta(hours=1), reason=REASON)
    factory.go_back(registry, APPS[0], channel=PROD, now=now - timedelta(minutes=20), reason=REASON)
    other = factory.make_release(registry, factory.content(APPS[2], "Another {{name}}"))
    factory.by_hand(registry, APPS[2], PROD, kind=Kind.CANARY, canary=factory.canary_of(other), now=now, reason=REASON)
    beats = [
        Beat(
            id=f"{number:032x}",
            channel=channel,
            name=f"checkout-web-5d8f7c9b6d-{number:05}:4711",
            sdk="promptops/0.8.0",
            state=State.READY if number % 5 else State.DISCONNECTED,
            lineage=registry.lineage,
            epoch=1,
            revisions=dict.fromkeys(APPS[number % 7 :: 7], 1) | {APP: 1},
            cannot_load={APPS[1]: "its template needs jinja2"} if number == 3 else {},
        )
        for number, channel in enumerate(CHANNELS * 4)
    ]
    record_beats(registry, beats, now)
    for number in range(4):
        more = {"scopes": (Scope.READ, Scope.ROLLBACK), "channels": CHANNELS, "apps": ("customer-support-*",)}
        factory.make_token(registry, f"on-call-of-the-customer-platform-{number}", now=now, **more)
    served = Assignment(app=APP, channel=PROD, epoch=1, revision=2, arm=Arm.STABLE)
    series = Series(assignment=served, prompt="answer", model=factory.MODEL, tier=0)
    minute = int(now.timestamp()) // 60 - 5
    document = OutcomeReport(
        client="a" * 32, number=1, channel=PROD, lineage=registry.lineage, sums={(series, minute): calls(900)}
    )
    assert take(registry, PROD, encode(document), now=now).counted
    version = DeclarationsVersion(
        app=APP, number=1, declared=Declarations(plan=Plan(calls_a_day=2_000)), actor=ACTOR, at=now
    )
    registry.write(lambda writer: writer.record(version))


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a registry with 30 apps on 3 channels."""
    path = tmp_path_factory.mktemp("filled") / "registry.db"
    shutil.copy(sqlite_template, path)
    registry = Registry.open(f"sqlite:///{path}")
    _fill(registry)
    registry.close()
    return path


def shown(
    filled: Path,
    folder: Path,
    lines: Sequence[Sequence[str]],
    *,
    columns: int,
    keys: tuple[bytes, bytes] = (b"", b""),
    **environment: str,
) -> list[tuple[int, str]]:
    """Types the lines on a terminal, each width on a copy of its own."""
    shutil.copy(filled, folder / "registry.db")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    given = {
        "PROMPTOPS_REGISTRY": str(folder / "registry.db"),
        "PROMPTOPS_ACTOR": ACTOR,
        "PROMPTOPS_SYNC": "now",
        "PAGER": "cat",
    }
    settings = kept | given | {"TERM": "xterm-256color", "NO_COLOR": "1"} | environment
    return typed_on_a_terminal(lines, columns=columns, folder=folder, environment=settings, keys=keys)


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> dict[str, Callable[..., object]]:
    """All commands by their full names, with the function of each."""
    context = click.Context(group)
    found: dict[str, Callable[..., object]] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found |= leaves(command, (*path, name))
        elif command is not None and command.callback is not None:
            found[" ".join((*path, name))] = inspect.unwrap(command.callback)
    return found


def test_every_command_is_typed_here_or_prints_no_table() -> None:
    assert len(COMMANDS) > 30
    known = leaves(cli)
    assert TYPED.keys() <= known.keys() and known.keys() >= ELSEWHERE
    rest = {name: Path(inspect.getfile(call)) for name, call in known.items() if name not in TYPED.keys() | ELSEWHERE}
    assert [name for name, file in rest.items() if ".columns(" in file.read_text()] == []


TITLES = re.compile(r" *[A-Z]{2,}…?(?:  +[A-Z][A-Z0-9 ,…]*)+")


def in_tables(text: str) -> list[str]:
    """The lines of tables: those from titles in capitals on, up to an empty line."""
    lines: list[str] = []
    for line in text.split("\n"):
        inside = bool(line) and (bool(lines and lines[-1]) or TITLES.fullmatch(line) is not None)
        lines += [line] if inside else [""]
    return [line for line in lines if line]


def rows_of(text: str) -> list[str]:
    """The lines of tables without the titles."""
    return [line for line in in_tables(text) if not TITLES.fullmatch(line)]


def too_wide(text: str, columns: int) -> list[str]:
    """The indented lines that a terminal would break, but for commands and for words that nothing may break."""
    lines = [line for line in text.split("\n") if line.startswith("  ") and "promptops " not in line]
    return [line for line in lines if len(line) > columns and max(map(len, line.split())) < 40]


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_tables_and_live_lines_fit_the_terminal(columns: int, filled: Path, tmp_path: Path) -> None:
    lines = [(*name.split(), *more) for name, variants in TYPED.items() for more in variants]
    found = shown(filled, tmp_path, lines, columns=columns)
    texts: dict[str, str] = {}
    for line, (code, text) in zip(lines, found, strict=True):
        assert code in (0, 5, 6), f"$ promptops {' '.join(line)}\n{text}"
        assert too_wide(text, columns) == [], line
        assert [row for row in in_tables(text) if len(row) > columns] == [], line
        texts[line[0]] = f"{texts.get(line[0], '')}\n{text}"
    assert {name for name, text in texts.items() if in_tables(text)} >= TABLES
    assert len(texts["incident"].split("To go back:")[0].strip().split("\n")) <= 23
    for name in ("status", "clients", "channels"):
        assert [row for row in rows_of(texts[name]) if not any(channel in row for channel in CHANNELS)] == []
    assert all(re.search(r" (ready|disconnected)( |$)", row) for row in rows_of(texts["clients"]))
    live = re.findall(r"\r(waiting for [^\x1b]*)\x1b\[K", texts["rollback"])
    assert live and max(map(len, live)) < columns, "one row, which is drawn over"
    assert "\n" not in texts["rollback"].partition("waiting for")[2].partition("error: ")[0], "nothing scrolls away"


@pytest.mark.parametrize("columns", [60, 100])
def test_status_is_one_screen_that_is_drawn_anew_until_ctrl_c(columns: int, filled: Path, tmp_path: Path) -> None:
    [(code, text)] = shown(
        filled, tmp_path, [("status", "--watch")], columns=columns, keys=(b"Ctrl-C ends", b"\x03"), NO_COLOR="1"
    )
    assert code == 130
    before, *frames = text.replace("^C", "").split("\x1b[H")
    assert before == "\x1b[?1049h\x1b[?25l" and frames
    assert frames[-1].endswith("\x1b[?25h\x1b[?1049l"), "the terminal is as it was"
    for frame in frames:
        lines = frame.partition("\x1b[J")[0].replace("\x1b[K", "").replace("\r", "").split("\n")
        assert len(lines) <= 24 and max(map(len, lines)) <= columns
        assert lines[2].startswith("Last change: "), "what matters first"
        assert any(line.startswith("! customer-support-assistant-of-the-team-") for line in lines), "who is behind"
        assert lines[-1].endswith("Ctrl-C ends")


def test_a_dumb_terminal_gets_no_control_sequences(filled: Path, tmp_path: Path) -> None:
    lines = [("status",), ("rollback", *BOTH, "--wait", "1s")]
    for code, text in shown(filled, tmp_path, lines, columns=80, TERM="dumb", NO_COLOR=""):
        assert code in (0, 6)
        assert "\x1b" not in text and "\r" not in text
    assert "waiting for" not in text and "do not serve it" in text


def test_long_output_goes_through_the_pager_and_short_output_does_not(filled: Path, tmp_path: Path) -> None:
    long = ("status",)
    typed = [
        long,
        ("--no-pager", *long),
        ("channels",),
        (*long, "--json"),
        ("promote", f"{APP}@0.1.0", "--channel", PROD),
    ]
    found = shown(filled, tmp_path, typed, columns=80, PROMPTOPS_PAGER="sed s/^/paged:/")
    is_paged = [text.strip().startswith("paged:") for _, text in found]
    assert is_paged == [True, False, False, False, False], found
    assert "Last change: " in found[0][1], "all of it"
    [(code, text)] = shown(filled, tmp_path, [long], columns=80, PROMPTOPS_PAGER="no-such-pager")
    assert code == 0 and APPS[29][-2:] in text, "without the program it is shown all the same"


def test_ctrl_c_ends_a_pager_that_has_no_answer_of_its_own(filled: Path, tmp_path: Path) -> None:
    pager = "sh -c 'cat > /dev/null; echo reading; sleep 60; echo through'"
    [(code, text)] = shown(
        filled, tmp_path, [("status",)], columns=80, keys=(b"reading", b"\x03"), PROMPTOPS_PAGER=pager
    )
    assert code == 0, "promptops itself goes on"
    assert "reading" in text and "through" not in text


def test_a_pipe_gets_every_name_in_full(filled: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_REGISTRY", str(filled))
    for command in ("status", "audit", "clients", "channels"):
        assert "…" not in promptops(command).out.replace("pops_", ""), command
    assert all(app in promptops("status").out for app in APPS)
