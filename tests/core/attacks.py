"""The templates of people who mean harm, and a child process that runs each of them under hard limits.

Run as a program it compiles and renders every template in a fork of its own, with at most 256 MB of memory and one
second of processor time, and prints what became of each as JSON. What the limits kill shows as ``killed``.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys

from promptops.core.errors import PromptopsError
from promptops.core.model import Engine, Json, Message, Prompt, Role
from promptops.core.template.template import Template

MEMORY = 256 << 20
SECONDS = 1

DATA: dict[str, Json] = {"user": {"name": "Ada", "items": [1, 2, 3]}, "text": "some text", "docs": ["a", "b"]}

# Each template with the outcome it must have: the class of the error, or the text it renders to.
ATTACKS: dict[str, tuple[str, str]] = {
    # running code
    "popen through a global": ("{{ lipsum.__globals__['os'].popen('id').read() }}", "TemplateInvalid"),
    "subclasses of object": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "TemplateInvalid"),
    "globals of a helper class": ("{{ cycler.__init__.__globals__.os.system('id') }}", "TemplateInvalid"),
    "the template itself": ("{{ self.__init__.__globals__ }}", "TemplateInvalid"),
    "str.format reaches attributes": ("{{ '{0.__class__}'.format(user) }}", "TemplateInvalid"),
    "attr filter": ("{{ text|attr('format') }}", "TemplateInvalid"),
    "attr through map": ("{{ docs|map('attr', '__class__')|list }}", "TemplateInvalid"),
    "a field in brackets": ("{{ user['__class__'] }}", "TemplateInvalid"),
    "a field with a computed name": ("{{ user['__cla' ~ 'ss__'] }}", "TemplateInvalid"),
    "a method of the data": ("{{ user.clear() }}", "TemplateInvalid"),
    "a method that is a key is the key": ("{{ user.items }}", "[1,2,3]"),
    "a method that is no key": ("{{ user.keys }}", "MissingVariable"),
    # other files
    "include of a file": ("{% include '/etc/passwd' %}", "TemplateInvalid"),
    "import": ("{% import 'os' as os %}{{ os }}", "TemplateInvalid"),
    "extends": ("{% extends 'base' %}", "TemplateInvalid"),
    # time
    "a long range": ("{% for i in range(1000000000) %}{% endfor %}", "TemplateInvalid"),
    "nested ranges": (
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "TemplateInvalid",
    ),
    "nested loops over constants": (
        f"{{% for i in '{'x' * 50_000}' %}}{{% for j in '{'x' * 50_000}' %}}{{% endfor %}}{{% endfor %}}",
        "TemplateInvalid",
    ),
    "a loop with a large body": (
        f"{{% for i in '{'x' * 50_000}' %}}{'{% if text %}{% endif %}' * 2_000}{{% endfor %}}",
        "TemplateInvalid",
    ),
    "lorem ipsum": ("{{ lipsum(n=1000000) }}", "TemplateInvalid"),
    "a tower of powers": ("{{ 10 ** 10 ** 10 }}", "TemplateInvalid"),
    "rounding to a billion places": ("{{ 5|round(-1000000000) }}", "TemplateInvalid"),
    "a number of 100,000 digits": (f"{{{{ {'9' * 100_000} }}}}", "TemplateInvalid"),
    # memory
    "a billion spaces by format": ("{{ '%1000000000d'|format(1) }}", "TemplateInvalid"),
    "a billion spaces by center": ("{{ text|center(1000000000) }}", "TemplateInvalid"),
    "a billion spaces by indent": ("{{ text|indent(1000000000, true) }}", "TemplateInvalid"),
    "a billion letters": ("{{ 'a' * 1000000000 }}", "TemplateInvalid"),
    "doubling text": ("{% set s = 'aaaa' %}" + "{% set s = s ~ s %}" * 40 + "{{ s }}", "TemplateInvalid"),
    "doubling lists": ("{% set s = [1] %}" + "{% set s = s + s %}" * 40 + "{{ s }}", "TemplateInvalid"),
    "doubling by replace": ("{{ 'a'" + "|replace('a', 'aa')" * 40 + " }}", "TemplateInvalid"),
    "multiplying by join": ("{{ 'aaaaaaaaaa'" + "|join('aaaaaaaaaa')" * 30 + " }}", "OutputTooLarge"),
    "doubling backslashes": ("{{ '\"'" + "|tojson" * 40 + " }}", "OutputTooLarge"),
    "doubling by lists": ("{{ '\"'" + "|list|tojson" * 15 + " }}", "OutputTooLarge"),
    "output of nested loops": (
        f"{{% for i in '{'x' * 1_000}' %}}{{% for j in '{'x' * 1_000}' %}}{'y' * 99}{{% endfor %}}{{% endfor %}}",
        "OutputTooLarge",
    ),
    "searching a text in two loops": (
        "{% for a in '"
        + "x" * 900
        + "' %}{% for b in '"
        + "x" * 900
        + "' %}"
        + "{% if 'ab' in '"
        + "a" * 20_000
        + "' %}{% endif %}{% endfor %}{% endfor %}",
        "TemplateInvalid",
    ),
    # the parser and the compiler
    "macro that calls itself": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "TemplateInvalid"),
    "a recursive loop": ("{% for d in docs recursive %}{{ loop(docs) }}{% endfor %}", "TemplateInvalid"),
    "3,000 parentheses": ("{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}", "TemplateInvalid"),
    "10,000 operands": ("{{ " + "text and " * 10_000 + "text }}", "TemplateInvalid"),
    "200 nested conditions": ("{% if text %}" * 200 + "{% endif %}" * 200, "TemplateInvalid"),
    "100,000 braces": ("{" * 100_000, "TemplateInvalid"),
    "a filter block": ("{% filter upper %}{{ text }}{% endfilter %}", "TemplateInvalid"),
    "a filter with keyword arguments from data": ("{{ docs|join(**user) }}", "TemplateInvalid"),
    # not attacks, though they look like some
    "a name that does not exist": ("{{ nothing }}", "MissingVariable"),
    "a tag inside a value stays text": ("{{ text|upper }}", "SOME TEXT"),
    "a tag inside a constant stays text": ("{{ '{{ text }}' }}", "{{ text }}"),
}


def outcome(text: str) -> str:
    """The rendered text, or the name of the error's class."""
    prompt = Prompt(name="attack", engine=Engine.JINJA2, messages=(Message(role=Role.USER, content=text),))
    try:
        template = Template.compile(prompt)
        values = {name: value for name, value in DATA.items() if name in template.names}
        content: str = template.render(values)[0]["content"]
        return content
    except PromptopsError as error:
        return type(error).__name__


def limited(text: str) -> str:
    """The outcome in a fork under hard limits."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        status = 1
        try:
            os.write(writing, outcome(text)[:2_000].encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return answer if status == 0 else "crashed"


if __name__ == "__main__":
    outcome("{{ text|upper }}")  # imports what the forks need
    json.dump({name: limited(text) for name, (text, _) in ATTACKS.items()}, sys.stdout)
