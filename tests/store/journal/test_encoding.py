"""Records survive their bytes, equal records have equal bytes, and nothing else is a record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.core.deployment_parts import Action, Kind
from promptops.core.digest import canonical, digest
from promptops.core.errors import Invalid
from promptops.core.model import (
    AuditEntry,
    Bump,
    Canary,
    Channel,
    Deployment,
    Policy,
    Profile,
    Provenance,
    Quarantine,
    Release,
    ReleaseRef,
    Yank,
)
from promptops.core.token import Revocation, Scope, Token
from promptops.store import facts
from promptops.store.facts.confirmation import Confirmation
from promptops.store.facts.epoch import EpochInfo
from promptops.store.facts.kind import Fact, kind_of, kinds
from promptops.store.facts.profile import ProfileVersion
from promptops.store.facts.quarantine import QuarantineEvent
from promptops.store.facts.record import Record, decode, encode, flaw
from promptops.store.facts.registry import RegistryInfo
from promptops.store.facts.revocation import RevokedToken
from promptops.store.facts.yank import Withdrawal

NOW = datetime(2026, 3, 1, 12, 30, 15, 250, tzinfo=UTC)
ADA = "Ada Lovelace <ada@example.org>"
CONTENT = b'{"app":"bot"}'
REF = ReleaseRef(version="0.1.2", digest=digest(CONTENT))
FROM = Provenance(repository="shop", commit="c" * 40, path="bot", author=ADA, builder="tests", dirty=True)
RELEASE = Release(
    app="bot",
    version=REF.version,
    digest=REF.digest,
    created_at=NOW,
    created_by=ADA,
    bump=Bump.PATCH,
    changes=("wording", "größer ☃"),
    notes="Zwei Zeilen\nund ein \"Zitat\" \u2028 \x01",
    provenance=FROM,
    content=CONTENT,
)  # fmt: skip
CANARY = Canary(
    release=ReleaseRef(version="2.0.0", digest=digest(b"trial")),
    weight=250,
    rollout="r9",
    salt="bot#prod#9",
    step=2,
    action=Action.PAUSE,
)
DEPLOYMENT = Deployment(
    app="bot",
    channel="prod",
    revision=7,
    kind=Kind.ROLLBACK,
    stable=REF,
    before=ReleaseRef(version="0.1.3", digest=digest(b"3")),
    restores=5,
    actor=ADA,
    reason="wrong answers",
    at=NOW,
)
HELD = Quarantine(app="bot", channel="prod", release=REF, reason="wrong", actor=ADA, at=NOW)
REVOKED = Revocation(actor=ADA, at=NOW, reason="leaked")
TOKEN = Token(
    id="tAbcdefghij0",
    name="ci",
    scopes=(Scope.RELEASE, Scope.PROMOTE),
    channels=("dev", "staging-*"),
    prefix="pops_op_Ab3d",
    created_at=NOW,
    created_by=ADA,
    expires_at=NOW + timedelta(days=90),
)
YANK = Yank(reason="leaks data", actor=ADA, at=NOW)


def entry(action: str, **more: Any) -> AuditEntry:
    empty = dict.fromkeys(["app", "channel", "before", "after", "reason", "key"], "")
    return AuditEntry(
        **{
            **empty,
            "seq": 12,
            "at": NOW,
            "actor": ADA,
            "action": action,
            "previous": "0" * 64,
            "hash": "f" * 64,
            **more,
        }
    )


def label(release: ReleaseRef) -> str:
    return f"{release.version} {release.digest}"


def record(fact: Fact, audit: AuditEntry) -> Record:
    return Record(ref=kind_of(fact).ref(fact, audit.seq), audit=audit, fact=fact)


RECORDS = [
    record(RegistryInfo(name="shop", lineage="0b0e-1", created_at=NOW), entry("init", after="shop 0b0e-1")),
    record(RELEASE, entry("release", app="bot", after=label(REF), reason=RELEASE.notes, key="k")),
    record(Confirmation(app="bot", release=REF, provenance=replace(FROM, dirty=False)),
           entry("confirm", app="bot", after=label(REF), reason=f"commit {FROM.commit}")),
    record(ProfileVersion(app="bot", profile=Profile(owner="support", on_call="+49")), entry("profile", app="bot")),
    record(Withdrawal(app="bot", release=REF, yank=YANK),
           entry("yank", app="bot", after=label(REF), reason=YANK.reason)),
    record(Channel(name="prod", policy=Policy(promote_from=("dev", "staging")), version=3, actor=ADA, at=NOW),
           entry("policy", channel="prod", after="version 3")),
    record(DEPLOYMENT, entry("rollback", app="bot", channel="prod", before=label(DEPLOYMENT.before or REF),
                             after=label(REF), reason="wrong answers")),
    record(replace(DEPLOYMENT, revision=1, before=None, restores=None, kind=Kind.PROMOTE),
           entry("promote", app="bot", channel="prod", after=label(REF), reason="wrong answers")),
    record(QuarantineEvent(quarantine=HELD, lifted=False),
           entry("quarantine", app="bot", channel="prod", after=label(REF), reason="wrong")),
    record(QuarantineEvent(quarantine=HELD, lifted=True),
           entry("unquarantine", app="bot", channel="prod", after=label(REF), reason="wrong")),
    record(TOKEN, entry("create-token", after=str(TOKEN))),
    record(replace(TOKEN, expires_at=None, channels=("*",)),
           entry("create-token", after=str(replace(TOKEN, expires_at=None, channels=("*",))))),
    record(RevokedToken(id=TOKEN.id, name="ci", revocation=REVOKED),
           entry("revoke-token", after="tAbcdefghij0 ci", reason="leaked")),
    record(EpochInfo(epoch=2, at=NOW, actor=ADA, reason=""), entry("restore", before="epoch 1", after="epoch 2")),
]  # fmt: skip
NAMES = [each.ref for each in RECORDS]


@pytest.mark.parametrize("one", RECORDS, ids=NAMES)
def test_a_record_survives_its_bytes(one: Record) -> None:
    assert flaw(one) == ""
    assert decode(encode(one), one.content) == one


def test_names_are_relative_to_the_refs_of_promptops() -> None:
    assert NAMES == [
        "registry/0b0e-1",
        "releases/bot/0.1.2",
        "confirmations/bot/0.1.2/12",
        "profiles/bot/12",
        "yanks/bot/0.1.2",
        "policies/prod/3",
        "channels/prod/bot/7",
        "channels/prod/bot/1",
        "quarantines/prod/bot/12",
        "quarantines/prod/bot/12",
        "tokens/tAbcdefghij0",
        "tokens/tAbcdefghij0",
        "revocations/tAbcdefghij0",
        "epochs/2",
    ]


def test_the_bytes_of_a_record_do_not_change() -> None:
    """A vector: another promptops must write the same bytes, or its objects in git are others."""
    one = RECORDS[-1]
    assert encode(one) == (
        b'{"audit":{"action":"restore","actor":"Ada Lovelace <ada@example.org>","after":"epoch 2","app":"",'
        b'"at":"2026-03-01T12:30:15.000250+00:00","before":"epoch 1","channel":"","hash":"' + b"f" * 64 + b'",'
        b'"key":"","previous":"' + b"0" * 64 + b'","reason":"","seq":12},'
        b'"fact":{"actor":"Ada Lovelace <ada@example.org>","at":"2026-03-01T12:30:15.000250+00:00","epoch":2,'
        b'"reason":""},"ref":"epochs/2","schema":"promptops.record/1"}'
    )
    # a golden digest for each of the others
    together = b"\n".join(map(encode, [*RECORDS[:10], one]))
    assert digest(together) == GOLDEN
    assert digest(b"\n".join(map(encode, RECORDS[10:13]))) == GOLDEN_TOKENS


GOLDEN_TOKENS = "sha256:e5e67f0aa8d129f8c8089411cfe1866f573d34bfbbb94dc2813718125fe3f810"
GOLDEN = "sha256:add38737367e241b5d508435820ac59ad46785223b08d0c7adeb1d89f16a36cf"


def test_what_has_its_default_is_not_written_so_that_nouns_can_grow() -> None:
    fact = json.loads(encode(RECORDS[5]))["fact"]
    assert fact["policy"] == {"promote_from": ["dev", "staging"]}
    spelled = json.loads(encode(RECORDS[5]))
    spelled["fact"]["policy"]["protected"] = False
    with pytest.raises(Invalid, match="canonical"):
        decode(canonical(spelled))


def test_neither_content_nor_yank_of_a_release_is_in_its_record() -> None:
    made = RECORDS[1]
    fact = json.loads(encode(made))["fact"]
    assert "content" not in fact and "yank" not in fact
    later = replace(made, fact=replace(RELEASE, yank=YANK))
    assert encode(later) == encode(made)


def test_neither_the_secret_of_a_token_nor_its_end_is_in_its_record() -> None:
    made = RECORDS[10]
    assert json.loads(encode(made))["fact"].keys() == {
        "id", "name", "scopes", "channels", "prefix", "created_at", "created_by", "expires_at"
    }  # fmt: skip
    later = replace(made, fact=replace(TOKEN, revoked=REVOKED, has_secret=False))
    assert encode(later) == encode(made)
    for name, value in (("revoked", None), ("has_secret", False)):
        whole = json.loads(encode(made))
        whole["fact"][name] = value
        with pytest.raises(Invalid):
            decode(canonical(whole))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scopes", ["release", "promote", "admin"]),
        ("scopes", ["promote", "release"]),
        ("scopes", []),
        ("channels", ["*"]),
        ("channels", []),
        ("apps", ["bot"]),
        ("name", "cd"),
        ("name", "C I"),
        ("prefix", "pops_op_0000"),
        ("expires_at", None),
        ("expires_at", "2026-05-30T12:30:15.000250"),
        ("created_by", "Eve"),
        ("id", "tAbcdefghij1"),
    ],
)
def test_a_token_with_other_rights_is_not_what_the_audit_log_says(name: str, value: object) -> None:
    whole = json.loads(encode(RECORDS[10]))
    whole["fact"][name] = value
    with pytest.raises(Invalid):
        decode(canonical(whole))


def test_a_time_is_the_same_in_every_zone() -> None:
    one = RECORDS[-1]
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-7)))
    moved = replace(one, audit=replace(one.audit, at=elsewhere))
    assert encode(moved) == encode(one)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
NUMBERS = st.integers(1, 2**53 - 1)
TIMES = st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(9000, 1, 1))  # noqa: DTZ001


@given(TEXT, TEXT, TIMES, st.lists(TEXT, max_size=3), st.binary(max_size=50), st.booleans())
@settings(max_examples=50)
def test_any_release_survives_its_bytes(
    notes: str, actor: str, at: datetime, changes: list[str], content: bytes, dirty: bool
) -> None:
    fact = replace(
        RELEASE,
        notes=notes,
        created_by=actor,
        created_at=at,
        changes=tuple(changes),
        content=content,
        digest=digest(content),
        provenance=replace(FROM, author=actor, dirty=dirty),
    )
    audit = entry("release", app="bot", after=label(fact.ref), reason=notes, actor=actor, at=at)
    one = record(fact, audit)
    assert decode(encode(one), content) == one


@given(
    st.integers(1, 2**53 - 1), st.none() | st.integers(1, 2**53 - 1), TEXT, st.sampled_from(list(Kind)), st.booleans()
)
@settings(max_examples=50)
def test_any_deployment_survives_its_bytes(
    revision: int, restores: int | None, reason: str, kind: Kind, first: bool
) -> None:
    before = None if first else DEPLOYMENT.before
    fact = replace(
        DEPLOYMENT,
        revision=revision,
        restores=restores,
        reason=reason,
        kind=kind,
        before=before,
        stable=None if kind is Kind.OFF else REF,
        canary=CANARY if kind is Kind.CANARY else None,
    )
    audit = entry(
        kind.value,
        app="bot",
        channel="prod",
        before=label(before) if before else "",
        after={
            Kind.OFF: "off",
            Kind.CANARY: f"{label(REF)}; canary {label(CANARY.release)} at 2.5 % (pause, step 2 of r9)",
        }.get(kind, label(REF)),
        reason=reason,
        seq=revision,
    )
    one = record(fact, audit)
    assert decode(encode(one)) == one


def _edited(path: str, value: object) -> Callable[[dict[str, Any]], object]:
    def edit(whole: dict[str, Any]) -> None:
        inside = whole
        *way, last = path.split(".")
        for part in way:
            inside = inside[part]
        inside[last] = value

    return edit


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another schema": _edited("schema", "promptops.record/2"),
    "no schema": lambda whole: whole.pop("schema"),
    "a key more": _edited("note", "x"),
    "no fact": lambda whole: whole.pop("fact"),
    "a fact that is text": _edited("fact", "x"),
    "a fact with a key more": _edited("fact.note", "x"),
    "a fact with a key less": lambda whole: whole["fact"].pop("restores"),
    "a release that is text": _edited("fact.stable", "0.1.2"),
    "a number as text": _edited("fact.revision", "7"),
    "a number as a flag": _edited("fact.restores", True),
    "a kind that is none": _edited("fact.kind", "theft"),
    "a time that is none": _edited("fact.at", "yesterday"),
    "a time without a zone": _edited("fact.at", "2026-03-01T12:30:15.000250"),
    "a time in another form": _edited("audit.at", "2026-03-01T12:30:15.000250Z"),
    "another name": _edited("ref", "channels/prod/bot/8"),
    "a name that is a path": _edited("ref", "channels/../bot/7"),
    "a name that is a number": _edited("ref", 7),
    "a kind nobody knows": _edited("ref", "spells/prod/bot/7"),
    "the name of another kind": _edited("ref", "epochs/7"),
    "another actor": _edited("fact.actor", "Eve"),
    "another reason": _edited("audit.reason", "because"),
    "another release": _edited("fact.stable.digest", digest(b"x")),
    "another revision": _edited("fact.revision", 8),
    "an audit line that is a list": _edited("audit", []),
    "an audit line with a key less": lambda whole: whole["audit"].pop("hash"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_encode_did_not_write_is_refused(edit: str) -> None:
    whole = json.loads(encode(RECORDS[6]))
    EDITS[edit](whole)
    with pytest.raises(Invalid):
        decode(canonical(whole))


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[]", b"null", b"{}", b'{"schema":"promptops.record/1"}', b"[" * 100_000]
)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        decode(data)


def test_other_bytes_of_the_same_value_are_refused() -> None:
    data = encode(RECORDS[0])
    with pytest.raises(Invalid, match="canonical"):
        decode(b" " + data)
    with pytest.raises(Invalid):
        decode(data[:-1] + b',"ref":"x"}')


def test_a_release_needs_its_content_and_no_other_record_has_any() -> None:
    with pytest.raises(Invalid, match="content"):
        decode(encode(RECORDS[1]), CONTENT + b" ")
    with pytest.raises(Invalid, match="content"):
        decode(encode(RECORDS[1]))
    with pytest.raises(Invalid, match="content"):
        decode(encode(RECORDS[0]), CONTENT)


@given(st.binary(max_size=300))
def test_bytes_are_a_record_or_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        decode(data)


def test_each_kind_has_a_name_and_a_noun_of_its_own() -> None:
    modules = [import_module(f"{facts.__name__}.{found.name}") for found in iter_modules(facts.__path__)]
    of_modules = [module.KIND for module in modules if hasattr(module, "KIND")]
    assert len(of_modules) == len(kinds()) == len({kind.noun for kind in of_modules}) >= 12
