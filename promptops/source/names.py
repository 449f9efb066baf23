"""The names that a prompt file declares for its variables, and what tags mean that GitHub's tools read otherwise.

``{{LANGUAGES/FRAMEWORKS}}`` is a variable where an input has it as its ``alias``. ``${{ secrets.TOKEN }}`` is literal,
as in GitHub's tools, which fill in only what they have a value for: a declared input, or a key of ``testData``. The
release has the variable's name, and an escape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptops.core.model import Json
from promptops.core.template.simple import Tag, TagKind
from promptops.source.app_file import read_aliases
from promptops.source.origin import Origin
from promptops.source.text.fields import Fields


@dataclass(frozen=True, slots=True)
class Spelled:
    """What a release has in place of a tag, and the name of its variable, or an empty string."""

    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """The aliases of a prompt's variables, each with the variable's name, and the names that are declared."""

    pairs: tuple[tuple[str, str], ...] = ()
    declared: frozenset[str] = frozenset()

    @classmethod
    def of(cls, fields: Fields, shared: Mapping[str, object], aliases: Mapping[str, str], *, has_dollar: bool) -> Names:
        """Returns the names of a prompt file, with the inputs and aliases that the app shares.

        ``has_dollar`` says that a partial has ``${{``: without one, what is declared makes no difference.
        """
        pairs = {**aliases, **read_aliases(fields)}
        if not has_dollar and "${{" not in fields.report.text:
            return cls(tuple(sorted(pairs.items())))
        declared = {*shared, *_keys(fields.value.get("inputs"))}
        cases = fields.value.get("testData")
        for case in cases if isinstance(cases, list) else ():
            declared.update(_keys(case))
        return cls(tuple(sorted(pairs.items())), frozenset(declared))

    @property
    def aliases(self) -> dict[str, str]:
        return dict(self.pairs)

    def spell(self, origin: Origin, tag: Tag) -> Spelled | None:
        """Returns what the release has in place of a tag; None for a tag that stays as it is."""
        if tag.kind is TagKind.UNKNOWN and self.pairs:
            name = self.aliases.get(tag.text.removeprefix("{{").removesuffix("}}").strip())
            if name is not None and tag.text.startswith("{{"):
                return Spelled(f"{{{{{name}}}}}", name)
        if tag.text.startswith("{{") and origin.text[tag.start - 1 : tag.start] == "$":
            return self._after_dollar(origin, tag)
        return None

    def _after_dollar(self, origin: Origin, tag: Tag) -> Spelled | None:
        if tag.kind is TagKind.UNKNOWN:
            return Spelled(tag.text)
        root, dot, _ = tag.name.partition(".")
        if tag.kind is TagKind.ESCAPE or root in self.declared:
            return None
        if not dot:
            hint = f"Declare '{root}' in `inputs` to fill it in, or ignore this with a reason."
            origin.add("dollar-tag", tag.start - 1, f"${tag.text} is sent as it stands, as in GitHub's tools", hint)
        return Spelled('{{ "{{" }}' + tag.text[2:])


def _keys(value: Json) -> set[str]:
    return set(value) if isinstance(value, Mapping) else set()
