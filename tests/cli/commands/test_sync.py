"""`sync`, `fsck`, `rebuild` as they are typed; and that no change waits for git."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.factory import git
from tests.support.journal import REF, names


@pytest.fixture
def live(workspace: Path, promptops: Promptops) -> Path:
    """A workspace with a release that is live."""
    promptops("release")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    return workspace


def refs(root: Path) -> list[str]:
    return git(root, "for-each-ref", "--format=%(refname)", "refs/heads/promptops", "refs/tags").splitlines()


def test_every_change_comes_to_git_by_itself(live: Path, promptops: Promptops) -> None:
    assert refs(live) == [REF, "refs/tags/bot/v0.1.0"]
    assert names(live)[-1] == "channels/dev/bot/1"
    assert promptops("status", "--json").json["pending"] == 0
    assert promptops("sync").out == "Everything is in git.\n"
    assert promptops("fsck").out == "✓ All is well.\n"


def test_what_waits_is_said_and_brought_there(
    live: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_SYNC", "off")
    factory.commit(live, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("Say", "Shout")})
    assert promptops("release", "--json").json["tag"] is None
    promptops("promote", "bot@0.1.1", "--channel", "dev")
    shown = promptops("status").out
    assert "2 changes not in git yet, the oldest from just now (" in shown and "): promptops sync" in shown
    since = promptops("audit", "--limit", "2", "--json").json["entries"][1]["at"]  # type: ignore[index,call-overload]
    assert promptops("status", "--json").json["pending_since"] == since
    found = promptops("fsck", "--json", exits=1).json
    assert [fault["code"] for fault in found["faults"]] == ["outbox-pending"]  # type: ignore[index,call-overload,union-attr]
    assert promptops("sync", "--json").json == {"done": 2, "pending": 0, "waiting": [], "alarms": []}
    assert "not in git yet" not in promptops("status").out
    assert "refs/tags/bot/v0.1.1" in refs(live)


def test_an_older_copy_beside_the_registry_is_called_that_and_no_repair_is_advised(
    live: Path, promptops: Promptops, tmp_path: Path
) -> None:
    with (
        closing(sqlite3.connect(live / ".promptops/registry.db")) as source,
        closing(sqlite3.connect(tmp_path / "copy.db")) as target,
    ):
        source.backup(target)
    promptops("promote", "bot@0.1.0", "--channel", "staging")
    copy = ("--registry", str(tmp_path / "copy.db"))
    shown = promptops("fsck", *copy, exits=1).out
    assert shown.startswith("registry-copy  this database  ")
    assert "Lines are missing here that git has. 1 finding." in shown
    assert "promptops rebuild --from-git" in shown and "--repair" not in shown
    assert "from another one" in promptops("sync", *copy, exits=1).err
    assert promptops("fsck").out.startswith("✓ All is well.")


def test_a_change_is_brought_to_git_in_the_background(
    live: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMPTOPS_SYNC")
    promptops("quarantine", "bot@0.1.0", "--channel", "prod", "--reason", "not yet")
    deadline = time.monotonic() + 60
    while "not in git yet" in promptops("status").out and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [name for name in names(live) if name.startswith("quarantines/")] != []


@pytest.mark.parametrize("script", ["sleep 300", "exit 1", None])
def test_a_rollback_is_done_whatever_git_does(
    live: Path, promptops: Promptops, tmp_path: Path, script: str | None
) -> None:
    """Case 116: a process of its own, with a git that hangs, fails, or is not there."""
    factory.commit(live, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("Say", "Shout")})
    promptops("release")
    promptops("promote", "bot@0.1.1", "--channel", "dev")
    folder = tmp_path / "bin"
    folder.mkdir()
    if script:
        (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "git").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "PROMPTOPS_SYNC"}
    environment["PATH"] = f"{folder}:/bin" if script else str(folder)
    command = [sys.executable, "-m", "promptops", "rollback", "--channel", "dev", "--json"]
    done = subprocess.run(command, cwd=live, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, '"stable": {"version": "0.1.0"' in done.stdout) == (0, True), done.stderr
    assert "changes not in git yet" in promptops("status").out
    promptops("sync")
    assert promptops("fsck").code == 0


def test_sync_says_what_it_exchanged_with_a_remote(live: Path, promptops: Promptops, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(live, "remote", "add", "origin", str(tmp_path / "origin.git"))
    assert "Pushed to origin: " in promptops("sync", "--remote").out
    assert promptops("sync", "--remote", "origin").out.splitlines()[-1] == "origin has the same."
    assert sorted(refs(tmp_path / "origin.git")) == sorted(refs(live))
    assert promptops("fsck", "--remote").code == 0
    git(tmp_path / "origin.git", "update-ref", "refs/tags/bot/v0.1.0", git(live, "rev-parse", "HEAD^"))
    assert "remote-differs" in promptops("fsck", "--remote", exits=2).out
    assert "not a remote" in promptops("sync", "--remote", "nowhere", exits=2).err


def test_release_pushes_refs_with_its_tag(live: Path, promptops: Promptops, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(live, "remote", "add", "origin", str(tmp_path / "origin.git"))
    factory.commit(live, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("Say", "Shout")})
    assert "(pushed)" in promptops("release", "--push").out
    assert refs(tmp_path / "origin.git") == refs(live)


def test_a_lost_database_comes_back(live: Path, promptops: Promptops) -> None:
    before = promptops("status", "--json").json
    (live / ".promptops/registry.db").rename(live / ".promptops/lost.db")
    said = promptops("rebuild", "--from-git", ".").out
    assert "Not in git, by design:" in said
    assert "idempotency keys" in said
    assert promptops("status", "--json").json == before
    assert promptops("fsck").code == 0
    assert "already" in promptops("rebuild", "--from-git", ".", exits=4).err


def test_a_workspace_of_another_registry_gets_nothing(
    live: Path, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = factory.make_workspace(
        tmp_path / "other", {"promptops.yml": factory.WORKSPACE.replace("registry: test", "registry: mine")}
    )
    monkeypatch.setenv("PROMPTOPS_REGISTRY", str(live / ".promptops/registry.db"))
    monkeypatch.chdir(other)
    promptops("sync", exits=5)
    assert "'mine'" in promptops("fsck").out
    done = promptops("quarantine", "bot@0.1.0", "--channel", "prod", "--reason", "not yet")
    assert "not in git yet" in done.err
    assert refs(other) == []


def test_a_setting_that_is_none_is_said_and_taken_for_the_usual(
    workspace: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    promptops("release")
    monkeypatch.setenv("PROMPTOPS_SYNC", "never")
    said = promptops("promote", "bot@0.1.0", "--channel", "dev").err
    assert "PROMPTOPS_SYNC is 'never' and neither background, now nor off: taken for background" in said
    monkeypatch.setenv("PROMPTOPS_SYNC", "OFF")
    assert promptops("promote", "bot@0.1.0", "--channel", "prod", exits=5).err.startswith("error: ")


HOOK = "#!/bin/sh\necho 'protected, see https://ann:s3cret@forge.example/rules' >&2\nexit 1\n"


@pytest.fixture
def refusing(live: Path, tmp_path: Path) -> Path:
    """A remote whose hook refuses every push and says why."""
    remote = tmp_path / "origin.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    (remote / "hooks/pre-receive").write_text(HOOK)
    (remote / "hooks/pre-receive").chmod(0o755)
    git(live, "remote", "add", "origin", str(remote))
    return remote


def test_a_remote_that_refuses_is_a_failure_with_the_words_of_its_hook(refusing: Path, promptops: Promptops) -> None:
    for options in ((), ("--quiet",), ("--json",)):
        answer = promptops("sync", "--remote", *options, exits=1)
        assert "pre-receive hook declined" in answer.err
        assert "protected, see https://forge.example/rules" in answer.err
        assert "s3cret" not in answer.err + answer.out
        assert bool(answer.out) == ("--quiet" not in options)
    assert refs(refusing) == []


def test_a_release_that_could_not_be_pushed_is_valid_and_a_failure(
    live: Path, refusing: Path, promptops: Promptops
) -> None:
    factory.commit(live, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("Say", "Shout")})
    answer = promptops("release", "--push", exits=1)
    assert "Released bot 0.1.1" in answer.out
    assert "the release is valid, but it was not pushed: bot/v0.1.1: not pushed: " in answer.err
    assert "protected, see https://forge.example/rules" in answer.err
    assert "sync --remote" in answer.err
    git(live, "config", "remote.origin.url", "/nowhere.git")
    assert "does not answer" in promptops("release", "--push", exits=1).err


def test_a_remote_that_takes_nothing_is_a_failure_although_it_can_be_read(
    live: Path, promptops: Promptops, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(live, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(live, "config", "remote.origin.pushurl", "/nowhere.git")
    assert "/nowhere.git" in promptops("sync", "--remote", "--quiet", exits=1).err


def test_a_change_that_waits_for_another_workspace_is_a_failure(
    live: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(live), "clone")
    factory.commit(live, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("Say", "Shout")})
    monkeypatch.setenv("PROMPTOPS_SYNC", "off")
    promptops("release")
    monkeypatch.setenv("PROMPTOPS_REGISTRY", str(live / ".promptops/registry.db"))
    monkeypatch.chdir(tmp_path / "clone")
    answer = promptops("sync", "--quiet", exits=1)
    assert (answer.out, "the home of the journal is another workspace" in answer.err) == ("", True)
    assert "promptops db home" in answer.err


def test_a_tag_in_the_way_of_every_release_tag_is_named_with_what_to_do(workspace: Path, promptops: Promptops) -> None:
    git(workspace, "tag", "bot")
    assert promptops("release", "--json").json["tag"] is None
    said = promptops("sync", exits=1).err
    assert "the tag 'bot' is in the way of every tag 'bot/…'" in said
    assert "git tag bot-old bot && git tag -d bot" in said
    git(workspace, "tag", "bot-old", "bot")
    git(workspace, "tag", "-d", "bot")
    promptops("sync")
    assert "refs/tags/bot/v0.1.0" in refs(workspace)


HELPER = """#!/bin/sh
unset GIT_DIR
read line; printf 'connect\\n\\n'
read verb service; printf '\\n'
exec $service "{remote}"
"""


def test_a_remote_with_a_helper_of_its_own_needs_the_users_word(
    live: Path, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = tmp_path / "origin.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    program = tmp_path / "bin/git-remote-codecommit"
    program.parent.mkdir()
    program.write_text(HELPER.format(remote=remote))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    address = "codecommit::eu-west-1://prompts"
    git(live, "remote", "add", "origin", address)
    refused = promptops("sync", "--remote", exits=6).err
    assert "transport 'codecommit' not allowed" in refused
    assert "GIT_ALLOW_PROTOCOL=https:ssh:codecommit" in refused
    rebuild = "rebuild", "--from-git", address, "--registry", str(tmp_path / "rebuilt.db")
    assert "is not an address" in promptops(*rebuild, exits=2).err
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https:codecommit:ext")
    assert "Pushed to origin" in promptops("sync", "--remote").out
    promptops(*rebuild)
    assert "not an address" in promptops(*rebuild[:2], "ext::sh -c id", exits=2).err


def test_a_repository_of_another_user_is_refused_with_the_way_out(
    live: Path, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("git")
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {real} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    for command in ("release", "sync"):
        said = promptops(command, exits=6).err
        assert f"detected dubious ownership in repository at '{live}'" in said
        assert f"git config --global --add safe.directory {live}" in said
    checked = promptops("fsck")
    assert "detected dubious ownership" in checked.out
    assert "git config --global --add safe.directory" in checked.out
    assert "damage" not in checked.out.lower()
    git(tmp_path, "config", "--file", "config", "--add", "safe.directory", str(live))
    promptops("release")
    assert "All is well" in promptops("fsck").out


def test_fsck_begins_behind_what_it_verified_and_says_so(live: Path, promptops: Promptops) -> None:
    promptops("sync")
    known, verified_at = _extent(promptops, first=1)
    assert verified_at is None
    assert f"Checked: no line is new. 1 to {known} were verified before, the first just now" in promptops("fsck").out
    promptops("promote", "bot@0.1.0", "--channel", "staging")
    promptops("sync")
    checked = promptops("fsck").out
    assert f"Checked: lines {known + 1} to {known + 1}. 1 to {known} were verified before" in checked
    assert "promptops fsck --all checks them again." in checked
    git(live, "tag", "-d", "bot/v0.1.0")
    assert promptops("fsck").code == 0
    assert "tag-missing" in promptops("fsck", "--all", exits=1).out
    assert "tag-missing" in promptops("fsck", exits=1).out
    assert promptops("fsck", "--repair", exits=1).out.splitlines()[-1] == "✓ All is well now: 1 repair."
    assert _extent(promptops, first=known + 2)[0] == known + 1


def _extent(promptops: Promptops, *, first: int) -> tuple[int, object]:
    extent = promptops("fsck", "--json").json["extent"]
    assert isinstance(extent, dict) and extent["first"] == first
    return extent["last"], extent["verified_at"]


def test_fsck_names_what_shows_other_commits_to_git(live: Path, promptops: Promptops) -> None:
    head = git(live, "rev-parse", "HEAD")
    git(live, "replace", head, "HEAD^")
    (live / ".git/info/grafts").write_text(f"{head}\n")
    (live / ".git/shallow").write_text(f"{head}\n")
    checked = promptops("fsck").out
    assert "All is well" in checked
    assert [word for word in ("refs/replace/", "info/grafts", "--unshallow") if word not in checked] == []


def test_a_release_whose_journal_could_not_be_pushed_is_a_failure(
    live: Path, refusing: Path, promptops: Promptops
) -> None:
    (refusing / "hooks/pre-receive").unlink()
    (refusing / "hooks/update").write_text("#!/bin/sh\ncase $1 in refs/heads/*) echo protected >&2; exit 1;; esac\n")
    (refusing / "hooks/update").chmod(0o755)
    factory.commit(live, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("Say", "Shout")})
    said = promptops("release", "--push", exits=1).err
    assert "the journal was not pushed: " in said
    assert "protected" in said
    assert "refs/tags/bot/v0.1.1" in refs(refusing)
