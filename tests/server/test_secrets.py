"""A token is nowhere but where it was shown: in no log, no answer, no metric, and no list of processes."""

from __future__ import annotations

from pathlib import Path

import psutil

from promptops.core.token import Scope
from promptops.store import Registry
from tests.server.conftest import Serve, mint
from tests.server.running import Running, until

PATH = "/v1/channels/prod/snapshot"


def misuses(server: Running, token: str) -> list[bytes]:
    """Everything that somebody may do with a token by mistake, and what is answered."""
    digest = "sha256:" + "0" * 64
    answers = [
        server.get(PATH, token),
        server.get(f"{PATH}?token={token}", token),
        server.get(f"{PATH}?app={token}", token),
        server.get(f"/{token}", token),
        server.get(f"/v1/channels/{token}/snapshot", token),
        server.get(f"/v1/releases/{digest}", token),
        server.get("/metrics", token),
        server.ask("POST", f"/v1/channels/prod/clients?{token}", token=token, body={token: token}),
        server.ask("POST", "/v1/channels/prod/clients", token=token, body={"id": token, "name": token}),
        server.ask("POST", "/v1/channels/prod/clients", token=token, body=f'{{"id": "{token}'.encode()),
        server.ask("POST", "/v1/channels/prod/rollback", token=token, body={"apps": ["bot"], token: token}),
        server.ask("PUT", PATH, token=token),
        server.get(PATH, token[:-1] + ("a" if token[-1] != "a" else "b")),
        server.get(PATH, Authorization=token),
        server.get(PATH, token, If_None_Match=token, Last_Event_ID=token, X_Token=token),
        server.get(PATH, token, Host=token),
        server.say(f"{token} / HTTP/1.1\r\nHost: x\r\n\r\n".encode()),
        server.say(f"{token}\r\n\r\n".encode()),
        server.say(f"GET / HTTP/1.1\r\nAuthorization: {token}\r\nAuthorization: x\r\nHost: localhost\r\n\r\n".encode()),
    ]
    return [answer.body + repr(answer.headers).encode() for answer in answers]


def test_a_token_is_in_no_answer_log_or_list_of_processes(
    world: Registry, serve: Serve, registry_url: str, tmp_path: Path
) -> None:
    token = mint(world, "canary", Scope.READ, Scope.ROLLBACK)
    secret = token.removeprefix("pops_op_")[4:]  # its first characters are public
    server = serve()
    told = misuses(server, token)
    metrics = server.get("/metrics", token).body
    until(lambda: "/v1/channels/prod/rollback" in server.said())
    assert secret.encode() not in metrics + b"".join(told)
    assert secret not in server.said()
    process = psutil.Process(server.process.pid)
    assert secret not in repr((process.cmdline(), process.environ()))
    with world.read() as reader:
        assert secret not in repr(reader.audit())
    server.end()
    if registry_url.startswith("sqlite"):
        assert all(secret.encode() not in file.read_bytes() for file in tmp_path.glob("registry.db*"))


def test_a_password_of_the_registry_is_in_no_answer_and_not_in_the_log(
    world: Registry, reader: str, serve: Serve
) -> None:
    server = serve()
    answers = server.get("/readyz").body + server.get(PATH).body + server.get("/metrics", reader).body
    assert b"postgres" not in answers
    assert b"registry.db" not in answers
