"""`promptops db journal` and `init` with a key: who vouches for the journal, and how one key follows another."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.core.registry_key import endorsed_by
from promptops.source import vouched
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory
from tests.support.signing import VECTORS, key_text, signing_key

NOT_SET = "its private key is not set here: PROMPTOPS_SIGNING_KEY_FILE names its file"
PRINT = VECTORS["fingerprint"]


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The process has the private key."""
    (tmp_path / "key").write_text(key_text())
    monkeypatch.setenv("PROMPTOPS_SIGNING_KEY_FILE", str(tmp_path / "key"))


def last(registry: Registry) -> tuple[str, str, str]:
    """Action, what was before and after, of the newest line of the audit log."""
    with registry.read() as reader:
        line = next(iter(reader.audit()))
    return line.action, line.before, line.after


def test_a_journal_is_not_signed_at_first(registry: Registry, promptops: Promptops) -> None:
    assert promptops("db", "journal").out == (
        "The journal is not signed.\n"
        "Push rights to its home are write rights to the registry, if that is ever rebuilt from git.\n"
        "\n"
        "Next: sign it from now on  promptops db journal --sign\n"
    )
    shown = promptops("db", "journal", "--json").json
    assert (shown["mode"], shown["key"], shown["trusted"]) == ("off", "", False)


def test_a_key_is_set_once_and_remembered(registry: Registry, promptops: Promptops, signing: None) -> None:
    key = signing_key()
    said = promptops("db", "journal", "--sign").out
    assert said.startswith(f"✓ The journal is signed with {PRINT}\n")
    assert key.public in said
    assert last(registry) == ("registry-key", "", f"{PRINT} on")
    assert vouched.read(registry.lineage).keys == (key.public,)
    assert promptops("db", "journal", "--sign").out == f"The journal is signed like that already: {PRINT} on.\n"
    shown = promptops("db", "journal", "--json").json
    wanted = {"mode": "on", "fingerprint": PRINT, "trusted": True, "signs_here": True, "problem": "", "number": 1}
    assert shown.items() >= wanted.items()
    assert "signs here    yes" in promptops("db", "journal").out


def test_the_mode_changes_and_the_key_signs_for_that(registry: Registry, promptops: Promptops, signing: None) -> None:
    promptops("db", "journal", "--sign")
    assert "count for nothing" in promptops("db", "journal", "--sign", "required").out
    assert last(registry) == ("registry-key", f"{PRINT} on", f"{PRINT} required")
    with registry.read() as reader:
        keys = list(reader.registry_keys().values())
    assert [endorsed_by(key, registry.lineage) for key in keys] == ["", signing_key().public]


