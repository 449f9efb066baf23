"""How the checks of the database word a fault: its code, what and where, and the repair that goes with the code."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from promptops.core.faults import Condition, Fault

Check = Callable[[Connection], Iterable[Fault]]

_RESTORE = "promptops db restore brings a backup back, promptops rebuild --from-git makes a new registry from git"
_REPAIRS = {
    "guard-missing": "promptops fsck --repair puts it back, and so does promptops db upgrade; find out who removed it",
    "schema-foreign": "find out who put it there, and remove it as the owner of the database: promptops never does",
    "restore-unfinished": "repeat promptops db restore with the same backup, which finishes it",
    "secret-changed": "someone else may use the token: promptops token revoke ID, and create a new one",
    "fact-unrecorded": f"it was written without promptops: find out by whom. {_RESTORE}",
}


def damage(code: str, what: str, where: str) -> Fault:
    """Something that was written is not there any more, or not as it was."""
    return Fault(code=code, severity=Condition.DAMAGE, what=what, where=where, repair=_REPAIRS.get(code, _RESTORE))
