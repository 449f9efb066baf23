"""Give an app to the repository and path that releases it from now on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.errors import Invalid
from promptops.core.free_text import require_reason
from promptops.core.names import AppName
from promptops.core.origin import Origin, Ownership
from promptops.operations.idempotency import Once

if TYPE_CHECKING:
    from promptops.store import Registry, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequest:
    """Which app, to which origin, and why: a reason is always needed.

    ``token`` is the id of the token that the key belongs to.
    """

    app: AppName
    repository: str
    path: str
    reason: str
    key: str
    root: str = ""
    token: str = ""

    @property
    def origin(self) -> Origin:
        return Origin(repository=self.repository, path=self.path, root=self.root)

    def __post_init__(self) -> None:
        require_reason(self.reason)
        if any(len(text.splitlines()) > 1 for text in (self.repository, self.path)):
            raise Invalid("a part of the origin has several lines")
        if not self.origin.is_known:
            raise Invalid(
                f"the repository '{self.repository}' has no address, and its first commit is not known",
                hint="In a shallow clone: git fetch --unshallow. Or give it a remote: git remote add origin URL",
            )


def transfer(registry: Registry, request: TransferRequest, *, actor: str, now: datetime) -> Ownership:
    """Let an app belong to this origin. If it does already, nothing is recorded.

    Raises:
        AppNotFound: it was never released.
    """
    from promptops.store.facts.transfer import Transfer, label

    once = Once(
        key=request.key,
        token=request.token,
        operation="transfer",
        arguments={"app": request.app, **asdict(request.origin)},
        words=request.reason,
    )

    def work(writer: Writer) -> Ownership:
        writer.require_app(request.app)
        writer.lock_app(request.app)
        seen = once.answered(writer)
        if seen is not None:
            return _moved(request, *(Origin(repository=str(a), path=str(b), root=str(c)) for a, b, c in seen))
        owner = writer.owner(request.app)
        before = (owner.origin,) if owner else ()
        moved = _moved(request, *before)
        if moved.changed:
            number = writer.transfers(request.app) + 1
            words = request.reason
            fact = Transfer(app=request.app, number=number, origin=request.origin, reason=words, actor=actor, at=now)
            writer.record(fact, before=label(*before) if before else "", key=request.key)
        once.remember(writer, [(origin.repository, origin.path, origin.root) for origin in before], now)
        return moved

    return registry.write(work)


def _moved(request: TransferRequest, before: Origin | None = None) -> Ownership:
    return Ownership(app=request.app, origin=request.origin, before=before)
