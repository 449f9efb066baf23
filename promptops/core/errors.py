"""Every error promptops raises on purpose, in one tree.

::

    PromptopsError
    ├── Invalid              422  exit 2   the request is malformed
    │   ├── SourceInvalid                  files in git that cannot become a release; carries every finding
    │   ├── ReferenceInvalid               not "app@1.4.0", "app:prod", …
    │   ├── TemplateInvalid                a template that cannot be compiled
    │   ├── Unloadable                     a release that no client could load
    │   ├── MissingVariable                rendering lacks a value
    │   ├── UnknownVariable                rendering got a value that no input takes
    │   ├── VariableInvalid                a value does not fit the schema of its input
    │   ├── OutputTooLarge                 the rendered text is over the cap
    │   ├── VersionInvalid                 a version that is malformed, too low, or going down
    │   ├── OverrideInvalid                an override file that is malformed or was changed
    │   ├── ParameterNotTaken              a parameter that the provider's API does not have
    │   ├── RequestInvalid                 a request to the server that is malformed
    │   ├── RequestTooLarge           413  a request that is larger than the server reads
    │   ├── MediaTypeNotTaken         415  a request whose body is in a format that the address does not take
    │   ├── HostNotServed             421  a request for another host, perhaps from a page that rebinds its name
    │   ├── ActorUnknown                   no name for the audit log
    │   └── KeyReused                      one idempotency key, two different requests
    ├── NotFound             404  exit 3   it is not there; lists what is
    │   ├── AppNotFound
    │   │   └── PromptRetired              the app was taken off the channel that a client follows
    │   ├── ReleaseNotFound
    │   ├── PromptNotFound
    │   ├── ChannelNotFound
    │   ├── TokenNotFound
    │   ├── CallNotFound                   no kept call of this trace or answer
    │   ├── RunNotFound
    │   ├── EvidenceNotFound
    │   ├── RouteNotFound                  the server has no such address
    │   ├── MethodNotAllowed          405  the server has the address, not for this method; says for which
    │   └── WorkspaceNotFound
    ├── Conflict             409  exit 4   fine by itself, not in the state things are in
    │   ├── ConcurrentDeployment           the channel is not at the expected revision
    │   ├── NothingToRollBackTo            no good release is left
    │   ├── NothingDeployed                the app was never deployed on the channel
    │   ├── NeverDeployed                  the release to go back to was never live there
    │   ├── CanaryInProgress               the app has a canary on the channel, which has to end first
    │   ├── NoCanary                       a step of a canary that is not there
    │   ├── NothingReported                a canary that nothing would be known of
    │   ├── StillServed                    yank or quarantine of what a channel serves
    │   ├── ChannelInUse                   removal of a channel on which something is live
    │   ├── VersionTaken                   another content already has this version
    │   ├── TokenNameTaken                 a live token already has this name
    │   ├── DirtyTree                      uncommitted changes where a commit is needed
    │   ├── RunClosed                      rows for a run that is complete, or was opened too long ago
    │   ├── NotApproved                    no approval of one's own to take back
    │   ├── NotQuarantined                 unquarantine of a release that is not in quarantine
    │   ├── OverrideExpired                an override file whose time is over
    │   └── OverrideOvertaken              the channel was changed after the override file was made
    ├── Refused              403  exit 5   a rule of the registry or of a channel says no
    │   ├── Quarantined
    │   ├── Yanked
    │   ├── NotIndependent                 the approval of a maker of the release
    │   ├── AppArchived                    the app was put away, or has another name
    │   ├── AppOwnedElsewhere              an app belongs to another repository, or another path of it
    │   ├── PolicyOwnedElsewhere           a channel's policy belongs to another workspace
    │   ├── PolicyLoosened                 a policy would admit more, and the request does not say that it may
    │   ├── PolicyRefused                  a check of the channel's policy: `promote_from`, `allow_dirty`, `protected`
    │   ├── PromotionsRefused              some of several apps are not let in, so none is promoted
    │   ├── NotAuthenticated          401  no token, or none that is valid
    │   ├── NotAllowed                     the token may not do this
    │   ├── OriginRefused                  a page of another site sent a request to a server without tokens
    │   └── RegistryMismatch               the workspace belongs to another registry
    └── Unavailable          503  exit 6   the registry cannot answer
        ├── RegistryUnavailable            no connection, locked, read-only, disk full
        ├── RegistryDamaged                stored bytes are not those of their digest, or cannot be read
        ├── ChangeNotKept                  the database took a change and does not have it
        ├── RegistryNotInitialised         no tables there yet
        ├── SchemaOutdated                 migrations of the registry have to run
        ├── SchemaTooNew                   the registry is ahead of this promptops
        ├── GuardsMissing                  a trigger that protects history is gone
        ├── PromptUnavailable              the runtime client has nothing to serve yet
        ├── NotAcknowledged                done, but not every live client says that it follows
        ├── TooManyRequests           429  more requests than the server takes; says when to come again
        ├── DeadlineExceeded               the server did not answer in time; a change may still have been made
        ├── ExtraMissing                   an optional package is not installed
        └── GitUnavailable                 git failed or is not installed

The CLI and the server map the five kinds, never single classes. ``code`` is the stable name on the wire. Facts are
attributes. The message names what was wrong, where, and what was expected; ``hint`` is the next step, with ``advice``
where that is an action (:mod:`promptops.core.advice`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.deployment_errors import CanaryInProgress as CanaryInProgress
from promptops.core.deployment_errors import ChannelInUse as ChannelInUse
from promptops.core.deployment_errors import ConcurrentDeployment as ConcurrentDeployment
from promptops.core.deployment_errors import NeverDeployed as NeverDeployed
from promptops.core.deployment_errors import NoCanary as NoCanary
from promptops.core.deployment_errors import NothingDeployed as NothingDeployed
from promptops.core.deployment_errors import NothingReported as NothingReported
from promptops.core.deployment_errors import NothingToRollBackTo as NothingToRollBackTo
from promptops.core.deployment_errors import StillServed as StillServed
from promptops.core.evidence_errors import CallNotFound as CallNotFound
from promptops.core.evidence_errors import EvidenceNotFound as EvidenceNotFound
from promptops.core.evidence_errors import NotApproved as NotApproved
from promptops.core.evidence_errors import NotIndependent as NotIndependent
from promptops.core.evidence_errors import RunClosed as RunClosed
from promptops.core.evidence_errors import RunNotFound as RunNotFound
from promptops.core.kinds import Conflict as Conflict
from promptops.core.kinds import Invalid as Invalid
from promptops.core.kinds import NotFound as NotFound
from promptops.core.kinds import PromptopsError as PromptopsError
from promptops.core.kinds import Refused as Refused
from promptops.core.kinds import Unavailable as Unavailable
from promptops.core.refusals import AppArchived as AppArchived
from promptops.core.refusals import AppOwnedElsewhere as AppOwnedElsewhere
from promptops.core.refusals import NotAllowed as NotAllowed
from promptops.core.refusals import OriginRefused as OriginRefused
from promptops.core.refusals import PolicyLoosened as PolicyLoosened
from promptops.core.refusals import PolicyOwnedElsewhere as PolicyOwnedElsewhere
from promptops.core.refusals import PolicyRefused as PolicyRefused
from promptops.core.refusals import PromotionsRefused as PromotionsRefused
from promptops.core.rejections import MissingVariable as MissingVariable
from promptops.core.rejections import OutputTooLarge as OutputTooLarge
from promptops.core.rejections import UnknownVariable as UnknownVariable
from promptops.core.rejections import VariableInvalid as VariableInvalid

if TYPE_CHECKING:
    from promptops.core.finding import Finding


_RUN_INIT: Final = Sentence("Run ", Advice(Action.INIT, words="the initialisation of the registry"), ".")
_RUN_UPGRADE: Final = Sentence("Run ", Advice(Action.UPGRADE, words="the upgrade of the registry"), ".")
EVERY_FINDING: Final = Sentence(Advice(Action.CHECK, words="A check of the files"), " lists every finding.")


class SourceInvalid(Invalid):
    """Files that cannot become a release. ``findings`` are all their errors, with file, line and column."""

    def __init__(self, findings: Sequence[Finding], *, hint: str = "") -> None:
        self.findings = tuple(findings)
        first = self.findings[0]
        more = f" (and {len(self.findings) - 1} more)" if len(self.findings) > 1 else ""
        super().__init__(
            f"{first.path}:{first.line}:{first.column}: {first.message}{more}",
            hint=hint or first.hint or EVERY_FINDING,
        )


class ReferenceInvalid(Invalid):
    """Not a reference: see :mod:`promptops.core.reference` for the four forms."""


class TemplateInvalid(Invalid):
    """A template that cannot be compiled.

    ``offset`` is the character of the error, in the message of index ``number`` (-1 if the index is not known).
    """

    def __init__(self, message: str, *, offset: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.offset = offset
        self.number = -1


class Unloadable(Invalid):
    """A release that no client could load. ``prompt`` names the failing prompt; empty if the whole release fails."""

    def __init__(self, message: str, *, prompt: str = "", hint: str = "") -> None:
        self.prompt = prompt
        super().__init__(message, hint=hint)


class VersionInvalid(Invalid):
    """A version that is not SemVer, not above the newest release, or too low for the change of the contract."""


class OverrideInvalid(Invalid):
    """An override file that is malformed, too long-lived, or whose content is not that of its digest."""


class ParameterNotTaken(Invalid):
    """A parameter that the API of ``provider`` does not have; it is refused, never dropped."""

    def __init__(self, name: str, provider: str, *, hint: str = "") -> None:
        self.name = name
        self.provider = provider
        super().__init__(f"the API of {provider} takes no parameter '{name}'", hint=hint)


class RequestInvalid(Invalid):
    """A request to the server that does not follow its documentation."""


class RequestTooLarge(Invalid):
    """A request that is larger than the server reads: 413."""


class MediaTypeNotTaken(Invalid):
    """The body of a request is in a format, or compressed in a way, that the address does not take: 415."""


class HostNotServed(Invalid):
    """A request for another host name: 421. A page of another site may have rebound its name to this server."""


class ActorUnknown(Invalid):
    """No actor: neither named with the change, nor by ``PROMPTOPS_ACTOR``, nor by git's user name and address."""


