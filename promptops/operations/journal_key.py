"""The key with which the journal is signed: which one it is, and another one, another mode, or none from here on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import Conflict, Invalid, Refused
from promptops.core.free_text import require_words
from promptops.core.registry_key import RegistryKey, endorsed_by, flaw, mode_of
from promptops.core.signing import fingerprint

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalKey:
    """The key in force, a public line, and who set it; an empty one where the journal is not signed.

    ``number`` is how often a key was set, and ``changed`` whether that was just now. ``before`` is the fingerprint
    of the key before, if there was one.
    """

    lineage: str
    number: int = 0
    key: str = ""
    required: bool = False
    actor: str = ""
    at: datetime | None = None
    reason: str = ""
    before: str = ""
    changed: bool = False

    @property
    def mode(self) -> str:
        """``off``, ``on`` or ``required``."""
        return mode_of(self.key, required=self.required)

    def __str__(self) -> str:
        return f"{fingerprint(self.key)} {self.mode}" if self.key else self.mode


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """Sign the journal with this key from now on, or with none if it is empty.

    ``number`` is one more than the newest key's. ``endorsement`` is the signature of the key in force
    (:func:`promptops.core.registry_key.endorse`); without one, ``without_previous`` and a reason are needed.
    """

    number: int
    public_key: str
    required: bool = False
    endorsement: str = ""
    without_previous: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        require_words(self.reason)


def journal_key(registry: Registry) -> JournalKey:
    """Returns the key in force."""
    with registry.read() as reader:
        return _state(reader, registry.lineage)


def set_journal_key(registry: Registry, request: KeyRequest, *, actor: str, now: datetime) -> JournalKey:
    """Let the lines of the journal be signed with a key from now on. If they are already, nothing is recorded.

    Raises:
        Invalid: it is no key, or no reason is given where one is needed.
        Conflict: another key was set meanwhile.
        Refused: the key in force did not endorse it.
        ExtraMissing: a signature has to be checked, and the extra ``[sign]`` is not installed.
    """
    fact = RegistryKey(
        number=request.number,
        key=request.public_key,
        required=request.required,
        endorsement=request.endorsement,
        actor=actor,
        at=now,
        reason=request.reason,
    )
    if problem := flaw(fact):
        raise Invalid(problem)

    def work(writer: Writer) -> JournalKey:
        writer.lock_log()
        before = _state(writer, registry.lineage)
        if (before.key, before.required) == (request.public_key, request.required):
            return before
        if request.number != before.number + 1:
            raise Conflict(
                f"a key was set meanwhile: number {before.number}, {before}",
                hint=Sentence("Look at it first: ", Advice(Action.SIGN_JOURNAL)),
            )
        _require_endorsed(request, fact, before)
        writer.record(fact, before=str(before) if before.number else "")
        return _state(writer, registry.lineage, changed=True)

    return registry.write(work)


def _require_endorsed(request: KeyRequest, fact: RegistryKey, before: JournalKey) -> None:
    if request.without_previous and not request.reason.strip():
        raise Invalid("a reason is needed", hint=Sentence(option("reason", "Say why", value="TEXT"), "."))
    if not before.key:
        if request.endorsement:
            raise Invalid("no key is in force that could endorse another one")
        return
    if not request.endorsement and request.without_previous:
        return
    if endorsed_by(fact, before.lineage) != before.key:
        raise Refused(
            f"the key in force, {fingerprint(before.key)}, did not sign for this change",
            hint=Sentence(
                option("previous-key-file", "Name the file of its private half", value="FILE"),
                "; if that is lost: ",
                option("without-previous-key", "without it"),
                " and a reason.",
            ),
        )


def _state(reader: Reader, lineage: str, *, changed: bool = False) -> JournalKey:
    keys = list(reader.registry_keys().values())
    if not keys:
        return JournalKey(lineage=lineage)
    last = keys[-1]
    return JournalKey(
        lineage=lineage,
        number=last.number,
        key=last.key,
        required=last.required,
        actor=last.actor,
        at=last.at,
        reason=last.reason,
        before=fingerprint(keys[-2].key) if len(keys) > 1 and keys[-2].key else "",
        changed=changed,
    )
