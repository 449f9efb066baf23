"""A registry and its copy in git that 0.3.0 made on its own command line: today's reads, proves and rebuilds both."""

from __future__ import annotations

import re
import shlex
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.store import Registry
from promptops.store.facts.record import encode
from tests.cli.conftest import Promptops
from tests.projection.test_rebuild import answers
from tests.support import factory
from tests.support.old import REFS, VERSIONS, Old

PROMPT = "bot/prompts/greet.prompt.yml"
_AS_IN_0_3 = {"channels apply": ("--loosen",), "token create app": ("--scope", "read")}
"""What 0.3.0 did without being asked to, by how a command begins."""
KINDS = {
    "registry", "releases", "confirmations", "profiles", "yanks", "policies", "channels", "quarantines", "tokens",
    "revocations",
}  # fmt: skip
"""The kinds of facts in the story: all but those of an upgrade and of a restore."""

_CHANGING = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{6})?(\+00:00|Z)?"  # a time
    r"|(?<=promptops )\d+\.\d+\.\d+[\w.+-]*"  # the builder of a release
    r'|pops_\w+|"(commitment|hash|key|previous|record)":"[^"]+"|(?<!sha256:)\b[0-9a-f]{64}\b'
)


@dataclass(frozen=True)
class Lived:
    """What 0.3.0 left: the database, the workspace with its git repository, and a backup where it is SQLite.

    ``story`` are the command lines that it ran, and ``start`` is the workspace as it was before them.
    """

    url: str
    root: Path
    backup: Path
    start: Path
    story: tuple[str, ...]

    @property
    def options(self) -> tuple[str, ...]:
        return ("--registry", self.url, "-C", str(self.root))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Made by 0.3.0, or by the version that the parameter names, and upgraded by today's command line. No test changes
    it."""
    old = Old.unpack(request.param if request.param in VERSIONS else REFS, tmp_path_factory.mktemp("old"))
    folder = tmp_path_factory.mktemp(request.param)
    url = f"sqlite:///{folder}/registry.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_databases")("template0")
    story = write_story(folder / "prompts")
    start = shutil.copytree(folder / "prompts", folder / "start")
    made = Lived(url=url, root=folder / "prompts", backup=folder / "old.backup", start=start, story=story)
    old.type_in(*story, PROMPTOPS_REGISTRY=url, PROMPTOPS_ACTOR=factory.ACTOR)
    if request.param != "postgresql":
        old.type_in(f"db backup {made.backup}", PROMPTOPS_REGISTRY=made.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTOPS_SYNC", "now")
        patch.setenv("PROMPTOPS_ACTOR", factory.ACTOR)
        assert run(["db", "upgrade", *made.options]) == 0
    return made


def write_story(root: Path) -> tuple[str, ...]:
    """Make a workspace of four commits; answers command lines that make every kind of change there."""

    def text(what: str) -> dict[str, str]:
        return {PROMPT: factory.PROMPT.replace("hello", what)}

    def checkout(*what: str) -> str:
        return f"git -C {root} checkout {' '.join(what)}"

    def everywhere(release: str) -> list[str]:
        return [f"promote {release} --channel {channel}" for channel in ("dev", "staging", "prod")]

    factory.make_workspace(root)
    policies = factory.WORKSPACE.replace("protected: true", "")
    first = factory.git(root, "rev-parse", "HEAD")
    files = {"promptops.yml": policies, "bot/app.yml": "owner: greeters\n", **text("größer ☃")}
    second, third, fourth = (factory.commit(root, more) for more in (files, text("farewell"), text("nothing")))
    pin = f"{root}.override.json"
    story = [
        checkout(first),
        "init",
        "release -m first",
        *everywhere("bot@0.1.0"),
        "sync",
        checkout(second),
        "channels apply",
        "release -m größer",
        *everywhere("bot@0.1.1"),
        checkout(third),
        "release",
        *everywhere("bot@0.1.2"),
        "rollback bot --channel prod -m 'wrong ☃'",
        "unquarantine bot@0.1.2 --channel prod -m 'fine after all'",
        "rollback bot --channel dev --to 0.1.0",
        "rollback bot --channel staging",
        "yank bot@0.1.2 -m 'it leaks'",
        "quarantine bot@0.1.1 --channel dev -m slow",
        checkout(fourth, "--", "bot"),
        "release --allow-dirty",
        "promote bot@0.1.3 --channel dev",
        checkout(fourth),
        "release",
        "token create ci --scope release --scope promote --channel staging --expires 30d",
        "token create app --channel prod --app bot --expires never",
        "token revoke ci -m leaked",
        f"break-glass pin bot@0.1.0 --channel prod -m gone --out {pin}",
        f"break-glass reconcile {pin}",
        "sync",
    ]
    return tuple(line if line.startswith("git ") else f"{line} -C {root}" for line in story)


SERVED = {"dev": "0.1.3", "staging": "0.1.1", "prod": "0.1.0"}
PAST = [
    ("break-glass", "0.1.0"),
    ("rollback", "0.1.1"),
    ("promote", "0.1.2"),
    ("promote", "0.1.1"),
    ("promote", "0.1.0"),
]


def served(promptops: Promptops, *options: str) -> dict[str, str]:
    """What `promptops status` says of each channel."""
    apps: Any = promptops("status", "--json", *options).json["apps"]
    [bot] = apps
    return {channel: found["stable"]["version"] for channel, found in bot["channels"].items()}


def test_it_is_read_and_whole(lived: Lived, promptops: Promptops) -> None:
    with closing(Registry.open(lived.url)) as registry, registry.read() as reader:
        assert {entry.ref.partition("/")[0] for entry in reader.journal()} == KINDS
        assert {entry.action for entry in reader.audit()} >= {"confirm", "rollback", "unquarantine", "break-glass"}
    assert served(promptops, *lived.options) == SERVED
    past: Any = promptops("history", "bot", "--channel", "prod", "--json", *lived.options).json["deployments"]
    assert [(found["kind"], found["stable"]["version"]) for found in past] == PAST
    promptops("releases", "bot", *lived.options)
    promptops("token", "list", *lived.options)
    assert promptops("fsck", "--json", *lived.options).json["faults"] == []
    assert promptops("audit", "--verify", "--json", *lived.options).json["whole"] is True


@pytest.mark.parametrize("lived", ["sqlite"], indirect=True)
def test_todays_command_line_writes_the_same(
    lived: Lived, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command lines give the same facts, audit lines and tags, but for times and tokens. No home is named for
    the journal: 0.3.0 did not know that fact."""
    root, url = shutil.copytree(lived.start, tmp_path / "prompts"), f"sqlite:///{tmp_path}/again.db"
    for line in lived.story:
        command = shlex.split(line.replace(str(lived.root), str(root)))
        if command[0] == "git":
            factory.git(root, *command[1:])
        elif command[0] != "sync":
            monkeypatch.setenv("PROMPTOPS_SYNC", "off" if command[0] == "init" else "now")
            more = next((options for words, options in _AS_IN_0_3.items() if line.startswith(words)), ())
            promptops(*command, *more, "--registry", url)
    assert written(url, root) == written(lived.url, lived.root)


