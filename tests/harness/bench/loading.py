"""What loading costs a client at the limits: each of the nastiest contents that are let in, in a process of its own.

Bounds: a second and 64 MB for any content that is let in, and 10 ms and 1 MB for the example.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from promptops.core.compiled import compile_release, require_loadable
from promptops.core.digest import digest
from promptops.core.model import Content, Engine, Input, Json, Message, Prompt, Role, Tool
from promptops.core.release_bytes import encode
from tests.harness.bench.measure import Line
from tests.support.checkout import ROOT

_SECONDS, _BYTES = 1.0, 64e6
_EXAMPLE_SECONDS, _EXAMPLE_BYTES = 0.01, 1e6


def _jinja(one: str, each: int, messages: int) -> Content:
    """As many messages as a release may have, each as large as it may be."""
    said = (Message(role=Role.USER, content=one * each),)
    return _app(*(Prompt(name=f"p{n}", engine=Engine.JINJA2, messages=said) for n in range(messages)))


def _app(*prompts: Prompt) -> Content:
    return Content(app="bot", prompts=prompts)


def _schema(schema: dict[str, Json], count: int = 1) -> Content:
    return _app(Prompt(name="p", messages=(), inputs=tuple(Input(name=f"a{n}", schema=schema) for n in range(count))))


def _deep(levels: int) -> dict[str, Json]:
    schema: dict[str, Json] = {"type": "object", "properties": {f"b{n}": {"type": "string"} for n in range(50)}}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


NASTY: dict[str, Callable[[], Content]] = {
    "Jinja: {{a}}": lambda: _jinja("{{a}}", 1_000, 3),
    "Jinja: different names": lambda: _app(
        *(
            Prompt(
                name=f"p{p}",
                engine=Engine.JINJA2,
                messages=(Message(role=Role.USER, content="".join(f"{{{{a{p}x{n}}}}}" for n in range(1_000))),),
            )
            for p in range(3)
        )
    ),
    "Jinja: fields": lambda: _jinja("{{a.b.c}}", 500, 3),
    "Jinja: conditions": lambda: _jinja("{% if a %}x{% endif %}", 500, 3),
    "Jinja: loops": lambda: _jinja("{% for x in a %}{{x}}{% endfor %}", 250, 3),
    "Jinja: filters": lambda: _jinja("{{a|sort(reverse=true)}}", 400, 3),
    "Jinja: comparisons": lambda: _jinja("{{a" + "<a" * 10 + "}}", 60, 3),
    "Jinja: constants": lambda: _jinja("{{[" + "1," * 1_990 + "]}}", 1, 3),
    "Jinja: comments": lambda: _jinja("{##}", 2_000, 3),
    "simple: {{a}}": lambda: _app(Prompt(name="p", messages=(Message(role=Role.USER, content="{{a}}" * 20_000),))),
    "simple: different names": lambda: _app(
        Prompt(
            name="p",
            messages=(Message(role=Role.USER, content="".join(f"{{{{a{n}}}}}" for n in range(20_000))),),
        )
    ),
    "text in many scripts": lambda: _app(
        *(Prompt(name=f"p{n}", messages=(Message(role=Role.USER, content="a" * 250_000 + "🎉"),)) for n in range(4))
    ),
    "schema: allOf": lambda: _schema({"allOf": [{"type": "string"}] * 6_000}, 5),
    "schema: properties": lambda: _schema({"properties": {f"a{n}": {"type": "string"} for n in range(6_000)}}, 5),
    "schema: deep": lambda: _schema(_deep(12), 500),
    "schema: enum": lambda: _schema({"enum": list(range(19_000))}, 5),
    "inputs": lambda: _schema({"type": "integer"}, 5_000),
    "patterns": lambda: _schema({"anyOf": [{"pattern": f"^{n}(?:ab|cd){{90}}[a-z]{{500}}$"} for n in range(100)]}),
    "tools": lambda: _app(
        Prompt(
            name="p",
            messages=(),
            tools=tuple(
                Tool(name=f"t{n}", parameters={"type": "object", "properties": {"a": {"type": "string"}}})
                for n in range(8_000)
            ),
        )
    ),
    "prompts": lambda: _app(*(Prompt(name=f"p{n}", messages=()) for n in range(5_000))),
    "messages": lambda: _app(
        *(Prompt(name=f"p{n}", messages=(Message(role=Role.USER, content="{{a}}"),) * 6) for n in range(3_000))
    ),
    "parameters": lambda: _app(Prompt(name="p", messages=(), parameters={"stop": [[]] * 99_000})),
}


def lines(folder: Path) -> Iterator[Line]:
    """One line each for the time and the memory of the worst, and of the example."""
    found = {name: _measured(folder, name) for name in NASTY}
    for number, unit, bound in ((0, "s", _SECONDS), (1, "MB", _BYTES / 1e6)):
        name = max(found, key=lambda each: found[each][number])
        worst = found[name][number]
        print(", ".join(f"{each} {cost[number]:.2f} {unit}" for each, cost in found.items()), file=sys.stderr)
        yield Line(
            what=f"loading the nastiest of {len(NASTY)} contents ({name})",
            measured=f"{worst:.2f} {unit}",
            baseline=f"{bound:g} {unit}",
            ratio=worst / bound,
            bound=1.0,
        )
    seconds, megabytes = _measured(folder, "the example")
    for what, cost, bound, unit in (
        ("loading the example", 1e3 * seconds, 1e3 * _EXAMPLE_SECONDS, "ms"),
        ("loading the example: memory", megabytes, _EXAMPLE_BYTES / 1e6, "MB"),
    ):
        yield Line(
            what=what, measured=f"{cost:.2f} {unit}", baseline=f"{bound:g} {unit}", ratio=cost / bound, bound=1.0
        )


def _measured(folder: Path, name: str) -> tuple[float, float]:
    """Seconds of the processor and megabytes, in a process that has loaded something small of every kind before."""
    content = _example() if name == "the example" else NASTY[name]()
    require_loadable(content)
    path = folder / "release.json"
    path.write_bytes(encode(content))
    command = [sys.executable, "-m", "tests.harness.bench.loading", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    seconds, size = json.loads(done.stdout)
    return seconds, size / 1e6


def _example() -> Content:
    from promptops.source.load import load
    from promptops.source.tree import WorkingTree

    found = load(WorkingTree(ROOT / "example-repo")).app("support-bot").content
    assert found is not None
    return found


def _load(path: Path) -> tuple[float, int]:
    warm = _jinja("{% for x in a %}{{x|upper}}{% endfor %}", 1, 1)
    for each in (warm, _schema({"type": "integer"}), _schema({"pattern": "a"})):
        compile_release(encode(each), digest="")
    data = path.read_bytes()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _kilobytes("VmRSS")
    began = time.process_time()
    held = compile_release(data, digest=digest(data))
    took = time.process_time() - began
    assert held.prompts
    return took, 1024 * (_kilobytes("VmHWM") - before)


def _kilobytes(what: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0])


if __name__ == "__main__":
    print(json.dumps(_load(Path(sys.argv[1]))))
