"""What an evaluation asks: an app's prompts and suites are read, and the plan is made. No model is called here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from promptops.core.compiled import compile_content
from promptops.core.digest import digest
from promptops.core.errors import Conflict, Invalid, SourceInvalid
from promptops.core.evidence.case_table import Arm
from promptops.core.finding import Severity
from promptops.core.model import Content
from promptops.core.release_bytes import encode
from promptops.core.suite.suite import Suite, suite_digest
from promptops.core.timestamp import timestamp
from promptops.evals.journal import read_lines
from promptops.evals.plan import Earlier, Plan, Selection, Share, Side, leaning, plan, require_anywhere, spread
from promptops.evals.pricing import Estimate, estimate
from promptops.evals.recordings import Recordings
from promptops.evals.run_folder import Arguments, find_run
from promptops.operations.queries import Named
from promptops.source.git.repository import Repository
from promptops.source.load import AppSource, Loaded
from promptops.source.tree import Tree, WorkingTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run that can start: what it asks, what it will cost, and where its answers come from."""

    root: Path
    plan: Plan
    arguments: Arguments
    estimate: Estimate
    recorded: Recordings | None = None

    @property
    def offline(self) -> bool:
        """True if no provider is asked at all."""
        return bool(self.arguments.replay)


def read_app(root: Path, name: str, *, commit: str = "") -> AppSource:
    """Returns an app with its suites, from the files as they are or from a commit; the only one where none is named.

    Raises:
        SourceInvalid: it or its suites have errors; it has all of them.
        NotFound, GitUnavailable
    """
    from promptops.source.lint.lint import check

    if not commit:
        return _valid(check(WorkingTree(root), apps=None if not name else frozenset({name})), name)
    with closing(Repository.open(root)) as repository:
        sha = repository.resolve(commit).sha
        tree: Tree = repository.tree(sha, repository.spelling(sha, repository.inside(root)))
        return _valid(check(tree, apps=None if not name else frozenset({name})), name)


def side_of(arm: Arm, named: Named, renames: Mapping[str, str] | None = None) -> Side:
    """Returns an arm of a run. ``renames`` are new names of its prompts, by the old ones.

    Raises:
        Unloadable: no client could load the content, so none can be evaluated.
    """
    release, content = named.release, _renamed(named.content, renames or {})
    return Side(
        arm=arm,
        label=named.label,
        digest=release.digest if release else digest(encode(named.content)),
        content=content,
        version=release.version if release else "",
        prompts=compile_content(content),
    )


def _renamed(content: Content, renames: Mapping[str, str]) -> Content:
    """Returns a content whose prompts have their new names, where these are not taken."""
    taken = {prompt.name for prompt in content.prompts}
    new = {old: name for old, name in renames.items() if name not in taken}
    prompts = (replace(prompt, name=new.get(prompt.name, prompt.name)) for prompt in content.prompts)
    return replace(content, prompts=tuple(sorted(prompts, key=lambda prompt: prompt.name)))


def prepare(
    root: Path,
    sides: Sequence[Side],
    suites: Mapping[str, Suite],
    selection: Selection,
    arguments: Arguments,
    *,
    replay: Path | None = None,
) -> Prepared:
    """Plans a run, and calls nothing. ``arguments`` lack the digests, which are added.

    Raises:
        Invalid, NotFound: as :func:`promptops.evals.plan.plan`; or there are no recorded answers.
    """
    planned = plan(arguments.app, sides, suites.values(), selection, repeats=arguments.repeats)
    if arguments.opened:
        require_anywhere(planned)
    arguments = replace(
        arguments,
        digests={side.arm.value: side.digest for side in sides},
        suite_digests={suite.name: suite_digest(suite) for suite in planned.suites},
    )
    recorded = Recordings.read(replay) if replay else None
    if arguments.rescore:
        scored = find_run(root, arguments.rescore)
        recorded = Recordings.of(read_lines(scored.answers), f"the run {scored.id[:8]}")
    return Prepared(root=root, plan=planned, arguments=arguments, estimate=estimate(planned), recorded=recorded)


def continued(prepared: Prepared, before: Arguments) -> Prepared:
    """Returns the same run, to be continued: it asks just what it asked before.

    Raises:
        Conflict: the files, a release or a suite have changed since.
    """
    now = prepared.arguments
    if (now.digests, now.suite_digests) != (before.digests, before.suite_digests):
        raise Conflict(
            f"the run {before.id[:8]} cannot go on: the prompts or suites are others than when it was started",
            hint="Take the change back to continue it, or start a new run.",
        )
    return replace(prepared, arguments=before)


def leaned(prepared: Prepared, earlier: Mapping[int, Earlier], shares: Sequence[Share] = ()) -> Prepared:
    """Returns the run without the calls of cases that an earlier run answered, by their number, and without those that
    are for another day.

    Raises:
        Invalid: no case is left.
    """
    planned = leaning(prepared.plan, earlier)
    kept = {str(number): asdict(each.earlier) for number, each in enumerate(planned.cases) if each.earlier is not None}
    arguments = replace(prepared.arguments, earlier=kept, shares=tuple(map(asdict, shares)))
    if shares:
        planned = spread(planned, shares)
    return replace(prepared, plan=planned, arguments=arguments, estimate=estimate(planned))


def content_of(app: AppSource) -> Content:
    """Returns the content of an app without errors."""
    assert app.content is not None  # read_app has seen to it
    return app.content


def now_text(now: datetime) -> str:
    """Returns a moment as the folder of a run has it."""
    return timestamp(now)


def _valid(loaded: Loaded, name: str) -> AppSource:
    if not name and len(loaded.known) != 1:
        raise Invalid(
            f"the workspace has {len(loaded.known)} apps, and one is evaluated at a time",
            hint=f"Name one: {', '.join(loaded.known[:20])}." if loaded.known else "It has no app yet.",
        )
    app = loaded.app(name or loaded.known[0])
    paths = {*app.files, *app.suite_files, app.path or ".", "promptops.yml"}
    errors = [found for found in loaded.findings if found.severity is Severity.ERROR and found.path in paths]
    if errors:
        raise SourceInvalid(errors)
    return app
