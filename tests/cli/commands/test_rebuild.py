"""`promptops rebuild`, and what else takes lines from git: what a person sees of lines that are not vouched for."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.model import Policy
from promptops.core.signing import fingerprint
from promptops.operations import backup
from promptops.source import vouched
from promptops.source.vouched import Vouched
from promptops.store import Registry, create
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.factory import git, minutes
from tests.support.journal import REF, bring, commits, put_key, records_of, sync, write_signed
from tests.support.signing import key_text, signing_key

TRUST = "would be taken on trust; the registry has no key, so the right to push to the home of its journal is the right"


@pytest.fixture
def clone(told: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose git has all of a registry, and a machine that has verified none of it; the next one is new."""
    root = factory.make_workspace(tmp_path / "prompts")
    bring(told, root)
    vouched.update(told.lineage, lambda _: Vouched())
    monkeypatch.setenv("PROMPTOPS_REGISTRY", str(tmp_path / "new.db"))
    return root


def know(registry: Registry, back: int = 0) -> int:
    """Lets this machine know a registry up to its end, or so many lines less."""
    with registry.read() as reader:
        line = reader.audit(limit=back + 1)[-1]
    vouched.update(registry.lineage, lambda _: Vouched(seq=line.seq, hash=line.hash, sha="c" * 40))
    return line.seq


def test_a_script_goes_on_and_its_log_says_what_was_taken_on_trust(
    told: Registry, clone: Path, promptops: Promptops, tmp_path: Path
) -> None:
    done = promptops("rebuild", "--from-git", "prompts")
    lines = len(commits(clone))
    assert f"no line of this registry is vouched for here, and {lines} lines {TRUST}" in done.err
    assert "note: line 1  2026-" in done.err
    assert re.search(rf"note: line {lines}  [0-9: -]+ UTC  Ada Lovelace  promote bot@0.1.2 on prod\n", done.err)
    (tmp_path / "new.db").unlink()
    vouched.update(told.lineage, lambda _: Vouched())
    unvouched = promptops("rebuild", "--from-git", "prompts", "--yes", "--json")
    assert unvouched.err == ""
    assert [line["seq"] for line in unvouched.json["unvouched"]] == [*range(1, lines + 1)]  # type: ignore[index,union-attr,call-overload]


def test_only_what_came_after_the_verified_line_is_listed(
    told: Registry, clone: Path, promptops: Promptops, tmp_path: Path
) -> None:
    seq = know(told, 1)
    done = promptops("rebuild", "--from-git", "prompts")
    assert f"the lines up to {seq} of this registry are vouched for here, and 1 line {TRUST}" in done.err
    assert done.err.count("note: line ") == 1
    (tmp_path / "new.db").unlink()
    know(told)
    assert promptops("rebuild", "--from-git", "prompts").err == ""


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 130)])
def test_a_person_is_asked(told: Registry, clone: Path, tmp_path: Path, typed: str, code: int) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "promptops", "rebuild", "--from-git", str(clone)],
        stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "NO_COLOR": "1", "PROMPTOPS_SYNC": "off"},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while b"Take them? [y/N]" not in shown:
        shown += os.read(controller, 4096)
    assert b"promote bot@0.1.2 on prod" in shown
    assert b"No line of this registry is vouched for here" in shown
    os.write(controller, f"{typed}\n".encode())
    try:
        while more := os.read(controller, 4096):
            shown += more
    except OSError:  # the program has closed its end
        pass
    os.close(controller)
    assert process.wait(timeout=30) == code, shown
    assert (tmp_path / "new.db").exists() == (code == 0)


def test_thousands_of_lines_are_shortened(told: Registry, clone: Path, promptops: Promptops) -> None:
    factory.make_channels(told, **{f"more-{number}": Policy() for number in range(30)})
    bring(told, clone)
    vouched.update(told.lineage, lambda _: Vouched())
    lines = len(commits(clone))
    said = promptops("rebuild", "--from-git", "prompts").err
    assert said.count("note: line ") == 21
    assert f"{lines - 20} lines more; --json lists them all" in said
    assert f"note: line {lines}  " in said


def test_a_loss_is_said_with_the_options_that_accept_it(told: Registry, clone: Path, promptops: Promptops) -> None:
    last = know(told)
    git(clone, "update-ref", REF, f"{REF}~2")
    refused = promptops("rebuild", "--from-git", "prompts", exits=2).err
    assert f"ends at line {last - 2} of the audit log, and this machine has verified line {last}" in refused
    assert f"2 lines would be lost, lines {last - 1} to {last}; nothing was made" in refused
    assert f"To give up lines {last - 1} to {last} for ever: --accept-loss 2 --reason TEXT." in refused
    done = promptops("rebuild", "--from-git", "prompts", "--accept-loss", "2", "--reason", "the disk", "--json").json
    assert done["lost"] == {"first": last - 1, "last": last}
    assert promptops("audit", "--limit", "1", "--json").json["entries"][0]["reason"].endswith(": the disk")  # type: ignore[index,union-attr,call-overload]


