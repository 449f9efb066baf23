"""The use cases. One module for each, or for a few that share a noun; one short function for each use case.

=========================  ================================================================
``build.py``               files in git -> apps that are ready to be released
``release.py``             release, tag, push
``promote.py``             promote; ``rollback.py``: roll back; ``canary.py``: the steps of a canary
``admission.py``           let a release into a channel: stable, or as a canary
``deploy.py``              what all share: lock, decide, append, read back
``quarantine.py``          quarantine, unquarantine, yank
``override.py``            make an override file; ``override_reconcile.py``: record it later
``channels.py``            apply the channels that promptops.yml declares
``queries.py``             status, history, releases, show, diff, render
``status.py``              what is live, and where a rollback would go
``snapshots.py``           a channel's snapshot and its contents; ``export_snapshot.py``: as files
``heartbeats.py``          which clients serve what
``outcomes.py``            take what clients report; ``feedback.py``: what calls led to
``unloadable.py``          releases that no client could load
``tokens.py``              create, list, revoke and find tokens
``audit.py``, ``fsck.py``  is the log, and is the registry, what was written?
``backup.py``              back up, restore
``git_sync.py``            bring what is new to git, and tag releases
``idempotency.py``         the same request twice is done once
=========================  ================================================================

A use case loads, lets a rule of the core decide, stores, and returns nouns. It does not print, ask the clock or read
the environment: ``now``, ``actor`` and idempotency keys are arguments.
"""
