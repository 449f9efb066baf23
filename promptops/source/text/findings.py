"""The findings of `promptops check`: one table of their codes, and the report that collects those of one file.

A finding has an offset into the file's text until the report is finished. Lines and columns are counted only then,
because most files have no findings.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice

from promptops.core.finding import Finding, Severity
from promptops.source.text.covering import Covering, Suppression
from promptops.source.text.strict_yaml import MAX_PROBLEMS

MAX_PER_CODE = 25
"""Findings of one code that are shown of a file: enough to mend it. One more says how many were left out."""

MAX_KEPT = MAX_PROBLEMS
"""Findings of one code that are kept of a file, so that a hostile file cannot fill the memory. Suppressions do not
cover later ones."""

_MOST_QUOTED = 80  # characters of a value that a message quotes: enough to recognise it
_QUOTED = re.compile(r"""(?<!\w)(['"])(?:(?!\1).){81,}\1(?!\w)|(`)[^`]{81,}`|\S{120,}""")
"""A value in a message that no caller cut: those of Jinja, JSON Schema and YAML are part of messages as they are."""
_LISTED = 50  # known names in a hint, so that it stays readable
# Comparing names costs their lengths multiplied, for each known name: longer words and lists get no suggestion.
_MAX_WORD = 100
_MAX_KNOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The severity and the meaning of a code. A ``fixed`` one cannot be suppressed: the file could not be released."""

    severity: Severity
    meaning: str
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Near:
    """A hint that is worded when it is shown: ``Did you mean 'temperature'?``, or a list of the known names.

    Searching for a similar name is slow, and most findings beyond the first few are never shown.
    """

    word: str
    known: Collection[str]
    listed: str = ""
    otherwise: str = ""
    also: str = ""

    def __str__(self) -> str:
        suggestion = near(self.word, self.known)
        if suggestion or not self.listed:
            return f"{suggestion} {self.also}".rstrip() if suggestion else self.otherwise
        more = " …" if len(self.known) > _LISTED else ""
        return f"{self.listed}: {', '.join(islice(self.known, _LISTED))}{more}."


def _error(meaning: str, *, fixed: bool = True) -> Rule:
    return Rule(severity=Severity.ERROR, meaning=meaning, fixed=fixed)


def _warning(meaning: str) -> Rule:
    return Rule(severity=Severity.WARNING, meaning=meaning)


def _info(meaning: str) -> Rule:
    return Rule(severity=Severity.INFO, meaning=meaning)


RULES: dict[str, Rule] = {
    # files
    "file-too-large": _error("The file is over 256 KiB."),
    "file-unreadable": _error("The file cannot be read."),
    "not-a-file": _error("A link, a submodule, a device, or a name that is not UTF-8, where a source file belongs."),
    "not-utf8": _error("The file is not UTF-8 text."),
    "lfs-pointer": _error("The file is a Git LFS pointer, not the text itself."),
    "file-missing": _error("A file that a part of a message names is not in the app's files/ folder."),
    "file-uncommitted": _warning("A file that a part of a message names and git does not have; a release lacks it."),
    "embedded-too-large": _error("Files in messages that are over 512 KiB together."),
    "media-type": _error("Bytes of a part of a message that are not of its type, or of none that is known."),
    "nul-character": _error("A NUL character, which no database keeps."),
    # YAML and JSON
    "yaml-syntax": _error("The file is not YAML."),
    "yaml-alias": _error("An alias (`*name`) or a node used twice."),
    "yaml-merge": _error("A merge key (`<<`)."),
    "yaml-tag": _error("An explicit tag (`!!python/object`, `!!int` …)."),
    "duplicate-key": _error("One key twice in a mapping."),
    "key-not-text": _error("A key that YAML reads as something else than text: `no:`, `1:`, `null:`, `{{x}}`."),
    "number-range": _error("A number that is not finite or is 2^53 or more in magnitude."),
    "too-deep": _error("Mappings and lists nested too deeply."),
    "too-many-values": _error("A file with over 10,000 keys and values."),
    "json-syntax": _error("A JSON string that is not strict JSON."),
    # shape
    "other-format": _error("A prompt file of another tool, such as Copilot in VS Code."),
    "wrong-type": _error("A value of the wrong type."),
    "wrong-value": _error("A value outside of what is allowed."),
    "missing-key": _error("A key that must be there is not."),
    "unknown-key": _warning("Unknown keys of a prompt file; they stay out of the release."),
    "unknown-setting": _error("An unknown key of promptops.yml, app.yml or a suite file."),
    "name-invalid": _error("A name that is not safe as a file, a git ref and a URL."),
    "name-taken": _error(
        "Two apps, prompts, partials, tools or suites of one name, without regard to case, or a placeholder with the "
        "name of another variable."
    ),
    "app-missing": _error("`apps` of promptops.yml names a folder that holds no app."),
    "no-prompts": _error("An app without a prompt file."),
    "prompt-outside": _warning("A prompt file beside an app's prompts/ folder; it is not part of the app."),
    "content-too-large": _error("The app's content is over 1 MiB."),
    "unloadable": _error(
        "No client could load the app: it is larger than a release may be, or needs something that no client has."
    ),
    "policy-invalid": _error(
        "A channel's policy names a channel that is not declared, goes round in a circle, or has a wrong setting."
    ),
    "notify-invalid": _error("A receiver of notifications has a wrong setting, or a URL that none may have."),
    "rollout-hours": _warning("A rollout may be over within a day, so some hours are seen by no step."),
    # model and parameters
    "unknown-pin": _error("`model` is neither a pin of app.yml nor provider/model."),
    "model-missing": _warning("The prompt names no model, so the application has to choose one."),
    "model-without-provider": _warning("`model` names no provider."),
    "floating-model": _warning("A model id without a date or snapshot: the provider can change the model at any time."),
    "model-ends": _warning("A model that ends within 60 days, or has ended, as its provider announced."),
    "unused-pin": _warning("A pin of app.yml that no prompt uses."),
    "unused-model": _warning("A model of promptops.yml that no pin and no prompt names."),
    "unknown-parameter": _warning("An unknown model parameter; it stays out of the release."),
    "parameter-in-extra": _warning("A field of `extra` that has a parameter of its own, by which it is known."),
    "tag-in-parameter": _warning("`{{ name }}` in a parameter of a model: it is sent as it stands."),
    "parameter-twice": _error("One parameter in both spellings, camelCase and snake_case."),
    "tool-not-taken": _error(
        "A tool that the API of the model's provider does not have. Suppressed, the call refuses it.", fixed=False
    ),
    "parameter-not-taken": _error(
        "A parameter that the API of the model's provider does not take. Suppressed, the call refuses it.", fixed=False
    ),
    "part-not-taken": _error(
        "A part of a message that no API of the model's provider takes. Suppressed, the call refuses it.", fixed=False
    ),
    "request-refused": _error(
        "A request that the API of the model's provider refuses, as the page in the hint says. Suppressed, it is sent.",
        fixed=False,
    ),
    "request-doubtful": _warning("A request that the API refuses or not, by what is not known before the call."),
    # templates
    "unknown-tag": _error("Text that looks like a tag but is not one. Suppressed, it is literal text.", fixed=False),
    "dollar-tag": _warning("`${{ name }}` without a declared input: it is literal, as in GitHub's tools."),
    "fstring-placeholder": _warning("`{name}`, `{0}` or `%(name)s` in a message: no template fills it in."),
    "field-ruled-out": _error("`{{ customer.nam }}` where the schema of the input `customer` rules out the field."),
    "field-of-text": _warning("`{{ customer.name }}` where the input `customer` is declared as text."),
    "template-invalid": _error("A Jinja template outside of what is allowed."),
    "partial-missing": _error("A partial that is not in the app's partials/ folder."),
    "partial-cycle": _error("A partial that includes itself, or partials nested too deeply."),
    "prompt-too-large": _error("A message of over 256 KiB once its partials are in it."),
    "unused-partial": _warning("A partial that no prompt uses."),
    "unused-variable": _warning("An input that no message uses."),
    "app-vanished": Rule(
        severity=Severity.WARNING, meaning="An app that the last commit has, and the files have not.", fixed=True
    ),
    "types-behind": _warning("A module that `promptops types` wrote, of prompts that were changed since."),
    # schemas and suites
    "schema-invalid": _error("Not a JSON Schema, one that cannot be evaluated, or a default that does not fit it."),
    "json-schema-missing": _error("`responseFormat: json_schema` without a `jsonSchema`."),
    "json-schema-unused": _warning("A `jsonSchema` without `responseFormat: json_schema`."),
    "evaluator-unknown": _info("An evaluator of a kind that promptops cannot run; it is kept."),
    "evaluator-invalid": _warning("An evaluator of a known kind that cannot be run as it is written."),
    "string-operators": _warning("Several operators in one `string` evaluator, of which only the first counts."),
    "github-unknown": _warning("`uses: github/…` names an evaluator that does not exist."),
    "judge-missing": _info("`uses: github/…` without a model that judges; it is kept, and cannot be run."),
    "judge-variable": _warning("The prompt of a judge has a variable that no case has a value for."),
    "ambiguous-choices": _warning("Choices of a judge of which one answer may name two."),
    "pass-at-missing": _warning("A judge with more than two scores, and no `passAt` that says which of them pass."),
    "similar-cases": _warning("Cases that are alike, or share a document or a conversation, and name no `cluster`."),
    "duplicate-case": _error("Two cases of one suite with the same id, or without ids and with the same variables."),
    "case-incomplete": _error("A case without a variable that the prompt requires."),
    "case-unfit": _error("A case with a value that the prompt refuses."),
    "case-unchecked": _error("A case of a suite file that no check judges."),
    "suite-empty": _error("A suite file without a case."),
    "check-unknown": _error(
        "A check of a suite file, or of `checks` in a prompt file, of a kind that does not exist there."
    ),
    "check-invalid": _error(
        "A check of a suite file, or of `checks` in a prompt file, that cannot be run as it is written."
    ),
    # what should not be in a prompt
    "secret": _error("A key, token or password.", fixed=False),
    "control-character": _error("A control character other than newline and tab.", fixed=False),
    "bidi-character": _error(
        "A bidirectional control character: the text is not in the order it is shown in.", fixed=False
    ),
    "tag-character": _error(
        "A Unicode tag character outside of the flags of England, Scotland and Wales: text that a model reads and"
        " a person cannot see.",
        fixed=False,
    ),
    "invisible-character": _warning(
        "A character that a person cannot see: zero width, filler, soft hyphen, line separator, a variation selector"
        " that changes nothing."
    ),
    "strange-character": _warning("A private or unassigned character, or more marks on one letter than it bears."),
    # suppressions
    "suppression-invalid": _error("A suppression without a code that exists, or without a reason."),
    "suppression-unused": _warning("A suppression that matches nothing."),
}
"""Every code, in the order of the documentation."""


class Report:
    """The findings of one file. ``escaped`` are texts that the file holds only as escapes, with their offsets.

    ``suites`` are the parts of the text that belong to the prompt's suite, begin and end, in order. The suite is not
    part of the release, so an error there is a warning that can be suppressed; a secret stays an error.
    """

    __slots__ = ("_count", "_found", "_newlines", "escaped", "path", "suites", "suppressions", "text")

    def __init__(self, path: str, text: str = "") -> None:
        self.path = path
        self.text = text
        self.escaped: Sequence[tuple[int, str]] = ()
        self.suppressions: Sequence[Suppression] = ()
        self.suites: Sequence[tuple[int, int]] = ()
        self._count: Counter[str] = Counter()
        self._found: dict[tuple[str, int, str], str | Near] = {}
        self._newlines: array[int] | None = None

    def __bool__(self) -> bool:
        """True if the report has findings or suppressions."""
        return bool(self._found) or bool(self.suppressions)

    def add(self, code: str, offset: int, message: str, hint: str | Near = "") -> None:
        self._count[code] += 1
        if self._count[code] <= MAX_KEPT:
            self._found.setdefault((code, offset, message), hint)

    def has_room(self, code: str) -> bool:
        """Returns whether one more finding of the code would be kept; if not, counts it, in place of :meth:`add`."""
        full = self._count[code] >= MAX_KEPT
        self._count[code] += full
        return not full

    def line(self, offset: int) -> int:
        """Returns the line of an offset, from 1."""
        if self._newlines is None:
            self._newlines = array("l", (match.start() for match in re.finditer("\n", self.text)))
        return bisect_left(self._newlines, offset) + 1

    def findings(self, *, lint: bool) -> list[Finding]:
        """Returns the findings that no suppression covers, in the order of the file.

        ``lint`` adds a finding for each suppression that covers none.
        """
        covering = Covering(self.suppressions)
        shown: Counter[str] = Counter()
        result = []
        for (code, offset, message), hint in sorted(self._found.items(), key=lambda found: found[0][1]):
            suppressible = self.suppressions and (not RULES[code].fixed or self._is_suite(code, offset))
            if suppressible and covering.takes(code, self.line(offset)):
                continue
            shown[code] += 1
            if shown[code] <= MAX_PER_CODE:
                result.append(self._finding(code, offset, message, str(hint)))
        for code in self._count:
            count = shown[code] + max(self._count[code] - MAX_KEPT, 0)
            if count > MAX_PER_CODE:
                left = f"{count - MAX_PER_CODE} more of '{code}' in this file are not shown"
                result.append(self._finding(code, len(self.text), left))
        return result + (self._unused(covering.used) if lint else [])

    def _is_suite(self, code: str, offset: int) -> bool:
        index = bisect_right(self.suites, (offset, len(self.text) + 1)) - 1
        return code != "secret" and index >= 0 and offset < self.suites[index][1]

    def _unused(self, used: set[int]) -> list[Finding]:
        result: list[Finding] = []
        for suppression in self.suppressions:
            if suppression.offset not in used and len(result) < MAX_PER_CODE:
                listed = ", ".join(suppression.codes)[:200]
                fixed = any(RULES[code].fixed for code in suppression.codes)
                hint = f"'{listed}' cannot be suppressed." if fixed else "Remove it."
                result.append(
                    self._finding("suppression-unused", suppression.offset, f"nothing to ignore for '{listed}'", hint)
                )
        return result

    def _finding(self, code: str, offset: int, message: str, hint: str = "") -> Finding:
        if len(message) > _MOST_QUOTED:
            message = _QUOTED.sub(_cut, message)
        severity = RULES[code].severity
        if severity is Severity.ERROR and self._is_suite(code, offset):
            severity = Severity.WARNING
        return Finding(
            code=code,
            severity=severity,
            path=self.path,
            line=self.line(offset),
            column=offset - self.text.rfind("\n", 0, offset),
            message=message,
            hint=hint,
        )


def _cut(match: re.Match[str]) -> str:
    return f"{match[0][: _MOST_QUOTED - 1]}…{match[1] or match[2] or ''}"


def short(text: str) -> str:
    """Returns a text of a file as a message quotes it: one line, cut at 80 characters."""
    line = " ".join(text[: _MOST_QUOTED + 1].split())
    return line if len(text) <= _MOST_QUOTED else f"{line[: _MOST_QUOTED - 1]}…"


def near(word: str, known: Collection[str]) -> str:
    """Returns ``Did you mean 'temperature'?`` if a known name is similar, else an empty string."""
    if len(word) > _MAX_WORD or len(known) > _MAX_KNOWN:
        return ""
    return _near(word, tuple(known))


@lru_cache(maxsize=512)  # a wrong key is often in every file of a folder
def _near(word: str, known: tuple[str, ...]) -> str:
    by_shape = {_shape(name): name for name in known}
    matches = get_close_matches(_shape(word), by_shape, n=1, cutoff=0.72)
    return f"Did you mean '{by_shape[matches[0]]}'?" if matches else ""


def _shape(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
