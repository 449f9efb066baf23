"""What a library would have once, this project has once: a second definition would behave in another way some day."""

from __future__ import annotations

import re

import pytest

from tests.support.checkout import modules

ONCE = [
    # what it is, what gives it away, where it is
    ("a password is hidden", r"def hide_password", "core/server_url.py"),
    ("the URL of a server is checked", r"is_loopback\(|httpx\.URL\(|is not the URL of a server", "core/server_url.py"),
    ("Retry-After is read", r"parsedate_to_datetime\(|headers\.get\(\"retry-after\"", "core/backoff.py"),
    (
        "the wait grows with failures",
        r"\*\* ?(?:min\()?[\w.]*(?:failures|tries)|random\.uniform",
        "core/backoff.py",
    ),
    ("a file is locked", r"fcntl\.flock\(", "files.py"),
    ("a file is written whole", r"os\.fsync\(|os\.replace\(|mkstemp\(|os\.link\(", "files.py"),
    ("trust in TLS", r"SSLContext\(|create_default_context\(|create_ssl_context\(", "client/sources/trust.py"),
    ("a duration is read", r"weeks\?|def parse_duration", "core/duration.py"),
]


@pytest.mark.parametrize(("what", "pattern", "home"), ONCE, ids=[row[0] for row in ONCE])
def test_there_is_one_definition(what: str, pattern: str, home: str) -> None:
    assert {path for path in _having(pattern) if path not in ALLOWED.get(what, ())} == {f"promptops/{home}"}


ALLOWED = {
    # They decide whether a server listens to this machine alone, and do not read a URL.
    "the URL of a server is checked": ("promptops/core/loopback.py", "promptops/cli/commands/serve.py"),
}


def _having(pattern: str) -> set[str]:
    return {module.path.as_posix() for module in modules("promptops") if re.search(pattern, module.text)}
