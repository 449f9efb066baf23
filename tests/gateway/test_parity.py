"""One day's work, typed twice: with a database, and with a server. What is printed may differ in the time alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from promptops.core.token import Scope
from promptops.store import Registry
from tests.gateway.conftest import Attempt
from tests.gateway.serving import Serve, mint
from tests.server.running import running
from tests.support import factory
from tests.support.signing import key_text

WORKSPACE = """\
registry: test
apps: [bot, other]
channels:
  dev: {allow_dirty: true}
  staging: {promote_from: dev}
  prod: {promote_from: staging}
notify:
  ops: {url: https://hooks.example.com/promptops, channels: [prod]}
"""

DAY = """
checkout first
channels
channels --json
channels apply
status
status --json
release --key r1
release
release --json
releases bot
releases bot --json
show bot@0.1.0
show bot@0.1.0 --json
render bot/greet@0.1.0 -v name=Ada
promote bot@0.1.0 --channel dev --reason first --key p1
promote bot@0.1.0 --channel dev --reason first --key p1
promote bot@0.1.0 --channel prod
promote bot:dev --channel staging
promote bot:staging --channel prod --dry-run
promote bot:staging --channel prod --key p2 --json
promote other@0.1.0 --channel dev
status
checkout second
release bot --notes shorter --key r2
release --bump major --key r3 --json
releases bot --limit 1
diff bot@0.1.0 bot
diff bot:prod bot@0.1.1
diff bot@0.1.0 bot@0.1.1 --json
promote bot@0.1.1 --channel dev
promote bot@0.1.1 --channel staging
promote bot@0.1.1 --channel prod --expect-revision 7
promote bot@0.1.1 --channel prod --expect-revision 1 --reason newer
status bot
status --channel prod --json
show bot:prod
show bot:prod --json
render bot/greet:prod -v name=Ada --json
history bot --channel prod
history bot --channel prod --json
history bot
incident
incident bot --channel prod --json
incident other:staging
rollback --dry-run
rollback bot --channel prod --reason wrong --key b1
rollback bot --channel prod --reason wrong --key b1 --json
rollback bot --channel prod
status --json
releases bot
show bot@0.1.1
promote bot@0.1.1 --channel prod
unquarantine bot@0.1.1 --channel prod --reason fine --key u1
unquarantine bot@0.1.1 --channel prod --reason fine --json
promote bot@0.1.1 --channel prod
quarantine bot@0.1.0 --channel prod --reason old --key q1
quarantine bot@0.1.0 --channel prod --reason old --json
rollback bot --channel prod
rollback --all --channel dev
rollback --all --channel dev --at 2026-01-01T00:00Z
promote other@1.0.0 --channel dev
rollback --all --channel dev --dry-run --json
rollback bot other --channel dev --key b2
rollback bot other --channel dev --json
yank bot@0.1.0 --reason leak
rollback bot --channel staging --reason leak
retire bot --channel prod --reason over --dry-run
retire bot --channel prod --reason over --key o1
retire bot --channel prod --reason over --key o1 --json
retire bot --channel prod --reason over
retire bot --channel prod --reason over --expect-revision 9
retire bot
retire gone --channel prod --reason over
retire other --channel staging --reason over
rollback bot --channel prod
status
diff bot:prod bot
show bot:prod
promote bot@0.1.1 --channel prod
unquarantine bot@0.1.1 --channel prod --reason fine
promote bot@0.1.1 --channel prod
yank bot@0.1.0 --reason leak --key y1 --json
yank other@1.0.0 --reason leak --key y2
yank other@1.0.0 --reason leak --key y2 --json
promote other@1.0.0 --channel dev
releases other
show other@1.0.0
history bot --channel staging --limit 2
override create bot@0.1.1 --channel prod --reason gone
override create bot@0.1.1 --channel staging --reason gone --json
override reconcile bot.prod.override.json
override reconcile bot.prod.override.json bot.staging.override.json --json --dry-run
channels apply --dry-run
channels apply --dry-run --json
channels apply --take-over
channels apply --take-over --reason ours --json
approve bot@0.1.1 --channel prod --key a1
approve bot@0.1.1 --channel prod --suite sha256:abc
approve bot@0.1.1 --channel prod --withdraw
approve bot@0.1.1 --channel prod --withdraw --json
approve bot@9.9.9 --channel prod
gate bot@0.1.1 --channel prod
gate bot@0.1.1 --channel prod --json
gate --explain-policy --channel prod
erase --key ada --reason asked
erase --key ada --app bot --json
erase --key ada --app gone
erase
outcomes bot
outcomes bot --by day --channel prod --json
outcomes nothing
canary plan bot --channel prod
canary plan bot@0.1.0 --channel prod --json
canary plan bot@9.9.9 --channel prod
cost bot --calls-per-day 500
cost bot --json
ci --base HEAD~1 --channel prod
ci --base HEAD~1 --channel prod --json
ci --base HEAD~1 --channel prod --run
app transfer bot --reason moved
app transfer bot --reason moved --json
app transfer nothing --reason moved
app archive bot --reason over
app rename other helper --reason named --key n1
app rename other helper --reason named --key n1 --json
promote other@0.1.0 --channel staging
release other
app rename helper other --reason named
app unarchive other --reason back --json
app unarchive other --reason back
app archive nothing --reason over
channels remove prod --reason over
channels remove staging --reason over
channels remove nothing --reason over
db journal
db journal --sign
db journal --sign --json
db journal
db journal --json
db journal --sign required --reason now
db journal --sign off
db journal --sign off --yes --json
db journal --sign off
notify
notify apply --dry-run
notify apply
notify apply --json
notify
notify list --json
notify test nothing
evidence list bot
evidence add --check red-team --verdict pass --for bot@0.1.0 --expires never --note fine --key e1
evidence add --check red-team --verdict pass --for bot@0.1.0 --expires never --note fine --key e1 --json
evidence add --check red-team --verdict fail --for bot@0.1.0 --expires never --key e1
evidence add --check red-team --verdict fail --for bot@9.9.9 --expires 30d
evidence list bot
evidence list bot@0.1.0 --json
evidence show 00000000000000000000000000000000
evidence verify nothing
evidence close 00000000000000000000000000000000 --reason gone
evidence close nothing
token create reader --channel prod --app bot
token create ada --scope approve --person Ada@example.org --channel prod
token list
token list --json
token revoke reader --reason over
token list --all
clients
clients --json
export-snapshot --channel prod out
export-snapshot --channel prod out --json
promote --all --from dev --channel staging --dry-run
promote --all --from dev --channel staging --reason Tuesday --key pa1
promote --all --from dev --channel staging --reason Tuesday --key pa1 --json
promote bot other --from dev --channel staging
promote bot other --from staging --channel prod --json
promote --all --from nowhere --channel staging
promote --all --from dev --channel dev
promote --all --channel staging
promote bot other --channel staging
promote bot@0.1.0 --from dev --channel staging
promote bot --from dev --channel staging --expect-revision 2
promote
audit
audit --app bot --channel prod --limit 3
audit --by nobody
audit --since 2026-01-01 --json
audit --csv
audit --verify
audit --verify --json
status --nothing
"""

SCRUBBED = (
    (r" via token ops| and the token ops", ""),
    (r"pops_[a-z]{2}_\w+", "SECRET"),
    (r"\bt[0-9A-Za-z]{11}\b(?!-)", "TOKEN"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( UTC|Z|\+00:00)?", "TIME"),
    (r"\b\d\d:\d\d UTC", "TIME"),
    (r"just now|\d+[smh] ago", "AGE"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r'"override": "sha256:[0-9a-f]{64}"', "IDENTITY"),
    (r'"cursor": \d+, "digest": "sha256:[0-9a-f]{64}"', "SNAPSHOT"),
    (r"(?<!sha256:)\b[0-9a-f]{64}\b", "HASH"),
    (r"\b[0-9a-f]{32}\b", "EVIDENCE"),
    (r'"token(_name)?": "\w*"', '"token": "TOKEN"'),
    (r"\s+", " "),
)


def _typed(attempt: Attempt, root: Path) -> Iterator[tuple[str, int, str, str]]:
    for line in DAY.strip().splitlines():
        command, *words = line.split()
        if command == "checkout":
            factory.git(root, "checkout", "--quiet", *words)
            continue
        code, out, err = attempt(*line.split())
        yield line, code, _scrubbed(out, root), _scrubbed(err, root)


def _scrubbed(text: str, root: Path) -> str:
    """What is printed, without what is another moment's, another registry's or another machine's."""
    text = text.replace(str(root), "ROOT")
    for pattern, put in SCRUBBED:
        text = re.sub(pattern, put, text)
    return text


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace of two apps with two commits that have names."""
    root = tmp_path / "template"
    results = '{"schema": "promptops.results/1"}\n{"case": "a", "passed": true}\n'
    files = {"promptops.yml": WORKSPACE, "results.jsonl": results}
    files |= {f"{app}/prompts/greet.prompt.yml": factory.PROMPT for app in ("bot", "other")}
    factory.make_workspace(root, files)
    factory.git(root, "tag", "first")
    changed = {
        "bot/prompts/greet.prompt.yml": factory.PROMPT.replace("hello", "good morning"),
        "other/prompts/greet.prompt.yml": factory.PROMPT.replace("{{name}}", "{{name}} of {{city}}"),
    }
    factory.commit(root, changed, "Change both")
    factory.git(root, "tag", "second")
    return root


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Servers that are processes of their own, as in earnest."""
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(running(url, tmp_path)).url


def test_a_day_is_the_same_with_a_database_and_with_a_server(
    database: str,
    workspace: Path,
    tmp_path: Path,
    serve: Serve,
    attempt: Attempt,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("PROMPTOPS_SIGNING_KEY", key_text())
    monkeypatch.setenv("PROMPTOPS_SYNC", "off")  # git is brought up to date where the database is, and not here
    days = []
    for place in ("database", "server"):
        root = tmp_path / place / "prompts"
        shutil.copytree(workspace, root)
        monkeypatch.chdir(root)
        url = _new_registry(database, root.parent, request)
        monkeypatch.setenv("PROMPTOPS_REGISTRY", url)
        assert attempt("channels", "apply")[0] == 0
        registry = Registry.open(url)
        held = mint(registry, "ops", Scope.ADMIN)
        registry.close()
        if place == "server":
            monkeypatch.setenv("PROMPTOPS_REGISTRY", serve(url))
            monkeypatch.setenv("PROMPTOPS_TOKEN", held.secret)
        days.append(list(_typed(attempt, root)))
    assert {code for _, code, _, _ in days[0]} == {0, 2, 3, 4, 5}, "the day has some of everything"
    for typed, through_server in zip(*days, strict=True):
        assert typed == through_server


def _new_registry(database: str, folder: Path, request: pytest.FixtureRequest) -> str:
    if database == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "registry.db")
        return f"sqlite:///{folder}/registry.db"
    make = request.getfixturevalue("postgresql_database")
    return str(make(request.getfixturevalue("postgresql_template")))
