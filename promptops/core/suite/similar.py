"""Finds cases that are not independent of each other: statistics over them would count one thing several times.

Two cases belong together if they share a document (a text of 15 words or more), if one's ``history`` is the beginning
of the other's, or if each has 0.8 of the other's word 5-grams. The time grows about as the text does: rare 5-grams lead
to the few cases that are worth comparing (the prefix filter of Chaudhuri, Ganti and Kaushik, 2006).
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from promptops.core.model import Json

SHARE = 0.8
WORDS = 5
DOCUMENT = 15
"""Words from which on a text is a document: longer than a name, a phrase or a setting that many cases have."""

_MOST_GRAMS = 1_000_000
"""5-grams of one suite that are compared: about 100 MB. Of more, a fixed share is taken, chosen by their hashes."""
_MOST_COMPARED = 10
"""Cases with the same rare 5-gram that a case is compared with, so that thousands of one template stay quick."""
_SINGLE = "\u3040-\u30ff\u3400-\u9fff"  # kana and Chinese characters, which no spaces part: each is a word
_WORD = re.compile(rf"[{_SINGLE}]|[^\s{_SINGLE}]+")


def groups_of_similar(cases: Sequence[Mapping[str, Json]]) -> list[list[int]]:
    """Returns the groups of two or more cases that belong together, by their variables. Indices are in order."""
    joined = _Groups(len(cases))
    if any("history" in variables for variables in cases):
        _join_histories(joined, cases)
    _join_texts(joined, [_texts(variables) for variables in cases])
    return joined.groups()


class _Groups:
    """Which cases belong together so far (union-find)."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def top(self, one: int) -> int:
        while self._above[one] != one:
            self._above[one] = one = self._above[self._above[one]]
        return one

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.top(one), self.top(other)))
        self._above[second] = first

    def groups(self) -> list[list[int]]:
        members: dict[int, list[int]] = {}
        for index in range(len(self._above)):
            members.setdefault(self.top(index), []).append(index)
        return [group for group in members.values() if len(group) > 1]


def _join_histories(joined: _Groups, cases: Sequence[Mapping[str, Json]]) -> None:
    whole: dict[Hashable, int] = {}
    for index, variables in enumerate(cases):
        for key in _beginnings(variables)[-1:]:
            whole.setdefault(key, index)
    for index, variables in enumerate(cases):
        for key in _beginnings(variables):
            if key in whole:
                joined.join(index, whole[key])


def _beginnings(variables: Mapping[str, Json]) -> list[Hashable]:
    """Returns a key for each beginning of a case's history, the whole one last."""
    history = variables.get("history")
    key: Hashable = None
    found: list[Hashable] = []
    for message in history if isinstance(history, list) else ():
        key = hash((key, json.dumps(message, sort_keys=True)))
        found.append(key)
    return found


def _join_texts(joined: _Groups, cases: Sequence[list[str]]) -> None:
    """Joins cases with the same document, and those with 5-grams in common."""
    numbers: dict[str, int] = {}
    first: dict[str, int] = {}
    grams: dict[str, frozenset[int]] = {}
    length = sum(map(len, itertools.chain.from_iterable(cases)))
    every = 1 + length // (5 * _MOST_GRAMS)  # a word has about five letters
    for index, texts in enumerate(cases):
        for text in texts:
            if text not in grams:  # many cases have the same plan, product or language
                words = [numbers.setdefault(word, len(numbers)) for word in _words(text.casefold())]
                grams[text] = _hashes(words, every)
                if len(words) >= DOCUMENT:
                    first[text] = index
            if text in first:
                joined.join(index, first[text])
    _join_grams(joined, [frozenset().union(*(grams[text] for text in texts)) for texts in cases])


def _words(text: str) -> list[str]:
    return text.split() if text.isascii() else _WORD.findall(text)


def _hashes(words: Sequence[int], every: int) -> frozenset[int]:
    """Returns the hashes of the 5-grams, or of a part of them. Words are numbers: so hashes are the same each time."""
    hashes = map(hash, zip(*(words[start:] for start in range(WORDS)), strict=False))
    return frozenset(hashes if every == 1 else (number for number in hashes if number % every == 0))


def _join_grams(joined: _Groups, grams: Sequence[frozenset[int]]) -> None:
    count = Counter(itertools.chain.from_iterable(grams))
    if len(count) == sum(map(len, grams)):  # nothing is shared
        return
    having: dict[int, list[int]] = {}
    for index, case in enumerate(grams):
        least = math.ceil(SHARE * len(case))
        shared = [gram for gram in case if count[gram] > 1]
        if len(shared) < max(least, 1):
            continue
        shared.sort(key=lambda gram: (count[gram], gram))
        # Of two cases that have enough in common, both have one of their rarest 5-grams in common.
        rarest = shared[: len(shared) - least + 1]
        for gram in rarest:
            for other in having.setdefault(gram, [])[-_MOST_COMPARED:]:
                if joined.top(other) != joined.top(index) and _alike(case, grams[other]):
                    joined.join(index, other)
            having[gram].append(index)


def _alike(one: frozenset[int], other: frozenset[int]) -> bool:
    larger = max(len(one), len(other))
    return min(len(one), len(other)) >= SHARE * larger and len(one & other) >= SHARE * larger


def _texts(value: Json) -> list[str]:
    found: list[str] = []
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, Mapping):
            pending += item.values()
        elif isinstance(item, Sequence):
            pending += item
    return found
