"""Labels: what people said of single answers, beside what a judge said of them; the table of evidence about a judge.

Answers are drawn from a run, in an order that its id fixes, and a person passes or fails each one blind. The table has
digests and ids and no texts: ``{"schema": "promptops.labels/1", "labels": […]}``, canonical JSON in zlib.

An answer that the person skipped stays in the table. Who skips chooses, so it counts as if the judge erred.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from promptops.core.digest import canonical, digest, parse_canonical
from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import LONGEST_ID, MAX_REPEATS
from promptops.core.evidence.run import is_digest, is_run_id
from promptops.core.evidence.table_bytes import MAX_BYTES, MAX_COMPRESSED, inflated
from promptops.core.json_codec import from_json, to_json
from promptops.core.model import Json
from promptops.core.statistics.judges import Labelled

SCHEMA: Final = "promptops.labels/1"
MOST_LABELS: Final = 20_000
"""Labels of one piece of evidence: more than people give."""

Place = tuple[str, str, str, str, int, str]
"""What no two labels of a table share: run, suite, prompt, case, repeat, answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a person (``good``) and all judges of the case together (``passed``) said of one answer.

    ``answer`` is :func:`answer_digest`. ``good`` is None for an answer that was drawn and skipped, ``passed`` None
    where a judge gave no verdict. ``run`` is the run whose candidate gave the answer; empty for the answer that a case
    of a suite expects, which its author labelled. ``by`` is who labelled it, as an actor.
    """

    suite: str
    prompt: str
    case: str
    answer: str
    good: bool | None
    passed: bool | None
    run: str = ""
    repeat: int = 1
    by: str = ""

    def __post_init__(self) -> None:
        """Raises Invalid: it lacks a name, or a part has another form."""
        texts = (self.suite, self.prompt, self.case, self.by or "-")
        if not all(texts) or max(map(len, texts)) > LONGEST_ID:
            raise Invalid(f"a label has names of 1 to {LONGEST_ID} characters")
        if not is_digest(self.answer) or (self.run and not is_run_id(self.run)):
            raise Invalid(f"the label of {self.case[:80]} has a digest or a run that cannot be")
        if not 1 <= self.repeat <= MAX_REPEATS or (self.run and not self.by) or (not self.run and self.good is None):
            raise Invalid(f"the label of {self.case[:80]} does not say who gave it, or of which answer")

    @property
    def place(self) -> Place:
        return self.run, self.suite, self.prompt, self.case, self.repeat, self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of one piece of evidence, in the order of their places. ``replayed``: what the judge said was read
    from recordings, which a person can edit.
    """

    labels: tuple[Label, ...]
    replayed: bool = False

    def __post_init__(self) -> None:
        """Raises Invalid: there are none or too many, or an answer is there twice."""
        if not 1 <= len(self.labels) <= MOST_LABELS:
            raise Invalid(f"evidence about a judge has 1 to {MOST_LABELS:,} labels")
        if len({label.place for label in self.labels}) < len(self.labels):
            raise Invalid("an answer is labelled twice in one table")
        object.__setattr__(self, "labels", tuple(sorted(self.labels, key=lambda label: label.place)))


def answer_digest(text: str, tool_calls: Sequence[object] = ()) -> str:
    """Returns the digest of an answer, by which a label knows it."""
    return digest(json.dumps([text, list(tool_calls)], sort_keys=True).encode())


def tally(labels: Iterable[Label]) -> Labelled:
    """Counts labels. A skipped answer is bad where the judge passed it, and good where it failed it."""
    good = good_passed = bad = bad_failed = skipped = 0
    for label in labels:
        skipped += label.good is None
        if label.good or (label.good is None and label.passed is False):
            good += 1
            good_passed += bool(label.good) and label.passed is True
        else:
            bad += 1
            bad_failed += label.good is False and label.passed is False
    return Labelled(good=good, good_passed=good_passed, bad=bad, bad_failed=bad_failed, skipped=skipped)


def merged(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Returns each answer once, of labels in the order in which they were recorded.

    The judge's first verdict stands. A skipped answer may still be labelled; where people disagree, it counts as
    skipped, whatever is said later. So no person labels an answer, or asks a judge, until it fits.
    """
    found: dict[Place, Label] = {}
    disputed: set[Place] = set()
    for label in labels:
        known = found.setdefault(label.place, label)
        if known.good is None and label.good is not None and label.place not in disputed:
            found[label.place] = replace(label, passed=known.passed)
        elif label.good is not None and known.good is not None and label.good != known.good:
            found[label.place] = replace(known, good=None)
            disputed.add(label.place)
    return tuple(found.values())


def encode_labels(labels: Labels) -> bytes:
    """Returns the bytes of a table of labels.

    Raises:
        Invalid: it is over the limits.
    """
    document: dict[str, Json] = {"schema": SCHEMA, "labels": [to_json(label) for label in labels.labels]}
    if labels.replayed:
        document["replayed"] = True
    data = zlib.compress(canonical(document, limit=MAX_BYTES), 9)
    if len(data) > MAX_COMPRESSED:
        raise Invalid(f"the labels are {len(data):,} bytes, over the limit of {MAX_COMPRESSED:,}")
    return data


def decode_labels(data: bytes) -> Labels:
    """Reads what :func:`encode_labels` wrote.

    Raises:
        Invalid: it is damaged, over the limits, or no table of labels.
    """
    document = parse_canonical(inflated(data, "table of labels"), limit=MAX_BYTES)
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise Invalid(f"not a table of the schema {SCHEMA}", hint="A newer promptops may have written it.")
    try:
        return from_json(Labels, {name: value for name, value in document.items() if name != "schema"}, "labels")
    except ValueError as error:
        raise Invalid(f"the table of labels is damaged: {error}") from error
