"""`promptops db home`: which repository is the home of the journal in git."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.cli.git_sync import bring_to_git, declared_in
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted, facts, moment, next_steps
from promptops.cli.output.render import Line, Page, Span
from promptops.cli.session import Session
from promptops.cli.signing_key import signing_key

if TYPE_CHECKING:
    from promptops.store.facts.home import Home


def run(session: Session, address: str, reason: str) -> None:
    """Show the home, or name another one and bring the whole journal there first."""
    if address:
        _change(session, address, reason)
        return
    with session.registry("promptops db home") as registry, registry.read() as reader:
        home, pending = reader.home(), reader.pending_count()
    session.answer(lambda: {"home": _shape(home), "pending": pending}, lambda page: _lines(home, pending, page))


def _change(session: Session, address: str, reason: str) -> None:
    from promptops.operations.homes import Changed, change_home
    from promptops.projection.keyring import unvouched

    root = session.require_root()
    path = session.directory / Path(address).expanduser()
    if path.is_dir():
        address = "" if root.is_relative_to(path.resolve()) else str(path.resolve())
    declared = replace(declared_in(root), git=address)
    with session.registry("promptops db home") as registry:
        changed = Changed(actor=session.actor(), at=session.now, unlock=signing_key)
        before, home = change_home(registry, root, declared, changed, reason=reason)
        notes = unvouched(registry)
    session.answer(
        lambda: {"home": _shape(home), "before": _shape(before)},
        lambda page: [
            [Span("✓ ", "good"), Span("The home of the journal is ", "strong"), Span(str(home), "name")],
            *([f"It was {before}, which keeps what it has."] if before else []),
        ],
    )
    for note in notes:
        session.note(note)
    bring_to_git(session)


def _shape(home: Home | None) -> JsonObject | None:
    if home is None:
        return None
    return {"address": home.address, "workspace": home.hint if home.workspace else "", "ref": home.ref}


def _lines(home: Home | None, pending: int, page: Page) -> list[Line]:
    if home is None:
        step = [("make this repository the home", ["sync"])]
        return ["No repository is the home of the journal yet.", *next_steps(step)]
    rows = [
        ("home", str(home)),
        ("ref", home.ref),
        ("since", f"{moment(page, home.at)} by {home.actor}"),
        ("waiting", counted(pending, "change")),
    ]
    return [*facts(page, rows)]
