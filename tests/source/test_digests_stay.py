"""The same files make the same release as earlier versions, whose wheels are kept: evidence by digest stays good."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promptops.core.digest import digest
from promptops.core.release_bytes import encode
from promptops.source.load import load
from promptops.source.tree import WorkingTree
from tests.support.checkout import ROOT
from tests.support.old import PRELUDE, VERSIONS, Old

HEAD = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: 'For {{q}} and {{ user.name }}'}]\n"
FILES = {
    "promptops.yml": "registry: team\napps: [bot]\n",
    "bot/inferred.prompt.yml": HEAD,
    "bot/declared.prompt.yml": HEAD + "inputs: {q: {type: string}, user: {}}\n",
    "bot/jinja.prompt.yml": HEAD.replace("{{q}}", "{% if q %}{{ q }}{% endif %}") + "template: jinja2\n",
    "bot/tools.prompt.yml": HEAD
    + "tools: [{name: a, description: A}, {type: function, function: {name: b, parameters: {type: object}}}]\n",
    "bot/claude.prompt.yml": HEAD.replace("openai/gpt-4o-2024-08-06", "anthropic/claude-opus-5")
    + "modelParameters: {maxTokens: 9}\n",
    "bot/suite.prompt.yml": HEAD + "testData: [{q: x, expected: y}]\nevaluators: [{name: e, string: {equals: y}}]\n",
}
DECLARED = ("outcomes", "tags", "scores", "capture", "plan")
SCRIPT = (
    PRELUDE
    + """
import json, sys
import promptops
assert promptops.__version__ == sys.argv[1], promptops.__file__
from pathlib import Path
from promptops.core.digest import digest
from promptops.source.load import load
from promptops.source.tree import WorkingTree
encode = module("core.release_bytes", "core.release").encode
for place in sys.argv[2:]:
    found = load(WorkingTree(Path(place)))
    print(json.dumps({app.name: digest(encode(app.content)) for app in found.apps}))
"""
)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_digests_of_an_earlier_version_are_the_digests_of_today(
    version: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    places = [_example(tmp_path_factory.mktemp("example")), tmp_path]
    old = Old.unpack(version, tmp_path_factory.mktemp("old"))
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT, version, *map(str, places)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(old.package), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    before = [json.loads(line) for line in said.splitlines()]
    now = [
        {app.name: digest(encode(app.content)) for app in load(WorkingTree(place)).apps if app.content}
        for place in places
    ]
    assert now == before
    assert sum(map(len, now)) >= 3


def _example(place: Path) -> Path:
    """The example without what its app declares of its calls: no part of a release, and refused by earlier versions."""
    shutil.copytree(ROOT / "example-repo", place, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".promptops"))
    for file in place.glob("apps/*/app.yml"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if line.partition(":")[0] not in DECLARED), encoding="utf-8")
    return place
