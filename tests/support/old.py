"""Earlier versions of promptops, from their wheels: what newer ones meet. They run in processes of their own."""

from __future__ import annotations

import json
import lzma
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from textwrap import dedent

from promptops.config import VARIABLES
from tests.support.checkout import ROOT

VERSIONS = ("0.1.0", "0.6.0", "0.7.0")

REFS = "0.3.0"
"""The last version that left a ref of its own in git for each fact: its wheel makes what has to be read of that."""

PRELUDE = """
def module(*names):
    from importlib import import_module
    for name in names[:-1]:
        try:
            return import_module("promptops." + name)
        except ModuleNotFoundError:
            pass
    return import_module("promptops." + names[-1])
"""
"""``module`` imports the first of several names of one module, for scripts that run with every earlier version."""

_FILL = """
import json, sys, uuid
from datetime import UTC, datetime
from promptops.core.digest import digest
from promptops.core.model import Policy, Profile, Provenance
from promptops.core.reference import parse_reference
from promptops.operations.channels import apply_channels
from promptops.store import Registry
from promptops.store.setup import create

content_from_bytes = module("core.release_bytes", "core.release").content_from_bytes
promoting = module("operations.promote", "operations.promoting")
releasing = module("operations.release", "operations.releasing")
building = module("operations.build", "operations.workspace")
Workspace = getattr(building, "BuiltWorkspace", None) or building.Workspace

url, now, actor = sys.argv[1], datetime.now(UTC), "Ada Lovelace <ada@example.org>"
if not sys.argv[2:]:
    create(url, name="test", now=now, actor=actor)
registry = Registry.open(url)
apply_channels(registry, "test", {"prod": Policy()}, actor=actor, now=now)
for text in json.load(sys.stdin):
    data = text.encode()
    content = content_from_bytes(data)
    made = Provenance(repository="old", commit="c" * 40, path=content.app, author=actor, builder="tests")
    built = building.Built(content=content, data=data, digest=digest(data), profile=Profile(), provenance=made)
    request = releasing.ReleaseRequest(key=uuid.uuid4().hex)
    workspace = Workspace(registry="test", built=(built,))
    done = releasing.release(registry, workspace, request, actor=actor, now=now)[0].release
    reference = parse_reference(f"{content.app}@{done.version}")
    request = promoting.PromoteRequest(reference=reference, channel="prod", key=uuid.uuid4().hex)
    promoting.promote(registry, request, actor=actor, now=now)
registry.close()
"""

_TYPE = """
import json, subprocess, sys
import promptops
from promptops.cli.main import run
assert promptops.__version__ == sys.argv[1], promptops.__file__
for command in json.load(sys.stdin):
    git = command[0] == "git"
    code = subprocess.run(command, capture_output=True).returncode if git else run(command)
    assert code == 0, (command, code)
"""


def wheel(version: str) -> Path:
    """The wheel of an earlier version. From 0.6.0 on it is compressed as a whole, in half the size: ``.whl.xz``."""
    folder = ROOT / "tests" / "fixtures" / ("wheels" if version in VERSIONS else "older")
    path = folder / f"promptops_registry-{version}-py3-none-any.whl"
    return path if path.exists() else path.with_suffix(".whl.xz")


@dataclass(frozen=True)
class Talking:
    """A script that runs with an old package: a line goes in, a line comes out."""

    process: subprocess.Popen[str]

    def readline(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def say(self, line: str) -> str:
        """What it answers to a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.readline()


@dataclass(frozen=True)
class Old:
    """An earlier version's package, unpacked into a folder."""

    version: str
    package: Path

    @classmethod
    def unpack(cls, version: str, folder: Path) -> Old:
        path = wheel(version)
        data = path.read_bytes()
        with zipfile.ZipFile(BytesIO(lzma.decompress(data) if path.suffix == ".xz" else data)) as archive:
            archive.extractall(folder)
        return cls(version, folder)

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        return {**kept, "PYTHONPATH": str(self.package), "PROMPTOPS_SYNC": "off", **more}

    def attempt(self, script: str, *arguments: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """How a script ends that runs with the old package."""
        command = [sys.executable, "-c", PRELUDE + dedent(script), *arguments]
        return subprocess.run(
            command, cwd=self.package, env=self.environment(**more), input=given, capture_output=True, text=True,
            timeout=90, check=False,
        )  # fmt: skip

    def python(self, script: str, *arguments: str, given: str = "", **more: str) -> str:
        """What a script prints that runs with the old package, and ends well."""
        run = self.attempt(script, *arguments, given=given, **more)
        assert run.returncode == 0, run.stderr
        return run.stdout

    @contextmanager
    def running(self, script: str, *arguments: str) -> Iterator[Talking]:
        """A script that runs with the old package, to talk with."""
        command = [sys.executable, "-c", PRELUDE + dedent(script), *arguments]
        with subprocess.Popen(
            command, cwd=self.package, env=self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Talking(process)
            finally:
                process.terminate()

    def type_in(self, *lines: str, **more: str) -> None:
        """Run these command lines, of promptops or of git, in one process; each ends with exit code 0."""
        self.python(_TYPE, self.version, given=json.dumps([shlex.split(line) for line in lines]), **more)

    def go_live(self, url: str, contents: Mapping[str, bytes], *, new: bool = False) -> None:
        """Release and promote these contents, in the registry at this URL, which ``new`` makes."""
        given = json.dumps([data.decode() for data in contents.values()])
        self.python(_FILL, url, *(() if new else ("there",)), given=given)

    @contextmanager
    def serving(self, url: str) -> Iterator[str]:
        """The address of an old server, without tokens."""
        command = [sys.executable, "-m", "promptops", "serve", "--port", "0", "--json", "--no-auth"]
        environment = self.environment(PROMPTOPS_REGISTRY=url)
        with subprocess.Popen(
            command, cwd=self.package, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            try:
                first = process.stdout.readline()
                assert first, "the old server did not start"
                yield f"http://127.0.0.1:{json.loads(first)['port']}"
            finally:
                process.stdout.close()
                process.terminate()
