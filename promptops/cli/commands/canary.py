"""`promptops canary`: gives a release to a part of the users first, and then to all of them or to none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from promptops.cli import complete
from promptops.cli.command import (
    NounGroup,
    blind_option,
    callers_option,
    channel_option,
    command,
    dry_run_option,
    expect_option,
    key_option,
    reason_option,
    waive_option,
    waived_for_option,
    waiver_words,
)
from promptops.cli.git_sync import bring_to_git
from promptops.cli.numbers import Percent
from promptops.cli.session import Session
from promptops.core.duration import parse_duration

if TYPE_CHECKING:
    from promptops.operations.deploy import Deployed

MAX_FILE = 1 << 20
"""Bytes of a file of keys that are read: more than a thousand keys have."""

_percent = click.option(
    "--percent", type=Percent(), metavar="N", help="The part of the keys: 5, 0.25; else the next step of the rollout."
)
_app = click.argument("app", metavar="APP", shell_complete=complete.apps)


@click.group("canary", cls=NounGroup)
def canary() -> None:
    """Give a release to a part of the users first.

    A canary stands beside the stable release of a channel. Each key, a user for example, has one of the two for all
    prompts of the app, and keeps it while the canary grows. `promptops rollback` ends it, and so does `abort`.

    \b
      promptops canary start support-bot@1.5.0 --channel prod --percent 5
      promptops canary advance support-bot --channel prod --percent 25
      promptops canary finish support-bot --channel prod
    """


@command("start", group=canary)
@click.argument("reference", metavar="APP@VERSION", shell_complete=complete.promotable)
@channel_option
@_percent
@reason_option
@dry_run_option
@click.option(
    "--keys", type=click.File("rb"), metavar="FILE", help="Keys that get it whatever the percentage is, one a line."
)
@waive_option
@waived_for_option
@blind_option
@callers_option
@expect_option
@key_option
def start(
    session: Session,
    /,
    reference: str,
    channel: str | None,
    percent: int | None,
    reason: str,
    dry_run: bool,
    keys: BinaryIO | None,
    waive: tuple[str, ...],
    expires: str | None,
    blind: bool,
    callers_are_ready: bool,
    expect_revision: int | None,
    key: str,
) -> None:
    """Put a release beside the live one, for a part of the keys.

    The channel's policy and gate judge it as they judge a promotion. Where nothing of the app is live, it is made live
    at once. An application gives the key: client.get_prompt(name, key=user_id).

    With --keys, up to 1,000 keys of colleagues get it first. They are in no comparison; a failure of theirs pauses it.
    """
    from promptops.cli.defaults import whole_release
    from promptops.core.canary.named_keys import keys_of

    first_keys = keys_of(keys.read(MAX_FILE)) if keys is not None else ()
    wanted, place, actor = whole_release(reference), session.require_channel(channel), session.actor()
    with session.gateway() as gateway:
        from promptops.operations.canary import StartRequest
        from promptops.use_cases.canary import CANARY_START

        request = StartRequest(
            reference=wanted,
            channel=place,
            weight=percent,
            reason=reason,
            expect_revision=expect_revision,
            dry_run=dry_run,
            waive=waive,
            waive_for=parse_duration(expires) if expires else None,
            blind=blind,
            callers_are_ready=callers_are_ready,
            first_keys=first_keys,
            key=session.key(key),
        )
        deployed = gateway.run(CANARY_START, request, actor=actor)
    more = [*(["--blind"] if blind else []), *(["--keys", keys.name] if keys is not None else [])]
    more += waiver_words(waive, expires, reason, callers_are_ready=callers_are_ready)
    _answer(session, deployed, ["start", str(wanted), *more], place, percent)


@command("advance", group=canary)
@_app
@channel_option
@_percent
@reason_option
@dry_run_option
@expect_option
@key_option
def advance(session: Session, /, percent: int | None, **given: Any) -> None:
    """Give the canary more of the keys; it takes none away."""
    _step(session, "advance", weight=percent, **given)


@command("pause", group=canary)
@_app
@channel_option
@reason_option
@click.option("--no-abort", is_flag=True, help="The policy does not abort it meanwhile, for 24 h at most; a waiver.")
@expect_option
@key_option
def pause(session: Session, /, **given: Any) -> None:
    """Hold the canary where it is.

    The policy takes it no step further, and still aborts it if it is worse. With --no-abort it does not, as long as
    the pause lasts and for 24 hours at most. That needs a --reason, and `canary status` says what would abort it.
    """
    _step(session, "pause", **given)


@command("resume", group=canary)
@_app
@channel_option
@reason_option
@expect_option
@key_option
def resume(session: Session, /, **given: Any) -> None:
    """End the pause of the canary.

    The policy goes on with the same evidence, and may abort it also where the pause was one with --no-abort.
    """
    _step(session, "resume", **given)


@command("abort", group=canary)
@_app
@channel_option
@click.option("--quarantine", is_flag=True, help="Keep its release out of the channel from now on.")
@reason_option
@dry_run_option
@expect_option
@key_option
def abort(session: Session, /, **given: Any) -> None:
    """End the canary; the live release serves all keys again."""
    _step(session, "abort", **given)


@command("finish", group=canary)
@_app
@channel_option
@reason_option
@dry_run_option
@expect_option
@key_option
def finish(session: Session, /, **given: Any) -> None:
    """Make the release of the canary the live one, for all keys.

    The channel's policy and gate judge it anew.
    """
    _step(session, "finish", **given)


@command("status", group=canary)
@_app
@channel_option
@click.option("--watch", is_flag=True, help="Show it anew until it ends. The exit code is 5 unless it was finished.")
def status(session: Session, /, app: str, channel: str | None, watch: bool) -> None:
    """Show both sides of the canary, and what the policy needs.

    Of a canary whose steps the channel's policy takes: the evidence of each guardrail as a bar up to the limit that
    aborts it, the keys and the time that the next step still needs, and what was decided last.

    With --watch it is one screen. Without a terminal it is a line for each change, with --json a document for each.
    """
    place = session.require_channel(channel)
    if watch:
        from promptops.cli.canary_views import watch_canary

        click.get_current_context().exit(watch_canary(session, app, place))
    with session.gateway() as gateway:
        from promptops.operations.canary_status import CanaryStatusRequest
        from promptops.use_cases.canary_looks import CANARY_STATUS

        found = gateway.run(CANARY_STATUS, CanaryStatusRequest(app=app, channel=place))
    from promptops.cli.output.canary_report import canary_lines
    from promptops.use_cases.documents import written

    session.answer(lambda: written(found), lambda page: canary_lines(found.document, page))


@command("plan", group=canary)
@click.argument("reference", metavar="APP[@VERSION]", shell_complete=complete.promotable)
@channel_option
def plan(session: Session, /, reference: str, channel: str | None) -> None:
    """Show what a canary would see, before it starts.

    From the keys of the last seven days, by step and guardrail: after how long a canary is aborted that is three times
    as bad, and after how long an equal one may advance; and a rollout for this traffic, to paste. On a channel without
    a rollout, it is about steps of 5, 25 and 50 %.

    \b
      promptops canary plan support-bot --channel prod
      promptops canary plan support-bot@1.5.0 --channel prod
    """
    from promptops.cli.defaults import app_and_channel, whole_release

    wanted = whole_release(reference)
    if not wanted.fixed:
        _, channel = app_and_channel(reference, channel)
    place = session.require_channel(channel)
    with session.gateway() as gateway:
        from promptops.operations.canary_plan import CanaryPlanRequest
        from promptops.use_cases.canary_looks import CANARY_PLAN

        request = CanaryPlanRequest(app=wanted.app, channel=place, release=wanted.version or wanted.digest)
        found = gateway.run(CANARY_PLAN, request)
    from promptops.cli.output.canary_plan_report import plan_lines
    from promptops.use_cases.documents import written

    session.answer(lambda: written(found), lambda page: plan_lines(found.document, page))


@command("tick", group=canary)
@click.argument("apps", metavar="[APP]...", nargs=-1, shell_complete=complete.apps)
@channel_option
def tick(session: Session, /, apps: tuple[str, ...], channel: str | None) -> None:
    """Look once at the canaries, and do what the policy says.

    A server does this by itself. Without one, run it from a scheduler, more often than the shortest step bakes.
    """
    place, actor = session.require_channel(channel), session.actor()
    with session.gateway() as gateway:
        from promptops.operations.canary_look import LookRequest
        from promptops.use_cases.canary_looks import CANARY_TICK

        looks = gateway.run(CANARY_TICK, LookRequest(channel=place, apps=apps), actor=actor)
    from promptops.cli.output.canary_report import looked_lines
    from promptops.use_cases.documents import written

    session.answer(lambda: {"looks": [written(each) for each in looks]}, lambda page: looked_lines(looks))
    if any(each.verb != "hold" for each in looks):
        bring_to_git(session)


def _step(session: Session, step: str, /, *, channel: str | None, key: str, **given: Any) -> None:
    place, actor = session.require_channel(channel), session.actor()
    with session.gateway() as gateway:
        from promptops.operations.canary import Step, StepRequest
        from promptops.use_cases.canary import CANARY_STEP

        request = StepRequest(step=Step(step), channel=place, key=session.key(key), **given)
        deployed = gateway.run(CANARY_STEP, request, actor=actor)
    more = ["--quarantine"] if request.quarantine else []
    _answer(session, deployed, [step, request.app, *more], place, request.weight)


def _answer(session: Session, deployed: Deployed, words: Sequence[str], channel: str, weight: int | None) -> None:
    from promptops.cli.output.deployment_report import deployed_lines, deployed_shape

    step = ["canary", *words, "--channel", channel, *(["--percent", f"{weight / 100:g}"] if weight else [])]
    session.answer(lambda: deployed_shape(deployed), lambda page: deployed_lines(deployed, page, step=step))
    if deployed.deployments and not deployed.dry_run:
        bring_to_git(session)
