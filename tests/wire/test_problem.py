"""Errors on their way: whoever reads the document raises the class that was raised, with message, hint and facts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.cli.exit import exit_code
from promptops.core import errors
from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import PromptopsError
from promptops.core.finding import Finding, Severity
from promptops.wire.problem import from_problem, status_of, to_problem


def tree(root: type[PromptopsError]) -> Iterator[type[PromptopsError]]:
    yield root
    for leaf in root.__subclasses__():
        yield from tree(leaf)


LEAVES = sorted(
    {leaf for leaf in tree(PromptopsError) if leaf.__module__.startswith("promptops.core.")} - {PromptopsError},
    key=lambda leaf: leaf.__name__,
)


def over_the_wire(error: PromptopsError) -> PromptopsError:
    document = json.loads(json.dumps(to_problem(error)))
    return from_problem(document, status=document["status"])


def bare(leaf: type[PromptopsError], message: str = "what, which, got", hint: str = "do this") -> PromptopsError:
    """An error of this class without the facts of its own constructor."""
    error = leaf.__new__(leaf)
    PromptopsError.__init__(error, message, hint=hint)
    return error


def facts(error: PromptopsError) -> dict[str, object]:
    return {name: value for name, value in vars(error).items() if name != "known" or value}


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf is not errors.SourceInvalid])
def test_every_error_comes_back_as_itself(leaf: type[PromptopsError]) -> None:
    sent = bare(leaf)
    came = over_the_wire(sent)
    assert type(came) is leaf
    assert (str(came), came.message, came.hint, came.code) == (str(sent), sent.message, sent.hint, sent.code)
    assert came.kind == leaf.kind
    assert came.args == sent.args


def test_no_two_errors_have_one_code() -> None:
    codes = [bare(leaf).code for leaf in LEAVES]
    assert len(set(codes)) == len(codes) > 40


@pytest.mark.parametrize(
    "sent",
    [
        errors.MissingVariable("question", prompt="answer"),
        errors.UnknownVariable("q", known=("question", "größer")),
        errors.VariableInvalid("count", "not a number"),
        errors.OutputTooLarge(1_000_000),
        errors.TemplateInvalid("a tag is not closed", offset=17),
        errors.ParameterNotTaken("seed", "anthropic"),
        errors.AppNotFound("there is no app 'bot'", known=("faq", "triage")),
        errors.ChannelNotFound("there is no channel", hint="apply them"),
        errors.ConcurrentDeployment("bot", "prod", expected=7, actual=8),
        errors.StillServed("it is served", channels=("prod", "staging")),
        errors.DirtyTree(["a.yml", "b.yml"]),
        errors.PolicyRefused("not from here", rule="promote_from"),
        errors.NotAllowed("the token may not promote", scope="promote"),
        errors.NotAcknowledged("not all", clients=["web-1", "web-2"]),
        errors.TooManyRequests("too many", retry_after=3),
        errors.GuardsMissing(["release_update"]),
    ],
    ids=lambda sent: sent.code,
)
def test_facts_come_along(sent: PromptopsError) -> None:
    came = over_the_wire(sent)
    assert type(came) is type(sent)
    assert facts(came) == facts(sent)


def test_findings_stay_where_the_files_are() -> None:
    finding = Finding(
        code="yaml", severity=Severity.ERROR, path="a.yml", line=3, column=5, message="not closed", hint=""
    )
    sent = errors.SourceInvalid([finding])
    came = over_the_wire(sent)
    assert type(came) is errors.Invalid
    assert came.message == sent.message == "a.yml:3:5: not closed"


def test_nothing_that_is_no_fact_leaves_the_process() -> None:
    sent = errors.Conflict("what")
    sent.cause = ValueError("with a secret")  # type: ignore[attr-defined]
    sent.lines = ["a", "list"]  # type: ignore[attr-defined]
    sent.number = 7  # type: ignore[attr-defined]
    assert to_problem(sent)["facts"] == {"number": 7}


@pytest.mark.parametrize(
    ("document", "status", "kind"),
    [
        ({"code": "from-the-future", "kind": "Conflict"}, 409, errors.Conflict),
        ({"code": "from-the-future", "kind": "Refused"}, 500, errors.Refused),
        ({"code": 7, "kind": ["Refused"]}, 404, errors.NotFound),
        ({"code": "source-invalid", "kind": "Invalid"}, 422, errors.Invalid),
        ({"code": "promptops-error"}, 500, errors.Unavailable),
        ({}, 401, errors.NotAuthenticated),
        ({}, 403, errors.Refused),
        ({}, 404, errors.NotFound),
        ({}, 409, errors.Conflict),
        ({}, 422, errors.Invalid),
        ({}, 400, errors.Invalid),
        ({}, 418, errors.Invalid),
        ({}, 429, errors.TooManyRequests),
        ({}, 500, errors.Unavailable),
        ({}, 502, errors.Unavailable),
        ({}, 503, errors.Unavailable),
    ],
)
def test_what_is_not_known_becomes_its_kind(document: dict[str, Any], status: int, kind: type[PromptopsError]) -> None:
    came = from_problem(document, status=status)
    assert type(came) is kind
    assert came.message == f"the server answered {status}"
    assert came.hint == ""


def test_a_server_does_not_decide_how_a_command_ends() -> None:
    said: dict[str, Any] = {
        "exit_code": 0,
        "http_status": 200,
        "kind": "Fine",
        "code": "ok",
        "args": ["x"],
        "message": "all is well",
    }
    more = {
        "__class__": "x",
        "_hidden": 1,
        "with_traceback": 1,
        "not an identifier": 1,
        "deep": {"a": 1},
        "rule": "own",
    }
    came = from_problem({"code": "policy-refused", "detail": "no", "facts": said | more}, status=403)
    assert type(came) is errors.PolicyRefused
    assert (exit_code(came), status_of(type(came)), came.kind, came.code) == (5, 403, "Refused", "policy-refused")
    assert (came.message, came.hint, came.args) == ("no", "", ("no",))
    assert vars(came) == {"message": "no", "hint": "", "rule": "own", "exit_code": 0, "http_status": 200}  # mere facts
    assert callable(came.with_traceback)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["code", "kind", "detail", "hint", "facts", "status"]), JSON), st.integers(100, 599)
)
def test_whatever_comes_it_is_an_error_of_ours(document: dict[str, Any], status: int) -> None:
    came = from_problem(document, status=status)
    assert isinstance(came, PromptopsError)
    assert isinstance(came.message, str)
    assert isinstance(came.hint, str)
    assert exit_code(came) in (2, 3, 4, 5, 6)
    if isinstance(came, errors.NotFound):
        assert isinstance(came.known, tuple)


# --- advice --------------------------------------------------------------------------------------

PROMOTE = Advice(Action.PROMOTE, release="bot@0.1.0", channel="staging")
ADVISED = Sentence("First: ", PROMOTE, ". Then ", Advice(Action.FSCK, words="check it"), " once more.")


def test_advice_comes_along_and_the_hint_is_plain_words() -> None:
    sent = errors.Conflict("no", hint=ADVISED)
    document = to_problem(sent)
    assert document["hint"] == "First: promote bot@0.1.0 to staging. Then check it once more."
    assert document["advice"] == [
        {
            "text": "promote bot@0.1.0 to staging",
            "action": "promote",
            "arguments": {"release": "bot@0.1.0", "channel": "staging"},
        },
        {"text": "check it", "action": "fsck", "arguments": {}},
    ]
    came = over_the_wire(sent)
    assert (came.hint, came.advice) == (sent.hint, sent.advice)


def test_a_hint_without_advice_has_no_such_key() -> None:
    assert "advice" not in to_problem(errors.Conflict("no", hint="Think."))


def test_the_name_of_a_parameter_comes_along_too() -> None:
    sent = errors.Conflict("no", hint=Sentence("Leave ", option("to", "the version", value="0.1.0"), " out."))
    assert to_problem(sent)["advice"] == [
        {"text": "the version", "action": "option", "arguments": {"name": "to", "value": "0.1.0"}}
    ]
    assert over_the_wire(sent).advice == sent.advice


def test_each_advice_gets_what_a_face_adds() -> None:
    document = to_problem(errors.Conflict("no", hint=ADVISED), lambda advice: {"path": f"/{advice.action}"})
    advice: Any = document["advice"]
    assert [entry["path"] for entry in advice] == ["/promote", "/fsck"]


@pytest.mark.parametrize(
    "advice",
    [
        None,
        "promote",
        [None, "x", 7],
        [{"text": "promote", "action": "from-the-future", "arguments": {}}],  # a newer server
        [{"text": "promote", "action": ["promote"], "arguments": {}}],
        [{"text": "not in the hint", "action": "promote", "arguments": {}}],
        [{"text": "", "action": "promote", "arguments": {}}],
        [{"text": "promote", "action": "promote", "arguments": ["bot"]}],
        [{"text": "promote", "action": "promote", "arguments": {"release": 7}}],
        [{"text": "promote", "action": "promote", "arguments": {"release": [7]}}],
        [{"text": "promote", "action": "promote", "arguments": {"words": "x"}}],
    ],
)
def test_advice_that_is_not_understood_leaves_a_plain_hint(advice: object) -> None:
    document: Any = {"code": "conflict", "detail": "no", "hint": "First promote it.", "advice": advice}
    came = from_problem(document, status=409)
    assert (came.hint, came.advice) == ("First promote it.", ())


def test_what_a_server_advises_is_shown_in_one_line() -> None:
    document: Any = {
        "code": "conflict",
        "hint": "Run\nit",
        "advice": [{"text": "Run\nit", "action": "revoke-token", "arguments": {"token": "a\nb", "more": ["c\n"]}}],
    }
    [advice] = from_problem(document, status=409).advice
    assert not any("\n" in text for text in (advice.words, advice.arguments["token"], *advice.arguments["more"]))


def test_a_newer_server_adds_extensions_to_a_problem() -> None:
    sent = errors.ConcurrentDeployment("bot", "prod", expected=7, actual=8)
    document = to_problem(sent) | {"extensions": {"code": "other", "facts": {"expected": 9}}}
    came = from_problem(document, status=409)
    assert (type(came), vars(came)) == (type(sent), vars(sent))
