"""A chat for customers: it keeps the conversation, looks parcels up with a tool, and reads photos of labels.

    uvicorn --factory chat:application

PROMPTOPS_REGISTRY, PROMPTOPS_CHANNEL and PROMPTOPS_TOKEN say where the prompts come from, OPENAI_BASE_URL and
OPENAI_API_KEY where the model is. What a model or a registry is, `create_app` is given, so tests bring their own.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from promptops import AsyncClient, Image, Invalid
from prompts import typed

Message = dict[str, Any]
Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""From the arguments of chat completions to the answer, as JSON."""

MOST_ROUNDS = 4
"""How often the model may call tools before it has to answer."""
REMEMBERED = 40
"""Messages of a conversation that the model sees: what the prompt says as `max`."""
PARCELS = {"PW-4471-0001": "in Bern since noon", "PW-4471-0002": "with the customer"}


@dataclass
class Conversation:
    """What was said so far, and the release that the conversation stays on."""

    messages: list[Message] = field(default_factory=list)
    hold: str = ""

    def recent(self) -> list[Message]:
        """The last messages, from one of the customer on: an answer of a tool without its call is refused."""
        recent = self.messages[-REMEMBERED:]
        while recent and recent[0]["role"] != "user":
            recent = recent[1:]
        return recent


class Question(BaseModel):
    """What the customer wrote."""

    question: str


class Reply(BaseModel):
    """The answer, and the version of the prompts that it came from."""

    reply: str
    version: str


def find_parcel(number: str) -> str:
    """The tool: where a parcel is."""
    return PARCELS.get(number, "there is no such parcel")


async def answered(ask: Ask, call: dict[str, Any]) -> list[Message]:
    """Asks until the model answers without a tool. Returns all that was said since the question."""
    said: list[Message] = []
    for _ in range(MOST_ROUNDS):
        response = await ask({**call, "messages": [*call["messages"], *said]})
        message: Message = response["choices"][0]["message"]
        said.append({key: message[key] for key in ("role", "content", "tool_calls") if message.get(key)})
        if not message.get("tool_calls"):
            return said
        for each in message["tool_calls"]:
            found = find_parcel(**json.loads(each["function"]["arguments"]))
            said.append({"role": "tool", "tool_call_id": each["id"], "content": found})
    raise HTTPException(502, "the model goes on calling tools")


def create_app(client: AsyncClient, ask: Ask) -> FastAPI:
    """Returns the application. It starts and closes the client of its prompts."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(lifespan=lifespan)
    conversations: dict[str, Conversation] = {}

    prompts = typed(client)

    @app.post("/chat/{customer}")
    async def chat(customer: str, body: Question) -> Reply:
        conversation = conversations.setdefault(customer, Conversation())
        prompt = prompts.get_prompt("support-chat/reply", key=customer, hold=conversation.hold)
        said = await answered(ask, prompt.to_openai(question=body.question, history=conversation.recent()))
        conversation.hold = prompt.hold
        conversation.messages += [{"role": "user", "content": body.question}, *said]
        return Reply(reply=said[-1]["content"], version=prompt.version)

    @app.post("/chat/{customer}/label")
    async def label(customer: str, question: str, request: Request) -> Reply:
        """The body is the photo: PNG, JPEG, GIF or WebP."""
        conversation = conversations.setdefault(customer, Conversation())
        prompt = prompts.get_prompt("support-chat/label", key=customer, hold=conversation.hold)
        try:
            photo = Image(data=await request.body())
        except Invalid as error:
            raise HTTPException(415, str(error)) from error
        call = prompt.to_openai(question=question, photo=photo, history=conversation.recent())
        said = await answered(ask, call)
        conversation.hold = prompt.hold
        conversation.messages += [{"role": "user", "content": f"{question} [photo of a label]"}, *said]
        return Reply(reply=said[-1]["content"], version=prompt.version)

    return app


def application() -> FastAPI:
    """The application with the prompts and the model that the environment names."""
    headers = {"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    models = httpx.AsyncClient(base_url=os.environ["OPENAI_BASE_URL"], headers=headers, timeout=60)

    async def ask(call: dict[str, Any]) -> dict[str, Any]:
        response = await models.post("/chat/completions", json=call)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    return create_app(AsyncClient(), ask)
