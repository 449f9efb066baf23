"""What is committed stands alone: no machine's paths, no registry's address, no hidden characters, no leftovers."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from promptops import __version__
from tests.support.checkout import ROOT, files

TEXTS = [path for path in files() if path.suffix not in {".png", ".ico", ".gz", ".db", ".bin", ".whl", ".xz", ".eval"}]
LOCKS = [Path(".locks/run.txt"), Path(".locks/dev.txt")]

# The folders sessions and containers work in, and the one this checkout is in.
_MACHINE = re.compile(r"(?<![\w.~}])/(?:root|work)/|\.\./shared\b|" + re.escape(f"{ROOT}/"))
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad\U000e0000-\U000e007f]")
_EMOJI = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+|(?<=[\ufe0f\U0001f000-\U0001faff])\u200d")  # flags, families
_CONFLICT = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)


def _lines(pattern: re.Pattern[str], path: Path) -> list[str]:
    text = _EMOJI.sub("", (ROOT / path).read_bytes().decode("utf-8", "replace"))
    return [f"{path}:{text.count(chr(10), 0, match.start()) + 1} {match[0]!r}" for match in pattern.finditer(text)]


def test_nothing_names_a_folder_of_one_machine() -> None:
    assert [line for path in TEXTS if path != _here() for line in _lines(_MACHINE, path)] == []


def test_no_conflict_marker_is_left() -> None:
    assert [line for path in TEXTS for line in _lines(_CONFLICT, path)] == []


def test_no_character_hides_in_a_file() -> None:
    assert [line for path in TEXTS for line in _lines(_HIDDEN, path)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_a_lock_has_names_versions_and_hashes_and_no_address(lock: Path) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|--(?:extra-)?index-url|--find-links|^-", text, re.MULTILINE)
    entries = re.split(r"^(?=\w)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    assert [
        entry for entry in entries if entry and not re.match(r"[\w.-]+==\S+.*\n( +--hash=sha256:\w{64}.*\n)+", entry)
    ] == []


def test_both_locks_pin_the_same_versions() -> None:
    run, dev = (dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)) for lock in LOCKS)
    assert {name: version for name, version in run.items() if dev.get(name) != version} == {}


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / LOCKS[1]).read_text(), re.MULTILINE))
    asked = project["project"]["dependencies"] + [
        line for line in project["dependency-groups"]["dev"] if isinstance(line, str)
    ]
    names = {re.split(r"[\[<>=!~ ;]", line)[0].lower() for line in asked}
    assert names - locked == set()


def test_every_public_make_target_lists_itself() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    public = set(re.findall(r"^\.PHONY: ([a-z-]+)$", text, re.MULTILINE)) - {"need-python"}
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {"demo", "test", "test-fast", "check", "bench", "lock", "docs", "clean", "help"} <= public
    assert {line.split()[1] for line in shown.splitlines()} == public


def test_the_version_is_semver_and_the_changelog_knows_what_comes_next() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9a-z.]+)?", __version__)
    assert re.search(
        rf"^## (?:Unreleased|\[?{re.escape(__version__)}\]?)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )


def _here() -> Path:
    return Path(__file__).relative_to(ROOT)
