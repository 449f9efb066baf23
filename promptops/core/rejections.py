"""The errors of rendering about its values. Imported from :mod:`promptops.core.errors`, as every error is."""

from __future__ import annotations

from collections.abc import Iterable

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.kinds import Invalid


class MissingVariable(Invalid):
    """Rendering lacks the value of ``name``."""

    def __init__(self, name: str, *, prompt: str = "") -> None:
        self.name = name
        self.prompt = prompt
        where = f" of prompt '{prompt}'" if prompt else ""
        super().__init__(f"variable '{name}'{where} has no value", hint=f"Give it one: {name}=…")


class UnknownVariable(Invalid):
    """Rendering was given ``name``, which no message uses and no input declares."""

    def __init__(self, name: str, *, known: Iterable[str] = (), prompt: str = "") -> None:
        self.name = name
        self.known = tuple(known)
        where = f" prompt '{prompt}'" if prompt else " this prompt"
        listed = f"It takes: {', '.join(self.known)}." if self.known else "It takes no variables."
        super().__init__(f"'{name}' is not a variable of{where}", hint=listed)


class VariableInvalid(Invalid):
    """The value of ``name`` does not fit the JSON Schema of its input; of a placeholder, it is no list of messages."""

    def __init__(self, name: str, problem: str, *, prompt: str = "", hint: str = "") -> None:
        self.name = name
        where = f" of prompt '{prompt}'" if prompt else ""
        super().__init__(
            f"variable '{name}'{where}: {problem}",
            hint=hint
            or Sentence(
                "The input's schema is shown by ",
                Advice(Action.SHOW, words="the prompt file"),
                ". An input that is not declared takes text.",
            ),
        )


class OutputTooLarge(Invalid):
    """The rendered text is over ``limit`` characters, or its images, files and audio over ``limit`` bytes."""

    def __init__(self, limit: int, *, is_media: bool = False) -> None:
        self.limit = limit
        problem, hint = f"are over {limit:,} characters", "Shorten the values."
        if is_media:
            problem = f"have over {limit:,} bytes of images, files and audio"
            hint = "Give fewer of them, or their URLs."
        super().__init__(f"the rendered messages {problem}", hint=hint)
