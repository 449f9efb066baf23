"""What one transaction sees of a registry: all that an operation may read, and the only way to read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import RegistryDamaged
from promptops.core.model import AuditEntry
from promptops.store.queries.channels import ChannelReader
from promptops.store.queries.evidence_reader import EvidenceReader
from promptops.store.queries.outcome_reader import OutcomeReader
from promptops.store.queries.releases import ReleaseReader
from promptops.store.queries.rollout_reader import RolloutReader
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, audit_of

if TYPE_CHECKING:
    from promptops.core.archival import Archival
    from promptops.core.canary.rollout_fact import Rollout
    from promptops.core.evidence.approval import Approval, Waiver
    from promptops.core.evidence.release_suites import ReleaseSuites
    from promptops.core.heartbeat import Beat
    from promptops.core.origin import Owner
    from promptops.core.registry_key import RegistryKey
    from promptops.core.token import Token
    from promptops.store.facts.home import Home
    from promptops.store.facts.kind import JournalEntry
    from promptops.store.facts.record import Record
    from promptops.store.queries.approvals import Deeds
    from promptops.store.queries.deliveries import DeliveryReader
    from promptops.store.queries.gate import GateState
    from promptops.store.queries.housekeeping import Housekeeping
    from promptops.store.queries.serving import Progress, StoredContent

_audit, _idempotency = tables.audit, tables.idempotency
_TRAIL = select(_audit).where(_audit.c.seq > bindparam("last")).order_by(_audit.c.seq).limit(bindparam("page"))
LAST_DRAINED = select(tables.drained.c.seq, tables.drained.c.commit).where(
    tables.drained.c.algorithm == bindparam("algorithm")
)
_HOME = select(tables.home).order_by(tables.home.c.number.desc()).limit(1)
_KEYS = select(tables.registry_key).order_by(tables.registry_key.c.number)
_NAMED = select(tables.journal.c.seq, tables.journal.c.ref).order_by(tables.journal.c.seq)
_ANY_OWNER = "*"
"""In place of the token of a key from before keys belonged to one; the id of no token."""
_ANSWER = select(_idempotency.c.token, _idempotency.c.request, _idempotency.c.body).where(
    _idempotency.c.key == bindparam("key"), _idempotency.c.token.in_([bindparam("token"), _ANY_OWNER])
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What an idempotency key was used for, and what was answered then."""

    request: str
    body: bytes


def the_head(rows: Sequence[AnyRow]) -> AnyRow:
    """The one row of the head of the audit log.

    Raises:
        RegistryDamaged: it is not one.
    """
    if len(rows) != 1:
        raise RegistryDamaged(
            f"the head of the audit log has {len(rows)} rows and not one", hint=Sentence(Advice(Action.FSCK))
        )
    return rows[0]