class KeyReused(Invalid):
    """An idempotency key that was already used for a different request."""


class AppNotFound(NotFound):
    """No app of this name."""


class PromptRetired(AppNotFound):
    """The app was taken off the channel that the runtime client follows, and the call has no fallback."""

    def __init__(self, app: str, channel: str, revision: int, *, known: Iterable[str] = ()) -> None:
        self.revision = revision
        super().__init__(
            f"'{app}' is off on channel '{channel}': it was taken off at revision {revision}, and nothing of it is "
            "served",
            known=known,
            hint="Give its prompts a fallback, or ask for them no more. A promotion or a rollback puts the app back.",
        )


class ReleaseNotFound(NotFound):
    """No release of this version or digest."""


class PromptNotFound(NotFound):
    """No prompt of this name in the release."""


class ChannelNotFound(NotFound):
    """No channel of this name; channels are declared in ``promptops.yml`` and applied."""


class TokenNotFound(NotFound):
    """No token of this id."""


class RouteNotFound(NotFound):
    """The server has nothing at this address."""


class MethodNotAllowed(NotFound):
    """The server has this address, but not for this method: 405. ``known`` are the methods that it has."""


class WorkspaceNotFound(NotFound):
    """No ``promptops.yml`` here or in a folder above."""


class VersionTaken(Conflict):
    """Another content has this version already. A version never changes its content."""


