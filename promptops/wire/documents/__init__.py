"""The documents that people and scripts read: answers of the server and of ``--json``, one shape for both.

A document is what goes over the wire and nothing else, so renaming a field of a noun in :mod:`promptops.core` does not
change a key here. ``of`` makes it from the noun; where a server's answer is read back, a method returns the noun.
"""
