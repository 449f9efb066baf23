"""What a canary shows: evidence that it is worse, and that it is not worse. Exact tests, no I/O, no clock.

The registry asks with it whether a canary is aborted or advances (``guardrail``, ``advance``). The standard library is
enough.
"""
