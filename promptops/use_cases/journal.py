"""With which key the journal is signed, and another key, as rows."""

from __future__ import annotations

from promptops.core import free_text
from promptops.core.errors import Conflict, ExtraMissing, NotAllowed, Refused
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.journal_key import JournalKey, KeyRequest, journal_key, set_journal_key
from promptops.use_cases.fields import CHANGE, body
from promptops.use_cases.use_case import UseCase

JOURNAL: UseCase[None, JournalKey] = UseCase(
    name="journal",
    method="GET",
    path="/v1/journal",
    scope=Scope.READ,
    tag="Looking",
    doc="""With which key the journal in git is signed.

    Compare the fingerprint with the one that you know: this answer only says what the registry believes.
    """,
    run=lambda registry, request, caller: journal_key(registry),
    answer=JournalKey,
)


def _require(request: KeyRequest, scope: Scope, rights: Rights) -> None:
    """Refuse a token for some apps or channels: the journal is that of all.

    A key that no key vouches for needs ``admin``: by a signature alone it differs from the key of a forger.

    Raises:
        NotAllowed
    """
    scope = Scope.ADMIN if request.without_previous else scope
    rights.require(scope)
    if not rights.everything:
        raise NotAllowed("this token is not for all channels and apps, and the journal is", scope=scope.value)


SIGN_JOURNAL = UseCase(
    name="sign_journal",
    method="PUT",
    path="/v1/journal",
    scope=Scope.POLICY,
    doc="""Sign the journal in git with a key from now on, or with none.

    The server never has the private half. The key in force endorses the next one, by a signature over canonical JSON
    (`key`, `lineage`, `number`, `required`) in the form of OpenSSH with the namespace `promptops-registry-key`; where
    it was lost, `without_previous` and a reason take its place, and the scope `admin` is needed. The same key in the
    same mode changes nothing.
    """,
    run=lambda registry, request, caller: set_journal_key(registry, request, actor=caller.actor, now=caller.now),
    request=KeyRequest,
    answer=JournalKey,
    body=("JournalKeyRequest", "The public half of a key, and the signature of the key before."),
    fields=(
        body("number", ge=1, lt=1_000_000, example=1, description="One more than the number of the newest key."),
        body("public_key", max_length=200, example="", description="`ssh-ed25519 AAAA…`; empty: lines are not signed."),
        body("required", description="Without the database, lines that are not signed count for nothing."),
        body("endorsement", max_length=2000, example="", description="The signature of the key in force."),
        body("without_previous", description="The key in force was lost."),
        body("reason", max_length=free_text.LONGEST, example="the key of the first year ends"),
    ),
    require=_require,
    errors=(Refused, Conflict, ExtraMissing),
    largest=CHANGE,
)
