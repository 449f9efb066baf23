"""A process that was forked in C, without a word to Python, follows anew; one without threads says what it lacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.client import made
from tests.client.fake_server import FakeServer, Reply
from tests.client.test_starting import bundle
from tests.client.waiting import until
from tests.support.checkout import ROOT

# PyDLL keeps the interpreter's lock, as uWSGI does; nothing that was registered for a fork is run.
BEGINNING = """
import asyncio, ctypes, json, os, sys, threading, time, types
from promptops import AsyncClient, Client

fork = ctypes.PyDLL(None).fork
url = sys.argv[1]

def until(condition):
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end, condition
        time.sleep(0.005)

def switches_of(thread):
    try:
        return [line for line in open(f"/proc/self/task/{thread.native_id}/status") if "voluntary" in line]
    except OSError:
        return thread.name  # it begins, or has ended

def switches():
    return [switches_of(thread) for thread in threading.enumerate() if thread is not threading.main_thread()]

def in_child(work):
    end, before = time.monotonic() + 5, None
    while (now := switches()) != before and time.monotonic() < end:
        before = now  # a thread that waits for the interpreter at the fork would leave its lock broken
        time.sleep(0.15)
    pid = fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print("in the child:", repr(error), file=sys.stderr)
            os._exit(1)
    return pid

def ended_well(pid):
    assert os.waitpid(pid, 0)[1] == 0
"""


UWSGI = """
uwsgi = types.ModuleType("uwsgi")
uwsgi.has_threads, uwsgi.worker_id, uwsgi.masterpid = THREADS
sys.modules["uwsgi"] = uwsgi

def names():
    return [thread.name for thread in threading.enumerate() if "follow" in thread.name or "listen" in thread.name]
"""
LOADING = "1, lambda: 0, lambda pid=os.getpid(): pid"


def run(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", dedent(BEGINNING) + dedent(program), *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(child: subprocess.Popen[str]) -> str:
    out, errors = child.communicate(timeout=90)
    assert (child.returncode, errors) == (0, "")
    return out


def ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n", child.communicate()[1]


FOLLOWING = """
client = Client(url, channel="prod", cache_dir=False, poll=float(sys.argv[2]), start_timeout=20.0)
assert client.get_prompt("bot/answer").version == "1.0.0", client.status()

def child(use):
    eval(use)
    until(lambda: client.state == "READY")
    assert client.status().running
    until(lambda: client.get_prompt("bot/answer").version == "3.0.0")
    client.close()

pids = [in_child(lambda: child(use)) for use in sys.argv[3:]]
print("ready", flush=True)
until(lambda: client.get_prompt("bot/answer").version == "3.0.0")
for pid in pids:
    ended_well(pid)
