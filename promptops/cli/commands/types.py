"""`promptops types`: the prompts of a workspace as types of Python."""

from __future__ import annotations

from pathlib import Path

import click

from promptops.cli.command import command
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted
from promptops.cli.output.render import Line
from promptops.cli.session import Session
from promptops.core.errors import Invalid


@command("types")
@click.argument("apps", metavar="[APP]...", nargs=-1)
@click.option("--out", metavar="FILE", type=click.Path(), help="Write the module there: a .py, or a .pyi stub.")
def types(session: Session, /, apps: tuple[str, ...], out: str | None) -> None:
    """Write the types of prompts, for mypy and editors.

    The module has a typed dictionary of the variables of each prompt, and typed(client), which returns the client as
    one that knows the names of the prompts and their variables. Without APP it is for all apps of the workspace;
    without --out it is printed. `promptops check` finds a file that is behind.

    \b
      promptops types --out src/my_app/prompts.py
    """
    from promptops.cli.types_file import ENDINGS, module_of
    from promptops.source.load import load
    from promptops.source.tree import WorkingTree

    if out is not None and not out.endswith(ENDINGS):
        raise Invalid(f"'{out}' is not a module of Python", hint="--out FILE.py, or FILE.pyi for a stub.")
    loaded = load(WorkingTree(session.require_root()))
    for app in apps:
        loaded.app(app)
    loaded.require_valid(apps or None)
    text = module_of(loaded, tuple(dict.fromkeys(apps)), stub=bool(out and out.endswith("i")))
    changed = _write(session.path(out), text) if out is not None else False
    chosen = [app for app in loaded.apps if not apps or app.name in apps]
    prompts = sum(len(app.content.prompts) for app in chosen if app.content is not None)
    session.answer(
        lambda: _shape(text, out, changed, prompts),
        lambda _: _lines(text, out, changed, prompts),
    )


def _write(path: Path, text: str) -> bool:
    """Writes the module if it is not there already; True if it was written.

    Raises:
        Invalid: the file is another, or cannot be written.
    """
    from promptops.files import replace_file
    from promptops.source.types_module import HEAD

    try:
        before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        if before == text:
            return False
        if before and not before.startswith(HEAD):
            raise Invalid(f"{path} is there already, and promptops did not write it", hint="Choose another file.")
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=0o644)
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror or error}") from error
    return True


def _shape(text: str, out: str | None, changed: bool, prompts: int) -> JsonObject:
    from promptops.wire.codec import to_json
    from promptops.wire.documents.commands import TypesDocument

    return to_json(TypesDocument(path=out, changed=changed, prompts=prompts, text=text))


def _lines(text: str, out: str | None, changed: bool, prompts: int) -> list[Line]:
    if out is None:
        return [[line] for line in text.splitlines()]
    done = f"Wrote the types of {counted(prompts, 'prompt')} to {out}" if changed else f"{out} is as it has to be"
    return [[f"{done}."]]
