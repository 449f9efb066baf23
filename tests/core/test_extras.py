"""What only some prompts need is imported by them alone, and its absence is an error that says what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import sys
from promptops.core.errors import ExtraMissing
from promptops.core.model import Engine, Input, Message, Prompt, Role
from promptops.core.template.template import Template

message = Message(role=Role.USER, content="Hello {{ name }}")
plain = Prompt(name="answer", messages=(message,), inputs=(Input(name="name"),))
assert Template.compile(plain).render({"name": "Ada"}) == [{"role": "user", "content": "Hello Ada"}]
loaded = {"jinja2", "jsonschema", "referencing", "semver", "rfc8785"} & set(sys.modules)
assert not loaded, loaded

sys.modules["{package}"] = None
try:
    Template.compile({prompt})
except ExtraMissing as error:
    assert error.hint == "pip install {package}", error.hint
else:
    raise AssertionError("compiled without it")
"""

_SCHEMA = 'Prompt(name="answer", messages=(message,), inputs=(Input(name="name", schema={"type": "integer"}),))'
_JINJA = 'Prompt(name="answer", messages=(message,), engine=Engine.JINJA2)'


@pytest.mark.parametrize(("package", "prompt"), [("jinja2", _JINJA), ("jsonschema", _SCHEMA)])
def test_a_package_is_needed_by_the_prompts_that_need_it_alone(package: str, prompt: str) -> None:
    program = _PROGRAM.replace("{package}", package).replace("{prompt}", prompt)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