def written(url: str, root: Path) -> list[str]:
    """All records and all tags as text, with a word in place of each value that is another one each time."""
    with closing(Registry.open(url)) as registry, registry.read() as reader:
        lineage, ids = registry.lineage, {token.id: token.name for token in reader.tokens()}
        records = reader.facts(reader.journal())
        # 0.3.0 did not say which workspace declared a policy, nor the first commit of a repository and its authors.
        later = r'"origin":\{[^{}]*\},|,"root":"[0-9a-f]{40}"|"authors":\[[^\]]*\],'
        texts = [re.sub(later, "", encode(record).decode()) for record in records]
    form = "%(refname) %(objecttype) %(authorname) %(committername) %(taggername) %(contents)%1e"
    texts += factory.git(root, "for-each-ref", f"--format={form}", "refs/tags").split("\x1e")
    named = "|".join([lineage, *ids])
    return sorted(_CHANGING.sub("…", re.sub(named, lambda found: ids.get(found[0], "lineage"), text)) for text in texts)


def require_same_answers(url: str, original: str) -> None:
    """Every question up to the last line of the original registry has the same answer in both."""
    with (
        closing(Registry.open(original)) as before,
        closing(Registry.open(url)) as after,
        before.read() as reader,
        after.read() as other,
    ):
        until, _ = reader.audit_head()
        assert list(answers(other, until)) == list(answers(reader, until))


@pytest.mark.parametrize("lived", ["sqlite", "0.1.0"], indirect=True)
def test_its_refs_are_taken_over_as_a_branch(lived: Lived, promptops: Promptops, tmp_path: Path) -> None:
    root = shutil.copytree(lived.root, tmp_path / "prompts")
    shutil.copy(lived.url.removeprefix("sqlite:///"), tmp_path / "registry.db")
    options = ("--registry", f"sqlite:///{tmp_path}/registry.db", "-C", str(root))
    assert factory.git(root, "for-each-ref", "refs/promptops")
    promptops("sync", *options)
    promptops("fsck", *options)
    assert promptops("sync", "--remove-old-refs", "--json", *options).json["kept"] == []
    assert factory.git(root, "for-each-ref", "refs/promptops") == ""
    promptops("fsck", *options)
    url = f"sqlite:///{tmp_path}/new.db"
    promptops("rebuild", "--from-git", str(root), "--registry", url, "-C", str(root))
    require_same_answers(url, lived.url)


def test_it_is_rebuilt_from_git_alone(lived: Lived, promptops: Promptops, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    root = shutil.copytree(lived.root, tmp_path / "prompts")
    options = ("--registry", url, "-C", str(root))
    promptops("rebuild", "--from-git", str(root), *options)
    require_same_answers(url, lived.url)
    promptops("sync", *options)
    promptops("fsck", *options)
    promptops("rollback", "bot", "--channel", "staging", *options)
    assert served(promptops, *options) == {**SERVED, "staging": "0.1.0"}
    promptops("fsck", *options)


@pytest.mark.parametrize("lived", ["sqlite"], indirect=True)
def test_its_backup_is_restored(lived: Lived, promptops: Promptops, tmp_path: Path) -> None:
    root = shutil.copytree(lived.root, tmp_path / "prompts")
    options = ("--registry", f"{tmp_path}/restored.db", "-C", str(root))
    promptops("db", "restore", str(lived.backup), *options)
    assert served(promptops, *options) == SERVED
    promptops("sync", *options)
    promptops("fsck", *options)
