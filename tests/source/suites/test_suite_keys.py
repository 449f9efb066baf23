"""Keys of a suite file that a gate reads: whose cases are alike, and are independent all the same."""

from __future__ import annotations

from promptops.core.evidence.suite_refs import clusters, suite_ref
from tests.source.memory import checked
from tests.source.suites.test_suite_files import CHECKS, files, found


def test_similar_cases_are_reported_and_recorded_as_a_group() -> None:
    long = "Which of the two cities has the older university, and what else would one see there on a day in {}?"
    rows = "".join(f"  - {{city: '{long.format(month)}'}}\n" for month in ("May", "June", "July"))
    suite = f"prompts: ask\n{CHECKS}cases:\n{rows}  - {{city: Rome}}\n"
    assert found(suite) == [("similar-cases", "evals/geo.suite.yml", 4)]
    read = checked(files(suite)).app("bot").suites["geo"]
    assert clusters([read]) == [("~1", "~1", "~1", "")]
    assert clusters([read, read]) == [("~1", "~1", "~1", "")] * 2, "whichever other suites a run has"
    assert not suite_ref(read).independent
    said = checked(files(f"{suite}independent: true\n"))
    assert said.findings == ()
    read = said.app("bot").suites["geo"]
    assert (clusters([read]), suite_ref(read).independent) == ([("~1", "~1", "~1", "")], True)
    named = suite.replace("May?'", "May?', cluster: old")
    assert clusters([checked(files(named)).app("bot").suites["geo"]]) == [("old", "old", "old", "")]
    marked = suite.replace("Rome", "Rome, cluster: ~1")
    assert clusters([checked(files(marked)).app("bot").suites["geo"]]) == [("~1", "~1", "~1", "~~1")]
