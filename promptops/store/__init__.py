"""The registry: tables, guards, rows <-> nouns, transactions. The only SQL of promptops.

``create`` makes one, ``Registry.open`` connects to it, ``Registry.read`` and ``Registry.write`` hand out a
:class:`Reader` and a :class:`Writer`, which take and give the nouns of :mod:`promptops.core.model`.
"""

from promptops.store.reader import Answer, Reader
from promptops.store.registry import Registry
from promptops.store.revisions import HEAD
from promptops.store.setup import create, current_schema, upgrade
from promptops.store.writer import Writer

__all__ = ["HEAD", "Answer", "Reader", "Registry", "Writer", "create", "current_schema", "upgrade"]
