"""What is known of one call, on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from promptops import clock
from promptops.cli.output.phrases import counted, one_line, person, quoted
from promptops.cli.output.render import Cell, Line, Page, Span

if TYPE_CHECKING:
    from promptops.core.model import Change
    from promptops.wire.documents.why import WhyDocument, WhyKeptDocument, WhyToolDocument

ChangeLines: TypeAlias = "Callable[[Change, Page], Iterable[Line]]"


def why_lines(found: WhyDocument, page: Page, *, trace_url: str, change_lines: ChangeLines) -> list[Line]:
    """Returns what is known of a call; ``trace_url`` is the address of its trace, empty without one, and
    ``change_lines`` shows a change as ``promptops diff`` does.
    """
    lines: list[Line] = [*_head(found, page)]
    if found.kept is not None:
        lines += ["", *_kept(found, found.kept, page, trace_url)]
    if found.release is not None and found.since is not None:
        lines += ["", *_evidence(found, page), "", *_changes(found, page, change_lines), *_rates(found, page)]
    if found.others:
        lines += ["", Span(f"{counted(len(found.others), 'other call')} of the same trace or answer", "strong")]
        lines += [f"  {call}" for call in found.others]
    return lines


def _head(found: WhyDocument, page: Page) -> Iterator[Line]:
    prompt = f"{found.app}/{found.prompt}" if found.prompt else f"a prompt of {found.app}"
    yield ["A call of ", Span(prompt, "name"), " on ", Span(found.channel, "name"), f", revision {found.revision}"]
    if not found.sealed:
        yield Span("  Its id has no seal, so anyone may have made it up.", "warn")
    if found.since is None:
        fixed = "the application chose its release: a fixed version, an override or its fallback"
        version = f" ({found.release.version})" if found.release else ""
        yield f"  {fixed if found.arm == 'fixed' else 'the log does not say of which release'}{version}."
        return
    assert found.release is not None
    served: list[Cell] = ["  ", Span(f"{found.app}@{found.release.version}", "strong"), f", {found.arm}"]
    end = clock.format_moment(found.until, page.zone) if found.until is not None else "now"
    yield [*served, f", from {clock.format_moment(found.since, page.zone)} until {end}"]
    yield [f"  made live by {person(found.actor)}", f": {quoted(one_line(found.reason))}" if found.reason else ""]


def _kept(found: WhyDocument, kept: WhyKeptDocument, page: Page, trace_url: str) -> Iterator[Line]:
    ended = kept.error or ", ".join(flag for flag in kept.flags if flag != "bad") or "well"
    yield [Span(f"It ended {ended}" if ended == "well" else f"It ended in: {one_line(ended)}", "strong")]
    yield from page.columns([[f"  {name}", Span(one_line(text), "")] for name, text in _facts(found, kept, page)])
    for tool in kept.tools:
        yield f"  tool {one_line(tool.name)}{_tool(tool)}"
    yield from _badness(found)
    if trace_url:
        yield ["  trace ", Span(trace_url, "name")]
    yield from _sent(kept)


def _facts(found: WhyDocument, kept: WhyKeptDocument, page: Page) -> Iterator[tuple[str, str]]:
    yield "at", clock.format_moment(kept.at, page.zone)
    yield "got its release by", kept.reason
    other = f", {kept.asked} is pinned" if kept.asked and kept.asked != kept.model else ""
    yield "model", (kept.model or "none answered") + other
    if kept.latency_ms is not None:
        first = f", first token after {kept.first_token_ms:,} ms" if kept.first_token_ms is not None else ""
        yield "took", f"{kept.latency_ms:,} ms{first}"
    if kept.input_tokens is not None:
        cached = f" ({kept.cached_tokens:,} cached)" if kept.cached_tokens else ""
        reasoning = f" ({kept.reasoning_tokens:,} of reasoning)" if kept.reasoning_tokens else ""
        yield "tokens", f"{kept.input_tokens:,} in{cached}, {kept.output_tokens or 0:,} out{reasoning}"
    if kept.attempts > 1:
        yield "answers", str(kept.attempts)
    for name, value in (("finish", kept.finish), ("answer", kept.response), ("trace", kept.trace)):
        if value:
            yield name, value
    if found.led_to:
        yield "led to", ", ".join(found.led_to)


def _tool(tool: WhyToolDocument) -> str:
    took = f", {tool.latency_ms:,} ms" if tool.latency_ms is not None else ""
    return took + (f", {one_line(tool.error)}" if tool.error else "")


def _badness(found: WhyDocument) -> Iterator[Line]:
    for each in found.badness:
        share = "none" if each.share.share is None else f"{100 * each.share.share:.2f}%"
        of = f"{each.share.count:,} of {each.share.of:,} calls"
        yield f"  {one_line(each.kind)} on {each.version}: {share}, {of} in {found.days} days"


def _sent(kept: WhyKeptDocument) -> Iterator[Line]:
    if not kept.captured:
        return
    yield ""
    if kept.sent is None:
        yield "Its variables were captured. Reading them needs a token with the scope `content`."
        return
    yield [Span("The request", "strong"), ", byte for byte as it was sent:" if kept.sent.exact else ":"]
    if kept.sent.problem:
        yield Span(f"  {one_line(kept.sent.problem)}", "warn")
    shown = kept.sent.body or json.dumps(kept.variables, ensure_ascii=False, sort_keys=True)
    yield one_line(shown)


def _evidence(found: WhyDocument, page: Page) -> Iterator[Line]:
    if not found.evidence:
        yield "No evidence was recorded of it."
        return
    yield Span(f"{counted(len(found.evidence), 'piece')} of evidence", "strong")
    rows: list[list[Cell]] = [
        [each.id, each.check or each.source, each.verdict or "", clock.format_moment(each.at, page.zone)]
        for each in found.evidence
    ]
    yield from page.columns(rows)


def _changes(found: WhyDocument, page: Page, change_lines: ChangeLines) -> Iterator[Line]:
    if found.before is None:
        yield "There was no release before it."
        return
    before = f"{found.app}@{found.before.version}"
    if not found.changes:
        yield ["This prompt is as in the release before, ", Span(before, "name"), "."]
        return
    yield [Span(f"{counted(len(found.changes), 'change')} of this prompt", "strong"), " since ", Span(before, "name")]
    for change in found.changes:
        yield from change_lines(change.change(), page)


def _rates(found: WhyDocument, page: Page) -> Iterator[Line]:
    from promptops.cli.output.outcome_report import table

    if not found.rates:
        return
    yield ""
    yield Span(f"This prompt in the last {found.days} days", "strong")
    yield from page.columns(list(table(found.channel, found.rates)))
