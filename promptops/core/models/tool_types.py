"""Whether a tool of the provider has a type that its API is known to have: a mistyped one is refused at each call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from promptops.core.model import Prompt
from promptops.core.models.refusal import Refusal
from promptops.core.tools import CUSTOM, FUNCTION

OPENAI_TOOLS: Final = frozenset(
    {
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "namespace",
        "programmatic_tool_calling",
        "shell",
        "tool_search",
        "web_search",
        "web_search_preview",
    }
)
"""Types of tools of the Responses API in openai 3.57; some also with the date of a version."""
CLAUDE_TOOLS: Final = frozenset(
    {
        "advisor",
        "bash",
        "browser_toolset",
        "code_execution",
        "computer",
        "computer_toolset",
        "mcp_toolset",
        "memory",
        "text_editor",
        "tool_search_tool_bm25",
        "tool_search_tool_regex",
        "web_fetch",
        "web_search",
    }
)
"""Types of tools of the Messages API, without their dates, in anthropic 2.14."""

_OPENAI_PAGE: Final = "https://developers.openai.com/api/docs/guides/tools"
_CLAUDE_PAGE: Final = "https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview"
_OPENAI_DATE: Final = re.compile(r"_20\d\d_\d\d_\d\d$")
_CLAUDE_DATE: Final = re.compile(r"_20\d{6}$")


def tool_types(prompt: Prompt, *, is_openai: bool) -> Iterator[Refusal]:
    """Yields the tools of types that are not known. A later version of the API may have them, so none is sure."""
    known, page, api = (
        (OPENAI_TOOLS, _OPENAI_PAGE, "OpenAI responses") if is_openai else (CLAUDE_TOOLS, _CLAUDE_PAGE, "Anthropic")
    )
    for at, tool in enumerate(prompt.tools):
        kind = (_OPENAI_DATE if is_openai else _CLAUDE_DATE).sub("", tool.type)
        if kind in known or tool.type in (FUNCTION, CUSTOM):
            continue
        word = _OPENAI_DATE.sub("", _CLAUDE_DATE.sub("", tool.type))
        near = {*known, FUNCTION, CUSTOM}
        meant = get_close_matches(word, near, n=1, cutoff=0.7) if len(word) <= 2 * max(map(len, near)) else []
        hint = f"Did you mean '{meant[0]}'?" if meant else f"The types are {', '.join(sorted(known))}."
        message = f"'{tool.type[:80]}' is no type of tool that {api} is known to have"
        yield Refusal(place=("tools", at, "type"), message=message, source=page, hint=hint, sure=False)
