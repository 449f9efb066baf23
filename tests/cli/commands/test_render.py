"""`promptops render`: messages as they are sent, requests to each API, commands to paste, batches, cases of a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promptops.client.prompt import Prompt
from tests.cli.conftest import Promptops
from tests.support import factory

MODELS = {
    "chat": "openai/gpt-4o-2024-08-06",
    "claude": "anthropic/claude-sonnet-4-6",
    "gemini": "google/gemini-3-pro-preview",
    "nova": "bedrock/amazon.nova-pro-v1:0",
    "mistral": "mistral/mistral-large-2411",
    "azure": "azure/prod-chat-2026-01-01",
    "local": "my-host/llama3-2026-01-01",
    "vectors": "openai/text-embedding-3-small",
}
NASTY = 'it\'s $HOME `id` "x" \\ !! \u202e \t END_OF_BODY\n$(id)'
FAKE = f"""#!{sys.executable}
import json, sys
print(json.dumps({{"argv": sys.argv[1:], "body": sys.stdin.read()}}))
"""


def prompt_file(model: str) -> str:
    parameters = "" if "embedding" in model else "modelParameters: {maxTokens: 9}\n"
    return f"""model: {model}
{parameters}messages:
  - {{role: system, content: Be kind.}}
  - {{role: user, content: "{{{{q}}}}"}}
inputs: {{q: {{type: string}}}}
testData:
  - {{q: Why?}}
  - {{q: "tab\\there", id: second}}
"""


@pytest.fixture
def shapes(tmp_path: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a prompt for each provider."""
    files = {f"bot/prompts/{name}.prompt.yml": prompt_file(model) for name, model in MODELS.items()}
    root = factory.make_workspace(tmp_path / "prompts", {"promptops.yml": factory.WORKSPACE, **files})
    monkeypatch.chdir(root)
    return root


