"""A commit is read as it was committed, without running anything that the repository brings along."""

from __future__ import annotations

import os
import subprocess
import unicodedata
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from promptops.core.errors import GitUnavailable, Invalid
from promptops.source.git.process import hide_credentials
from promptops.source.git.repository import Repository
from promptops.source.lint.lint import check
from promptops.source.tree import MAX_FILE, WorkingTree

PROMPT = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: '{{x}}'}]\n"
Form: TypeAlias = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = "NFC", "NFD"
ACTOR = "Ann Lee <ann@example.com>"


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ann Lee",
        "GIT_AUTHOR_EMAIL": "ann@example.com",
        "GIT_AUTHOR_DATE": "2026-01-02T03:04:05+0200",
        "GIT_COMMITTER_NAME": "Bob",
        "GIT_COMMITTER_EMAIL": "bob@example.com",
        "GIT_COMMITTER_DATE": "2026-01-03T03:04:05+0200",
    }
    run = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a workspace of one app below ``team/``, committed."""
    folder = tmp_path / "repo"
    put(folder, "team/promptops.yml", "registry: t\napps: [apps/*]\n")
    put(folder, "team/apps/bot/prompts/a.prompt.yml", PROMPT)
    put(folder, "team/apps/bot/partials/p.md", "hello\n")
    put(folder, "README.md", "hello\n")
    put(folder, "other/x.prompt.yml", PROMPT)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first\n\ncommitter Eve <eve@example.com> 1 +0000")
    return folder


def test_a_commit_says_who_when_and_where(root: Path) -> None:
    info = Repository.open(root / "team" / "apps").resolve()
    assert info.sha == git(root, "rev-parse", "HEAD")
    assert info.author == ACTOR
    assert info.at == datetime(2026, 1, 3, 1, 4, 5, tzinfo=UTC)
    assert info.repository == "repo"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:token@example.com/x.git", "https://example.com/x.git"),
        ("https://token@example.com/x.git", "https://example.com/x.git"),
        ("ssh://git:pw@example.com/x.git", "ssh://git@example.com/x.git"),
        ("https://ann:p@ss@wo@rd@example.com/x.git", "https://example.com/x.git"),
        ("git@example.com:x.git", "git@example.com:x.git"),
    ],
)
def test_the_repository_is_its_origin_without_credentials(root: Path, address: str, shown: str) -> None:
    git(root, "remote", "add", "origin", address)
    assert Repository.open(root).resolve().repository == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("fatal: no 'https://ann:p@ss@wo@rd@h.org/x@y.git/': 403", "fatal: no 'https://h.org/x@y.git/': 403"),
        ("https://ann:t@h.org and ssh://git@h.org:22/x", "https://h.org and ssh://h.org:22/x"),
    ],
)
def test_what_git_says_is_shown_without_passwords(said: str, shown: str) -> None:
    assert hide_credentials(said) == shown


def test_the_first_commit_is_that_of_the_first_parents_and_unknown_in_a_shallow_clone(
    root: Path, tmp_path: Path
) -> None:
    first = git(root, "rev-parse", "HEAD")
    git(root, "checkout", "-q", "--orphan", "other")
    git(root, "commit", "-q", "-m", "another beginning")
    git(root, "checkout", "-q", "-f", first)
    git(root, "merge", "-q", "-s", "ours", "--allow-unrelated-histories", "-m", "merge", "other")
    repository = Repository.open(root)
    repository.seek_first_commit(git(root, "rev-parse", "HEAD"))
    assert repository.first_commit(git(root, "rev-parse", "HEAD")) == first
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{root}", "shallow")
    shallow = Repository.open(tmp_path / "shallow")
    assert shallow.first_commit(shallow.resolve().sha) == ""
    git(root, "worktree", "add", "-q", str(tmp_path / "beside"))
    assert Repository.open(tmp_path / "beside").first_commit(first) == first


@pytest.mark.parametrize("name", ["-x", "--upload-pack=touch x", "nope", "a b", "a\nb", "", "HEAD:README.md"])
def test_what_is_no_commit_is_refused(root: Path, name: str) -> None:
    with pytest.raises(Invalid):
        Repository.open(root).resolve(name)


def test_a_folder_without_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GitUnavailable):
        Repository.open(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(Invalid, match="no commit"):
        Repository.open(tmp_path).resolve()


def test_a_commit_is_read_like_a_working_tree(root: Path) -> None:
    repository = Repository.open(root)
    sha = repository.resolve().sha
    tree, folder = repository.tree(sha, "team"), WorkingTree(root / "team")
    assert list(tree.files()) == list(folder.files())
    assert list(tree.files("apps/bot/partials", "apps/bot")) == list(folder.files("apps/bot"))
    assert list(repository.tree(sha).files("other")) == ["other/x.prompt.yml"]
    assert tree.read("promptops.yml") == folder.read("promptops.yml")
    assert tree.size("promptops.yml") == folder.size("promptops.yml")
    for wrong in ("nope", "../README.md", "apps", "a\nb"):
        with pytest.raises(FileNotFoundError):
            tree.read(wrong)
    put(root, "team/apps/bot/prompts/a.prompt.yml", PROMPT.replace("{{x}}", "{{y}}"))
    old, new = check(tree).app("bot").content, check(folder).app("bot").content
    assert old is not None
    assert new is not None
    assert [content.prompts[0].inputs[0].name for content in (old, new)] == ["x", "y"]


@pytest.mark.parametrize("committed", FORMS)
def test_a_folder_is_found_in_a_commit_however_its_accents_are_written(root: Path, committed: Form) -> None:
    there = unicodedata.normalize(committed, "dépôt/café")
    put(root, f"{there}/promptops.yml", "registry: t\napps: []\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "accents")
    sha = git(root, "rev-parse", "HEAD")
    with closing(Repository.open(root)) as repository:
        for written in FORMS:
            folder = repository.spelling(sha, unicodedata.normalize(written, "dépôt/café"))
            assert repository.tree(sha, folder).files() == ["promptops.yml"]
        assert repository.spelling(sha, "dépôt/thé") == "dépôt/thé"


def test_only_regular_files_are_files(root: Path, tmp_path: Path) -> None:
    prompts = root / "team/apps/bot/prompts"
    (prompts / "link.prompt.yml").symlink_to("/etc/passwd")
    (prompts / "folder").symlink_to(root / "other")
    put(tmp_path, "sub/x.prompt.yml", PROMPT)
    git(tmp_path / "sub", "init", "-q")
    git(tmp_path / "sub", "add", ".")
    git(tmp_path / "sub", "commit", "-q", "-m", "sub")
    sha = git(tmp_path / "sub", "rev-parse", "HEAD")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{sha},team/apps/bot/prompts/sub")
    put(root, "team/apps/bot/prompts/lfs.prompt.yml", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    git(root, "add", "team")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{sha},team/apps/bot/prompts/sub")
    git(root, "commit", "-q", "-m", "links")
    repository = Repository.open(root)
    tree = repository.tree(repository.resolve().sha, "team")
    inside = "apps/bot/prompts"
    assert list(tree.files(inside)) == [f"{inside}/a.prompt.yml", f"{inside}/lfs.prompt.yml"]
    assert list(tree.others(inside)) == [f"{inside}/folder", f"{inside}/link.prompt.yml", f"{inside}/sub"]
    found = [finding.code for finding in check(tree).findings]
    assert found.count("not-a-file") == 3
    assert "lfs-pointer" in found


def test_a_huge_blob_is_an_error_and_the_next_file_is_still_read(root: Path) -> None:
    put(root, "team/apps/bot/prompts/big.prompt.yml", "x" * 30_000_000)
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "big")
    repository = Repository.open(root)
    tree = repository.tree(repository.resolve().sha, "team")
    assert len(tree.read("apps/bot/prompts/big.prompt.yml")) == MAX_FILE + 1
    assert tree.size("apps/bot/prompts/big.prompt.yml") == 30_000_000
    assert tree.read("apps/bot/prompts/a.prompt.yml").decode() == PROMPT
    assert "file-too-large" in [finding.code for finding in check(tree).findings]


def test_the_dirty_files_below_a_path_are_named(root: Path) -> None:
    repository = Repository.open(root)
    assert repository.dirty(["team"]) == ()
    put(root, "team/apps/bot/prompts/a.prompt.yml", PROMPT + "# more\n")
    put(root, "team/apps/bot/prompts/new with ünicode.prompt.yml", PROMPT)
    put(root, "team/apps/bot/ignored.log", "x")
    put(root, "team/.promptops/registry.db", "x")
    put(root, ".gitignore", "*.log\n")
    (root / "team/apps/bot/partials/p.md").unlink()
    put(root, "README.md", "changed\n")
    assert repository.dirty(["team/apps/bot", "team/promptops.yml"]) == (
        "team/apps/bot/partials/p.md",
        "team/apps/bot/prompts/a.prompt.yml",
        "team/apps/bot/prompts/new with ünicode.prompt.yml",
    )
    assert repository.dirty(["team/*"]) == ()  # a path, not a pattern
    assert "README.md" in repository.dirty([""])
    assert repository.dirty([]) == ()


def test_nothing_that_a_repository_brings_along_is_run(root: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    script = tmp_path / "script.sh"
    script.write_text(f"#!/bin/sh\ntouch '{trap}'\ncat\n")
    script.chmod(0o755)
    for hook in ("post-index-change", "reference-transaction", "pre-push", "post-checkout"):
        target = root / ".git/hooks" / hook
        target.parent.mkdir(exist_ok=True)
        target.write_text(script.read_text())
        target.chmod(0o755)
    put(root, ".gitattributes", "*.yml filter=evil diff=evil\n")
    git(root, "add", ".gitattributes")
    git(root, "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "attributes")
    for key in (
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.textconv",
        "core.fsmonitor",
    ):
        git(root, "config", key, str(script))
    git(root, "config", "filter.evil.required", "true")
    trap.unlink(missing_ok=True)
    put(root, "team/apps/bot/prompts/a.prompt.yml", PROMPT + "# more\n")
    repository = Repository.open(root)
    info = repository.resolve()
    assert repository.dirty(["team"]) == ("team/apps/bot/prompts/a.prompt.yml",)
    assert check(repository.tree(info.sha, "team")).findings[0].code == "unused-partial"
    assert repository.refs.create({"refs/tags/v1": info.sha}) == {}
    assert not trap.exists()


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        '[includeIf "gitdir:~/x/"]\n\tpath = /nonexistent\n',
        '[includeIf "onbranch:main"]\n\tpath = other\n[include]\n\tpath = other\n',
        "[alias]\n\todd = \"!f() { \\\n\techo hi; }; f\"\n",
        "[core]\n\tlogAllRefUpdates\n[user]\n\tname = \\\"Ada\\\"\n",
    ],
)  # fmt: skip
def test_a_repository_is_found_whatever_its_configuration_says(tmp_path: Path, bare: bool, config: str) -> None:
    place = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", *(["--bare"] if bare else []), str(place)], check=True)
    with open(place / ("config" if bare else ".git/config"), "a") as file:
        file.write(config)
    with closing(Repository.archive(place)) as found:
        assert found.folder == (place if bare else place / ".git")
        assert found.refs is not None
    with pytest.raises(GitUnavailable):
        Repository.archive(place / "refs" if bare else place / ".git" / "refs")
