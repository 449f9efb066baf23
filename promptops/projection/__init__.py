"""The registry in git: a chain of commits, one for each line of the audit log; and the way back.

``drain`` writes what waits in the outbox, ``check`` compares a repository with the registry, ``rebuild`` makes a
registry from a repository. Everything in git can be made again from the rows, byte by byte.
"""

from promptops.projection.archive import Archive, read_release
from promptops.projection.draining import Drained, Waiting, drain
from promptops.projection.offer import Offer
from promptops.projection.rebuilding import Rebuilt

__all__ = ["Archive", "Drained", "Offer", "Rebuilt", "Waiting", "drain", "read_release"]
