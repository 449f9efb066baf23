"""A signed journal without its database: what a trusted key vouches for comes back, and nothing else is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.errors import ExtraMissing, Invalid, Refused, Unavailable
from promptops.core.model import Policy
from promptops.core.signing import fingerprint
from promptops.operations import backup
from promptops.operations.fsck import RegistryLocation
from promptops.operations.rebuild import RebuildRequest, rebuild
from promptops.projection.offer import Doubt
from promptops.projection.rebuilding import Rebuilt
from promptops.source import vouched
from promptops.source.vouched import Vouched
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import commits, put_key, records_of, write_signed
from tests.support.signing import signing_key

A, B, FORGER = signing_key(), signing_key(1), signing_key(2)
PRINT_A, PRINT_B = fingerprint(A.public), fingerprint(B.public)
Again = Callable[..., Rebuilt]

sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class Doubts:
    """What a rebuild asked about."""

    def __init__(self) -> None:
        self.asked: list[Doubt] = []

    def __call__(self, doubt: Doubt) -> bool:
        self.asked.append(doubt)
        return True

    @property
    def numbers(self) -> list[int]:
        return [line.seq for doubt in self.asked for line in doubt.lines]


@pytest.fixture
def doubts() -> Doubts:
    return Doubts()


@pytest.fixture
def again(root: Path, empty_url: str, doubts: Doubts) -> Again:
    def run(*keys: str, **terms: object) -> Rebuilt:
        request = RebuildRequest(keys=tuple(fingerprint(key) for key in keys), **terms)  # type: ignore[arg-type]
        return rebuild(str(root), empty_url, request, actor=ACTOR, now=minutes(900), confirm=doubts)

    return run


@pytest.fixture
def first(world: Registry, root: Path) -> int:
    """The line at which key A was set; the journal is signed with it, from the first line on."""
    seq = put_key(world, A, required=True)
    factory.make_channels(world, later=Policy())
    write_signed(records_of(world), root, lambda _: A)
    vouched.update(world.lineage, lambda _: Vouched())
    return seq


def more(world: Registry, root: Path, key_of: Callable[[int], object], count: int = 1) -> Sequence[int]:
    """Adds lines to a registry and its journal."""
    before = len(commits(root))
    factory.make_channels(world, **{f"more-{before}-{number}": Policy() for number in range(count)})
    write_signed(records_of(world)[before:], root, key_of, after=commits(root)[-1])  # type: ignore[arg-type]
    return range(before + 1, len(commits(root)) + 1)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_trusted_key_vouches_for_everything_and_nothing_is_asked(
    world: Registry, tmp_path: Path, empty_url: str, doubts: Doubts, algorithm: str
) -> None:
    put_key(world, A)
    git(tmp_path, "init", "--quiet", f"--object-format={algorithm}", "other")
    write_signed(records_of(world), tmp_path / "other", lambda seq: A if seq > 3 else None)
    vouched.update(world.lineage, lambda _: Vouched())
    request = RebuildRequest(keys=(PRINT_A,))
    done = rebuild(str(tmp_path / "other"), empty_url, request, actor=ACTOR, now=minutes(9), confirm=doubts)
    with world.read() as reader:
        assert (done.seq, done.hash, done.ignored, doubts.asked) == (*reader.audit_head(), (), [])
    assert vouched.read(world.lineage).keys == (A.public,)


@sqlite
def test_without_a_key_every_line_is_asked_about_and_the_key_of_the_journal_is_named(
    world: Registry, first: int, again: Again, doubts: Doubts
) -> None:
    done = again()
    assert doubts.numbers == [*range(1, done.seq + 1)]
    [doubt] = doubts.asked
    assert (doubt.keyed, doubt.key, doubt.checked, doubt.verified) == (True, PRINT_A, True, 0)
    assert vouched.read(world.lineage).keys == (A.public,)  # it was accepted


@sqlite
def test_a_key_that_signed_nothing_is_refused_with_the_one_of_the_journal(first: int, again: Again) -> None:
    with pytest.raises(Refused, match=r"no line .* signed with a key that you trust") as refused:
        again(FORGER.public)
    assert PRINT_A in refused.value.hint


@sqlite
@pytest.mark.parametrize("forger", [None, FORGER])
def test_lines_that_are_not_signed_with_the_key_are_left_out_and_the_registry_goes_on_past_them(
    world: Registry, root: Path, first: int, again: Again, doubts: Doubts, forger: object, empty_url: str
) -> None:
    right = len(commits(root))
    forged = more(world, root, lambda _: forger, 2)
    done = again(A.public)
    assert (done.seq, len(done.ignored), done.leaves) == (right, len(forged), commits(root)[-1])
    assert all(PRINT_A in each and "signed with" in each for each in done.ignored)
    assert doubts.asked == []
    with closing(Registry.open(empty_url)) as new, new.read() as reader:
        assert reader.left_behind() == {commits(root)[-1]}


@sqlite
def test_what_this_machine_trusts_needs_no_option(world: Registry, first: int, again: Again, doubts: Doubts) -> None:
    vouched.update(world.lineage, lambda _: Vouched(keys=(A.public,)))
    again()
    assert doubts.asked == []


@sqlite
def test_a_key_that_was_endorsed_is_trusted_too(
    world: Registry, root: Path, first: int, again: Again, doubts: Doubts
) -> None:
    before = len(commits(root))
    changed = put_key(world, B, by=A)
    write_signed(records_of(world)[before:], root, lambda _: B, after=commits(root)[-1])
    done = again(A.public)
    assert (done.seq, done.ignored, doubts.asked) == (changed, (), [])
    assert vouched.read(world.lineage).keys == (B.public,)  # the old one may have been stolen


@sqlite
@pytest.mark.parametrize(("trusted", "all_of_it"), [(A, False), (B, True)])
def test_a_key_that_took_over_without_an_endorsement_is_believed_only_by_itself(
    world: Registry, root: Path, first: int, again: Again, trusted: object, all_of_it: bool
) -> None:
    before = len(commits(root))
    put_key(world, B)
    write_signed(records_of(world)[before:], root, lambda _: B, after=commits(root)[-1])
    done = again(trusted.public)  # type: ignore[attr-defined]
    assert done.seq == (before + 1 if all_of_it else before)
    assert bool(done.ignored) != all_of_it


@sqlite
def test_after_signing_ended_lines_are_asked_about_and_a_script_goes_on(
    world: Registry, root: Path, first: int, again: Again, doubts: Doubts
) -> None:
    before = len(commits(root))
    put_key(world, None, by=A)
    write_signed(records_of(world)[before:], root, lambda _: None, after=commits(root)[-1])
    unsigned = more(world, root, lambda _: None)
    vouched.update(world.lineage, lambda _: Vouched(keys=(A.public,)))
    done = again()
    assert (doubts.numbers, done.seq) == ([before + 1, *unsigned], unsigned[-1])
    assert not doubts.asked[0].keyed


@sqlite
def test_of_two_ends_the_signed_one_counts(world: Registry, root: Path, first: int, again: Again) -> None:
    right = commits(root)
    more(world, root, lambda _: None, 3)
    git(root, "branch", "promptops/other", "promptops/test")
    git(root, "update-ref", "refs/heads/promptops/test", right[-1])
    done = again(A.public)
    assert (done.seq, done.loss) == (len(right), None)
    assert done.ignored


@sqlite
def test_an_anchor_needs_no_key(world: Registry, root: Path, first: int, again: Again, doubts: Doubts) -> None:
    more(world, root, lambda _: None)
    with world.read() as reader:
        line = reader.audit(limit=2)[-1]
    done = again(anchor=line.hash)
    assert (done.hash, doubts.asked) == (line.hash, [])


@sqlite
def test_without_the_extra_signatures_are_not_judged_and_every_line_is_asked_about(
    world: Registry, root: Path, first: int, again: Again, doubts: Doubts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("vouching", "offer"):
        monkeypatch.setattr(f"promptops.projection.{module}.can_verify", lambda: False)
    again()
    assert [(doubt.keyed, doubt.checked) for doubt in doubts.asked] == [(True, False)]
    vouched.update(world.lineage, lambda _: Vouched())
    monkeypatch.setattr("promptops.core.signing.can_verify", lambda: False)
    with pytest.raises(ExtraMissing, match="cryptography"):
        rebuild(str(root), f"sqlite:///{root}/new.db", RebuildRequest(keys=(PRINT_A,)), actor=ACTOR, now=minutes(901))


@pytest.mark.parametrize("forger", [None, FORGER])
def test_a_restore_trusts_the_key_of_the_backup(
    world: Registry,
    root: Path,
    first: int,
    registry_url: str,
    tmp_path: Path,
    empty_url: str,
    doubts: Doubts,
    postgresql_tools: None,
    forger: object,
) -> None:
    backup.backup(registry_url, tmp_path / "saved", now=minutes(50), verify=False)
    newer = more(world, root, lambda _: A)
    more(world, root, lambda _: forger)
    place = RegistryLocation(url=empty_url, root=root, name=NAME)
    restored = backup.restore(tmp_path / "saved", place, actor=ACTOR, now=minutes(70), confirm=doubts)
    assert (restored.taken, len(restored.ignored), doubts.asked) == (len(newer), 1, [])


@sqlite
def test_lines_that_were_lost_behind_a_signature_are_a_loss(
    world: Registry, root: Path, first: int, again: Again, empty_url: str
) -> None:
    """This machine verified more than what a forger left of it."""
    with world.read() as reader:
        seq, hash_ = reader.audit_head()
    vouched.update(world.lineage, lambda _: Vouched(seq=seq, hash=hash_, keys=(A.public,)))
    git(root, "update-ref", "refs/heads/promptops/test", commits(root)[-2])
    with pytest.raises(Invalid, match="1 line would be lost"):
        again()
    with pytest.raises(Unavailable):
        Registry.open(empty_url)
