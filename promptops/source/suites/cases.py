"""Reads a case. It looks the same in ``testData``, in a suite file, in a line of JSON and in a row of CSV.

``expected``, ``id``, ``cluster``, ``tags``, ``labels`` and ``checks`` are the case's own, all other keys are variables.
A key that a prompt or a check uses as a variable is one, whatever its name; only ``expected`` is always the answer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from promptops.core.model import Json
from promptops.core.suite.fill import names_in
from promptops.core.suite.suite import Case, Check
from promptops.source.app_file import Pin
from promptops.source.suites.case_media import CaseFiles
from promptops.source.suites.checks import CHECK, is_sound, read_checks
from promptops.source.suites.judges import unknown_variables
from promptops.source.text.fields import Fields
from promptops.source.text.findings import Near

EXPECTED = "expected"
OWN_KEYS = ("id", "cluster", "tags", "labels", "checks")
JUDGED = ("input", "context")
"""Variables that GitHub's evaluators take where a case has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReader:
    """Reads the cases of one suite. ``inputs`` are the variables of its prompts, ``named`` those that its checks use.

    ``known`` are all keys that a case of a suite file may have; a case has checks of its own only there. It is None for
    ``testData``, which other tools read too. ``aliases`` are other names of variables, ``media`` those of files.
    """

    inputs: Collection[str]
    named: Collection[str] = ()
    known: Collection[str] | None = None
    judges: Mapping[str, Pin] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    media: CaseFiles = field(default_factory=CaseFiles)

    @classmethod
    def of_suite_file(
        cls, inputs: Collection[str], named: Collection[str], judges: Mapping[str, Pin], media: CaseFiles
    ) -> CaseReader:
        """Returns the reader of a suite file's cases."""
        used = set(named) - {"completion"}  # which a judge's prompt names, and no case has
        known = dict.fromkeys((*sorted({*inputs, *used, *JUDGED}), EXPECTED, *OWN_KEYS))
        return cls(inputs=inputs, named=named, known=known, judges=judges, media=media)

    def read(self, fields: Fields) -> Case | None:
        """Reads a case; None if it has no digest, of which the file has a finding already."""
        if not is_sound(fields):
            return None
        own = [key for key in OWN_KEYS if key in fields.value and self._is_own(key, fields.value[key])]
        variables = {key: value for key, value in fields.value.items() if key != EXPECTED and key not in own}
        if self.aliases:
            variables = {self.aliases.get(key, key): value for key, value in variables.items()}
        if self.known is not None:
            _refuse_unknown(fields, variables, self.known)
        expected = _text(fields.value.get(EXPECTED))
        files = self._files(fields, variables) if self.media.kinds else {}
        if not own:
            return Case(variables=variables, expected=expected, files=files)
        return Case(
            variables=variables,
            expected=expected,
            files=files,
            given_id=_label(fields, "id") if "id" in own else "",
            cluster=_label(fields, "cluster") if "cluster" in own else "",
            tags=fields.texts("tags") or () if "tags" in own else (),
            labels=_labels(fields) if "labels" in own else {},
            checks=self._checks(fields, variables) if "checks" in own else (),
        )

    def _files(self, fields: Fields, variables: dict[str, Json]) -> dict[str, str]:
        """Returns the bytes of variables that are an image and the like, and puts their digests among the variables."""
        files: dict[str, str] = {}
        for name, kind in self.media.kinds.items():
            if variables.get(name) is None or name not in fields.value:
                continue
            value = self.media.read(fields, name, kind)
            if value is not None:
                variables[name] = value.described()
                if value.data is not None:
                    files[name] = base64.b64encode(value.data).decode("ascii")
        return files

    def _is_own(self, key: str, value: Json) -> bool:
        if key in self.inputs or key in self.named:
            return False
        return self.known is not None or _fits(key, value)

    def _checks(self, fields: Fields, variables: Collection[str]) -> tuple[Check, ...]:
        checks = []
        for item, check in read_checks(fields, "checks", self.judges, CHECK):
            if check.judge is not None:
                unknown_variables(item, {*self.inputs, *variables})
            checks.append(check)
        return tuple(checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRules:
    """How cases of a suite are read from a file: by a reader, and by the variables whose cells are JSON, or text."""

    reader: CaseReader
    typed: Collection[str]
    texts: Collection[str]


def _fits(key: str, value: Json) -> bool:
    """Returns whether a value of test data is what this key means here. If not, it is a variable as it always was."""
    if key in ("id", "cluster"):
        return isinstance(value, str | int | float)
    if key == "tags":
        return isinstance(value, str) or (isinstance(value, list) and all(isinstance(tag, str) for tag in value))
    return key == "labels" and isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())


def _refuse_unknown(fields: Fields, variables: Collection[str], known: Collection[str]) -> None:
    unknown = [key for key in variables if key not in known]
    named = names_in(fields.value.get("checks")) if unknown else ()
    for key in unknown:
        if key not in named:
            message = f"'{key[:80]}' is no key of a case, and no prompt or check of this suite uses such a variable"
            fields.add_at_key("unknown-setting", key, message, Near(key, known, "A case has"))


def _text(value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _label(fields: Fields, key: str) -> str:
    """Returns the text at a key; a number as it is written."""
    value = fields.value.get(key)
    if type(value) in (int, float) and fields.document.root is None:  # JSON, where a number has one way to be written
        return str(value)
    return fields.written(key) or ""


def _labels(fields: Fields) -> dict[str, str]:
    labels = fields.fields("labels")
    return {key: text for key in labels.value if (text := labels.written(key)) is not None} if labels else {}
