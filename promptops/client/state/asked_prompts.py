"""Which prompts this process rendered since it started, and with which names. It outlives the releases.

Templates note the names of a call once; here they are gathered before a heartbeat, and before a view is replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from promptops.client.state.app_release import ServedApp
from promptops.client.state.release_set import Required
from promptops.core.asked import Asked, Passed, require_few
from promptops.core.errors import Invalid
from promptops.core.template.template import MOST_CALLS

_MOST = 2_000
"""Prompts that are remembered; a process that asks for more reports nothing of them."""


class AskedPrompts:
    """What the calls of this process pass to each prompt, by full name; at first what it ``required`` with names."""

    __slots__ = ("_calls",)

    def __init__(self, required: Required = ()) -> None:
        given: Mapping[str, Collection[str]] = required if isinstance(required, Mapping) else {}
        self._calls = {name: {frozenset(names)} for name, names in given.items()}

    def __len__(self) -> int:
        """How many combinations of names are known: it grows with every new one."""
        return sum(map(len, self._calls.values()))

    def gather(self, apps: Iterable[ServedApp]) -> None:
        """Add what was passed to the prompts of these apps."""
        served = (release for app in apps for release in (app.stable, app.canary) if release is not None)
        for prompt in (prompt for release in served for prompt in release.prompts.values()):
            passed = getattr(prompt.template, "passed", None)
            if passed and (prompt.name in self._calls or len(self._calls) < _MOST):
                self._calls.setdefault(prompt.name, set()).update(map(frozenset, tuple(passed)))

    def report(self, leave_out: Iterable[str] = ()) -> Asked | None:
        """Returns what a heartbeat says, without some apps; None where it is more than a registry takes."""
        apart = set(leave_out)
        asked = {
            name: Passed.of(calls, are_all=len(calls) < MOST_CALLS)
            for name, calls in self._calls.items()
            if name.partition("/")[0] not in apart
        }
        try:
            return require_few(asked)
        except Invalid:
            return None