def test_an_override_says_which_lines_of_its_release_are_taken_on_trust(
    told: Registry, clone: Path, promptops: Promptops
) -> None:
    make = ("override", "create", "bot@0.1.1", "--channel", "prod", "--reason", "it burns", "--from-git", "prompts")
    said = promptops(*make).err
    assert f"1 line {TRUST}" in said
    assert "release bot@0.1.1" in said
    last = know(told)
    assert promptops(*make).err == ""
    git(clone, "update-ref", REF, f"{REF}~1")
    assert f"line {last} of the audit log" in promptops(*make).err
    assert promptops(*make, "--yes").err == ""


def test_a_journal_on_a_ref_of_its_own_is_found(
    told: Registry, clone: Path, promptops: Promptops, tmp_path: Path
) -> None:
    ref = "refs/journal/main"
    git(tmp_path, "init", "--quiet", "--bare", "home.git")
    git(clone, "push", "--quiet", str(tmp_path / "home.git"), f"{REF}:{ref}")
    know(told)
    url = f"file://{tmp_path}/home.git"
    assert (
        "--ref REF if `journal:` in promptops.yml named another" in promptops("rebuild", "--from-git", url, exits=2).err
    )
    make = ("override", "create", "bot@0.1.1", "--channel", "prod", "--reason", "it burns", "--from-git", "home.git")
    assert "--ref REF" in promptops(*make, exits=6).err
    promptops(*make, "--ref", ref)
    promptops("rebuild", "--from-git", url, "--ref", ref)
    with closing(Registry.open(f"sqlite:///{tmp_path}/new.db")) as new, new.read() as reader:
        assert reader.audit_head()[0] == len(commits(clone)) + 1
    (tmp_path / "new.db").unlink()
    named = (clone / "promptops.yml").read_text()
    (clone / "promptops.yml").write_text(f"{named}\njournal: {{ref: {ref}}}\n")
    promptops("-C", str(clone), "rebuild", "--from-git", url)
    promptops("-C", str(clone), "rebuild", "--from-git", url, "--ref", "journal", exits=2)


