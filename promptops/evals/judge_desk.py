"""Asks judges what an answer is worth, each as its model takes it: with its choices as a schema, or without.

The same for a run, and for labelled answers when judges are measured.
"""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.model import Json
from promptops.core.suite.judge import Judge
from promptops.core.suite.result import Result
from promptops.evals.answers import JUDGED, Answers
from promptops.evals.caller import Caller
from promptops.evals.judging import judge_request, takes_choices, verdict
from promptops.evals.response import REJECTED, Response


class JudgeDesk:
    """Asks judges, for all workers of a run."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._plain: set[str] = set()

    def ask(
        self, about: tuple[str, str, str], judge: Judge, values: Mapping[str, Json], caller: Caller | None
    ) -> tuple[Result, Response]:
        """Returns what a judge says, and its answer. ``about`` are suite, prompt and case.

        Raises:
            As :meth:`promptops.evals.answers.Answers.find`.
        """
        choices = takes_choices(judge) and judge.model not in self._plain
        said = self._said(about, judge, values, caller, choices=choices)
        if choices and said.finish == REJECTED:  # this model has no structured answers
            self._plain.add(judge.model)
            choices = False
            said = self._said(about, judge, values, caller, choices=False)
        return verdict(judge, said, choices=choices), said

    def _said(
        self,
        about: tuple[str, str, str],
        judge: Judge,
        values: Mapping[str, Json],
        caller: Caller | None,
        *,
        choices: bool,
    ) -> Response:
        request = judge_request(judge, values, choices=choices)
        return self._answers.find((*about, JUDGED, request.digest), request, caller).response
