"""`make test-fast` leaves out what is slow and nothing else, and `make test` leaves out nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from tests.support.checkout import ROOT
from tests.support.slow import HERE, IN_PROCESS, PLACES

_COLLECT = """
import sys, pytest

class Tell:
    def pytest_collection_finish(self, session):
        for item in session.items:
            print("slow" if item.get_closest_marker("slow") else "fast", item.nodeid)

sys.exit(pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[Tell()]))
"""


def collected(*paths: str) -> tuple[list[str], list[str]]:
    """The ids of the slow tests and of the fast ones, as pytest collects them."""
    command = [sys.executable, "-c", _COLLECT, *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line.split(" ", 1) for line in done.stdout.splitlines() if "::" in line]
    return [name for kind, name in found if kind == "slow"], [name for kind, name in found if kind == "fast"]


def test_the_marker_is_declared_and_one_target_uses_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [marker.partition(":")[0] for marker in project["tool"]["pytest"]["ini_options"]["markers"]]
    recipes = dict(re.findall(r"^([a-z-]+): .*\n\t(.*pytest.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert "slow" in declared
    assert [target for target, recipe in recipes.items() if "not slow" in recipe] == ["test-fast"]
    assert "-m" not in recipes["test"].split("pytest")[1].split(), "make test runs everything"


@pytest.mark.parametrize("place", [*PLACES, *sorted(IN_PROCESS)])
def test_every_place_of_slow_tests_is_there(place: str) -> None:
    assert list(HERE.glob(place if place.endswith("/*") else f"{place}.py"))


def test_a_test_is_slow_on_postgresql_and_with_a_server_and_fast_on_sqlite() -> None:
    modules = ["tests/store/test_record.py", "tests/core/test_rollout.py"]
    modules += [f"tests/server/{name}.py" for name in ("api/test_client_reads", "http/test_bodies")]
    slow, fast = collected(*modules)
    assert [name for name in fast if "postgresql" in name or "test_client_reads" in name] == []
    assert any("test_no_body_costs_more" in name for name in slow), "it starts a server without a fixture"
    assert any(name.startswith("tests/store/test_record.py") and "sqlite" in name for name in fast)
    assert any(name.startswith("tests/store/test_record.py") and "postgresql" in name for name in slow)
    assert [name for name in slow if "sqlite" in name and "test_record" in name] == []
    assert any(name.startswith("tests/core/test_rollout.py") for name in fast)
