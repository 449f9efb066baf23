"""Shows an error on stderr: a message and what to do next, or one JSON object with --json.

In: the exception that a command raised. Out: the exit code, by the five kinds of error. Nothing here prints to stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from promptops.cli.exit import Unwritten, exit_code
from promptops.cli.output.advice import as_commands
from promptops.cli.output.json_shapes import JsonObject
from promptops.core.errors import PromptopsError, SourceInvalid

INTERRUPTED = 130
"""What shells report for a process that SIGINT ended: 128 + 2."""

FINDINGS = 12
"""Findings of invalid files that are shown: with message and hint they fit on a screen of 24 lines."""


def report(problem: BaseException, arguments: Sequence[str]) -> int:
    """Print the problem for people or for scripts and return its exit code."""
    if isinstance(problem, SystemExit):
        return problem.code if isinstance(problem.code, int) else 1
    as_json = _wants_json(arguments)
    if isinstance(problem, (click.Abort, KeyboardInterrupt, EOFError)):
        return _print(as_json, "interrupted", "Interrupted", "interrupted", "", INTERRUPTED)
    if isinstance(problem, PromptopsError):
        return _refused(problem, as_json)
    if isinstance(problem, click.UsageError):
        return _misused(problem, as_json)
    if isinstance(problem, click.ClickException):
        return _print(as_json, "invalid", "Invalid", problem.format_message(), "", 2)
    return _broken(problem, as_json)


def _wants_json(arguments: Sequence[str]) -> bool:
    words = list(arguments)
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _refused(problem: PromptopsError, as_json: bool) -> int:
    message, hint = as_commands(problem.message), as_commands(problem.hint)
    more: JsonObject | None = None
    if isinstance(problem, SourceInvalid) and as_json:
        from promptops.wire.codec import to_json
        from promptops.wire.documents.commands import FindingDocument

        more = {"findings": [to_json(FindingDocument.of(finding)) for finding in problem.findings]}
    elif isinstance(problem, SourceInvalid) and len(problem.findings) > 1:
        message, hint = _every_finding(problem), "`promptops check` lists every finding, with what to do."
    return _print(as_json, problem.code, problem.kind, message, hint, exit_code(problem), more)


def _every_finding(problem: SourceInvalid) -> str:
    """Lists the findings up to a screenful, so that one run is enough to correct them."""
    shown = [f"  {f.path}:{f.line}:{f.column}  {f.message}" for f in problem.findings[:FINDINGS]]
    if len(problem.findings) > FINDINGS:
        shown.append(f"  … and {len(problem.findings) - FINDINGS:,} more")
    return "\n".join([f"{len(problem.findings):,} errors in the files:", *shown])


def _misused(problem: click.UsageError, as_json: bool) -> int:
    context = problem.ctx
    if isinstance(problem, click.exceptions.NoArgsIsHelpError) and not as_json:
        click.echo(problem.format_message(), err=True)
        return 2
    usage = context.get_usage().removeprefix("Usage: ") + "; more: " if context and context.parent else ""
    hint = f"{usage}{context.command_path} --help" if context else ""
    message = problem.format_message()
    return _print(as_json, "usage", "Invalid", message[:1].lower() + message[1:], hint, 2)


def _broken(problem: BaseException, as_json: bool) -> int:
    """Shows a bug, or a machine in trouble, in one line; the traceback only if PROMPTOPS_DEBUG is 1."""
    from promptops.config import DEBUG, setting

    if setting(DEBUG) == "1":
        import traceback

        traceback.print_exception(problem)
    if isinstance(problem, Unwritten):
        hint = "If it was a change, it is done: only the answer is lost. What is live: promptops status"
        return _print(as_json, "system-error", "Error", f"the answer could not be written: {problem}", hint, 1)
    if isinstance(problem, PermissionError) and problem.filename:
        hint = "The user who runs promptops may not read or write there."
        return _print(as_json, "permission-denied", "Invalid", f"permission denied: {problem.filename}", hint, 2)
    if isinstance(problem, OSError):
        what = f"{problem.strerror or problem}" + (f": {problem.filename}" if problem.filename else "")
        return _print(as_json, "system-error", "Error", what, f"{DEBUG}=1 shows where it happened.", 1)
    what = f"internal error: {type(problem).__name__}: {problem}"
    return _print(
        as_json, "internal-error", "Error", what, f"This is a bug in promptops. {DEBUG}=1 shows the traceback.", 1
    )


def _print(
    as_json: bool, code: str, kind: str, message: str, hint: str, exit_code: int, more: JsonObject | None = None
) -> int:
    try:
        if as_json:
            error = {"code": code, "kind": kind, "message": message, "hint": hint}
            sys.stderr.write(json.dumps({"error": error | (more or {})}) + "\n")
        else:
            from promptops.cli.output.render import complain

            complain(message, hint)
        sys.stderr.flush()
    except OSError:
        pass  # stderr is gone too; the exit code still says it
    return exit_code
