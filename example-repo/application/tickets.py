"""Works through these tickets with a model, and reports what came of each call.

    python application/tickets.py 1-400            drafts replies, and says which tickets took no colleague
    python application/tickets.py 1-400 triage     sorts them for the desk, as JSON

PROMPTOPS_REGISTRY, PROMPTOPS_CHANNEL and PROMPTOPS_TOKEN (with the scope `report`) say where the prompts come from, and
OPENAI_BASE_URL where the model is. The tickets are made up, and always the same.
"""

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from threading import local
from urllib.parse import urlsplit

from promptops import Client

QUESTIONS = [
    ("Where is my refund?", "Refunds", "A label that was never used is refunded within fourteen days."),
    ("Can I edit a label?", "Correcting a label", "A label that has not been scanned can be cancelled, not edited."),
    ("Can I move a pickup?", "Moving a pickup", "A pickup can be moved until 18:00 of the day before."),
    ("Do you deliver to Svalbard?", "Countries", "All countries of the EU, Norway (mainland) and Switzerland."),
]

MODEL = urlsplit(os.environ["OPENAI_BASE_URL"])
MODELS = local()

WORKER = 200
"""Tickets of one worker, which then reports and makes room for another one."""


def ask(request):
    """What `openai.OpenAI().chat.completions.create(**request)` does, without the package."""
    if not hasattr(MODELS, "connection"):
        MODELS.connection = HTTPConnection(MODEL.hostname, MODEL.port, timeout=60)
    body = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
    MODELS.connection.request("POST", f"{MODEL.path}/chat/completions", body)
    return json.load(MODELS.connection.getresponse())


def ticket(number):
    """What the customer of this number wrote, and the article about it: its title and text."""
    question, title, text = QUESTIONS[number % len(QUESTIONS)]
    return f"{question} It is about parcel PW-4471-{number:04}.", title, text


def draft(client, number):
    """A reply to a ticket: a call of the model, and what came of it. Returns the release, that, and the call's id."""
    question, title, text = ticket(number)
    with client.call("support-bot/answer", key=f"customer-{number}") as call:
        response = ask(call.prompt.to_openai(question=question, documents=[{"title": title, "text": text}]))
        call.record(response)
    choice = response["choices"][0]
    if choice["finish_reason"] == "content_filter":
        return call.prompt.version, "refused", call.id
    if "colleague" in choice["message"]["content"]:
        return call.prompt.version, "handed over", call.id
    client.outcome(call.id, "ticket_resolved")  # usually hours later, and in another process
    return call.prompt.version, "resolved", call.id


def sort(client, number):
    """A ticket sorted for the desk. The client checks the answer by the prompt's schema; the desk only reads it."""
    with client.call("support-bot/triage", key=f"customer-{number}") as call:
        response = ask(call.prompt.to_openai(ticket=ticket(number)[0]))
        call.record(response)
    fields = json.loads(response["choices"][0]["message"]["content"])
    return call.prompt.version, "sorted" if "reason" in fields else "without a reason", call.id


def work(job, numbers):
    """Do it with these tickets. A job has time: it waits for its prompts, and until its report is sent."""
    with Client(name="tickets", start_timeout=60) as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(partial(job, client), numbers))
        client.close(60)
    return answers


if __name__ == "__main__":
    job = sort if "triage" in sys.argv else draft
    first, last = map(int, sys.argv[1].split("-"))
    workers = [range(number, min(number + WORKER, last + 1)) for number in range(first, last + 1, WORKER)]
    answers = [answer for numbers in workers for answer in work(job, numbers)]
    for version in sorted({version for version, _, _ in answers}):
        found = Counter(what for served, what, _ in answers if served == version)
        print(f"{version}: {', '.join(f'{count:,} {what}' for what, count in sorted(found.items()))}")
    if refused := [call for _, what, call in answers if what == "refused"]:
        print("the last one that was refused:", refused[-1], flush=True)
