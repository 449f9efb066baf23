"""A kind of fact that promptops does not have: ``test_toy_fact.py`` puts these files into a copy of it."""
