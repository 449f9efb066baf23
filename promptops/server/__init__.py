"""The registry over HTTP: what `promptops serve` runs. A face like the command line: it calls operations.

A request passes, in this order: protocol.py (sizes and deadlines of what arrives), edge.py (the log, the metrics, the
last answer when everything fails), gate.py (the one place where it is decided who may do what), and then a handler: of
reads.py and events.py directly, of everything else through FastAPI, which also writes the OpenAPI document.

feed.py is the only one that waits for changes; what it makes of them is kept as bytes, so that a snapshot costs no
query. tokens.py of the operations is asked through access.py, at most once a second for each token.
"""
