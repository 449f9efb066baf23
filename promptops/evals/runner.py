"""Runs a plan: a pool of workers, each with connections of its own, and one place where rows arrive.

A worker takes a case with all its arms, asks them one after the other, and lets judges judge them: so the arms see the
same minutes of the same provider. Which arm goes first changes from case to case.
"""

from __future__ import annotations

import queue
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Final

from promptops.core.evidence.case_table import Arm
from promptops.core.suite.result import Result
from promptops.evals.answers import Answers, Found, OverBudget
from promptops.evals.caller import Caller, Pace, Stopped
from promptops.evals.grading import Graded, PythonCheck, grade, values_of
from promptops.evals.judge_desk import JudgeDesk
from promptops.evals.judging import judge_values
from promptops.evals.plan import Asked, Plan
from promptops.evals.pricing import cost
from promptops.evals.providers import Endpoint
from promptops.evals.response import REJECTED, Response

GRACE: Final = 10.0
"""Seconds that calls under way have after a run was interrupted."""

_POLL = 0.2  # seconds between two looks of the main thread, which signals interrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedRow:
    """One answer of one arm to one case, and what it is worth. ``case`` is its number in the plan."""

    case: int
    arm: Arm
    repeat: int
    response: Response
    graded: Graded
    cost_usd: float | None = None
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: units are cases with all their arms."""

    done: int
    of: int
    errors: int
    spent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """All rows of a run, in the order of the plan. ``ended`` says why it stopped before its end: ``interrupted``,
    ``deadline``, ``cost`` or ``error``; empty if it did not.
    """

    rows: tuple[GradedRow, ...]
    ended: str = ""
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How a run asks: where providers are, at which pace, and how many workers do it."""

    endpoints: Mapping[str, Endpoint]
    pace: Pace
    trust: ssl.SSLContext
    concurrency: int = 8
    functions: Mapping[str, PythonCheck] = field(default_factory=dict)


class Runner:
    """One run of a plan."""

    def __init__(
        self,
        plan: Plan,
        answers: Answers,
        workers: Workers,
        *,
        sink: Callable[[GradedRow], None] = lambda row: None,
        progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        """``sink`` gets each row as it arrives, from any thread; ``progress`` is called now and then from this one."""
        self._plan = plan
        self._answers = answers
        self._workers = workers
        self._sink = sink
        self._progress = progress
        self._lock = Lock()
        self._rows: list[GradedRow] = []
        self._units: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self._count = 0
        self._done = 0
        self._ended = ""
        self._error: BaseException | None = None
        self._judges = JudgeDesk(answers)

    def run(self) -> Finished:
        """Asks all that is not answered yet, and returns the rows.

        An error of the run ends it, and is in the result.
        """
        for unit in self._plan.units():
            self._units.put(unit)
            self._count += 1
        ends = [Event() for _ in range(max(1, min(self._workers.concurrency, self._count)))]
        for number, end in enumerate(ends):
            Thread(target=self._work, args=(end,), daemon=True, name=f"promptops-eval-{number}").start()
        self._wait(ends)
        order = {arm: place for place, arm in enumerate(Arm)}
        rows = sorted(self._rows, key=lambda row: (row.case, row.repeat, order[row.arm]))
        return Finished(rows=tuple(rows), ended=self._ended, error=self._error)

    def _wait(self, ends: Sequence[Event]) -> None:
        """Waits for the workers. The first interrupt stops sending and waits; the second leaves at once.

        Not by joining threads: an interrupted join takes a thread for ended that is not (bpo-45274).
        """
        stopping = self._workers.pace.stopping
        try:
            while (running := next((end for end in ends if not end.is_set()), None)) is not None:
                running.wait(_POLL)
                self._progress(self._now())
                self._watch_the_end()
            self._watch_the_end()
        except KeyboardInterrupt:
            self._end("interrupted")
            stopping.set()
            until = time.monotonic() + GRACE
            for end in ends:
                end.wait(max(until - time.monotonic(), 0.0))
        self._progress(self._now())

    def _watch_the_end(self) -> None:
        if time.monotonic() > self._workers.pace.until and self._done < self._count:
            self._end("deadline")

    def _now(self) -> Progress:
        with self._lock:
            errors = sum(bool(row.graded.error) for row in self._rows)
            return Progress(done=self._done, of=self._count, errors=errors, spent=self._answers.meter.spent)

    def _end(self, why: str, error: BaseException | None = None) -> None:
        with self._lock:
            if not self._ended:
                self._ended, self._error = why, error
        self._workers.pace.stopping.set()

    def _work(self, end: Event) -> None:
        caller: Caller | None = None
        workers = self._workers
        try:
            caller = Caller(workers.endpoints, workers.pace, workers.trust) if workers.endpoints else None
            while not workers.pace.stopping.is_set():
                try:
                    number, repeat = self._units.get_nowait()
                except queue.Empty:
                    return
                self._unit(number, repeat, caller)
        except Stopped:
            pass
        except OverBudget:
            self._end("cost")
        except BaseException as error:  # noqa: BLE001 raised again by who started the run
            self._end("error", error)
        finally:
            if caller is not None:
                caller.close()
            end.set()

    def _unit(self, number: int, repeat: int, caller: Caller | None) -> None:
        """Asks one case once, in all arms."""
        asked = self._plan.cases[number]
        arms = list(asked.requests)
        shared = len({request.digest for request in asked.requests.values()}) < len(arms)
        turn = 0 if shared else (number + repeat) % len(arms)  # of the same bytes, the candidate's are measured
        rows: dict[Arm, GradedRow] = {}
        for arm in arms[turn:] + arms[:turn]:
            request = asked.requests[arm]
            twin = next((row for row in rows.values() if asked.requests[row.arm].digest == request.digest), None)
            if twin is None:
                key = (asked.suite, asked.prompt, asked.id, repeat, request.digest)
                found = self._answers.find(key, request, caller)
            else:  # the same bytes: asked once
                found = Found(response=twin.response, reused=True)
            rows[arm] = self._row(number, asked, arm, repeat, found, caller)
        with self._lock:
            self._rows += rows.values()
            self._done += 1
        for arm in arms:
            self._sink(rows[arm])

    def _row(self, number: int, asked: Asked, arm: Arm, repeat: int, found: Found, caller: Caller | None) -> GradedRow:
        response = found.response
        costs = cost(asked.requests[arm], response)
        prompt = self._plan.side(arm).prompts[asked.prompt].definition
        if response.error or not asked.judges or response.finish == REJECTED:
            verdicts: Mapping[int, Result] = {}
        else:
            verdicts = self._verdicts(asked, arm, response, caller)
        graded = grade(
            asked.case,
            asked.checks,
            prompt,
            response,
            cost_usd=costs,
            verdicts=verdicts,
            functions=self._workers.functions,
        )
        return GradedRow(
            case=number, arm=arm, repeat=repeat, response=response, graded=graded, cost_usd=costs, reused=found.reused
        )

    def _verdicts(self, asked: Asked, arm: Arm, response: Response, caller: Caller | None) -> dict[int, Result]:
        values = judge_values(values_of(asked.case), asked.user_messages[arm], response.text)
        about = (asked.suite, asked.prompt, asked.id)
        return {
            place: self._judges.ask(about, check.judge, values, caller)[0]
            for place, check in enumerate(asked.checks)
            if check.judge is not None
        }
