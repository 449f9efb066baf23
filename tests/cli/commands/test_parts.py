"""A message with files of the workspace, from the check to the request: what is embedded is what is committed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptops.core.digest import digest
from tests.cli.conftest import Promptops
from tests.support import factory, media

PROMPT = """model: openai/gpt-5.2-2025-12-11
messages:
  - role: user
    content:
      - {type: text, text: "What is on {{ what }}?"}
      - {type: image, file: files/logo.png, detail: low}
"""


@pytest.fixture
def seeing(workspace: Path) -> Path:
    """The folder of the app `bot`, with a prompt that embeds an image; everything is committed."""
    app = workspace / "bot"
    (app / "files").mkdir()
    (app / "prompts" / "see.prompt.yml").write_text(PROMPT)
    (app / "files" / "logo.png").write_bytes(media.png())
    commit(workspace)
    return app


def commit(root: Path) -> None:
    factory.git(root, "add", "--all")
    factory.git(root, "commit", "--quiet", "-m", "Change")


def content_of(promptops: Promptops, reference: str) -> dict[str, Any]:
    content = promptops("show", reference, "--json").json["content"]
    assert isinstance(content, dict)
    return content


def test_a_committed_file_is_released_by_its_digest_and_rendered(promptops: Promptops, seeing: Path) -> None:
    promptops("check")
    promptops("release", "bot")
    content = content_of(promptops, "bot@0.1.0")
    assert list(content["blobs"]) == [digest(media.png())]
    assert content["requires"] == ["parts"]
    assert (
        f"[image image/png in detail low: {len(media.png())} bytes, sha256:" in promptops("show", "bot/see@0.1.0").out
    )
    shown = promptops("render", "bot/see@0.1.0", "-v", "what=it").out
    assert f"What is on it?\n[image: url data:image/png;base64,… ({len(media.png())} bytes), detail low]" in shown
    messages: Any = promptops("render", "bot/see@0.1.0", "-v", "what=it", "--json").json["messages"]
    assert [part["type"] for part in messages[0]["content"]] == ["text", "image_url"]


def uncommitted(promptops: Promptops, *arguments: str) -> list[tuple[str, int, int, str, str]]:
    found: Any = promptops("check", *arguments, "--json").json["findings"]
    return [
        (each["path"], each["line"], each["column"], each["message"], each["hint"])
        for each in found
        if each["code"] == "file-uncommitted"
    ]


def test_check_says_of_a_file_that_git_does_not_have_why_a_release_would_lack_it(
    promptops: Promptops, seeing: Path
) -> None:
    assert uncommitted(promptops) == []
    prompt = seeing / "prompts" / "see.prompt.yml"
    prompt.write_text(PROMPT.replace("logo.png", "new one.png"))
    (seeing / "files" / "new one.png").write_bytes(media.png())
    at = ("bot/prompts/see.prompt.yml", 6, 29)
    lacking = "and a release has what is committed"
    new = (*at, f"'bot/files/new one.png' is not in git, {lacking}", "git add 'bot/files/new one.png'")
    for path in ((), ("bot",), ("bot/prompts/see.prompt.yml",), ("promptops.yml",)):
        assert uncommitted(promptops, *path) == [new]
    (seeing / "files" / ".gitignore").write_text("# large ones\n*one.png\n")
    [(*_, message, hint)] = uncommitted(promptops)
    assert message == f"git ignores 'bot/files/new one.png' (bot/files/.gitignore:2), {lacking}"
    assert hint == "git add -f 'bot/files/new one.png', or give it another name."
    promptops("check", "--strict", exits=2)
    factory.git(seeing, "add", "-f", "files/new one.png")
    assert uncommitted(promptops) == [], "what is staged is about to be committed"
    (seeing / "files" / "unused.png").write_bytes(media.png())
    assert uncommitted(promptops) == []


def test_a_file_that_an_app_of_another_folder_embeds_is_named_from_the_workspace(
    promptops: Promptops, seeing: Path, tmp_path: Path
) -> None:
    """Two apps embed new files, one of them beside a file that git has."""
    other = seeing.parent / "other"
    (other / "files").mkdir(parents=True)
    (other / "see.prompt.yml").write_text(
        PROMPT.replace("logo.png", "b.png") + "      - {type: image, file: files/c.png}\n"
    )
    for name in ("b.png", "c.png"):
        (other / "files" / name).write_bytes(media.png())
    marker = seeing.parent / "promptops.yml"
    marker.write_text(marker.read_text().replace("apps: [", "apps: [other, "))
    factory.git(seeing.parent, "add", "other/files/c.png")
    (seeing / "prompts" / "see.prompt.yml").write_text(PROMPT.replace("logo.png", "a.png"))
    (seeing / "files" / "a.png").write_bytes(media.png())
    assert [(path, hint) for path, _, _, _, hint in uncommitted(promptops)] == [
        ("bot/prompts/see.prompt.yml", "git add bot/files/a.png"),
        ("other/see.prompt.yml", "git add other/files/b.png"),
    ]


def test_a_workspace_may_be_in_a_folder_whose_name_begins_with_a_dot(promptops: Promptops, seeing: Path) -> None:
    root = seeing.parent
    hidden = root / ".prompts"
    hidden.mkdir()
    for name in ("promptops.yml", *(path.name for path in root.iterdir() if (path / "prompts").is_dir())):
        (root / name).rename(hidden / name)
    commit(root)
    assert uncommitted(promptops, str(hidden)) == []
    registry = ("--registry", str(root / ".promptops" / "registry.db"))
    promptops("-C", str(hidden), "release", "bot", *registry)
    assert promptops("render", "bot/see@0.1.0", "-v", "what=it", *registry).out


def test_outside_of_a_repository_there_is_nothing_to_commit(promptops: Promptops, tmp_path: Path) -> None:
    app = tmp_path / "loose"
    (app / "files").mkdir(parents=True)
    (app / "see.prompt.yml").write_text(PROMPT)
    (app / "files" / "logo.png").write_bytes(media.png())
    assert uncommitted(promptops, str(app)) == []


def test_a_changed_file_is_a_change_of_the_app(promptops: Promptops, seeing: Path) -> None:
    promptops("release", "bot")
    (seeing / "files" / "logo.png").write_bytes(media.png(3, 3))
    refused = promptops("release", "bot", exits=4)
    assert "these files are not committed" in refused.err and "bot/files/logo.png" in refused.err
    assert list(content_of(promptops, "bot@0.1.0")["blobs"]) == [digest(media.png())]
    promptops("release", "bot", "--allow-dirty")
    assert list(content_of(promptops, "bot@0.2.0")["blobs"]) == [digest(media.png(3, 3))]
    commit(seeing.parent)
    promptops("release", "bot")  # the same content, from a commit now
    differs = promptops("diff", "bot@0.1.0", "bot@0.2.0").out
    assert "parts of the user message" in differs
    assert "in detail low: 73 bytes, sha256:[-" in differs


def test_a_file_that_was_never_committed_is_no_part_of_a_release(promptops: Promptops, seeing: Path) -> None:
    root = seeing.parent
    (root / ".gitignore").write_text((root / ".gitignore").read_text() + "*.gif\n")
    (seeing / "files" / "new.gif").write_bytes(media.GIF)
    (seeing / "prompts" / "see.prompt.yml").write_text(PROMPT.replace("logo.png", "new.gif"))
    commit(root)
    promptops("check")  # the files as they are have it
    refused = promptops("release", "bot", exits=2)
    assert "there is no file 'files/new.gif' in the app's folder" in refused.err
    assert "`git add -f` takes a file that .gitignore leaves out" in refused.err
    factory.git(root, "add", "-f", "bot/files/new.gif")
    commit(root)
    promptops("release", "bot")
    assert list(content_of(promptops, "bot@0.1.0")["blobs"]) == [digest(media.GIF)]


def test_a_release_has_the_bytes_of_the_commit_and_not_those_of_the_disk(promptops: Promptops, seeing: Path) -> None:
    """Git LFS writes the file into the working tree, and its pointer into the commit."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1234\n"
    (seeing / "files" / "logo.png").write_text(pointer)
    commit(seeing.parent)
    found = promptops("check", exits=2)
    assert "files/logo.png is a Git LFS pointer" in found.out
    factory.git(seeing.parent, "update-index", "--assume-unchanged", "bot/files/logo.png")
    (seeing / "files" / "logo.png").write_bytes(media.png())
    refused = promptops("release", "bot", exits=2)
    assert "files/logo.png is a Git LFS pointer" in refused.err


