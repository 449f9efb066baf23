"""Promote what one channel serves to another: of some apps or of all, in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import Invalid, NothingDeployed
from promptops.core.names import AppName, ChannelName
from promptops.core.reference import Reference
from promptops.operations.admission import Admission, admit_all
from promptops.operations.deploy import Deployed
from promptops.operations.idempotency import Once
from promptops.operations.promote import Terms, admission_of

if TYPE_CHECKING:
    from promptops.core.token import Token
    from promptops.store import Reader, Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteAllRequest(Terms):
    """Make what ``source`` serves the stable releases of ``channel``: of these apps or, with ``every``, of all."""

    source: ChannelName
    apps: tuple[AppName, ...] = ()
    every: bool = False

    @property
    def expect_revision(self) -> None:
        """A revision is of one app, so none is expected."""

    def __post_init__(self) -> None:
        Terms.__post_init__(self)  # slots make the class anew, which `super()` does not find
        if bool(self.apps) == self.every:
            raise Invalid(
                "name the apps to promote, or all of them, not both",
                hint=Sentence("Name an app, or ", option("all", "all of them"), "."),
            )
        if self.source == self.channel:
            raise Invalid(
                f"what {self.channel} serves is live there already",
                hint=Sentence(option("from", "From", value="CHANNEL"), " another channel."),
            )


def promote_all(
    registry: Registry,
    request: PromoteAllRequest,
    *,
    actor: str,
    now: datetime,
    by: Token | None = None,
    permit: Callable[[str], None] = lambda app: None,
) -> Deployed:
    """Make what a channel serves the stable releases of another, as :func:`promptops.operations.promote.promote` does.

    An app that serves the same there already stays as it is. ``every`` leaves out an app that is off on the source, and
    an archived one: what is live of a renamed app until it is retired keeps no other app out.

    ``permit`` is called with each app in the transaction; if it raises, nothing is changed.

    Raises:
        PromotionsRefused: some of the apps are not let in; it names each with its reason. Nothing was changed.
        NothingDeployed: nothing is live on the source, or only what is archived.
        NotFound, Conflict, Refused: nothing was changed.
    """

    def admissions(reader: Reader) -> Sequence[Admission]:
        apps = sorted(set(request.apps)) or _live(reader, request.source)
        for app in apps:
            permit(app)
        references = [Reference(app=app, channel=request.source) for app in apps]
        return [admission_of(each, blind=request.blind, waive=request.waive) for each in references]

    once = Once(
        key=request.key,
        token=request.token,
        operation="promote all",
        arguments={
            "apps": sorted(request.apps),
            "from": request.source,
            "channel": request.channel,
            **request.said(),
        },
        words=request.reason,
    )

    def again(others: tuple[str, ...]) -> str:
        advice = Advice(Action.PROMOTE, release=others, source=request.source, channel=request.channel)
        return Sentence("The others, in one transaction: ", advice)

    return admit_all(registry, request, admissions, once, actor=actor, now=now, by=by, again=again)


def _live(reader: Reader, channel: str) -> list[str]:
    reader.channel(channel)
    archived = reader.archived()
    served = [each.app for each in reader.live_on(channel) if each.stable is not None]
    live = [app for app in served if app not in archived]
    if not live:
        none = "no app that is not archived" if served else "no app"
        hint = Sentence("What is live where: ", Advice(Action.STATUS))
        raise NothingDeployed(f"{none} is live on {channel}, so there is nothing to promote", hint=hint)
    return live
