"""Reading prompt files: a lint of 1,200 of them, and a release of 50 out of a repository of 5,000 files."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import yaml

from promptops import store
from promptops.operations.releasing import ReleaseRequest, release, tag
from promptops.operations.workspace import build
from promptops.source.lint import check
from promptops.source.tree import WorkingTree
from tests.bench.fill import ACTOR, NOW
from tests.bench.measure import Line, compare, timed

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
  - question: How often must the kettle be cleaned where the water is hard, case {case}?
    documents: Descale with citric acid, once a month; twice where the water is hard.
    product: Kettle
    name: Ada
    expected: citric acid
"""
_TAIL = """\
evaluators:
  - name: names the means
    string:
      contains: "{{expected}}"
"""


def prompt_file(number: int, *, take: int) -> str:
    """A prompt file as a team has them: 2 KB of messages, six cases, one evaluator."""
    rules = "".join(_RULE.format(rule=rule) for rule in range(1, 23)).rstrip()
    cases = "".join(_CASE.format(case=case) for case in range(6))
    return _HEAD.format(number=number, take=take, rules=rules) + cases + _TAIL


def lines(folder: Path) -> Iterator[Line]:
    """check, then release."""
    yield _check(folder / "check")
    yield _release(folder / "release")


def _check(root: Path) -> Line:
    for app, number in itertools.product(range(24), range(50)):
        _write(root / f"apps/app-{app:02}/prompts/answer-{number:02}.prompt.yml", number, take=app)
    (root / "promptops.yml").write_text("registry: bench\napps: [apps/*]\n", encoding="utf-8")
    texts = [path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.prompt.yml"))]

    def parse() -> None:
        for text in texts:
            yaml.load(text, Loader=yaml.CSafeLoader)

    def lint() -> None:
        loaded = check(WorkingTree(root))
        if len(loaded.apps) != 24 or any(app.content is None for app in loaded.apps):
            raise RuntimeError(f"check did not take the files: {loaded.findings[:3]}")

    return compare(
        f"promptops check, {len(texts):,} prompt files, in process",
        partial(timed, lint),
        partial(timed, parse),
        named="PyYAML's C loader, the same texts",
        bound=3.0,
        rounds=7,
    )


def _release(root: Path) -> Line:
    app = root / "apps" / "support"
    for number in range(50):
        _write(app / f"prompts/answer-{number:02}.prompt.yml", number, take=0)
    (root / "promptops.yml").write_text("registry: bench\napps: [apps/*]\n", encoding="utf-8")
    for number in range(4_949):
        other = root / "code" / f"part-{number % 50:02}" / f"module_{number:04}.py"
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text(f"value = {number}\n" * 20, encoding="utf-8")
    for arguments in (["init", "--quiet"], ["config", "user.name", "Ada"], ["config", "user.email", "ada@example.org"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    url = f"sqlite:///{root.parent}/release.db"
    store.create(url, name="bench", now=NOW, actor=ACTOR)
    registry = store.Registry.open(url)
    takes = itertools.count(1)

    def ours() -> float:
        take = next(takes)
        _write(app / "prompts/answer-00.prompt.yml", 0, take=take)
        subprocess.run(["git", "add", "--all"], cwd=root, check=True)
        subprocess.run(["git", "commit", "--quiet", "--message", f"Take {take}"], cwd=root, check=True)
        start = time.perf_counter()
        workspace = build(root, ["support"], builder="bench")
        made = release(
            registry, workspace, ReleaseRequest(key=f"take-{take}"), actor=ACTOR, now=NOW + timedelta(hours=take)
        )
        tagged = tag(root, [each.release for each in made])
        took = time.perf_counter() - start
        if not made[0].created or tagged[0].problem:
            raise RuntimeError(f"not a new release with a tag: {made[0].release.version} {tagged}")
        return took

    def floor() -> None:
        for path in sorted(app.rglob("*.prompt.yml")):
            data = path.read_bytes()
            yaml.load(data.decode(), Loader=yaml.CSafeLoader)
            hashlib.sha256(data).hexdigest()

    try:
        return compare(
            "release of 50 prompts out of 5,000 files, with its tag, in process",
            ours,
            partial(timed, floor),
            named="reading, parsing, hashing the 50",
            bound=4.0,
            rounds=11,
        )
    finally:
        registry.close()


def _write(path: Path, number: int, *, take: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(prompt_file(number, take=take), encoding="utf-8")
