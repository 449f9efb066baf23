"""`promptops notify`: receivers of promptops.yml, what became of them, and tests that really arrive."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from promptops.operations.notify import receivers
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.server.running import until
from tests.support import factory
from tests.support.checkout import ROOT
from tests.support.receivers import SECRET, Listening, listening

HEAD = "registry: test\napps: [bot]\nchannels: {dev: {}, prod: {}}\n"


@pytest.fixture
def declared(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the `notify:` of the workspace in which the command line runs."""
    root = factory.make_workspace(
        tmp_path / "ws", {"promptops.yml": HEAD, "bot/prompts/greet.prompt.yml": factory.PROMPT}
    )
    monkeypatch.chdir(root)
    monkeypatch.setenv("PROMPTOPS_SYNC", "off")

    def write(notify: str) -> None:
        (root / "promptops.yml").write_text(HEAD + notify)

    return write


def local(receiver: Listening) -> str:
    return f"notify:\n  ops: {{url: '{receiver.url}', private: [127.0.0.1]}}\n"


def verify_of_the_docs() -> Callable[[Mapping[str, str], bytes, str], None]:
    """The lines of Python that docs/notifications.md shows."""
    page = (ROOT / "docs/notifications.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    made: Callable[[Mapping[str, str], bytes, str], None] = names["verify"]
    return made


def test_a_receiver_is_declared_tested_and_removed(
    declared: Callable[[str], None], promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert promptops("notify").out.startswith("There are no receivers.\n")
    with listening() as receiver:
        declared(local(receiver))
        planned = promptops("notify", "apply", "--dry-run")
        assert f"  ops  would be created  {receiver.url}\n" in planned.out
        assert f"  ops  created  {receiver.url}\n" in promptops("notify", "apply").out
        secrets = tmp_path / "secrets"
        monkeypatch.setenv("PROMPTOPS_NOTIFY_SECRETS", str(secrets))
        secrets.write_text(f"ops https://old.example.com {SECRET}\n")
        failed = promptops("notify", "test", exits=1)
        assert failed.out == "✗ ops the server has no secret for ops with this URL\n"
        secrets.write_text(f"ops {receiver.url} {SECRET}\n")
        assert promptops("notify", "test", "ops").out == "✓ ops the test arrived\n"
        assert promptops("notify", "test", "--json").json == {
            "tests": [{"receiver": "ops", "arrived": True, "error": ""}]
        }
        verify = verify_of_the_docs()
        for headers, body in receiver.got:
            verify(headers, body, SECRET)
            with pytest.raises(ValueError, match="not ours"):
                verify(headers, body + b" ", SECRET)
            with pytest.raises(ValueError, match="not ours"):
                verify({**headers, "webhook-timestamp": str(int(time.time()) - 1000)}, body, SECRET)
        assert "ops       up to date" in promptops("notify", "list").out
        assert SECRET not in promptops("notify", "list", "--json").out + promptops("audit", "--json").out
    declared("")
    monkeypatch.delenv("PROMPTOPS_NOTIFY_SECRETS")
    assert "  ops  removed" in promptops("notify", "apply").out


def test_what_waits_is_sent_by_hand_and_said(
    registry: Registry,
    declared: Callable[[str], None],
    promptops: Promptops,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factory.make_releases(registry, count=2)
    with listening(lambda count: 500 if count == 1 else 200) as receiver:
        declared(local(receiver))
        promptops("notify", "apply")
        promptops("promote", "bot@0.1.0", "--channel", "prod")
        assert "ops       1 pending" in promptops("notify").out
        assert promptops("notify", "send", exits=2).err.startswith("error: no secrets of receivers are set")
        secrets = tmp_path / "secrets"
        secrets.write_text(f"ops {receiver.url} {SECRET}\n")
        monkeypatch.setenv("PROMPTOPS_NOTIFY_SECRETS", str(secrets))
        said = promptops("notify", "send").out
        assert "ops       failing, 1 pending" in said
        assert re.search(r"! ops 1 failure, the first .*: 127\.0\.0\.1 answered with status 500; next in", said)
        promptops("notify", "test", "ops")
        assert "ops       up to date" in promptops("notify", "send").out
    assert len(receiver.got) == 3
    assert len(set(receiver.ids)) == 2


def test_a_command_without_a_server_sends_what_it_did_also_where_nothing_is_brought_to_git(
    registry: Registry,
    declared: Callable[[str], None],
    promptops: Promptops,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factory.make_releases(registry)
    with listening() as receiver:
        declared(local(receiver))
        promptops("notify", "apply")
        secrets = tmp_path / "secrets"
        secrets.write_text(f"ops {receiver.url} {SECRET}\n")
        monkeypatch.setenv("PROMPTOPS_NOTIFY_SECRETS", str(secrets))
        promptops("promote", "bot@0.1.0", "--channel", "prod")
        until(lambda: receiver.got and receivers(registry)[0].pending == 0)


def test_check_names_what_is_wrong_in_its_line(declared: Callable[[str], None], promptops: Promptops) -> None:
    declared("notify:\n  ops:\n    url: https://169.254.169.254/\n  team: {url: 'https://h.org', chanels: [prod]}\n")
    found = promptops("check", "--json", exits=2).json["findings"]
    assert isinstance(found, list)
    shown = [(each["code"], each["line"], each["message"]) for each in found if isinstance(each, dict)]
    assert [each for each in shown if each[0] == "notify-invalid"] == [
        (
            "notify-invalid",
            6,
            "notify.ops.url: 169.254.169.254 is an address that notifications never go to",
        ),
        ("notify-invalid", 7, "notify.team has no key 'chanels'"),
    ]


def test_a_secret_is_random_and_takes_the_form_of_the_standard(promptops: Promptops) -> None:
    first, second = (promptops("notify", "secret").out for _ in range(2))
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", first)
    assert first != second
