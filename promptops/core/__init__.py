"""The rules: pure, no I/O, no clock, no database. Everything may import core; core imports nothing of ours outside
itself.
"""
