"""`promptops notify`: who is sent what happens, whether it arrives, and a test of that."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from promptops import clock, config
from promptops.cli.command import NounGroup, command, dry_run_option, reason_option
from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted, next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import Invalid, NotFound
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.gateway import Gateway
    from promptops.operations.notify import ReceiverChange, ReceiverState

_WAITING: Final = 40.0
"""Seconds for which a test is waited for: a receiver has 20 to answer, and the server looks every 2."""
_POLL: Final = 0.3


@click.group("notify", cls=NounGroup, invoke_without_command=True)
@click.pass_context
def notify(ctx: click.Context) -> None:
    """Send what happens to other services: webhooks and Slack.

    Receivers are declared below `notify:` in promptops.yml. A server sends to them; without one, each command does that
    when it is done.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_receivers)


@command("list", group=notify)
def list_receivers(session: Session, /) -> None:
    """List the receivers: what waits for each, the last error, and when it is tried again."""
    with session.gateway() as gateway:
        found = _states(gateway)
    session.answer(lambda: {"receivers": [written(each) for each in found]}, lambda page: _table(found, page))


@command("apply", group=notify)
@dry_run_option
@click.option("--take-over", is_flag=True, help="Receivers of another workspace belong to this one from now on.")
@reason_option
def apply(session: Session, /, dry_run: bool, take_over: bool, reason: str) -> None:
    """Make the registry's receivers those of promptops.yml.

    A receiver that this workspace declared before, and declares no longer, is removed; those of other workspaces stay.

    \b
      promptops notify apply --dry-run
      promptops notify apply
    """
    root = session.require_root()
    actor = session.actor()
    from promptops.operations.build import workspace_origin
    from promptops.operations.channels import Terms
    from promptops.source.tree import WorkingTree
    from promptops.source.workspace import read_workspace
    from promptops.use_cases.notify import DECLARE_RECEIVERS, ReceiversDeclared

    declared = read_workspace(WorkingTree(root))
    terms = Terms(origin=workspace_origin(root), take_over=take_over, reason=reason, dry_run=dry_run)
    with session.gateway() as gateway:
        request = ReceiversDeclared.of(declared.registry, declared.notify, terms)
        applied = gateway.run(DECLARE_RECEIVERS, request, actor=actor)
    session.answer(
        lambda: {"receivers": [written(change) for change in applied]},
        lambda page: _change_lines(applied, page, planned=dry_run),
    )
    if not dry_run and any(change.is_change for change in applied):
        bring_to_git(session)


@command("test", group=notify)
@click.argument("name", metavar="[NAME]", default="")
def test(session: Session, /, name: str) -> None:
    """Send a test to a receiver, or to all, and wait for what comes of it.

    What sends notifications sends the test: the server, or this process where the registry is a database and
    PROMPTOPS_NOTIFY_SECRETS is set. Exit code 1: it did not arrive.
    """
    with session.gateway() as gateway:
        names = [name] if name else [each.name for each in _states(gateway)]
        if not names:
            raise NotFound("there are no receivers", hint="Declare one below `notify:` in promptops.yml.")
        made = _made(session, gateway, names)
    session.answer(lambda: {"tests": [_shape(name, error) for name, error in made]}, lambda page: _results(made))
    if any(error for _, error in made):
        click.get_current_context().exit(1)


@command("send", group=notify)
def send(session: Session, /) -> None:
    """Send what waits, once: for a registry without a server, from cron, for what did not arrive the first time."""
    if not config.setting(config.NOTIFY_SECRETS):
        raise Invalid("no secrets of receivers are set", hint=f"{config.NOTIFY_SECRETS} is the path of their file.")
    _send(session, ())
    with session.gateway() as gateway:
        found = _states(gateway)
    session.answer(lambda: {"receivers": [written(each) for each in found]}, lambda page: _table(found, page))


@command("secret", group=notify)
def secret(session: Session, /) -> None:
    """Make a random secret, for a line of the server's file and for the receiver. It is kept nowhere."""
    from promptops.core.notifications.signature import new_secret

    made = new_secret(os.urandom(32))
    session.answer(lambda: {"secret": made}, lambda page: [made])


def _states(gateway: Gateway) -> Sequence[ReceiverState]:
    from promptops.use_cases.notify import NOTIFY

    return gateway.run(NOTIFY, None)


