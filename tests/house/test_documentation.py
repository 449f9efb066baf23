"""The documentation says what is so: the CLI reference is current, links lead somewhere, nothing is left out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import click
import pytest

from promptops.cli.guide import GuidePage
from promptops.cli.main import COMMANDS, cli
from promptops.client import settings
from promptops.config import VARIABLES
from promptops.source.text.findings import RULES
from tests.support import cli_reference, schema_files, screens
from tests.support.checkout import ROOT, files, modules

PAGES = [path for path in files() if path.suffix == ".md" and path.parts[0] not in {"tests", "promptops"}]
# Prompts are somebody's texts to a model, not pages of ours.
PAGES = [path for path in PAGES if not path.name.endswith(".prompt.md") and "partials" not in path.parts]
GUIDES = [path for path in PAGES if path.parts[0] == "docs" or path.name == "README.md"]
HAND_WRITTEN = [path for path in GUIDES if path != Path("docs/cli.md")]

_FENCE = re.compile(
    r"^(?P<mark>```+|~~~+)(?P<language>[^\n]*)\n(?P<body>.*?)^(?P=mark)[ \t]*$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+(?:\([^()]*\))?)(?:\s+\"[^\"]*\")?\)")
_SOURCE = re.compile(r"<(?:img|source|a)\b[^>]*?(?:src|srcset|href)=\"(?P<target>[^\"]+)\"")


def _text(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _whole(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def _prose(path: Path) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]+`", "", _FENCE.sub("", _text(path)))


def _anchors(path: Path) -> set[str]:
    """The anchors of a page, as `promptops docs` finds them."""
    return {heading.anchor for heading in GuidePage(path=PurePosixPath(path), text=_text(path)).headings()}


def test_the_cli_reference_is_what_the_commands_say() -> None:
    assert _text(Path("docs/cli.md")) == cli_reference.page(), "run `make docs`"


def test_the_screens_of_the_guide_are_what_the_commands_print() -> None:
    assert _text(Path("docs/on-call.md")) == screens.page(), "run `make docs`"


def test_what_is_installed_is_this_package_and_no_other() -> None:
    pages = [path for path in files() if path.parts[0] in {"docs", "example-repo", "promptops"} or path in GUIDES]
    named = re.compile(r"pip install (?:-\S+ )*['\"]?promptops\b(?!-registry\b)")
    assert {str(path) for path in pages if named.search(_whole(path))} == set()


def test_the_published_schemas_are_those_of_the_formats() -> None:
    files = {path: path.read_text(encoding="utf-8") for path in schema_files.FOLDER.glob("*.json")}
    assert files == schema_files.pages(), "run `make docs`"


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    targets = [match["target"] for pattern in (_LINK, _SOURCE) for match in pattern.finditer(_prose(path))]
    dead = []
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (ROOT / path.parent / name) if name else ROOT / path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file.relative_to(ROOT))):
            dead.append(target)
    assert dead == []


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [Path("README.md")]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for match in _LINK.finditer(_prose(page)):
            name = unquote(match["target"]).partition("#")[0]
            file = (ROOT / page.parent / name).resolve()
            if not name or ":" in name or not file.is_relative_to(ROOT):
                continue
            listed = [file.relative_to(ROOT)] if file.is_file() else []
            waiting += [found for found in listed if found in PAGES and found not in reached]
    assert [str(path) for path in GUIDES if path.parts[0] == "docs" and path not in reached] == []


def test_every_setting_read_from_the_environment_is_declared() -> None:
    read = re.compile(r"\bPROMPTOPS_[A-Z_]+\b")
    named = {name for module in modules("promptops", "migrations") for name in read.findall(module.text)}
    assert named - set(VARIABLES) == set()


def test_every_setting_is_documented_by_hand_and_exists() -> None:
    written = "\n".join(_text(path) for path in HAND_WRITTEN)
    assert [name for name in VARIABLES if not re.search(rf"\b{name}\b", written)] == []
    assert set(re.findall(r"\bPROMPTOPS_[A-Z_]+\b", written)) - set(VARIABLES) == set()


def test_only_config_reads_the_environment() -> None:
    # The client runs in other people's programs and knows nothing of config.py, which lists its settings all the same.
    # store/backups/pg_dump.py hands all of it on to pg_dump, which reads it itself, and takes nothing out;
    # source/git/environment.py hands it on to git, without most variables of git; files.py finds the user's cache.
    known = {
        Path(f"promptops/{name}.py")
        for name in ("config", "client/settings", "store/backups/pg_dump", "source/git/environment", "files")
    }
    reads = {module.path for module in modules("promptops") if re.search(r"os\.(?:environ|getenv)", module.text)}
    assert reads == known


def test_every_setting_of_the_client_is_one_of_all() -> None:
    own = {value for value in vars(settings).values() if isinstance(value, str) and value.startswith("PROMPTOPS_")}
    assert len(own) == 10
    assert own <= set(VARIABLES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained_in_a_guide(name: str) -> None:
    assert [path for path in HAND_WRITTEN if f"promptops {name}" in _text(path)]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_has_their_own_line_of_help(name: str) -> None:
    command = next(command for ctx, command in cli_reference.commands() if ctx.command_path == f"promptops {name}")
    first = (command.help or "").strip().splitlines()[0]
    assert first == COMMANDS[name][1]


@pytest.mark.parametrize("code", RULES)
def test_every_finding_is_explained(code: str) -> None:
    assert [path for path in HAND_WRITTEN if f"`{code}`" in _text(path)]


def test_every_make_target_a_page_names_exists() -> None:
    targets = set(re.findall(r"^\.PHONY: (.+)$", _text(Path("Makefile")), re.MULTILINE))
    existing = {target for line in targets for target in line.split()}
    named = {
        name for path in PAGES for name in re.findall(r"(?:`|^\$? ?|&& )make ([a-z-]+)", _text(path), re.MULTILINE)
    }
    assert named - existing == set()


# --- commands shown in the pages ------------------------------------------------------------------


def _shown() -> Iterator[tuple[str, list[str]]]:
    """Every promptops command line in the code of a page: where it stands, and its words."""
    for path in HAND_WRITTEN:
        for fence in _FENCE.finditer(_text(path)):
            if fence["language"].split(" ")[0].strip() not in {"", "sh", "bash", "shell", "console"}:
                continue
            body = re.sub(r"\\\n\s*", " ", fence["body"])
            for line in body.splitlines():
                match = re.match(r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(promptops(?: .*)?)$", line)
                if match and not re.search(r"[…<]|\.\.\.", match[1]):
                    yield f"{path}: {match[1]}", shlex.split(match[1], comments=True)


def _cut(words: list[str]) -> list[str]:
    """The words up to a pipe, a redirection or the next command."""
    ends = [index for index, word in enumerate(words) if re.match(r"\d?[|>]|&&|\|\||;", word)]
    return words[1 : ends[0]] if ends else words[1:]


def test_every_command_shown_in_a_page_is_one_that_exists() -> None:
    wrong = []
    for where, words in _shown():
        try:
            _resolve(_cut(words))
        except click.ClickException as error:
            wrong.append(f"{where}: {error.format_message()}")
    assert wrong == []


def _resolve(words: list[str]) -> None:
    """Parse a command line down to its last command, without running anything."""
    command: click.Command = cli
    parent: click.Context | None = None
    while words and not {"--help", "-h", "--version"} & set(words):
        with command.make_context(command.name, list(words), parent=parent) as ctx:
            if not isinstance(command, click.Group):
                return
            words = [*ctx._protected_args, *ctx.args]
            _, found, words = command.resolve_command(ctx, words)
            assert found is not None
            command, parent = found, ctx
