"""Reads suites: ``testData`` and ``evaluators`` of a prompt file, and ``evals/NAME.suite.yml`` with its cases."""
