"""A small application that answers with the prompts that its channel serves: python application/support.py

    GET /ask?question=…    what would be sent to the model, and which release it comes from
    GET /release           the release that is served, and since when

PROMPTOPS_REGISTRY, PROMPTOPS_CHANNEL and PROMPTOPS_TOKEN say where the prompts come from. It prints its own address
first, and a line whenever the release changes.
"""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from promptops import Client

ARTICLES = [{"title": "Refunds", "text": "A label that was never used is refunded within fourteen days."}]

changed = {"at": time.time()}


def tell(change):
    changed["at"] = time.time()
    print(f"serving {change.app} {change.version} (revision {change.revision})", flush=True)


client = Client(on_change=tell, name="support-desk")


class Desk(BaseHTTPRequestHandler):
    """One request, one answer; no request waits for the registry."""

    def do_GET(self):
        address = urlsplit(self.path)
        if address.path == "/ask":
            question = parse_qs(address.query).get("question", ["Where is my money?"])[0]
            prompt = client.get_prompt("support-bot/answer")
            call = prompt.to_openai(question=question, documents=ARTICLES)
            # openai.OpenAI().chat.completions.create(**call) would be here.
            self.answer({"release": f"{prompt.app}@{prompt.version}", "would_send": call})
        elif address.path == "/release":
            prompt = client.get_prompt("support-bot/answer")
            self.answer({"version": prompt.version, "revision": prompt.revision, "since": changed["at"]})
        else:
            self.send_error(404)

    def answer(self, document):
        body = json.dumps(document, indent=2).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Nothing: the lines on the screen are about releases."""


if __name__ == "__main__":
    with client, ThreadingHTTPServer(("127.0.0.1", 0), Desk) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
