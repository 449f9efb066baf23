"""What a push would change, ref by ref: the apps of a workspace at the tip of each, compared with where it was.

A hook asks this on the machine of a person, or within the repository that receives the push. There nothing that was
pushed decides what is asked: the caller names the folder and the refs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from promptops.ci.report import Report
from promptops.core.errors import Invalid, Refused, WorkspaceNotFound
from promptops.operations.changes import changes

if TYPE_CHECKING:
    from promptops.source.git.repository import Repository

MOST: int = 100
"""Refs of one push that are looked at: a hook has seconds."""


class PushRefused(Refused):
    """What was pushed must not be on this ref."""


class PushLate(PushRefused):
    """A push was not judged in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """One ref of a push: where it was and where it will be; empty for a ref that is new, or deleted."""

    ref: str
    old: str
    new: str


def received(lines: Iterable[str]) -> Iterator[Pushed]:
    """Reads what git gives to `pre-receive`: ``OLD NEW REF`` a line.

    Raises:
        Invalid: it is not that.
    """
    for line in lines:
        match line.split():
            case [old, new, ref]:
                yield Pushed(ref=ref, old=_commit(old), new=_commit(new))
            case []:
                continue
            case _:
                raise Invalid("git gives a hook `OLD NEW REF` on each line", hint="Run it as a hook of git.")


def sent(lines: Iterable[str]) -> Iterator[Pushed]:
    """Reads what git gives to `pre-push`: ``LOCAL-REF NEW REMOTE-REF OLD`` a line. Raises like :func:`received`."""
    for line in lines:
        match line.split():
            case [_, new, ref, old]:
                yield Pushed(ref=ref, old=_commit(old), new=_commit(new))
            case []:
                continue
            case _:
                raise Invalid("git gives a hook four words on each line", hint="Run it as a hook of git.")


def judged(
    repository: Repository, folder: str, pushed: Sequence[Pushed], refs: Sequence[str], *, required: bool
) -> Iterator[tuple[Pushed, Report]]:
    """Yields the report on each pushed ref that one of the patterns names. A deleted ref has nothing to judge.

    It compares the two tips, not with where one left the other: of a forced push to an earlier commit nothing would be
    left to judge, and that commit need never have been a tip. ``required`` says that there has to be a workspace at
    the tip; otherwise a ref without one is passed by.

    Raises:
        PushRefused: it is missing, or there are too many refs.
    """
    chosen = [each for each in pushed if each.new and any(fnmatchcase(each.ref, pattern) for pattern in refs)]
    if len(chosen) > MOST:
        raise PushRefused(f"the push has {len(chosen):,} refs, and at most {MOST} are looked at", hint="Push fewer.")
    seen: dict[tuple[str, str], Report] = {}
    for each in chosen:
        tips = _known(repository, each.old), each.new
        try:
            if tips not in seen:
                seen[tips] = changes(repository, folder, *tips, exact=True)
            yield each, seen[tips]
        except WorkspaceNotFound as error:
            if required:
                where = f"{folder}/promptops.yml" if folder else "promptops.yml"
                raise PushRefused(f"{each.ref} would have no {where}", hint="It has to stay where it is.") from error


def _known(repository: Repository, sha: str) -> str:
    """Returns a commit if this repository has it: the other side may be ahead of what was fetched."""
    try:
        return repository.resolve(sha).sha if sha else ""
    except Invalid:
        return ""


def _commit(sha: str) -> str:
    return "" if set(sha) == {"0"} else sha
