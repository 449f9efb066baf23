"""`promptops render`: prints a prompt's messages as an application would send them, or its request to a provider."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from promptops.cli import complete
from promptops.cli.command import command
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.render import Line, Sent, Span
from promptops.cli.resolve import named
from promptops.cli.session import Session
from promptops.core.errors import Invalid, MissingVariable, PromptopsError
from promptops.core.reference import parse_reference
from promptops.wire.codec import to_json
from promptops.wire.documents.commands import RenderedDocument

if TYPE_CHECKING:
    from promptops.core.model import Json
    from promptops.core.requests.request import Request
    from promptops.core.suite.suite import Case
    from promptops.operations.queries import Named, Rendered

BATCH, CURL, OWN = "batch", "curl", "request"
FORMS: Final = (
    *(OWN, "openai", "responses", "anthropic", "gemini", "bedrock", "mistral", "azure", "github", "openrouter"),
    *("litellm", CURL, BATCH),
)
_CUSTOM_ID = re.compile(r"(?!case-\d)[A-Za-z0-9_-]{1,64}")  # what every API of batches takes, beside our own


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Values to render with. ``id`` is a case's, ``place`` says for people which it is; both empty without cases."""

    values: Mapping[str, Json]
    id: str = ""
    place: str = ""


@command("render")
@click.argument("reference", metavar="APP/PROMPT[@VERSION|:CHANNEL]", shell_complete=complete.prompts)
@click.option("-v", "--var", "given", multiple=True, metavar="NAME=VALUE", help="A variable's value; repeat it.")
@click.option("--vars", "file", metavar="FILE", type=click.Path(), help="A JSON object with values; - is stdin.")
@click.option("--as", "form", type=click.Choice(FORMS), help="Print the request to an API, as JSON or as a command.")
@click.option("--case", "case", metavar="N|ID", help="With the values of a case of the file's testData, from 1 on.")
@click.option("--all-cases", is_flag=True, help="With each case of the file's testData.")
@click.option("--cases", metavar="FILE", type=click.Path(), help="With each JSON object of a file; - is stdin.")
def render(session: Session, /, reference: str, form: str | None, **chosen: Any) -> None:
    """Print a prompt's messages, or its request to an API.

    Without @ or : it renders the files here. A value of -v is text, unless the prompt declares the variable as
    something else; then it is read as JSON. A field has its path: -v customer.name=Ann. An image, a file or audio is
    -v photo=@shelf.png, or its URL.

    --as prints the request to an API, without a key: its path, its headers and its body. `request` is for the provider
    of the pin, `curl` the same as a command, `batch` a file of many: JSON Lines, or the body of Anthropic's batches.

    \b
      promptops render support-bot/answer -v question="Where is my parcel?"
      promptops render support-bot/answer:prod --vars case.json --json
      promptops render support-bot/answer --case 1 --as curl
      promptops render support-bot/answer --as batch --cases cases.jsonl > batch.jsonl
    """
    from promptops.operations import queries

    [subject] = named(session, parse_reference(reference))
    rounds = list(_rounds(session, subject, chosen))
    if form == BATCH and not rounds[0].place:
        raise Invalid("a batch is of cases", hint="Give --cases FILE or --all-cases.")
    rendered = []
    for each in rounds:
        try:
            rendered.append(queries.render(subject, each.values))
        except MissingVariable as missing:
            missing.hint = f"Give it one: -v {missing.name}=…, or --vars FILE."
            _at(each, missing)
            raise
        except PromptopsError as error:
            _at(each, error)
            raise
    if form is not None:
        _print_requests(session, form, rounds, rendered)
    elif not rounds[0].place:
        session.answer(lambda: _shape(rendered[0]), lambda page: _lines(rendered[0]))
    else:
        _print_cases(session, rounds, rendered)


def _rounds(session: Session, subject: Named, chosen: Mapping[str, Any]) -> Iterator[Round]:
    """Yields the values to render with: of one case or of each, of a file, or those of the command line alone."""
    from promptops.cli.prompt_values import read_cases, read_values, with_given
    from promptops.core.template.template import Template

    prompt = subject.prompt()
    if sum(bool(chosen[name]) for name in ("case", "all_cases", "cases")) > 1:
        raise Invalid("--case, --all-cases and --cases each say which values", hint="Give one of them.")
    file = chosen["file"]
    values = with_given(prompt, read_values(file, session) if file else {}, chosen["given"], session)
    if chosen["cases"]:
        for number, of_case in enumerate(read_cases(chosen["cases"], session), 1):
            yield Round(values={**of_case, **values}, id=f"case-{number}", place=f"case {number}")
    elif chosen["case"] or chosen["all_cases"]:
        template = Template.compile(prompt)
        for number, case in _cases(session, subject, chosen["case"]):
            own_id = case.given_id if _CUSTOM_ID.fullmatch(case.given_id) else f"case-{number}"
            place = f"case {number}" + (f" ({case.given_id})" if case.given_id else "")
            yield Round(
                values={**template.values_of_case(case.values(case.variables)), **values}, id=own_id, place=place
            )
    else:
        yield Round(values=values)


