"""Cases that are held outside the repository: where a suite says they are, and how they are read by a runner.

Who writes prompts does not see such cases, so nothing here shows what is in them: a problem is named by its line and
kind alone.
"""

from __future__ import annotations

import re
from dataclasses import replace

from promptops.core.errors import Invalid
from promptops.core.evidence.run import is_digest
from promptops.core.server_url import require_server_url
from promptops.core.suite.suite import Held, Suite
from promptops.source.suites.data_file import ENDINGS, read_rows
from promptops.source.suites.read_suite import Place, ReadSuite
from promptops.source.text.fields import Fields, report_of
from promptops.source.text.findings import RULES

KEYS = ("from", "digest")
_SHOWN = 5  # problems that a refusal names
_PATH = re.compile(r"/?(?:[\w.-]+/)*[\w.-]+", re.ASCII)


def read_held(fields: Fields) -> Held | None:
    """Reads the key ``held``: where cases are, and their digest. None without the key, or without a place."""
    own = fields.fields("held")
    if own is None:
        return None
    own.refuse_unknown(KEYS)
    place, named = own.text("from"), own.text("digest")
    if not place:
        own.add("missing-key", None, "`held` needs `from`", "from: a URL, or a path outside the repository.")
        return None
    if flaw := _flaw(place):
        own.add("wrong-value", "from", flaw, f"https://HOST/FILE or a path, and its end is {' or '.join(ENDINGS)}.")
        return None
    if named is None or not is_digest(named):
        hint = "`promptops eval hold APP SUITE` says it, where the cases can be read."
        code = "missing-key" if named is None else "wrong-value"
        own.add(code, None if named is None else "digest", "`held` needs the `digest` of the cases", hint)
        return Held(place=place)
    return Held(place=place, digest=named)


def _flaw(place: str) -> str:
    """Returns what is wrong with the place of held cases; empty if it is one."""
    if not place.endswith(ENDINGS):
        return f"'{place[:120]}' is no file of cases"
    if "://" in place:
        try:
            require_server_url(place)
        except Invalid as error:
            return error.message
        return ""
    if not _PATH.fullmatch(place) or ".." in place.split("/"):
        return f"'{place[:120]}' is not a path that can be read everywhere"
    return ""


def read_cases(suite: ReadSuite, data: bytes) -> ReadSuite:
    """Returns a suite whose cases are held, with those of a file of these bytes. Its report has what is wrong."""
    rules, own = suite.held_rules, suite.suite
    assert rules is not None and own.held is not None
    report = report_of(own.held.place, data)
    placed = []
    for item in read_rows(report, rules.typed, rules.texts):
        case = rules.reader.read(item)
        if case is None:
            continue
        if not own.checks and not case.checks:
            item.add("case-unchecked", None, "no check judges this case")
        if any(check.judge is not None for check in case.checks):
            item.add("check-invalid", "checks", "a judge is one of the suite, which the registry knows")
        placed.append((Place(report=report, offset=item.document.offset(item.path)), case))
    if not placed:
        report.add("suite-empty", 0, "there is no case")
    return replace(
        suite,
        report=report,
        suite=replace(own, cases=tuple(case for _, case in placed)),
        places=tuple(place for place, _ in placed),
        data=report,
    )


def require_sound(read: ReadSuite) -> Suite:
    """Returns a suite whose cases were read.

    Raises:
        Invalid: something is wrong with them; it names the first lines, and nothing that is in them.
    """
    found = read.report.findings(lint=False)
    if found:
        said = "; ".join(f"line {each.line}: {each.code} ({RULES[each.code].meaning})" for each in found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise Invalid(f"the held cases of the suite {read.suite.name} cannot be used: {said}{more}")
    return read.suite
