"""A registry in which everything happened that can happen, by the operations themselves; and all it can be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from promptops.core.archival import Archival
from promptops.core.canary.decision import CanaryDecision
from promptops.core.canary.rollout_fact import Rollout
from promptops.core.declarations import (
    Capture,
    Declarations,
    DeclarationsVersion,
    DeclaredScore,
    Limit,
    Plan,
    Tag,
)
from promptops.core.digest import digest
from promptops.core.errors import NotFound
from promptops.core.evidence.approval import Approval, Waiver
from promptops.core.evidence.case_table import Arm, CaseTable, RowOutcome
from promptops.core.evidence.evidence import Count, Evidence
from promptops.core.evidence.labels import Labels, encode_labels
from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.core.evidence.run import Purpose, Source
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.model import Policy, Profile
from promptops.core.notifications.receiver import Receiver
from promptops.core.origin import Origin
from promptops.core.outcomes.erasure import Erasure
from promptops.core.reference import parse_reference
from promptops.core.registry_key import RegistryKey, endorse
from promptops.core.token import Scope
from promptops.core.verdict import Outcome
from promptops.operations.build import BuiltWorkspace
from promptops.operations.channels import Terms, apply_channels
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.operations.release import ReleaseRequest, release
from promptops.operations.tokens import revoke_token
from promptops.operations.transfer import TransferRequest, transfer
from promptops.store import Reader, Registry, Writer
from promptops.store.facts.channel_removal import ChannelRemoval
from promptops.store.facts.home import Home
from promptops.store.facts.kind import kind_of
from promptops.store.facts.record import Record
from tests.support.evidence import label, row, run, sha
from tests.support.factory import ACTOR, NAME, built, content, go_back, go_live, key, make_channels, make_token, minutes
from tests.support.signing import signing_key

KINDS = {"registry", "releases", "confirmations", "profiles", "yanks", "policies", "channels", "quarantines", "epochs"}
KINDS |= {"tokens", "revocations", "transfers", "homes", "registry-keys", "approvals", "waivers"}
KINDS |= {"runs", "evidence", "suites", "declarations", "erasures", "rollouts", "canary-decisions", "receivers"}
KINDS |= {"archivals", "removals"}


CALL_ID = "pc1:0b0e11aa:bot:prod:3.17s:0db52f40:akVfAJqcaBn_MQ:AAECAwQFAqGlXrJQ"
DECLARED = Declarations(
    outcomes=("escalated", "ticket_resolved"),
    tags=(Tag(name="language", values=("de", "größer ☃")),),
    scores=(DeclaredScore(name="helpful", passes_from=5000),),
    capture=Capture.VARIABLES,
    plan=Plan(calls_a_day=20_000, monthly_cents=5, limits=(Limit(of="openai", calls_a_minute=500),)),
)
HERE: dict[str, Any] = {"actor": ACTOR, "at": minutes(107)}


def make_world(registry: Registry, *, takes: int = 4) -> None:
    """Two apps on two channels: released dirty and confirmed, promoted, rolled back, quarantined, let out, yanked,
    transferred.
    """
    make_channels(registry, prod=Policy(promote_from=("staging",)), staging=Policy(allow_dirty=True))
    for number, app in enumerate(("bot", "faq")):
        for take in range(takes):
            _release(registry, app, take, dirty=take == 1)
        _release(registry, app, 1, dirty=False, owner="somebody else")
        for take in range(takes):
            for channel in ("staging", "prod"):
                reference = f"{app}@0.1.{take}"
                go_live(registry, reference, channel, now=minutes(10 * take + number), reason="größer ☃")
    go_back(registry, "bot", now=minutes(100), reason="wrong answers")
    go_back(registry, "bot", now=minutes(101), reason="wrong answers")
    last = f"bot@0.1.{takes - 1}"
    unquarantine(registry, _withhold(last, "prod"), actor=ACTOR, now=minutes(102))
    go_live(registry, last, now=minutes(103))
    quarantine(registry, _withhold("faq@0.1.0", "prod"), actor="Bob <bob@example.org>", now=minutes(104))
    yank(registry, _withhold("faq@0.1.1", ""), actor=ACTOR, now=minutes(105))
    here = Origin(repository="git@example.org:shop/prompts.git", path="größer", root="b" * 40)
    terms = Terms(origin=here, loosen=True, take_over=True, reason="größer ☃")
    gate = {"not_worse": {"margin": 0.05}, "größer ☃": [1, None, True]}
    apply_channels(
        registry,
        NAME,
        {"prod": Policy(protected=True, gate=gate, rollout={"größer ☃": [None]})},
        actor=ACTOR,
        now=minutes(106),
        terms=terms,
    )
    make_token(registry, "ci", scopes=(Scope.RELEASE, Scope.PROMOTE), channels=("staging",), now=minutes(106))
    make_token(registry, "forever", lifetime=None, person="Ada@example.org", now=minutes(106))
    revoke_token(registry, "ci", reason="in a log ☃", actor=ACTOR, now=minutes(107))
    _transfer(registry, "git@example.org:shop/other.git", "bots/faq")
    _transfer(registry, "example", "faq", root="b" * 40)
    _name_home(registry, Home(number=1, ref="refs/heads/promptops/test", workspace="5f0c", hint="host:/größer", **HERE))
    _name_home(
        registry, Home(number=2, ref="refs/journal/test", address="https://example.org/a.git", reason="☃", **HERE)
    )
    _sign_journal(registry)
    _speak(registry)
    _try_out(registry)
    _evaluate(registry)
    registry.write(lambda writer: writer.raise_epoch(at=minutes(107), actor=ACTOR, action="restore", reason="a drill"))


def _release(registry: Registry, app: str, take: int, *, dirty: bool, owner: str = "support") -> None:
    what = built(content(app, f"Hello {{{{name}}}}, take {take} ☃"), dirty=dirty, commit=f"{take + 1:040x}")
    place = replace(what.provenance, root="b" * 40, authors=("größer ☃ <bob@example.org>",) if take == 2 else ())
    what = replace(what, provenance=place, profile=Profile(owner=owner))
    workspace = BuiltWorkspace(registry=NAME, built=(what,))
    release(registry, workspace, ReleaseRequest(key=key(), notes=f"Take {take}"), actor=ACTOR, now=minutes(take))


def _transfer(registry: Registry, repository: str, path: str, *, root: str = "") -> None:
    origin = {"repository": repository, "path": path, "root": root}
    request = TransferRequest(app="faq", reason="another team ☃", key=key(), **origin)
    transfer(registry, request, actor=ACTOR, now=minutes(107))


def _name_home(registry: Registry, home: Home) -> None:
    registry.write(lambda writer: writer.record(home))


def _sign_journal(registry: Registry) -> None:
    """A key, and the end of signing, which that key endorses."""
    key = signing_key()
    first = RegistryKey(number=1, key=key.public, required=True, reason="größer ☃", **HERE)
    endorsement = endorse(key, registry.lineage, 2, "", required=False)
    last = RegistryKey(number=2, key="", required=False, endorsement=endorsement, **HERE)
    registry.write(lambda writer: writer.record(first))
    registry.write(lambda writer: writer.record(last))


def _speak(registry: Registry) -> None:
    """Two approvals, of which one is taken back, and a waiver."""

    def work(writer: Writer) -> None:
        made = writer.find_release("bot", version="0.1.2")
        about: dict[str, Any] = {
            "app": "bot",
            "digest": made.digest,
            "version": made.version,
            "channel": "prod",
            **HERE,
        }
        person: dict[str, Any] = {"person": "Ada@example.org", "token": "tForever"}
        here: dict[str, Any] = {"policy_version": 2, "position": 7, "subject": "release", "proven": True}
        for number, withdraws in ((1, None), (2, 1)):
            writer.record(Approval(number=number, withdraws=withdraws, reason="größer ☃", **here, **person, **about))
        ends = minutes(200)
        writer.record(Waiver(number=1, check="latency", reason="größer ☃", expires_at=ends, **person, **about))

    registry.write(work)


def _try_out(registry: Registry) -> None:
    """What two canaries began with, and what the policy decided about them."""
    steps = {"steps": [{"percent": 5, "bake": "4h"}], "größer ☃": [1, None, True]}
    about: dict[str, Any] = {"channel": "prod", **HERE}

    def work(writer: Writer) -> None:
        whole: dict[str, Any] = {"limits": {"answer": {"slow_ms": 5300}}, "off": {"dear": "größer ☃"}, "blind": True}
        writer.record(
            Rollout(app="bot", rollout="1.9", settings=steps, keys="0" * 8 + "9" * 8, keys_a_day=7, **whole, **about)
        )
        writer.record(Rollout(app="faq", rollout="1.12", settings=steps, **about))
        hooks: dict[str, object] = {"url": "https://hooks.example.com/promptops", "events": ["canary"]}
        writer.record(Receiver(name="ops", version=1, settings=hooks, **HERE))
        why: dict[str, Any] = {"cause": "no_unit", "guardrail": "error", "shown": "not-worse"}
        writer.record(
            CanaryDecision(app="bot", rollout="1.9", revision=10, verb="pause", numbers={"☃": 1.5}, **why, **about)
        )
        writer.record(CanaryDecision(app="faq", rollout="1.12", revision=13, verb="advance", **about))

    registry.write(work)


def _evaluate(registry: Registry) -> None:
    """A run with rows and its evidence, a verdict of another system, labels, and the suites of two releases."""
    with registry.read() as reader:
        releases = reader.releases("bot")
    opened = run(app="bot", at=minutes(107))
    rows = (row(0), row(0, Arm.LIVE, passed=False), row(1, outcome=RowOutcome.ERROR, score=None, error="timeout"))
    table = encode_table(CaseTable(cases=opened.cases, rows=rows), with_cases=False)
    found: dict[str, Any] = {"app": "bot", "digest": opened.candidate.digest, "note": "größer ☃", **HERE}
    suites = ReleaseSuites(
        app="bot", number=1, digest=releases[0].digest, suites=opened.suites, commit="1" * 40, **HERE
    )

    def work(writer: Writer) -> None:
        writer.record(opened)
        writer.add_rows(opened.id, rows)
        measured = Evidence(
            id=f"{opened.id}.1", run=opened.id, source=opened.source, counts=(Count(prompt="answer", passed=1),),
            table=table, table_digest=digest(table), hosts=opened.hosts, tools=("promptops 1.0",), **found,
        )  # fmt: skip
        writer.record(measured)
        writer.record(
            Evidence(
                id="f" * 32, source=Source.EXTERNAL, check="red-team", verdict=Outcome.PASS, expires_at=minutes(999),
                **found,
            )
        )  # fmt: skip
        given = encode_labels(Labels(labels=(label(), label(2, run=opened.id, by="größer ☃"))))
        labelled = {**found, "digest": sha("judges"), "table": given, "table_digest": digest(given)}
        writer.record(Evidence(id="e" * 32, source=Source.LABELS, hosts=opened.hosts, **labelled))
        writer.record(run(2, app="bot", at=minutes(108), purpose=Purpose.DRIFT))
        writer.record(suites)
        writer.record(replace(suites, number=2, digest=releases[1].digest, dirty=True, suites=()))
        writer.record(DeclarationsVersion(app="bot", number=1, declared=DECLARED, **HERE))
        writer.record(DeclarationsVersion(app="bot", number=2, declared=Declarations(), **HERE))
        writer.record(DeclarationsVersion(app="faq", number=1, declared=DECLARED, **HERE))
        writer.record(
            Erasure(number=1, app="", call="", units=("0" * 16, "9" * 16), calls=3, reason="größer ☃", **HERE)
        )
        for number in (1, 2):
            back: dict[str, Any] = {
                "archived": number == 1,
                "successor": "help-desk" if number == 1 else "",
                "reason": "größer ☃",
            }
            writer.record(Archival(app="bot", number=number, **back, **HERE))
        writer.record(ChannelRemoval(channel="prod", version=1, reason="größer ☃", **HERE))
        writer.record(Erasure(number=2, app="bot", call=CALL_ID, units=(), calls=1, reason="", **HERE))

    registry.write(work)


def _withhold(reference: str, channel: str) -> WithholdRequest:
    return WithholdRequest(reference=parse_reference(reference), reason="leaks data", key=key(), channel=channel)


def name_of(record: Record) -> str:
    """The name that follows from the fact."""
    return kind_of(record.fact).ref(record.fact, record.audit.seq)


def all_records(registry: Registry) -> tuple[Record, ...]:
    """Every record, oldest first."""
    with registry.read() as reader:
        return reader.facts(reader.journal())


def answers(reader: Reader) -> dict[str, object]:
    """Everything that a reader can be asked, with what it answers."""
    found: dict[str, object] = {
        "apps": reader.apps(),
        "channels": reader.channels(),
        "audit": reader.audit(),
        "head": reader.audit_head(),
        "overview": reader.overview(),
        "epoch": reader.epoch(),
        "journal": reader.journal(),
        "tokens": [replace(token, has_secret=False) for token in reader.tokens()],  # what git does not give back
    }
    for channel in reader.channels():
        found[f"live on {channel.name}"] = reader.live_on(channel.name)
    found["evidence"] = reader.evidence(tables=True)
    for app in reader.apps():
        found |= {f"{app} {name}": value for name, value in _about(reader, app).items()}
    return found


def _about(reader: Reader, app: str) -> dict[str, object]:
    releases = reader.releases(app)
    whole = [reader.find_release(app, version=each.version) for each in releases]
    found: dict[str, object] = {"releases": releases, "whole": whole, "profile": reader.profile(app)}
    found["newest"] = reader.newest_release(app)
    found["owner"] = (reader.owner(app), reader.transfers(app))
    found["runs"] = reader.runs(app)
    found["suites"] = [reader.suites(app, each.digest) for each in releases]
    found["serving"] = [reader.channels_serving(app, each.digest) for each in releases]
    for channel in reader.channels():
        name = channel.name
        found[f"log of {name}"] = reader.history(app, name)
        found[f"past of {name}"] = tuple(reader.past(app, name, before=1000))
        found[f"quarantines of {name}"] = reader.quarantines(app, name)
        found[f"canaries of {name}"] = [reader.rollout(app, name, rollout) for rollout in ("1.9", "1.12")]
        found[f"passed {name}"] = [reader.was_stable(app, name, each.digest) for each in releases]
        found[f"live on {name}"] = (reader.live(app, name), reader.live_at(app, name, minutes(15)))
        found[f"third of {name}"] = _third(reader, app, name)
    return found


def _third(reader: Reader, app: str, channel: str) -> object:
    try:
        return reader.deployment(app, channel, 3)
    except NotFound:
        return None
