"""Spans of OpenTelemetry: the names of attributes, what a span says of a request to a model, and its sums.

No I/O and no package: the server reads spans out of OTLP, and :mod:`promptops.otel` those of its process.
"""