class TokenNameTaken(Conflict):
    """A valid token, neither expired nor revoked, already has this name."""


class DirtyTree(Conflict):
    """Uncommitted changes in the files a release would be cut from; ``files`` names them."""

    def __init__(self, files: Iterable[str]) -> None:
        self.files = tuple(files)
        shown = ", ".join(self.files[:10]) + (f" and {len(self.files) - 10} more" if len(self.files) > 10 else "")
        super().__init__(
            f"a release is cut from a commit, and these files are not committed: {shown}",
            hint=Sentence(
                "Commit them, or use ",
                option("allow_dirty", "the files as they are"),
                " for a release that only channels with `allow_dirty: true` take.",
            ),
        )


class NotQuarantined(Conflict):
    """The release is not in quarantine on this channel."""


class OverrideExpired(Conflict):
    """An expired override file: clients no longer serve it."""


class OverrideOvertaken(Conflict):
    """The channel was changed after the override file was made, so recording it would undo that change."""


class Quarantined(Refused):
    """The release was rolled back from this channel, or put in quarantine there by hand."""


class Yanked(Refused):
    """The release must never be served or promoted again, anywhere."""


class NotAuthenticated(Refused):
    """No token, or one that is malformed, unknown, expired or revoked: 401. The message does not reveal which."""


