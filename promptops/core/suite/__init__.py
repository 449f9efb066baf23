"""Eval suites: cases, checks and judges, and what an answer is worth. None of it is part of a release or its digest."""
