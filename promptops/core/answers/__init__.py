"""Answers of providers: one reader for what an SDK or a body of JSON says, whole or as a stream.

:mod:`promptops.core.answers.reader` has the table of the APIs and of their fields.
"""
