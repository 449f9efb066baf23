"""What goes wrong around a command: registries that are none, folders that are shut, streams that are closed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.support import factory

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "words",
    [
        "rollback bot --to",
        "rollback bot --channel",
        "rollback --all --at",
        "rollback bot --key",
        "rollback bot --registry",
        "rollback bot --actor",
        "rollback",
        "promote bot@0.1.0 --channel",
        "check",
        "audit --since",
    ],
)
def test_an_unset_variable_of_a_script_changes_nothing(words: str, told: Registry, promptops: Promptops) -> None:
    refused = promptops(*words.split(), "", exits=2)
    assert "is empty. Is a variable of a script not set?" in refused.err
    assert factory.live_version(told) == "0.1.2"


def test_the_reason_may_be_empty(told: Registry, promptops: Promptops) -> None:
    assert promptops("rollback", "--reason", "", "--json").json["reason"] == ""


def test_bytes_that_are_no_text_are_refused_by_name(told: Registry, promptops: Promptops) -> None:
    for option in ("--reason", "--actor", "--key"):
        refused = promptops("rollback", option, "bad\udcff", exits=2)
        assert f"'{option}'" in refused.err
        assert "not UTF-8 text" in refused.err
    assert factory.live_version(told) == "0.1.2"


def test_text_that_a_poor_locale_could_not_read_is_read(told: Registry, promptops: Promptops) -> None:
    as_ascii = "Jos\u00e9".encode().decode("ascii", "surrogateescape")
    assert promptops("rollback", "--actor", as_ascii, "-m", as_ascii, "--json").json["actor"] == "Jos\u00e9"


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("garbage.db", 6, "garbage.db (named by --registry)"),
        (".", 6, "named by --registry"),
        ("none.db", 6, "promptops init"),
        ("postgresql://u:secret@127.0.0.1:1/x", 6, "u:***@127.0.0.1:1/x (named by --registry)"),
        ("mysql://u:secret@x", 2, "postgresql://"),
        ("~nobody-of-that-name/x.db", 6, "promptops init"),
    ],
)
@pytest.mark.parametrize("command", ["status", "rollback bot", "db current", "db upgrade", "channels"])
def test_a_registry_that_is_none_is_named_with_who_named_it(
    command: str, url: str, code: int, said: str, promptops: Promptops, tmp_path: Path
) -> None:
    (tmp_path / "garbage.db").write_bytes(os.urandom(10_000))
    if command == "db current" and said == "promptops init":
        assert promptops(*command.split(), "--registry", url, "--json").json["current"] is None
        return
    error = promptops(*command.split(), "--registry", url, "--json", exits=code).error
    assert said in error["hint"]
    assert "secret" not in str(error)


def test_a_registry_of_the_environment_is_named_so(promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_REGISTRY", "postgresql://u:secret@127.0.0.1:1/x")
    assert "(named by PROMPTOPS_REGISTRY)" in promptops("status", exits=6).err


def test_a_registry_that_is_not_there_says_who_named_it(promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_REGISTRY", "registry.internal:8700")
    hint = promptops("status", "--json", exits=6).error["hint"]
    assert "named by PROMPTOPS_REGISTRY" in hint
    assert "If it is a server: https://registry.internal:8700" in hint
    monkeypatch.setenv("PROMPTOPS_REGISTRY", "https://registry.invalid")
    monkeypatch.setenv("PROMPTOPS_DIRECT", "none.db")
    hint = promptops("rollback", "--direct", "--json", exits=6).error["hint"]
    assert "named by PROMPTOPS_DIRECT" in hint
    assert "If it is a server" not in hint


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HTTPS_PROXY", "foo://proxy.invalid", "the proxy that the environment names cannot be used"),
        ("ALL_PROXY", "nothing://proxy.invalid", "the proxy that the environment names cannot be used"),
        ("SSL_CERT_FILE", "none.pem", "the certificates to trust cannot be read: No such file"),
        ("SSL_CERT_FILE", "empty.pem", "the certificates to trust cannot be read"),
    ],
)
def test_a_network_that_is_set_up_wrongly_is_no_bug(
    name: str, value: str, said: str, promptops: Promptops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for each in ("HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(each, raising=False)
        monkeypatch.delenv(each.lower(), raising=False)
    (tmp_path / "empty.pem").write_text("no certificate")
    monkeypatch.setenv(name, value)
    error = promptops("status", "--registry", "https://registry.invalid", "--json", exits=2).error
    assert said in error["message"]
    assert name in error["hint"]


def test_an_app_nobody_knows_is_not_found_on_a_channel_either(told: Registry, promptops: Promptops) -> None:
    for command in ("show nobody:prod", "promote nobody:prod --channel dev", "diff nobody:prod nobody@1.0.0"):
        assert "There are: bot." in promptops(*command.split(), exits=3).err


def test_init_refuses_a_place_that_is_none_before_it_writes(promptops: Promptops, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "cannot be a folder" in promptops("init", "file", exits=2).err
    assert "cannot be a folder" in promptops("init", "file/below", exits=2).err
    assert promptops("init", "new", "--registry", "http://x", "--json", exits=2).error["kind"] == "Invalid"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("arguments", "kind"), [(["status"], "Invalid"), (["init", "--json"], "Invalid")])
def test_what_may_not_be_read_is_no_bug(arguments: list[str], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    from promptops.cli.failures import report

    assert report(PermissionError(13, "Permission denied", "/srv/prompts"), arguments) == 2
    said = capsys.readouterr().err
    assert "permission denied: /srv/prompts" in said
    assert "bug" not in said


def test_spaces_and_letters_of_all_kinds_are_a_path_like_any_other(
    promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "Ünï çode 東京"
    assert "-C 'Ünï çode 東京' check" in promptops("init", root.name).out
    assert promptops("-C", root.name, "check", "--json").json["errors"] == 0
    (root / "inner").mkdir()
    monkeypatch.chdir(root / "inner")
    assert "Nothing is released yet" in promptops("status").out
    (root / "inner" / "promptops.yml").write_text("registry: inner\napps: [a]\n")
    assert "inner/.promptops/registry.db" in promptops("status", exits=6).err  # the nearest workspace counts
    assert "Nothing is released yet" in promptops("-C", "..", "status").out


# --- in a process of its own ------------------------------------------------------------------------


def _shell(script: str, tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PROMPTOPS_ACTOR": "x", **more}
    environment |= {"PROMPTOPS_REGISTRY": str(tmp_path / "registry.db")}
    script = f'promptops() {{ {sys.executable} -m promptops "$@"; }}\n{script}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("promptops rollback bot >&-", 0),
        ("promptops status nobody 2>&-", 3),
        ("promptops status nobody --json 2>&-", 3),
        ("promptops render bot/answer:prod --vars - <&-", 2),
        ("promptops status <&-", 0),
        ("promptops audit | head -1; exit ${PIPESTATUS[1]}", 0),
        ("mkdir gone; cd gone; rmdir ../gone; promptops status", 2),
    ],
)
def test_no_stream_that_is_closed_makes_a_traceback(script: str, code: int, told: Registry, tmp_path: Path) -> None:
    done = _shell(script, tmp_path)
    assert (done.returncode, "Traceback" in done.stderr, "internal error" in done.stderr) == (code, False, False)


@pytest.mark.parametrize("locale", [{}, {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}])
def test_a_poor_locale_reads_and_shows_what_it_can(locale: dict[str, str], told: Registry, tmp_path: Path) -> None:
    done = _shell("promptops rollback -m 'f\u00fcr alle' --json", tmp_path, LC_ALL="C", **locale)
    assert done.returncode == 0, done.stderr
    with told.read() as reader:
        live = reader.live("bot", "prod")
    assert live is not None
    assert live.reason == "f\u00fcr alle"