class RegistryMismatch(Refused):
    """``promptops.yml`` names another registry than the one connected to."""


class RegistryUnavailable(Unavailable):
    """No connection, locked for too long, read-only, or out of space."""


class RegistryDamaged(Unavailable):
    """Stored bytes do not have the digest they are stored under, or cannot be read; they are not served."""


class ChangeNotKept(Unavailable):
    """The database reported success for a change and kept something else, or nothing. Nothing was changed."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the database did not keep {what} as it was written; nothing was changed",
            hint=Sentence(
                "A foreign trigger, rule or row policy on the table prevents it: ",
                Advice(Action.FSCK, words="a check of the registry"),
                " names it.",
            ),
        )


class RegistryNotInitialised(Unavailable):
    """A database without promptops' tables."""

    def __init__(self, message: str, *, hint: str = _RUN_INIT) -> None:
        super().__init__(message, hint=hint)


class SchemaOutdated(Unavailable):
    """The registry's schema is older than this promptops."""

    def __init__(self, message: str, *, hint: str = _RUN_UPGRADE) -> None:
        super().__init__(message, hint=hint)


class SchemaTooNew(Unavailable):
    """The registry's schema is newer than this promptops."""


class GuardsMissing(Unavailable):
    """Triggers that keep history immutable are missing or disabled; ``missing`` names them."""

    def __init__(self, missing: Iterable[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(
            f"the registry's guards are missing or disabled: {', '.join(self.missing)}",
            hint=Sentence(
                "They were removed by hand: find out who did it and why. Then ",
                Advice(Action.UPGRADE, words="an upgrade of the registry"),
                " restores them.",
            ),
        )


class PromptUnavailable(Unavailable):
    """The runtime client never reached a registry and has neither a file nor a fallback to serve from."""


class NotAcknowledged(Unavailable):
    """The change is made and durable, but not every live client reports that it serves it: ``clients`` do not."""

    def __init__(self, message: str, *, clients: Iterable[str], hint: str = "") -> None:
        self.clients = tuple(clients)
        super().__init__(message, hint=hint)


class TooManyRequests(Unavailable):
    """More requests than the server takes from this token or address: 429. Try again after ``retry_after`` seconds."""

    def __init__(self, message: str, *, retry_after: int, hint: str = "") -> None:
        self.retry_after = retry_after
        super().__init__(message, hint=hint or f"Come again in {retry_after} s.")


class DeadlineExceeded(Unavailable):
    """The server did not answer in time. A change may have been made: a retry with the same key finds out."""


class ExtraMissing(Unavailable):
    """A feature whose package is not installed."""


class GitUnavailable(Unavailable):
    """git failed, is not installed, or this is not a repository."""
