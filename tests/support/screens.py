"""The screens of docs/on-call.md, from runs of the commands: ``python -m tests.support.screens [--write]``.

The registry, its times and the present moment are fixed, so a run on any day gives the same text.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from promptops import clock
from promptops.config import VARIABLES
from promptops.core.heartbeat import Beat, State
from promptops.core.model import Content, Policy, Profile
from promptops.core.reference import parse_reference
from promptops.operations.build import BuiltWorkspace
from promptops.operations.channels import Terms, apply_channels
from promptops.operations.heartbeats import record_beats
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.release import ReleaseRequest, release
from promptops.store import Registry
from promptops.store.setup import create
from tests.support import factory
from tests.support.checkout import ROOT

PAGE = ROOT / "docs" / "on-call.md"
NOW = datetime(2026, 11, 21, 2, 14, 5, tzinfo=UTC)
ADA, BEN = "Ada Brandt <ada@parcelwise.example>", "Ben Okafor <ben@parcelwise.example>"
_PROFILE = Profile(
    owner="support-engineering",
    on_call="+49 30 5550 110",
    runbook="https://wiki.parcelwise.example/runbooks/support-bot",
)
_BLOCK = re.compile(r"(?<=```text\n)\$ promptops (?P<command>[^\n]*)\n.*?(?=^```$)", re.MULTILINE | re.DOTALL)


def page() -> str:
    """The page with each screen as its command prints it, in a process of its own, where the time stands still."""
    text = PAGE.read_text(encoding="utf-8")
    commands = [block["command"] for block in _BLOCK.finditer(text)]
    child = [sys.executable, "-m", "tests.support.screens", "--print", *commands]
    done = subprocess.run(child, cwd=ROOT, capture_output=True, text=True, check=True)
    printed = iter(json.loads(done.stdout))
    return _BLOCK.sub(lambda block: f"$ promptops {block['command']}\n{next(printed)}", text)


def _print(commands: Sequence[str]) -> None:
    """Prints as JSON what each of the commands does, in a registry of three apps at one moment of one night."""
    clock.now = lambda: NOW  # before the command line is imported, which reads it
    from promptops.cli.main import run

    printed = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/registry.db"
        create(url, name="parcelwise", actor=ADA, now=NOW - timedelta(days=60))
        with contextlib.closing(Registry.open(url)) as registry:
            _fill(registry)
        for name in VARIABLES:
            os.environ.pop(name, None)
        os.environ |= {"PROMPTOPS_REGISTRY": url, "COLUMNS": "80", "LINES": "24", "TZ": "UTC"}
        time.tzset()
        for command in commands:
            with contextlib.redirect_stdout(out := io.StringIO()):
                code = run(command.split())
            assert code == 0, f"{command} ended with {code}"
            printed.append(out.getvalue())
    print(json.dumps(printed))


def _fill(registry: Registry) -> None:
    declared = {"staging": Policy(), "prod": Policy()}
    apply_channels(registry, "parcelwise", declared, actor=ADA, now=NOW - timedelta(days=60), terms=Terms(loosen=True))
    texts = (
        "You answer customers of Parcelwise from its articles alone. Answer in at most three sentences.",
        "You answer customers of Parcelwise from its articles alone. Answer in at most three sentences, kindly.",
        "You answer customers of Parcelwise. Answer in at most two sentences, kindly.",
    )
    ages = (timedelta(days=40), timedelta(days=9), timedelta(minutes=14))
    for text, age, reason in zip(texts, ages, ("the first", "kinder", "shorter answers"), strict=True):
        made = _release(registry, factory.content("support-bot", text, model=factory.LASTING), NOW - age)
        for channel, before in (("staging", timedelta(hours=2)), ("prod", timedelta())):
            _live(registry, f"support-bot@{made}", channel, NOW - age - before, ADA, reason)
    for app, age in (("release-notes", timedelta(hours=7)), ("sentiment", timedelta(days=3))):
        made = _release(registry, factory.content(app, "Sum up {{ text }}", model=factory.LASTING), NOW - age)
        _live(registry, f"{app}@{made}", "prod", NOW - age, BEN, "the first")
    for number, revision in ((1, 3), (2, 3), (3, 2), (4, 3)):
        beat = Beat(
            id=f"{number:032x}", channel="prod", name=f"help-desk-{number}", sdk="promptops/0.9.0", state=State.READY,
            lineage=registry.lineage, epoch=1, revisions={"support-bot": revision},
        )  # fmt: skip
        record_beats(registry, [beat], NOW - timedelta(seconds=9))


def _release(registry: Registry, content: Content, at: datetime) -> str:
    built = factory.built(content)
    workspace = BuiltWorkspace(registry="parcelwise", built=(replace(built, profile=_PROFILE),))
    return release(registry, workspace, ReleaseRequest(key=factory.key()), actor=ADA, now=at)[0].release.version


def _live(registry: Registry, name: str, channel: str, at: datetime, actor: str, reason: str) -> None:
    request = PromoteRequest(reference=parse_reference(name), channel=channel, key=factory.key(), reason=reason)
    promote(registry, request, actor=actor, now=at)


if __name__ == "__main__":
    if "--print" in sys.argv:
        _print(sys.argv[2:])
    elif "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    elif page() != PAGE.read_text(encoding="utf-8"):
        sys.exit(f"{PAGE.relative_to(Path.cwd())} is behind: run `make docs`")
