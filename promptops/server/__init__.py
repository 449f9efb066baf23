"""The registry over HTTP: what `promptops serve` runs.

==============  ===========================================================================
``run.py``      binds, starts, ends; ``app.py`` puts the layers together
``api/``        the routes: one module for each group of addresses
``http/``       from a connection to a handler: ``protocol`` (sizes and deadlines), ``edge``
                (log, metrics, the last answer), ``gate`` (authorisation), ``dispatch``
``live/``       what a running server keeps in memory: snapshots, tokens, limits, heartbeats
==============  ===========================================================================

Only ``live/feed.py`` waits for changes. It keeps each snapshot as bytes, so a read costs no query.
"""
