"""Reading prompt files: a lint of 1,200, what changed in one of them, and a release of 50 out of 5,000 files."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import yaml

from promptops import store
from promptops.core.model import Release
from promptops.operations.build import build
from promptops.operations.changes import changes
from promptops.operations.git_sync import tag
from promptops.operations.homes import Changed, Declared, settle
from promptops.operations.release import ReleaseRequest, release
from promptops.source import prompt_file as reading
from promptops.source.git.repository import Repository
from promptops.source.lint.lint import check
from promptops.source.tree import WorkingTree
from tests.harness.bench.fill import ACTOR, NOW
from tests.harness.bench.measure import Line, compare, timed

_FLUSHED = ("-c", "core.fsync=all", "-c", "gc.auto=0")
_HEAD = """\
name: Answer {number}
description: Answers questions of one kind from what was found in the documents.
model: openai/gpt-4o-mini-2024-07-18
modelParameters:
  temperature: 0.2
  maxTokens: 800
messages:
  - role: system
    content: |
      You answer questions about {{{{product}}}} for people who are in a hurry. Take {take}.
{rules}
  - role: user
    content: |
      The documents:
      {{{{documents}}}}

      The question, from {{{{name}}}}: {{{{question}}}}
testData:
"""
_RULE = "      - Rule {rule}: stay with what the documents say, and say so where they are silent.\n"
_CASE = """\
  - question: {asked}, case {case}?
    documents: {found}
    product: Kettle
    name: Ada
    expected: citric acid
"""
_CASES = (
    ("How often must the kettle be cleaned where the water is hard", "Descale it once a month; twice with hard water."),
    ("May I put the lid into the dishwasher with all the other things", "The lid is steel. Wash it as you like."),
    ("What do I do when it switches off before the water boils", "A kettle that is not level switches itself off."),
    (
        "Can you send me another filter, mine was torn when it came",
        "Filters are replaced for two years, with a receipt.",
    ),
    ("Is it safe to let children of six years use it alone", "From eight years on, if a grown-up has shown how."),
    ("How much does it take to boil one litre from the tap", "About 0.11 kWh, which takes two and a half minutes."),
)  # what six people ask: cases that are alike would be a finding
_TAIL = """\
evaluators:
  - name: names the means
    string:
      contains: "{{expected}}"