def test_a_link_is_not_followed(promptops: Promptops, seeing: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(media.png())
    (seeing / "files" / "logo.png").unlink()
    (seeing / "files" / "logo.png").symlink_to(outside)
    commit(seeing.parent)
    assert "files/logo.png is not a regular file; links are not followed" in promptops("check", exits=2).out
    assert "links are not followed" in promptops("release", "bot", exits=2).err


def test_other_files_in_that_folder_stop_no_release(promptops: Promptops, seeing: Path) -> None:
    (seeing / "files" / "draft.png").write_bytes(media.png(4, 4))
    promptops("release", "bot")
    assert list(content_of(promptops, "bot@0.1.0")["blobs"]) == [digest(media.png())]


def test_a_file_larger_than_a_prompt_file_may_be_is_compared_whole(promptops: Promptops, seeing: Path) -> None:
    (seeing / "files" / "logo.png").write_bytes(media.png(noise=b"x" * 300_000))
    commit(seeing.parent)
    promptops("release", "bot", "--allow-dirty")
    assert promptops("show", "bot@0.1.0", "--json").json["dirty"] is False


ASKING = """model: openai/gpt-5.2-2025-12-11
inputs: {photo: {type: image}}
messages:
  - role: user
    content:
      - {type: text, text: "What is on {{ what }}?"}
      - {type: image, input: photo}
testData:
  - {what: it, photo: files/logo.png}
"""


def test_a_variable_is_given_by_a_path_or_a_url(promptops: Promptops, seeing: Path) -> None:
    (seeing / "prompts" / "see.prompt.yml").write_text(ASKING)
    shown = promptops("render", "bot/see", "-v", "what=it", "-v", "photo=@bot/files/logo.png").out
    assert f"[image: url data:image/png;base64,… ({len(media.png())} bytes)]" in shown
    shown = promptops("render", "bot/see", "-v", "what=it", "-v", "photo=https://a.b/c.png").out
    assert "[image: url https://a.b/c.png]" in shown
    refused = promptops("render", "bot/see", "-v", "what=it", "-v", "photo=logo.png", exits=2)
    assert "-v photo: 'logo.png' is no value of type image" in refused.err
    refused = promptops("render", "bot/see", "-v", "what=it", "-v", "photo=@none.png", exits=2)
    assert "none.png: No such file or directory" in refused.err


def test_a_case_of_the_file_is_rendered_with_its_image(promptops: Promptops, seeing: Path) -> None:
    (seeing / "prompts" / "see.prompt.yml").write_text(ASKING)
    request = promptops("render", "bot/see", "--case", "1", "--as", "openai").out
    assert "data:image/png;base64," in request