def _cases(session: Session, subject: Named, wanted: str | None) -> Iterator[tuple[int, Case]]:
    """Yields cases of the prompt file's ``testData`` with their numbers: the wanted one, or all."""
    from promptops.source.load import load
    from promptops.source.tree import WorkingTree

    app = load(WorkingTree(session.require_root()), apps=frozenset({subject.content.app})).app(subject.content.app)
    prompt = subject.prompt().name
    cases = app.test_data.get(prompt, ())
    if not cases:
        raise Invalid(f"the file of {app.name}/{prompt} has no `testData`", hint="Give values: -v, --vars or --cases.")
    found = [(number, case) for number, case in enumerate(cases, 1) if wanted in (None, str(number), case.given_id)]
    if not found:
        raise Invalid(
            f"{app.name}/{prompt} has no case '{wanted}'", hint=f"Its testData has {len(cases)}, from 1 on, or by id."
        )
    yield from found[:1] if wanted is not None else found


def _at(each: Round, error: PromptopsError) -> None:
    """Lets an error say of which case it is."""
    if each.place:
        error.message = f"{each.place}: {error.message}"
        error.args = (error.message,)


def _print_requests(session: Session, form: str, rounds: list[Round], rendered: list[Rendered]) -> None:
    requests = []
    for each, of_round in zip(rounds, rendered, strict=True):
        try:
            requests.append(_request(of_round, form))
        except PromptopsError as error:
            _at(each, error)
            raise
    if form == BATCH:
        lines = [request.batch_line(each.id) for each, request in zip(rounds, requests, strict=True)]
        _print_json([{"requests": lines}] if requests[0].provider == "anthropic" else lines)
    elif form == CURL and not session.json:
        from promptops.cli.output.curl import curl

        session.answer(dict, lambda page: "\n\n".join(map(curl, requests)).split("\n"))
    else:
        _print_json([_as_json(request) for request in requests])


def _request(rendered: Rendered, form: str) -> Request:
    from promptops.core.requests.routes import request_of

    return request_of(rendered.prompt, rendered.messages, None if form in (OWN, CURL, BATCH) else form)


def _as_json(request: Request) -> JsonObject:
    return {"url_path": request.url_path, "headers": request.headers, "body": request.body}


def _print_cases(session: Session, rounds: list[Round], rendered: list[Rendered]) -> None:
    if session.json:
        _print_json([_shape(each) for each in rendered])
        return
    titled: list[Line] = []
    for each, of_round in zip(rounds, rendered, strict=True):
        titled += [*([""] if titled else []), [Span(each.place, "strong")], *_lines(of_round)]
    session.answer(dict, lambda page: titled)


def _print_json(documents: Sequence[JsonObject]) -> None:
    """Prints one JSON object; or several, one a line (JSON Lines)."""
    from promptops.cli.exit import writing
    from promptops.cli.output import render as output

    with writing():
        for document in documents:
            output.print_json(document, one_line=len(documents) > 1)


def _shape(rendered: Rendered) -> JsonObject:
    release = rendered.named.release
    return to_json(
        RenderedDocument(
            app=rendered.named.content.app,
            prompt=rendered.prompt.name,
            version=release.version if release else None,
            digest=release.digest if release else None,
            model=rendered.prompt.model,
            parameters=rendered.prompt.parameters,
            messages=rendered.messages,
        )
    )


def _lines(rendered: Rendered) -> list[Line]:
    from promptops.core.parts import shown_content

    prompt = rendered.prompt
    settings = ", ".join(f"{name} {json.dumps(value)}" for name, value in sorted(prompt.parameters.items()))
    model = prompt.model or "the application chooses the model"
    head = f"{rendered.named.label} · {prompt.name} · {model}" + (f" · {settings}" if settings else "")
    lines: list[Line] = [[Span(head, "quiet")]]
    for message in rendered.messages:
        lines += ["", [Span(message["role"], "name")]]
        lines += [Sent(line) for line in shown_content(message["content"]).removesuffix("\n").split("\n")]
        lines += [f"{key}: {json.dumps(item)}" for key, item in message.items() if key not in ("role", "content")]
    return lines
