"""Contents of any shape, for properties that hold for all of them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from promptops.core.features import features_of
from promptops.core.model import (
    AnswerCheck,
    Content,
    Engine,
    Input,
    Json,
    Message,
    OwnFacts,
    Placeholder,
    Prompt,
    ResponseFormat,
    Role,
    Tool,
    ToolCall,
)
from promptops.core.part_bytes import blob_of
from promptops.core.parts import Part, PartType

TEXTS = st.sampled_from(["", "Hello {{name}}", "Hello {{ name }}\n", "é {% x %}"])
NAMES = st.sampled_from(["a", "b", "c"])
SCHEMAS: st.SearchStrategy[dict[str, Json]] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "description": "A name"},
        {"type": "string", "default": "x"},
        {"type": "integer"},
        {"type": "integer", "default": 1},
        {"type": "integer", "default": True},
        {"type": ["string", "null"]},
        {"type": ["null", "string"]},
        {"type": "object", "properties": {"title": {"type": "string", "title": "T"}}, "required": ["title"]},
        {},
    ]
)
ENVELOPES: st.SearchStrategy[dict[str, Json] | None] = st.none() | st.builds(
    lambda name, strict, schema: {"name": name, "strict": strict, "schema": schema}, NAMES, st.booleans(), SCHEMAS
)
PARAMETERS: st.SearchStrategy[dict[str, Json]] = st.dictionaries(
    NAMES, st.sampled_from([0, 1, 1.0, True, None, "1", [1], {"x": 1}]), max_size=3
)


def _unique(
    things: st.SearchStrategy[list[tuple[str, dict[str, Json]]]],
) -> st.SearchStrategy[list[tuple[str, dict[str, Json]]]]:
    return things.map(lambda items: list(dict(items).items()))


ANSWER_CHECKS = st.sampled_from(
    [
        AnswerCheck(kind="contains", wanted="[1]"),
        AnswerCheck(kind="equals", wanted=""),
        AnswerCheck(kind="json_path", wanted={"path": "$.n", "equals": 1}),
        AnswerCheck(kind="json_path", wanted={"path": "$.n", "equals": True}),
    ]
)
PAIRS = _unique(st.lists(st.tuples(NAMES, SCHEMAS), max_size=3))

TOOL_CALLS = st.builds(ToolCall, id=NAMES, name=NAMES, arguments=st.sampled_from([{}, {"q": "{{name}}"}, {"n": [1]}]))
PARTS = (
    st.builds(Part, type=st.just(PartType.TEXT), text=TEXTS, cache=st.booleans())
    | st.builds(
        Part,
        type=st.just(PartType.IMAGE),
        blob=st.sampled_from([b"a", b"b"]).map(blob_of),
        media_type=st.sampled_from(["image/png", "image/gif"]),
        detail=st.sampled_from(["", "low"]),
        cache=st.booleans(),
    )
    | st.builds(
        Part,
        type=st.just(PartType.FILE),
        url=st.sampled_from(["https://example.com/{{name}}", "https://example.com/a"]),
        filename=st.sampled_from(["", "a.pdf"]),
    )
)
MESSAGES = (
    st.builds(Message, role=st.sampled_from(Role), content=TEXTS)
    | st.builds(
        Message,
        role=st.sampled_from(Role),
        content=st.just(""),
        parts=st.lists(PARTS, min_size=1, max_size=3).map(tuple),
    )
    | st.builds(
        Message,
        role=st.sampled_from(Role),
        content=TEXTS,
        tool_calls=st.lists(TOOL_CALLS, max_size=2).map(tuple),
        tool_call_id=st.just("") | NAMES,
        name=st.just("") | NAMES,
        cache=st.booleans(),
    )
)
PLACEHOLDERS = st.builds(
    Placeholder,
    name=st.sampled_from(["history", "past"]),
    optional=st.booleans(),
    most=st.none() | st.integers(1, 10_000),
    system=st.booleans(),
    private=st.booleans(),
    cache=st.booleans(),
)

PROMPTS = st.builds(
    Prompt,
    name=NAMES,
    messages=st.lists(
        MESSAGES | PLACEHOLDERS,
        max_size=4,
        unique_by=lambda each: each.name if isinstance(each, Placeholder) else object(),
    ).map(tuple),
    model=st.sampled_from([None, "openai/gpt-4o-2024-08-06", "anthropic/claude-sonnet-4-20250514"]),
    parameters=PARAMETERS,
    engine=st.sampled_from(Engine),
    inputs=PAIRS.map(lambda pairs: tuple(Input(name=name, schema=schema) for name, schema in pairs)),
    tools=PAIRS.flatmap(
        lambda pairs: TEXTS.map(
            lambda text: tuple(
                Tool(name=name, description=text, parameters=schema, cache=bool(text)) for name, schema in pairs
            )
        )
    ),
    response_format=st.sampled_from(ResponseFormat),
    json_schema=ENVELOPES,
    checks=st.lists(ANSWER_CHECKS, max_size=2).map(tuple),
    escapes=st.booleans(),
)


OWN_FACTS = st.fixed_dictionaries(
    {},
    optional={
        "pinned": st.booleans(),
        "ends": st.sampled_from(["never", "2027-06-30"]),
        "takes": st.sampled_from([["temperature"], ["topP", "topK"]]),
        "bounds": st.sampled_from([{"temperature": {"max": 1}}, {"topP": {"min": 0.5, "max": 1}}]),
    },
)


def _content(app: str, prompts: list[Prompt], own: dict[str, dict[str, Json]]) -> Content:
    said = {model: OwnFacts(model=model, reason="as its page says", facts=facts) for model, facts in own.items()}
    prompts = [replace(prompt, own_facts=said.get(prompt.model or "")) for prompt in prompts]
    requires = {feature for prompt in prompts for feature in features_of(prompt)}
    named = {prompt.own_facts.model: prompt.own_facts for prompt in prompts if prompt.own_facts is not None}
    models = tuple(named[model] for model in sorted(named))
    return Content(app=app, prompts=tuple(prompts), requires=tuple(sorted(requires)), models=models)


CONTENTS = st.builds(
    _content,
    app=st.sampled_from(["bot", "other-bot"]),
    prompts=st.lists(PROMPTS, max_size=3, unique_by=lambda prompt: prompt.name),
    own=st.dictionaries(st.sampled_from(["openai/gpt-4o-2024-08-06"]), OWN_FACTS, max_size=1),
)


def in_order(content: Content) -> Content:
    """The same content with prompts and inputs sorted by name, which is how a release is read back."""
    prompts = [replace(p, inputs=tuple(sorted(p.inputs, key=lambda item: item.name))) for p in content.prompts]
    return replace(content, prompts=tuple(sorted(prompts, key=lambda prompt: prompt.name)))
