"""JSON over HTTP and in files  <->  the core's nouns. The formats that server, client and command line share; no I/O.

``snapshot`` has a channel's snapshot and its events, ``heartbeat`` the reports of clients, ``problem`` errors as
application/problem+json, and ``shapes`` everything else.
"""
