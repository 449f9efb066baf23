"""One key, one change: what a retry gets, and which requests are the same one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from promptops.core.errors import Invalid, KeyReused
from promptops.operations.idempotency import Once
from promptops.store import Registry

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ONCE = Once(key="run-4711", token="t1", operation="promote", arguments={"app": "bot", "to": None}, words="größer")
ANSWER = ("bot", "prod", 1, True)
DEED = "b64bf3e1449be80205d2061b71d918b8b5f95c148472b2dbf407192eadfc35e5"
WORDS = "45fbf6a67b5efa7dbcc0c0ccf6bdd7ce207300314c009282515896ea4cd7a4e6"


def remembered(registry: Registry, once: Once = ONCE) -> None:
    registry.write(lambda writer: once.remember(writer, [ANSWER], NOW))


def answer(registry: Registry, once: Once) -> tuple[object, ...] | None:
    with registry.read() as reader:
        return once.answered(reader)


def test_a_new_key_has_no_answer_and_a_retry_gets_the_first_one(registry: Registry) -> None:
    assert answer(registry, ONCE) is None
    remembered(registry)
    assert answer(registry, ONCE) == (list(ANSWER),)
    assert answer(registry, replace(ONCE, key="run-4712")) is None
    assert answer(registry, replace(ONCE, token="t2")) is None


DIFFERENT, OTHER_WORDS = "a different request", "this request with another reason, other notes or another profile"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"operation": "rollback"}, DIFFERENT),
        ({"arguments": {"app": "bot", "to": "0.1.0"}}, DIFFERENT),
        ({"words": "smaller"}, OTHER_WORDS),
        ({"words": ""}, OTHER_WORDS),
    ],
    ids=str,
)
def test_the_same_key_with_another_request_is_refused(registry: Registry, change: dict[str, object], what: str) -> None:
    remembered(registry)
    with pytest.raises(KeyReused) as caught:
        answer(registry, replace(ONCE, **change))  # type: ignore[arg-type]
    assert caught.value.message == f"the idempotency key 'run-4711' was used for {what}"
    assert caught.value.hint == "Use a new key for a new change; a retry repeats every word of the first try."


def test_the_fingerprint_of_a_request_does_not_change(registry: Registry) -> None:
    """A vector: a retry may come after an upgrade, and has to find the answer of the version before."""
    remembered(registry)
    with registry.read() as reader:
        found = reader.answer("run-4711", token="t1", request="")
    assert found is not None
    assert found.request == f"{DEED}.{WORDS}"
    assert found.body == b'[["bot","prod",1,true]]'


def test_a_fingerprint_from_before_words_were_part_of_it_is_found(registry: Registry) -> None:
    registry.write(lambda writer: writer.remember("run-4711", DEED, b'[["old"]]', NOW, token="t1"))
    assert answer(registry, ONCE) == (["old"],)
    assert answer(registry, replace(ONCE, words="smaller")) == (["old"],)


def test_a_key_from_before_keys_belonged_to_a_token_counts_for_exactly_its_request(registry: Registry) -> None:
    registry.write(lambda writer: writer.remember("run-4711", DEED, b'[["old"]]', NOW, token="*"))
    assert answer(registry, ONCE) == (["old"],)
    assert answer(registry, replace(ONCE, operation="rollback")) is None


def test_a_reason_that_is_no_text_has_a_fingerprint_too(registry: Registry) -> None:
    odd = replace(ONCE, words="\ud800")
    remembered(registry, odd)
    assert answer(registry, odd) == (list(ANSWER),)


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "\x7f"])
def test_a_key_that_no_header_carries_is_refused(key: str) -> None:
    with pytest.raises(Invalid) as caught:
        replace(ONCE, key=key)
    assert caught.value.message == "an idempotency key is 1 to 200 printable characters"
    assert caught.value.hint == "A UUID serves well."


def test_the_longest_key_is_taken() -> None:
    assert replace(ONCE, key="x" * 200).key == "x" * 200
