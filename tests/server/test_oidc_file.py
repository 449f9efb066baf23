"""`promptops serve --oidc FILE`: what it may say, and how it is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from promptops.core.errors import Invalid
from promptops.core.token import Scope
from promptops.server.oidc_file import read_oidc
from tests.support.checkout import ROOT

RIGHT = """
[[issuer]]
url = "https://token.actions.githubusercontent.com"
audience = "https://registry.internal"
jwks = "https://token.actions.githubusercontent.com/.well-known/jwks"

[[issuer.grant]]
name = "prompts-main"
claims = { repository = "acme/prompts", ref = ["refs/heads/main", "refs/tags/*"] }
scopes = ["release", "promote"]
channels = ["staging"]
lifetime = "10m"

[[issuer.grant]]
name = "prompts-read"
claims = { repository = "acme/prompts" }
scopes = ["read"]

[[issuer]]
url = "https://gitlab.internal"
audience = "https://registry.internal"
jwks = "gitlab-keys.json"
grant = [{ name = "eval", claims = { ref_protected = "true" }, scopes = ["evidence"], apps = ["bot-*"] }]
"""


def read(folder: Path, text: str) -> object:
    (folder / "oidc.toml").write_text(text)
    return read_oidc(folder / "oidc.toml")


def test_issuers_and_grants_are_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "oidc.toml").write_text(RIGHT)
    github, gitlab = read_oidc(tmp_path / "oidc.toml")
    assert github.keys == "https://token.actions.githubusercontent.com/.well-known/jwks"
    assert gitlab.keys == str(tmp_path / "gitlab-keys.json")
    main, reader = github.grants
    assert main.claims == {"repository": ("acme/prompts",), "ref": ("refs/heads/main", "refs/tags/*")}
    assert (main.scopes, main.channels, main.apps) == ((Scope.RELEASE, Scope.PROMOTE), ("staging",), ("*",))
    assert (main.lifetime, reader.lifetime) == (timedelta(minutes=10), timedelta(minutes=15))
    assert gitlab.grants[0].apps == ("bot-*",)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("[[issuer]]", "[[issuers]]", "not known: 'issuers'"),
        ("audience =", "audiences =", "not known: 'audiences'"),
        ("lifetime =", "life =", "not known: 'life'"),
        ('audience = "https://registry.internal"', "", "no audience"),
        ('"10m"', "10", "no lifetime"),
        ('"10m"', '"soon"', "soon"),
        ('"10m"', '"90d"', "12 h"),
        ('"promote"', '"deploy"', "deploy"),
        ('"promote"', '"admin"', "admin"),
        ('["staging"]', '["Staging!"]', "Staging!"),
        ("https://token.actions.githubusercontent.com/.well-known/jwks", "http://keys.example", "not encrypted"),
        ('url = "https://token.actions.githubusercontent.com"', 'url = "https://gitlab.internal"', "two issuers"),
        ('repository = "acme/prompts", ref', "ref", "signs for everyone"),
        ("[[issuer]]", "[[issuer", "no TOML"),
        ('claims = { ref_protected = "true" }', "claims = { ref_protected = true }", "ref_protected"),
        ('claims = { ref_protected = "true" }, ', "", "no claims"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_place(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    assert right in RIGHT
    with pytest.raises(Invalid) as refusal:
        read(tmp_path, RIGHT.replace(right, wrong))
    assert str(tmp_path / "oidc.toml") in refusal.value.message
    assert said in refusal.value.message


def test_a_file_that_is_missing_or_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        read_oidc(tmp_path / "none.toml")
    with pytest.raises(Invalid, match=r"no \[\[issuer\]\]"):
        read(tmp_path, "")


def test_the_example_of_the_docs_is_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tokens.md").read_text(encoding="utf-8")
    text = page.partition("```toml\n")[2].partition("```")[0]
    assert "[[issuer.grant]]" in text
    read(tmp_path, text)
