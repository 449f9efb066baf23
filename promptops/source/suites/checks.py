"""Reads a check: an evaluator of a prompt file, or an entry of ``checks`` in a suite file. Both have the same kinds.

Other tools read prompt files too, so what is unknown there is kept and reported; in a suite file it is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from promptops.core.checks.text import OPERATORS
from promptops.core.digest import canonical
from promptops.core.errors import Invalid
from promptops.core.model import Json
from promptops.core.suite.checks.table import KINDS
from promptops.core.suite.judge import Judge
from promptops.core.suite.suite import PASS_AT, Check
from promptops.source.app_file import Pin
from promptops.source.suites.judges import LLM_KEYS, is_github, llm_problem, read_github, read_llm
from promptops.source.text.fields import Fields
from promptops.source.text.findings import Near, short

STRING, LLM, USES, PYTHON = "string", "llm", "uses", "python"
ALL = (STRING, LLM, USES, *KINDS, PYTHON)
_MOST = 64 << 20  # bytes, far above one case or check
_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a check is called in a file, the codes of what is wrong with it, and whether other keys are errors."""

    word: str
    unknown: str
    invalid: str
    strict: bool


EVALUATOR = Dialect(word="evaluator", unknown="evaluator-unknown", invalid="evaluator-invalid", strict=False)
CHECK = Dialect(word="check", unknown="check-unknown", invalid="check-invalid", strict=True)


def read_check(fields: Fields, judges: Mapping[str, Pin], dialect: Dialect) -> Check | None:
    """Reads one check. One that cannot run is kept and reported; None if it has no digest, a finding by itself."""
    if not is_sound(fields):
        return None
    kinds = [kind for kind in ALL if kind in fields.value]
    pass_at = _pass_at(fields)
    reader = _Reader(fields=fields, judges=judges, dialect=dialect, pass_at=pass_at)
    if not kinds:
        return reader.unknown()
    if dialect.strict:
        fields.refuse_unknown(("name", "passAt", *kinds, *(("modelId",) if kinds[0] == USES else ())))
        if len(kinds) > 1:
            fields.add(dialect.invalid, kinds[1], f"a check is of one kind, and this one has {' and '.join(kinds)}")
    return reader.read(kinds[0])


def read_checks(
    fields: Fields, key: str, judges: Mapping[str, Pin], dialect: Dialect
) -> Iterator[tuple[Fields, Check]]:
    """Reads a list of checks; yields each with its place."""
    for item in fields.each(key):
        check = read_check(item, judges, dialect)
        if check is not None:
            yield item, check


def is_sound(fields: Fields) -> bool:
    """Returns whether a mapping has a digest. If not, because of a NUL for example, the file has a finding already."""
    if not fields.document.problems:
        return True
    try:
        canonical(fields.value, limit=_MOST)
    except Invalid:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads one mapping as a check."""

    fields: Fields
    judges: Mapping[str, Pin]
    dialect: Dialect
    pass_at: float | None

    @property
    def label(self) -> str:
        name = self.fields.value.get("name")
        return name if isinstance(name, str) else ""

    def read(self, kind: str) -> Check:
        value = self.fields.value[kind]
        if kind == STRING:
            return self._string(value)
        if kind == LLM:
            return self._llm(value)
        if kind == USES:
            return self._uses(value)
        if kind == PYTHON:
            fits = isinstance(value, str) and _FUNCTION.fullmatch(value)
            return self._check(kind, value, "" if fits else "'python' must be module:function", at=kind)
        wanted = _written(self.fields, kind) if kind in OPERATORS else value
        return self._check(kind, wanted, KINDS[kind].problem(wanted), at=kind)

    def unknown(self) -> Check:
        """Keeps and reports a check of no known kind."""
        others = [key for key in self.fields.value if key not in ("name", "passAt")]
        keys = ", ".join(others) or "nothing"
        hint = Near(others[0], ALL, "The kinds are") if others else ""
        message = f"{self.dialect.word} '{short(self.label)}' is of no known kind ({short(keys)}); it cannot be run"
        self.fields.add(self.dialect.unknown, None, message, hint)
        return self._kept("unknown", dict(self.fields.value), flaw=f"no known kind ({keys})")

    def _string(self, value: Json) -> Check:
        inner = self.fields.fields(STRING) if isinstance(value, Mapping) else None
        if inner is None:
            return self._check(STRING, value, "'string' must be a mapping", at=STRING)
        operators = [operator for operator in OPERATORS if inner.value.get(operator) not in (None, "")]
        if not operators:
            return self._check(STRING, value, f"'string' has none of {', '.join(OPERATORS)}", at=STRING)
        if self.dialect.strict:
            inner.refuse_unknown(OPERATORS)
        first = operators[0]
        if len(operators) > 1:
            message = f"only '{first}' counts, not {' and '.join(operators[1:])}"
            inner.add_at_key("string-operators", operators[1], message, f"Make one {self.dialect.word} of each.")
        wanted = _written(inner, first)
        return self._check(first, wanted, KINDS[first].problem(wanted), at=STRING)

    def _llm(self, value: Json) -> Check:
        problem = llm_problem(value)
        inner = None if problem else self.fields.fields(LLM)
        if inner is None:
            return self._check(LLM, value, problem, at=LLM)
        if self.dialect.strict:
            inner.refuse_unknown(LLM_KEYS)
        return self._kept(LLM, None, judge=read_llm(inner, self.judges, has_pass_at=self.pass_at is not None))

    def _uses(self, value: Json) -> Check:
        if not isinstance(value, str):
            return self._check(USES, value, "'uses' must be text", at=USES)
        if is_github(value):
            judge = read_github(self.fields, value, self.judges)
            return self._kept(value, None, judge=judge, flaw="" if judge else f"no model judges '{value}'")
        message = f"{self.dialect.word} '{short(self.label)}' uses '{value[:80]}', which promptops does not have"
        self.fields.add(self.dialect.unknown, USES, message)
        return self._kept(USES, value, flaw=f"promptops does not have '{value}'")

    def _check(self, kind: str, wanted: Json, problem: str, *, at: str) -> Check:
        """Returns a check that needs no judge, and reports its problem if it has one."""
        if problem:
            message = f"{self.dialect.word} '{short(self.label)}' cannot be run: {problem}"
            self.fields.add(self.dialect.invalid, at, message)
        return self._kept(kind, wanted, flaw=problem)

    def _kept(self, kind: str, wanted: Json, *, judge: Judge | None = None, flaw: str = "") -> Check:
        pass_at = PASS_AT if self.pass_at is None else self.pass_at
        return Check(name=self.label or kind, kind=kind, wanted=wanted, judge=judge, pass_at=pass_at, flaw=flaw)


def _written(fields: Fields, key: str) -> Json:
    value = fields.value[key]
    return fields.written(key) if type(value) in (bool, int, float) else value


def _pass_at(fields: Fields) -> float | None:
    value = fields.value.get("passAt")
    if value is None or (type(value) in (int, float) and 0 < value <= 1):  # type: ignore[operator]
        return value  # type: ignore[return-value]
    fields.add("wrong-value", "passAt", "'passAt' must be a number above 0, at most 1")
    return None
