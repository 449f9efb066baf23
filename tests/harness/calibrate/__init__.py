"""Measures how often gates let a bad release pass, and a good one: ``python -m tests.harness.calibrate``."""
