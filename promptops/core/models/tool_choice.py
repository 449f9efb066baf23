"""Whether a prompt's choice of a tool is one: it names a tool of the prompt, or leaves the choice to the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from promptops.core.model import OBJECTS, Json, Prompt, Tool
from promptops.core.models.refusal import Refusal, refused
from promptops.core.tools import CUSTOM, FUNCTION, own_name

_NO_TOOLS: Final = "https://github.com/openai/swarm/issues/30"


def tool_choice(prompt: Prompt, source: str, *, is_openai: bool) -> Iterator[Refusal]:
    """Yields what is wrong with the parameters about tools; ``source`` is the reference of the API."""
    choice = prompt.parameters.get("toolChoice")
    if choice is not None and not prompt.tools:
        yield refused("toolChoice", "'toolChoice' is set, and the prompt has no tools", source, "Remove it.")
    elif choice is not None:
        name = _chosen(choice)
        names = [_name_of(tool, is_openai=is_openai) for tool in prompt.tools]
        if name is None:
            words = "auto, none, required, or the name of a tool: {type: function, name: lookup}"
            yield refused("toolChoice", "'toolChoice' names no way to choose a tool", source, f"It is {words}.")
        elif name and name not in names:
            hint = f"The tools are {', '.join(names)}."
            yield refused(
                "toolChoice", f"'toolChoice' names '{name[:80]}', which is no tool of the prompt", source, hint
            )
    if is_openai and "parallelToolCalls" in prompt.parameters and not prompt.tools:
        problem = "'parallelToolCalls' is set, and the prompt has no tools"
        yield refused("parallelToolCalls", problem, _NO_TOOLS, "Remove it.")


def _name_of(tool: Tool, *, is_openai: bool) -> str:
    if is_openai or tool.type in (FUNCTION, CUSTOM):
        return tool.name
    return str(own_name(tool).get("name", tool.name))


def _chosen(choice: Json) -> str | None:
    """The tool that a choice names; empty where the model chooses, None for anything else."""
    if isinstance(choice, str):
        return "" if choice in ("auto", "none", "required", "any") else choice
    if not isinstance(choice, OBJECTS):
        return None
    kind = choice.get("type")
    if kind in ("auto", "none", "required", "any"):
        return ""
    inner = choice.get(FUNCTION, choice)
    name = inner.get("name") if isinstance(inner, OBJECTS) else None
    if isinstance(name, str) and name:
        return name
    return "" if isinstance(kind, str) and kind not in (FUNCTION, "tool", "custom") else None


def is_forced(prompt: Prompt) -> bool:
    """Returns whether the model is made to use a tool."""
    choice = prompt.parameters.get("toolChoice")
    kind = choice.get("type") if isinstance(choice, OBJECTS) else choice
    return choice is not None and kind not in ("auto", "none")
