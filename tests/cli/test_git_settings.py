"""Whatever a user's settings, a repository's, the environment or a repository inside the repository say: the same is
done, nothing is lost, and no program of theirs runs.

All of a place are planted at once. If that goes wrong, halves of them are, and the failure names the one to blame.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptops.core.model import Json
from tests.cli.conftest import Promptops
from tests.support import factory


def words(text: str) -> list[str]:
    return text.split()


PROGRAMS = words("""
core.fsmonitor core.alternateRefsCommand core.pager core.editor core.gitProxy core.askPass sequence.editor gpg.program
gpg.ssh.program diff.external diff.evil.command diff.evil.textconv merge.evil.driver filter.evil.clean
filter.evil.smudge filter.evil.process hook.evil.command interactive.diffFilter pager.config pager.remote pager.push
alias.push alias.fetch alias.config alias.status alias.rev-parse alias.cat-file trailer.evil.command
remote.origin.uploadpack remote.origin.receivepack difftool.evil.cmd mergetool.evil.cmd sendemail.sendmailCmd
""")
"""Settings that name a program."""

VALUES = words("""
core.abbrev=40 core.autocrlf=input core.bare=true core.bigFileThreshold=1 core.compression=0 core.eol=crlf
core.fileMode=false core.fsync=none core.ignoreCase=true core.ignoreStat=true core.logAllRefUpdates=always
core.precomposeUnicode=true core.quotePath=false core.safecrlf=true core.trustctime=false core.untrackedCache=true
core.useReplaceRefs=true core.warnAmbiguousRefs=false core.whitespace=cr-at-eol core.sharedRepository=group
advice.statusHints=true branch.main.pushRemote=elsewhere branch.main.remote=elsewhere color.ui=always
color.push=always color.remote=always color.status=always color.transport=always column.ui=always
commit.gpgSign=true diff.ignoreSubmodules=none diff.noprefix=true diff.renames=copies diff.submodule=log
fetch.all=true fetch.fsckObjects=true fetch.negotiationAlgorithm=noop fetch.output=compact fetch.prune=true
fetch.pruneTags=true fetch.recurseSubmodules=true fetch.unpackLimit=1 fetch.writeCommitGraph=true format.pretty=full
gc.auto=1 gc.autoDetach=false gc.pruneExpire=now help.autocorrect=immediate hook.evil.event=pre-push
i18n.commitEncoding=latin1 i18n.logOutputEncoding=latin1 index.threads=1 init.defaultBranch=elsewhere
log.date=relative log.mailmap=true log.showSignature=true maintenance.auto=true pack.packSizeLimit=1m
protocol.allow=never protocol.file.allow=never protocol.version=0 push.autoSetupRemote=true push.default=nothing
push.followTags=true push.gpgSign=true push.negotiate=true push.pushOption=ci.skip push.recurseSubmodules=only
push.useForceIfIncludes=true receive.fsckObjects=true remote.origin.fetch=+refs/*:refs/*
remote.origin.followRemoteHEAD=always remote.origin.mirror=true remote.origin.partialclonefilter=blob:none
remote.origin.promisor=true remote.origin.prune=true remote.origin.pruneTags=true
remote.origin.push=+refs/heads/*:refs/heads/* remote.origin.skipDefaultUpdate=true remote.origin.tagOpt=--tags
remote.pushDefault=elsewhere safe.bareRepository=explicit status.branch=true status.renames=true
status.relativePaths=false status.short=true status.showStash=true status.showUntrackedFiles=no
status.submoduleSummary=true submodule.recurse=true tag.forceSignAnnotated=true tag.gpgSign=true tag.sort=-refname
transfer.fsckObjects=true transfer.hideRefs=refs/heads/main transfer.unpackLimit=1 user.useConfigOnly=true
versionsort.suffix=-rc
""")
"""Settings that change what a command does."""

VARIABLES = words("""
GIT_DIR={other}/.git GIT_WORK_TREE={other} GIT_INDEX_FILE={other}/.git/index GIT_COMMON_DIR={other}/.git
GIT_OBJECT_DIRECTORY={other}/.git/objects GIT_ALTERNATE_OBJECT_DIRECTORIES={other}/.git/objects GIT_NAMESPACE=other
GIT_CONFIG={other}/.git/config GIT_CONFIG_PARAMETERS='core.bare'='true' GIT_PREFIX=bot/ GIT_REPLACE_REF_BASE=refs/tags/
GIT_GRAFT_FILE={evil}/grafts GIT_SHALLOW_FILE={evil}/shallow GIT_IMPLICIT_WORK_TREE=0 GIT_CEILING_DIRECTORIES={root}
GIT_INTERNAL_SUPER_PREFIX=x/ GIT_LITERAL_PATHSPECS=0 GIT_ICASE_PATHSPECS=1 GIT_NO_REPLACE_OBJECTS=0
GIT_OPTIONAL_LOCKS=1 GIT_QUARANTINE_PATH={other} GIT_TRACE=1 GIT_TRACE2=1 GIT_TRACE_PACKET=1 GIT_FLUSH=0
GIT_DEFAULT_HASH=sha256 GIT_TEMPLATE_DIR={evil}/template GIT_ATTR_SOURCE=nowhere GIT_ADVICE=1
GIT_PUSH_OPTION_COUNT=1 GIT_PUSH_OPTION_0=x GIT_TERMINAL_PROMPT=1 GIT_REFLOG_ACTION=x GIT_MERGE_VERBOSITY=9
GIT_TEST_ASSUME_DIFFERENT_OWNER=1 GIT_AUTHOR_DATE=nonsense GIT_COMMITTER_NAME=
GIT_EXTERNAL_DIFF={program} GIT_PAGER={program} GIT_EDITOR={program} GIT_SEQUENCE_EDITOR={program}
GIT_PROXY_COMMAND={program} GIT_PAGER_IN_USE=1
""")

HOOKS = words("""
applypatch-msg commit-msg fsmonitor-watchman post-checkout post-commit post-index-change post-merge post-rewrite
pre-auto-gc pre-commit pre-push pre-rebase prepare-commit-msg push-to-checkout reference-transaction
sendemail-validate
""")

ATTRIBUTES = ("*.yml filter=evil diff=evil merge=evil", "* text=auto eol=crlf", "*.yml ident export-subst -text")

THEIRS = {"core.alternateRefsCommand"}
"""A remote that is a path on this machine is served by a git of the same user, which reads these for itself."""

TAG = "refs/tags/bot/v0.1.0"
INCLUDES = '[includeIf "onbranch:main"]\n\tpath = nowhere\n[includeIf "gitdir:/"]\n\tpath = nowhere\n'

ROWS = {
    "the user's settings": [
        *(row for row in PROGRAMS if row not in THEIRS),
        *VALUES,
        "attributes",
        "ignored",
        "template",
    ],
    "the repository's settings": [
        *PROGRAMS,
        *VALUES,
        *HOOKS,
        *ATTRIBUTES,
        "worktree",
        "replaced",
        "grafts",
        "included",
    ],
    "the environment": [*VARIABLES, "counted"],
    "a bare repository inside": [*PROGRAMS, *VALUES, *HOOKS],
}

Run = Callable[[Path, list[str], str], str]
"""Plants some rows of a place in a new workspace, and returns what went wrong there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A workspace with a remote, another repository beside it, and a folder of the programs that must not run."""

    root: Path
    other: Path
    evil: Path

    @property
    def remote(self) -> Path:
        return self.root.parent / "origin.git"

    def program(self, row: str) -> str:
        """A program that leaves a file with the name of its row."""
        path = self.evil / "programs" / row.replace("/", "-")
        path.parent.mkdir(exist_ok=True)
        then = "exec cat" if row.startswith("filter.") else "exit 1"  # a filter hands its input on
        path.write_text(f"#!/bin/sh\ntouch '{self.evil}/ran/{path.name}'\n{then}\n")
        path.chmod(0o755)
        return str(path)

    def ran(self) -> list[str]:
        return sorted(path.name for path in (self.evil / "ran").iterdir())


@pytest.mark.parametrize("place", list(ROWS))
def test_nothing_that_is_configured_changes_what_is_done(place: str, run: Run, tmp_path: Path) -> None:
    rows, wrong, number = ROWS[place], run(tmp_path / "all", ROWS[place], place), 0
    found = wrong
    while found and len(rows) > 1:
        number += 1
        half = rows[: len(rows) // 2]
        rows = half if (first := run(tmp_path / f"half-{number}", half, place)) else rows[len(half) :]
        found = first or run(tmp_path / f"other-{number}", rows, place)
    if wrong:
        pytest.fail(f"{rows}: {found}" if found else f"only together: {wrong}")


def test_the_table_is_long_enough() -> None:
    assert len({row for rows in ROWS.values() for row in rows}) > 150


@pytest.mark.parametrize("text", ["[core\n", "[core]\n\trepositoryFormatVersion = 99\n", "[extensions]\n\tnew = 1\n"])
def test_settings_that_git_cannot_work_with_are_refused_with_its_words(
    workspace: Path, promptops: Promptops, text: str
) -> None:
    config = workspace / ".git/config"
    config.write_text(config.read_text().replace("repositoryformatversion = 0", "repositoryformatversion = 1") + text)
    for command in (["release"], ["release", "--push"], ["sync"], ["sync", "--remote"], ["rebuild", "--from-git", "."]):
        said = promptops(*command, exits=6).err
        assert "git" in said
        assert "internal error" not in said
    assert "not git" in promptops("fsck").out


@pytest.mark.parametrize("inherited", [False, True])
def test_a_repository_inside_says_nothing_of_who_makes_a_change(
    workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, inherited: bool
) -> None:
    promptops("release")
    for folder, name in ((workspace / "bot/inside", "Mallory"), (workspace, "Grace Hopper")):
        if folder != workspace:
            factory.git(workspace, "init", "--quiet", "--bare", str(folder))
        factory.git(folder, "config", "user.name", name)
        factory.git(folder, "config", "user.email", "x@example.org")
    monkeypatch.delenv("PROMPTOPS_ACTOR")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    if inherited:
        monkeypatch.setenv("GIT_DIR", str(workspace / "bot/inside"))
    monkeypatch.chdir(workspace / "bot/inside")
    assert (
        promptops("promote", "bot@0.1.0", "--channel", "dev", "--json").json["actor"] == "Grace Hopper <x@example.org>"
    )


def test_no_proxy_program_runs_on_the_way_to_a_remote(workspace: Path, promptops: Promptops, tmp_path: Path) -> None:
    evil = tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    evil.chmod(0o755)
    factory.git(workspace, "config", "core.gitProxy", str(evil))
    factory.git(workspace, "remote", "add", "origin", "git://127.0.0.1:1/prompts.git")
    assert "does not answer" in promptops("sync", "--remote", exits=6).err
    assert not (tmp_path / "ran").exists()


def test_a_partial_clone_runs_no_program_for_what_it_lacks(
    workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    factory.git(workspace, "config", "uploadpack.allowFilter", "true")
    factory.git(workspace, "config", "uploadpack.allowAnySHA1InWant", "true")
    factory.git(tmp_path, "clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{workspace}", "clone")
    monkeypatch.setenv("PROMPTOPS_REGISTRY", str(workspace / ".promptops/registry.db"))
    monkeypatch.chdir(tmp_path / "clone")
    (tmp_path / "clone/promptops.yml").write_bytes((workspace / "promptops.yml").read_bytes())
    evil = tmp_path / "evil.sh"
    evil.write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\nexec git-upload-pack "$@"\n')
    evil.chmod(0o755)
    factory.git(tmp_path / "clone", "config", "remote.origin.uploadpack", str(evil))
    commit = factory.git(workspace, "rev-parse", "HEAD")
    assert "`remote.*.uploadpack` is not run" in promptops("release", "--commit", commit, exits=6).err
    assert not (tmp_path / "ran").exists()
    factory.git(tmp_path / "clone", "config", "--unset", "remote.origin.uploadpack")
    promptops("release", "--commit", commit)


@pytest.fixture
def run(promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(folder: Path, rows: list[str], place: str) -> str:
        with monkeypatch.context() as patch:
            patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
            patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
            world = _world(folder, promptops, patch)
            inside = _plant(world, rows, place, patch)
            try:
                _a_day(world, promptops, inside, patch)
            except (AssertionError, subprocess.CalledProcessError) as error:
                return str(error)[:1500]
            return f"these programs ran: {ran}" if (ran := world.ran()) else ""

    return run


def _world(folder: Path, promptops: Promptops, patch: pytest.MonkeyPatch) -> World:
    world = World(root=folder / "prompts", other=folder / "other", evil=folder / "evil")
    (world.evil / "ran").mkdir(parents=True)
    factory.make_workspace(world.root)
    factory.make_workspace(world.other)
    factory.git(folder, "init", "--quiet", "--bare", str(world.remote))
    factory.git(world.root, "remote", "add", "origin", str(world.remote))
    patch.chdir(world.root)
    promptops("init")
    factory.git(world.root, "add", "--all")
    factory.git(world.root, "commit", "--quiet", "-m", "Ignore the registry")
    factory.git(world.root, "tag", "bot/vNext")
    factory.git(world.root, "tag", "-a", "bot/v9", "-m", "theirs")
    return world


def _plant(world: World, rows: list[str], place: str, patch: pytest.MonkeyPatch) -> Path:
    """Plants the rows, and returns the folder in which the day begins."""
    if place == "the environment":
        _plant_variables(world, rows, patch)
        return world.root
    if place == "the user's settings":
        patch.setenv("GIT_CONFIG_GLOBAL", str(world.evil / "config"))
        _configure(world, rows, world.evil / "config")
        return world.root
    if place == "the repository's settings":
        _plant_in_repository(world, rows)
        return world.root
    bare = world.root / "bot"
    for name in ("objects", "refs"):
        (bare / name).mkdir()
        (bare / name / ".keep").touch()
    (bare / "HEAD").write_text("ref: refs/heads/main\n")
    _configure(world, rows, bare / "config")
    _hooks(world, rows, bare / "hooks")
    factory.git(world.root, "add", "--all")
    factory.git(world.root, "commit", "--quiet", "-m", "A repository inside")
    return bare


def _configure(world: World, rows: list[str], file: Path) -> None:
    settings = {row: world.program(row) for row in rows if row in PROGRAMS}
    settings |= dict(row.split("=", 1) for row in rows if row in VALUES)
    settings |= {"core.attributesFile": _attributes(world)} if "attributes" in rows else {}
    settings |= {"core.excludesFile": str(world.evil / "ignored")} if "ignored" in rows else {}
    settings |= {"init.templateDir": str(world.evil / "template")} if "template" in rows else {}
    settings |= {"core.worktree": str(world.other)} if "worktree" in rows else {}
    settings |= {"core.hooksPath": str(world.evil / "template/hooks")} if "included" in rows else {}
    (world.evil / "ignored").write_text("*\n")
    _hooks(world, HOOKS, world.evil / "template/hooks")
    for key, value in settings.items():
        factory.git(world.evil, "config", "--file", str(file), "--add", key, value)


def _attributes(world: World) -> str:
    (world.evil / "attributes").write_text("".join(f"{line}\n" for line in ATTRIBUTES))
    return str(world.evil / "attributes")


def _hooks(world: World, rows: list[str], folder: Path) -> None:
    for row in rows:
        if row in HOOKS:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / row).symlink_to(world.program(row))


def _plant_in_repository(world: World, rows: list[str]) -> None:
    git_folder = world.root / ".git"
    head = factory.git(world.root, "rev-parse", "HEAD")
    if "replaced" in rows:
        empty = factory.git(world.root, "commit-tree", "-m", "empty", factory.git(world.root, "mktree"))
        factory.git(world.root, "replace", head, empty)
    if "grafts" in rows:
        (git_folder / "info/grafts").write_text(f"{head}\n")
    (git_folder / "info/attributes").write_text("".join(f"{row}\n" for row in rows if row in ATTRIBUTES))
    _configure(world, rows, git_folder / "config")
    if "included" in rows:
        factory.git(
            world.evil, "config", "--file", str(world.evil / "more"), "core.fsmonitor", world.program("included")
        )
        with open(git_folder / "config", "a") as file:
            file.write(f'[include]\n\tpath = {world.evil}/more\n[includeIf "onbranch:main"]\n\tpath = nowhere\n')
    _hooks(world, rows, git_folder / "hooks")


def _plant_variables(world: World, rows: list[str], patch: pytest.MonkeyPatch) -> None:
    (world.evil / "grafts").write_text(factory.git(world.root, "rev-parse", "HEAD") + "\n")
    (world.evil / "shallow").write_text(factory.git(world.root, "rev-parse", "HEAD") + "\n")
    _hooks(world, HOOKS, world.evil / "template/hooks")
    for row in rows:
        name, _, value = row.partition("=")
        if row in VARIABLES:
            patch.setenv(
                name, value.format(other=world.other, root=world.root, evil=world.evil, program=world.program(name))
            )
    if "counted" in rows:
        counted = {"core.fsmonitor": world.program("counted"), "fetch.prune": "true", "core.hooksPath": str(world.evil)}
        patch.setenv("GIT_CONFIG_COUNT", str(len(counted)))
        for number, (key, value) in enumerate(counted.items()):
            patch.setenv(f"GIT_CONFIG_KEY_{number}", key)
            patch.setenv(f"GIT_CONFIG_VALUE_{number}", value)


def _a_day(world: World, promptops: Promptops, inside: Path, patch: pytest.MonkeyPatch) -> None:
    """Release, promote, sync, check and rebuild, begun in some folder of the workspace."""
    before, theirs = _refs(world.root), _refs(world.other)
    patch.chdir(inside)
    prompt = world.root / "bot/prompts/greet.prompt.yml"
    prompt.write_text(prompt.read_text().replace("Say", "Shout"))
    assert "greet.prompt.yml" in promptops("release", exits=4).err
    prompt.write_text(prompt.read_text().replace("Shout", "Say"))
    released = promptops("release", "--push", "--json").json
    assert (released["tag"], released["tag_problem"]) == ("bot/v0.1.0", "")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    assert promptops("sync").out == "Everything is in git.\n"
    assert "Pushed to origin" in promptops("sync", "--remote").out
    assert promptops("sync", "--remote").out.endswith("origin has the same.\n")
    assert promptops("fsck", "--remote").out.startswith("✓ All is well.")
    ours, there = _refs(world.root), _refs(world.remote)
    ours = {name: sha for name, sha in ours.items() if not name.startswith("refs/remotes/")}  # git's own, of a push
    assert {name: sha for name, sha in before.items() if "promptops" not in name}.items() <= ours.items()
    assert {name for name in ours if name not in before and "promptops" not in name} == {TAG}
    assert there == {name: sha for name, sha in ours.items() if "promptops" in name or name not in before}
    assert _refs(world.other) == theirs
    (world.remote / "config").write_text((world.remote / "config").read_text() + INCLUDES)
    promptops("rebuild", "--from-git", str(world.remote), "--registry", str(world.evil / "path.db"))
    promptops("rebuild", "--from-git", f"file://{world.remote}", "--registry", str(world.evil / "url.db"))
    expected = _live(promptops("status", "--json").json)
    for name in ("path.db", "url.db"):
        assert _live(promptops("status", "--json", "--registry", str(world.evil / name)).json) == expected
    place = "--channel", "dev", "--reason", "database gone", "--from-git", str(world.remote)
    promptops("override", "create", "bot@0.1.0", *place, "--out", str(world.evil / "bot.override.json"))
    (world.remote / TAG).write_text(before["refs/heads/main"] + "\n")
    assert TAG in promptops("sync", "--remote", "--quiet", exits=1).err
    assert _refs(world.root)[TAG] == ours[TAG]


def _live(status: dict[str, Json]) -> dict[str, Json]:
    """What a status says of the apps, without the place of the registry and what waits for git."""
    return {key: value for key, value in status.items() if not key.startswith(("pending", "registry"))}


def _refs(folder: Path) -> dict[str, str]:
    """The refs of a repository, read by a git that nothing planted reaches."""
    git_folder = folder / ".git" if (folder / ".git").exists() else folder
    command = ["git", f"--git-dir={git_folder}", "for-each-ref", "--format=%(refname) %(objectname)"]
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_NO_REPLACE_OBJECTS": "1"}
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return dict(line.split(" ", 1) for line in out.splitlines())
