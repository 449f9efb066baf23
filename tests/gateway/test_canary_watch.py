"""`promptops canary status --watch`: what is asked, how often, what is shown, and how it ends; with either kind of
registry."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from promptops.cli.canary_watch import Ended, watch
from promptops.cli.watching import EVERY, LONGEST
from promptops.core.errors import NoCanary, NotAllowed, RegistryUnavailable, TooManyRequests, Unavailable
from promptops.core.token import Scope
from promptops.gateway import Gateway
from promptops.gateway.local import Direct
from promptops.gateway.remote import Remote
from promptops.operations.canary import Step
from promptops.store import Registry
from promptops.wire.documents.canaries import CanaryStatusDocument
from tests.gateway.serving import Serve, mint
from tests.operations.canaries import Crowd, begin, begin_again, by_hand, live, look_once
from tests.support.checkout import ROOT, interruptible
from tests.support.factory import ACTOR, go_back
from tests.support.forked import Forked

ON = ("--channel", "prod")
PATIENCE = 90.0


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def crowd(registry: Registry) -> Crowd:
    return Crowd(registry, begin(registry, now=now()))


@pytest.fixture(params=["database", "server"])
def where(request: pytest.FixtureRequest, crowd: Crowd, registry: Registry, registry_url: str, serve: Serve) -> str:
    """The URL of the registry, or of a server for it."""
    return registry_url if request.param == "database" else serve(registry_url)


@pytest.fixture
def gateway(where: str, registry: Registry) -> Iterator[Gateway]:
    if where.startswith("http"):
        with Remote.open(where, token=mint(registry, "reader", Scope.READ).secret) as remote:
            yield remote
    else:
        yield Direct(registry, now=now())


def make_worse(crowd: Crowd) -> None:
    """So many keys of the canary fail that it is aborted."""
    crowd.report(live(crowd.registry), now(), bad={"error": crowd.keys(30, 2_000, canary=True)})
    look_once(crowd.registry, now())


@dataclass
class Seen:
    """What was shown, and after which pauses."""

    found: list[CanaryStatusDocument] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def show(self, found: CanaryStatusDocument, pause: float) -> None:
        self.found.append(found)

    def away(self, error: Unavailable, pause: float) -> None:
        self.troubles.append(error.message)


def watched(gateway: Gateway, view: Seen, *actions: Callable[[], object], **more: Any) -> Ended:
    """Watches, and in the first pauses does one of these each; a watch that does not end then fails the test."""
    left = iter(actions)

    def wait(seconds: float) -> None:
        view.pauses.append(seconds)
        next(left)()

    return watch(gateway, "bot", "prod", view, wait=wait, **more)


def nothing() -> None:
    """Nothing happens."""


# --- what is asked, and how it ends ----------------------------------------------------------------


def test_it_is_shown_until_a_guardrail_aborts_it(gateway: Gateway, crowd: Crowd) -> None:
    view = Seen()
    ended = watched(gateway, view, nothing, lambda: make_worse(crowd))
    assert [found.weight for found in view.found] == [2_000, 2_000]
    assert (ended.word, ended.is_finished) == ("abort", False)
    assert ended.by is not None and ended.by.reason.startswith("aborted: the canary is worse at error")


def test_steps_of_a_person_are_shown_and_a_finish_is_the_good_end(gateway: Gateway, crowd: Crowd) -> None:
    view = Seen()
    ended = watched(
        gateway,
        view,
        lambda: by_hand(crowd.registry, Step.ADVANCE, now()),
        lambda: by_hand(crowd.registry, Step.PAUSE, now()),
        lambda: by_hand(crowd.registry, Step.FINISH, now()),
    )
    assert [(found.weight, found.paused) for found in view.found] == [(2_000, False), (5_000, False), (5_000, True)]
    assert (ended.word, ended.is_finished) == ("finished", True)
    assert ended.by is not None and ended.by.version == "0.1.1"


def test_a_rollback_is_no_good_end(gateway: Gateway, crowd: Crowd) -> None:
    ended = watched(gateway, Seen(), lambda: go_back(crowd.registry, "bot", now=now()))
    assert (ended.word, ended.is_finished) == ("abort", False)
    assert ended.by is not None and ended.by.actor == ACTOR


def test_the_next_canary_is_another_one(gateway: Gateway, crowd: Crowd) -> None:
    def again() -> None:
        by_hand(crowd.registry, Step.ABORT, now())
        begin_again(crowd.registry, now=now())

    view = Seen()
    ended = watched(gateway, view, again)
    assert ended.word == "abort"
    assert {found.rollout for found in view.found} == {ended.last.rollout}


def test_where_there_is_no_canary_there_is_nothing_to_watch(gateway: Gateway, crowd: Crowd) -> None:
    by_hand(crowd.registry, Step.ABORT, now())
    with pytest.raises(NoCanary):
        watched(gateway, Seen())


# --- how often, and a registry that is away --------------------------------------------------------


class Failing:
    """A gateway whose questions fail with these errors, in turn; None lets one through."""

    def __init__(self, gateway: Gateway, *errors: Exception | None) -> None:
        self._gateway = gateway
        self._errors = iter(errors)

    def run(self, *arguments: Any, **more: Any) -> Any:
        if (error := next(self._errors, None)) is not None:
            raise error
        return self._gateway.run(*arguments, **more)


def gone() -> RegistryUnavailable:
    return RegistryUnavailable("connection refused")


def test_a_registry_that_is_away_is_asked_again_more_and_more_rarely(registry: Registry, crowd: Crowd) -> None:
    away = Failing(Direct(registry, now=now()), None, *(gone() for _ in range(12)))
    view = Seen()
    actions = [*[nothing] * 13, lambda: make_worse(crowd)]
    assert watched(away, view, *actions).word == "abort"  # type: ignore[arg-type]
    assert view.troubles == ["connection refused"] * 12
    assert len(view.found) == 2, "before it went, and when it came back"
    pauses = view.pauses[1:13]
    assert all(EVERY / 2 <= pause <= LONGEST for pause in pauses)
    assert pauses[0] <= EVERY
    assert pauses[-1] >= LONGEST / 2


def test_a_server_that_says_when_to_come_again_is_not_asked_before(registry: Registry, crowd: Crowd) -> None:
    busy = Failing(Direct(registry, now=now()), None, TooManyRequests("too many requests", retry_after=90))
    view = Seen()
    watched(busy, view, nothing, nothing, lambda: make_worse(crowd))  # type: ignore[arg-type]
    assert view.pauses[1] == 90


def test_asking_takes_a_tenth_of_the_time_at_most(registry: Registry, crowd: Crowd) -> None:
    took = iter([0.0, 0.0, 10.0, 13.0, 20.0, 520.0, 600.0])  # a look takes no time, then 3 s, then 500 s
    view = Seen()
    actions = [nothing, nothing, lambda: make_worse(crowd)]
    watched(Direct(registry, now=now()), view, *actions, clock=lambda: next(took))
    assert view.pauses == [EVERY, 27.0, LONGEST]


def test_what_is_away_from_the_beginning_is_an_error_and_so_is_a_right_that_ends(
    registry: Registry, crowd: Crowd
) -> None:
    direct = Direct(registry, now=now())
    with pytest.raises(RegistryUnavailable):
        watched(Failing(direct, gone()), Seen())  # type: ignore[arg-type]
    refused = NotAllowed("it may not", scope="read")
    with pytest.raises(NotAllowed):
        watched(Failing(direct, None, refused), Seen(), nothing)  # type: ignore[arg-type]


# --- the command -----------------------------------------------------------------------------------


@pytest.fixture
def environment(where: str, registry: Registry, promptops: object) -> dict[str, str]:
    """That of a command line, with the registry or the server."""
    more = {"PROMPTOPS_REGISTRY": where}
    if where.startswith("http"):
        more["PROMPTOPS_TOKEN"] = mint(registry, "watcher", Scope.READ).secret
    return {**os.environ, **more}


@dataclass(frozen=True)
class Output:
    """What a command printed after its first line, and how it ended."""

    rest: str
    errors: str
    code: int


def run(environment: dict[str, str], folder: Path, act: Callable[[str, Forked], object], *more: str) -> Output:
    """Watches in a process of its own; once the first line is there, does something with it."""
    words = ("canary", "status", "bot", *ON, "--watch", *more)
    with TemporaryFile("w+", encoding="utf-8") as errors:
        with Forked(words, folder=folder, environment=environment, errors=errors) as process:
            try:
                act(process.stdout.readline(), process)
                rest = process.stdout.read()
                code = process.wait(PATIENCE)
            finally:
                process.kill()
        errors.seek(0)
        # On a busy machine an answer may be late, which ends nothing.
        said = [line for line in errors if not line.startswith("note: the registry ")]
        return Output(rest, "".join(said), code)


def test_without_a_terminal_there_is_a_line_for_each_change(
    environment: dict[str, str], crowd: Crowd, tmp_path: Path
) -> None:
    def act(line: str, process: Forked) -> None:
        assert "bot on prod at 20 %: " in line
        assert "of 200 keys" in line
        assert "\x1b" not in line
        make_worse(crowd)

    done = run(environment, tmp_path, act)
    lines = done.rest.splitlines()
    assert any("bot on prod: the canary ended, canary aborted by policy of prod: aborted: " in line for line in lines)
    assert lines[-1] == "Next: what led here  promptops history bot --channel prod"
    assert (done.code, done.errors) == (5, "")


def test_with_json_there_is_a_document_a_line(environment: dict[str, str], crowd: Crowd, tmp_path: Path) -> None:
    def act(line: str, process: Forked) -> None:
        document = json.loads(line)
        assert (document["app"], document["weight"], document["rollout"]) == ("bot", 2_000, "1.2")
        by_hand(crowd.registry, Step.FINISH, now(), reason="it is good")

    done = run(environment, tmp_path, act, "--json")
    last = json.loads(done.rest.splitlines()[-1])
    assert (last["ended"], last["rollout"], last["deployment"]["kind"]) == ("finished", "1.2", "promote")
    assert last["deployment"]["stable"]["version"] == "0.1.1"
    assert (done.code, done.errors) == (0, "")


def test_ctrl_c_ends_it_without_a_word(environment: dict[str, str], tmp_path: Path) -> None:
    done = run(environment, tmp_path, lambda line, process: process.send_signal(signal.SIGINT))
    assert (done.rest, done.errors, done.code) == ("", "", 130)


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_terminal_gets_one_screen_and_is_as_it_was_afterwards(
    environment: dict[str, str], tmp_path: Path, ending: signal.Signals, code: int
) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "promptops", "canary", "status", "bot", *ON, "--watch"]
    terminal = environment | {"TERM": "xterm-256color", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=terminal, stdin=slave, stdout=slave, stderr=slave, preexec_fn=interruptible
    ) as process:
        os.close(slave)
        try:
            shown = _until(master, b"Ctrl-C ends")
            process.send_signal(ending)
            shown += _until(master, None)
            assert process.wait(PATIENCE) == code, shown
        finally:
            process.kill()
    os.close(master)
    text = shown.decode()
    assert text.startswith("\x1b[?1049h")
    assert text.endswith("\x1b[?25h\x1b[?1049l"), "nothing is left on the terminal"
    screen = text.split("\x1b[H")[1]
    assert screen.count("\r\n") < 24
    assert "bot on prod: canary" in screen
    assert "EVIDENCE, limit" in screen


def _until(master: int, mark: bytes | None) -> bytes:
    """What comes from a terminal up to a mark, or to its end."""
    read, ends = b"", time.monotonic() + PATIENCE  # it is drawn anew for ever where a signal does not end it
    while mark is None or mark not in read:
        assert select.select([master], [], [], max(0.0, ends - time.monotonic()))[0], read
        try:
            piece = os.read(master, 65_536)
        except OSError:  # Linux says so where the other side is closed
            piece = b""
        if not piece:
            assert mark is None, read
            return read
        read += piece
    return read
