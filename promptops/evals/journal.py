"""The journal of a run: one line of JSON for each answered request, appended as it arrives.

A run that was killed goes on from here: what is in the journal is not asked again. A torn last line is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from promptops.core.errors import Conflict
from promptops.evals.response import Response, from_json, to_json
from promptops.files import take_lock

Key: TypeAlias = tuple[str, str, str, int, str]
"""What a line is about: suite, prompt, id of the case, repeat (0 for a judge's answer), digest of the request."""


class Journal:
    """The answers of a run, in memory and in a file. Safe for several threads, and for one process."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it, and reads what it has.

        Raises:
            Conflict: another process is running this run.
            OSError: the file cannot be read or written.
        """
        self._lock = Lock()
        self._file = open(path, "a+b")  # noqa: SIM115 open for as long as the journal is
        try:
            take_lock(self._file.fileno(), seconds=0)
            self._answers = dict(read_lines(path))
            _cut_torn_line(self._file.fileno(), path)
        except TimeoutError as error:
            self._file.close()
            raise Conflict(f"{path.parent.name} is being run by another process") from error
        except BaseException:
            self._file.close()
            raise

    @property
    def answers(self) -> Mapping[Key, Response]:
        """All answers so far."""
        return self._answers

    def get(self, key: Key) -> Response | None:
        """Returns the answer of a request, if it has one."""
        return self._answers.get(key)

    def put(self, key: Key, response: Response) -> Response:
        """Keeps an answer; it is in the file when this returns. The first answer of a request stands, and is returned.

        An error is no answer, so a later answer takes its place.
        """
        line = json.dumps({"key": key, "response": to_json(response)}, ensure_ascii=False, separators=(",", ":"))
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            standing = self._answers.get(key)
            if standing is not None and not standing.error:
                return standing
            self._answers[key] = response
            if not self._file.closed:
                self._file.write(data)
                self._file.flush()
            return response

    def close(self) -> None:
        """Closes the file. What is put later is not written any more."""
        with self._lock:
            self._file.close()


def read_lines(path: Path) -> Iterator[tuple[Key, Response]]:
    """Yields the answers of a journal; lines that cannot be read are as if they were not there."""
    with open(path, "rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
                suite, prompt, case, repeat, request = entry["key"]
                yield (suite, prompt, case, repeat, request), from_json(entry["response"])
            except (ValueError, KeyError, TypeError, RecursionError):
                continue


def _cut_torn_line(handle: int, path: Path) -> None:
    """Cuts off what stands behind the last line break, or the next line would be torn too."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        os.ftruncate(handle, data.rfind(b"\n") + 1)
