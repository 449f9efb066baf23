"""`promptops incident`: one screen for the person on call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from promptops.cli import complete
from promptops.cli.command import channel_option, command
from promptops.cli.output.phrases import typed
from promptops.cli.session import Session

if TYPE_CHECKING:
    from promptops.cli.incident import Incident
    from promptops.cli.output.json_shapes import JsonObject


@command("incident")
@click.argument("app", metavar="[APP]", required=False, shell_complete=complete.apps)
@channel_option
def incident(session: Session, /, app: str | None, channel: str | None) -> None:
    """What is live, what changed, who is behind: on one screen.

    Also where a rollback goes, whom to call, and which other apps of the channel changed last.

    Without APP: the app that changed last on the channel. Without --channel: prod, or the only channel.

    \b
      promptops incident
      promptops incident support-bot --channel prod
    """
    from promptops.cli.defaults import app_and_channel, choose_channel
    from promptops.cli.incident import look
    from promptops.cli.output.incident_screen import incident_lines

    name, named = app_and_channel(app, channel) if app else ("", channel)
    with session.gateway() as gateway:
        place = choose_channel(gateway, session.channel(named))
        found = look(gateway, name, place, session.now.date())
    session.answer(
        lambda: _shape(found),
        lambda page: incident_lines(found, page, rows=None if page.height is None else page.height - 1),
    )


def _shape(found: Incident) -> JsonObject:
    from promptops.cli.output.changes import difference_shape
    from promptops.cli.output.incident_screen import way_out
    from promptops.use_cases.documents import written
    from promptops.wire.codec import to_json
    from promptops.wire.documents.deployments import DeploymentDocument
    from promptops.wire.documents.releases import ProfileDocument
    from promptops.wire.heartbeat import clients_to_json

    target, difference = found.target, found.difference
    return {
        "registry": found.registry,
        "app": found.live.app,
        "channel": found.live.channel,
        "live": to_json(DeploymentDocument.of(found.live)),
        "history": written(found.log)["deployments"],
        "rollback": {
            "to": {"version": target.release.version, "digest": target.release.digest} if target.release else None,
            "why_not": target.why,
            "models_ending": [
                {"model": each.model, "ends": each.ends.isoformat(), "successor": each.successor}
                for each in target.ending
            ],
            "command": typed(way_out(found)),
        },
        "difference": difference_shape(difference, difference.changes) if difference else None,
        "clients": clients_to_json(found.clients) | {"behind": [client.beat.id for client in found.behind]},
        "profile": to_json(ProfileDocument.of(found.profile)) if found.profile else None,
        "others": [to_json(DeploymentDocument.of(each)) for each in found.others],
    }
