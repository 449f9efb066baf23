"""What a client is given as its source, and what it makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops import Client
from promptops.client.settings import cache_of, channels_of, places_of, references_of
from promptops.client.sources.source import find_place, find_places
from promptops.core.errors import Invalid
from promptops.core.loopback import is_loopback


@pytest.mark.parametrize(
    ("text", "kind", "url"),
    [
        ("https://registry.internal", "http", "https://registry.internal"),
        (" https://registry.internal:8443/prompts/ ", "http", "https://registry.internal:8443/prompts"),
        ("HTTPS://registry.internal", "http", "HTTPS://registry.internal"),
        ("http://localhost:8080", "http", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "http", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http", "http://[::1]:8080"),
        ("file:/srv/prompts", "file", "/srv/prompts"),
        ("file:///srv/my%20prompts", "file", "/srv/my prompts"),
        ("file:prompts", "file", "prompts"),
        ("repo:.", "working-tree", "."),
        ("sqlite:///registry.db", "database", "sqlite:///registry.db"),
        ("postgresql+psycopg://db/promptops", "database", "postgresql+psycopg://db/promptops"),
        ("data/registry.db", "database", "data/registry.db"),
        ("/srv/a registry.db", "database", "/srv/a registry.db"),
    ],
)
def test_a_source_is_known_by_its_scheme(text: str, kind: str, url: str) -> None:
    place = find_place(text)
    assert (place.kind, place.url) == (kind, url)


@pytest.mark.parametrize(
    "text",
    [
        "http://registry.internal",  # readable on the way
        "http://10.0.0.1",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "https://user:password@registry.internal",
        "https://token@registry.internal",
        "https://registry.internal?token=secret",
        "https://registry.internal#part",
        "https://",
        "https:///path",
        "https://registry.internal:port",
        "https://[::1",
        "https://registry\n.internal",
        "https://régistry.internal",
        "ftp://registry.internal",
        "gopher://registry.internal",
        "mysql://db/promptops",
        "file:",
        "repo:",
        "file://",
    ],
)
def test_what_is_not_safe_to_read_from_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        find_place(text)
    assert "password@" not in str(refused.value)
    assert refused.value.hint


def test_what_is_not_encrypted_is_taken_where_somebody_says_so() -> None:
    assert find_place("http://registry.internal", allow_http=True).url == "http://registry.internal"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_the_loopback_is_known(host: str) -> None:
    assert is_loopback(host)


def test_several_places_stand_in_one_text_or_in_a_list() -> None:
    assert [place.url for place in find_places("https://a  https://b\nfile:/srv/my prompts")] == [
        "https://a",
        "https://b",
        "/srv/my prompts",
    ]
    assert [place.url for place in find_places(["https://a", "/srv/my registry.db"])] == [
        "https://a",
        "/srv/my registry.db",
    ]


def test_a_password_is_in_no_label() -> None:
    assert find_place("postgresql://me:secret@db/promptops").label == "postgresql://me:***@db/promptops"


def test_a_place_is_the_same_from_wherever_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for relative, absolute in (
        ("registry.db", f"{tmp_path}/registry.db"),
        ("sqlite:///registry.db", f"sqlite:///{tmp_path}/registry.db"),
        ("file:prompts", f"file://{tmp_path}/prompts"),
    ):
        assert find_place(relative).identity == find_place(absolute).identity
        here = find_place(relative).identity
        monkeypatch.chdir("/")
        assert find_place(relative).identity != here
        monkeypatch.chdir(tmp_path)


def test_a_path_may_be_given_as_one(tmp_path: Path) -> None:
    with Client(tmp_path / "my registry.db", channel="prod", cache_dir=False) as client:
        assert str(tmp_path / "my registry.db") in client.status().problem


@pytest.mark.parametrize("source", [None, "", "  ", []])
def test_no_source_is_an_error_that_says_what_to_do(source: object) -> None:
    with pytest.raises(Invalid, match="where its prompts come from") as refused:
        Client(source, channel="prod")  # type: ignore[arg-type]
    assert "PROMPTOPS_REGISTRY" in refused.value.hint


@pytest.mark.parametrize("channel", [None, "", (), "Prod", "a b", ("prod", "a/b")])
def test_a_channel_is_named(channel: object) -> None:
    with pytest.raises(Invalid):
        Client("https://registry.internal", channel=channel)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "told",
    [
        {"poll": 0},
        {"poll": -1},
        {"poll": float("nan")},
        {"timeout": 0},
        {"start_timeout": -1},
        {"max_stale": -1},
        {"strict": True},
        {"apps": "bot"},
        {"apps": ["Bot"]},
        {"versions": ["bot"]},
        {"versions": ["bot:prod"]},
        {"versions": ["bot@sha256:0123456789"]},
        {"token": "two lines\n"},
        {"token": "a b"},
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_once(told: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        Client("https://registry.internal", channel="prod", **told)  # type: ignore[arg-type]


def test_the_environment_says_what_the_arguments_do_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = {
        "REGISTRY": f"file:{tmp_path}",
        "CHANNEL": "staging",
        "TOKEN": "pops_rt_secret",
        "VERSION": "bot@1.3.0, other@2.0.0",
        "BUNDLE": "/srv/bundle",
        "OVERRIDE": "/srv/override",
        "CACHE": "off",
    }
    for name, value in told.items():
        monkeypatch.setenv(f"PROMPTOPS_{name}", value)
    with Client() as client:
        found = client._settings
        assert client.status().channel == "staging"
        assert client.status().pinned == {"bot": "1.3.0", "other": "2.0.0"}
    assert (places_of("https://a.example", allow_http=False)[0].token, found.bundle, found.override, found.caching) == (
        "pops_rt_secret",
        "/srv/bundle",
        "/srv/override",
        False,
    )
    with Client(f"file:{tmp_path}", channel="prod", token="", bundle="", override="", cache_dir=tmp_path) as client:
        found = client._settings
    assert (
        places_of("https://a.example", "", allow_http=False)[0].token,
        found.bundle,
        found.override,
        found.cache,
    ) == (
        "",
        "",
        "",
        str(tmp_path),
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [(None, (True, None)), ("", (False, None)), ("off", (False, "off")), ("/srv/cache", (True, "/srv/cache"))],
)
def test_the_cache_is_where_it_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, said: str | None, expected: tuple[bool, str | None]
) -> None:
    if said is not None:
        monkeypatch.setenv("PROMPTOPS_CACHE", said)
    assert cache_of(None)[0] is expected[0]
    if expected[0]:
        assert cache_of(None) == expected
    assert cache_of(False) == (False, None)
    assert cache_of(Path("/srv/x")) == (True, "/srv/x")


def test_channels_are_named_once_and_the_first_is_the_own_one() -> None:
    assert channels_of(("prod", "staging", "prod")) == ("prod", "staging")


def test_versions_are_read_from_a_text_with_commas_or_a_list() -> None:
    assert [str(each) for each in references_of("a@1.0.0,b@2.0.0  c@3.0.0", "VERSION")] == [
        "a@1.0.0",
        "b@2.0.0",
        "c@3.0.0",
    ]
    assert [str(each) for each in references_of(["a@v1.0.0"], "VERSION")] == ["a@1.0.0"]
