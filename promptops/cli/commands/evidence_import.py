"""`promptops evidence import`: a result file of another tool becomes evidence. The file itself is sent nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from promptops.cli.git_sync import bring_to_git
from promptops.cli.output.phrases import counted, facts, next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import Invalid, NotFound
from promptops.core.evidence.case_table import RowOutcome
from promptops.core.reference import Reference, parse_reference
from promptops.use_cases.documents import written

if TYPE_CHECKING:
    from promptops.core.evidence.evidence import Evidence
    from promptops.core.suite.suite import Suite
    from promptops.gateway import Gateway
    from promptops.importers.results import Results
_WORDS: Final = {RowOutcome.PASSED: "passed", RowOutcome.FAILED: "failed", RowOutcome.ERROR: "errors"}


def run(session: Session, file: str, form: str, release: str, *, suite: str, reason: str, key: str) -> None:
    """Reads the file, and records what it says.

    Raises:
        Invalid: the file is refused, or it is open which prompt or suite it is of.
    """
    from promptops.core.evidence.suite_refs import suite_ref
    from promptops.core.evidence.table_bytes import encode_table
    from promptops.importers.own_suite import as_own
    from promptops.importers.reading import read_results
    from promptops.operations.evidence import ImportRequest
    from promptops.use_cases.evidence import IMPORT_EVIDENCE

    reference = parse_reference(release)
    if not reference.fixed:
        raise Invalid(f"'{release}' does not say which release was measured", hint="Name it: APP@VERSION.")
    with session.gateway() as gateway:
        prompt = reference.prompt or _only_prompt(gateway, reference)
        results = read_results(session.path(file), form, prompt=prompt)
        ref = results.suite_ref
        if suite:
            own = _own(session, reference.app, suite)
            results, ref = as_own(results, own), suite_ref(own, repeats=results.repeats)
        request = ImportRequest(
            reference=replace(reference, prompt=""),
            table=encode_table(results.table),
            suites=(ref,),
            counts=results.counts,
            tools=tuple(f"{name} {version}".strip() for name, version in results.tools.items()),
            served_models=results.served_models,
            complete=results.complete,
            note=reason,
            key=session.key(key),
        )
        made = gateway.run(IMPORT_EVIDENCE, request, actor=session.actor())
    session.answer(lambda: written(made), lambda page: list(_lines(made, results, page)))
    bring_to_git(session)


def _only_prompt(gateway: Gateway, reference: Reference) -> str:
    """Returns the prompt of a release that has one. Of several, the file does not say which it measured."""
    from promptops.use_cases.releases import NAMED

    names = sorted(prompt.name for prompt in gateway.run(NAMED, reference).content.prompts)
    if len(names) != 1:
        raise Invalid(
            f"{reference.app} has {counted(len(names), 'prompt')}, and the file does not say which it measured",
            hint=f"Name it: --for {reference.app}/{names[0]}@{reference.version or reference.digest}",
        )
    return names[0]


def _own(session: Session, app: str, name: str) -> Suite:
    """Returns the app's own suite as the files here have it."""
    from promptops.source.lint.lint import check
    from promptops.source.tree import WorkingTree

    suites = check(WorkingTree(session.require_root()), apps={app}).app(app).suites
    if name not in suites:
        raise NotFound(f"{app} has no suite '{name}' in the files here", known=sorted(suites))
    if suites[name].held is not None:
        raise Invalid(
            f"the cases of the suite {name} are held, so a file of results cannot be read as its cases",
            hint="Run it where they can be read: promptops eval. Or leave out --suite.",
        )
    return suites[name]


def _lines(made: Evidence, results: Results, page: Page) -> Iterator[Line]:
    outcomes = Counter(row.outcome for row in results.table.rows)
    what = f"{counted(len(results.table.rows), 'result')} for {made.app}"
    yield [Span("✓ ", "good"), Span("Imported ", "strong"), what]
    said = {
        "cases": f"{len(results.table.cases):,}, of which {results.missing:,} have no result",
        "outcomes": ", ".join(f"{outcomes[each]:,} {word}" for each, word in _WORDS.items()),
        "repeats": f"{results.repeats}",
        "evidence": made.id,
        "digest": made.digest,
    }
    yield from ("", *facts(page, list(said.items())))
    yield from ([Span(note, "warn")] for note in results.notes)
    yield from next_steps([("what is in it", ["evidence", "show", made.id])])
