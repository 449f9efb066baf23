"""Recorded answers in a folder: the digest of a request -> what was answered, for runs without a network.

A folder has one file, `answers.jsonl`, in order of its digests, so that a new recording is a small difference in git.
A request that was asked several times has several answers, which differ in their repeat.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NoReturn

from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid, NotFound
from promptops.evals.journal import Key
from promptops.evals.request import Request
from promptops.evals.response import Response, from_json, to_json
from promptops.files import replace_file

FILE: Final = "answers.jsonl"
_READABLE: Final = 0o644  # recordings are committed


class Recordings:
    """Answers by the digest of their request and the repeat."""

    def __init__(self, answers: Mapping[tuple[str, int], Response], place: str) -> None:
        self._answers = answers
        self._place = place

    @classmethod
    def read(cls, folder: Path) -> Recordings:
        """Reads the recordings of a folder.

        Raises:
            NotFound: there are none. Invalid: a line is no recorded answer.
        """
        answers: dict[tuple[str, int], Response] = {}
        try:
            lines = (folder / FILE).read_bytes().splitlines()
        except OSError as error:
            raise NotFound(f"there are no recorded answers in {folder}: {error.strerror}") from error
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                answers[str(entry["request"]), int(entry["repeat"])] = from_json(entry["response"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise Invalid(f"{folder / FILE}, line {number} is no recorded answer") from error
        return cls(answers, str(folder))

    @classmethod
    def of(cls, journal: Iterable[tuple[Key, Response]], place: str) -> Recordings:
        """Returns the answers of a run as recordings."""
        return cls({(key[4], key[3]): response for key, response in journal if not response.error}, place)

    def get(self, request: Request, repeat: int) -> Response | None:
        """Returns what was answered to a request, if it was recorded."""
        return self._answers.get((request.digest, repeat))

    def refuse(self, request: Request, repeat: int) -> NoReturn:
        """Says that there is no answer to a request.

        Raises:
            NotFound: always.
        """
        raise NotFound(
            f"{self._place} has no answer to the request {request.digest[:19]}… of {request.model}"
            f"{f', repeat {repeat}' if repeat > 1 else ''}",
            hint=Sentence(
                "A prompt, case, judge or model was changed since they were recorded. Record them anew: ",
                option("record", "a recorded run", value="DIR"),
            ),
        )

    def write(self, folder: Path) -> None:
        """Writes all of them, in place of what the folder had.

        Raises:
            OSError: it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps({"request": digest, "repeat": repeat, "response": to_json(response)}, ensure_ascii=False)
            for (digest, repeat), response in sorted(self._answers.items(), key=lambda item: item[0])
        ]
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
        replace_file(folder / FILE, data, mode=_READABLE)