class Reader(ReleaseReader, ChannelReader, EvidenceReader, OutcomeReader, RolloutReader):
    """One consistent view of the registry, valid inside the ``with`` or the work it was handed to."""

    def audit(
        self,
        *,
        app: str = "",
        channel: str = "",
        actor: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> tuple[AuditEntry, ...]:
        """The audit log, newest first, narrowed by the given arguments; ``before`` is the number of a line."""
        statement = select(_audit).order_by(_audit.c.seq.desc()).limit(limit)
        for column, value in ((_audit.c.app, app), (_audit.c.channel, channel), (_audit.c.actor, actor)):
            if value:
                statement = statement.where(column == value)
        if since is not None:
            statement = statement.where(_audit.c.at >= since)
        if until is not None:
            statement = statement.where(_audit.c.at <= until)
        if before is not None:
            statement = statement.where(_audit.c.seq < before)
        return tuple(audit_of(row) for row in self._connection.execute(statement))

    def audit_trail(self, *, after: int = 0, page: int = 1000) -> Iterator[AuditEntry]:
        """The audit log after this line, oldest first, read page by page."""
        last = after
        while True:
            rows = self._connection.execute(_TRAIL, {"last": last, "page": page}).all()
            yield from map(audit_of, rows)
            if len(rows) < page:
                return
            last = rows[-1].seq

    def audit_head(self) -> tuple[int, str]:
        """The number and hash of the newest line of the audit log, as the head row has them.

        Raises:
            RegistryDamaged: there is no such row, or there are several.
        """
        head = the_head(self._connection.execute(select(tables.audit_head.c.seq, tables.audit_head.c.hash)).all())
        return head.seq, head.hash

    def answer(self, key: str, *, token: str = "", request: str = "") -> StoredAnswer | None:
        """The answer to the request with this key and token; None for a new key, and for the empty one.

        Of the keys from before they belonged to a token it is not known whose they are: one of them counts for exactly
        the ``request`` that it was used for, and for no other.
        """
        if not key:
            return None
        rows = {row.token: row for row in self._connection.execute(_ANSWER, {"key": key, "token": token})}
        row = rows.get(token, rows.get(_ANY_OWNER))
        if row is None or (row.token == _ANY_OWNER and row.request != request):
            return None
        return StoredAnswer(request=row.request, body=row.body)

    # --- what is served; a rollback needs none of it, so the code for it is loaded when it is used ---

    def progress(self, channel: str) -> Progress:
        """How far a channel is: cheap to ask, and equal as long as its snapshot is."""
        from promptops.store.queries.serving import progress

        return progress(self._connection, channel)

    def contents(self, digests: Sequence[str]) -> Iterator[StoredContent]:
        """The contents of these releases of any app, in this order; those that are not there are left out.

        They are read some at a time. One that is not intact must not be served.
        """
        from promptops.store.queries.serving import contents

        return contents(self._connection, digests)

    def owner(self, app: str) -> Owner | None:
        """To which repository and path the app belongs; None while no release says where it came from."""
        from promptops.store.queries.owners import owner

        return owner(self._connection, app)

    def transfers(self, app: str) -> int:
        """How often the app was transferred."""
        from promptops.store.queries.owners import transfers

        return transfers(self._connection, app)

    # --- what people say of a release, the same ---

    def approvals(self, app: str, channel: str, digest: str) -> tuple[Approval, ...]:
        """Every approval of this release for the channel, and every withdrawal, oldest first."""
        from promptops.store.queries.approvals import approvals

        return approvals(self._connection, app, channel, digest)

    def waivers(self, now: datetime, app: str = "", channel: str = "") -> tuple[Waiver, ...]:
        """The waivers that have not ended, oldest first; of an app and on a channel, where they are given."""
        from promptops.store.queries.approvals import waivers

        return waivers(self._connection, now, app, channel)

    def rollout(self, app: str, channel: str, rollout: str) -> Rollout | None:
        """What the canary of this name began with; None where the channel had no ``rollout:`` then.

        Raises:
            RegistryDamaged: its row is not what was written.
        """
        from promptops.store.queries.rollout_rows import find_rollout

        return find_rollout(self._connection, app, channel, rollout)

    def next_number(self, table: str) -> int:
        """The number of the next ``approval`` or ``waiver``, while the log is locked."""
        from promptops.store.queries.approvals import next_number

        return next_number(self._connection, table)

    def deeds(self, app: str, digest: str, *, since: str) -> Deeds:
        """Who released a release, and who wrote what is new in it since another one; an empty digest: since ever."""
        from promptops.store.queries.approvals import deeds

        return deeds(self._connection, app, digest, since)

    def gate_state(self, app: str, channel: str, digest: str) -> GateState:
        """What a gate's verdict on this release rests on; equal as long as the verdict is."""
        from promptops.store.queries.gate import gate_state

        return gate_state(self._connection, app, channel, digest)

    def suites_at(self, app: str, digest: str, at: datetime) -> ReleaseSuites | None:
        """The suites of a release as they were known at a time."""
        from promptops.store.queries.gate import suites_at

        return suites_at(self._connection, app, digest, at)

    def archival(self, app: str) -> Archival | None:
        """Whether an app is archived, and since when; None if it never was."""
        from promptops.store.queries.archivals import newest

        return newest(self._connection, app)

    def archived(self) -> dict[str, Archival]:
        """The apps that are archived, by name."""
        from promptops.store.queries.archivals import archived

        return archived(self._connection)

    def housekeeping(self) -> Housekeeping:
        """What can be thrown away."""
        from promptops.store.queries.housekeeping import Housekeeping

        return Housekeeping(self._connection)

    # --- tokens, the same ---

    def tokens(self) -> tuple[Token, ...]:
        """Every token that was ever made, oldest first."""
        from promptops.store.queries.tokens import tokens

        return tokens(self._connection)

    def token(self, id: str) -> Token:
        """The token of this id.

        Raises:
            TokenNotFound: listing those that there are. RegistryDamaged: its row is not what was written.
        """
        from promptops.store.queries.tokens import find_token

        return find_token(self._connection, id)

    def token_by_secret(self, digest: str) -> Token | None:
        """Returns the token whose secret has this digest. It may have ended or be revoked: see its flaw.

        Raises:
            RegistryDamaged: its row is not what was written.
        """
        from promptops.store.queries.tokens import token_by_secret

        return token_by_secret(self._connection, digest)

    def changed_secrets(self) -> tuple[tuple[int, str, str], ...]:
        """Tokens whose secret was swapped or deleted: line of the log, id, problem."""
        from promptops.store.queries.tokens import changed_secrets

        return tuple(changed_secrets(self._connection))

    def clients_since(
        self, since: datetime, channel: str = "", *, failing: bool = False
    ) -> list[tuple[Beat, datetime]]:
        """The last heartbeats since that time, each with its time, on one channel or on all, by name.

        Clients that sent a goodbye are left out; with ``failing`` also clients that can load every app.
        """
        from promptops.store.queries.heartbeats import seen_since

        return seen_since(self._connection, since, channel, failing=failing)

    def clients_asking(self, since: datetime, channel: str) -> list[Beat]:
        """The last heartbeats since that time on a channel, by name, with the prompts that the clients ask for."""
        from promptops.store.queries.heartbeats import asking_since

        return asking_since(self._connection, since, channel)

    # --- what others are sent, the same ---

    def deliveries(self) -> DeliveryReader:
        """The receivers of notifications, and how far each is."""
        from promptops.store.queries.deliveries import DeliveryReader

        return DeliveryReader(self._connection)

    # --- what goes to git; a rollback needs none of it, so the code for it is loaded when it is used ---

    def pending(self, limit: int | None = None) -> tuple[int, ...]:
        """The numbers of the changes that are not in git yet, oldest first."""
        statement = select(tables.outbox.c.seq).order_by(tables.outbox.c.seq).limit(limit)
        return tuple(row[0] for row in self._connection.execute(statement))

    def pending_count(self) -> int:
        """How many changes are not in git yet."""
        return self._connection.execute(select(func.count()).select_from(tables.outbox)).scalar_one()

    def drained(self, algorithm: str) -> tuple[int, str]:
        """The newest line of the audit log that is in git, and the id of its commit with this hash function.

        0 and an empty id if that is unknown.
        """
        row = self._connection.execute(LAST_DRAINED, {"algorithm": algorithm}).first()
        return (row.seq, row.commit) if row else (0, "")

    def home(self) -> Home | None:
        """The repository in which the journal lives; None if none was named yet."""
        from promptops.store.facts.home import KIND

        row = self._connection.execute(_HOME).first()
        return KIND.fact(row) if row else None

    def registry_keys(self) -> Mapping[int, RegistryKey]:
        """Every key that was set for the journal, oldest first, by the number of its line of the audit log."""
        rows = self._connection.execute(_KEYS).all()
        if not rows:
            return {}
        from promptops.store.facts.registry_key import KIND

        keys = {KIND.ref(key, 0): key for key in map(KIND.fact, rows)}
        named = self._connection.execute(_NAMED.where(tables.journal.c.ref.in_(keys))).all()
        return {row.seq: keys[row.ref] for row in named}

    def journal(
        self, seqs: Sequence[int] | None = None, *, after: int = 0, limit: int | None = None
    ) -> tuple[JournalEntry, ...]:
        """Lines of the journal with these numbers, or after this one; in order of their numbers."""
        from promptops.store.journal.records import entries

        return entries(self._connection, seqs, after=after, limit=limit)

    def facts(self, entries: Sequence[JournalEntry]) -> tuple[Record, ...]:
        """The records of a page of the journal, in its order, in a few queries.

        Left out are entries whose fact is missing, or is not what the audit log says; `check_store` names
        them. The contents of the page's releases are all in memory.
        """
        from promptops.store.journal.records import records

        return records(self._connection, entries)

    def left_behind(self) -> frozenset[str]:
        """The commits of the journal in git that restores left behind, with the lines that only they have."""
        leaves = tables.epoch.c.leaves
        return frozenset(row[0] for row in self._connection.execute(select(leaves).where(leaves != "")))

    def epoch_ended(self, epoch: int) -> datetime | None:
        """When the next epoch began; None for the one that lasts."""
        began: datetime | None = self._connection.execute(
            select(func.min(tables.epoch.c.at)).where(tables.epoch.c.epoch > epoch)
        ).scalar()
        return began

    def epoch(self) -> int:
        """How often the registry came back from a backup or from git, plus one."""
        return self._connection.execute(select(func.max(tables.epoch.c.epoch))).scalar() or 1
