"""What can be concluded from a sample, with the standard library alone: numbers in, numbers out.

Every promise here holds for every world in which the cases (or clusters of them) are independent, for any number of
cases, and not only for many. ``docs/statistics.md`` has the formulas and where they come from.
"""
