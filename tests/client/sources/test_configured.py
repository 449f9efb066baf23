"""A token goes to the origin that it is for, with every kind of question, and is shown nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from promptops import Client, Invalid
from promptops.client.settings import places_of
from promptops.client.sources.configured import SourceOption
from tests.client import made
from tests.client.clients import Maker
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until

ONE, TWO = "pops_rt_one", "pops_rt_two"
A, B = "https://a.example", "https://b.example"


@pytest.mark.parametrize(
    ("source", "token", "said", "tokens"),
    [
        (A, ONE, "", [ONE]),
        ([A, B], ONE, "", [ONE, ""]),
        (f"{A} {B}", ONE, "", [ONE, ""]),
        ([A, f"{A}/below", "https://A.example:443"], ONE, "", [ONE, ONE, ONE]),  # the same origin
        ([A, "https://a.example:8443"], ONE, "", [ONE, ""]),  # another port
        (["http://127.0.0.1", "https://127.0.0.1"], ONE, "", [ONE, ""]),  # another scheme
        (["file:/srv", A, B], ONE, "", ["", ONE, ""]),  # a folder is no server
        ([{"url": A, "token": ONE}, B, {"url": B}], None, "", [ONE, "", ""]),
        ([{"url": A, "token": ONE}, {"url": B, "token": TWO}], None, "", [ONE, TWO]),
        ([A, {"url": B, "token": TWO}], ONE, "", [ONE, TWO]),
        ({"url": A, "token": ONE}, None, TWO, [ONE]),
        ([A, B], None, f"{ONE} {TWO}", [ONE, TWO]),
        ([A, "file:/srv", B], None, f"- - {TWO}", ["", "", TWO]),
        ([A, B], None, ONE, [ONE, ""]),
        ([A, B], "", ONE, ["", ""]),  # an argument wins, also where it is empty
    ],
)
def test_each_token_goes_to_its_own_origin(
    monkeypatch: pytest.MonkeyPatch, source: Any, token: str | None, said: str, tokens: list[str]
) -> None:
    monkeypatch.setenv("PROMPTOPS_TOKEN", said)
    places = places_of(source, token, allow_http=False)
    assert [place.token for place in places] == tokens
    assert ONE not in repr(places)
    assert TWO not in repr(places)


@pytest.mark.parametrize(
    ("source", "token", "said"),
    [
        ([A, B], None, f"{ONE} {TWO} {ONE}"),
        ([{"url": A, "tokens": ONE}], None, ""),
        ([{"token": ONE}], None, ""),
        ([{"url": A, "token": None}], None, ""),
        ([{"url": "file:/srv", "token": ONE}], None, ""),
        ([{"url": A, "token": "two words"}], None, ""),
        (A, "a\nb", ""),
    ],
)
def test_what_could_be_meant_otherwise_is_refused_and_shows_no_token(
    monkeypatch: pytest.MonkeyPatch, source: SourceOption, token: str | None, said: str
) -> None:
    monkeypatch.setenv("PROMPTOPS_TOKEN", said)
    with pytest.raises(Invalid) as raised:
        Client(source, channel="prod", token=token, cache_dir=False)
    assert ONE not in raised.value.message + raised.value.hint


def test_no_request_of_any_kind_takes_a_token_elsewhere(
    client_of: Maker, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with FakeServer() as second:
        second.serve(made.served(1, "1.0.0"))
        second.versions["bot", "0.9.0"] = made.release("bot", "0.9.0").digest
        server.script = lambda asked: Reply(status=503)
        client = client_of([server.url, second.url], token=ONE, versions=["bot@0.9.0"], poll=0.2)
        until(lambda: {"snapshot", "releases", "events", "clients"} <= set(second.kinds()))
        assert {asked.headers.get("authorization") for asked in server.asked} == {f"Bearer {ONE}"}
        assert {asked.headers.get("authorization") for asked in second.asked} == {None}
        both = client_of([{"url": server.url, "token": ONE}, {"url": second.url, "token": TWO}], poll=0.2)
        until(lambda: [asked for asked in second.asked if _is(asked, TWO) and asked.kind == "events"])
        assert not [asked for asked in server.asked if _is(asked, TWO)]
        assert not [asked for asked in second.asked if _is(asked, ONE)]
        shown = [repr(each) + str(each.status()) for each in (client, both)]
        client.close(), both.close()
    shown += [record.getMessage() + str(vars(record)) for record in caplog.records]
    assert [text for text in shown if ONE in text or TWO in text] == []


def _is(asked: Asked, token: str) -> bool:
    return asked.headers.get("authorization") == f"Bearer {token}"
