"""A run sends the image of a case to the model, by its bytes or its URL, and the row says the digest alone."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm
from promptops.core.media_values import MediaValue
from promptops.core.model import Input, Message, Role
from promptops.core.parts import Part, PartType
from promptops.core.suite.suite import Case
from tests.evals.running import planned, prompt, side, suite
from tests.support import media

PHOTO = Input(name="photo", schema={"type": "image"})
PARTS = (Part(type=PartType.TEXT, text="Q: {{question}}"), Part(type=PartType.IMAGE, input="photo"))
SEEING = replace(
    prompt(), messages=(Message(role=Role.USER, content="", parts=PARTS),), inputs=(PHOTO, Input(name="question"))
)
PNG_64 = base64.b64encode(media.png()).decode()
KNOWN = MediaValue(type=PartType.IMAGE, data=media.png()).described()


def asked(case: Case) -> dict[str, Any]:
    [one] = planned(side(SEEING), suites=[suite(cases=[case])]).cases
    assert one.user_messages[Arm.CANDIDATE] == "Q: what"
    body: dict[str, Any] = json.loads(one.requests[Arm.CANDIDATE].body)
    return body


def test_the_bytes_of_a_case_are_sent() -> None:
    case = Case(variables={"question": "what", "photo": KNOWN}, files={"photo": PNG_64})
    assert asked(case)["messages"][0]["content"] == [
        {"type": "text", "text": "Q: what"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_64}"}},
    ]
    assert PNG_64 not in json.dumps(dict(case.variables))


def test_the_url_of_a_case_is_sent() -> None:
    case = Case(variables={"question": "what", "photo": {"type": "image", "url": "https://a.b/c.png"}})
    assert asked(case)["messages"][0]["content"][1] == {
        "type": "image_url",
        "image_url": {"url": "https://a.b/c.png"},
    }


def test_a_case_whose_bytes_are_not_known_ends_the_run_before_its_first_call() -> None:
    with pytest.raises(Invalid, match="only its digest is known here, and not its bytes"):
        asked(Case(variables={"question": "what", "photo": KNOWN}))
