"""Held cases: outside the repository, read by the runner alone, and shown by nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from promptops.store import Registry
from tests.cli.commands.test_eval import PROMPT
from tests.cli.conftest import Promptops
from tests.gateway.serving import rows
from tests.support.model_server import ModelServer, model_server, said, spoken

SECRET = "Zanzibar"
"""A word of the held cases, which nothing may show."""
ROWS = [{"name": f"{SECRET} {number}", "expected": f"{SECRET} {number}", "id": f"h{number}"} for number in range(3)]
GATE = "{required: {agree: 1 of 1}}"


@pytest.fixture
def provider(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """The provider `local`, which repeats what it is sent, and a prompt with a suite of its own."""
    (workspace / "bot/prompts/greet.prompt.yml").write_text(PROMPT)
    with model_server(lambda body, times: said(f"You said: {spoken(body)}")) as server:
        monkeypatch.setenv("LOCAL_BASE_URL", server.url)
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of held cases."""
    held = tmp_path / "held"
    held.mkdir()
    write(held, ROWS)
    monkeypatch.setenv("PROMPTOPS_HELD", str(held))
    return held


@pytest.fixture
def store(workspace: Path) -> Iterator[Registry]:
    registry = Registry.open(f"sqlite:///{workspace / '.promptops/registry.db'}")
    yield registry
    registry.close()


def write(folder: Path, cases: list[dict[str, Any]]) -> None:
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))


def hold(workspace: Path, digest: str, *, place: str = "cases.jsonl", check: str = "{{expected}}") -> Path:
    """Writes the suite `must`, whose cases are held."""
    named = f", digest: '{digest}'" if digest else ""
    path = workspace / "bot/evals/must.suite.yml"
    path.parent.mkdir(exist_ok=True)
    suite = f"prompts: [greet]\nkind: required\nheld: {{from: '{place}'{named}}}\nchecks: [{{contains: '{check}'}}]\n"
    path.write_text(suite)
    return path


def named(workspace: Path, promptops: Promptops, **more: str) -> str:
    """Lets the suite name the digest that its cases have."""
    hold(workspace, "", **more)
    digest = str(promptops("eval", "hold", "bot", "must", "--json").json["digest"])
    hold(workspace, digest, **more)
    return digest


def test_held_cases_are_evidence_for_a_gate_and_nothing_shows_them(
    provider: ModelServer, workspace: Path, folder: Path, promptops: Promptops, store: Registry, tmp_path: Path
) -> None:
    suite = hold(workspace, "")
    missing = rows(promptops("check", "--json", exits=2), "findings")
    assert [finding["code"] for finding in missing] == ["missing-key"]
    printed = promptops("eval", "hold", "bot", "must").out
    digest = printed.split("digest: ")[1].strip()
    assert "3 cases; the suite has to say it" in printed
    hold(workspace, digest)
    assert "2 suites with 2 cases, 1 with held cases" in promptops("check").out
    assert "the suite names them" in promptops("eval", "hold", "bot", "must").out

    marker = workspace / "promptops.yml"
    marker.write_text(marker.read_text().replace("{promote_from: staging", f"{{gate: {GATE}, promote_from: staging"))
    promptops("channels", "apply")
    promptops("release", "bot", "--allow-dirty")
    files = ["--junit", str(tmp_path / "j.xml"), "--html", str(tmp_path / "r.html")]
    shown = promptops("eval", "bot@0.1.0", "--channel", "prod", *files)
    asked = promptops("eval", "bot@0.1.0", "--channel", "prod", "--json")
    assert f"Greet {SECRET} 1" in [spoken(body) for body in provider.asked]
    case = promptops("eval", "diff", str(asked.json["run"])[:8], str(asked.json["run"])[:8], "--case", "h1", "--json")
    explained = promptops("gate", "bot@0.1.0", "--channel", "prod", "--json")
    assert explained.json["opens"] is True
    run = workspace / str(asked.json["folder"])
    texts = [shown.out, shown.err, asked.out, asked.err, case.out, explained.out, suite.read_text()]
    texts += [path.read_text() for path in (tmp_path / "j.xml", tmp_path / "r.html", run / "report.json")]
    assert not [text for text in texts if SECRET in text]
    assert SECRET.encode() not in (workspace / ".promptops/registry.db").read_bytes()
    with store.read() as reader:
        recorded = reader.suites("bot", reader.find_release("bot", version="0.1.0").digest)
        [evidence, *_] = reader.evidence(app="bot", tables=True)
    assert recorded is not None
    [must] = [each for each in recorded.suites if each.name == "must"]
    assert (must.held, must.cases) == (digest, ())
    assert evidence.complete
    assert SECRET in (run / "answers.jsonl").read_text(), "a run that was stopped goes on from here"


