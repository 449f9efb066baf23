"""The module of types that `promptops types` writes, and which of those in a workspace are behind: for `check`."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.finding import Finding, Severity

if TYPE_CHECKING:
    from promptops.source.load import Loaded
    from promptops.source.tree import Tree
    from promptops.source.types_module import Header, Method, Surface

ENDINGS = (".py", ".pyi")
_MOST = 4 * 1024 * 1024
"""Bytes of such a module that are read; one of 1,200 prompts has about 2 MiB."""


def surface() -> Surface:
    """Returns what of promptops' client the module of types is about."""
    import promptops
    from promptops.source.types_module import Surface

    members = {name: member for name, member in vars(promptops.Prompt).items() if not name.startswith("_")}
    rendering = [
        _method(name, member, skip="variables")
        for name, member in members.items()
        if inspect.isfunction(member) and "variables" in inspect.signature(member).parameters
    ]
    client = [_method(name, getattr(promptops.Client, name), skip="name") for name in ("get_prompt", "call")]
    exported = [name for name in promptops.__all__ if not name.startswith("_")]
    return Surface(prompt=rendering, client=client, exported=exported)


def _method(name: str, function: Callable[..., object], *, skip: str) -> Method:
    from promptops.source.types_module import Method

    signature = inspect.signature(function)
    others = [each for each in signature.parameters.values() if each.name not in ("self", skip)]
    written = [f"{each.name}: {each.annotation}{'' if each.default is each.empty else ' = ...'}" for each in others]
    if any(each.kind is each.KEYWORD_ONLY for each in others):
        written.insert(0, "*")
    returns = "@" if signature.return_annotation == "Prompt" else signature.return_annotation.replace("[Prompt]", "[@]")
    return Method(name=name, parameters=", ".join(written), returns=returns)


def module_of(loaded: Loaded, apps: Sequence[str], *, stub: bool) -> str:
    """Returns the module of the apps that were loaded, of which none has an error."""
    from promptops.source.types_module import types_module

    contents = [app.content for app in loaded.apps if app.content is not None and (not apps or app.name in apps)]
    return types_module(contents, surface(), apps=apps, stub=stub)


def behind(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Yields a finding for each module of types in the workspace that is not what `types` would write now.

    None while an app has an error: what its prompts are is not known.
    """
    from promptops.source.tree import WorkingTree
    from promptops.source.types_module import HEAD, read_header

    if any(app.content is None for app in loaded.apps):
        return
    tree = WorkingTree(root)
    paths = tree.files()
    inner = tuple(path.removesuffix("promptops.yml") for path in paths if path.endswith("/promptops.yml"))
    for path in paths:
        if path.startswith(inner):  # of another workspace, whose prompts these are not
            continue
        if not path.endswith(ENDINGS) or not _read(tree, path, len(HEAD)).startswith(HEAD):
            continue
        header = read_header(_read(tree, path, _MOST))
        if header is None or not _is_current(loaded, header, stub=path.endswith("i")):
            known = [app.name for app in loaded.apps]
            apps = "".join(f" {shlex.quote(app)}" for app in (header.apps if header else ()) if app in known)
            yield Finding(
                code="types-behind",
                severity=Severity.WARNING,
                path=path,
                line=1,
                column=1,
                message="the types of the prompts are not those of the prompt files any more",
                hint=f"promptops types{apps} --out {shlex.quote(path)}",
            )


def _read(tree: Tree, path: str, most: int) -> str:
    """Returns the beginning of a file; nothing of one that cannot be read, which is no matter of prompts."""
    try:
        return tree.read(path, most).decode("utf-8", "replace")
    except OSError:
        return ""


def _is_current(loaded: Loaded, header: Header, *, stub: bool) -> bool:
    """Whether `types` would write the module of this header now."""
    from promptops.source.types_module import read_header

    return {app.name for app in loaded.apps}.issuperset(header.apps) and header == read_header(
        module_of(loaded, header.apps, stub=stub)
    )
