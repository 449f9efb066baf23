"""Checks of prompt texts beyond their format: secrets, hidden characters, unused names."""
