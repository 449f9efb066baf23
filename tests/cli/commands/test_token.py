"""`promptops token` as somebody types it, on both databases; and where its secret is: on the screen, once."""

from __future__ import annotations

import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from promptops.cli.main import cli
from promptops.core.token import parse_token, secret_digest
from promptops.operations.tokens import find_token, list_tokens
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import rows
from tests.store.schema.test_comparison import SWALLOWING, run
from tests.support.checkout import run_python
from tests.support.factory import ACTOR
from tests.support.journal import names


@pytest.fixture(autouse=True)
def either(promptops: Promptops, registry_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty registry on either database, which the command line finds through the environment."""
    monkeypatch.setenv("PROMPTOPS_REGISTRY", registry_url)


def secret_on(text: str) -> str:
    """The one secret in a text."""
    [found] = [word for word in text.split() if word.startswith("pops_") and not word.endswith("…")]
    return parse_token(found)


def test_a_token_is_made_shown_once_listed_and_taken_back(promptops: Promptops, registry_url: str) -> None:
    made = promptops(
        "token", "create", "ci", "--scope", "promote", "--scope", "release", "--channel", "staging-*",
        "--channel", "dev", "--app", "bot", "--expires", "30d",
    )  # fmt: skip
    secret = secret_on(made.out)
    for said in ("Created the token ci", "release, promote", "staging-*, dev", "bot", "shown once", "PROMPTOPS_TOKEN"):
        assert said in made.out
    assert made.err == ""

    listed = promptops("token", "list")
    assert "ci" in listed.out and "release, promote" in listed.out and f"{secret[:12]}…" in listed.out
    assert secret not in listed.out + listed.err

    with closing(Registry.open(registry_url)) as registry:
        token = find_token(registry, secret_digest(secret))
    assert token is not None and token.name == "ci" and token.created_by == ACTOR
    assert f"promptops token revoke {token.id}" in made.out

    gone = promptops("token", "revoke", "ci", "--reason", "in a log")
    assert "Revoked: the token ci" in gone.out and "in a log" in gone.out
    assert "There are no live tokens" in promptops("token", "list").out
    assert f"revoked by {ACTOR}: in a log" in promptops("token", "list", "--all").out


def test_a_token_can_be_of_one_person(promptops: Promptops) -> None:
    made = promptops("token", "create", "ada", "--scope", "approve", "--person", "Ada@example.org")
    assert "pops_op_" in made.out and "Ada@example.org" in made.out
    assert "ada (Ada@example.org)" in promptops("token", "list").out
    [listed] = rows(promptops("token", "list", "--json"), "tokens")
    assert listed["person"] == "Ada@example.org"
    assert rows(promptops("audit", "--limit", "1", "--json"), "entries")[0]["after"].endswith("of Ada@example.org")
    gone = promptops("token", "revoke", "ada")
    assert "--scope approve --person Ada@example.org" in gone.out

    wrong = promptops("token", "create", "bob", "--person", "Bob <bob@example.org>", exits=2)
    assert wrong.err == (
        "error: 'Bob <bob@example.org>' is not the address of a person\n"
        "hint: Such as ada@example.org, without a name.\n"
    )


def test_scripts_get_one_object_with_the_secret_in_it_once(promptops: Promptops) -> None:
    made = promptops("token", "create", "app", "--json").json
    secret = made.pop("secret")
    assert isinstance(secret, str) and parse_token(secret).startswith("pops_rt_")
    assert made == {
        "id": made["id"],
        "name": "app",
        "kind": "rt",
        "scopes": ["read", "report"],
        "channels": ["*"],
        "apps": ["*"],
        "prefix": secret[:12],
        "created_at": made["created_at"],
        "created_by": ACTOR,
        "expires_at": made["expires_at"],
        "revoked": None,
        "has_secret": True,
        "person": "",
        "live": True,
        "flaw": "",
    }
    assert promptops("token", "list", "--json").json == {"tokens": [made]}
    gone = promptops("token", "revoke", str(made["id"]), "-m", "old", "--json").json
    assert gone["revoked"] == {"actor": ACTOR, "reason": "old", "at": gone["revoked"]["at"]}  # type: ignore[index,call-overload]
    assert (gone["live"], gone["flaw"]) == (False, f"revoked by {ACTOR}: old")
    assert promptops("token", "revoke", str(made["id"]), "--json").json == gone
    assert promptops("token", "list", "--json").json == {"tokens": []}
    assert promptops("token", "list", "--all", "--json").json == {"tokens": [gone]}


def test_it_lives_for_90_days_unless_it_is_said_otherwise(promptops: Promptops) -> None:
    ends = {}
    for name, words in {"usual": [], "short": ["--expires", "12h"], "long": ["--expires", "never"]}.items():
        made = promptops("token", "create", name, *words, "--json").json
        end, begin = made["expires_at"], datetime.fromisoformat(str(made["created_at"]))
        ends[name] = str(datetime.fromisoformat(str(end)) - begin) if end else None
    assert ends == {"usual": "90 days, 0:00:00", "short": "12:00:00", "long": None}
    assert "never" in promptops("token", "list").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "C I"], "invalid", "not the name of a token"),
        (["create", "ci", "--channel", "Prod"], "invalid", "pattern for channels"),
        (["create", "ci", "--app", "a,b"], "invalid", "pattern for apps"),
        (["create", "ci", "--expires", "soon"], "invalid", "length of time"),
        (["create", "ci", "--scope", "theft"], "usage", "'theft' is not one of"),
        (["create"], "usage", "NAME"),
    ],
)
def test_what_cannot_be_a_token_is_said_and_not_made(
    promptops: Promptops, words: list[str], code: str, said: str
) -> None:
    refused = promptops("token", *words, "--json", exits=2).error
    assert (refused["code"], said in refused["message"]) == (code, True), refused
    assert promptops("token", "list", "--all", "--json").json == {"tokens": []}


def test_a_name_that_is_taken_is_a_conflict_that_says_how_to_go_on(promptops: Promptops) -> None:
    promptops("token", "create", "ci")
    refused = promptops("token", "create", "ci", "--json", exits=4).error
    assert refused["code"] == "token-name-taken"
    assert "token revoke" in refused["hint"]


def test_a_token_that_is_not_there_is_answered_with_those_that_are(promptops: Promptops) -> None:
    made = promptops("token", "create", "ci", "--json").json
    refused = promptops("token", "revoke", "cd", "--json", exits=3).error
    assert refused["code"] == "token-not-found"
    assert f"{made['id']} (ci)" in refused["hint"]


def test_the_audit_log_shows_names_and_no_secrets(promptops: Promptops) -> None:
    secret = str(promptops("token", "create", "ci", "--json").json["secret"])
    promptops("token", "revoke", "ci", "-m", "in a log")
    shown = promptops("audit")
    assert "create-token ci" in shown.out and "revoke-token ci" in shown.out and "in a log" in shown.out
    everything = shown.out + "".join(promptops("audit", *more).out for more in (["--json"], ["--csv"]))
    assert secret not in everything and secret_digest(secret) not in everything
    assert "scopes read,report channels * apps *" in everything


def test_a_token_goes_to_git_without_its_secret_and_comes_back_from_there_without_it(
    promptops: Promptops, tmp_path: Path, workspace: Path
) -> None:
    made = promptops("token", "create", "ci", "--json").json
    other = promptops("token", "create", "other", "--json").json
    promptops("token", "revoke", "other", "-m", "in a log")
    promptops("sync")
    there = names(workspace)
    for kind, token in (("tokens", made), ("tokens", other), ("revocations", other)):
        assert f"{kind}/{token['id']}" in there

    everything = all_objects(workspace)
    assert str(made["id"]).encode() in everything
    for token in (made, other):
        secret = str(token["secret"])
        assert secret[12:].encode() not in everything
        assert secret_digest(secret).encode() not in everything
        assert bytes.fromhex(secret_digest(secret)) not in everything

    new = str(tmp_path / "new.db")
    promptops("rebuild", "--from-git", str(workspace), "--registry", new)
    promptops("fsck", "--repair", "--registry", new)
    listed = promptops("token", "list", "--all", "--json", "--registry", new).json["tokens"]
    assert isinstance(listed, list)
    back = {str(token["name"]): token for token in listed if isinstance(token, dict)}
    without = {"has_secret": False, "live": False, "flaw": back["ci"]["flaw"]}
    assert back["ci"] == {key: made[key] for key in back["ci"]} | without
    assert "came back from git" in str(back["ci"]["flaw"])
    assert "in a log" in str(back["other"]["flaw"])
    with closing(Registry.open(new)) as registry:
        assert [find_token(registry, secret_digest(str(token["secret"]))) for token in (made, other)] == [None, None]
        assert [token.has_secret for token in list_tokens(registry)] == [False, False]
    again = promptops("token", "create", "ci", "--json", "--registry", new).json  # its name is free again
    assert again["live"] is True


def test_nothing_that_promptops_writes_down_has_the_secret(
    promptops: Promptops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither files of its own, nor what stands in an error's traceback, nor what others see in a list of processes."""
    monkeypatch.setenv("PROMPTOPS_DEBUG", "1")
    made = promptops("token", "create", "ci", "--json")
    secret = str(made.json["secret"])
    refused = promptops("token", "create", "ci", exits=4)
    assert secret not in refused.out + refused.err
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert secret[12:].encode() not in path.read_bytes(), path


def test_ids_and_names_are_completed(promptops: Promptops) -> None:
    made = promptops("token", "create", "ci-bot", "--json").json
    promptops("token", "create", "ci-old")
    promptops("token", "revoke", "ci-old")
    words = {"_PROMPTOPS_COMPLETE": "bash_complete", "COMP_WORDS": "promptops token revoke c", "COMP_CWORD": "3"}
    offered = CliRunner().invoke(cli, prog_name="promptops", env=words).output
    assert "ci-bot" in offered and "ci-old" not in offered
    words["COMP_WORDS"] = f"promptops token revoke {str(made['id'])[:4]}"
    assert str(made["id"]) in CliRunner().invoke(cli, prog_name="promptops", env=words).output


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_command_that_needs_no_token_loads_nothing_of_them() -> None:
    loaded = run_python(
        "import sys; import promptops.store, promptops.operations.rollback;"
        "print([name for name in ('promptops.core.token', 'promptops.store.queries.tokens') if name in sys.modules])"
    )
    assert loaded.strip() == "[]"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def all_objects(folder: Path) -> bytes:
    """The bytes of every object of a repository, reachable or not."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return done.stdout


def test_a_token_that_the_database_did_not_take_back_is_not_said_to_be(
    promptops: Promptops, registry_url: str, database: str
) -> None:
    secret = secret_on(promptops("token", "create", "ci", "--scope", "admin").out)
    run(registry_url, SWALLOWING[database])

    refused = promptops("token", "revoke", "ci", "--json", exits=6).error
    assert refused["code"] == "change-not-kept" and "nothing was changed" in refused["message"]
    assert "promptops fsck" in refused["hint"]
    with closing(Registry.open(registry_url)) as registry:
        token = find_token(registry, secret_digest(secret))
    assert token is not None and token.revoked is None

    checked = promptops("fsck", exits=2)
    assert "schema-foreign" in checked.out and "the trigger ghost is not one of promptops" in checked.out
    upgraded = promptops("db", "upgrade")
    assert "the trigger ghost is not one of promptops" in upgraded.out and "promptops fsck" in upgraded.out
