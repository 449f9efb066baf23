"""`promptops db journal`: with which key the journal in git is signed, and from now on with another one, or none."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptops import config
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.phrases import facts, moment, next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session
from promptops.cli.signing_key import key_in, signing_key, trust, why_locked
from promptops.cli.trusted_keys import trusted as trusted_keys
from promptops.core.errors import Invalid
from promptops.core.registry_key import endorse
from promptops.core.signing import fingerprint
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.core.signing import PrivateKey
    from promptops.operations.journal_key import JournalKey, KeyRequest

_NO_KEY = f"no private key is set, so nothing can be signed: {config.SIGNING_KEY} or {config.SIGNING_KEY_FILE}"
_UNTRUSTED = f"no: a rebuild on this machine needs --key, or {config.REGISTRY_KEY}"
_MAKE = "Make one, and keep it outside of the registry and of git: ssh-keygen -t ed25519 -N '' -f FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the command line says: the mode, empty to show it; and how the key in force signs for a change."""

    mode: str
    previous: Path | None
    without_previous: bool
    reason: str
    yes: bool


def run(session: Session, choice: Choice) -> None:
    """Show the key in force, or set one."""
    from promptops.use_cases.journal import JOURNAL, SIGN_JOURNAL

    if not choice.mode and (choice.previous or choice.without_previous or choice.reason):
        raise Invalid("nothing is changed without --sign", hint="--sign, --sign required or --sign off")
    actor = session.actor() if choice.mode else ""
    with session.gateway() as gateway:
        state = gateway.run(JOURNAL, None)
        if choice.mode:
            state = gateway.run(SIGN_JOURNAL, _request(state, choice, session), actor=actor)
    if choice.mode:
        trust(state)
    problem, trusted = why_locked(state), _trusted(state, session)
    session.answer(
        lambda: {
            **written(state),
            "trusted": trusted,
            "signs_here": bool(state.key and not problem),
            "problem": problem,
        },
        lambda page: _set(state) if choice.mode else _lines(state, problem, page, trusted=trusted),
    )
    if state.changed:
        bring_to_git(session)


def _request(state: JournalKey, choice: Choice, session: Session) -> KeyRequest:
    """Returns the request for this choice, with the signature of the key in force.

    Raises:
        Invalid: the private key that this needs is not set, or is another one.
    """
    from promptops.operations.journal_key import KeyRequest

    own = signing_key()
    if own is None and choice.mode != "off":
        raise Invalid(_NO_KEY, hint=_MAKE)
    key = own.public if own and choice.mode != "off" else ""
    required = choice.mode == "required"
    number = state.number + 1
    if not state.key or (state.key, state.required) == (key, required):
        return KeyRequest(number=number, public_key=key, required=required, reason=choice.reason)
    by = None if choice.without_previous else _previous(state, choice, own)
    if by is None or not key:
        _ask(state, choice, session, stops=not key)
    return KeyRequest(
        number=number,
        public_key=key,
        required=required,
        endorsement=endorse(by, state.lineage, number, key, required=required) if by else "",
        without_previous=choice.without_previous,
        reason=choice.reason,
    )


def _previous(state: JournalKey, choice: Choice, own: PrivateKey | None) -> PrivateKey:
    """Returns the private half of the key in force."""
    given = key_in(choice.previous, "--previous-key-file") if choice.previous else own
    if given is None:
        raise Invalid(_NO_KEY, hint=f"This needs the key in force, {fingerprint(state.key)}.")
    if given.public != state.key:
        raise Invalid(
            f"the key in force is {fingerprint(state.key)}, and this one is {fingerprint(given.public)}",
            hint="Name the file with the private half of the key in force: --previous-key-file FILE."
            " If it is lost: --without-previous-key --reason TEXT.",
        )
    return given


def _ask(state: JournalKey, choice: Choice, session: Session, *, stops: bool) -> None:
    """Asks a person at a terminal; a script has to say --yes."""
    if choice.without_previous and not choice.reason.strip():
        raise Invalid("a reason is needed", hint="--reason TEXT: how the key in force was lost; the log has it.")
    if choice.yes:
        return
    what = (
        "Lines of the journal are not signed any more, so push rights to its home become write rights after a disaster."
        if stops
        else f"Without the signature of {fingerprint(state.key)}, each machine has to be given the new key by hand."
    )
    if session.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Invalid(what, hint="If that is meant: --yes")
    click.confirm(f"{what} Go on?", abort=True)


def _trusted(state: JournalKey, session: Session) -> bool:
    """True if a rebuild on this machine would believe the key."""
    from promptops.source import vouched

    known = {fingerprint(key) for key in vouched.read(state.lineage).keys}
    return bool(state.key) and fingerprint(state.key) in {*known, *trusted_keys(session, ())}


def _set(state: JournalKey) -> list[Line]:
    if not state.changed:
        return [f"The journal is signed like that already: {state}." if state.key else "The journal is not signed."]
    if not state.key:
        return [[Span("✓ ", "good"), Span("The journal is not signed any more.", "strong"), f" It was: {state.before}"]]
    head: Line = [
        Span("✓ ", "good"),
        Span("The journal is signed with ", "strong"),
        Span(fingerprint(state.key), "name"),
    ]
    more = "Lines that are not signed count for nothing without the database." if state.required else ""
    return [
        head,
        *([more] if more else []),
        [Span("Keep this line where a rebuild finds it, not in git: ", "quiet"), state.key],
        *next_steps([("bring it to git where the database is", ["sync"])]),
    ]


def _lines(state: JournalKey, problem: str, page: Page, *, trusted: bool) -> list[Line]:
    if not state.key:
        steps: list[tuple[str, Sequence[str]]] = [("sign it from now on", ["db", "journal", "--sign"])]
        return [
            "The journal is not signed.",
            [Span(UNSIGNED, "quiet")],
            *next_steps(steps),
        ]
    since = f"{moment(page, state.at)} by {state.actor}" if state.at else ""
    rows = [
        ("signed with", fingerprint(state.key)),
        ("public line", state.key),
        ("mode", state.mode),
        ("since", since),
        ("signs here", f"no: {problem}" if problem else "yes"),
        ("trusted here", "yes" if trusted else _UNTRUSTED),
    ]
    return [*facts(page, rows)]


UNSIGNED = "Push rights to its home are write rights to the registry, if that is ever rebuilt from git."
"""What it means that no key vouches for the journal."""