def test_another_key_follows_with_the_file_of_the_one_before(
    registry: Registry, promptops: Promptops, signing: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    promptops("db", "journal", "--sign")
    monkeypatch.setenv("PROMPTOPS_SIGNING_KEY", key_text(7))
    refused = promptops("db", "journal", "--sign", exits=2).err
    assert refused.startswith(f"error: the key in force is {PRINT}, and this one is SHA256:")
    assert "--previous-key-file FILE" in refused
    assert "--without-previous-key" in refused
    shown = promptops("db", "journal", "--json").json
    assert f"it is signed with {PRINT}, and the private key here is another one, SHA256:" in str(shown["problem"])
    promptops("db", "journal", "--sign", "--previous-key-file", str(tmp_path / "key"), "-m", "a new one each year")
    assert vouched.read(registry.lineage).keys == (signing_key(7).public,)
    with registry.read() as reader:
        newest = list(reader.registry_keys().values())[-1]
    assert (newest.key, newest.reason) == (signing_key(7).public, "a new one each year")
    assert endorsed_by(newest, registry.lineage) == signing_key().public


def test_a_lost_key_needs_a_reason_and_a_yes(
    registry: Registry, promptops: Promptops, signing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    promptops("db", "journal", "--sign")
    monkeypatch.setenv("PROMPTOPS_SIGNING_KEY", key_text(7))
    lost = ("db", "journal", "--sign", "--without-previous-key")
    assert "a reason is needed" in promptops(*lost, exits=2).err
    assert "If that is meant: --yes" in promptops(*lost, "-m", "the laptop is gone", exits=2).err
    promptops(*lost, "-m", "the laptop is gone", "--yes")
    assert last(registry)[2] != f"{PRINT} on"


def test_signing_ends_only_with_the_key(
    registry: Registry, promptops: Promptops, signing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    promptops("db", "journal", "--sign", "required")
    assert "--yes" in promptops("db", "journal", "--sign", "off", exits=2).err
    monkeypatch.delenv("PROMPTOPS_SIGNING_KEY_FILE")
    assert "This needs the key in force" in promptops("db", "journal", "--sign", "off", "--yes", exits=2).err
    monkeypatch.setenv("PROMPTOPS_SIGNING_KEY", key_text())
    assert "not signed any more" in promptops("db", "journal", "--sign", "off", "--yes").out
    assert (last(registry), vouched.read(registry.lineage).keys) == (("registry-key", f"{PRINT} required", "off"), ())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PROMPTOPS_SIGNING_KEY", "hello", "PROMPTOPS_SIGNING_KEY: the signing key is not an Ed25519 private key"),
        ("PROMPTOPS_SIGNING_KEY_FILE", "/nowhere/at/all", "PROMPTOPS_SIGNING_KEY_FILE: /nowhere/at/all cannot be read"),
        ("PROMPTOPS_SIGNING_KEY", VECTORS["private_refused"]["with a passphrase"], "without a passphrase"),
        ("NO_COLOR", "1", "no private key is set, so nothing can be signed"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_and_not_shown(
    registry: Registry, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    refused = promptops("db", "journal", "--sign", exits=2).err
    assert says in refused
    assert "b3BlbnNzaC1rZXktdjE" not in refused
    with registry.read() as reader:
        assert reader.registry_keys() == {}


def test_nothing_is_changed_without_sign(registry: Registry, promptops: Promptops) -> None:
    assert "without --sign" in promptops("db", "journal", "-m", "hm", exits=2).err


def test_a_new_registry_signs_its_journal_if_a_key_is_set(
    promptops: Promptops, signing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = factory.make_workspace(tmp_path / "repo")
    monkeypatch.chdir(root)
    promptops("init")
    assert promptops("db", "journal", "--json").json["fingerprint"] == PRINT
    monkeypatch.setenv("PROMPTOPS_SIGNING_KEY", key_text(7))
    promptops("init")
    assert promptops("db", "journal", "--json").json["fingerprint"] == PRINT


def test_a_new_registry_is_not_made_with_a_key_that_cannot_be_used(
    promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = factory.make_workspace(tmp_path / "repo")
    monkeypatch.chdir(root)
    monkeypatch.setenv("PROMPTOPS_SIGNING_KEY", "hello")
    promptops("init", exits=2)
    assert not (root / ".promptops" / "registry.db").exists()


# --- what other commands say ------------------------------------------------------------------------


def test_without_the_key_changes_wait_and_each_command_says_why(
    promptops: Promptops, signing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = factory.make_workspace(tmp_path / "repo")
    monkeypatch.chdir(root)
    promptops("init")
    assert promptops("sync").out == "Everything is in git.\n"
    monkeypatch.delenv("PROMPTOPS_SIGNING_KEY_FILE")
    why = f"the journal waits: it is signed with {PRINT}, and {NOT_SET}"
    assert promptops("release").err == f"note: not in git yet: {why}\n"
    assert factory.git(root, "tag") == "bot/v0.1.0"
    assert promptops("promote", "bot@0.1.0", "--channel", "dev").err == f"note: not in git yet: {why}\n"
    shown = promptops("status").out.splitlines()
    assert shown[-1] == f"T{why[1:]}"
    assert promptops("sync", exits=1).err == (
        f"error: 1 change cannot go to git: the journal: it is signed with {PRINT}, and {NOT_SET}\n"
    )
    promptops("fsck", exits=1)
    monkeypatch.setenv("PROMPTOPS_SIGNING_KEY", key_text())
    assert "Brought to git: 3 changes" in promptops("sync").out
    assert promptops("fsck").out.startswith("✓ All is well.")
    assert "waits" not in promptops("status").out


def test_a_drain_is_remembered_with_the_key(
    promptops: Promptops, signing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = factory.make_workspace(tmp_path / "repo")
    monkeypatch.chdir(root)
    promptops("init")
    promptops("sync")
    lineage = str(promptops("db", "journal", "--json").json["lineage"])
    known = vouched.read(lineage)
    ref = factory.git(root, "for-each-ref", "--format=%(objectname)", "refs/heads/promptops/")
    assert (known.sha, known.keys, known.seq > 1) == (ref, (signing_key().public,), True)


def test_an_unsigned_journal_at_an_address_is_said_once(
    promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = factory.make_workspace(tmp_path / "repo")
    monkeypatch.chdir(root)
    promptops("init")
    home = tmp_path / "home.git"
    factory.git(tmp_path, "init", "--quiet", "--bare", str(home))
    note = f"The journal is not signed: who can push to {home} can write what a rebuild from there brings back."
    assert promptops("db", "home", str(home)).err == f"note: {note}\n"
    assert promptops("sync").err == ""
    assert f"note: {note}" in promptops("fsck").out
    monkeypatch.setenv("PROMPTOPS_SIGNING_KEY", key_text())
    promptops("db", "journal", "--sign")
    assert "note" not in promptops("fsck").out
