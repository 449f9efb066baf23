"""`init`, `check`, `release`, `diff`, `render` in a git workspace: the way from files to a release, end to end."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from promptops.cli.commands.scaffold import example_workspace, registry_name
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory


def test_init_makes_a_workspace_that_checks_and_releases(
    promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "Team Prompts"
    said = promptops("init", str(root)).out
    assert "New workspace" in said
    assert "apps/assistant/prompts/answer.prompt.yml" in said
    assert (root / "promptops.yml").read_text().count("registry: team-prompts\n") == 1
    assert (root / ".gitignore").read_text() == "/.promptops/\n"
    monkeypatch.chdir(root)
    assert "No errors, no warnings (1 app, 1 prompt, 1 suite with 1 case)" in promptops("check").out
    factory.git(root, "init", "--quiet")
    factory.commit(root, {}, "Begin")
    assert ".promptops" not in factory.git(root, "ls-files")
    assert "Released assistant 0.1.0" in promptops("release").out
    promptops("promote", "assistant@0.1.0", "--channel", "staging")
    assert "Promoted assistant on prod" in promptops("promote", "assistant:staging", "--channel", "prod").out
    rendered = promptops("render", "assistant/answer:prod", "-v", "question=Why?", "--json").json
    assert rendered["messages"][1] == {"role": "user", "content": "Why?"}  # type: ignore[index]
    assert rendered["model"] == "openai/gpt-5.4-mini-2026-03-17"


def test_init_twice_changes_nothing(workspace: Path, promptops: Promptops) -> None:
    before = {path: path.read_bytes() for path in workspace.rglob("*.yml")}
    answer = promptops("init", "--json").json
    assert (answer["created"], answer["files"], answer["channels"]) == (False, [], [])
    assert {path: path.read_bytes() for path in workspace.rglob("*.yml")} == before


def test_init_below_a_workspace_is_about_that_workspace(workspace: Path, promptops: Promptops) -> None:
    assert "nothing was changed" in promptops("init", "apps/new").out
    assert "is a workspace already" in promptops("init", "apps/new", "--example", exits=4).err
    assert not (workspace / "apps" / "new").exists()


def test_a_workspace_that_cannot_be_written_is_not_half_there(promptops: Promptops, tmp_path: Path) -> None:
    in_the_way = tmp_path / "new" / "apps" / "assistant" / "prompts"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file where a folder belongs")
    assert "cannot be written" in promptops("init", "new", exits=2).err
    assert [path for path in (tmp_path / "new").rglob("*") if path.is_file()] == [in_the_way]


def test_init_leaves_the_policies_of_a_registry_in_use_to_channels_apply(workspace: Path, promptops: Promptops) -> None:
    text = (workspace / "promptops.yml").read_text()
    (workspace / "promptops.yml").write_text(text.replace("protected: true", "protected: false"))
    promptops("init")
    assert promptops("channels", "--json").json["channels"][1]["version"] == 1  # type: ignore[index,call-overload]
    said = promptops("channels", "apply", "--loosen").out
    assert "prod     changed (version 2)" in said
    assert "as it was" in said


def test_init_refuses_the_registry_of_another_workspace(promptops: Promptops, tmp_path: Path, workspace: Path) -> None:
    url = f"sqlite:///{workspace}/.promptops/registry.db"
    assert "belongs to the registry" in promptops("init", str(tmp_path / "b"), "--registry", url, exits=5).err


def test_the_example_is_copied_where_nothing_is_in_the_way(promptops: Promptops, tmp_path: Path) -> None:
    promptops("init", "demo", "--example")
    files = {
        p.relative_to(example_workspace()) for p in example_workspace().rglob("*.yml") if ".promptops" not in str(p)
    }
    assert files <= {path.relative_to(tmp_path / "demo") for path in (tmp_path / "demo").rglob("*")}
    assert "is a workspace already" in promptops("init", "demo", "--example", exits=4).err
    (tmp_path / "taken" / "apps" / "support-bot").mkdir(parents=True)
    (tmp_path / "taken" / "apps" / "support-bot" / "app.yml").write_text("mine")
    assert "apps/support-bot/app.yml" in promptops("init", "taken", "--example", exits=4).err
    assert (tmp_path / "taken" / "apps" / "support-bot" / "app.yml").read_text() == "mine"
    assert not (tmp_path / "taken" / "promptops.yml").exists()


@pytest.mark.parametrize(
    ("folder", "name"), [("Team Prompts", "team-prompts"), ("ünï", "n"), ("...", "prompts"), ("con", "prompts")]
)
def test_a_registry_is_named_after_its_folder(folder: str, name: str) -> None:
    assert registry_name(Path("/tmp") / folder) == name


def test_a_release_says_what_changed_and_what_comes_next(workspace: Path, promptops: Promptops) -> None:
    first = promptops("release").out
    assert "✓ Released bot 0.1.0" in first
    assert "bot/v0.1.0" in first
    assert "promptops promote bot@0.1.0 --channel dev" in first
    assert "bot/v0.1.0" in factory.git(workspace, "tag")
    changed = factory.PROMPT.replace("Say hello to {{name}}.", "Say hello to {{name}} and {{friend}}.")
    factory.commit(workspace, {"bot/prompts/greet.prompt.yml": changed})
    second = promptops("release", "--notes", "two people").out
    assert "✓ Released bot 0.2.0" in second
    assert "major  greet: required input 'friend' added" in second
    again = promptops("release").out
    assert again.startswith("Nothing changed: bot 0.2.0 has this very content already.")


def test_several_apps_that_are_released_already_are_said_in_one_sentence(workspace: Path, promptops: Promptops) -> None:
    text = (workspace / "promptops.yml").read_text().replace("[bot]", "[bot, cat, dog]")
    files = {f"{app}/prompts/greet.prompt.yml": factory.PROMPT for app in ("cat", "dog")}
    factory.commit(workspace, {"promptops.yml": text} | files)
    promptops("release")
    said = promptops("release").out
    assert said.startswith("Nothing changed: bot 0.1.0, cat 0.1.0 and dog 0.1.0 have this very content already.")


def test_a_tag_that_cannot_be_written_is_a_warning_in_sentences(workspace: Path, promptops: Promptops) -> None:
    factory.git(workspace, "tag", "bot/v0.1.0")
    said = promptops("release").out
    assert re.search(r"warning: bot/v0\.1\.0: the tag 'bot/v0\.1\.0' exists, and .*\. Look at it first: git show", said)


def test_a_workspace_that_is_not_committed_is_not_said_to_be_missing(workspace: Path, promptops: Promptops) -> None:
    factory.git(workspace, "rm", "--quiet", "--cached", "promptops.yml")
    factory.git(workspace, "commit", "--quiet", "-m", "Forget it")
    refused = promptops("release", exits=3)
    assert "promptops.yml is not in the commit 'HEAD'" in refused.err
    assert "git add promptops.yml" in refused.err


def test_the_json_of_a_release_has_the_keys_that_scripts_rely_on(workspace: Path, promptops: Promptops) -> None:
    answer = promptops("release", "bot", "--json").json
    assert (answer["app"], answer["version"], answer["created"], answer["changes"]) == ("bot", "0.1.0", True, [])
    assert answer["commit"] == factory.git(workspace, "rev-parse", "HEAD")
    assert str(answer["digest"]).startswith("sha256:")
    again = promptops("release", "bot", "--json").json
    assert (again["created"], again["bump"], again["digest"]) == (False, "none", answer["digest"])


def test_uncommitted_files_are_refused_by_name(workspace: Path, promptops: Promptops) -> None:
    (workspace / "bot/prompts/greet.prompt.yml").write_text(factory.PROMPT.replace("hello", "goodbye"))
    refused = promptops("release", exits=4)
    assert "bot/prompts/greet.prompt.yml" in refused.err
    assert "--allow-dirty" in refused.err
    assert "and uncommitted files" in promptops("release", "--allow-dirty").out


def test_broken_files_are_told_by_check_and_refused_by_release(workspace: Path, promptops: Promptops) -> None:
    factory.commit(workspace, {"bot/prompts/greet.prompt.yml": "messages: 3\nmodelParameters: no\n"})
    checked = promptops("check", exits=2)
    assert "bot/prompts/greet.prompt.yml" in checked.out
    assert "errors" in checked.out
    found = promptops("check", "--json", exits=2).json
    assert len(found["findings"]) == int(str(found["errors"])) + int(str(found["warnings"]))  # type: ignore[arg-type]
    assert set(found["findings"][0]) == {"code", "severity", "path", "line", "column", "message", "hint"}  # type: ignore[index,arg-type]
    refused = promptops("release", exits=2)
    assert "bot/prompts/greet.prompt.yml:1:" in refused.err


def test_check_needs_neither_a_workspace_nor_a_registry(promptops: Promptops, tmp_path: Path) -> None:
    factory.write(tmp_path, {"loose/greet.prompt.yml": factory.PROMPT})
    assert promptops("check", "loose/greet.prompt.yml", "--json").json["errors"] == 0
    assert promptops("check", "loose", "--json").json["errors"] == 0
    assert "there is no file or folder 'nowhere'" in promptops("check", "nowhere", exits=3).err


def test_warnings_fail_only_when_they_are_asked_to(workspace: Path, promptops: Promptops) -> None:
    (workspace / "bot/prompts/greet.prompt.yml").write_text(factory.PROMPT.replace("-2024-08-06", ""))
    assert "floating-model" in promptops("check").out
    assert "warnings fail too" in promptops("check", "--strict", exits=2).out


def test_diff_to_the_files_here_says_what_the_version_would_be(workspace: Path, promptops: Promptops) -> None:
    promptops("release")
    promptops("promote", "bot@0.1.0", "--channel", "dev")
    assert "No difference" in promptops("diff", "bot:dev").out
    changed = factory.PROMPT.replace("Say hello", "Say goodbye").replace("0.2", "0.9")
    (workspace / "bot/prompts/greet.prompt.yml").write_text(changed)
    said = promptops("diff", "bot:dev").out
    assert said.startswith("bot@0.1.0 (dev) → bot (working tree)")
    assert "temperature 0.2 → 0.9" in said
    assert "~ Say [-hello-]{+goodbye+} to {{name}}." in said
    assert "2 changes, minor: would be released as 0.2.0" in said
    assert promptops("diff", "bot:dev", "--json").json["next_version"] == "0.2.0"


def test_render_prints_the_messages_and_names_what_is_missing(workspace: Path, promptops: Promptops) -> None:
    said = promptops("render", "bot/greet", "-v", "name=Ada {{x}}").out
    assert "Say hello to Ada {{x}}." in said  # a value is never scanned again
    assert "-v name=…" in promptops("render", "bot/greet", exits=2).err
    assert "'nmae'" in promptops("render", "bot/greet", "-v", "name=Ada", "-v", "nmae=x", exits=2).err
    assert "not NAME=VALUE" in promptops("render", "bot/greet", "-v", "name", exits=2).err
    assert "names no prompt" in promptops("render", "bot", exits=2).err


def test_values_come_from_a_file_and_are_overlaid_by_those_typed(workspace: Path, promptops: Promptops) -> None:
    (workspace / "values.json").write_text('{"name": "Grace"}')
    assert "hello to Grace" in promptops("render", "bot/greet", "--vars", "values.json").out
    assert "hello to Ada" in promptops("render", "bot/greet", "--vars", "values.json", "-v", "name=Ada").out
    (workspace / "values.json").write_text('{"name": NaN}')
    assert "values.json" in promptops("render", "bot/greet", "--vars", "values.json", exits=2).err
    assert "none.json" in promptops("render", "bot/greet", "--vars", "none.json", exits=2).err
    (workspace / "values.json").write_text("[1]")
    assert "not a JSON object" in promptops("render", "bot/greet", "--vars", "values.json", exits=2).err


def test_a_rollback_works_far_from_the_workspace(
    workspace: Path, promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promptops("release")
    factory.commit(workspace, {"bot/prompts/greet.prompt.yml": factory.PROMPT.replace("hello", "goodbye")})
    promptops("release")
    for version in ("0.1.0", "0.1.1"):
        for channel in ("dev", "staging", "prod"):
            promptops("promote", f"bot@{version}", "--channel", channel)
    (workspace / "promptops.yml").write_text("{ half edited")
    assert "0.1.1 → 0.1.0" in promptops("rollback", "--dry-run").out  # a broken workspace is in nobody's way
    monkeypatch.chdir(tmp_path)
    promptops("rollback", "--registry", str(workspace / ".promptops" / "registry.db"))
    registry = Registry.open(f"sqlite:///{workspace}/.promptops/registry.db")
    assert factory.live_version(registry) == "0.1.0"
    registry.close()


def test_fields_of_a_variable_are_given_by_their_path_and_are_part_of_the_contract(
    workspace: Path, promptops: Promptops
) -> None:
    text = "Hi {{ customer.name }} of {{ customer.home.city }}, {{greeting}}"
    (workspace / "bot/prompts/field.prompt.yml").write_text(
        f"model: openai/gpt-4o-2024-08-06\nmessages: [{{role: user, content: '{text}'}}]\n"
    )
    given = ("-v", "customer.name=Ann", "-v", "customer.home.city=Bern", "-v", "greeting=hello")
    assert "Hi Ann of Bern, hello" in promptops("render", "bot/field", *given).out
    whole = """customer={"name": "Ann", "home": {"city": "Bern"}}"""
    assert "Hi Ann of Bern, hello" in promptops("render", "bot/field", "-v", whole, *given[4:]).out
    missing = promptops("render", "bot/field", *given[:2], *given[4:], exits=2).err
    assert "'customer.home.city'" in missing and "-v customer.home.city=…" in missing
    both = promptops("render", "bot/field", "-v", "customer=Ann", *given, exits=2).err
    assert "'customer.name' is a field, and 'customer' has another value already" in both
    inputs = promptops("show", "bot/field", "--json").json["inputs"]
    assert inputs["field"] == {  # type: ignore[index,call-overload]
        "customer": {
            "type": "object",
            "properties": {
                "home": {"type": "object", "properties": {"city": {}}, "required": ["city"]},
                "name": {},
            },
            "required": ["home", "name"],
        },
        "greeting": {"type": "string"},
    }


def test_the_messages_of_a_conversation_are_given_as_json(workspace: Path, promptops: Promptops) -> None:
    chat = (
        "model: openai/gpt-4o-2024-08-06\nmessages:\n"
        "  - {role: system, content: Be brief.}\n"
        "  - {role: placeholder, name: history, max: 2}\n"
        "  - {role: user, content: '{{question}}'}\n"
    )
    factory.commit(workspace, {"bot/prompts/chat.prompt.yml": chat})
    asked, done = ("-v", "question=And now?"), '[{"role": "user", "content": "Hi {{question}}"}]'
    rendered = promptops("render", "bot/chat", *asked, "-v", f"history={done}", "--json").json
    assert rendered["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi {{question}}"},
        {"role": "user", "content": "And now?"},
    ]
    assert "Hi {{question}}" in promptops("render", "bot/chat", *asked, "-v", f"history={done}").out
    parts = '[{"role": "user", "content": [{"type": "text", "text": "in parts"}]}]'
    assert "in parts" in promptops("render", "bot/chat", *asked, "-v", f"history={parts}").out
    assert "-v history=…" in promptops("render", "bot/chat", *asked, exits=2).err
    assert "must be a list of messages" in promptops("render", "bot/chat", *asked, "-v", "history=Hi", exits=2).err
    many = json.dumps(3 * json.loads(done))
    assert (
        "has 3 messages, and at most 2" in promptops("render", "bot/chat", *asked, "-v", f"history={many}", exits=2).err
    )
    shown = promptops("show", "bot/chat").out
    assert "inputs: question, history" in shown and "3 messages: system, placeholder, user" in shown
    assert "history: messages of the caller, at most 2" in shown
    inputs = promptops("show", "bot/chat", "--json").json["inputs"]
    assert inputs["chat"]["history"]["maxItems"] == 2  # type: ignore[index,call-overload]
    promptops("release")
    factory.commit(workspace, {"bot/prompts/chat.prompt.yml": chat.replace("max: 2", "optional: true")})
    changes = promptops("diff", "bot@0.1.0", "bot").out
    assert "input 'history' is now optional" in changes and "retyped" in changes


def test_cache_marks_are_rendered_shown_and_compared(workspace: Path, promptops: Promptops) -> None:
    chat = (
        "model: anthropic/claude-opus-5\nmodelParameters: {maxTokens: 9}\nmessages:\n"
        "  - {role: system, content: Be brief., cache: true}\n"
        "  - {role: placeholder, name: history, optional: true, cache: true}\n"
        "  - {role: user, content: [{type: text, text: a, cache: true}, {type: text, text: '{{question}}'}]}\n"
        "tools: [{name: find}, {name: pay, cache: true}]\n"
    )
    factory.commit(workspace, {"bot/prompts/chat.prompt.yml": chat})
    shown = promptops("show", "bot/chat").out
    assert "history: messages of the caller, optional, cached up to here" in shown
    assert "tools: find, pay (cached up to here)" in shown
    assert shown.count("cached up to") == 4 and "cached up to part 1" in shown
    asked = ("render", "bot/chat", "-v", "question=And now?")
    mark = {"cache_control": {"type": "ephemeral"}}
    body = promptops(*asked, "--as", "anthropic", "--json").json
    assert json.dumps(body).count(json.dumps(mark)[1:-1]) == 3  # there are no messages of a conversation
    assert "cache" not in json.dumps(promptops(*asked, "--json").json["messages"])
    promptops("release")
    factory.commit(workspace, {"bot/prompts/chat.prompt.yml": chat.replace("brief., cache: true", "brief.")})
    changes = promptops("diff", "bot@0.1.0", "bot").out
    assert "cache marks of the system message" in changes and "patch" in changes.lower()
    factory.commit(
        workspace, {"bot/prompts/chat.prompt.yml": chat.replace("optional: true, cache", "optional: true, cahce")}
    )
    refused = promptops("check", "bot", exits=2)
    assert "Did you mean 'cache'?" in refused.out + refused.err
