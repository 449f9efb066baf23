"""What was captured of a key's calls, or of one, can be removed: the fact stays, and names no key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from promptops.core.declarations import Capture
from promptops.core.errors import AppNotFound, ChannelNotFound, Invalid, KeyReused, NotAllowed, RegistryMismatch
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.kept_call import Kept, KeptCall
from promptops.core.outcomes.units import Unit
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.backup import backup, restore
from promptops.operations.erase import EraseRequest, erase
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.outcomes import Document, report_key, take
from promptops.store import Registry, check_store
from promptops.store.schema import tables
from promptops.use_cases.erase import ERASE
from promptops.use_cases.use_case import Caller
from tests.support import factory
from tests.support.factory import ACTOR, START, minutes
from tests.support.journal import REF, sync
from tests.support.reports import CALL, assignment, call_id, report, series

KEY = "a-marked-user-4711"
ERASED = minutes(10)


@pytest.fixture
def live(registry: Registry) -> Registry:
    """`bot` and `faq` at revision 1 of prod, whose variables are captured."""
    factory.make_channels(registry)
    for app in ("bot", "faq"):
        [release] = factory.make_releases(registry, app, 1)
        factory.go_live(registry, f"{app}@{release.version}")
        factory.declare(registry, app, capture=Capture.VARIABLES)
    return registry


def call(registry: Registry, number: int, *, key: str = KEY, app: str = "bot", at: datetime = START) -> KeptCall:
    """A bad call of a key, with what was captured."""
    secret = report_key(registry).secret
    name = call_id(registry.lineage, secret, place=assignment(app), random=number, unit=Unit.of(secret, app, key))
    return KeptCall(
        call=name, prompt="answer", at=int(at.timestamp()), kept=Kept.BAD, flags=(Count.BAD,), error="TimeoutError",
        variables={"name": f"Ada {number}"}, api="chat", rendered="0" * 16,
    )  # fmt: skip


def keep(registry: Registry, *calls: KeptCall, number: int = 1, now: datetime = START) -> None:
    document = Document(report=replace(report(registry.lineage, number), calls=calls))
    assert take(registry, [document], now=now).left_out == {}


def captured(registry: Registry, *calls: KeptCall) -> list[bool]:
    """Of which of these calls something is there that was captured."""
    with registry.read() as reader:
        found = [reader.kept_calls(each.call)[0].call for each in calls]
    assert all((each.variables is None) == (each.rendered == "") for each in found)
    assert [replace(each, variables=None, api="", rendered="") for each in found] == [
        replace(each, variables=None, api="", rendered="") for each in calls
    ]
    return [each.variables is not None for each in found]


def request(**more: Any) -> EraseRequest:
    return EraseRequest(**{"key": factory.key(), "reason": "request 4711", **more})


def test_the_calls_of_a_key_are_erased_in_every_app_and_nothing_else_is(live: Registry) -> None:
    calls = [call(live, 1), call(live, 2), call(live, 3, app="faq"), call(live, 4, key="ben")]
    keep(live, *calls)
    done = erase(live, request(of_key=KEY), actor=ACTOR, now=ERASED)
    assert (done.number, done.calls, done.app, done.call, len(done.units)) == (1, 3, "", "", 2)
    assert captured(live, *calls) == [False, False, False, True]
    with live.read() as reader:  # what was counted stays
        assert {row.series: row.sums for row in reader.outcome_rows("bot", since=START, now=START)} == {series(): CALL}
    again = erase(live, request(of_key=KEY), actor=ACTOR, now=ERASED)
    assert (again.number, again.calls) == (2, 0)
    assert check_store(live) == ()


def test_of_one_app_and_of_one_call(live: Registry) -> None:
    calls = [call(live, 1), call(live, 2, app="faq"), call(live, 3, key="ben")]
    keep(live, *calls)
    assert erase(live, request(of_key=KEY, app="faq"), actor=ACTOR, now=ERASED).calls == 1
    assert captured(live, *calls) == [True, False, True]
    done = erase(live, request(call=calls[2].call), actor=ACTOR, now=ERASED)
    assert (done.app, done.calls, done.units) == ("bot", 1, ())
    assert captured(live, *calls) == [True, False, False]


def test_a_report_that_is_late_brings_nothing_back_and_later_calls_are_captured(live: Registry) -> None:
    late, lost, fresh = call(live, 1, at=minutes(9)), call(live, 2, key="ben"), call(live, 3, at=minutes(11))
    for what in ({"of_key": KEY}, {"call": lost.call}):
        assert erase(live, request(**what), actor=ACTOR, now=ERASED).calls == 0
    keep(live, late, lost, fresh, call(live, 4, key="cyn"), now=minutes(12))
    assert captured(live, late, lost, fresh) == [False, False, True]


def test_what_an_earlier_copy_of_the_database_brings_back_is_removed_again(live: Registry) -> None:
    """As where a copy of before the erasure is put back by other means, and git gives the facts since then back."""
    calls = [call(live, 1), call(live, 2, key="ben"), call(live, 3, key="cyn")]
    keep(live, *calls)
    with live.read() as reader:
        before = list(reader._connection.execute(tables.kept_call.select()))
    erase(live, request(of_key=KEY), actor=ACTOR, now=ERASED)
    erase(live, request(call=calls[1].call), actor=ACTOR, now=ERASED)
    later = call(live, 4, at=minutes(11))
    keep(live, later, number=2, now=minutes(11))
    for row in before:
        change = tables.kept_call.update().where(tables.kept_call.c.call == row.call).values(variables=row.variables)
        live.write(lambda writer, change=change: writer._connection.execute(change))  # type: ignore[misc]
    assert captured(live, *calls) == [True, True, True]
    live.write(lambda writer: writer.outcomes().prune(minutes(12), chance=1))
    assert captured(live, *calls, later) == [False, False, True, True]


@pytest.fixture
def tools(registry_url: str, request: pytest.FixtureRequest) -> None:
    if registry_url.startswith("postgresql"):
        request.getfixturevalue("postgresql_tools")


@pytest.mark.usefixtures("tools")
def test_a_backup_has_nothing_that_was_captured_and_the_erasures_since_come_back_from_git(
    live: Registry, registry_url: str, empty_url: str, tmp_path: Path
) -> None:
    root = factory.make_workspace(tmp_path / "prompts")
    keep(live, call(live, 1))
    made = backup(registry_url, tmp_path / "b", now=minutes(1))
    assert made.holdings.counts["kept_call"] == 0
    assert b"Ada 1" not in (tmp_path / "b").read_bytes()
    done = erase(live, request(of_key=KEY), actor=ACTOR, now=ERASED)
    sync(live, root)
    place = RegistryLocation(url=empty_url, root=root, name=factory.NAME)
    restore(tmp_path / "b", place, actor=ACTOR, now=minutes(20))
    with closing(Registry.open(empty_url)) as again, again.read() as reader:
        assert reader.erasure(1) == done


# --- the fact ------------------------------------------------------------------------------------------


def everything(registry: Registry) -> Iterator[str]:
    """Every value of every table."""
    with registry.read() as reader:
        for table in tables.metadata.tables.values():
            for row in reader._connection.execute(table.select()):
                yield from (f"{table.name}: {value!r}" for value in row)


def test_the_key_is_in_no_table_and_in_no_commit(live: Registry, registry_url: str, tmp_path: Path) -> None:
    keep(live, call(live, 1))
    done = erase(live, request(of_key=KEY), actor=ACTOR, now=ERASED)
    assert KEY not in repr(done) and KEY not in repr(request(of_key=KEY))
    assert not [text for text in everything(live) if KEY in text]
    root = factory.make_workspace(tmp_path / "prompts")
    sync(live, root)
    history = factory.git(root, "log", "-p", REF)
    assert f'"units":["{done.units[0]}"' in history.replace(" ", "")
    assert KEY not in history
    with live.read() as reader:
        [line] = [entry for entry in reader.audit() if entry.action == "erase"]
    assert (line.actor, line.reason, line.after) == (ACTOR, "request 4711", "2 units: 1 calls")
    assert check(RegistryLocation(url=registry_url, root=root)).faults == ()


def test_a_request_counts_once_and_its_key_is_for_no_other(live: Registry) -> None:
    keep(live, call(live, 1))
    first = request(of_key=KEY, key="k" * 20)
    done = erase(live, first, actor=ACTOR, now=ERASED)
    assert erase(live, first, actor=ACTOR, now=minutes(30)) == done
    with pytest.raises(KeyReused):
        erase(live, replace(first, of_key="ben"), actor=ACTOR, now=minutes(30))


def test_what_no_call_of_this_registry_is_cannot_be_erased(live: Registry) -> None:
    made = call(live, 1).call
    forged = made[:-1] + ("A" if made[-1] != "A" else "B")
    for wrong, kind in ((forged, Invalid), ("pc1:x", Invalid), (f"pc1:{'0' * 8}{made[12:]}", RegistryMismatch)):
        with pytest.raises(kind):
            erase(live, request(call=wrong), actor=ACTOR, now=ERASED)
    with pytest.raises(AppNotFound):
        erase(live, request(of_key=KEY, app="gone"), actor=ACTOR, now=ERASED)
    for both in ({}, {"of_key": KEY, "call": made}, {"call": made, "app": "bot"}, {"of_key": "x" * 3_000}):
        with pytest.raises(Invalid):
            request(**both)
    with live.read() as reader:
        assert not [entry for entry in reader.audit() if entry.action == "erase"]


def test_before_anything_was_reported_there_is_nothing_to_erase(registry: Registry) -> None:
    done = erase(registry, request(of_key=KEY), actor=ACTOR, now=ERASED)
    assert (done.calls, done.units) == (0, ())


def caller(*scopes: Scope, **where: tuple[str, ...]) -> Caller:
    token = factory.rights(**where).token
    assert token is not None
    return Caller(now=ERASED, actor=ACTOR, rights=Rights(replace(token, scopes=scopes)))


def test_who_administers_an_app_erases_its_calls_and_no_others(live: Registry) -> None:
    bot, faq = call(live, 1), call(live, 2, app="faq")
    keep(live, bot, faq)

    def erased(who: Caller, **what: str) -> int:
        return ERASE.answer_to(live, request(**what), who).calls

    for scope in (Scope.READ, Scope.CONTENT, Scope.POLICY):
        with pytest.raises(NotAllowed):
            erased(caller(scope), of_key=KEY)
    narrow = caller(Scope.ADMIN, apps=("bot",))
    with pytest.raises(NotAllowed, match="not for all"):
        erased(narrow, of_key=KEY)
    with pytest.raises(AppNotFound):
        erased(narrow, of_key=KEY, app="faq")
    with pytest.raises(AppNotFound):
        erased(narrow, call=faq.call)
    with pytest.raises(NotAllowed, match="not for all"):
        erased(caller(Scope.ADMIN, channels=("dev",)), of_key=KEY, app="bot")
    with pytest.raises(ChannelNotFound):
        erased(caller(Scope.ADMIN, channels=("dev",)), call=bot.call)
    assert captured(live, bot, faq) == [True, True]
    assert erased(narrow, of_key=KEY, app="bot") == 1
    assert erased(caller(Scope.ADMIN), of_key=KEY) == 1
