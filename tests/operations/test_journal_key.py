"""A key of the journal, on both databases: numbers follow each other, and the key before signs for the next one."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest

from promptops.core.errors import Conflict, Invalid, NotAllowed, PromptopsError, Refused
from promptops.core.registry_key import endorse
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.journal_key import KeyRequest, journal_key, set_journal_key
from promptops.store import Registry
from promptops.use_cases.journal import SIGN_JOURNAL
from promptops.use_cases.use_case import Caller
from tests.support.factory import ACTOR, make_token, minutes
from tests.support.signing import signing_key

FIRST = KeyRequest(number=1, public_key=signing_key().public)


def put(registry: Registry, request: KeyRequest) -> bool:
    return set_journal_key(registry, request, actor=ACTOR, now=minutes(1)).changed


def next_key(registry: Registry, *, by: int = 0, lineage: str = "", **more: Any) -> KeyRequest:
    """The request for another key, signed by one."""
    public = signing_key(7).public
    endorsement = endorse(signing_key(by), lineage or registry.lineage, 2, public, required=False)
    return replace(KeyRequest(number=2, public_key=public, endorsement=endorsement), **more)


def test_a_key_follows_another(registry: Registry) -> None:
    assert (journal_key(registry).mode, journal_key(registry).number) == ("off", 0)
    assert put(registry, FIRST)
    assert not put(registry, FIRST)
    assert put(registry, next_key(registry))
    state = journal_key(registry)
    assert (state.number, state.key, state.mode) == (2, signing_key(7).public, "on")
    assert state.before.startswith("SHA256:")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"endorsement": ""}, Refused),
        ({"endorsement": "hello"}, Refused),
        ({"required": True}, Refused),
        ({"public_key": signing_key(9).public}, Refused),
        ({"public_key": ""}, Refused),
        ({"number": 3}, Conflict),
        ({"number": 1}, Conflict),
        ({"number": 0}, Invalid),
        ({"number": 2**63}, Invalid),
        ({"public_key": "ssh-rsa AAAA"}, Invalid),
        ({"public_key": f"{signing_key(9).public} ada"}, Invalid),
        ({"public_key": "", "required": True}, Invalid),
        ({"without_previous": True, "endorsement": ""}, Invalid),
    ],
)
def test_what_the_key_in_force_did_not_sign_is_refused(
    registry: Registry, changes: dict[str, Any], error: type[PromptopsError]
) -> None:
    put(registry, FIRST)
    with pytest.raises(error):
        put(registry, next_key(registry, **changes))
    for other in (next_key(registry, by=9), next_key(registry, lineage="another")):
        with pytest.raises(Refused):
            put(registry, other)
    assert journal_key(registry).number == 1


def test_a_first_key_has_no_endorsement(registry: Registry) -> None:
    with pytest.raises(Invalid):
        put(registry, replace(FIRST, endorsement="x"))


def test_a_lost_key_is_replaced_with_a_reason(registry: Registry) -> None:
    put(registry, FIRST)
    assert put(registry, next_key(registry, endorsement="", without_previous=True, reason="the laptop is gone"))


def test_of_two_keys_at_once_one_counts(registry: Registry) -> None:
    barrier, ends = Barrier(2), []

    def work(number: int) -> None:
        barrier.wait()
        try:
            ends.append(put(registry, KeyRequest(number=1, public_key=signing_key(number).public)))
        except Conflict:
            ends.append(False)

    threads = [Thread(target=work, args=(number,)) for number in (7, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == [False, True]
    assert journal_key(registry).number == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "limits", [{"channels": ("prod",)}, {"apps": ("bot",)}, {"scopes": (Scope.READ, Scope.PROMOTE)}]
)
def test_only_a_token_for_everything_sets_a_key(registry: Registry, limits: dict[str, Any]) -> None:
    minted = make_token(registry, "ops", **{"scopes": (Scope.POLICY,), "channels": ("*",), "apps": ("*",), **limits})
    caller = Caller(now=minutes(1), actor=ACTOR, rights=Rights(minted.token))
    with pytest.raises(NotAllowed):
        SIGN_JOURNAL.answer_to(registry, FIRST, caller)
    whole = make_token(registry, "all", scopes=(Scope.POLICY,), channels=("*",), apps=("*",))
    caller = Caller(now=minutes(1), actor=ACTOR, rights=Rights(whole.token))
    assert SIGN_JOURNAL.answer_to(registry, FIRST, caller).changed


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_without_the_signature_of_the_key_before_an_administrator_is_needed(registry: Registry) -> None:
    lost = replace(FIRST, without_previous=True, reason="the laptop is gone")
    for scope, allowed in ((Scope.POLICY, False), (Scope.ADMIN, True)):
        minted = make_token(registry, scope.value, scopes=(scope,), channels=("*",), apps=("*",))
        caller = Caller(now=minutes(1), actor=ACTOR, rights=Rights(minted.token))
        if allowed:
            assert SIGN_JOURNAL.answer_to(registry, lost, caller).changed
        else:
            with pytest.raises(NotAllowed, match="it lacks the scope 'admin'"):
                SIGN_JOURNAL.answer_to(registry, lost, caller)
