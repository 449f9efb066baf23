"""JSON over HTTP and in files  <->  the core's nouns. What server, client and command line agree on; no I/O.

snapshot.py  a channel's snapshot and its events
presence.py  heartbeats, and clients as they were last heard of
problem.py   errors as application/problem+json, and back as the class that was raised
"""
