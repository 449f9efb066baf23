"""Which tests `make test-fast` leaves out: by their database, their fixtures, what they call and their place.

What is left is the whole logic, on SQLite and in one process. A new test of PostgreSQL or of a server process is marked
by itself; a new module that starts processes of its own or waits for time to pass is named here.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath

import pytest

HERE = Path(__file__).parents[1]

DATABASES = frozenset({"postgresql", "pgbouncer-transaction", "pgbouncer-session", "shared"})
"""Parameters that run a test on PostgreSQL; the same test on SQLite is left in."""

SERVERS = ("postgresql", "pgbouncer", "serve", "place", "running", "crew")
"""How the names of fixtures begin that start a database server or a process of ours."""

STARTS = "running"
"""The function that starts a server: a test that calls it by itself starts one too."""

PLACES = (
    "harness/*",
    "journey/*",
    "migrations/*",
    # A provider on this machine: it hangs, loses connections, and runs are killed.
    "evals/test_resilience",
    "evals/test_runs",
    # A client over real connections waits for polls, streams and deadlines; its logic is in the folders below.
    "client/test_*",
    "client_adapters/*",
    # Processes that contend, fork, are killed, or run as another user.
    "core/test_attacks",
    "operations/test_export_*",
    "store/engine/test_forking",
    "store/engine/test_watching",
    "store/test_backups_beside_others",
    "store/test_contention",
    "store/test_linearizability",
    "store/journal/test_toy_fact",
    "store/test_strangers",
    "server/test_*",
    "cli/test_complete",
    "cli/test_db_backup",
    "cli/test_git_settings",
    "cli/test_main",
    "cli/test_trouble",
    "cli/test_everywhere",
    "cli/test_earlier_version",
    "cli/commands/test_clients",
    "cli/commands/test_hooks",
    "cli/commands/test_sync",
    "cli/commands/test_types",
    "gateway/test_lost_answers",
    "operations/test_backup",
    "store/backups/test_backup",
    "house/test_wheel",
    "importers/test_hostile",
    "house/test_slow",
    "server/live/test_limits",
    "source/test_outside",
    # Budgets, whose tests work for as long as a budget lets them; every column of every fact, every table of every
    # change; laws over many runs; a document explored by generated requests.
    "core/template/test_budget",
    "core/test_schema_budget",
    "store/test_every_column",
    "store/engine/test_read_back",
    "operations/test_rollback_laws",
    "server/http/test_openapi",
    "source/test_bounds",
    "cli/test_bounds",
)
"""Modules below `tests/`, without `.py`."""

IN_PROCESS = frozenset({"client/test_prompt", "server/test_routes", "server/test_numbers"})
"""Modules of these places that ask within this process, and wait for nothing."""


def is_slow(item: pytest.Item) -> bool:
    """Whether a test starts processes or PostgreSQL, or waits for time to pass."""
    parameters = getattr(item, "callspec", None)
    if parameters is not None and any(isinstance(v, str) and v in DATABASES for v in parameters.params.values()):
        return True
    if any(name.startswith(SERVERS) for name in getattr(item, "fixturenames", ())):
        return True
    code = getattr(getattr(item, "function", None), "__code__", None)
    return (code is not None and STARTS in code.co_names) or _is_slow_module(item.path)


@cache
def _is_slow_module(path: Path) -> bool:
    module = PurePosixPath(path.relative_to(HERE).with_suffix("").as_posix())
    return str(module) not in IN_PROCESS and any(_is_below(module, place) for place in PLACES)


def _is_below(module: PurePosixPath, place: str) -> bool:
    """A place names its folder too: `client/test_*` holds no module of `client/follow/`."""
    if place.endswith("/*"):
        return module.parts[0] == place.removesuffix("/*")
    return len(module.parts) == len(PurePosixPath(place).parts) and module.match(place)
