"""A workspace names its apps and channels; every mistake in it is found in one run."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.core.errors import AppNotFound, SourceInvalid, WorkspaceNotFound
from promptops.core.finding import Severity
from promptops.core.model import Policy
from promptops.core.release_bytes import encode
from promptops.source.lint.lint import check, check_path
from promptops.source.load import AppSource, load
from promptops.source.tree import WorkingTree
from promptops.source.workspace import find_root, read_workspace
from tests.source.memory import MemoryTree, checked, codes, workspace

PROMPT = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: '{{x}}'}]\n"


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def marker(text: str) -> MemoryTree:
    return workspace({"/promptops.yml": text, "a.prompt.yml": PROMPT})


def test_channels_are_policies() -> None:
    text = "registry: t\napps: bot\nchannels:\n  dev: {allow_dirty: true}\n  staging:\n"
    text += "  prod: {promote_from: [staging], protected: true}\n"
    assert read_workspace(marker(text)).channels == {
        "dev": Policy(allow_dirty=True),
        "staging": Policy(),
        "prod": Policy(promote_from=("staging",), protected=True),
    }


def test_a_rollout_is_a_part_of_a_policy() -> None:
    steps = "steps: [{percent: 5, bake: 4h}, {percent: 12.5, bake: 1d}]"
    text = f"registry: t\napps: bot\nchannels: {{prod: {{rollout: {{{steps}, on: {{no_data: abort}}}}}}}}\n"
    assert check(marker(text)).findings == check(marker("registry: t\napps: bot\nchannels: {prod: {}}\n")).findings
    assert read_workspace(marker(text)).channels["prod"].rollout == {
        "steps": [{"percent": 5, "bake": "4h"}, {"percent": 12.5, "bake": "1d"}],
        "on": {"no_data": "abort"},
    }


@pytest.mark.parametrize(
    ("wait", "hours"), [("12h", "from 01:00 to 09:00"), ("19h", "from 08:00 to 09:00"), ("20h", "")]
)
def test_hours_that_no_step_of_a_rollout_sees_are_named(wait: str, hours: str) -> None:
    steps = "steps: [{percent: 5, bake: 4h}, {percent: 25, bake: 4h}]"
    loaded = check(marker(f"registry: t\napps: bot\nchannels: {{prod: {{rollout: {{{steps}, wait: {wait}}}}}}}\n"))
    found = [finding for finding in loaded.findings if finding.code == "rollout-hours"]
    assert [hours in finding.message for finding in found] == ([True] if hours else [])
    assert all(finding.severity is Severity.WARNING for finding in found)


@pytest.mark.parametrize(
    "address",
    [
        "https://tempo.example.com/trace/{trace_id}",
        "http://localhost:16686/trace/{trace_id}?uiFind=1",
        "https://grafana.example.com/explore?left=%7B%22{trace_id}%22%7D",
    ],
)
def test_traces_is_the_address_of_a_trace(address: str) -> None:
    assert read_workspace(marker(f"registry: t\napps: bot\ntraces: '{address}'\n")).traces == address


@pytest.mark.parametrize(
    "address",
    [
        "https://tempo.example.com/trace/",
        "https://tempo.example.com",
        "https://{trace_id}.example.com/x",
        "https://user:secret@tempo.example.com/{trace_id}",
        "https://tempo.example.com/{trace_id}/{trace_id}",
        "https://tempo.example.com/{trace_id}/{span_id}",
        "javascript://x/{trace_id}",
        "tempo.example.com/{trace_id}",
        "https:///{trace_id}",
        "https://tempo.example.com/a b/{trace_id}",
    ],
)
def test_what_is_no_address_of_a_trace_is_found(address: str) -> None:
    text = f"registry: t\napps: [bot]\ntraces: '{address}'\n"
    assert ("wrong-value", 3, 9) in codes([f for f in check(marker(text)).findings if f.path == "promptops.yml"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("apps: [bot]\n", ("missing-key", 1, 1)),
        ("registry: t\n", ("missing-key", 1, 1)),
        ("registry: sqlite:///x.db\napps: [bot]\n", ("name-invalid", 1, 11)),
        ("registry: t\napps: [bot]\nchanels: {}\n", ("unknown-setting", 3, 1)),
        ("registry: t\napps: [bot, nope]\n", ("app-missing", 2, 13)),
        ("registry: t\napps: [../x]\n", ("wrong-value", 2, 8)),
        ("registry: t\napps: [/etc]\n", ("wrong-value", 2, 8)),
        ("registry: t\napps: [--upload-pack=x]\n", ("wrong-value", 2, 8)),
        ("registry: t\napps: [3]\n", ("wrong-type", 2, 8)),
        ("registry: t\napps: [bot]\nchannels: {Prod: {}}\n", ("name-invalid", 3, 12)),
        ("registry: t\napps: [bot]\nchannels: {a: {promote_from: b}}\n", ("policy-invalid", 3, 30)),
        ("registry: t\napps: [bot]\nchannels: {a: {promote_from: a}}\n", ("policy-invalid", 3, 30)),
        (
            "registry: t\napps: [bot]\nchannels: {a: {promote_from: b}, b: {promote_from: [a]}}\n",
            ("policy-invalid", 3, 30),
        ),
        ("registry: t\napps: [bot]\nchannels: {a: {allow_dirty: yes}}\n", ("wrong-type", 3, 29)),
        ("registry: t\napps: [bot]\nchannels: {a: {gates: {}}}\n", ("unknown-setting", 3, 16)),
        ("registry: t\napps: [bot]\nchannels: {a: {gate: x}}\n", ("wrong-type", 3, 22)),
        ("registry: t\napps: [bot]\nchannels: {a: {gate: {}}}\n", ("policy-invalid", 3, 22)),
        ("registry: t\napps: [bot]\nchannels: {a: {rollout: 5}}\n", ("wrong-type", 3, 25)),
        ("registry: t\napps: [bot]\nchannels: {a: {rollout: {}}}\n", ("policy-invalid", 3, 25)),
        (
            "registry: t\napps: [bot]\nchannels:\n  a:\n    rollout:\n      steps:\n"
            "      - {percent: 5, bake: 1h}\n      - {percent: 5, bake: 1h}\n",
            ("policy-invalid", 8, 19),
        ),
        (
            "registry: t\napps: [bot]\nchannels:\n  a:\n    rollout:\n      steps: [{percent: 5, bake: 1h}]\n"
            "      on: {no_unit: advance}\n",
            ("policy-invalid", 7, 21),
        ),
        ("registry: t\napps: [bot]\nchannels: {a: {off: {}}}\n", ("key-not-text", 3, 16)),
        ("", ("wrong-type", 1, 1)),
        ("a: [\n", ("yaml-syntax", 2, 1)),
    ],
)
def test_promptops_yml_is_read_strictly(text: str, found: tuple[str, int, int]) -> None:
    loaded = check(marker(text))
    assert found in codes([finding for finding in loaded.findings if finding.path == "promptops.yml"])
    with pytest.raises(SourceInvalid):
        loaded.require_valid()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("apps/*", ["one", "two"]),
        ("apps/o*", ["one"]),
        ("apps/**", ["one", "two"]),
        ("**", ["apps", "deep"]),  # outermost folders: neither has an app.yml
        ("deep/in/here", ["here"]),
        ("./apps/one/", ["one"]),
    ],
)
def test_apps_are_folders_and_globs(pattern: str, names: list[str]) -> None:
    tree = MemoryTree(
        {
            "promptops.yml": f"registry: t\napps: ['{pattern}']\n".encode(),
            "apps/one/prompts/a.prompt.yml": PROMPT.encode(),
            "apps/two/b.prompt.yml": PROMPT.encode(),
            "apps/none/readme.md": b"x",
            "deep/in/here/c.prompt.yml": PROMPT.encode(),
        }
    )
    assert [app.name for app in check(tree).apps] == names


def _prompts(app: AppSource) -> list[str]:
    assert app.content is not None
    return [prompt.name for prompt in app.content.prompts]


def test_a_file_belongs_to_the_innermost_app() -> None:
    tree = MemoryTree(
        {
            "promptops.yml": b"registry: t\napps: [a, a/b]\n",
            "a/x.prompt.yml": PROMPT.encode(),
            "a/b/y.prompt.yml": PROMPT.encode(),
        }
    )
    loaded = check(tree)
    assert [_prompts(app) for app in loaded.apps] == [["x"], ["y"]]


def test_prompt_names_are_paths_below_the_prompts_folder() -> None:
    loaded = checked(
        {"prompts/writing/density_refiner.prompt.yaml": PROMPT, "prompts/a.prompt.md": "hi", "b.prompt.yml": PROMPT}
    )
    assert _prompts(loaded.app("bot")) == ["a", "writing/density_refiner"]
    assert ("prompt-outside", 1, 1) in codes(loaded.findings)


@pytest.mark.parametrize("name", ["-x", "--upload-pack=x", "a..b", "a.lock", "@", "CON", "é", "a b", "x" * 300])
def test_a_name_that_is_not_safe_everywhere_is_refused(name: str) -> None:
    assert "name-invalid" in [code for code, _, _ in codes(checked({f"{name}.prompt.yml": PROMPT}).findings)]


@pytest.mark.parametrize("name", ["HEAD", "-x", "CON", "a.lock", "a..b", "x" * 64])
def test_an_app_cannot_have_an_unsafe_name(name: str) -> None:
    tree = MemoryTree(
        {"promptops.yml": f"registry: t\napps: ['*/{name}', ok]\n".encode(), f"y/{name}/a.prompt.yml": PROMPT.encode()}
    )
    assert "name-invalid" in [finding.code for finding in check(tree).findings]


def test_names_are_unique_without_regard_to_case() -> None:
    loaded = checked({"A.prompt.yml": PROMPT, "a.prompt.yaml": PROMPT})
    assert [(finding.code, finding.path) for finding in loaded.findings] == [("name-taken", "bot/a.prompt.yaml")]
    tree = MemoryTree(
        {
            "promptops.yml": b"registry: t\napps: [a, b]\n",
            "a/x.prompt.yml": PROMPT.encode(),
            "b/x.prompt.yml": PROMPT.encode(),
            "b/app.yml": b"name: a\n",
        }
    )
    assert [finding.code for finding in check(tree).findings] == ["name-taken"]


def test_only_the_apps_that_were_asked_for_are_read_and_the_others_are_known() -> None:
    tree = MemoryTree(
        {
            "promptops.yml": b"registry: t\napps: ['*']\n",
            "a/x.prompt.yml": PROMPT.encode(),
            "b/x.prompt.yml": b"nonsense",
        }
    )
    loaded = load(tree, apps=["a"])
    loaded.require_valid()
    assert [app.name for app in loaded.apps] == ["a"]
    with pytest.raises(AppNotFound) as caught:
        loaded.app("c")
    assert caught.value.known == ("a", "b")
    everything = load(tree)
    everything.require_valid(["a"])
    with pytest.raises(SourceInvalid) as invalid:
        everything.require_valid()
    assert [finding.path for finding in invalid.value.findings] == ["b/x.prompt.yml"]


def test_an_app_over_the_size_of_a_release_is_an_error() -> None:
    big = PROMPT.replace("{{x}}", "x" * 200_000)
    loaded = checked({f"p{number}.prompt.yml": big for number in range(6)})
    assert "content-too-large" in [finding.code for finding in loaded.findings]


def test_links_are_not_followed_and_not_silently_left_out(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", {"a.prompt.yml": PROMPT, "secret.md": "secret"})
    root = put(tmp_path / "root", {"promptops.yml": "registry: t\napps: [bot]\n", "bot/ok.prompt.yml": PROMPT})
    (root / "bot/link.prompt.yml").symlink_to(outside / "a.prompt.yml")
    (root / "bot/partials").symlink_to(outside)
    loaded = check(WorkingTree(root))
    assert [(finding.code, finding.message.partition(" ")[0]) for finding in loaded.findings] == [
        ("not-a-file", "link.prompt.yml"),
        ("not-a-file", "partials"),
    ]
    with pytest.raises(FileNotFoundError):
        WorkingTree(root).read("bot/link.prompt.yml")
    assert list(WorkingTree(root).files("bot/partials")) == []


def test_a_name_that_is_no_text_is_called_that(tmp_path: Path) -> None:
    root = put(tmp_path, {"promptops.yml": "registry: t\napps: [bot]\n", "bot/ok.prompt.yml": PROMPT})
    try:
        (root / os.fsdecode(b"bot/caf\xe9.prompt.yml")).write_text(PROMPT)
    except OSError:
        pytest.skip("this file system takes names of UTF-8 only")
    [finding] = check(WorkingTree(root)).findings
    assert (finding.code, finding.message) == ("not-a-file", "caf\ufffd.prompt.yml has a name that is not UTF-8")


def test_the_root_is_found_from_below(tmp_path: Path) -> None:
    put(tmp_path, {"promptops.yml": "registry: t\napps: []\n", "a/b/c.txt": ""})
    assert find_root(tmp_path / "a" / "b") == tmp_path
    with pytest.raises(WorkspaceNotFound):
        read_workspace(WorkingTree(tmp_path / "a"))


def test_a_path_can_be_a_workspace_a_folder_an_app_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = PROMPT.replace("{{x}}", "{{x y}}")
    root = put(
        tmp_path / "w",
        {
            "promptops.yml": "registry: t\napps: [apps/*]\n",
            "apps/one/app.yml": "models: {main: openai/gpt-4-0613}\n",
            "apps/one/prompts/a.prompt.yml": PROMPT.replace("openai/gpt-4o-2024-08-06", "main"),
            "apps/one/prompts/b.prompt.yml": bad,
            "apps/two/c.prompt.yml": bad,
        },
    )
    everything = check_path(root)
    assert [finding.path for finding in everything.findings] == [
        "apps/one/prompts/b.prompt.yml",
        "apps/two/c.prompt.yml",
    ]
    assert check_path(root / "apps").findings == everything.findings
    assert [app.name for app in check_path(root / "apps/one/prompts").apps] == ["one"]
    assert check_path(root / "apps/one/prompts/a.prompt.yml").findings == ()
    assert len(check_path(root / "apps/two/c.prompt.yml").findings) == 1
    alone = put(tmp_path / "Some Folder", {"x/a.prompt.yml": bad, "x/b.prompt.yml": PROMPT})
    monkeypatch.chdir(tmp_path)
    assert [finding.path for finding in check_path(alone).findings] == ["Some Folder/x/a.prompt.yml"]
    assert check_path(alone / "x/b.prompt.yml").findings == ()
    with pytest.raises(WorkspaceNotFound):
        check_path(tmp_path / "nowhere")


_PIECES = st.sampled_from(
    [
        "name: x\n",
        "model: openai/gpt-4o\n",
        "model: [1]\n",
        "messages:\n",
        "  - role: user\n",
        "    content: |\n",
        "      text {{ name }}\n",
        "      {{ a b }} {% x %} {{> p }}\n",
        "  - {role: system, content: '{{x}}'}\n",
        "template: jinja2\n",
        "modelParameters: {temperature: 1, top_p: x}\n",
        "inputs: {x: {type: integer, default: 1}, y: }\n",
        "tools: [{name: a, parameters: {type: object}}]\n",
        'jsonSchema: \'{"schema": {"type": "object"}}\'\n',
        "responseFormat: json_schema\n",
        "testData: [{x: 1, expected: }]\n",
        "evaluators: [{name: 1, llm: {}}, {string: 3}, 4]\n",
        "# promptops: ignore[unknown-tag] why\n",
        "---\n",
        "<!-- promptops: ignore[secret] why -->\n",
        "? [a]\n: b\n",
        "\u202e\u2028\x85\x1b",
        "&a *a !!x\n",
    ]
)


def _is_sound(files: dict[str, str | bytes]) -> None:
    """Whatever the files are: findings with places, and a content that can be encoded where there is no error."""
    loaded = checked(files)
    for finding in loaded.findings:
        assert finding.line >= 1
        assert finding.column >= 1
    for app in loaded.apps:
        if app.content is not None:
            encode(app.content)
        else:
            assert any(finding.severity is Severity.ERROR for finding in loaded.findings)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(_PIECES, max_size=14).map("".join),
    st.sampled_from(["a.prompt.yml", "a.prompt.md", "app.yml", "partials/p.md"]),
)
def test_any_mix_of_good_pieces_gives_a_content_or_findings(text: str, name: str) -> None:
    good = PROMPT.replace("{{x}}", "{{> p }}") if name.startswith("partials") else PROMPT
    _is_sound({"z.prompt.yml": good, name: text})


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from(["a.prompt.yml", "a.prompt.md", "app.yml", "/promptops.yml", "partials/p.md"]),
)
def test_any_bytes_give_a_content_or_findings(data: bytes, name: str) -> None:
    _is_sound({"z.prompt.yml": PROMPT.replace("{{x}}", "{{> p }}"), name: data})


@pytest.mark.parametrize("pattern", ["apps/café", "apps/c*é", "*/café"])
def test_an_accent_that_a_system_writes_in_another_way_is_the_same_letter(pattern: str) -> None:
    for form in ("NFC", "NFD"):
        folder = unicodedata.normalize(form, "apps/café")
        for written in ("NFC", "NFD"):
            said = unicodedata.normalize(written, pattern)
            tree = MemoryTree(
                {
                    "promptops.yml": f"registry: t\napps: ['{said}']\n".encode(),
                    f"{folder}/app.yml": b"name: coffee\n",
                    f"{folder}/a.prompt.yml": PROMPT.encode(),
                }
            )
            loaded = check(tree)
            assert [app.name for app in loaded.apps] == ["coffee"], (form, written)
            assert [finding.code for finding in loaded.findings if finding.severity is Severity.ERROR] == []


def test_of_two_names_that_look_the_same_the_one_that_is_written_is_meant() -> None:
    both = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    files = {f"{folder}/app.yml": f"name: coffee-{place}\n".encode() for place, folder in enumerate(both)}
    files |= {f"{folder}/a.prompt.yml": PROMPT.encode() for folder in both}
    for place, folder in enumerate(both):
        tree = MemoryTree({"promptops.yml": f"registry: t\napps: ['{folder}']\n".encode(), **files})
        assert [app.name for app in check(tree).apps] == [f"coffee-{place}"]
