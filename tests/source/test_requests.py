"""What the API of a prompt's provider would refuse is a finding at its place, with the page that says so."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from tests.source.memory import checked, prompt_findings

ASK = "messages: [{role: user, content: 'Is {{q}} spam? Answer with JSON.'}]\n"
TOOL = "tools: [{name: lookup, parameters: {type: object, properties: {}}}]\n"
O3 = "openai/o3-mini-2025-01-31"
GPT = "openai/gpt-4o-2024-08-06"
SONNET = "anthropic/claude-sonnet-4-5-20250929"
CAPPED = "modelParameters: {maxTokens: 2000"


def found(text: str) -> list[tuple[str, str]]:
    """The code and the message of each finding."""
    return [(item.code, item.message) for item in prompt_findings(text)]


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        # reasoning models with sampling (openai-python#2072)
        (O3, "temperature: 0.2"),
        (O3, "topP: 0.9"),
        (O3, "stop: [END]"),
        (O3, "logprobs: true"),
        (O3, "verbosity: low"),
        ("azure/o3-mini-2025-01-31", "temperature: 0.2"),
        ("openai/gpt-5-2025-08-07", "temperature: 0"),
        ("openai/gpt-5.2-2025-12-11", "temperature: 0, reasoningEffort: low"),
        ("openai/gpt-6-luna", "temperature: 0"),
        (GPT, "reasoningEffort: low"),
        ("openai/gpt-6-astra", "reasoningEffort: none"),
        # limits and tiers
        (GPT, "maxTokens: 16385"),
        (GPT, "serviceTier: cheap"),
        # tools (swarm#30, openai-node#521)
        (GPT, "toolChoice: required"),
        (GPT, "parallelToolCalls: false"),
    ],
)
def test_what_openai_refuses_is_an_error_at_the_parameter(model: str, parameters: str) -> None:
    [item] = prompt_findings(f"model: {model}\nmodelParameters:\n  {{{parameters}}}\n{ASK}")
    assert (item.code, item.severity, item.line) == ("request-refused", Severity.ERROR, 3)
    assert "https://" in item.hint


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (SONNET, "temperature: 0.5, topP: 0.9"),  # gptme#1110
        (SONNET, "thinking: {type: enabled}"),
        (SONNET, "thinking: {type: enabled, budget_tokens: 1000}"),
        (SONNET, "thinking: {type: enabled, budget_tokens: 2000}"),
        (SONNET, "thinking: {type: enabled, budget_tokens: 1500}, temperature: 0.5"),
        (SONNET, "thinking: {type: enabled, budget_tokens: 1500}, topK: 5"),
        (SONNET, "thinking: {type: enabled, budget_tokens: 1500}, topP: 0.9"),
        ("anthropic/claude-opus-5", "thinking: {type: enabled, budget_tokens: 1500}"),
        ("anthropic/claude-opus-5-5", "thinking: {type: disabled}"),
        (SONNET, "thinking: {}"),
        (SONNET, "thinking: {type: enable}"),
        (SONNET, "thinking: {type: adaptive}"),
        ("anthropic/claude-opus-4-6", "thinking: {type: adaptive}, temperature: 0.5"),
        (SONNET, "serviceTier: flex"),
        (SONNET, "toolChoice: auto"),
    ],
)
def test_what_anthropic_refuses_is_an_error_at_the_parameter(model: str, parameters: str) -> None:
    [item] = prompt_findings(f"model: {model}\nmodelParameters:\n  {{maxTokens: 2000, {parameters}}}\n{ASK}")
    assert (item.code, item.severity, item.line) == ("request-refused", Severity.ERROR, 3)
    assert "https://" in item.hint


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (O3, "reasoningEffort: high, maxTokens: 100"),
        (O3, "temperature: 1"),
        ("openai/gpt-5.2-2025-12-11", "temperature: 0"),  # reasons only where it is asked to
        ("openai/gpt-5.4-mini-2026-03-17", "temperature: 0, reasoningEffort: none"),
        (GPT, "temperature: 0, topP: 0.9, stop: [END], logprobs: true, serviceTier: flex, maxTokens: 16384"),
        (SONNET, "maxTokens: 2000, temperature: 0.5"),
        (SONNET, "maxTokens: 2000, topP: 0.9, serviceTier: standard_only"),
        (SONNET, "maxTokens: 2000, thinking: {type: enabled, budget_tokens: 1024}, temperature: 1"),
        ("anthropic/claude-opus-5", "maxTokens: 2000, thinking: {type: adaptive}, reasoningEffort: high"),
        ("local/llama@4f2a91c", "temperature: 0, toolChoice: required, serviceTier: any"),
        ("openai/gpt-9-2029-01-01", "maxTokens: 1000000"),
    ],
)
def test_what_an_api_takes_is_no_finding(model: str, parameters: str) -> None:
    assert found(f"model: {model}\nmodelParameters: {{{parameters}}}\n{ASK}") == []


def test_what_is_not_known_before_the_call_is_said_as_such() -> None:
    [item] = prompt_findings(f"model: openai/gpt-5.5-2026-04-23\nmodelParameters: {{temperature: 0}}\n{ASK}")
    assert (item.code, item.severity) == ("request-doubtful", Severity.WARNING)
    assert "not known" in item.message


def test_json_of_deepseek_without_the_word_may_be_blanks() -> None:
    head = "model: deepseek/deepseek-v4-pro-0324\nresponseFormat: json_object\n"
    assert [code for code, _ in found(f"{head}messages: [{{role: user, content: Sort this.}}]")] == ["request-doubtful"]
    assert found(f"{head}messages: [{{role: user, content: Answer with json.}}]") == []


def test_what_stands_beside_adaptive_thinking_is_not_all_known() -> None:
    parameters = "modelParameters: {maxTokens: 2000, thinking: {type: adaptive}, topK: 5}\n"
    assert [code for code, _ in found(f"model: anthropic/claude-opus-4-6\n{parameters}{ASK}")] == ["request-doubtful"]


@pytest.mark.parametrize(
    "choice", ["lookupp", "{}", "{type: function, function: {name: lookupp}}", "{type: tool, name: x}"]
)
@pytest.mark.parametrize("model", [GPT, SONNET])
def test_a_choice_names_a_tool_of_the_prompt(model: str, choice: str) -> None:
    text = f"model: {model}\nmodelParameters: {{maxTokens: 9, toolChoice: {choice}}}\n{ASK}{TOOL}"
    assert [code for code, _ in found(text)] == ["request-refused"]


@pytest.mark.parametrize(
    "choice", ["lookup", "auto", "required", "{type: function, function: {name: lookup}}", "{type: any}"]
)
@pytest.mark.parametrize("model", [GPT, SONNET])
def test_a_choice_of_a_tool_that_is_there_is_none(model: str, choice: str) -> None:
    assert found(f"model: {model}\nmodelParameters: {{maxTokens: 9, toolChoice: {choice}}}\n{ASK}{TOOL}") == []


def test_a_model_that_thinks_is_not_made_to_use_a_tool() -> None:
    thinking = f"{CAPPED}, thinking: {{type: enabled, budget_tokens: 1500}}, toolChoice: required}}\n"
    assert [code for code, _ in found(f"model: {SONNET}\n{thinking}{ASK}{TOOL}")] == ["request-refused"]
    never = f"{CAPPED}, toolChoice: required}}\n"
    assert "cannot be made" in found(f"model: anthropic/claude-sonnet-5-5\n{never}{ASK}{TOOL}")[0][1]


@pytest.mark.parametrize(
    ("model", "schema", "problem"),
    [
        (GPT, "{type: object, properties: {a: {type: string}}, required: [a]}", "additionalProperties"),
        (GPT, "{type: object, properties: {a: {type: string}}, additionalProperties: false}", "required"),
        (SONNET, "{type: object, properties: {a: {type: string}}}", "additionalProperties"),
        (SONNET, "{type: object, properties: {a: {type: string}}, additionalProperties: false}", ""),
        (
            GPT,
            "{type: object, required: [a], additionalProperties: false, properties: {a: {type: array, items:"
            " {type: object, properties: {}}}}}",
            "$.a[]",
        ),
    ],
)
def test_a_strict_schema_says_all_of_its_objects(model: str, schema: str, problem: str) -> None:
    tool = f"tools:\n- {{name: lookup, strict: true, parameters: {schema}}}\n"
    answer = f"responseFormat: json_schema\njsonSchema: {{name: x, strict: true, schema: {schema}}}\n"
    for text, place in ((tool, 4), (answer, 5)):
        items = prompt_findings(
            f"model: {model}\n{CAPPED}}}\n{ASK.strip()}\n{text}".replace("\ntools:\n", "\ntools: \n")
        )
        assert [item.code for item in items] == (["request-refused"] if problem else [])
        assert all(problem in item.message and item.line in (place, 5) for item in items)


def test_a_strict_tool_without_parameters_is_sent_as_strictly_as_it_has_to_be() -> None:
    assert found(f"model: {GPT}\n{ASK}tools: [{{name: now, strict: true}}]\n") == []


def test_a_misspelt_schema_is_not_the_schema_itself() -> None:
    text = f"""model: {GPT}\n{ASK}responseFormat: json_schema\njsonSchema: '{{"name":"x","scheme":{{}}}}'\n"""
    assert [(item.code, item.line) for item in prompt_findings(text)] == [("request-refused", 4)]


def test_json_without_a_schema_needs_the_word() -> None:
    head = f"model: {GPT}\nresponseFormat: json_object\n"
    assert [code for code, _ in found(f"{head}messages: [{{role: user, content: Sort this.}}]")] == ["request-refused"]
    open_ = f"{head}messages: [{{role: user, content: 'Sort {{{{q}}}}'}}]"
    assert [code for code, _ in found(open_)] == ["request-doubtful"]
    assert found(f"{head}messages: [{{role: user, content: Answer with json.}}]") == []


@pytest.mark.parametrize(
    ("model", "messages", "problem"),
    [
        (SONNET, "[{role: system, content: Be kind.}]", "system's"),
        (SONNET, '[{role: user, content: hi}, {role: assistant, content: "{\\n"}]', "white space"),
        ("anthropic/claude-opus-4-6", "[{role: user, content: hi}, {role: assistant, content: '{'}]", "go on"),
        ("anthropic/claude-opus-5", "[{role: user, content: hi}, {role: assistant, content: '{'}]", "go on"),
        (SONNET, "[{role: user, content: ' '}]", "without text"),
        ("deepseek/deepseek-v4-pro-0324", "[{role: developer, content: x}, {role: user, content: hi}]", "'developer'"),
        ("mistral/mistral-large-2411", "[{role: developer, content: x}, {role: user, content: hi}]", "'developer'"),
        (SONNET, "[{role: user, content: hi}, {role: assistant, content: '{'}]", ""),
        (GPT, "[{role: developer, content: x}]", ""),
        (GPT, "[{role: system, content: x}]", ""),
    ],
)
def test_the_messages_are_ones_that_the_api_takes(model: str, messages: str, problem: str) -> None:
    items = prompt_findings(f"model: {model}\n{CAPPED}}}\nmessages: {messages}\n")
    assert [(item.code, item.line) for item in items] == ([("request-refused", 3)] if problem else [])
    assert all(problem in item.message for item in items)


@pytest.mark.parametrize("model", [GPT, SONNET, "anthropic/claude-opus-5"])
@pytest.mark.parametrize("said", ["", ", content: ''", ", content: I look."])
@pytest.mark.parametrize("answer", ["''", "found"])
def test_a_call_of_a_tool_and_its_answer_need_no_text(model: str, said: str, answer: str) -> None:
    call = f"{{role: assistant, tool_calls: [{{id: a, name: lookup, arguments: {{}}}}]{said}}}"
    turns = f"{{role: user, content: hi}}, {call}, {{role: tool, tool_call_id: a, content: {answer}}}"
    assert found(f"model: {model}\n{CAPPED}}}\nmessages: [{turns}, {{role: user, content: so?}}]\n{TOOL}") == []


def test_anthropic_needs_a_limit() -> None:
    [item] = prompt_findings(f"model: {SONNET}\n{ASK}")
    assert (item.code, item.severity, item.line) == ("request-refused", Severity.ERROR, 1)
    assert "maxTokens" in item.message


def test_a_parameter_of_the_pin_is_reported_where_the_prompt_names_it() -> None:
    app = f"models: {{sorter: {{model: {O3}, parameters: {{temperature: 0.2}}}}}}\n"
    [item] = prompt_findings(f"{ASK}model: sorter\n", app_yml=app)
    assert (item.code, item.line) == ("request-refused", 2)


def test_a_finding_of_a_request_is_suppressed_with_a_reason() -> None:
    text = (
        f"model: {O3}\nmodelParameters:\n"
        f"  # promptops: ignore[request-refused] our gateway takes it out\n  temperature: 0.2\n{ASK}"
    )
    assert found(text) == []


def test_extra_fields_are_part_of_the_release_which_asks_for_clients_that_send_them() -> None:
    text = f"model: {GPT}\nmodelParameters: {{extra: {{web_search_options: {{}}}}, prompt_cache_key: k}}\n{ASK}"
    [app] = checked({"answer.prompt.yml": text}).apps
    assert app.content is not None
    assert app.content.prompts[0].parameters == {"extra": {"web_search_options": {}}, "promptCacheKey": "k"}
    assert app.content.requires == ("parameters",)
    assert found(text) == []


def test_the_values_of_the_first_case_are_sent() -> None:
    head = f"model: {GPT}\nresponseFormat: json_object\nmessages: [{{role: user, content: 'Write {{{{how}}}}'}}]\n"
    assert found(head + "testData: [{how: JSON}]\n") == []


@pytest.mark.parametrize(
    ("model", "kind", "meant"),
    [
        (GPT, "web_serch", "Did you mean 'web_search'?"),
        (GPT, "code_interpretor", "Did you mean 'code_interpreter'?"),
        (GPT, "web_search_20260318", "Did you mean 'web_search'?"),
        (GPT, "retrieval", "The types are apply_patch, "),
        (GPT, "x" * 60, "The types are apply_patch, "),
        (SONNET, "web_serch_20250305", "Did you mean 'web_search'?"),
        (SONNET, "code_exec_20250825", "Did you mean 'code_execution'?"),
        (SONNET, "grep_20250825", "The types are advisor, "),
        (SONNET, "web_search_20250305", ""),
        (SONNET, "tool_search_tool_bm25", ""),
        (SONNET, "mcp_toolset", ""),
        (GPT, "functoin", "Did you mean 'function'?"),
        (GPT, "web_search_2025_08_26", ""),
        (GPT, "mcp", ""),
        ("local/llama@4f2a91c", "web_serch", ""),
    ],
)
def test_a_tool_of_the_provider_with_a_type_that_it_is_not_known_to_have_is_doubtful(
    model: str, kind: str, meant: str
) -> None:
    items = prompt_findings(f"model: {model}\n{CAPPED}}}\n{ASK}tools: [{{type: {kind}}}]\n")
    assert [(item.code, item.severity) for item in items] == ([("request-doubtful", Severity.WARNING)] if meant else [])
    assert all(item.hint.startswith(meant) and "https://" in item.hint and item.line == 4 for item in items)


def test_two_servers_of_tools_are_told_apart_by_a_name_that_is_not_sent() -> None:
    server = "{type: mcp, server_label: %s, server_url: 'https://%s.example'%s}"
    head = f"model: {GPT}\n{ASK}"
    both = f"tools: [{server % ('a', 'a', '')}, {server % ('b', 'b', '')}]\n"
    [item] = prompt_findings(head + both)
    assert (item.code, item.hint) == (
        "name-taken",
        "Give each a `name`: it is not sent where the provider has none.",
    )
    named = f"tools: [{server % ('a', 'a', ', name: one')}, {server % ('b', 'b', ', name: two')}]\n"
    assert prompt_findings(head + named) == []


@pytest.mark.parametrize(
    ("model", "parameters", "refused"),
    [
        ("google/gemini-2.5-flash-001", "{parallelToolCalls: false}", "parallelToolCalls"),
        ("google/gemini-2.5-flash-001", "{reasoningEffort: low}", "reasoningEffort"),
        ("bedrock/amazon.nova-pro-v1:0", "{maxTokens: 5, seed: 7}", "seed"),
        ("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", "{temperature: 1.5}", "temperature"),
        ("openai/text-embedding-3-small", "{temperature: 0.5}", "temperature"),
    ],
)
def test_what_cannot_be_written_for_the_api_of_the_pin_is_a_warning_at_the_parameter(
    model: str, parameters: str, refused: str
) -> None:
    messages = "messages: [{role: user, content: Hi}]\n"
    [finding] = [
        each
        for each in prompt_findings(f"model: {model}\nmodelParameters: {parameters}\n{messages}")
        if each.code.startswith("request")
    ]
    assert (finding.code, finding.line, finding.column) == ("request-doubtful", 2, 18 + parameters.index(refused))
    assert refused in finding.message and finding.hint


@pytest.mark.parametrize(
    "model",
    [
        "vertex_ai/claude-opus-5",
        "bedrock/amazon.titan-embed-text-v2:0",
        "gemini/gemini-embedding-001",
        "mistral/x-2411",
    ],
)
def test_a_model_whose_request_is_not_known_here_or_is_whole_is_no_finding(model: str) -> None:
    found = prompt_findings(f"model: {model}\nmessages: [{{role: user, content: Hi}}]\n")
    assert [each.code for each in found if each.code.startswith("request")] == []
