"""The exact words of hints and repairs on the terminal, one row a message. Other tests look at the advice alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from promptops.cli.output.advice import as_commands
from promptops.core import errors, rollout
from promptops.core.actor import require_claim
from promptops.core.finding import Finding, Severity
from promptops.core.model import Bump, Deployment, Kind, Past, Policy, Provenance, Quarantine, Release, ReleaseRef
from promptops.core.origin import Origin, Owner
from promptops.core.policy import Candidate, admit, checks_of
from promptops.core.reference import parse_reference
from promptops.core.rollout import Intent
from promptops.core.token import parse_token
from promptops.operations.override import OverrideRequest
from promptops.operations.quarantine import WithholdRequest
from promptops.operations.rollback import RollbackRequest
from promptops.store.faults import damage
from tests.support.factory import START

BOT = parse_reference("bot@0.1.0")
OWNER = Owner(origin=Origin(repository="https://h.org/x", path="bot"), at=START, version="0.1.0")
INTENT = Intent(app="bot", channel="prod", actor="a", reason="", now=START)
FINDING = Finding(code="yaml", severity=Severity.ERROR, path="a.yml", line=1, column=1, message="not closed")


def _release(*, dirty: bool = False) -> Candidate:
    provenance = Provenance(repository="r", commit="c", path="p", author="a", builder="b", dirty=dirty)
    release = Release(
        app="bot",
        version="0.1.0",
        digest="sha256:0",
        created_at=START,
        created_by="a",
        bump=Bump.NONE,
        changes=(),
        notes="",
        provenance=provenance,
    )
    return Candidate(release=release, quarantine=None)


def _live(version: str, revision: int = 1) -> Deployment:
    return Deployment(
        app="bot",
        channel="prod",
        revision=revision,
        kind=Kind.PROMOTE,
        stable=ReleaseRef(version=version, digest=version),
        before=None,
        restores=None,
        actor="a",
        reason="",
        at=START,
    )


def _held() -> Candidate:
    candidate = _release()
    release = candidate.release
    quarantine = Quarantine(app="bot", channel="prod", release=release.ref, reason="it lies", actor="a", at=START)
    return Candidate(release=release, quarantine=quarantine)


def _raise(error: errors.PromptopsError) -> None:
    raise error


ROWS: list[tuple[Callable[[], object], str]] = [
    # --- what errors carry wherever they are raised ---
    (
        lambda: _raise(errors.ConcurrentDeployment("bot", "prod", expected=1, actual=2)),
        "Look first: promptops history bot --channel prod",
    ),
    (lambda: _raise(errors.SourceInvalid([FINDING])), "`promptops check` lists every finding."),
    (
        lambda: _raise(errors.DirtyTree(["a.yml"])),
        "Commit them, or use --allow-dirty for a release that only channels with `allow_dirty: true` take.",
    ),
    (
        lambda: _raise(errors.ChangeNotKept("a row")),
        "A foreign trigger, rule or row policy on the table prevents it: promptops fsck names it.",
    ),
    (
        lambda: _raise(errors.GuardsMissing(["x"])),
        "They were removed by hand: find out who did it and why. Then `promptops db upgrade` restores them.",
    ),
    (lambda: _raise(errors.RegistryNotInitialised("there is none")), "Run `promptops init`."),
    (lambda: _raise(errors.SchemaOutdated("it is old")), "Run `promptops db upgrade`."),
    (
        lambda: _raise(errors.VariableInvalid("count", "not a number")),
        "The input's schema is shown by the prompt file. An input that is not declared takes text.",
    ),
    (
        lambda: _raise(errors.AppOwnedElsewhere(dict.fromkeys(("bot", "faq"), (OWNER, OWNER.origin)))),
        "If its owners agree that it comes from here from now on: promptops app transfer bot --reason …; "
        "promptops app transfer faq --reason …",
    ),
    # --- policies and rollbacks ---
    (
        lambda: admit(_release(), "prod", checks_of(Policy(promote_from=("staging",)))),
        "First: promptops promote bot@0.1.0 --channel staging",
    ),
    (
        lambda: admit(_release(dirty=True), "prod", checks_of(Policy())),
        "Commit the files and run `promptops release` again: the same content is then confirmed by a commit.",
    ),
    (
        lambda: rollout.admit_anywhere(INTENT, _held()),
        "If it is safe after all: promptops unquarantine bot@0.1.0 --channel prod --reason …",
    ),
    (
        lambda: rollout.rollback(INTENT, _live("0.1.0"), ()),
        "Take it off: promptops retire bot --channel prod --reason …; or promote a good release: "
        "promptops promote bot@VERSION --channel prod; what was live and why it is not good: "
        "promptops history bot --channel prod",
    ),
    (
        lambda: rollout.restore(INTENT, _live("0.1.0", 2), Past(deployment=_live("0.1.0"))),
        "What was live when: promptops history bot --channel prod",
    ),
    (
        lambda: rollout.restore(INTENT, _live("0.1.1", 2), Past(deployment=_live("0.1.0"), flaw="it lies")),
        "Choose another, or first: promptops unquarantine bot@0.1.0 --channel prod --reason …",
    ),
    # --- what requests name ---
    (lambda: RollbackRequest(channel="prod", key="k"), "promptops rollback APP, or --all"),
    (
        lambda: WithholdRequest(reference=BOT, reason=" ", key="k"),
        "--reason TEXT; the history shows it to those who read it at night.",
    ),
    (
        lambda: OverrideRequest(reference=BOT, channel="prod", reason=" ", lifetime=timedelta(hours=1)),
        "--reason TEXT; the log has it afterwards.",
    ),
    (
        lambda: OverrideRequest(reference=BOT, channel="PROD", reason="x", lifetime=timedelta(hours=1)),
        "--channel NAME",
    ),
    (
        lambda: OverrideRequest(reference=BOT, channel="prod", reason="x", lifetime=timedelta(days=8)),
        "--expires 24h, or up to 7d.",
    ),
    (
        lambda: require_claim("two\nlines"),
        "Name who makes the change: --actor 'Ada <ada@example.org>', or PROMPTOPS_ACTOR.",
    ),
    (
        lambda: parse_token("pops"),
        "A token begins with pops_ and has 46 characters. `promptops token create NAME` makes one.",
    ),
]


@pytest.mark.parametrize(("refused", "hint"), ROWS, ids=[row[1][:60] for row in ROWS])
def test_the_hint_on_the_terminal(refused: Callable[[], object], hint: str) -> None:
    with pytest.raises(errors.PromptopsError) as caught:
        refused()
    assert as_commands(caught.value.hint) == hint
    assert not any(spelled in caught.value.hint for spelled in ("promptops init", "promptops promote", " --channel"))


@pytest.mark.parametrize(
    ("code", "repair"),
    [
        (
            "guard-missing",
            "`promptops fsck --repair` puts it back, and so does `promptops db upgrade`; find out who removed it",
        ),
        ("restore-unfinished", "repeat `promptops db restore BACKUP` with the same backup, which finishes it"),
        ("secret-changed", "another person may use the token: promptops token revoke ID, and create a new one"),
        (
            "audit-broken",
            "`promptops db restore BACKUP` brings a backup back, `promptops rebuild --from-git PATH` makes a new "
            "registry from git",
        ),
    ],
)
def test_the_repair_on_the_terminal(code: str, repair: str) -> None:
    assert as_commands(damage(code, "what", "where").repair) == repair
