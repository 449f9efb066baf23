"""Checks of the text of an answer, which prompts and suites share. The client imports them, so they need no package."""
