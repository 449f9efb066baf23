"""Who may import what, and what a clean interpreter loads."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, imports, modules, run_python

HEAVY = ("sqlalchemy", "click", "rich", "alembic", "pydantic", "yaml", "jinja2", "jsonschema")

# Packages that come with a declared one and are its public face to us.
COMES_WITH = {
    "anyio": "fastapi",
    "google": "opentelemetry",
    "h11": "uvicorn",
    "pydantic": "fastapi",
    "referencing": "jsonschema",
    "starlette": "fastapi",
}

_LOADED = "import sys; print(' '.join(name for name in sys.argv[1].split() if name in sys.modules))"


def test_import_promptops_loads_nothing_heavy() -> None:
    assert run_python(f"import promptops; {_LOADED}", " ".join(HEAVY)).split() == []


@pytest.mark.parametrize(
    "code", ["import promptops", "from promptops import AsyncClient", "from promptops import Client"]
)
def test_a_client_that_is_not_made_yet_loads_nothing_that_only_some_need(code: str) -> None:
    # httpx brings click and rich along where they are installed, so it waits for the first web server.
    names = [*HEAVY, "starlette", "fastapi", "uvicorn", "httpx", "mmh3", "rfc8785", "psycopg"]
    assert run_python(f"{code}; {_LOADED}", " ".join(names)).split() == []


def test_a_client_that_serves_loads_no_more_than_it_needs() -> None:
    code = f"""
import sys, tempfile
from promptops import Client
with Client("file:" + tempfile.gettempdir(), channel="prod", cache_dir=False) as client:
    client.get_prompt("bot/answer", fallback="Hello {{{{name}}}}").render(name="Ada")
{_LOADED}
"""
    outcomes = ["promptops.core.outcomes.recorder", "promptops.core.outcomes.units", "promptops.core.answers.reader"]
    assert run_python(code, " ".join([*HEAVY, *outcomes, "httpx", "asyncio", "mmh3"])).split() == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["rollback", "--help"]])
def test_help_loads_neither_the_database_nor_git_nor_rich(arguments: list[str]) -> None:
    code = f"""
import sys
from promptops.cli.main import main
sys.argv[1:], names = {arguments!r}, sys.argv[1]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
sys.argv = ["", names]
{_LOADED}
"""
    heavy = [name for name in HEAVY if name != "click"]
    assert run_python(code, " ".join(heavy)).splitlines()[-1].split() == []


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_folder_has_its_place_among_the_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    placed = {
        name.strip() for contract in contracts for layer in contract.get("layers", ()) for name in layer.split("|")
    }
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "promptops").rglob("__init__.py")}
    assert folders - placed == {"promptops"}


@pytest.mark.parametrize(
    ("package", "home"),
    [
        (
            "subprocess",
            (
                "promptops/source/git/",
                "promptops/store/backups/pg_dump.py",
                "promptops/cli/git_",
                "promptops/cli/pager.py",
            ),
        ),
        ("rich", ("promptops/cli/output/fit.py", "promptops/cli/output/markdown.py", "promptops/cli/output/render.py")),
        ("sqlalchemy", ("promptops/store/", "migrations/")),
        ("alembic", ("promptops/store/", "migrations/")),
        ("psycopg", ("promptops/store/", "migrations/")),
        ("pydantic", ("promptops/server/",)),
        ("fastapi", ("promptops/server/",)),
        ("starlette", ("promptops/server/",)),
        ("uvicorn", ("promptops/server/",)),
        ("httpx", ("promptops/client/", "promptops/gateway/", "promptops/evals/")),
        ("genai_prices", ("promptops/evals/price_list.py",)),
        ("mmh3", ("promptops/core/bucketing.py",)),
        ("pytest", ("promptops/pytest_plugin.py",)),
    ],
)
def test_a_package_with_one_home_is_imported_nowhere_else(package: str, home: tuple[str, ...]) -> None:
    strangers = [
        f"{module.path}:{line}"
        for module in modules("promptops", "migrations")
        for name, line in imports(module, for_types=False)
        if name.split(".")[0] == package and not module.path.as_posix().startswith(home)
    ]
    assert strangers == []


def test_of_fastapi_only_what_its_documentation_names_is_used() -> None:
    public = {"fastapi", "fastapi.exceptions", "fastapi.routing"}
    used = {
        f"{module.path}:{line}: {name}"
        for module in modules("promptops")
        for name, line in imports(module)
        if name.split(".")[0] == "fastapi" and name not in public
    }
    assert used == set()
    private = re.compile(r"\.(dependant|body_field|dependency_overrides)\b")
    assert [module.path for module in modules("promptops") if private.search(module.text)] == []


def test_every_imported_package_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {_distribution(line) for line in project["dependencies"]}
    declared |= {_distribution(line) for extra in project["optional-dependencies"].values() for line in extra}
    provided_by = packages_distributions()
    undeclared = [
        f"{module.path}:{line} imports {name}"
        for module in modules("promptops", "migrations")
        for name, line in imports(module)
        if (top := name.split(".")[0]) not in sys.stdlib_module_names | {"promptops", "migrations"}
        and (top, module.path.name) != ("pytest", "pytest_plugin.py")  # which pytest itself loads
        and not {_distribution(found) for found in provided_by.get(COMES_WITH.get(top, top), [top])} & declared
    ]  # what is not installed here, as `keyring`, has the name of its package
    assert undeclared == []


def test_every_declared_dependency_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    used = {name.split(".")[0] for module in modules("promptops", "migrations") for name, _ in imports(module)}
    provided_by = packages_distributions()
    distributions = {_distribution(found) for top in used for found in provided_by.get(top, [])}
    assert [line for line in project["dependencies"] if _distribution(line) not in distributions] == []


def _distribution(requirement: str) -> str:
    name = requirement.split(";")[0].split("[")[0]
    for mark in "<>=!~ ":
        name = name.split(mark)[0]
    return name.strip().lower().replace("_", "-")
