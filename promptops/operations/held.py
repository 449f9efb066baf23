"""Puts held cases into suites, where they can be read, and makes sure that they are those that the suite names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import Conflict, Invalid, NotFound
from promptops.core.suite.suite import Suite, case_digests, held_digest
from promptops.evals.held import HeldPlaces, fetch_held
from promptops.source.lint.suites import lint_cases
from promptops.source.load import AppSource
from promptops.source.suites.held import read_cases, require_sound


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSuite:
    """A suite with its held cases, and the digest that they have."""

    suite: Suite
    digest: str


def read_held_suite(app: AppSource, name: str, known: HeldPlaces) -> HeldSuite:
    """Returns a suite of an app with its held cases, whatever digest the suite names.

    Raises:
        NotFound: the app has no such suite with held cases. Invalid: something is wrong with them.
        Unavailable: they cannot be read here.
    """
    if name not in app.held:
        raise NotFound(f"{app.name} has no suite '{name}' whose cases are held", known=sorted(app.held))
    suite = app.held[name]
    assert suite.suite.held is not None
    read = read_cases(suite, fetch_held(suite.suite.held.place, known))
    lint_cases(read)
    sound = require_sound(read)
    return HeldSuite(suite=sound, digest=held_digest(case_digests(sound)))


def with_held(app: AppSource, names: Iterable[str], known: HeldPlaces) -> Mapping[str, Suite]:
    """Returns the suites of an app; of those with these names the held cases were read.

    Raises:
        Conflict: they are not those that the suite names. Invalid, Unavailable: as :func:`read_held_suite`.
    """
    suites = dict(app.suites)
    for name in names:
        found = read_held_suite(app, name, known)
        held = suites[name].held
        if held is None or found.digest != held.digest:
            raise Conflict(
                f"the held cases of the suite {name} are not those that it names: their digest is {found.digest}",
                hint=Sentence("If they were meant to change: ", Advice(Action.HOLD, app=app.name, suite=name)),
            )
        suites[name] = found.suite
    return suites


def without_held(app: AppSource, named: Iterable[str]) -> Mapping[str, Suite]:
    """Returns the suites of an app whose cases are not held: a run that is no evidence does not ask those.

    Raises:
        Invalid: one whose cases are held is named, or there is no other.
    """
    held = next((name for name in named if name in app.held), None)
    if held is not None:
        raise Invalid(
            f"the cases of the suite {held} are held, and only a run that the registry knows of asks them",
            hint=Sentence("Otherwise they could be tried out. Leave out ", option("suite", "the suite"), "."),
        )
    seen = {name: suite for name, suite in app.suites.items() if suite.held is None}
    if not seen and app.suites:
        raise Invalid(f"the cases of every suite of {app.name} are held, so such a run has nothing to ask")
    return seen
