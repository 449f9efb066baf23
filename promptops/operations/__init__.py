"""The use cases: the table of contents of the system. One file a noun, one short function a use case.

    workspace.py   files in git -> apps that are ready to be released
    releasing.py   release, tag, push
    promoting.py   promote
    rolling_back.py  roll back
    deploying.py   what both do: lock, decide, append, read back
    once.py        idempotency keys
    withholding.py quarantine, unquarantine, yank
    pinning.py     break-glass: a pin of a release, from the database or from git, and its file
    replacing.py   a file, as a whole or not at all
    overriding.py  the record of a pin afterwards
    auditing.py    is the audit log what was written?
    backing_up.py  backup, restore
    channels.py    apply the channels that promptops.yml declares
    reading.py     status, history, releases, show, diff, render
    standing.py    what is live, and where a rollback would go
    serving.py     a channel's snapshot and the contents it points to, for clients
    exporting.py   both as plain files
    presence.py    which clients serve what

Each loads, lets a rule of the core decide, stores, and returns nouns. Nothing here prints, asks the clock or reads the
environment: ``now``, ``actor`` and idempotency keys come in.
"""
