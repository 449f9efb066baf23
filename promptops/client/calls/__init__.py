"""Calls of an application: what became of each, added up until the next report. No I/O.

``exposure.py`` and ``desk.py`` are all that a client without calls loads.
"""
