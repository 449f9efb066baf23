"""A token in a file: what is wrong with it is said without it, and what replaces it is used without a restart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from promptops import Client, Invalid, State
from promptops.client.settings import places_of
from promptops.client.sources import credentials
from promptops.client.sources.credentials import TokenFile
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until

ONE, TWO = "pops_rt_one", "pops_rt_two"


class Mount:
    """A secret as Kubernetes mounts it: the file is a link into ``..data``, itself a link that is swapped."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder, self._count = folder, 0
        folder.mkdir()
        self.put(token)
        self.file = folder / "token"
        self.file.symlink_to(Path("..data") / "token")

    def put(self, token: str) -> None:
        self._count += 1
        made_in = self._folder / f"..{self._count}"
        made_in.mkdir()
        (made_in / "token").write_text(token)
        (self._folder / "..tmp").symlink_to(made_in.name)
        os.replace(self._folder / "..tmp", self._folder / "..data")


def test_a_link_that_is_swapped_is_read_anew(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "secret", f"{ONE}\n")
    file = TokenFile(mount.file)
    assert file.current() == file.current() == ONE
    mount.put(TWO)
    assert file.current() == TWO


def test_a_file_that_is_away_or_written_by_halves_leaves_the_last_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(ONE)
    file = TokenFile(path)
    assert file.current() == ONE
    for text in ("", "two words", None):
        path.unlink() if text is None else path.write_text(text)
        assert file.current() == ONE
        assert file.renewed(ONE) == ""
    path.write_text(TWO)
    assert file.renewed(ONE) == TWO == file.current()
    assert file.renewed(TWO) == ""


def test_a_token_of_the_same_length_at_the_same_time_is_read_after_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text(ONE)
    file = TokenFile(path)
    monkeypatch.setattr(credentials, "_about", lambda path: (1,))  # a file system with times by the second
    assert file.current() == ONE
    path.write_text(TWO)
    assert file.current() == ONE
    assert file.renewed(ONE) == TWO


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (f"{ONE} {TWO}".encode(), "has something else in it than one token"),
        (ONE.encode() + b"\xff", "has something else in it than one token"),
        (b"TOKEN=" + b"x" * 5_000, "is over 4,096 bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_without_what_is_in_it(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Invalid) as refusal:
        TokenFile(path).current()
    assert refusal.value.message.startswith(f"the token file {path} {said}")
    assert refusal.value.hint
    assert ONE not in refusal.value.message + refusal.value.hint


def test_neither_a_folder_nor_a_pipe_is_a_token_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # to open it for reading would wait for ever
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "pipe", "is not a regular file")):
        with pytest.raises(Invalid, match=said):
            TokenFile(path).current()


@pytest.mark.parametrize("way", ["variable", "path", "mapping"])
def test_a_token_is_replaced_without_a_restart_and_goes_to_its_own_origin(
    client_of: Maker,
    server: FakeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    caplog.set_level("DEBUG")
    mount = Mount(tmp_path / "secret", ONE)
    good = [ONE]
    server.script = lambda asked: None if _token(asked) == good[0] else Reply(status=401)
    given: dict[str, Any] = {"token": mount.file} if way == "path" else {}
    if way == "variable":
        monkeypatch.setenv("PROMPTOPS_TOKEN_FILE", str(mount.file))
    with FakeServer() as second:
        second.serve(made.served(1, "1.0.0"))
        first = {"url": server.url, "token_file": str(mount.file)} if way == "mapping" else server.url
        client = client_of([first, second.url], poll=0.2, **given)
        until(lambda: {"snapshot", "events", "clients"} <= _kinds(server, ONE))
        good[0] = TWO
        mount.put(TWO)
        server.cut_streams()
        until(lambda: {"snapshot", "events"} <= _kinds(server, TWO))
        server.serve(made.served(2, "2.0.0"))
        until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
        assert {_token(asked) for asked in second.asked} <= {""}
        shown = repr(client) + str(client.status())
        client.close()
    shown += "".join(record.getMessage() + str(vars(record)) for record in caplog.records)
    assert [text for text in (ONE, TWO) if text in shown] == []


def test_a_client_starts_before_its_secret_is_there_and_says_so(
    client_of: Maker, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    monkeypatch.setenv("PROMPTOPS_TOKEN_FILE", str(path))
    client = client_of(server.url, poll=0.1, start_timeout=0.0, cache_dir=False)
    until(lambda: f"the token file {path} is missing" in client.status().problem)
    assert server.asked == []  # nothing is asked without the token that was meant
    path.write_text(ONE)
    until(lambda: client.state is State.READY)
    assert client.get_prompt("bot/answer").version == "1.0.0"
    assert {_token(asked) for asked in server.asked} == {ONE}


def test_a_token_that_is_set_goes_before_a_file_and_an_argument_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTOPS_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("PROMPTOPS_TOKEN", ONE)
    place = places_of("https://a.example", None, allow_http=False)[0]
    assert (place.token, place.token_file) == (ONE, "")
    place = places_of("https://a.example", TWO, allow_http=False)[0]
    assert (place.token, place.token_file) == (TWO, "")
    place = places_of("https://a.example", tmp_path / "mine", allow_http=False)[0]
    assert (place.token, place.token_file) == ("", str(tmp_path / "mine"))
    with pytest.raises(Invalid, match="may have a token or a token_file"):
        Client({"url": "https://a.example", "token": ONE, "token_file": "x"}, channel="prod", cache_dir=False)


def _kinds(server: FakeServer, token: str) -> set[str]:
    return {asked.kind for asked in list(server.asked) if _token(asked) == token}


def _token(asked: Asked) -> str:
    return asked.headers.get("authorization", "").removeprefix("Bearer ")