def _made(session: Session, gateway: Gateway, names: Sequence[str]) -> list[tuple[str, str]]:
    """Returns each receiver with what its test failed with, which is empty for one that arrived."""
    from promptops.use_cases.notify import TEST_RECEIVER, TestRequest

    asked = {each: gateway.run(TEST_RECEIVER, TestRequest(name=each), actor=session.actor()).number for each in names}
    if not config.is_server(session.registry_url()) and config.setting(config.NOTIFY_SECRETS):
        _send(session, names)
    until = time.monotonic() + _WAITING
    while True:
        known = {each.name: each for each in _states(gateway)}
        open_ones = [each for each, number in asked.items() if each in known and known[each].tested < number]
        if not open_ones or time.monotonic() >= until:
            break
        time.sleep(_POLL)
    late = f"no process sent it within {_WAITING:g} s: is a server running?"
    return [(each, late if each in open_ones else known[each].test_error if each in known else "") for each in names]


def _send(session: Session, names: Sequence[str]) -> None:
    from promptops.client.sources.trust import machine_trust
    from promptops.operations.sending import Sender, secrets_in
    from promptops.operations.webhook import over_http

    path = config.setting(config.NOTIFY_SECRETS)
    with session.registry("sending notifications") as registry:
        sender = Sender(
            registry,
            secrets=lambda: secrets_in(path),
            now=clock.now,
            holder=f"command-{os.urandom(8).hex()}",
            send=over_http(machine_trust),
        )
        sender.send_all(names)


def _shape(name: str, error: str) -> JsonObject:
    return {"receiver": name, "arrived": not error, "error": error}


def _results(made: Sequence[tuple[str, str]]) -> list[Line]:
    return [
        [Span("✗ ", "bad"), Span(name, "name"), f" {error}"]
        if error
        else [Span("✓ ", "good"), Span(name, "name"), " the test arrived"]
        for name, error in made
    ]


def _table(found: Sequence[ReceiverState], page: Page) -> list[Line]:
    if not found:
        return [
            "There are no receivers.",
            *next_steps([("declare one below `notify:` in promptops.yml, then", ["notify", "apply"])]),
        ]
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in ("RECEIVER", "STATE", "LAST SENT", "URL")]]
    for each in found:
        sent = clock.format_age(each.sent_at, page.now) if each.sent_at else "never"
        rows.append([Span(each.name, "name"), _state(each), sent, each.url])
    return [*page.columns(rows, indent=0), *[line for each in found for line in _trouble(each, page)]]


def _state(each: ReceiverState) -> Span:
    if each.failures:
        return Span(f"failing, {each.pending} pending", "bad")
    return Span(f"{each.pending} pending", "warn") if each.pending else Span("up to date", "good")


def _trouble(each: ReceiverState, page: Page) -> list[Line]:
    lines: list[Line] = []
    if each.failures and each.failing_since and each.next_try:
        since = clock.format_age(each.failing_since, page.now)
        wait = max(0, round((each.next_try - page.now).total_seconds()))
        tries = counted(each.failures, "failure")
        lines.append(
            [
                Span("! ", "warn"),
                Span(each.name, "name"),
                f" {tries}, the first {since}: {each.error}; next in {wait} s",
            ]
        )
    if each.given_up:
        lines.append(
            [Span("! ", "warn"), Span(each.name, "name"), f" {counted(each.given_up, 'event')} never arrived, given up"]
        )
    return lines


def _change_lines(applied: Sequence[ReceiverChange], page: Page, *, planned: bool) -> list[Line]:
    if not applied:
        return ["promptops.yml declares no receivers.", "Add some below `notify:`."]
    styles = {"created": "good", "changed": "warn", "removed": "warn"}
    rows: list[list[Cell]] = []
    for change in applied:
        words = {"unchanged": "as it was", "kept": "of another workspace, kept"}.get(change.change, change.change)
        words = f"would be {words}" if planned and change.is_change else words
        rows.append([Span(change.name, "name"), Span(words, styles.get(change.change, "quiet")), change.url])
    needed = [change.name for change in applied if change.new_secret and change.is_change]
    steps = [("see whether it arrives", ["notify", "test"])] if needed and not planned else []
    note: list[Line] = []
    if needed:
        note = [
            "",
            f"The server needs a line for {', '.join(needed)} in the file {config.NOTIFY_SECRETS}: NAME URL SECRET",
        ]
    return [*page.columns(rows), *note, *next_steps(steps)]
