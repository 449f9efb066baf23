"""Signed commits of the journal: the same bytes as git's own, for both algorithms, and git verifies them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from promptops.core.errors import Invalid
from promptops.projection.archive import Archive
from promptops.projection.objects import link
from promptops.projection.signatures import NAMESPACE, signature_in, signed_by, signer_of_commit, with_signature
from promptops.source.git.pack import Algorithm, make
from promptops.source.git.repository import Repository
from promptops.store import Registry
from tests.support.factory import git
from tests.support.journal import REF
from tests.support.signing import VECTORS, signing_key

KEY = signing_key()
each_algorithm = pytest.mark.parametrize("algorithm", list(Algorithm))


def sign(data: bytes) -> str:
    return KEY.sign(data, NAMESPACE)


@each_algorithm
def test_a_signed_commit_is_byte_by_byte_the_one_that_git_makes(algorithm: Algorithm) -> None:
    vector = VECTORS["commits"][algorithm]
    commit = vector["commit"].encode()
    assert make("commit", commit, algorithm).sha == vector["sha"]
    signature = signature_in(commit, algorithm)
    head, end = commit.index(b"\ngpgsig"), commit.index(b"SIGNATURE-----\n\n") + len(b"SIGNATURE-----\n")
    unsigned = commit[: head + 1] + commit[end:]
    assert (sign(unsigned), signed_by(commit, algorithm)) == (signature, KEY.public)
    assert with_signature(unsigned, signature, algorithm) == commit
    assert (signature_in(unsigned, algorithm), signed_by(unsigned, algorithm)) == ("", "")


@each_algorithm
def test_a_commit_that_was_changed_is_signed_by_nobody(algorithm: Algorithm) -> None:
    commit = VECTORS["commits"][algorithm]["commit"].encode()
    for changed in (
        commit + b"\n",
        commit.replace(b"promote", b"release"),
        commit.replace(b"1700000000", b"1700000001", 1),
        commit.replace(b"U1NI", b"U1NJ"),
        commit.replace(b"\n -----END", b"\n  -----END"),
        commit.replace(b"SIGNATURE-----\n\n", b"SIGNATURE-----\n \n\n"),
    ):
        assert signed_by(changed, algorithm) == ""
        with pytest.raises(Invalid):
            signer_of_commit(changed, algorithm)
    signature = signature_in(commit, algorithm)
    assert signed_by(with_signature(commit, signature, algorithm), algorithm) == ""
    other = Algorithm.SHA1 if algorithm is Algorithm.SHA256 else Algorithm.SHA256
    assert (signature_in(commit, other), signature_in(b"", other), signature_in(b"gpgsig", other)) == ("", "", "")


@each_algorithm
def test_git_verifies_a_signed_journal_and_it_is_read_back(
    world: Registry, tmp_path: Path, algorithm: Algorithm, database: str
) -> None:
    folder = tmp_path / "signed"
    git(tmp_path, "init", "--quiet", f"--object-format={algorithm}", str(folder))
    repository = Repository.open(folder)
    with world.read() as reader:
        records = list(reader.facts(reader.journal()))
    tip = ""
    for record in records:
        made = link(record, algorithm, *([tip] if tip else []), sign=sign)
        repository.refs.write(made.objects)
        tip = made.sha
    repository.refs.advance(REF, tip, "")
    archive = Archive(repository)
    stored = list(archive.stored(archive.lines))
    assert [(each.record, each.problem) for each in stored] == [(record, "") for record in records]
    assert {signed_by(each.commit, algorithm) for each in stored} == {KEY.public}
    repository.close()
    if shutil.which("ssh-keygen"):
        (tmp_path / "allowed").write_text(f'registry namespaces="git" {KEY.public}\n')
        allowed = f"gpg.ssh.allowedSignersFile={tmp_path}/allowed"
        command = ["git", "-C", str(folder), "-c", allowed, "log", "--format=%G? %GF", REF]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert set(done.stdout.splitlines()) == {f"G {VECTORS['fingerprint']}"}
        subprocess.run(["git", "-C", str(folder), "-c", allowed, "verify-commit", REF], capture_output=True, check=True)