"""


def prompt_file(number: int, *, take: int) -> str:
    """A prompt file as a team has them: 2 KB of messages, six cases, one evaluator."""
    rules = "".join(_RULE.format(rule=rule) for rule in range(1, 23)).rstrip()
    cases = "".join(_CASE.format(case=case, asked=asked, found=found) for case, (asked, found) in enumerate(_CASES))
    return _HEAD.format(number=number, take=take, rules=rules) + cases + _TAIL


def lines(folder: Path) -> Iterator[Line]:
    """check and ci, then release."""
    yield from _check(folder / "check")
    yield from _release(folder / "release")


def _check(root: Path) -> Iterator[Line]:
    write_apps(root)
    texts = [path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.prompt.yml"))]

    def parse() -> None:
        for text in texts:
            yaml.load(text, Loader=yaml.CSafeLoader)

    def lint() -> None:
        loaded = check(WorkingTree(root))
        if len(loaded.apps) != 24 or any(app.content is None for app in loaded.apps):
            raise RuntimeError(f"check did not take the files: {loaded.findings[:3]}")

    yield compare(
        f"promptops check, {len(texts):,} prompt files, in process",
        partial(timed, lint),
        partial(timed, parse),
        named="PyYAML's C loader, the same texts",
        bound=3.0,
        rounds=7,
    )

    def lint_without() -> None:
        names = vars(reading)
        building = names["check_request"]
        names["check_request"] = lambda *given: None
        try:
            lint()
        finally:
            names["check_request"] = building

    yield compare(
        f"the same with a request built of each of the {len(texts):,} prompts",
        partial(timed, lint),
        partial(timed, lint_without),
        named="promptops check that builds no request",
        bound=3.0,
        rounds=5,
    )

    commit_apps(root)
    change_app(root)

    def report() -> None:
        with closing(Repository.open(root)) as repository:
            found = changes(repository, "", "HEAD^1")
        if [app.name for app in found.apps] != ["app-00"]:
            raise RuntimeError(f"other apps changed: {found.apps}")

    yield compare(
        "promptops ci of a change in one of 24 apps, in process",
        partial(timed, report),
        partial(timed, lint),
        named="promptops check",
        bound=2.0,
        rounds=5,
    )


def write_apps(root: Path, channels: str = "") -> None:
    """Write a workspace of 24 apps with 50 prompts each."""
    for app, number in itertools.product(range(24), range(50)):
        _write(root / f"apps/app-{app:02}/prompts/answer-{number:02}.prompt.yml", number, take=app)
    (root / "promptops.yml").write_text(f"registry: bench\napps: [apps/*]\n{channels}", encoding="utf-8")


def commit_apps(root: Path) -> None:
    """Make the first commit of a repository."""
    _begin(root)
    _git(root, "add", "--all")
    _git(root, "commit", "--quiet", "--message", "Begin")


def change_app(root: Path) -> None:
    """Commit a change of one prompt of the first app."""
    _write(root / "apps/app-00/prompts/answer-00.prompt.yml", 0, take=99)
    _git(root, "commit", "--quiet", "--all", "--message", "Change")


def _release(root: Path) -> Iterator[Line]:
    """A release, which is durable once its transaction is; and what git is then told of it, flushed to disk."""
    app = root / "apps" / "support"
    _fill(root, app)
    url = f"sqlite:///{root.parent}/release.db"
    store.create(url, name="bench", now=NOW, actor=ACTOR)
    registry = store.Registry.open(url)
    with closing(Repository.open(root)) as repository:
        settle(registry, repository, Declared(registry="bench"), Changed(actor=ACTOR, at=NOW), claim=True)
    takes = itertools.count(1)

    def commit() -> int:
        take = next(takes)
        _write(app / "prompts/answer-00.prompt.yml", 0, take=take)
        _git(root, "add", "--all")
        _git(root, "commit", "--quiet", "--message", f"Take {take}")
        return take

    def cut(repository: Repository, take: int) -> Release:
        workspace = build(repository, root, ["support"], builder="bench")
        request = ReleaseRequest(key=f"take-{take}")
        [made] = release(registry, workspace, request, actor=ACTOR, now=NOW + timedelta(hours=take))
        if not made.created:
            raise RuntimeError(f"not a new release: {made.release.version}")
        return made.release

    def alone() -> float:
        take = commit()
        start = time.perf_counter()
        with closing(Repository.open(root)) as repository:
            cut(repository, take)
        return time.perf_counter() - start

    def projected() -> float:
        take = commit()
        with closing(Repository.open(root)) as repository:
            made = cut(repository, take)
        start = time.perf_counter()
        with closing(Repository.open(root)) as repository:
            [tagged] = tag(registry, repository, [made])
        took = time.perf_counter() - start
        if tagged.problem:
            raise RuntimeError(tagged.problem)
        return took

    def released() -> float:
        take = commit()
        start = time.perf_counter()
        with closing(Repository.open(root)) as repository:
            made = cut(repository, take)
            [tagged] = tag(registry, repository, [made])
        took = time.perf_counter() - start
        if tagged.problem:
            raise RuntimeError(tagged.problem)
        return took

    def by_hand() -> float:
        take = next(takes)
        start = time.perf_counter()
        _git(root, *_FLUSHED, "commit", "--quiet", "--allow-empty", "--message", f"Take {take}")
        _git(root, *_FLUSHED, "tag", "--annotate", "--message", f"Take {take}", f"by-hand-{take}")
        return time.perf_counter() - start

    try:
        yield compare(
            "release of 50 prompts out of 5,000 files, in process",
            alone,
            partial(timed, partial(_floor, app)),
            named="reading, parsing, hashing the 50",
            bound=4.0,
            rounds=11,
        )
        yield compare(
            "release of 50 prompts out of 5,000 files, with its tag, in process",
            released,
            partial(timed, partial(_floor, app)),
            named="reading, parsing, hashing the 50",
            bound=4.0,
            rounds=11,
        )
        yield compare(
            "its tag and records in git, flushed",
            projected,
            by_hand,
            named="git commit and git tag, flushed",
            bound=4.0,
            rounds=7,
        )
    finally:
        registry.close()


def _floor(app: Path) -> None:
    for path in sorted(app.rglob("*.prompt.yml")):
        data = path.read_bytes()
        yaml.load(data.decode(), Loader=yaml.CSafeLoader)
        hashlib.sha256(data).hexdigest()


def _fill(root: Path, app: Path) -> None:
    for number in range(50):
        _write(app / f"prompts/answer-{number:02}.prompt.yml", number, take=0)
    (root / "promptops.yml").write_text("registry: bench\napps: [apps/*]\n", encoding="utf-8")
    for number in range(4_949):
        other = root / "code" / f"part-{number % 50:02}" / f"module_{number:04}.py"
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text(f"value = {number}\n" * 20, encoding="utf-8")
    _begin(root)


def _begin(root: Path) -> None:
    _git(root, "init", "--quiet")
    _git(root, "config", "user.name", "Ada")
    _git(root, "config", "user.email", "ada@example.org")


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True)


def _write(path: Path, number: int, *, take: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(prompt_file(number, take=take), encoding="utf-8")
