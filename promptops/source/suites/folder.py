"""Reads the suites of an app's ``evals/`` folder: each ``NAME.suite.yml`` there, with the file of cases it names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from promptops.core.model import Prompt, is_segment
from promptops.source.app_file import Pin
from promptops.source.parts import AppFiles
from promptops.source.suites.data_file import ENDINGS as DATA_ENDINGS
from promptops.source.suites.data_file import MAX_DATA
from promptops.source.suites.read_suite import ReadSuite
from promptops.source.suites.suite_file import SuiteSurroundings, read_suite_file
from promptops.source.text.fields import read_text
from promptops.source.text.findings import Report
from promptops.source.tree import Tree, below

EVALS = "evals/"
ENDINGS = (".suite.yml", ".suite.yaml")


def read_suites(
    tree: Tree,
    folder: str,
    files: Sequence[str],
    others: Sequence[str],
    *,
    own: Collection[str],
    prompts: Mapping[str, Prompt],
    judges: Mapping[str, Pin],
) -> tuple[tuple[ReadSuite, ...], tuple[Report, ...]]:
    """Returns the suites of an app's folder, and the reports of all their files.

    ``files`` and ``others`` are paths of the app's files and of what is no file; ``own`` are the names of prompts that
    have a suite of their own.
    """
    base = f"{folder}/{EVALS}".removeprefix("/")

    def inside(path: str) -> str:
        return path[len(folder) + 1 :] if folder else path

    around = SuiteSurroundings(
        prompts=prompts,
        judges=judges,
        data_files=[path for path in files if path.startswith(base) and path.endswith(DATA_ENDINGS)],
        read=lambda path: read_text(tree, path, most=MAX_DATA),
        files=AppFiles.of(tree, folder, map(inside, files), map(inside, others), EVALS),
    )
    suites: list[ReadSuite] = []
    reports = [
        _link(path) for path in others if below(path, base.rstrip("/")) and path.endswith((*ENDINGS, *DATA_ENDINGS))
    ]
    taken = {name.lower(): f"the suite of the prompt '{name}'" for name in own}
    for path in files:
        if not path.startswith(base) or not path.endswith(ENDINGS):
            continue
        report = read_text(tree, path)
        name = path.removeprefix(base).removesuffix(".yaml").removesuffix(".yml").removesuffix(".suite")
        _check_name(report, name, taken)
        taken.setdefault(name.lower(), path)
        suite = read_suite_file(report, name, around) if report.text or not report else None
        reports.append(report)
        if suite is not None:
            suites.append(suite)
            reports += [suite.data] if suite.data is not None else []
    return tuple(suites), tuple(reports)


def is_suite_file(path: str) -> bool:
    """Returns whether a path, absolute or not, is that of a suite or of a file with its cases."""
    return path.endswith(ENDINGS) or (f"/{EVALS}" in path and path.endswith(DATA_ENDINGS))


def _check_name(report: Report, name: str, taken: Mapping[str, str]) -> None:
    if not all(is_segment(step) for step in name.split("/")):
        hint = "Letters, digits, . _ and - in each step of the path."
        report.add("name-invalid", 0, f"'{name[:120]}' is not a suite's name", hint)
    if name.lower() in taken:
        report.add("name-taken", 0, f"'{name}' is already the name of {taken[name.lower()]}", "Rename the file.")


def _link(path: str) -> Report:
    report = Report(path)
    report.add("not-a-file", 0, "not a regular file; links are not followed", "Put the file itself there.")
    return report
