"""Reads what ``app.yml`` declares of the app's calls: ``outcomes``, ``tags``, ``scores``, ``capture`` and ``plan``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from promptops.core.declarations import (
    LONGEST_TAG,
    MAX_LIMITS,
    MAX_NAMES,
    MAX_NUMBER,
    MAX_TAGS,
    MAX_VALUES,
    UNDECLARED,
    WHOLE,
    Capture,
    Declarations,
    DeclaredScore,
    Limit,
    Plan,
    Tag,
    is_tag_value,
)
from promptops.core.names import WORD
from promptops.source.text.fields import Fields, shown

KEYS: Final = ("outcomes", "tags", "scores", "capture", "plan")
_PLAN: Final = ("calls_a_day", "monthly_usd", "limits")
_LIMIT: Final = ("calls_a_minute", "tokens_a_minute")
_WORDS: Final = "Letters, digits, '_', '.' and '-', up to 64, beginning with a letter or a digit."


def read_declarations(fields: Fields) -> Declarations:
    """Returns what the app declares. What is wrong becomes a finding and is left out."""
    return Declarations(
        outcomes=_outcomes(fields),
        tags=_tags(fields),
        scores=_scores(fields),
        capture=_capture(fields),
        plan=_plan(fields),
    )


def _outcomes(fields: Fields) -> tuple[str, ...]:
    names: set[str] = set()
    for index, name in enumerate(fields.texts("outcomes") or ()):
        place = index if isinstance(fields.value["outcomes"], list) else None
        path = (*fields.path, "outcomes", *(() if place is None else (place,)))
        offset = fields.document.offset(path)
        if not WORD.fullmatch(name) or name == UNDECLARED:
            fields.report.add("name-invalid", offset, f"'{name[:80]}' is not an outcome's name", _WORDS)
        elif name in names:
            fields.report.add("name-taken", offset, f"two outcomes are called '{name}'")
        else:
            names.add(name)
    return _few(fields, "outcomes", names, MAX_NAMES)


def _tags(fields: Fields) -> tuple[Tag, ...]:
    tags = fields.fields("tags")
    found = {}
    for name in tags.value if tags else ():
        assert tags is not None
        values = _values(tags, name)
        if _is_word(tags, name, "a tag") and values:
            found[name] = Tag(name=name, values=values)
    return tuple(found[name] for name in _few(fields, "tags", found, MAX_TAGS))


def _values(tags: Fields, name: str) -> tuple[str, ...]:
    if tags.value[name] is None:
        tags.add("missing-key", name, f"the tag '{name[:80]}' has no values", f"{name[:80]}: [one, another]")
    values = tags.texts(name) or ()
    wrong = next((value for value in values if not is_tag_value(value)), None)
    if wrong is not None:
        hint = f"One printable line of at most {LONGEST_TAG} characters."
        tags.add("wrong-value", name, f"'{wrong[:80]}' is not a value of a tag", hint)
    elif len(set(values)) > MAX_VALUES or tags.value[name] == []:
        message = f"the tag '{name[:80]}' has {len(set(values))} values, and may have 1 to {MAX_VALUES}"
        tags.add("wrong-value", name, message)
    else:
        return tuple(sorted(set(values)))
    return ()


def _scores(fields: Fields) -> tuple[DeclaredScore, ...]:
    found = {}
    for name, score in fields.inner("scores"):
        score.refuse_unknown(("passAt",))
        scores = fields.fields("scores")
        assert scores is not None
        if _is_word(scores, name, "a score"):
            found[name] = DeclaredScore(name=name, passes_from=_pass_at(score))
    return tuple(found[name] for name in _few(fields, "scores", found, MAX_NAMES))


def _pass_at(score: Fields) -> int | None:
    value = score.value.get("passAt")
    if value is None:
        return None
    points = value * WHOLE if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
    if not 1 <= points <= WHOLE or abs(points - round(points)) > 1e-6:
        message = f"'passAt' must be a number above 0 and up to 1, with four decimals at most, got {shown(value)}"
        score.add("wrong-value", "passAt", message, "passAt: 0.5")
        return None
    return round(points)


def _capture(fields: Fields) -> Capture:
    value = fields.text("capture") or Capture.OFF.value
    if value not in list(Capture):
        fields.add("wrong-value", "capture", f"'{value[:80]}' is not what may be captured", "off, or variables.")
        return Capture.OFF
    return Capture(value)


def _plan(fields: Fields) -> Plan | None:
    plan = fields.fields("plan")
    if plan is None:
        return None
    plan.refuse_unknown(_PLAN)
    cents = _number(plan, "monthly_usd", hundredths=True)
    limits = {}
    for of, limit in plan.inner("limits"):
        limit.refuse_unknown(_LIMIT)
        calls, tokens = (_number(limit, key) for key in _LIMIT)
        if not of or len(of) > 200 or not of.isprintable():
            limit.add("name-invalid", None, f"'{of[:80]}' is neither a provider nor provider/model")
        elif calls is None and tokens is None:
            hint = "calls_a_minute: 500, tokens_a_minute: 200000, or both."
            limit.add("missing-key", None, f"the limit of '{of[:80]}' limits neither calls nor tokens", hint)
        else:
            limits[of] = Limit(of=of, calls_a_minute=calls, tokens_a_minute=tokens)
    kept = tuple(limits[of] for of in _few(plan, "limits", limits, MAX_LIMITS))
    return Plan(calls_a_day=_number(plan, "calls_a_day"), monthly_cents=cents, limits=kept)


def _number(fields: Fields, key: str, *, hundredths: bool = False) -> int | None:
    value = fields.value.get(key)
    if value is None:
        return None
    number = (
        0.0 if isinstance(value, bool) or not isinstance(value, int | float) else value * (100 if hundredths else 1)
    )
    if not 1 <= number <= MAX_NUMBER or abs(number - round(number)) > 1e-6:
        what = "an amount from 0.01, in US dollars and whole cents" if hundredths else "a whole number from 1"
        fields.add("wrong-value", key, f"'{key}' must be {what}, got {shown(value)}")
        return None
    return round(number)


def _is_word(fields: Fields, name: str, what: str) -> bool:
    if WORD.fullmatch(name) and name != UNDECLARED:
        return True
    fields.add_at_key("name-invalid", name, f"'{name[:80]}' is not the name of {what}", _WORDS)
    return False


def _few(fields: Fields, key: str, names: Collection[str] | Mapping[str, object], most: int) -> tuple[str, ...]:
    if len(names) > most:
        fields.add("wrong-value", key, f"'{key}' has {len(names)} entries, and at most {most} fit")
    return tuple(sorted(names)[:most])
