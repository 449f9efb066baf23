"""Asks a registry again and again, for commands with `--watch`.

The rules it keeps: asking takes a tenth of the time at most, of this process and of the server; and a registry that
does not answer ends nothing, once it has answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from promptops.core.backoff import backoff
from promptops.core.errors import DeadlineExceeded, RegistryUnavailable, TooManyRequests, Unavailable

T = TypeVar("T")

EVERY: Final = 2.0
"""Seconds between two questions: short beside the minute in which a server looks, and the seconds of a report."""
SHARE: Final = 9.0
"""So many times as long as an answer took is waited for the next one: a canary with many keys is asked less often."""
LONGEST: Final = 60.0
"""Seconds after which a registry that does not answer is asked again at the latest."""
SECONDS: Final = 20.0
"""Seconds that one answer of a server may take, before the screen says that it does not answer. A server waits 10 s for
its database at most, so that its error arrives."""


def answers(
    ask: Callable[[], T],
    away: Callable[[Unavailable, float], None],
    *,
    wait: Callable[[float], None],
    clock: Callable[[], float],
    is_last: Callable[[T], bool] = lambda answer: False,
) -> Iterator[tuple[T, float]]:
    """Yields each answer with the seconds to the next question, up to the last one, which ``is_last`` knows.

    ``away`` is called where no answer came.

    Raises:
        PromptopsError: the first question has no answer; or a later one gets another error than that of a registry
            that is away.
    """
    answered, failures = False, 0
    while True:
        began = clock()
        try:
            answer = ask()
        except (RegistryUnavailable, DeadlineExceeded, TooManyRequests) as error:
            if not answered:
                raise
            failures += 1
            pause = backoff(failures, first=EVERY, longest=LONGEST, least=0.5)
            pause = max(pause, error.retry_after) if isinstance(error, TooManyRequests) else pause
            away(error, pause)
        else:
            if is_last(answer):
                yield answer, 0.0
                return
            answered, failures = True, 0
            pause = min(max(EVERY, SHARE * (clock() - began)), LONGEST)
            yield answer, pause
        wait(pause)
