"""The wheel alone, in a directory without a checkout: it carries migrations, example and docs, and it works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from promptops import __version__
from tests.support.checkout import ROOT, files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)], cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def promptops(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script in a new environment: the wheel, and the locked packages this interpreter already has.

    A .pth file lends those packages without the network. The files *in* a lent folder are not read again, so an
    editable install of this checkout is not lent with them.
    """
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], cwd=home).strip())
    lent = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (site / "lent.pth").write_text("\n".join(lent) + "\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    _run([*pip, "install", "--quiet", "--no-index", "--no-deps", "--ignore-installed", str(wheel)], cwd=home)
    return home / "bin" / "promptops"


def _run(command: list[str], *, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PROMPTOPS_", "GIT_"))}
    environment = {**clean, "NO_COLOR": "1", "PROMPTOPS_ACTOR": "Ada Lovelace <ada@example.org>"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def test_the_wheel_carries_the_migrations_the_example_the_pages_and_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    moved = {
        "migrations": "promptops/migrations",
        "example-repo": "promptops/templates/example",
        "docs": "promptops/docs",
    }
    expected = {
        Path(moved.get(path.parts[0], path.parts[0]), *path.parts[1:]).as_posix()
        for path in files()
        if path.parts[0] in {"promptops", *moved}
    }
    assert expected - carried == set()
    assert {name for name in carried - expected if ".dist-info/" not in name} == set()
    assert f"promptops_registry-{__version__}.dist-info/licenses/LICENSE" in carried


def test_the_wheel_runs_from_its_own_files(promptops: Path, tmp_path: Path) -> None:
    where = _run(
        [str(promptops.with_name("python")), "-c", "import promptops; print(promptops.__file__)"], cwd=tmp_path
    )
    assert Path(where.strip()).is_relative_to(promptops.parents[1])
    assert _run([str(promptops), "--version"], cwd=tmp_path).strip() == f"promptops {__version__}"


def test_the_wheel_makes_an_example_and_checks_it_without_a_checkout(promptops: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "prompts"
    _run([str(promptops), "init", "--example", str(workspace)], cwd=tmp_path)
    assert (workspace / "promptops.yml").is_file()
    assert (workspace / ".promptops" / "registry.db").is_file()
    checked = json.loads(_run([str(promptops), "check", "--json"], cwd=workspace))
    assert checked["errors"] == 0
    current = json.loads(_run([str(promptops), "db", "current", "--json"], cwd=workspace))
    assert current


def test_the_wheel_has_all_pages_of_the_documentation(promptops: Path, tmp_path: Path) -> None:
    listed = json.loads(_run([str(promptops), "docs", "--json"], cwd=tmp_path))
    written = {path for path in files() if path.parts[0] == "docs" and path.suffix == ".md"}
    assert len(listed["pages"]) == len(written)
    page = json.loads(_run([str(promptops), "docs", "gates", "--json"], cwd=tmp_path))
    assert page["text"] == (ROOT / "docs/gates.md").read_text(encoding="utf-8")
