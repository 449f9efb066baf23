"""JSON over HTTP and in files  <->  the core's nouns. The formats that server, client and command line share; no I/O.

``snapshot`` has a channel's snapshot and its events, ``heartbeat`` what clients say of themselves, ``outcomes`` what
they report of their calls, ``problem`` errors as application/problem+json, and ``documents`` everything else.
"""