assert client.status().running
client.close()
"""
USES = [
    'client.get_prompt("bot/answer")',
    'client.release("bot")',
    "client.status()",
    "client.state",
    "client.refresh()",
    "repr(client)",
]


def test_any_use_in_a_process_forked_in_c_begins_to_follow(server: FakeServer) -> None:
    child = run(FOLLOWING, server.url, "30", *USES)
    ready(child)
    until(lambda: len({beat["name"] for beat in server.beats()}) == 1 + len(USES))
    server.serve(made.served(3, "3.0.0"))
    ended(child)


@pytest.mark.parametrize("kind", ["polled", "folder", "bundle"])
def test_a_process_forked_in_c_follows_each_kind_of_source(server: FakeServer, tmp_path: Path, kind: str) -> None:
    from promptops.client.disk.cache_format import encode, stored_of

    server.streams = False
    source = server.url
    place = bundle(tmp_path / "export", made.served(1, "1.0.0"))
    one_file = tmp_path / "prompts.lkg"
    one_file.write_bytes(encode(stored_of(made.held(made.served(1, "1.0.0")))))
    if kind != "polled":
        source = f"file:{place if kind == 'folder' else one_file}"
    child = run(FOLLOWING, source, "0.3", USES[0])
    ready(child)
    newest = made.served(3, "3.0.0")
    newer = bundle(tmp_path / "newer", newest)
    for each in (newer / "v1" / "releases").iterdir():
        each.rename(place / "v1" / "releases" / each.name)
    (newer / "v1" / "channels" / "prod" / "snapshot").rename(place / "v1" / "channels" / "prod" / "snapshot")
    (tmp_path / "new.lkg").write_bytes(encode(stored_of(made.held(newest))))
    (tmp_path / "new.lkg").rename(one_file)
    server.serve(newest)
    ended(child)


def test_until_it_followed_a_forked_process_is_not_ready(server: FakeServer) -> None:
    program = """
    client = Client(url, channel="prod", cache_dir=False, poll=30.0)
    until(lambda: client.status().streaming)

    def child():
        began = time.monotonic()
        prompt, status = client.get_prompt("bot/answer"), client.status()
        assert time.monotonic() - began < 5.0, "the wait for the first answer has no bound"
        assert (prompt.version, prompt.source) == ("1.0.0", "cache"), prompt
        assert status.state == "DISCONNECTED" and "forked" in status.problem, status

    print("ready", flush=True)
    sys.stdin.readline()
    ended_well(in_child(child))
    assert client.state == "READY" and client.status().streaming
    client.close()
    """
    command = [sys.executable, "-c", dedent(BEGINNING) + dedent(program), server.url]
    child = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    ready(child)

    def hang() -> Reply:
        until(lambda: child.poll() is not None)
        return Reply(status=503)

    server.script = lambda asked: hang()
    assert child.stdin is not None
    child.stdin.write("now\n")
    child.stdin.flush()
    out, errors = child.communicate(timeout=90)
    assert (child.returncode, out, errors) == (0, "", "")


def test_a_process_forked_in_c_that_ends_leaves_the_parents_connections_alone(server: FakeServer) -> None:
    program = """
    import atexit
    client = Client(url, channel="prod", cache_dir=False, poll=86_400.0)
    until(lambda: client.status().streaming)
    polls = client.status().polls

    def forget():
        global client
        client = None

    for end in (client.close, atexit._run_exitfuncs, forget):
        ended_well(in_child(end))
    del end
    print("ready", flush=True)
    until(lambda: client.get_prompt("bot/answer").version == "3.0.0")
    status = client.status()
    assert status.streaming and status.polls == polls, status
    client.close()
    """
    child = run(program, server.url)
    ready(child)
    server.serve(made.served(3, "3.0.0"))
    ended(child)
    assert server.kinds().count("events") == 1


def test_a_database_is_read_anew_in_a_worker_of_uwsgi(registry_url: str) -> None:
    from promptops.store import Registry
    from tests.support import factory

    live = Registry.open(registry_url)
    factory.make_channels(live)
    for release in factory.make_releases(live):
        factory.go_live(live, f"bot@{release.version}")
    program = """
    client = Client(url, channel="prod", cache_dir=False, start_timeout=20.0)
    assert client.get_prompt("bot/answer").version == "0.1.2", client.status()
    pid = in_child(lambda: until(lambda: client.get_prompt("bot/answer").version == "0.1.1" and names()))
    print("ready", flush=True)
    ended_well(pid)
    """
    child = run(UWSGI.replace("THREADS", LOADING) + dedent(program), registry_url)
    ready(child)
    factory.go_back(live, "bot")
    live.close()
    ended(child)


def test_a_worker_without_threads_says_so_and_asks_when_it_is_asked(server: FakeServer) -> None:
    program = """
    client = Client(url, channel="prod", cache_dir=False, poll=0.3, start_timeout=20.0)
    status = client.status()
    assert not names() and not status.running
    assert status.state == "DISCONNECTED" and "enable-threads = true" in status.problem, status
    assert client.get_prompt("bot/answer").version == "1.0.0"
    print("ready", flush=True)
    until(lambda: client.get_prompt("bot/answer").version == "3.0.0")
    assert client.refresh()
    assert client.fetch("bot@3.0.0").version == "3.0.0"
    assert client.state == "DISCONNECTED" and not names()
    client.close()
    assert client.get_prompt("bot/answer").version == "3.0.0"
    """
    child = run(UWSGI.replace("THREADS", "0, lambda: 1, lambda: 1") + dedent(program), server.url)
    ready(child)
    server.serve(made.served(3, "3.0.0"))
    _, errors = child.communicate(timeout=90)
    assert (child.returncode, errors.count("enable-threads = true"), len(errors.splitlines())) == (0, 1, 1), errors
    assert server.beats()[-1]["leaving"] is True
    assert "events" not in server.kinds()


def test_a_worker_without_threads_loses_little_time_to_a_server_that_hangs(server: FakeServer) -> None:
    program = """
    client = Client(url, channel="prod", cache_dir=False, poll=86_400.0)
    print("ready", flush=True)
    until(lambda: os.path.exists(sys.argv[2]))
    for _ in range(2):  # the next questions are a day away, unless somebody asks
        began = time.monotonic()
        for _ in range(1000):
            client.get_prompt("bot/answer")
        assert time.monotonic() - began < 20.0
    began = time.monotonic()
    assert not client.refresh(0.2)
    assert time.monotonic() - began < 20.0
    client.close()
    """
    gone = ROOT / "pyproject.toml"
    child = run(UWSGI.replace("THREADS", "0, lambda: 1, lambda: 1") + dedent(program), server.url, str(gone))
    ready(child)

    def hang() -> Reply:
        until(lambda: child.poll() is not None)
        return Reply(status=503)

    server.script = lambda asked: hang()
    _, errors = child.communicate(timeout=90)
    assert child.returncode == 0, errors


def test_who_only_loads_for_uwsgi_has_no_threads_and_no_heartbeat(server: FakeServer) -> None:
    program = """
    client = Client(url, channel="prod", cache_dir=False, poll=0.05, start_timeout=20.0)
    assert client.get_prompt("bot/answer").version == "1.0.0"
    assert not names() and client.state == "DISCONNECTED"
    for _ in range(20):
        client.get_prompt("bot/answer")
        time.sleep(0.01)
    sockets = [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
    assert not [name for name in sockets if os.readlink(f"/proc/self/fd/{name}").startswith("socket:")]
    print("ready", flush=True)
    pid = in_child(lambda: until(lambda: client.get_prompt("bot/answer").version == "3.0.0" and names()))
    ended_well(pid)
    """
    child = run(UWSGI.replace("THREADS", LOADING) + dedent(program), server.url)
    ready(child)
    assert server.beats() == []
    server.serve(made.served(3, "3.0.0"))
    ended(child)


def test_the_process_that_loaded_follows_once_it_is_a_worker(server: FakeServer) -> None:
    program = """
    client = Client(url, channel="prod", cache_dir=False, start_timeout=20.0)
    assert client.get_prompt("bot/answer").version == "1.0.0" and not names()
    uwsgi.worker_id = lambda: 1  # without a master
    until(lambda: client.state == "READY" and client.status().running)
    client.close()
    """
    ended(run(UWSGI.replace("THREADS", "1, lambda: 0, lambda: 0") + dedent(program), server.url))


@pytest.mark.parametrize("name", ["uwsgi = types.ModuleType('uwsgi')", "uwsgi = object()"])
def test_anything_else_that_is_called_uwsgi_changes_nothing(server: FakeServer, name: str) -> None:
    program = f"""
    {name}
    sys.modules["uwsgi"] = uwsgi
    with Client(url, channel="prod", cache_dir=False, start_timeout=20.0) as client:
        assert client.state == "READY" and client.status().running
    """
    ended(run(program, server.url))
