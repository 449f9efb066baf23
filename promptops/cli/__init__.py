"""The command line: one file a noun; a command is parse -> one operation -> render.

``main.py`` holds the table of commands and imports nothing but click until one of them is chosen. ``session.py`` is
what a command works with, ``render.py`` how an answer looks, ``shapes.py`` its JSON, ``failures.py`` what a refusal
looks like.
"""
