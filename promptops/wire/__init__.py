"""JSON over HTTP and in files  <->  the core's nouns. What server, client and command line agree on; no I/O.

``snapshot`` has a channel's snapshot and its events, ``heartbeat`` the reports of clients, ``problem`` errors as
application/problem+json, and ``shapes`` everything else.
"""
