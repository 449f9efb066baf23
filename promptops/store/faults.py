"""How the checks of the database word a fault: its code, what and where, and the repair that goes with the code."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.faults import Condition, Fault

Check = Callable[[Connection], Iterable[Fault]]

_RESTORE = Sentence(
    Advice(Action.RESTORE, words="a restore"),
    " brings a backup back, ",
    Advice(Action.REBUILD, words="a rebuild", place="PATH"),
    " makes a new registry from git",
)
_REPAIRS = {
    "guard-missing": Sentence(
        Advice(Action.REPAIR, words="a repair of the registry"),
        " puts it back, and so does ",
        Advice(Action.UPGRADE, words="an upgrade"),
        "; find out who removed it",
    ),
    "schema-foreign": "find out who put it there, and remove it as the owner of the database: promptops never does",
    "restore-unfinished": Sentence(
        "repeat ", Advice(Action.RESTORE, words="the restore"), " with the same backup, which finishes it"
    ),
    "secret-changed": Sentence(
        "another person may use the token: ",
        Advice(Action.REVOKE_TOKEN, words="revoke it", token="ID"),  # noqa: S106 what stands for an id
        ", and create a new one",
    ),
    "fact-unrecorded": Sentence("it was written without promptops: find out by whom. ", _RESTORE),
}


def damage(code: str, what: str, where: str) -> Fault:
    """Something that was written is not there any more, or not as it was."""
    return Fault(code=code, severity=Condition.DAMAGE, what=what, where=where, repair=_REPAIRS.get(code, _RESTORE))
