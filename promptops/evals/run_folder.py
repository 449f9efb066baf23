"""The folder of a run: its arguments, the journal of its answers, and its report. Texts of answers are nowhere else.

It is `.promptops/runs/ID` in the workspace, which git ignores.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from promptops.core.errors import Invalid, NotFound
from promptops.files import replace_file

RUNS: Final = Path(".promptops") / "runs"
_ARGUMENTS, _ANSWERS, _REPORT = "run.json", "answers.jsonl", "report.json"
_SHORTEST: Final = 4  # characters of an id that name a run, as with commits


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """How a run was started, so that it can be continued: by the digests, nothing has changed since.

    ``digests`` are those of the arms, ``suite_digests`` those of the suites by name. ``opened``: the registry knows it.
    ``renames`` are new names of prompts of the other releases, as the gate has them.
    ``earlier`` are the cases that an earlier run answered, by their number as text; ``shares`` those of which a part is
    asked today, as :class:`~promptops.evals.plan.Share`; ``pairs`` and ``arms`` as in ``Selection`` there.
    ``calls`` say which captured calls the cases are, if they are such.
    """

    id: str
    app: str
    started_at: str
    reference: str
    against: str = ""
    anchor: str = ""
    commit: str = ""
    suites: tuple[str, ...] = ()
    prompt: str = ""
    tags: tuple[str, ...] = ()
    limit: int | None = None
    replay: str = ""
    rescore: str = ""
    opened: bool = False
    drift: bool = False
    repeats: Mapping[str, int] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    earlier: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    shares: tuple[Mapping[str, Any], ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    arms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    calls: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str]
    suite_digests: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """One run's folder."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def answers(self) -> Path:
        """The journal."""
        return self.path / _ANSWERS

    def arguments(self) -> Arguments:
        """Returns how the run was started.

        Raises:
            Invalid: the folder is damaged.
        """
        return Arguments(**_known(Arguments, self._read(_ARGUMENTS)))

    def report(self) -> Mapping[str, Any]:
        """Returns the report as JSON.

        Raises:
            NotFound: the run has not ended yet. Invalid: it is damaged.
        """
        if not (self.path / _REPORT).exists():
            raise NotFound(f"the run {self.id[:8]} has no report yet: it has not ended")
        return self._read(_REPORT)

    def keep_report(self, report: Mapping[str, Any]) -> None:
        """Writes the report. Raises OSError where it cannot."""
        replace_file(self.path / _REPORT, _encoded(report))

    def _read(self, name: str) -> Mapping[str, Any]:
        try:
            value = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise Invalid(f"{self.path / name} cannot be read: {error}") from error
        if not isinstance(value, dict):
            raise Invalid(f"{self.path / name} is no JSON object")
        return value


def folder_of(root: Path, arguments: Arguments) -> RunFolder:
    """Returns the folder of a run, and makes it if it is new. Raises OSError where it cannot."""
    runs = root / RUNS
    if (runs / arguments.id).exists():
        return RunFolder(path=runs / arguments.id)
    runs.mkdir(parents=True, exist_ok=True)
    ignore = runs / ".gitignore"
    if not ignore.exists():  # also where the workspace's own .gitignore does not have the folder
        ignore.write_text("*\n", encoding="utf-8")
    folder = RunFolder(path=runs / arguments.id)
    folder.path.mkdir()
    replace_file(folder.path / _ARGUMENTS, _encoded(asdict(arguments)))
    return folder


def find_run(root: Path, name: str) -> RunFolder:
    """Returns the run whose id begins like this.

    Raises:
        NotFound: no run is named like this. Invalid: several are.
    """
    runs = root / RUNS
    known = sorted(entry for entry in os.listdir(runs) if (runs / entry).is_dir()) if runs.is_dir() else []
    found = [entry for entry in known if len(name) >= _SHORTEST and entry.startswith(name)]
    if not found:
        raise NotFound(f"there is no run '{name[:40]}' in {runs}", known=[entry[:8] for entry in known])
    if len(found) > 1:
        raise Invalid(f"'{name}' is the beginning of {len(found)} runs", hint="Write more of it.")
    return RunFolder(path=runs / found[0])


def _known(kind: type[Arguments], value: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    if not {"id", "app", "started_at", "reference", "digests", "suite_digests"} <= value.keys() <= names:
        raise Invalid("the arguments of the run were written by another version of promptops")
    return {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}


def _encoded(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace")
