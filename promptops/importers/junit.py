"""Reads JUnit's XML, as pytest and many others write it. A case is known by its class and name.

A failure is a failure, also an exception in a test's body; what happened around it, in a fixture, is an error. A case
that is skipped is missing. One that failed and was tried again (``flakyFailure``, ``rerunFailure``) is a failure: a
second chance is no evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers import expat

from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.core.evidence.case_table import RowOutcome
from promptops.core.json_size import MAX_DEPTH
from promptops.importers.results import ERROR, FAILED, PASSED, Asked, Collector, Results, Target

_OUTCOMES: Final = {
    "failure": FAILED,
    "flakyFailure": FAILED,
    "rerunFailure": FAILED,
    "error": ERROR,
    "flakyError": ERROR,
    "rerunError": ERROR,
    "skipped": None,
}
"""What an element within a test case says of it. None is no result."""

_CHUNK: Final = 1 << 16
_LONGEST: Final = 1 << 20
"""Bytes of one tag or comment: a failure's message stands in an attribute."""
_MOST_ATTRIBUTES: Final = 100


def read(data: bytes, target: Target) -> Results:
    """Reads a file.

    Raises:
        Invalid: it is no XML, has a document type, or has one case twice.
    """
    reader = _Reader(target.collector())
    reader.feed(data)
    return reader.collector.results({"junit": ""})


@dataclass(slots=True)
class _Reader:
    """Walks through the elements; texts are never collected."""

    collector: Collector
    path: list[str] = field(default_factory=list)
    name: str = ""
    said: list[RowOutcome | None] = field(default_factory=list)
    known: dict[str, list[RowOutcome | None]] = field(default_factory=dict)

    def feed(self, data: bytes) -> None:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        try:
            for start in range(0, len(data), _CHUNK):
                parser.Parse(data[start : start + _CHUNK])
                if start + _CHUNK - max(parser.CurrentByteIndex, 0) > _LONGEST:
                    raise Invalid(f"a tag of the file has over {_LONGEST >> 20} MiB")
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise Invalid(f"the file is not XML: {one_line(str(error), 120)}") from error
        for name, said in self.known.items():
            self._add(name, said)

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if not self.path and element not in ("testsuites", "testsuite"):
            raise Invalid(f"this is no JUnit file: it begins with <{one_line(element, 60)}>")
        if len(self.path) >= MAX_DEPTH or len(attributes) > _MOST_ATTRIBUTES:
            raise Invalid(f"an element is nested over {MAX_DEPTH} levels deep, or has too many attributes")
        if element == "testcase":
            self.name = "::".join(filter(None, (attributes.get("classname"), attributes.get("name"))))
            self.said = []
        elif self.path and self.path[-1] == "testcase" and element in _OUTCOMES:
            self.said.append(_OUTCOMES[element])
        self.path.append(element)

    def _end(self, element: str) -> None:
        self.path.pop()
        if element != "testcase":
            return
        if not 0 < len(self.name) <= _LONGEST_NAME:
            raise Invalid("a test case has no name, or one that is too long")
        before = self.known.get(self.name)
        # pytest writes a case that fails, and whose fixture then fails to end, as two.
        if before is not None and {*before, *self.said} != {FAILED, ERROR}:
            shown = one_line(self.name, 120)
            raise Invalid(f"the case {shown} is there twice", hint="Each test case needs a name of its own.")
        self.known[self.name] = [*(before or ()), *self.said]

    def _add(self, name: str, said: list[RowOutcome | None]) -> None:
        case = self.collector.case(Asked(id=name, variables={"test": name}))
        if FAILED in said:
            self.collector.row(case, FAILED)
        elif ERROR in said:
            self.collector.row(case, ERROR, error="fixture")
        elif None not in said:
            self.collector.row(case, PASSED)


_LONGEST_NAME: Final = 400


def _refuse_doctype(*_: object) -> NoReturn:
    raise Invalid("the file has a DOCTYPE, which a JUnit file does not need and which can hide other texts")