def test_a_restore_says_which_newer_lines_are_taken_on_trust(
    told: Registry, registry: Registry, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = factory.make_workspace(tmp_path / "prompts")
    sync(told, root)
    saved = tmp_path / "saved"
    backup.backup(f"sqlite:///{tmp_path}/registry.db", saved, now=minutes(50), verify=False)
    factory.make_channels(told, later=Policy())
    sync(told, root)
    vouched.update(told.lineage, lambda _: Vouched())
    monkeypatch.delenv("PROMPTOPS_REGISTRY")
    monkeypatch.chdir(root)
    done = promptops("db", "restore", str(saved))
    assert f"and 1 line {TRUST}" in done.err
    assert re.search(r"note: line \d+  .*  policy on later\n", done.err), done.err


def test_a_restore_says_what_this_machine_knows_and_nobody_has(
    told: Registry, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "saved"
    backup.backup(f"sqlite:///{tmp_path}/registry.db", saved, now=minutes(50), verify=False)
    with told.read() as reader:
        seq, hash_ = reader.audit_head()
    vouched.update(told.lineage, lambda _: Vouched(seq=seq + 5, hash=hash_, sha="c" * 40, epoch=1))
    done = promptops("db", "restore", str(saved), "--registry", str(tmp_path / "back.db"))
    assert f"has verified line {seq + 5} of the audit log, and what comes after line {seq} is neither" in done.err


def test_of_two_registries_the_ref_that_is_named_counts(
    told: Registry, clone: Path, promptops: Promptops, tmp_path: Path
) -> None:
    create(f"sqlite:///{tmp_path}/other.db", name="other", now=minutes(0), actor=factory.ACTOR)
    with closing(Registry.open(f"sqlite:///{tmp_path}/other.db")) as other:
        write_signed(records_of(other), clone, lambda _: None, ref="refs/heads/promptops/other")
        lineage = other.lineage
    assert "--ref REF" in promptops("rebuild", "--from-git", "prompts", exits=2).err
    done = promptops("rebuild", "--from-git", "prompts", "--ref", "refs/heads/promptops/other", "--json").json
    assert done["lineage"] == lineage
    assert "already" in promptops("rebuild", "--from-git", "prompts", "--ref", REF, exits=4).err


@pytest.mark.parametrize("named", ["--registry", "PROMPTOPS_REGISTRY"])
def test_a_rebuild_to_compare_takes_nothing_from_the_registry_that_lives(
    clone: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str
) -> None:
    """In the home's own workspace, as fsck advises it."""
    monkeypatch.delenv("PROMPTOPS_REGISTRY")
    monkeypatch.chdir(clone)
    promptops("rebuild", "--from-git", ".")
    before = commits(clone)
    assert promptops("status", "--json").json["pending"] == 0  # the workspace's own registry goes on by itself
    flag = ["--registry", str(tmp_path / "compared.db")]
    with monkeypatch.context() as patch:
        if named == "PROMPTOPS_REGISTRY":
            patch.setenv(named, flag.pop())
            flag.clear()
        assert "go on in git" in promptops("rebuild", "--from-git", ".", *flag).out
        assert "its new epoch is not in git" in promptops("fsck", *flag).out
        promptops("fsck", "--repair", *flag)
    assert commits(clone) == before
    promptops("rollback", "bot", "--channel", "prod")
    assert promptops("sync").out == "Everything is in git.\n"
    promptops("fsck")


KEY, OTHER = signing_key(), signing_key(1)


@pytest.fixture
def signed(told: Registry, clone: Path) -> Path:
    """A journal that is signed, and a machine that trusts no key of it."""
    put_key(told, KEY, required=True)
    write_signed(records_of(told), clone, lambda _: KEY)
    vouched.update(told.lineage, lambda _: Vouched())
    return clone


def test_a_script_needs_a_key_where_the_registry_has_one(
    told: Registry, signed: Path, promptops: Promptops, tmp_path: Path
) -> None:
    make = ("override", "create", "bot@0.1.1", "--channel", "prod", "--reason", "it burns", "--from-git", "prompts")
    for command in (("rebuild", "--from-git", "prompts"), make):
        refused = promptops(*command, exits=5).err
        assert f"the journal says that its key is {fingerprint(KEY.public)}" in refused
        assert "--key KEY" in refused and "PROMPTOPS_REGISTRY_KEY" in refused and "--yes" in refused
        assert "no line of the journal" in promptops(*command, "--key", OTHER.public, exits=5).err
        promptops(*command, "--key", KEY.public)
        vouched.update(told.lineage, lambda _: Vouched())
    assert (tmp_path / "new.db").exists()
    assert promptops("--json", *make, "--key", "nothing.pub", exits=2).error["code"] == "invalid"


def test_a_journal_whose_first_key_line_is_forged_has_a_key_all_the_same(
    told: Registry, signed: Path, promptops: Promptops, tmp_path: Path
) -> None:
    write_signed(records_of(told), signed, lambda _: OTHER)
    refused = promptops("rebuild", "--from-git", "prompts", exits=5).err
    assert f"the journal says that its key is {fingerprint(KEY.public)}" in refused
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("form", ["line", "comment", "fingerprint", "file", "signers", "variable", "yes", "remembered"])
def test_a_key_is_named_in_several_ways(
    told: Registry, signed: Path, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    (tmp_path / "file").write_text(f"{KEY.public} ada@work\n")
    (tmp_path / "signers").write_text(f'# ours\npromptops namespaces="git" {KEY.public}\n')
    ways = {
        "line": ["--key", KEY.public],
        "comment": ["--key", f"{KEY.public} of the registry"],
        "fingerprint": ["--key", OTHER.public, "--key", fingerprint(KEY.public)],
        "file": ["--key", "file"],
        "signers": ["--key", "signers"],
        "yes": ["--yes"],
    }
    if form == "variable":
        monkeypatch.setenv("PROMPTOPS_REGISTRY_KEY", f"{OTHER.public}, {KEY.public}")
    if form == "remembered":
        vouched.update(told.lineage, lambda _: Vouched(keys=(KEY.public,)))
    said = promptops("rebuild", "--from-git", "prompts", *ways.get(form, []))
    assert said.err == ""
    assert vouched.read(told.lineage).keys == (KEY.public,)


@pytest.mark.parametrize("typed", ["SHA256:short", "ssh-ed25519 AAAA", "ssh-rsa AAAA", "no/such/file", "private", "\0"])
def test_what_is_no_public_key_is_refused_and_not_shown(
    signed: Path, promptops: Promptops, tmp_path: Path, typed: str
) -> None:
    (tmp_path / "private").write_text(key_text())
    refused = promptops("rebuild", "--from-git", "prompts", "--key", typed, exits=2).err
    assert key_text().splitlines()[1] not in refused


def test_what_is_not_signed_is_named(told: Registry, signed: Path, promptops: Promptops) -> None:
    forged = records_of(told)
    write_signed(forged[-1:], signed, lambda _: None, after=commits(signed)[-1])
    factory.make_channels(told, later=Policy())
    write_signed(records_of(told)[-1:], signed, lambda _: None, after=commits(signed)[-2])
    said = promptops("rebuild", "--from-git", "prompts", "--key", KEY.public)
    assert f"ignored: policies/later/1: it is not signed with {fingerprint(KEY.public)}" in said.err
    assert "promptops sync" in said.out


def test_status_and_sync_name_lines_that_this_machine_knows_and_the_database_lacks(
    workspace: Path, promptops: Promptops
) -> None:
    promptops("sync")
    with closing(Registry.open(f"sqlite:///{workspace}/.promptops/registry.db")) as registry:
        with registry.read() as reader:
            seq, hash_ = reader.audit_head()
        vouched.update(registry.lineage, lambda _: Vouched(seq=seq + 3, hash=hash_, sha="c" * 40, epoch=1))
    said = f"line {seq + 3} of the audit log was verified here, and the registry ends at {seq}"
    assert said in promptops("status").err
    refused = promptops("sync", exits=1)
    assert said in refused.err and "Everything" not in refused.out
    assert said in promptops("fsck", exits=2).out
