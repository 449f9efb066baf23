"""A request as a command of curl to paste into a shell. The key is in a variable of the environment, not in the text.

Everything that a prompt decides stands in single quotes, where a shell evaluates nothing.
"""

from __future__ import annotations

import json
import shlex
from typing import Final

from promptops.cli.output.escape import visible_json
from promptops.core.requests.endpoints import BEARER, ENDPOINTS, endpoint_of
from promptops.core.requests.request import Request

_LONGEST: Final = 100_000
"""Characters of an argument: Linux takes 131,072 bytes (MAX_ARG_STRLEN). A longer body is read from stdin."""
_END: Final = "END_OF_BODY"


def curl(request: Request) -> str:
    """Returns the command, over several lines."""
    endpoint = endpoint_of(request.provider)
    path = request.url_path
    if request.provider not in ENDPOINTS:  # whose variable has the address of the API, as for evals
        path = path.removeprefix(endpoint.chat)
    key = f"Bearer ${endpoint.key}" if endpoint.header == BEARER else f"${endpoint.key}"
    host = f'"{endpoint.host}"' if "$" in endpoint.host else endpoint.host
    lines = [f"curl {host}{shlex.quote(path)}"]
    lines += [f"-H {shlex.quote(f'{name}: {text}')}" for name, text in request.headers.items()]
    lines.append(f'-H "{endpoint.header}: {key}"')
    body = visible_json(json.dumps(request.body, ensure_ascii=False, allow_nan=False))
    if len(body.encode()) <= _LONGEST:
        return " \\\n  ".join([*lines, f"--data-raw {shlex.quote(body)}"])
    return " \\\n  ".join([*lines, f"--data-binary @- <<'{_END}'"]) + f"\n{body}\n{_END}"
