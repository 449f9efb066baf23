"""What use cases answer <-> the documents of :mod:`promptops.wire.documents`.

``--json`` and the server write with :func:`written`; the command line reads what a server answered with :func:`read`.
So a command answers the same whether it works on a database or through a server.

Each module here has :class:`Form` objects for some classes of answers. They are loaded when an answer of theirs is met,
so that a rollback loads nothing but a rollback's.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, TypeVar

from promptops.core.errors import Invalid, RegistryUnavailable
from promptops.core.escape import one_line
from promptops.core.model import Json
from promptops.use_cases.documents.form import Form
from promptops.wire import codec

T = TypeVar("T")

_MODULES: Final[Mapping[str, str]] = {
    "Deployed": "deployments",
    "Quarantine": "deployments",
    "RegistryStatus": "standings",
    "History": "standings",
    "Release": "releases",
    "Released": "releases",
    "Listed": "releases",
    "Named": "releases",
    "Channel": "channels",
    "ChannelChange": "channels",
    "Token": "tokens",
    "Minted": "tokens",
    "AuditEntry": "audit",
    "Approved": "approvals",
    "GateReport": "gates",
    "Evidence": "evidence",
    "EvidenceShown": "evidence",
    "RunState": "evidence",
    "Measured": "evidence",
    "Identity": "registry",
    "Ownership": "registry",
    "JournalKey": "registry",
    "OutcomesFound": "outcome_reports",
    "CostFound": "outcome_reports",
    "WhyFound": "outcome_reports",
    "Captured": "captured_calls",
    "Erasure": "erasures",
    "CanaryFound": "canaries",
    "CanaryPlanned": "canaries",
    "Looked": "canaries",
    "Outlook": "models",
    "Archived": "archivals",
    "RemovedChannel": "archivals",
    "VanishedApp": "archivals",
    "ReceiverChange": "receivers",
    "ReceiverState": "receivers",
    "TestAsked": "receivers",
}
"""Where the form of each class of answers is."""


def form_of(kind: type[T]) -> Form[T, Any]:
    """Returns the form of a class of answers.

    A dataclass without one is a document itself: its fields are the keys, so none of them may be renamed.
    """
    if kind.__name__ not in _MODULES:
        return Form(kind, lambda answer: answer, lambda document: document)
    module = import_module(f"{__name__}.{_MODULES[kind.__name__]}")
    form: Form[T, Any] = module.FORMS[kind]
    return form


def written(answer: object) -> dict[str, Json]:
    """Returns the JSON object of an answer."""
    return codec.to_json(form_of(type(answer)).write(answer))


def read(kind: type[T], value: object) -> T:
    """Returns the answer that a server wrote.

    Raises:
        RegistryUnavailable: the value cannot be one.
    """
    form = form_of(kind)
    try:
        return form.read(codec.from_json(form.document, value))
    except Invalid as error:
        raise _not_understood(error.message) from error
    except (ValueError, OverflowError) as error:
        raise _not_understood(str(error)) from error


def read_each(kind: type[T], value: object) -> tuple[T, ...]:
    """Returns every answer of a list that a server wrote.

    Raises:
        RegistryUnavailable: the value is not a list, or one of its items cannot be read.
    """
    if not isinstance(value, list):
        raise _not_understood("it has no list")
    return tuple(read(kind, item) for item in value)


def texts(value: object) -> tuple[str, ...]:
    """Returns a list of texts that a server wrote.

    Raises:
        RegistryUnavailable: the value is something else.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _not_understood("it has no list of names")
    return tuple(value)


def _not_understood(what: str) -> RegistryUnavailable:
    return RegistryUnavailable(
        f"the server's answer is not understood: {one_line(what, 200)}",
        hint="Another version of promptops may run there.",
    )
