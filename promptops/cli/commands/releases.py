"""`promptops releases` lists the releases of an app; `promptops show` shows what one is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli import complete
from promptops.cli.command import command, limit_option
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted, facts, next_steps, one_line, person
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.resolve import named
from promptops.cli.session import Session
from promptops.core.bucketing import percent
from promptops.core.message import PLACEHOLDER, Message, Placeholder
from promptops.core.reference import parse_reference
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.core.model import Prompt, Release
    from promptops.operations.queries import Listed, Named

WIDE = 120
"""From this width on, the list has room for commits beside the summary."""
NARROW = 100
"""Below this width, the list has ages without times."""


@command("releases")
@click.argument("app", metavar="APP", shell_complete=complete.apps)
@limit_option
def releases(session: Session, /, app: str, limit: int | None) -> None:
    """List the releases of an app."""
    from promptops.cli.defaults import app_and_channel
    from promptops.use_cases.releases import RELEASES, ReleasesRequest

    name, _ = app_and_channel(app, None)
    with session.gateway() as gateway:
        every = gateway.run(RELEASES, ReleasesRequest(app=name))
    shown = every[: session.limit(limit)]
    session.answer(
        lambda: {"app": name, "releases": [written(listed) for listed in shown]},
        lambda page: _list(name, shown, every, page),
        long=True,
    )


def _list(app: str, shown: Sequence[Listed], every: Sequence[Listed], page: Page) -> list[Line]:
    wide = page.width is None or page.width >= WIDE
    titles = ("VERSION", "LIVE ON", "RELEASED", "BY", *(["COMMIT"] if wide else []), "WHAT CHANGED")
    rows: list[list[Cell]] = [[Span(title, "quiet") for title in titles]]
    rows += [_row(listed, page, wide=wide) for listed in shown]
    header, *row_lines = page.columns(rows, spare=("BY", "RELEASED"))
    lines: list[Line] = [[Span(app, "name"), f" has {counted(len(every), 'release')}"], "", header]
    for listed, line in zip(shown, row_lines, strict=True):
        lines.append(line)
        lines += [held for text in _held(listed.quarantined) for held in _held_line(text, page)]
    if len(every) > len(shown):
        lines += ["", [Span(f"  {counted(len(every) - len(shown), 'older release')} not shown: --limit N", "quiet")]]
    steps: list[tuple[str, Sequence[str]]] = []
    names = [f"{app}@{listed.release.version}" for listed in shown]
    if len(names) > 1:
        steps.append(("compare", ["diff", names[1], names[0]]))
    if names and not any(_live_on(listed) for listed in every):
        steps.append(("make one live", ["promote", names[0], "--channel", "NAME"]))
    return [*lines, *next_steps(steps)]


def _held_line(text: str, page: Page) -> list[Line]:
    return page.hanging(["    "], Span(f"✗ quarantined {text}", "warn"))


def _row(listed: Listed, page: Page, *, wide: bool) -> list[Cell]:
    release = listed.release
    short = clock.format_short(release.created_at, page.now, page.zone)
    time = "" if page.width is not None and page.width < NARROW else f", {short}"
    return [
        Span(release.version, "bad" if release.yank else "warn" if listed.quarantined else "strong"),
        Span(_live_on(listed), "good"),
        clock.format_age(release.created_at, page.now) + time,
        person(release.created_by),
        *([_commit(release)] if wide else []),
        _summary(release),
    ]


def _live_on(one: Listed | Named) -> str:
    """The channels that serve a release; those of a canary with its part of the keys."""
    trials = [f"{channel} (canary, {percent(weight)})" for channel, weight in one.on_trial.items()]
    return ", ".join([*one.channels, *trials])


def _held(quarantined: Mapping[str, str]) -> list[str]:
    """``on prod: makes up rules``, for each channel that keeps the release out."""
    return [f"on {channel}: {one_line(reason)}" for channel, reason in quarantined.items()]


def _commit(release: Release) -> str:
    return release.provenance.commit[:9] + ("+dirty" if release.provenance.dirty else "")


def _summary(release: Release) -> Cell:
    if release.yank:
        return Span(f"yanked by {person(release.yank.actor)}: {one_line(release.yank.reason)}", "bad")
    if not release.changes:
        return one_line(release.notes) or Span("the first release", "quiet")
    more = f" (and {len(release.changes) - 1} more)" if len(release.changes) > 1 else ""
    return f"{release.bump.value}: {one_line(release.notes) or release.changes[0]}{more}"


@command("show")
@click.argument("reference", metavar="REFERENCE", shell_complete=complete.references)
def show(session: Session, /, reference: str) -> None:
    """Show what a release is made of.

    REFERENCE is a release (app@1.4.0), what a channel serves (app:prod), or the files here (app); with a prompt
    (app/prompt:prod) its messages are shown in full.
    """
    wanted = parse_reference(reference)
    [subject] = named(session, wanted)
    prompts = (subject.prompt(),) if wanted.prompt else subject.content.prompts
    session.answer(
        lambda: _named_shape(subject, prompts),
        lambda page: [*_head(subject, page), "", *_prompts(prompts, bool(wanted.prompt))],
        long=True,
    )


def _named_shape(subject: Named, prompts: Sequence[Prompt]) -> JsonObject:
    """Returns a release as the server shows it, or as much of that as the files of a workspace have."""
    from promptops.core.published_inputs import inputs_of
    from promptops.core.release_bytes import content_to_json
    from promptops.wire.codec import to_json
    from promptops.wire.documents.releases import ProfileDocument

    names: JsonObject = {"prompts": [prompt.name for prompt in prompts]}
    if subject.release:
        return written(subject) | names
    files: JsonObject = {
        "app": subject.content.app,
        "version": None,
        "digest": None,
        "provenance": None,
        "channels": [],
        "on_trial": {},
        "quarantined": {},
        "profile": to_json(ProfileDocument.of(subject.profile)) if subject.profile else None,
        "content": content_to_json(subject.content),
        "inputs": {prompt: dict(schemas) for prompt, schemas in inputs_of(subject.content).items()},
    }
    return files | names


def _head(subject: Named, page: Page) -> list[Line]:
    release, profile = subject.release, subject.profile
    rows: list[tuple[str, Cell]] = []
    if release:
        source = release.provenance
        rows += [
            ("digest", release.digest),
            ("released", f"{clock.format_when(release.created_at, page.now, page.zone)} by {release.created_by}"),
            ("commit", f"{_commit(release)} of {source.repository}, {source.path}, by {source.author}"),
            ("live on", Span(_live_on(subject), "good") if _live_on(subject) else Span("no channel", "quiet")),
            *(("quarantined", Span(text, "warn")) for text in _held(subject.quarantined)),
            ("yanked", Span(f"{release.yank.reason} ({release.yank.actor})" if release.yank else "", "bad")),
            ("notes", one_line(release.notes)),
            (release.bump.value, "; ".join(release.changes)),
        ]
    if profile:
        rows += [
            ("about", one_line(profile.description or profile.title)),
            ("owner", profile.owner),
            ("on call", profile.on_call),
            ("runbook", profile.runbook),
        ]
    return [[Span(subject.label, "name")], "", *facts(page, rows)]


def _prompts(prompts: Sequence[Prompt], whole: bool) -> list[Line]:
    lines: list[Line] = []
    for prompt in prompts:
        lines += [
            [
                "  ",
                Span(prompt.name, "strong"),
                "  ",
                prompt.model or Span("the application chooses the model", "quiet"),
            ]
        ]
        lines += [["    ", Span(text, "quiet")] for text in _traits(prompt)]
        if whole:
            lines += _messages(prompt)
    return lines


def _traits(prompt: Prompt) -> list[str]:
    traits = []
    if prompt.parameters:
        traits.append(", ".join(f"{name} {json.dumps(value)}" for name, value in sorted(prompt.parameters.items())))
    if prompt.variables:
        named = (item.name if item.required else f"{item.name} (optional)" for item in prompt.variables)
        traits.append("inputs: " + ", ".join(named))
    roles = [message.role if isinstance(message, Message) else PLACEHOLDER for message in prompt.messages]
    parts = [f"{counted(len(roles), 'message')}: {', '.join(roles)}"]
    if prompt.tools:
        parts.append(
            "tools: " + ", ".join(f"{t.name} (cached up to here)" if t.cache else t.name for t in prompt.tools)
        )
    if prompt.response_format != "text":
        parts.append("answers as " + prompt.response_format.replace("_", " "))
    if prompt.checks:
        parts.append(f"checks: {', '.join(check.kind for check in prompt.checks)}")
    if prompt.engine != "simple":
        parts.append(f"template: {prompt.engine}")
    return [*traits, " · ".join(parts)]


def _messages(prompt: Prompt) -> list[Line]:
    lines: list[Line] = []
    for message in prompt.messages:
        if isinstance(message, Placeholder):
            lines += ["", [Span(f"    {PLACEHOLDER}", "strong")], ["    ", _place(message)]]
            continue
        lines += ["", [Span(f"    {message.role}", "strong")]]
        lines += [["    ", text] for text in message.shown.removesuffix("\n").split("\n")]
        lines += [["    ", f"{key}: {json.dumps(item)}"] for key, item in message.extras().items()]
        marked = [f"part {number}" for number, part in enumerate(message.parts, 1) if part.cache]
        lines += [["    ", f"cached up to {place}"] for place in (*marked, *(["here"] if message.cache else []))]
    return lines


def _place(placeholder: Placeholder) -> str:
    """``history: messages of the caller, optional, at most 50``."""
    parts = ["messages of the caller"]
    parts += ["optional"] if placeholder.optional else []
    parts += [f"at most {placeholder.most:,}"] if placeholder.most is not None else []
    parts += ["also of role system"] if placeholder.system else []
    parts += ["private"] if placeholder.private else []
    parts += ["cached up to here"] if placeholder.cache else []
    return f"{placeholder.name}: {', '.join(parts)}"
