"""Drafts a reply to each of so many tickets, and reports which of them took no colleague: python application/tickets.py 400

PROMPTOPS_REGISTRY, PROMPTOPS_CHANNEL and PROMPTOPS_TOKEN (with the scope `report`) say where the prompts come from, and
OPENAI_BASE_URL where the model is. The tickets are made up, and always the same.
"""

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from promptops import Client

QUESTIONS = [
    ("Where is my refund?", "Refunds", "A label that was never used is refunded within fourteen days."),
    ("Can I edit a label?", "Correcting a label", "A label that has not been scanned can be cancelled, not edited."),
    ("Can I move a pickup?", "Moving a pickup", "A pickup can be moved until 18:00 of the day before."),
    ("Do you deliver to Svalbard?", "Countries", "All countries of the EU, Norway (mainland) and Switzerland."),
]

MODEL = urlsplit(os.environ["OPENAI_BASE_URL"])


def ask(request):
    """What `openai.OpenAI().chat.completions.create(**request)` does, without the package."""
    with closing(HTTPConnection(MODEL.hostname, MODEL.port, timeout=60)) as connection:
        body = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
        connection.request("POST", f"{MODEL.path}/chat/completions", body)
        return json.load(connection.getresponse())


def answer(number):
    """One ticket: a call of the model, and what came of it. Returns that, and the call's id."""
    question, title, text = QUESTIONS[number % len(QUESTIONS)]
    with client.call("support-bot/answer", key=f"customer-{number}") as call:
        request = call.prompt.to_openai(
            question=f"{question} It is about parcel PW-4471-{number:04}.", documents=[{"title": title, "text": text}]
        )
        response = ask(request)
        call.record(response)
    choice = response["choices"][0]
    if choice["finish_reason"] == "content_filter":
        return "refused", call.id
    if "colleague" in choice["message"]["content"]:
        return "handed over", call.id
    client.outcome(call.id, "ticket_resolved")  # usually hours later, and in another process
    return "resolved", call.id


if __name__ == "__main__":
    with Client(name="tickets") as client, ThreadPoolExecutor(16) as pool:
        version = client.get_prompt("support-bot/answer").version
        answers = list(pool.map(answer, range(1, int(sys.argv[1]) + 1)))
    found = Counter(what for what, _ in answers)
    print(f"{version}: {', '.join(f'{count} {what}' for what, count in sorted(found.items()))}")
    print("the last one that was refused:", [call for what, call in answers if what == "refused"][-1], flush=True)
