"""Runs suites: asks models what an application would ask, grades the answers, and reports. No registry, no terminal."""
