"""Reports files that messages embed and git does not have: a release is made of a commit, so it would lack them.

Only for files of a working tree, as `check` reads them. Outside of a repository there is nothing to say.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from promptops.core.errors import PromptopsError
from promptops.source.app_source import ReadApp
from promptops.source.load import Lint

_Unknown = Callable[[Sequence[str]], Mapping[str, str]]


def lint_embedded(root: Path) -> Lint:
    """Returns the lint of the apps below a folder. Git is asked only if an app embeds a file: by one process for all
    apps, and by one for each app with a file that is missing.
    """
    asking: list[_Unknown] = []

    def lint(app: ReadApp) -> None:
        if not app.uses:
            return
        if not asking:
            asking.append(_asking(root))
        for path, rule in asking[0](list(app.uses)).items():
            report, offset = app.uses[path]
            where = shlex.quote(path)
            problem, hint = f"'{path}' is not in git", f"git add {where}"
            if rule:
                problem, hint = f"git ignores '{path}' ({rule})", f"git add -f {where}, or give it another name."
            report.add("file-uncommitted", offset, f"{problem}, and a release has what is committed", hint)

    return lint


def _asking(root: Path) -> _Unknown:
    """Returns which of the files below a folder git does not have; none where git does not answer."""
    from promptops.source.git.repository import Repository

    try:
        repository = Repository.open(root)
        prefix = repository.inside(root)
    except (PromptopsError, ValueError):
        return lambda paths: {}

    def unknown(paths: Sequence[str]) -> Mapping[str, str]:
        full = {f"{prefix}/{path}".lstrip("/"): path for path in paths}
        try:
            return {full[path]: rule for path, rule in repository.unknown(list(full)).items()}
        except PromptopsError:
            return {}

    return unknown