def test_other_cases_than_the_suite_names_are_asked_of_no_one(
    provider: ModelServer, workspace: Path, folder: Path, promptops: Promptops, store: Registry
) -> None:
    named(workspace, promptops)
    write(folder, [*ROWS[1:], {"name": "easy", "expected": "easy"}])
    refused = promptops("eval", "bot", exits=4).err
    assert "are not those that it names" in refused and "promptops eval hold bot must" in refused
    write(folder, ROWS[::-1])  # the order is nothing
    promptops("eval", "bot", "--dry-run")
    assert provider.asked == []
    with store.read() as reader:
        assert reader.runs("bot") == ()


def test_a_change_of_the_checks_leaves_the_digest_of_the_cases_as_it_is(
    provider: ModelServer, workspace: Path, folder: Path, promptops: Promptops
) -> None:
    digest = named(workspace, promptops)
    before = promptops("check", "--json").json["suites"]
    hold(workspace, digest, check="You said")
    after = promptops("check", "--json").json["suites"]
    assert before != after
    promptops("eval", "bot", "--suite", "must")


@pytest.mark.parametrize("part", [("--local",), ("--limit", "1"), ("--tag", "short")])
def test_what_is_no_evidence_leaves_held_cases_out(
    part: tuple[str, ...],
    provider: ModelServer,
    workspace: Path,
    folder: Path,
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named(workspace, promptops)
    monkeypatch.delenv("PROMPTOPS_HELD")
    answer = promptops("eval", "bot", *part)
    assert "left out, since their cases are held: must" in answer.err
    assert not [body for body in provider.asked if SECRET in spoken(body)]
    assert "are held" in promptops("eval", "bot", "--suite", "must", *part, exits=2).err


def test_an_answer_to_a_held_case_is_not_recorded(
    provider: ModelServer, workspace: Path, folder: Path, promptops: Promptops, tmp_path: Path
) -> None:
    named(workspace, promptops)
    refused = promptops("eval", "bot", "--record", str(tmp_path / "kept"), exits=2)
    assert "a recording of what models answered to them would show them" in refused.err
    promptops("eval", "bot", "--suite", "greet", "--record", str(tmp_path / "kept"))
    replayed = promptops("eval", "bot", "--replay", str(tmp_path / "kept"))
    assert "left out" in replayed.err and not (tmp_path / "kept/answers.jsonl").read_text().count(SECRET)


def test_cases_in_the_repository_are_not_held(
    provider: ModelServer, workspace: Path, folder: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(workspace, promptops)
    inside = workspace / "inside"
    inside.mkdir()
    write(inside, ROWS)
    monkeypatch.setenv("PROMPTOPS_HELD", str(inside))
    assert "are in the repository" in promptops("eval", "bot", exits=2).err
    linked = folder / "linked.jsonl"
    linked.symlink_to(inside / "cases.jsonl")
    hold(workspace, "", place=str(linked))
    assert "are in the repository" in promptops("eval", "hold", "bot", "must", exits=2).err


def test_where_they_cannot_be_read_nothing_is_opened_or_asked(
    provider: ModelServer,
    workspace: Path,
    folder: Path,
    promptops: Promptops,
    store: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named(workspace, promptops)
    (folder / "cases.jsonl").rename(folder / "gone.jsonl")
    assert "cannot be read here: No such file" in promptops("eval", "bot", exits=6).err
    monkeypatch.delenv("PROMPTOPS_HELD")
    assert "PROMPTOPS_HELD, which is not set" in promptops("eval", "bot", exits=2).err
    promptops("check")
    promptops("release", "bot", "--allow-dirty")
    assert provider.asked == []
    with store.read() as reader:
        assert reader.runs("bot") == ()


@pytest.mark.parametrize(
    ("cases", "says"),
    [
        ([{"nam": SECRET, "expected": SECRET}], "line 1: unknown-setting"),
        ([{"expected": SECRET}], "line 1: case-incomplete"),
        ([ROWS[0], ROWS[0]], "line 2: duplicate-case"),
        ([{**ROWS[0], "checks": [{"contians": SECRET}]}], "line 1: check-unknown"),
        ([], "line 1: suite-empty"),
    ],
)
def test_what_is_wrong_with_them_is_said_by_line_and_kind(
    cases: list[dict[str, Any]], says: str, provider: ModelServer, workspace: Path, folder: Path, promptops: Promptops
) -> None:
    hold(workspace, "")
    write(folder, cases)
    refused = promptops("eval", "hold", "bot", "must", exits=2)
    assert says in refused.err and SECRET not in refused.err


# --- by HTTP --------------------------------------------------------------------------------------


@contextmanager
def serving(answer: Callable[[str, str], tuple[int, dict[str, str], bytes]]) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine: from a path and the authorization to what it answers. Yields what it was shown, too."""
    shown: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("authorization", ""))
            status, headers, body = answer(self.path, shown[-1])
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_token_goes_to_the_address_of_the_environment_and_nowhere_else(
    provider: ModelServer, workspace: Path, folder: Path, promptops: Promptops, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (folder / "cases.jsonl").read_bytes()

    def guarded(path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, data) if (path, authorization) == ("/team/cases.jsonl", "Bearer s3cret") else (401, {}, b"no")

    digest = named(workspace, promptops)
    with serving(guarded) as (url, shown), serving(guarded) as (other, stolen):
        monkeypatch.setenv("PROMPTOPS_HELD", f"{url}/team")
        assert "401; no token was sent" in promptops("eval", "bot", exits=6).err
        monkeypatch.setenv("PROMPTOPS_HELD_TOKEN", "s3cret")
        answer = promptops("eval", "bot", "--suite", "must")
        hold(workspace, digest, place=f"{url}/team/cases.jsonl")
        promptops("eval", "bot", "--suite", "must")
        hold(workspace, digest, place=f"{other}/team/cases.jsonl")
        refused = promptops("eval", "bot", "--suite", "must", exits=6)
    assert (shown, stolen) == (["", "Bearer s3cret", "Bearer s3cret"], [""])
    assert "s3cret" not in answer.out + answer.err + refused.err


@pytest.mark.parametrize(
    ("answer", "says", "exits"),
    [
        ((302, {"location": "/elsewhere"}, b""), "a redirect (302), and none is followed", 6),
        ((500, {}, b""), "cannot be read here: 500", 6),
        ((200, {}, b"x" * ((16 << 20) + 1)), "over 16 MiB", 2),
        ((200, {"content-encoding": "gzip"}, b"\x1f\x8b\x08 no"), "not-utf8", 2),
    ],
)
def test_an_address_that_does_not_give_them_is_named(
    answer: tuple[int, dict[str, str], bytes],
    says: str,
    exits: int,
    provider: ModelServer,
    workspace: Path,
    folder: Path,
    promptops: Promptops,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named(workspace, promptops)
    with serving(lambda path, authorization: answer) as (url, shown):
        monkeypatch.setenv("PROMPTOPS_HELD", url)
        refused = promptops("eval", "bot", exits=exits)
    assert says in refused.err and len(shown) == 1 and provider.asked == []
