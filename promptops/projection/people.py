"""The actor of a change as git writes a person."""

from __future__ import annotations

import re

_ACTOR = re.compile(r"(?P<name>[^<>]*?)[ ]*<(?P<mail>[^<>]*)>(?P<via>(?: via token [^<>]*)?)")


def git_person(actor: str) -> str:
    """Returns an actor as ``Name <mail>``, which git needs, also for a recorded actor without a mail."""
    found = _ACTOR.fullmatch(actor)
    name, mail = (found["name"] + found["via"], found["mail"]) if found else (re.sub(r"[<>]", "", actor), "")
    return f"{name.strip(' .,:;') or 'promptops'} <{mail.strip()}>"