def request_of(name: str, provider: str | None, q: str) -> dict[str, Any]:
    """What the client builds."""
    parameters = {} if name == "vectors" else {"maxTokens": 9}
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "{{q}}"}]
    prompt = Prompt.fallback(
        f"bot/{name}", {"model": MODELS[name], "modelParameters": parameters, "messages": messages}
    )
    request = prompt.request(provider, q=q)
    return {"url_path": request.url_path, "headers": request.headers, "body": request.body}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("chat", "openai"),
        ("chat", "responses"),
        ("chat", "github"),
        ("chat", "litellm"),
        ("claude", "anthropic"),
        ("claude", "openrouter"),
        ("gemini", "gemini"),
        ("nova", "bedrock"),
        ("mistral", "mistral"),
        ("azure", "azure"),
        *((name, "request") for name in MODELS),
    ],
)
def test_exactly_the_request_of_the_client_is_printed(name: str, form: str, shapes: Path, promptops: Promptops) -> None:
    expected = request_of(name, None if form == "request" else form, "Why?")
    for more in ((), ("--json",)):
        assert promptops("render", f"bot/{name}", "--as", form, "-v", "q=Why?", *more).json == expected


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [0, 200_000])
def test_a_command_of_curl_sends_it_whatever_a_value_holds(
    name: str, size: int, shapes: Path, promptops: Promptops, tmp_path: Path
) -> None:
    """In a shell, with a program in curl's place that says what it was given."""
    q = NASTY + "x" * size
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"q": q}))
    command = promptops("render", f"bot/{name}", "--as", "curl", "--vars", str(values)).out
    fake = tmp_path / "bin" / "curl"
    fake.parent.mkdir()
    fake.write_text(FAKE)
    fake.chmod(0o755)
    own = {key: f"secret-{key}" for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY")}
    own |= {"AWS_BEARER_TOKEN_BEDROCK": "secret-aws", "AWS_REGION": "eu-central-1", "MY_HOST_API_KEY": "secret-mine"}
    own |= {"AZURE_OPENAI_ENDPOINT": "https://desk.openai.azure.com", "AZURE_OPENAI_API_KEY": "secret-azure"}
    own |= {"MY_HOST_BASE_URL": "https://models.example/v1", "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"}
    script = tmp_path / "paste.sh"
    script.write_text(command)
    run = subprocess.run(
        ["/bin/sh", str(script)], env=own, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    told = json.loads(run.stdout)
    expected = request_of(name, None, q)
    url, *arguments = told["argv"]
    assert url.startswith("https://") and "$" not in url
    path = expected["url_path"]
    assert url.endswith("/v1/chat/completions" if name == "local" else path) and "/v1/v1" not in url
    headers = dict(
        text.split(": ", 1) for flag, text in zip(arguments[::2], arguments[1::2], strict=True) if flag == "-H"
    )
    assert headers.items() >= expected["headers"].items()
    [key] = headers.keys() - expected["headers"].keys()
    assert "secret-" in headers[key] and "secret-" not in command
    flag, data = arguments[-2:]
    assert flag == ("--data-binary" if size else "--data-raw")
    assert json.loads(told["body"] if size else data) == expected["body"]


def test_a_case_of_the_files_test_data(shapes: Path, promptops: Promptops) -> None:
    for case in ("2", "second"):
        answer = promptops("render", "bot/chat", "--case", case, "--json").json
        assert answer["messages"] == [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "tab\there"},
        ]
    assert promptops("render", "bot/chat", "--case", "1", "-v", "q=Who?", "--as", "openai").json == request_of(
        "chat", "openai", "Who?"
    )
    said = promptops("render", "bot/chat", "--case", "3", exits=2).err
    assert "no case '3'" in said and "testData has 2" in said


def test_each_case_of_the_files_test_data(shapes: Path, promptops: Promptops) -> None:
    lines = promptops("render", "bot/claude", "--all-cases", "--as", "anthropic").out.splitlines()
    assert [json.loads(line) for line in lines] == [request_of("claude", "anthropic", q) for q in ("Why?", "tab\there")]
    shown = promptops("render", "bot/claude", "--all-cases").out
    assert "case 1\n" in shown and "case 2 (second)\n" in shown
    documents = [json.loads(line) for line in promptops("render", "bot/chat", "--all-cases", "--json").out.splitlines()]
    assert [each["messages"][1]["content"] for each in documents] == ["Why?", "tab\there"]


def test_a_tab_is_shown_as_a_tab_and_what_could_hide_is_not(shapes: Path, promptops: Promptops) -> None:
    shown = promptops("render", "bot/chat", "-v", "q=a\tb\x1b[2J\u202ec\t").out
    assert "\na\tb\\x1b[2J\\u202ec\t\n" in shown


@pytest.mark.parametrize("listed", [True, False])
def test_a_batch_file(listed: bool, shapes: Path, promptops: Promptops) -> None:
    cases = [{"q": "one"}, {"q": "two"}]
    file = shapes / "cases.json"
    file.write_text(json.dumps(cases) if listed else "\n\n".join(map(json.dumps, cases)) + "\n")
    lines = promptops("render", "bot/chat", "--as", "batch", "--cases", str(file)).out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "custom_id": f"case-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": request_of("chat", None, case["q"])["body"],
        }
        for number, case in enumerate(cases, 1)
    ]
    batch = promptops("render", "bot/claude", "--as", "batch", "--cases", str(file)).json
    assert batch == {
        "requests": [
            {"custom_id": f"case-{number}", "params": request_of("claude", None, case["q"])["body"]}
            for number, case in enumerate(cases, 1)
        ]
    }
    own = promptops("render", "bot/chat", "--as", "batch", "--all-cases").out.splitlines()
    assert [json.loads(line)["custom_id"] for line in own] == ["case-1", "second"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"q": "one"}\n{"q": ', "line 2: not JSON"),
        ('{"q": "one"}\n["two"]', "line 2: not a JSON object"),
        ('[{"q": "one"}, 2]', "case 2: not a JSON object"),
        ("", "has no case"),
        ("[]", "has no case"),
        ('{"q": "one"}\n{"x": "two"}', "case 2: "),
        ('{"q": 5}', "case 1: "),
    ],
)
def test_a_case_that_cannot_be_rendered_prints_no_batch(
    text: str, said: str, shapes: Path, promptops: Promptops
) -> None:
    file = shapes / "cases.jsonl"
    file.write_text(text)
    answer = promptops("render", "bot/chat", "--as", "batch", "--cases", str(file), exits=2)
    assert answer.out == "" and said in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bot/chat", "--as", "batch", "-v", "q=x"), "a batch is of cases"),
        (("bot/chat", "--case", "1", "--all-cases"), "each say which values"),
        (("bot/chat", "--as", "soap", "-v", "q=x"), "soap"),
        (("bot/chat", "--as", "openai"), "-v q=…"),
        (("bot/vectors", "--as", "anthropic", "-v", "q=x"), "for which anthropic has no API"),
        (("bot/chat", "--cases", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_what_cannot_be_printed_says_why(
    arguments: tuple[str, ...], said: str, shapes: Path, promptops: Promptops
) -> None:
    answer = promptops("render", *arguments, exits=2)
    assert answer.out == "" and said in answer.err


def test_a_file_without_test_data_says_so(workspace: Path, promptops: Promptops) -> None:
    assert "has no `testData`" in promptops("render", "bot/greet", "--all-cases", exits=2).err
